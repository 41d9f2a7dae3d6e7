// Dead letters as a stock client (rhea) sees them: where they go, what they say, and that everything else about them is as
// it was sent.

import assert from 'node:assert/strict'
import rhea, { type Connection, type Message } from 'rhea'
import type { AddressSettings } from '../../../src/broker/address-settings.ts'
import type { Death } from '../../../src/broker/envelope.ts'
import { withDeath } from '../../../src/protocols/amqp/death.ts'
import { drained, receiver, send } from '../../support/rhea.ts'
import { Whole } from './whole.ts'

const death: Death = { reason: 'expired', address: 'q', count: 3, at: 1_700_000_000_000 }
const told = { 'x-opt-death-reason': 'expired', 'x-opt-death-address': 'q', 'x-opt-death-count': 3 }

/** What a client reads of it. */
function read(message: object): Message {
  const bytes = rhea.message.encode(message as Message) as unknown as Buffer
  return rhea.message.decode(withDeath(bytes, death)) as unknown as Message
}

function annotationsOf(message: Message | undefined): Record<string, unknown> {
  const { 'x-opt-death-time': time, ...others } = (message?.message_annotations ?? {}) as Record<string, unknown>
  assert.ok(Number(time) > 0)
  return others
}

describe('what is written onto a dead letter', () => {
  it('stands among its annotations, and nothing else is touched', () => {
    const application_properties = { color: 'red' }
    const message = read({ body: 'x', durable: true, priority: 7, message_id: 'id', application_properties })
    assert.deepEqual(annotationsOf(message), told)
    assert.deepEqual(
      [message.body, message.durable, message.priority, message.message_id, message.application_properties],
      ['x', true, 7, 'id', application_properties],
    )
  })

  it('stands beside those that are there, and takes the place of what was said before', () => {
    const delivery_annotations = { 'x-opt-once': 1 }
    const message_annotations = { 'x-opt-mine': 'a', 'x-opt-death-reason': 'length', 'x-opt-other': 2 }
    const message = read({ body: 'x', header: {}, delivery_annotations, message_annotations })
    assert.deepEqual(annotationsOf(message), { 'x-opt-mine': 'a', 'x-opt-other': 2, ...told })
    assert.deepEqual(message.delivery_annotations, delivery_annotations)
  })

  it('is left out where the bytes are no message', () => {
    for (const wrong of ['', 'nonsense', '\0S']) assert.equal(withDeath(Buffer.from(wrong), death).toString(), wrong)
  })
})

describe('dead letters, with rhea', () => {
  let whole: Whole
  let client: Connection
  beforeEach(async () => {
    whole = await new Whole().open()
    client = whole.connect()
  })
  afterEach(() => whole.close())

  const settle = (name: string, settings: AddressSettings): Promise<void> =>
    new Promise(done => whole.broker.settings.set(`address/${name}`, JSON.stringify(settings), () => done()))

  it('a message that is rejected comes at the address, with what was sent', async () => {
    await settle('queue/q', { deadLetter: 'dead' })
    const sent = { body: 'x', durable: true, subject: 's', message_annotations: { 'x-opt-mine': 1 } }
    await send(client, 'q', [sent])
    const link = await receiver(client, { source: 'q' })
    const rejected = new Promise<void>(done => {
      link.once('message', ({ delivery }) => {
        delivery?.reject({ condition: 'no', description: 'no' })
        done()
      })
    })
    link.add_credit(1)
    await rejected
    const dead = await receiver(client, { source: 'dead' })
    const came = new Promise<Message>(done => dead.once('message', ({ message }) => done(message as Message)))
    dead.add_credit(1)
    const message = await came
    const { 'x-opt-mine': mine, ...ours } = annotationsOf(message)
    assert.deepEqual(ours, { ...told, 'x-opt-death-reason': 'rejected', 'x-opt-death-count': 1 })
    assert.deepEqual([mine, message.body, message.durable, message.subject], [1, 'x', true, 's'])
  })

  it('a message that failed too often comes there, after its delays', async () => {
    await settle('queue/q', { deadLetter: 'dead', maxDeliveries: 3, redeliveryDelayMs: 20 })
    await send(client, 'q', [{ body: 'x' }])
    const link = await receiver(client, { source: 'q' })
    const times: number[] = []
    link.on('message', ({ delivery, message }) => {
      times.push(performance.now())
      assert.equal(message?.delivery_count ?? 0, times.length - 1)
      delivery?.modified({ delivery_failed: true, undeliverable_here: false })
    })
    link.add_credit(10)
    const dead = await receiver(client, { source: 'dead' })
    const came = new Promise<Message>(done => dead.once('message', ({ message }) => done(message as Message)))
    dead.add_credit(1)
    assert.equal(annotationsOf(await came)['x-opt-death-reason'], 'deliveries')
    assert.equal(times.length, 3)
    for (let i = 1; i < 3; i++) assert.ok((times[i] as number) - (times[i - 1] as number) >= 19)
  })

  it('a large one comes whole, also when it comes again', async () => {
    await settle('queue/q', { expiry: 'old' })
    const body = 'y'.repeat(200_000)
    await send(client, 'q', [{ body, ttl: 1 }])
    const since = Date.now()
    while (Date.now() <= since + 1) await new Promise(setImmediate)
    assert.deepEqual(await drained(await receiver(client, { source: 'q' }), 1), [])
    const link = await receiver(client, { source: 'old' })
    const came = new Promise<void>(done => {
      link.once('message', ({ delivery }) => {
        delivery?.modified({ delivery_failed: true, undeliverable_here: false })
        done()
      })
    })
    link.add_credit(1)
    await came
    const again = new Promise<Message>(done => link.once('message', ({ message }) => done(message as Message)))
    link.add_credit(1)
    const message = await again
    assert.deepEqual([message.body, message.delivery_count], [body, 1])
    assert.equal(annotationsOf(message)['x-opt-death-reason'], 'expired')
  })
})
