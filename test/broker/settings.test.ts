// Settings: a small store that both servers share. When a change counts, who is told, and what a follower and a snapshot
// make of it.

import assert from 'node:assert/strict'
import type { Refusal } from '../../src/broker/api.ts'
import { SETTING_KEY_BYTES, SETTING_VALUE_BYTES, SETTINGS_BYTES } from '../../src/broker/limits.ts'
import { SETTING } from '../../src/broker/records.ts'
import { Bench, foldOf, restoredFrom } from './ground.ts'

type Told = (Refusal | null)[]

const set = (bench: Bench, key: string, value: string | null, told: Told = []): Told => {
  bench.broker.settings.set(key, value, refusal => told.push(refusal))
  return told
}
const all = (bench: Bench): Record<string, string | null> =>
  Object.fromEntries(bench.broker.settings.keys('').map(key => [key, bench.broker.settings.get(key)]))

describe('settings of the broker', () => {
  it('count when they are safe, and not before', () => {
    const bench = new Bench().serve()
    const told = set(bench, 'a', '1')
    bench.clock.rest()
    assert.deepEqual([told, all(bench)], [[], {}])
    bench.settle()
    assert.deepEqual([told, all(bench)], [[null], { a: '1' }])
    set(bench, 'a', null)
    bench.settle()
    assert.deepEqual(all(bench), {})
  })

  it('tell nobody that they are safe while this server cannot prove that it serves', () => {
    const bench = new Bench().serve()
    const told = set(bench, 'a', '1')
    bench.log.proof = false
    bench.settle()
    assert.deepEqual(told, [])
    bench.log.proof = true
    bench.broker.wake()
    assert.deepEqual(told, [null])
  })

  it('tell those who watch: of each change, and of all when this server begins to serve', () => {
    const bench = new Bench()
    const seen: string[] = []
    bench.broker.settings.watch('x/', key => seen.push(key))
    bench.serve()
    set(bench, 'x/1', 'v')
    set(bench, 'y/1', 'v')
    assert.deepEqual(seen, [''])
    bench.settle()
    assert.deepEqual(seen, ['', 'x/1'])
  })

  it('are the same on a follower, after a restart and in a snapshot, whatever else is there', () => {
    const bench = new Bench().serve()
    bench.publish('q', 'message')
    set(bench, 'ä', 'text ✓')
    set(bench, 'b', 'old')
    set(bench, 'b', 'new')
    set(bench, 'c', 'x')
    set(bench, 'c', null)
    bench.settle()
    const expected = { ä: 'text ✓', b: 'new' }
    const follower = foldOf(bench.log.records)
    const restored = restoredFrom(bench.chunks())
    for (const broker of [bench.broker, follower, restored]) {
      const { settings } = broker
      assert.deepEqual(Object.fromEntries(settings.keys('').map(key => [key, settings.get(key)])), expected)
      assert.equal(broker.status().messages, 1)
    }
  })

  it('that never became safe are not there after the records were replaced', () => {
    const bench = new Bench().serve()
    set(bench, 'a', '1')
    bench.settle()
    const told = set(bench, 'a', '2')
    bench.broker.stopServing()
    // The other server's history goes on without that record.
    bench.broker.apply({ sequence: 2, epoch: 2, kind: SETTING, body: Buffer.concat([Buffer.of(1), Buffer.from('b3')]) })
    assert.deepEqual([told, all(bench)], [[], { a: '1', b: '3' }])
  })

  it('are refused beyond their limits, and where nobody serves', () => {
    const bench = new Bench()
    assert.equal(set(bench, 'a', '1')[0]?.refused, 'not-serving')
    bench.serve()
    assert.equal(set(bench, '', '1')[0]?.refused, 'not-allowed')
    assert.equal(set(bench, 'k'.repeat(SETTING_KEY_BYTES + 1), '1')[0]?.refused, 'not-allowed')
    assert.equal(set(bench, 'a', 'v'.repeat(SETTING_VALUE_BYTES + 1))[0]?.refused, 'not-allowed')
    const most = Math.ceil(SETTINGS_BYTES / SETTING_VALUE_BYTES)
    const told: Told = []
    for (let n = 0; n < most; n++) {
      set(bench, `key ${n}`, 'v'.repeat(SETTING_VALUE_BYTES), told)
      bench.settle()
    }
    assert.equal(told.at(-1)?.refused, 'limit')
    assert.ok(told.slice(0, -1).every(refusal => refusal === null))
  })
})
