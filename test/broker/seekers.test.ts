// Consumers that do not take whatever is next: with selectors, and browsers. Which messages they get, at what cost, and
// that nobody else loses or waits by them; also after a failover.

import assert from 'node:assert/strict'
import { DEFAULT_ENVELOPE } from '../../src/broker/api.ts'
import type { BrokerCore } from '../../src/broker/broker.ts'
import { SEEN_PER_TURN } from '../../src/broker/limits.ts'
import { ArrayLog, Bench, foldOf, selecting, snapshotOf, type Taker } from './ground.ts'

const KIB = 1024
const few = { memoryBytes: 1024 * KIB, pageOutBytes: 512 * KIB }
const BROWSING = { selector: null, browses: true, exclusive: false }

const range = (from: number, to: number, step = 1): number[] =>
  Array.from({ length: Math.ceil((to - from) / step) }, (_, i) => from + i * step)

/** `n=5 color=red` and so on, `bytes` long. */
const text = (n: number, color = 'blue', bytes = 0): string => `n=${n} color=${color}`.padEnd(bytes)

const numbersOf = (taker: Taker): number[] => taker.texts.map(one => Number(/n=(\d+)/.exec(one)?.[1]))

const rising = (a: number, b: number): number => a - b

function accept(taker: Taker): void {
  for (const { sequence } of taker.got.splice(0)) taker.subscription.settle(sequence, 'accepted')
}

function fill(bench: Bench, numbers: Iterable<number>, color = (_: number): string => 'blue', bytes = 1000): void {
  for (const n of numbers) {
    bench.publish('q', text(n, color(n), bytes))
    if (n % 100 === 0) bench.settle()
  }
  bench.settle()
}

function successor(bench: Bench, changed = {}): Bench {
  const log = new ArrayLog()
  log.records.push(...bench.log.records)
  const next = new Bench(changed, { log })
  for (const record of log.records) next.broker.apply(record)
  return next.serve()
}

const agree = (bench: Bench, follower: BrokerCore): void =>
  assert.ok(snapshotOf(bench.broker).equals(snapshotOf(follower)), 'one state')

describe('consumers with selectors', () => {
  it('get what they select, in order, and leave the rest to others, who do not wait for them', () => {
    const bench = new Bench().serve()
    const reds = bench.taker('q', 2, selecting("color = 'red'"))
    fill(bench, range(0, 12), n => (n % 2 === 0 ? 'red' : 'blue'))
    assert.deepEqual(numbersOf(reds), [0, 2], 'no more than its credit')
    const blues = bench.taker('q', 100, selecting("color = 'blue'"))
    bench.settle()
    assert.deepEqual(numbersOf(blues), [1, 3, 5, 7, 9, 11])
    const all = bench.taker('q', 2)
    bench.settle()
    assert.deepEqual(numbersOf(all), [4, 6])
    reds.subscription.credit(100, true)
    bench.settle()
    assert.deepEqual([numbersOf(reds), reds.drains], [[0, 2, 8, 10], 1])
    for (const taker of [reds, blues, all]) accept(taker)
    bench.settle()
    assert.equal(bench.broker.status().messages, 0)
    agree(bench, foldOf(bench.log.records))
  })

  it('go on after a failover with what was not settled, on the other server', () => {
    const bench = new Bench().serve()
    const reds = bench.taker('q', 3, selecting("color = 'red'"))
    fill(bench, range(0, 10), n => (n % 2 === 0 ? 'red' : 'blue'))
    reds.subscription.settle(reds.got[1]?.sequence as number, 'accepted')
    bench.settle()
    const next = successor(bench)
    const again = next.taker('q', 100, selecting("color = 'red'"))
    const rest = next.taker('q', 100, selecting("color <> 'red'"))
    next.settle()
    assert.deepEqual(numbersOf(again), [0, 4, 6, 8])
    assert.deepEqual(again.got.map(one => one.firstAcquirer), [false, false, false, false]) // prettier-ignore
    assert.deepEqual(numbersOf(rest), [1, 3, 5, 7, 9])
    accept(again)
    accept(rest)
    next.settle()
    assert.equal(next.broker.status().messages, 0)
    agree(next, foldOf(next.log.records))
  })

  it('are given again what was given back, by whomever, but not what is undeliverable to them', () => {
    const bench = new Bench().serve()
    const one = bench.taker('q', 2, selecting('n < 4'))
    const other = bench.taker('q', 2)
    fill(bench, range(0, 4))
    const got = [...numbersOf(one), ...numbersOf(other)].sort(rising)
    assert.deepEqual(got, [0, 1, 2, 3])
    other.subscription.close(false)
    one.subscription.settle(one.got[0]?.sequence as number, 'modified', true)
    one.subscription.credit(10, true)
    bench.settle()
    const [refused, ...kept] = numbersOf(one)
    assert.deepEqual(kept.toSorted(rising), [0, 1, 2, 3].filter(n => n !== refused), 'each of the others once') // prettier-ignore
    const third = bench.taker('q', 10)
    bench.settle()
    assert.deepEqual([numbersOf(third), third.got[0]?.deliveryCount], [[refused], 1])
  })

  it('look at each message of a long queue once, a bounded part of it in a turn, and at one for each that comes', () => {
    const bench = new Bench({ queueMessages: 100_000 }).serve()
    fill(bench, range(0, 20_000), n => (n === 19_000 ? 'red' : 'blue'), 0)
    bench.judged = 0
    const reds = bench.taker('q', 10, selecting("color = 'red'"))
    let turns = 0
    for (let before = 0; reds.got.length === 0; turns++) {
      assert.ok(bench.clock.turn())
      assert.ok(bench.judged - before <= SEEN_PER_TURN)
      before = bench.judged
    }
    assert.ok(turns >= 9, `${turns} turns`)
    bench.settle()
    assert.equal(bench.judged, 20_000)
    // Others get theirs meanwhile, and what they do costs it nothing.
    const plain = bench.taker('q', 5000)
    bench.settle()
    accept(plain)
    bench.settle()
    assert.equal(bench.judged, 20_000)
    fill(bench, range(20_000, 20_100), n => (n % 50 === 0 ? 'red' : 'blue'))
    assert.equal(bench.judged, 20_100)
    assert.deepEqual(numbersOf(reds), [19_000, 20_000, 20_050])
    // A consumer without credit looks at nothing.
    reds.subscription.credit(0, false)
    fill(bench, range(20_100, 20_200))
    assert.equal(bench.judged, 20_100)
  })

  it('find what is paged out without bringing the queue into memory, while others consume it', () => {
    const bench = new Bench(few).serve()
    fill(bench, range(0, 10_000), n => (n % 1000 === 999 ? 'red' : 'blue'))
    assert.ok(bench.broker.status().pagedMessages > 8000)
    const before = bench.spill.reads
    const reds = bench.taker('q', 5, selecting("color = 'red'"))
    bench.settle()
    assert.deepEqual(numbersOf(reds), range(999, 5000, 1000))
    assert.ok(bench.spill.reads > before)
    assert.ok(bench.broker.status().residentBytes < few.memoryBytes)
    assert.ok(bench.broker.status().pagedMessages > 8000, 'what is not selected stays where it is')
    const plain = bench.taker('q', 3000)
    bench.settle()
    assert.deepEqual(numbersOf(plain), range(0, 3003).filter(n => n % 1000 !== 999)) // prettier-ignore
    accept(plain)
    accept(reds)
    plain.subscription.close(false)
    reds.subscription.credit(100, true)
    bench.settle()
    assert.deepEqual(numbersOf(reds), range(999, 10_000, 1000))
    accept(reds)
    bench.settle()
    const rest = bench.taker('q', 100_000)
    bench.settle()
    assert.deepEqual(numbersOf(rest), range(3003, 10_000).filter(n => n % 1000 !== 999)) // prettier-ignore
    accept(rest)
    bench.settle()
    assert.deepEqual([bench.broker.status().messages, bench.broker.status().residentBytes], [0, 0])
    assert.equal(bench.spill.places, 0)
    agree(bench, foldOf(bench.log.records))
  })

  it('hold no memory by what they take from a sheet and give back', () => {
    const bench = new Bench(few).serve()
    fill(bench, range(0, 8000))
    const { residentBytes, pagedMessages } = bench.broker.status()
    const taker = bench.taker('q', 0, selecting('n >= 4000'))
    for (let round = 0; round < 20; round++) {
      taker.subscription.credit(100, false)
      bench.settle()
      for (const { sequence } of taker.got.splice(0)) taker.subscription.settle(sequence, 'released', true)
      if (taker.end !== null) break
    }
    assert.equal(taker.end?.refused, 'limit', 'so many may be undeliverable to it')
    const other = bench.taker('q', 0, selecting('n >= 5000'))
    for (let round = 0; round < 20; round++) {
      other.subscription.credit(100, false)
      bench.settle()
      other.subscription.credit(0, false)
      for (const { sequence } of other.got.splice(0)) other.subscription.settle(sequence, 'released')
    }
    const looksAsBefore = (): void => {
      bench.settle()
      const now = bench.broker.status()
      assert.deepEqual([now.residentBytes, now.pagedMessages], [residentBytes, pagedMessages])
    }
    looksAsBefore()
    other.subscription.close(false)
    looksAsBefore()
    const plain = bench.taker('q', 100_000)
    bench.settle()
    assert.deepEqual(numbersOf(plain), range(0, 8000))
    const touched = plain.got.filter(one => !one.firstAcquirer)
    assert.ok(touched.length >= 356, 'that they were offered before is remembered')
  })

  it('follow priorities', () => {
    const bench = new Bench().serve()
    for (const [n, priority] of [4, 9, 0, 9, 4, 5].entries())
      bench
        .target('q')
        .publish(Buffer.from(text(n, n === 3 ? 'red' : 'blue')), null, 0, { ...DEFAULT_ENVELOPE, priority })
    bench.settle()
    const blues = bench.taker('q', 10, selecting("color = 'blue'"))
    bench.settle()
    assert.deepEqual(numbersOf(blues), [1, 5, 0, 4, 2])
  })
})

describe('browsers', () => {
  it('see each message once, in order, and take none', () => {
    const bench = new Bench().serve()
    fill(bench, range(0, 6), n => (n % 2 === 0 ? 'red' : 'blue'))
    const before = snapshotOf(bench.broker)
    const all = bench.taker('q', 4, BROWSING)
    const reds = bench.taker('q', 0, { ...selecting("color = 'red'"), browses: true })
    reds.subscription.credit(100, true)
    bench.settle()
    assert.deepEqual(numbersOf(all), [0, 1, 2, 3])
    assert.deepEqual([numbersOf(reds), reds.drains], [[0, 2, 4], 1])
    accept(all) // means nothing
    for (const { sequence } of reds.got) reds.subscription.settle(sequence, 'rejected')
    assert.equal(all.confirmed.length, 4, 'and is confirmed')
    all.subscription.credit(100, true)
    bench.settle()
    assert.deepEqual([numbersOf(all), all.drains], [range(0, 6), 1])
    assert.ok(snapshotOf(bench.broker).equals(before))
    const taker = bench.taker('q', 100)
    bench.settle()
    assert.deepEqual(numbersOf(taker), range(0, 6))
    assert.ok(
      taker.got.every(one => one.firstAcquirer),
      'nobody has had them',
    )
  })

  it('do not see what another consumer has, see what comes while they have credit, and begin anew after a failover', () => {
    const bench = new Bench().serve()
    fill(bench, range(0, 4))
    const taker = bench.taker('q', 2)
    bench.settle()
    const browser = bench.taker('q', 100, BROWSING)
    bench.settle()
    assert.deepEqual(numbersOf(browser), [2, 3])
    fill(bench, [4])
    assert.deepEqual(numbersOf(browser), [2, 3, 4])
    taker.subscription.close(false)
    bench.settle()
    assert.deepEqual(numbersOf(browser), [2, 3, 4], 'what comes back lies behind it')
    const next = successor(bench)
    const again = next.taker('q', 100, BROWSING)
    next.settle()
    assert.deepEqual(numbersOf(again), range(0, 5))
  })

  it('see a long queue whole in bounded memory, and nothing that was taken before they came to it', () => {
    const bench = new Bench(few).serve()
    fill(bench, range(0, 6000))
    const browser = bench.taker('q', 0, BROWSING)
    const seen: number[] = []
    for (let round = 0; round < 100 && browser.drains === 0; round++) {
      browser.subscription.credit(round < 30 ? 100 : 10_000, round === 30)
      bench.settle()
      assert.ok(bench.broker.status().residentBytes < few.memoryBytes)
      seen.push(...numbersOf(browser))
      browser.texts.length = browser.got.length = 0
      if (round !== 10) continue
      const plain = bench.taker('q', 2000)
      bench.settle()
      accept(plain)
      plain.subscription.close(false)
      bench.settle()
    }
    assert.deepEqual(seen, [...range(0, 1100), ...range(2000, 6000)])
    assert.equal(bench.broker.status().messages, 4000)
  })

  it('do not hold up or change what consumers get', () => {
    const bench = new Bench().serve()
    const idle = bench.taker('q', 1, BROWSING)
    const plain = bench.taker('q', 100)
    fill(bench, range(0, 10))
    assert.deepEqual([numbersOf(idle), numbersOf(plain)], [[0], range(0, 10)])
    assert.ok(plain.got.slice(1).every(one => one.firstAcquirer))
  })
})
