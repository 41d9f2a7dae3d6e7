// Large messages: in pieces both ways, up to the profile's limit, with memory that follows the pieces where it can.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import rhea from 'rhea'
import type { EventContext, Receiver } from 'rhea'
import { FakeBroker } from '../../support/fake-broker.ts'
import { receiver } from '../../support/rhea.ts'
import { Whole } from './whole.ts'
import { begun, client, message, num, truth } from './wire.ts'
import { performatives as p } from '../../../src/protocols/amqp/performatives.ts'

const MIB = 1024 * 1024

const patterned = (bytes: number): Buffer => {
  const made = Buffer.alloc(bytes)
  for (let at = 0; at + 4 <= bytes; at += 4) made.writeUInt32LE((at * 2654435761) % 2 ** 32, at)
  return made
}

describe('large messages', () => {
  it('of 50 MiB go through whole where the limit is raised, and next to them small ones do', async () => {
    const bytes = { messageBytes: 64 * MIB, assemblyBytes: 128 * MIB }
    const whole = await new Whole({ limits: { messageBytes: 64 * MIB }, amqp: bytes }).open()
    try {
      const [one, two] = [whole.connect({ max_frame_size: 65_536 }), whole.connect()]
      const body = patterned(50 * MIB)
      const out = one.open_sender('large')
      await once(out, 'sendable')
      out.send({ body: rhea.message.data_section(body), durable: true })
      await once(out, 'accepted')
      const link = await receiver(one, { source: 'large' })
      const came = once(link, 'message') as Promise<[EventContext]>
      link.add_credit(1)
      // Another client is served meanwhile.
      const quick = two.open_sender('small')
      await once(quick, 'sendable')
      quick.send({ body: 'small' })
      await once(quick, 'accepted')
      const [context] = await came
      const content = (context.message as { body: { content: Buffer } }).body.content
      assert.equal(content.length, body.length)
      assert.ok(content.equals(body))
      context.delivery?.accept()
      await gone(link, whole)
    } finally {
      await whole.close()
    }
  })

  it('leave as the socket takes them: what waits in the output is a page or two', () => {
    const broker = new FakeBroker()
    const w = begun({ messageBytes: 16 * MIB, assemblyBytes: 32 * MIB }, broker)
    const body = message(8 * MIB)
    const target = broker.target('q')
    assert.ok(!('refused' in target))
    target.publish(body, null, 0)
    w.send(client.attachReceiver(0, 'q'))
    w.socket.takes = false
    const before = w.socket.bytes.length
    w.send(client.flow({ handle: 0, count: 0, credit: 1 }))
    const rounds: number[] = []
    for (let said = before; rounds.length < 1000; said = w.socket.bytes.length) {
      rounds.push(w.socket.bytes.length - said)
      if (w.seen(p.transfer).at(-1)?.fields[5]?.value === false) break
      w.connection.drained()
      w.clock.settle()
    }
    assert.ok(rounds.length > 20, `${rounds.length} rounds`)
    assert.ok(Math.max(...rounds) <= 512 * 1024, `${Math.max(...rounds)} bytes at once`)
    const frames = w.seen(p.transfer)
    assert.ok(Buffer.concat(frames.map(frame => frame.payload)).equals(body))
    assert.deepEqual(frames.map(frame => truth(frame, 5)).indexOf(false), frames.length - 1)
    assert.equal(frames.filter(frame => num(frame, 1) >= 0).length, 1, 'one delivery')
  })

  it('that their sender aborts half-way leave nothing, and the link goes on', () => {
    const broker = new FakeBroker()
    const w = begun({ messageBytes: MIB, frameBytes: MIB }, broker)
    w.send(client.attachSender(0, 'q'))
    const body = message(500_000)
    w.send(client.transfer(0, 0, body.subarray(0, 100_000), { more: true }))
    w.send(client.transfer(0, null, body.subarray(100_000, 200_000), { more: true }))
    w.send(client.transfer(0, null, Buffer.alloc(0), { aborted: true }))
    assert.equal(broker.published, 0)
    w.send(client.transfer(0, 1, body.subarray(0, 100_000), { more: true }))
    w.send(client.transfer(0, null, body.subarray(100_000)))
    assert.equal(broker.published, 1)
    assert.equal(broker.publishedBytes, body.length)
    assert.equal(w.seen(p.detach).length, 0)
  })

  it('that their receiver leaves half-way are there for the next one, whole', () => {
    const broker = new FakeBroker()
    const w = begun({ messageBytes: 16 * MIB }, broker)
    const body = message(4 * MIB)
    const target = broker.target('q')
    assert.ok(!('refused' in target))
    target.publish(body, null, 0)
    w.send(client.attachReceiver(0, 'q'), client.flow({ window: 3, handle: 0, count: 0, credit: 1 }))
    assert.equal(w.seen(p.transfer).length, 3, 'the window cuts it')
    w.send(client.detach(0))
    assert.deepEqual(broker.count('q'), { ready: 1, held: 0 })
    const cut = w.seen(p.transfer).length
    w.send(client.attachReceiver(1, 'q'), client.flow({ next: 3, handle: 1, count: 0, credit: 1 }))
    const frames = w.seen(p.transfer).slice(cut)
    const got = Buffer.concat(frames.map(frame => frame.payload))
    assert.ok(got.subarray(-body.length + 100).equals(body.subarray(100)))
  })
})

async function gone(link: Receiver, whole: Whole): Promise<void> {
  const closed = once(link, 'receiver_close')
  link.close()
  await closed
  // The record of the settlement becomes safe a few turns later.
  const left = (): number => whole.broker.status().queues.find(queue => queue.name === 'large')?.messages ?? 0
  for (let turns = 0; turns < 100 && left() > 0; turns++) await new Promise(done => setImmediate(done))
  assert.equal(left(), 0)
}
