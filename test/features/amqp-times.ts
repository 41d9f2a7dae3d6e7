// Messages that end, wait or die: time to live, delays, dead letters and redelivery, as AMQP clients ask for them.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { EventContext } from 'rhea'
import { patient } from '../support/patience.ts'
import { bodies, certain, drained, leave, send } from '../support/rhea.ts'
import type { FeatureList } from './feature.ts'
import { deathOf, named, nextOf } from './inbox.ts'

/** Longer than a first half takes, on a busy machine too. */
const LATER_MS = Math.round(Math.min(patient(1000), 5000))

/** The delivery has failed; ends when that is safe. */
async function fail({ delivery, receiver }: EventContext): Promise<void> {
  const answered = once(receiver as never, 'settled')
  delivery?.modified({ delivery_failed: true, undeliverable_here: false })
  await answered
}

export const amqpTimes: FeatureList = {
  file: 'amqp-times',
  features: [
    {
      name: 'time to live and expiry address',
      of: 'AMQP',
      promise: 'what is over by the clock of the server that serves is at the expiry address, once; the rest waits',
      more: 'messaging.md#time-to-live',
      async begin(ground) {
        const [queue, expired] = [ground.name('ttl'), ground.name('expired')]
        await ground.settle(`queue/${queue}`, { expiry: expired })
        const client = await ground.amqp()
        await send(
          client,
          queue,
          named(['before', 'after', 'stays'], name => ({
            ttl: { before: 1, after: LATER_MS, stays: 3_600_000 }[name],
          })),
        )
        const browser = await certain(client, { source: { address: expired, distribution_mode: 'copy' } })
        assert.equal((await nextOf(browser)).message?.body, 'before')
        await leave(browser)
        return async () => {
          const link = await certain(client, { source: expired })
          for (const name of ['before', 'after']) {
            const { message, delivery } = await nextOf(link)
            assert.equal(message?.body, name)
            assert.deepEqual(deathOf(message), { reason: 'expired', address: queue, count: 1 })
            delivery?.accept()
          }
          assert.deepEqual(await drained(link, 10), [])
          assert.deepEqual(bodies(await drained(await certain(client, { source: queue }), 10)), ['stays'])
        }
      },
    },
    {
      name: 'delayed delivery',
      of: 'AMQP',
      promise: 'a message with a delay comes when its time has come, not before, and once',
      more: 'messaging.md#delayed-delivery',
      async begin(ground) {
        const queue = ground.name('delayed')
        const client = await ground.amqp()
        const link = await certain(client, { source: queue })
        const due = Date.now() + LATER_MS
        await send(client, queue, [
          ...named(['later'], () => ({ message_annotations: { 'x-opt-delivery-delay': LATER_MS } })),
          ...named(['now']),
        ])
        assert.deepEqual(bodies(await drained(link, 10)), ['now'])
        return async () => {
          const { message, delivery } = await nextOf(link)
          assert.ok(Date.now() >= due)
          assert.equal(message?.body, 'later')
          delivery?.accept()
          assert.deepEqual(await drained(link, 10), [])
        }
      },
    },
    {
      name: 'dead letters: rejected messages',
      of: 'AMQP',
      promise: 'a message whose rejection was answered is at the dead-letter address, once, as it was sent',
      more: 'messaging.md#dead-letters',
      async begin(ground) {
        const [queue, dead] = [ground.name('rejected'), ground.name('rejected.dead')]
        await ground.settle(`queue/${queue}`, { deadLetter: dead })
        const client = await ground.amqp()
        await send(
          client,
          queue,
          named(['bad', 'good'], () => ({ subject: 's', priority: 7 })),
        )
        const link = await certain(client, { source: queue })
        const answered = once(link, 'settled')
        ;(await nextOf(link)).delivery?.reject({ condition: 'app:bad', description: 'no' })
        await answered
        return async () => {
          const letters = await drained(await certain(client, { source: dead }), 10)
          assert.deepEqual(bodies(letters), ['bad'])
          assert.deepEqual([letters[0]?.subject, letters[0]?.priority], ['s', 7])
          assert.deepEqual(deathOf(letters[0]), { reason: 'rejected', address: queue, count: 1 })
          assert.deepEqual(bodies(await drained(link, 10)), ['good'])
        }
      },
    },
    {
      name: 'redelivery limit',
      of: 'AMQP',
      promise: 'failed deliveries are counted on; at the limit the message is at the dead-letter address',
      more: 'messaging.md#dead-letters',
      async begin(ground) {
        const [queue, dead] = [ground.name('failing'), ground.name('failing.dead')]
        await ground.settle(`queue/${queue}`, { deadLetter: dead, maxDeliveries: 3 })
        const client = await ground.amqp()
        await send(client, queue, named(['x']))
        const link = await certain(client, { source: queue })
        await fail(await nextOf(link))
        await fail(await nextOf(link))
        return async () => {
          const third = await nextOf(link)
          assert.equal(third.message?.delivery_count, 2)
          await fail(third)
          const letters = await drained(await certain(client, { source: dead }), 10)
          assert.deepEqual(bodies(letters), ['x'])
          assert.equal(deathOf(letters[0])['reason'], 'deliveries')
          assert.deepEqual(await drained(link, 10), [])
        }
      },
    },
    {
      name: 'redelivery delay',
      of: 'AMQP',
      promise: 'a message whose delivery failed comes again, once; the rest of its delay is lost with the server',
      more: 'messaging.md#dead-letters',
      async begin(ground) {
        const queue = ground.name('again')
        await ground.settle(`queue/${queue}`, { redeliveryDelayMs: LATER_MS })
        const client = await ground.amqp()
        await send(client, queue, named(['x', 'y']))
        const link = await certain(client, { source: queue })
        await fail(await nextOf(link))
        const failed = Date.now()
        assert.deepEqual(bodies(await drained(link, 10)), ['y'], 'others do not wait for it')
        return async () => {
          const again = await nextOf(link)
          if (ground.run === 'straight') assert.ok(Date.now() >= failed + LATER_MS - 10)
          assert.deepEqual([again.message?.body, again.message?.delivery_count], ['x', 1])
          again.delivery?.accept()
          assert.deepEqual(await drained(link, 10), [])
        }
      },
    },
  ],
}
