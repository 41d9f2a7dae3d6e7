// What an AMQP client may rely on where it does not know how far a message came: transactions, duplicate detection, links that
// come back, large messages that break off.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import net from 'node:net'
import rhea, { type Delivery, type Message, type Sender } from 'rhea'
import { bodies, certain, drained, leave, send } from '../support/rhea.ts'
import { type Transaction, Transactions } from '../support/rhea-transactions.ts'
import type { FeatureList } from './feature.ts'
import type { Ground } from './ground.ts'
import { named, nextOf } from './inbox.ts'

const LARGE_BYTES = 8 * 1024 * 1024

/** Bytes of which no two pages are the same. */
function large(): Message {
  const body = Buffer.alloc(LARGE_BYTES)
  for (let at = 0; at < LARGE_BYTES; at += 4) body.writeUInt32LE(Math.imul(at, 2654435761) >>> 0, at)
  return { body: rhea.message.data_section(body), durable: true } as unknown as Message
}

const contentOf = (message: Message): Buffer => (message.body as { content: Buffer }).content
const isLarge = (message: Message): boolean => contentOf(message).equals(contentOf(large()))

/** Begins to send a large message on a connection of its own, of which only the first half leaves the client. */
async function sendHalf(ground: Ground, queue: string): Promise<net.Socket> {
  let socket: net.Socket | undefined
  const client = await ground.amqp({
    rhea: {
      reconnect: false,
      connection_details: () => ({
        host: '127.0.0.1',
        port: ground.pair.ports('amqp', 'plain')[0],
        connect: (port: number, host: string, _: unknown, done: () => void) => (socket = net.connect(port, host, done)),
      }),
    },
  })
  const link = client.open_sender(queue)
  await once(link, 'sendable')
  const wire = socket as net.Socket
  const write = wire.write.bind(wire)
  let left = LARGE_BYTES / 2
  const half = new Promise<void>(resolve => {
    wire.write = ((bytes: Buffer): boolean => {
      const part = bytes.subarray(0, left)
      left -= part.length
      if (part.length > 0 && left > 0) write(part)
      else if (part.length > 0) write(part, () => resolve())
      return true
    }) as typeof wire.write
  })
  link.send(large())
  await half
  return wire
}

/** Ends when the server has them, which is when it has said what is to be expected of each. */
async function sendWithin(transaction: Transaction, link: Sender, names: readonly string[]): Promise<void> {
  await once(link, 'sendable')
  for (const message of named(names)) {
    const answered = once(link, 'settled')
    transaction.send(link, message)
    await answered
  }
}

export const amqpSafety: FeatureList = {
  file: 'amqp-safety',
  features: [
    {
      name: 'transactions',
      of: 'AMQP',
      promise: 'all of a transaction whose discharge was answered is there, nothing of one that was open',
      more: 'messaging.md#transactions',
      async begin(ground) {
        const [from, to] = [ground.name('transactions-from'), ground.name('transactions-to')]
        const client = await ground.amqp()
        await send(client, from, named(['taken', 'kept']))
        const link = await certain(client, { source: from })
        const settled = (await new Transactions(client).declare()) as Transaction
        settled.accept((await nextOf(link)).delivery as Delivery)
        await sendWithin(settled, client.open_sender(to), ['1', '2'])
        assert.equal(await settled.discharge(), 'done')
        // The link with the delivery, and the transaction, go with their connection.
        const doomed = await ground.amqp()
        const open = (await new Transactions(doomed).declare()) as Transaction
        const { delivery, message } = await nextOf(await certain(doomed, { source: from }))
        assert.equal(message?.body, 'kept')
        open.accept(delivery as Delivery)
        await sendWithin(open, doomed.open_sender(to), ['never'])
        await leave(link)
        return async () => {
          if (ground.run === 'straight') {
            const gone = once(doomed, 'connection_close')
            doomed.close()
            await gone
          }
          const reader = await ground.amqp()
          assert.deepEqual(bodies(await drained(await certain(reader, { source: to }), 10)), ['1', '2'])
          assert.deepEqual(bodies(await drained(await certain(reader, { source: from }), 10)), ['kept'])
        }
      },
    },
    {
      name: 'duplicate detection',
      of: 'AMQP',
      promise: 'a message that is sent again under its identifier is accepted, and is there once',
      more: 'messaging.md#duplicate-detection',
      async begin(ground) {
        const queue = ground.name('duplicates')
        const client = await ground.amqp()
        const identified = (id: string, body: string): Message => ({
          body,
          durable: true,
          application_properties: { _AMQ_DUPL_ID: id },
        })
        await send(client, queue, [identified('a', 'first'), identified('a', 'again')])
        return async () => {
          await send(client, queue, [identified('a', 'again'), identified('b', 'next')])
          assert.deepEqual(bodies(await drained(await certain(client, { source: queue }), 10)), ['first', 'next'])
        }
      },
    },
    {
      name: 'link recovery',
      of: 'AMQP',
      promise: 'a receiver that says what it had accepted, but not got an answer for, does not get that again',
      more: 'messaging.md#links-that-come-back',
      async begin(ground) {
        const queue = ground.name('recovery')
        const client = await ground.amqp({ rhea: { reconnect: false } })
        await send(client, queue, named(['worked', 'not yet']))
        const link = await certain(client, { name: 'back', source: queue })
        const first = await nextOf(link)
        await nextOf(link)
        const tag = (first.delivery as Delivery & { tag: Buffer }).tag.toString('hex')
        return async () => {
          if (ground.run === 'straight') await leave(link, false)
          const again = (await ground.amqp()).open_receiver({
            name: 'back',
            source: queue,
            credit_window: 0,
            autoaccept: false,
            rcv_settle_mode: 1,
          } as never)
          // rhea has no option for what is unsettled.
          const { attach } = (again as unknown as { local: { attach: { value: unknown[] } } }).local
          const accepted = rhea.types.wrap_described([], 0x24)
          attach.value[7] = rhea.types.wrap_map({ [tag]: accepted }, (key: string) =>
            rhea.types.wrap_binary(Buffer.from(key, 'hex')),
          )
          await once(again, 'receiver_open')
          assert.deepEqual(bodies(await drained(again, 10)), ['not yet'])
        }
      },
    },
    {
      name: 'large messages',
      of: 'AMQP',
      promise:
        'a message of 8 MiB that was acknowledged is there whole; one that was half sent is not, and once when sent again',
      more: 'messaging.md#large-messages',
      async begin(ground) {
        const queue = ground.name('large')
        const client = await ground.amqp()
        await send(client, queue, [large()])
        const socket = await sendHalf(ground, queue)
        return async () => {
          if (ground.run === 'straight') socket.destroy()
          const browser = await certain(client, { source: { address: queue, distribution_mode: 'copy' } })
          assert.equal((await drained(browser, 10)).length, 1)
          await send(client, queue, [large()])
          const got = await drained(await certain(client, { source: queue }), 10)
          assert.deepEqual(got.map(isLarge), [true, true])
        }
      },
    },
  ],
}
