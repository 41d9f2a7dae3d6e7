// A queue at its limit, and how its producers are slowed: what becomes of a message for which there is no room.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { EventContext, Sender } from 'rhea'
import { bodies, certain, drained, send } from '../support/rhea.ts'
import type { FeatureList } from './feature.ts'
import { deathOf, named, nextOf } from './inbox.ts'

/** The outcome of one message, when it has one. */
async function outcomeOf(link: Sender, body: string): Promise<string> {
  while (!link.sendable()) await once(link, 'sendable')
  const { id } = link.send({ body, durable: true })
  return new Promise(resolve => {
    const hear = ({ delivery }: EventContext): void => {
      if (delivery?.id !== id) return
      const { error } = (delivery.remote_state ?? {}) as { error?: { condition: string } }
      resolve(error?.condition ?? 'accepted')
    }
    for (const event of ['accepted', 'rejected']) link.on(event, hear)
  })
}

export const amqpLimits: FeatureList = {
  file: 'amqp-limits',
  features: [
    {
      name: 'a full queue refuses',
      of: 'AMQP',
      promise:
        'it is as full as before: senders get no credit until a consumer made room, and nothing accepted is lost',
      more: 'messaging.md#a-queue-at-its-limit',
      async begin(ground) {
        const queue = ground.name('refuse')
        await ground.settle(`queue/${queue}`, { maxMessages: 2, whenFull: 'refuse' })
        const client = await ground.amqp()
        // Each has credit while there is room.
        const links = ['1', '2', '3'].map(() => client.open_sender(queue))
        await Promise.all(links.map(link => once(link, 'sendable')))
        const outcomes = await Promise.all(links.map((link, i) => outcomeOf(link, String(i + 1))))
        assert.deepEqual(outcomes, ['accepted', 'accepted', 'amqp:resource-limit-exceeded'])
        return async () => {
          const producer = await ground.amqp()
          const waiting = outcomeOf(producer.open_sender(queue), '4')
          const consumer = await certain(client, { source: queue })
          assert.equal(await Promise.race([waiting, nextOf(consumer).then(({ message, delivery }) => {
            delivery?.accept()
            return message?.body as string
          })]), '1') // prettier-ignore
          assert.equal(await waiting, 'accepted')
          assert.deepEqual(bodies(await drained(consumer, 10)), ['2', '4'])
        }
      },
    },
    {
      name: 'a full queue slows its producers',
      of: 'AMQP',
      promise: 'what had no answer is sent again, and waits again until there is room; each message is there once',
      more: 'messaging.md#a-queue-at-its-limit',
      async begin(ground) {
        const queue = ground.name('slow')
        await ground.settle(`queue/${queue}`, { maxMessages: 2, whenFull: 'slow' })
        const client = await ground.amqp()
        const link = client.open_sender(queue)
        const first = ['1', '2'].map(body => outcomeOf(link, body))
        const third = outcomeOf(link, '3')
        assert.deepEqual(await Promise.all(first), ['accepted', 'accepted'])
        return async () => {
          const waiting = ground.run === 'straight' ? third : outcomeOf(link, '3')
          const consumer = await certain(client, { source: queue })
          const got = await nextOf(consumer)
          got.delivery?.accept()
          assert.deepEqual([got.message?.body, await waiting], ['1', 'accepted'])
          assert.deepEqual(bodies(await drained(consumer, 10)), ['2', '3'])
        }
      },
    },
    {
      name: 'a full queue drops its oldest',
      of: 'AMQP',
      promise: 'the newest that fit are there, in order',
      more: 'messaging.md#a-queue-at-its-limit',
      async begin(ground) {
        const queue = ground.name('drop')
        await ground.settle(`queue/${queue}`, { maxMessages: 2, whenFull: 'drop-oldest' })
        const client = await ground.amqp()
        await send(client, queue, named(['1', '2', '3']))
        return async () => {
          await send(client, queue, named(['4']))
          assert.deepEqual(bodies(await drained(await certain(client, { source: queue }), 10)), ['3', '4'])
        }
      },
    },
    {
      name: 'a full queue moves its oldest to the dead letters',
      of: 'AMQP',
      promise: 'each message is in one of both places, in order',
      more: 'messaging.md#a-queue-at-its-limit',
      async begin(ground) {
        const [queue, dead] = [ground.name('full'), ground.name('full.dead')]
        await ground.settle(`queue/${queue}`, { maxMessages: 2, whenFull: 'dead-letter', deadLetter: dead })
        const client = await ground.amqp()
        await send(client, queue, named(['1', '2', '3']))
        return async () => {
          await send(client, queue, named(['4']))
          const letters = await drained(await certain(client, { source: dead }), 10)
          assert.deepEqual(bodies(letters), ['1', '2'])
          for (const letter of letters) assert.equal(deathOf(letter)['reason'], 'length')
          assert.deepEqual(bodies(await drained(await certain(client, { source: queue }), 10)), ['3', '4'])
        }
      },
    },
  ],
}
