// What AMQP clients say about when a message counts: priority, time to live, expiry and delivery time, as the broker
// understands it, and as a stock client (rhea) sees it come.

import assert from 'node:assert/strict'
import rhea, { type Connection, type Message } from 'rhea'
import { DEFAULT_ENVELOPE, type Envelope } from '../../../src/broker/api.ts'
import { envelopeOf } from '../../../src/protocols/amqp/envelope.ts'
import { AmqpFault } from '../../../src/protocols/amqp/errors.ts'
import { checkSections } from '../../../src/protocols/amqp/message.ts'
import { bodies, drained, receiver, send } from '../../support/rhea.ts'
import { Whole } from './whole.ts'

const NOW = 1_700_000_000_000.4
const clock = { wall: () => NOW }
const { wrap_long, wrap_timestamp, wrap_uint, wrap_string } = rhea.types as unknown as Record<
  'wrap_long' | 'wrap_timestamp' | 'wrap_uint' | 'wrap_string',
  (value: unknown) => unknown
>

function read(message: Message | object): Envelope {
  const encoded = rhea.message.encode(message as Message) as unknown as Buffer
  // As it lies in a frame: somewhere.
  const bytes = Buffer.concat([Buffer.alloc(7), encoded])
  return envelopeOf(bytes, checkSections(bytes, 7, bytes.length), DEFAULT_ENVELOPE, clock)
}

const at = (annotations: object): Message => ({ body: 'x', message_annotations: annotations }) as unknown as Message

describe('what a message says about times and priority', () => {
  it('is nothing where it says nothing, or what is usual', () => {
    for (const message of [
      { body: 'x' },
      { body: 'x', durable: true },
      { body: 'x', durable: true, priority: 4 },
      { body: 'x', ttl: 0, message_id: 'id', absolute_expiry_time: undefined },
      at({ 'x-opt-other': 'x-opt-delivery-time' }),
    ])
      assert.equal(read(message), DEFAULT_ENVELOPE, JSON.stringify(message))
  })

  it('is its priority, 9 at most', () => {
    assert.deepEqual(
      [0, 3, 9, 10, 255].map(priority => read({ body: 'x', priority }).priority),
      [0, 3, 9, 9, 9],
    )
  })

  it('is the time from which on it is over: the earlier one of both ways to say it', () => {
    const floor = Math.floor(NOW)
    const expiry = (message: object): number => read({ body: 'x', ...message }).expiresAt
    assert.equal(expiry({ ttl: 1000 }), floor + 1000)
    assert.equal(expiry({ absolute_expiry_time: floor + 77 }), floor + 77)
    assert.equal(expiry({ ttl: 1000, absolute_expiry_time: floor + 77 }), floor + 77)
    assert.equal(expiry({ ttl: 10, absolute_expiry_time: floor + 77 }), floor + 10)
    assert.equal(expiry({ absolute_expiry_time: 1 }), 1)
    assert.equal(expiry({ absolute_expiry_time: -5 }), 1, 'before 1970')
    assert.equal(expiry({ ttl: 0xffff_ffff }), floor + 0xffff_ffff)
    assert.equal(expiry({ absolute_expiry_time: 2 ** 52 }), 0, 'never')
  })

  it('is the time of its delivery, given as a time or a delay of any kind of number', () => {
    const floor = Math.floor(NOW)
    const due = (annotations: object): number => read(at(annotations)).deliverAt
    assert.equal(due({ 'x-opt-delivery-time': wrap_timestamp?.(floor + 5) }), floor + 5)
    assert.equal(due({ 'x-opt-delivery-time': wrap_long?.(floor + 5) }), floor + 5)
    assert.equal(due({ 'x-opt-delivery-delay': wrap_uint?.(50) }), floor + 50)
    assert.equal(due({ 'x-opt-delivery-delay': 70_000 }), floor + 70_000)
    assert.equal(due({ 'x-opt-delivery-delay': 50, 'x-opt-delivery-time': wrap_long?.(floor + 7) }), floor + 7)
    assert.equal(due({ 'x-opt-delivery-time': wrap_long?.(floor - 5) }), 0, 'its time is over')
    assert.equal(due({ 'x-opt-delivery-delay': -5 }), 0)
    assert.equal(due({ 'x-opt-delivery-time': null }), 0)
    for (const wrong of [wrap_string?.('soon'), wrap_long?.(2 ** 52)])
      assert.throws(() => due({ 'x-opt-delivery-time': wrong }), AmqpFault)
  })

  it('is bounded: a group that would not fit into its record is refused', () => {
    assert.equal(read({ body: 'x', group_id: 'g'.repeat(4096) }).group.length, 4096)
    assert.throws(() => read({ body: 'x', group_id: 'g'.repeat(4097) }), AmqpFault)
  })
})

describe('times and priorities, with rhea', () => {
  let whole: Whole
  let client: Connection
  beforeEach(async () => {
    whole = await new Whole().open()
    client = whole.connect()
  })
  afterEach(() => whole.close())

  it('higher priorities come first, and the message is as it was sent', async () => {
    await send(client, 'q', [
      { body: 'a', priority: 1, durable: true },
      { body: 'b', priority: 8, ttl: 60_000, message_annotations: { 'x-opt-mine': 1 } },
      { body: 'c' },
    ])
    const got = await drained(await receiver(client, { source: 'q' }), 10)
    assert.deepEqual(bodies(got), ['b', 'c', 'a'])
    const [b, , a] = got as [Message, Message, Message]
    assert.deepEqual([b.priority, b.ttl, b.message_annotations], [8, 60_000, { 'x-opt-mine': 1 }])
    assert.deepEqual([a.priority, a.durable, a.ttl], [1, true, undefined])
  })

  it('a message whose time is over does not come', async () => {
    await send(client, 'q', [
      { body: 'a', ttl: 1 },
      { body: 'b', absolute_expiry_time: Date.now() - 1 } as unknown as Message,
      { body: 'c', ttl: 60_000 },
    ])
    const since = Date.now()
    while (Date.now() <= since + 1) await new Promise(setImmediate)
    assert.deepEqual(bodies(await drained(await receiver(client, { source: 'q' }), 10)), ['c'])
  })

  it('a message with a delay comes after it, and is accepted at once', async () => {
    const link = await receiver(client, { source: 'q' })
    const before = Date.now()
    await send(client, 'q', [at({ 'x-opt-delivery-delay': 150 }), { body: 'now' }])
    assert.deepEqual(bodies(await drained(link, 10)), ['now'])
    assert.equal(whole.broker.status().queues[0]?.delayed, 1)
    const came = new Promise(done => link.once('message', context => done(context.message)))
    ;(link as unknown as { drain: boolean }).drain = false
    link.add_credit(1)
    const message = (await came) as Message
    assert.ok(Date.now() >= before + 150)
    assert.deepEqual([message.body, message.message_annotations], ['x', { 'x-opt-delivery-delay': 150 }])
  })

  it('what cannot be understood is refused, and the link goes on', async () => {
    const sender = client.open_sender('q')
    await new Promise(done => sender.once('sendable', done))
    const outcome = new Promise(done => {
      sender.once('rejected', context => done(context.delivery?.remote_state))
    })
    sender.send(at({ 'x-opt-delivery-time': 'soon' }))
    assert.match(JSON.stringify(await outcome), /invalid-field.*x-opt-delivery-time is no whole number/)
    const accepted = new Promise(done => sender.once('accepted', done))
    sender.send({ body: 'x' })
    await accepted
  })
})
