// What AMQP clients get of a queue: the order, the times and the choice of messages, and who gets them.

import assert from 'node:assert/strict'
import rhea, { type Message } from 'rhea'
import { bodies, certain, drained, leave, send } from '../support/rhea.ts'
import type { FeatureList } from './feature.ts'

/** Messages that last, with these bodies and more. */
const named = (names: readonly string[], more: (name: string) => object = () => ({})): Message[] =>
  names.map(body => ({ body, durable: true, ...more(body) }))

export const amqpQueues: FeatureList = {
  file: 'amqp-queues',
  features: [
    {
      name: 'priority',
      of: 'AMQP',
      promise: 'what waits comes in the order of its priorities, and within one in that of its arrival',
      more: 'messaging.md#priority',
      async begin(ground) {
        const queue = ground.name('priority')
        const client = await ground.amqp()
        const priorities = { a: 1, b: 8, c: 4, d: 8 } as Record<string, number>
        await send(
          client,
          queue,
          named(Object.keys(priorities), name => ({ priority: priorities[name] })),
        )
        const first = await certain(client, { source: queue })
        assert.deepEqual(bodies(await drained(first, 1)), ['b'])
        await leave(first)
        return async () => {
          await send(
            client,
            queue,
            named(['e'], () => ({ priority: 9 })),
          )
          const rest = await certain(client, { source: queue })
          assert.deepEqual(bodies(await drained(rest, 10)), ['e', 'd', 'c', 'a'])
        }
      },
    },
    {
      name: 'selectors on a queue',
      of: 'AMQP',
      promise: 'a consumer with a selector gets what it selects, in order, and the others stay for others',
      more: 'messaging.md#selectors',
      async begin(ground) {
        const queue = ground.name('selectors')
        const client = await ground.amqp()
        const filter = rhea.filter.selector("color = 'red' AND JMSPriority < 5")
        await send(
          client,
          queue,
          named(['r1', 'b2', 'r3', 'b4', 'r5'], name => ({
            application_properties: { color: name.startsWith('r') ? 'red' : 'blue' },
          })),
        )
        const red = await certain(client, { source: { address: queue, filter } })
        assert.deepEqual(bodies(await drained(red, 2)), ['r1', 'r3'])
        await leave(red)
        return async () => {
          const more = await certain(client, { source: { address: queue, filter } })
          assert.deepEqual(bodies(await drained(more, 10)), ['r5'])
          const rest = await certain(client, { source: queue })
          assert.deepEqual(bodies(await drained(rest, 10)), ['b2', 'b4'])
        }
      },
    },
    {
      name: 'browsing',
      of: 'AMQP',
      promise: 'a browser begins anew and sees all that waits once, and all stays',
      more: 'messaging.md#browsing',
      async begin(ground) {
        const queue = ground.name('browsing')
        const client = await ground.amqp()
        await send(client, queue, named(['1', '2', '3']))
        const source = { address: queue, distribution_mode: 'copy' }
        const first = await certain(client, { source })
        assert.deepEqual(bodies(await drained(first, 2)), ['1', '2'])
        await leave(first)
        return async () => {
          const browser = await certain(client, { source })
          assert.deepEqual(bodies(await drained(browser, 10)), ['1', '2', '3'])
          const consumer = await certain(client, { source: queue })
          assert.deepEqual(bodies(await drained(consumer, 10)), ['1', '2', '3'])
        }
      },
    },
  ],
}
