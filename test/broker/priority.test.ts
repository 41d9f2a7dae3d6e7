// Priorities and times to live in queues: what the active server decides, and that a failover changes none of it.

import fc from 'fast-check'
import assert from 'node:assert/strict'
import { DEFAULT_ENVELOPE, type Envelope } from '../../src/broker/api.ts'
import type { BrokerCore } from '../../src/broker/broker.ts'
import { SETTLED } from '../../src/broker/records.ts'
import { ArrayLog, Bench, foldOf, restoredFrom, snapshotOf, type Taker } from './ground.ts'

function put(bench: Bench, text: string, envelope: Partial<Envelope>): void {
  bench.target('q').publish(Buffer.from(text), null, 0, { ...DEFAULT_ENVELOPE, ...envelope })
}

/** The follower of this one, which has all that is safe there, serves in its place. */
function successor(bench: Bench): Bench {
  const log = new ArrayLog()
  log.records.push(...bench.log.records)
  const next = new Bench({}, { log })
  for (const record of log.records) next.broker.apply(record)
  next.clock.time = bench.clock.time
  return next.serve()
}

const agree = (bench: Bench, follower: BrokerCore): void =>
  assert.ok(snapshotOf(bench.broker).equals(snapshotOf(follower)), 'one state')

function settleAll(bench: Bench, taker: Taker): void {
  for (const { sequence } of taker.got.splice(0)) taker.subscription.settle(sequence, 'accepted')
  bench.settle()
}

describe('priorities', () => {
  it('go first, in the order of arrival within one, also after a failover and from a snapshot', () => {
    const bench = new Bench().serve()
    for (const [text, priority] of Object.entries({ a4: 4, b9: 9, c0: 0, d9: 9, e4: 4, f5: 5 }))
      put(bench, text, { priority })
    bench.settle()
    agree(bench, foldOf(bench.log.records))
    agree(bench, restoredFrom(bench.chunks()))
    const next = successor(bench)
    for (const one of [bench, next]) {
      const taker = one.taker('q', 10)
      one.settle()
      assert.deepEqual(taker.texts, ['b9', 'd9', 'f5', 'a4', 'e4', 'c0'])
    }
  })

  it('count for what comes while others wait, and for what was given back', () => {
    const bench = new Bench().serve()
    put(bench, 'low', { priority: 1 })
    bench.publish('q', 'usual', 'more')
    bench.settle()
    const taker = bench.taker('q', 1)
    bench.settle()
    put(bench, 'high', { priority: 8 })
    bench.settle()
    taker.subscription.settle(taker.got[0]?.sequence as number, 'released')
    taker.subscription.credit(4, false)
    bench.settle()
    assert.deepEqual(taker.texts, ['usual', 'high', 'usual', 'more', 'low'])
  })

  it('neither lose nor repeat a message where memory is small, and keep the order within a priority', () => {
    const bench = new Bench({ memoryBytes: 1 << 20, pageOutBytes: 1 << 19 }).serve()
    const padded = (text: string): string => text.padEnd(1000)
    for (let number = 0; number < 3000; number++) {
      put(bench, padded(`${number}`), { priority: number % 3 === 0 ? 9 : 4 })
      if (number % 100 === 0) bench.settle()
    }
    bench.settle()
    assert.ok(bench.broker.status().pagedMessages > 1000, 'most is paged out')
    const taker = bench.taker('q')
    const order: number[] = []
    while (bench.broker.status().messages > 0) {
      taker.subscription.credit(50, true)
      bench.settle()
      assert.ok(taker.got.length > 0, 'it goes on')
      order.push(...taker.texts.splice(0).map(Number))
      settleAll(bench, taker)
    }
    assert.equal(new Set(order).size, 3000)
    const isSorted = (list: number[]): boolean => list.every((one, i) => i === 0 || one > (list[i - 1] as number))
    assert.ok(isSorted(order.filter(number => number % 3 === 0)))
    assert.ok(isSorted(order.filter(number => number % 3 !== 0)))
    agree(bench, foldOf(bench.log.records))
  })

  it('are kept by any mixture of messages, takers and failovers', () => {
    const step = fc.oneof(fc.nat(9), fc.constantFrom('take', 'give back', 'fail over'))
    let failovers = 0
    const property = fc.property(fc.array(step, { maxLength: 40 }), steps => {
      let bench = new Bench().serve()
      bench.target('q')
      let here: { text: string; priority: number }[] = []
      let number = 0
      for (const step of steps) {
        if (typeof step === 'number') {
          const text = `${number++}`
          put(bench, text, { priority: step })
          here.push({ text, priority: step })
        } else if (step === 'fail over') {
          bench.settle()
          bench = successor(bench)
          failovers++
        } else {
          bench.settle()
          const taker = bench.taker('q', 2)
          bench.settle()
          const due = here.toSorted((a, b) => b.priority - a.priority).slice(0, 2)
          assert.deepEqual(taker.texts, due.map(({ text }) => text)) // prettier-ignore
          if (step === 'take') {
            settleAll(bench, taker)
            here = here.filter(one => !due.includes(one))
          }
          taker.subscription.close(false)
        }
        bench.settle()
      }
      bench.settle()
      agree(bench, foldOf(bench.log.records))
    })
    fc.assert(property, { seed: 7, numRuns: 150 })
    assert.ok(failovers > 100)
  })
})

describe('messages whose time is over', () => {
  it('leave their queue by a record instead of being delivered, and do not come back with a failover', () => {
    const bench = new Bench().serve()
    put(bench, 'short', { expiresAt: 100 })
    put(bench, 'long', { expiresAt: 200 })
    bench.publish('q', 'for ever')
    bench.settle()
    bench.clock.time = 100
    const taker = bench.taker('q', 10)
    bench.settle()
    assert.deepEqual(taker.texts, ['long', 'for ever'])
    assert.equal(bench.log.records.filter(record => record.kind === SETTLED).length, 1)
    assert.equal(bench.broker.status().messages, 2)
    agree(bench, foldOf(bench.log.records))
    agree(bench, restoredFrom(bench.chunks()))
    const next = successor(bench)
    next.clock.time = 0 // its clock may be behind: what was decided stays so
    const other = next.taker('q', 10)
    next.settle()
    assert.deepEqual(other.texts, ['long', 'for ever'])
  })

  it('are judged anew at each delivery, by the server that serves', () => {
    const bench = new Bench().serve()
    put(bench, 'm', { expiresAt: 100 })
    bench.settle()
    const taker = bench.taker('q', 1)
    bench.settle()
    assert.deepEqual(taker.texts, ['m'])
    const next = successor(bench)
    next.clock.time = 150
    const other = next.taker('q')
    other.subscription.credit(1, true)
    next.settle()
    assert.deepEqual([other.texts, other.drains, next.broker.status().messages], [[], 1, 0])
    agree(next, foldOf(next.log.records))
  })

  it('are not judged by a server that cannot prove that it serves', () => {
    const bench = new Bench().serve()
    put(bench, 'm', { expiresAt: 100 })
    bench.settle()
    bench.clock.time = 150
    bench.log.proof = false
    const before = bench.log.last
    bench.taker('q', 1)
    bench.settle()
    assert.equal(bench.log.last, before)
    bench.log.proof = true
    bench.broker.wake()
    bench.settle()
    assert.equal(bench.broker.status().messages, 0)
  })
})
