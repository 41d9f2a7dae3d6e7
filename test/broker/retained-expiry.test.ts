// Retained messages whose time is over are taken away by records of the server that serves, and make room for others.

import assert from 'node:assert/strict'
import type { Refusal } from '../../src/broker/api.ts'
import { MQTT_ENVELOPE } from '../../src/broker/envelope.ts'
import { brokerError } from '../../src/broker/errors.ts'
import { defaultTopicLimits } from '../../src/broker/limits.ts'
import { Retained } from '../../src/broker/retained.ts'
import { ArrayLog, Bench, foldOf, restoredFrom, snapshotOf } from './ground.ts'

class Topics extends Bench {
  constructor(log = new ArrayLog(), retainedMessages = 1000) {
    super({ topics: { ...defaultTopicLimits, retainedMessages } }, { log })
  }

  static serving(retainedMessages = 1000): Topics {
    return new Topics(new ArrayLog(), retainedMessages).serve()
  }

  keep(topic: string, expiresAt: number, payload = 'x'): string | null {
    let refused: string | null = null
    const producer = { published: (_: number, refusal: Refusal | null) => void (refused = refusal?.refused ?? null) }
    const head = Buffer.from([0, topic.length, ...Buffer.from(topic), 0])
    const body = payload === '' ? head : Buffer.concat([head, Buffer.from(payload)])
    this.target(`topic://${topic}`).publish(body, producer, 1, { ...MQTT_ENVELOPE, retain: true, expiresAt })
    return refused
  }

  get kept(): number {
    return this.broker.status().topics.retainedMessages
  }

  pass(ms: number): void {
    for (let gone = 0; gone < ms; gone += 100) {
      this.clock.advance(100)
      this.settle()
    }
  }

  /** Fold and snapshot say the same as the server that serves. */
  same(): void {
    const active = snapshotOf(this.broker)
    assert.ok(active.equals(snapshotOf(foldOf(this.log.records))))
    assert.ok(active.equals(snapshotOf(restoredFrom(this.chunks()))))
  }
}

describe('retained messages that expired', () => {
  it('leave room, within a second or so', () => {
    const topics = Topics.serving(1)
    assert.equal(topics.keep('a', 1000), null)
    topics.settle()
    assert.equal(topics.keep('b', 0), 'limit')
    topics.pass(900)
    assert.equal(topics.kept, 1)
    topics.pass(1500)
    assert.equal(topics.kept, 0)
    assert.equal(topics.keep('b', 0), null)
    topics.settle()
    assert.equal(topics.broker.status().topics.retainedMessages, 1)
    topics.same()
  })

  it('are taken away in turns, however many they are, and others stay', () => {
    const topics = Topics.serving()
    for (let n = 0; n < 700; n++) topics.keep(`t${n}`, 500 + n)
    topics.keep('stays', 0)
    topics.settle()
    const before = topics.log.last
    topics.pass(3000)
    assert.equal(topics.kept, 1)
    assert.equal(topics.log.last - before, 700, 'one record for each, and no more')
    topics.same()
    topics.pass(200_000)
    assert.equal(topics.log.last - before, 700)
  })

  it('that were replaced meanwhile are not: the newest counts, also where it is on its way', () => {
    const topics = Topics.serving()
    topics.keep('a', 1000)
    topics.keep('b', 1000)
    topics.settle()
    topics.keep('a', 60_000, 'longer')
    topics.settle()
    topics.clock.advance(990)
    topics.keep('b', 0, 'for ever')
    // Not safe yet when the sweep comes by.
    topics.clock.advance(2000)
    topics.settle()
    topics.pass(5000)
    assert.equal(topics.kept, 2)
    topics.same()
    topics.pass(60_000)
    assert.equal(topics.kept, 1)
  })

  it('are tried again where the log takes no record, and go where the other server serves by then', () => {
    const topics = Topics.serving()
    topics.keep('a', 1000)
    topics.settle()
    topics.log.fault = brokerError('CLOSED', { why: 'full' })
    topics.pass(5000)
    assert.equal(topics.kept, 1)
    topics.log.fault = null
    topics.pass(200)
    assert.equal(topics.kept, 0)

    topics.keep('b', 20_000)
    topics.settle()
    const next = new ArrayLog()
    next.records.push(...topics.log.records)
    const other = new Topics(next)
    for (const record of topics.log.records) other.broker.apply(record)
    other.clock.advance(30_000)
    other.serve()
    other.pass(1500)
    assert.equal(other.kept, 0)
    other.same()
  })

  it('go where a server serves that has them from a snapshot', () => {
    const topics = Topics.serving()
    topics.keep('a', 1000)
    topics.keep('b', 0)
    topics.settle()
    const other = new Topics(Object.assign(new ArrayLog(), { records: [...topics.log.records] }))
    for (const chunk of topics.chunks()) other.broker.restore(chunk)
    other.broker.restored()
    other.serve().pass(2500)
    assert.equal(other.kept, 1)
    other.same()
  })

  it('are found in turns behind many that were replaced', () => {
    const retained = new Retained()
    const body = Buffer.from('x')
    const put = (topic: string, expiresAt: number) =>
      retained.put({ topic, envelope: { ...MQTT_ENVELOPE, expiresAt }, body })
    for (let n = 0; n < 1000; n++) put(`t${n}`, 1000)
    for (let n = 0; n < 1000; n++) put(`t${n}`, 0)
    put('last', 1001)
    let calls = 1
    let found = retained.takeExpired(2000)
    for (; found === null && retained.expiresFrom <= 2000; calls++) found = retained.takeExpired(2000)
    assert.equal(found?.topic, 'last')
    assert.ok(calls > 10, `${calls} calls`)
    assert.deepEqual([retained.expiresFrom, retained.takeExpired(2000)], [Infinity, null])

    const topics = Topics.serving(40_000)
    for (const expiresAt of [1000, 0]) for (let n = 0; n < 20_000; n++) topics.keep(`t${n}`, expiresAt)
    topics.keep('last', 1001)
    topics.settle()
    topics.pass(2500)
    assert.equal(topics.kept, 20_000)
  })

  it('are looked at again where the record that was to take them away gave way to another server’s', () => {
    const topics = Topics.serving()
    topics.keep('a', 1000)
    topics.settle()
    const safe = topics.log.last
    topics.clock.advance(2500)
    assert.equal(topics.log.last, safe + 1, 'it is on its way')
    topics.broker.stopServing()
    const other = new Topics(Object.assign(new ArrayLog(), { records: topics.log.records.slice(0, safe), epoch: 2 }))
    for (const record of other.log.records) other.broker.apply(record)
    other.serve().keep('b', 0)
    topics.log.records.splice(safe, 1, ...other.log.records.slice(safe))
    topics.broker.apply(topics.log.records[safe]!)
    topics.log.epoch = 3
    topics.serve()
    assert.equal(topics.kept, 2)
    topics.pass(2000)
    assert.equal(topics.kept, 1)
    topics.same()
  })
})
