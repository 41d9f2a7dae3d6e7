// What AMQP clients get of a queue: the order, the times and the choice of messages, and who gets them.

import assert from 'node:assert/strict'
import rhea from 'rhea'
import { bodies, certain, drained, leave, send } from '../support/rhea.ts'
import type { FeatureList } from './feature.ts'
import { Inbox, named } from './inbox.ts'

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
    {
      name: 'exclusive consumers',
      of: 'AMQP',
      promise: 'the first exclusive consumer that comes back is the only one that gets messages',
      more: 'messaging.md#exclusive-consumers',
      async begin(ground) {
        const queue = ground.name('exclusive')
        const client = await ground.amqp()
        const plain = await certain(client, { source: queue })
        const sole = await certain(client, { source: `${queue}?consumer.exclusive=true` })
        await send(client, queue, named(['1', '2']))
        assert.deepEqual(bodies(await drained(plain, 10)), [])
        assert.deepEqual(bodies(await drained(sole, 1)), ['1'])
        return async () => {
          assert.deepEqual(bodies(await drained(plain, 10)), [])
          assert.deepEqual(bodies(await drained(sole, 1)), ['2'])
          await send(client, queue, named(['3']))
          await leave(sole)
          assert.deepEqual(bodies(await drained(plain, 10)), ['3'])
        }
      },
    },
    {
      name: 'message groups',
      of: 'AMQP',
      promise: 'a group goes to one consumer, in order; which one that is, is decided anew',
      more: 'messaging.md#message-groups',
      async begin(ground) {
        const queue = ground.name('groups')
        const client = await ground.amqp()
        const links = [await certain(client, { source: queue }), await certain(client, { source: queue })]
        const inboxes = links.map(link => new Inbox(link))
        const grouped = (...names: string[]) => named(names, name => ({ group_id: name.charAt(0) }))
        const all = async (count: number): Promise<void> => {
          while (inboxes.reduce((sum, { answered }) => sum + answered, 0) < count)
            await Promise.race(inboxes.map(inbox => inbox.more()))
        }
        for (const link of links) link.add_credit(100)
        await send(client, queue, grouped('a1', 'b1', 'c1', 'a2', 'b2', 'c2'))
        await all(6)
        const before = inboxes.map(inbox => inbox.got.length)
        return async () => {
          for (const link of links) link.add_credit(100)
          await send(client, queue, grouped('a3', 'b3', 'c3', 'a4', 'b4', 'c4'))
          await all(12)
          const halves = [
            inboxes.map(({ got }, i) => bodies(got.slice(0, before[i]))),
            inboxes.map(({ got }, i) => bodies(got.slice(before[i]))),
          ]
          for (const [i, half] of halves.entries())
            for (const group of ['a', 'b', 'c']) {
              const shares = half.map(names => names.filter(name => String(name).startsWith(group)))
              const whole = [1, 2].map(n => `${group}${n + 2 * i}`)
              assert.deepEqual(shares.flat(), whole)
              assert.ok(
                shares.some(share => share.length === 2),
                `${group} is shared: ${JSON.stringify(shares)}`,
              )
            }
        }
      },
    },
    {
      name: 'drain',
      of: 'AMQP',
      promise: 'a drain brings all that waits, and then says that there is no more',
      more: 'messaging.md',
      async begin(ground) {
        const queue = ground.name('drain')
        const client = await ground.amqp()
        const link = await certain(client, { source: queue })
        assert.deepEqual(await drained(link, 5), [])
        await send(client, queue, named(['1', '2', '3']))
        assert.deepEqual(bodies(await drained(link, 2)), ['1', '2'])
        return async () => {
          assert.deepEqual(bodies(await drained(link, 7)), ['3'])
          assert.deepEqual(await drained(link, 5), [])
        }
      },
    },
  ],
}
