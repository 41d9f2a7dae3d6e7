// The limits of retained messages: what is on its way counts, and what takes no more than before is always taken.

import assert from 'node:assert/strict'
import { Bench, foldOf, snapshotOf } from './ground.ts'
import { MQTT_ENVELOPE } from '../../src/broker/envelope.ts'
import { defaultTopicLimits, MESSAGE_OVERHEAD_BYTES } from '../../src/broker/limits.ts'
import type { Refusal } from '../../src/broker/api.ts'

const body = (topic: string, payload: string): Buffer =>
  Buffer.concat([Buffer.from([0, topic.length]), Buffer.from(topic), Buffer.from([0]), Buffer.from(payload)])

const bodyBytes = (payload: number): number => 2 + 1 + 1 + payload
const ROOM = (payload: number): number => 2 + bodyBytes(payload) + MESSAGE_OVERHEAD_BYTES

function retain(bench: Bench, topic: string, payload: string): string | null {
  let refused: string | null = null
  const producer = {
    published: (_: number, refusal: Refusal | null): void => void (refused = refusal?.refused ?? null),
  }
  bench.target(`topic://${topic}`).publish(body(topic, payload), producer, 1, { ...MQTT_ENVELOPE, retain: true })
  return refused
}

function kept(bench: Bench): string[] {
  const found: string[] = []
  const keep = (bytes: Uint8Array) => void found.push(Buffer.from(bytes).toString('latin1').slice(2))
  assert.ok(bench.broker.retained('#', keep, () => {}))
  return found.sort()
}

const limited = (topics: Partial<typeof defaultTopicLimits>): Bench =>
  new Bench({ topics: { ...defaultTopicLimits, ...topics } }).serve()

describe('retained messages', () => {
  it('count against their limit while they are on their way', () => {
    const bench = limited({ retainedMessages: 2 })
    assert.deepEqual([retain(bench, 'a', '1'), retain(bench, 'b', '1'), retain(bench, 'c', '1')], [null, null, 'limit'])
    bench.settle()
    assert.equal(retain(bench, 'c', '1'), 'limit')
    assert.deepEqual(kept(bench), ['a\x001', 'b\x001'])
  })

  it('are replaced and forgotten at the limit', () => {
    const bench = limited({ retainedMessages: 1 })
    for (const payload of ['1', '2', '3']) assert.equal(retain(bench, 'a', payload), null)
    bench.settle()
    assert.equal(retain(bench, 'a', '4'), null)
    // Forgotten by a record on its way: there is room for another one.
    assert.deepEqual([retain(bench, 'b', '1'), retain(bench, 'a', ''), retain(bench, 'b', '1')], ['limit', null, null])
    bench.settle()
    assert.deepEqual(kept(bench), ['b\x001'])
    assert.ok(snapshotOf(bench.broker).equals(snapshotOf(foldOf(bench.log.records))))
  })

  it('may take no more bytes than the limit, but less at any time', () => {
    const bench = limited({ retainedBytes: ROOM(10) + ROOM(20) })
    const text = (length: number): string => 'x'.repeat(length)
    assert.equal(retain(bench, 'a', text(20)), null)
    assert.equal(retain(bench, 'b', text(20)), 'limit')
    assert.equal(retain(bench, 'b', text(10)), null)
    assert.equal(retain(bench, 'b', text(11)), 'limit')
    assert.equal(retain(bench, 'a', text(19)), null)
    assert.equal(retain(bench, 'b', text(11)), null)
    bench.settle()
    assert.equal(retain(bench, 'b', text(12)), 'limit')
    assert.equal(retain(bench, 'b', text(1)), null)
  })

  it('are replaced by smaller ones where a profile has lowered the limit', () => {
    const before = limited({})
    for (const topic of ['a', 'b']) retain(before, topic, 'long')
    before.settle()
    const bench = new Bench({ topics: { ...defaultTopicLimits, retainedBytes: ROOM(1) } })
    for (const record of before.log.records) {
      bench.log.records.push(record)
      bench.broker.apply(record)
    }
    bench.serve()
    assert.deepEqual(
      [retain(bench, 'a', 'longer'), retain(bench, 'a', 's'), retain(bench, 'b', '')],
      ['limit', null, null],
    )
  })

  it('whose records were not appended after all leave their room', () => {
    const bench = limited({ retainedMessages: 2 })
    assert.equal(retain(bench, 'a', '1'), null)
    bench.settle()
    const safe = bench.log.last
    for (const [topic, payload] of [
      ['a', ''],
      ['b', '1'],
      ['b', '2'],
      ['c', '1'],
    ] as const)
      assert.equal(retain(bench, topic, payload), null)
    // The other server reigned meanwhile; its records stand where these stood.
    bench.broker.stopServing()
    bench.log.records.length = safe
    const sequence = bench.log.append(1, Buffer.from('{}'), Buffer.alloc(0))
    bench.broker.apply(bench.log.records[sequence - 1] as never)
    bench.serve()
    assert.deepEqual([retain(bench, 'b', '1'), retain(bench, 'c', '1')], [null, 'limit'])
  })
})
