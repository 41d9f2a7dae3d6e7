// Random histories of messages that are delayed, or expire, or both, in a queue and on a topic: through crowded logs, lost
// proofs, consumers and failovers each of them is there once, or has gone because its time was over, and a follower always
// has the same.

import fc from 'fast-check'
import assert from 'node:assert/strict'
import { DEFAULT_ENVELOPE, type Refusal } from '../../src/broker/api.ts'
import { brokerError } from '../../src/broker/errors.ts'
import type { BrokerLimits } from '../../src/broker/limits.ts'
import { ArrayLog, Bench, foldOf, snapshotOf, sure, type Taker } from './ground.ts'

/** What was published and is safe, or may be. */
interface Sent {
  readonly text: string
  /** The last record when it was made. */
  readonly at: number
  readonly deliverAt: number
  readonly expiresAt: number
}

const ADDRESSES = ['q', 'topic://t'] as const
/** Memory is scarce all the time. */
const LIMITS: Partial<BrokerLimits> = { memoryBytes: 1 << 15, pageOutBytes: 1 << 11 }
const ALL_OVER_MS = 20_000

class History {
  bench = new Bench(LIMITS).serve()
  safe = 0
  reign = 1
  number = 0
  /** By address: what nobody has consumed. */
  readonly here = new Map<string, Map<string, Sent>>(ADDRESSES.map(address => [address, new Map()]))
  moved = 0
  expired = 0
  lost = 0

  constructor() {
    this.#subscribe('topic://t').subscription.close(false)
    this.settle()
  }

  get now(): number {
    return this.bench.clock.time
  }

  #subscribe(address: string): Taker {
    const { bench } = this
    if (address === 'q') return bench.taker('q')
    const wish = { filter: 't', durable: 'd', shared: false, group: '', selector: null, notFrom: 0 }
    const taker = bench.taker('unused')
    taker.subscription = sure(bench.broker.subscribeTopic(wish, taker, () => {}))
    return taker
  }

  settle(): void {
    this.bench.settle()
    this.safe = this.bench.log.last
  }

  publish(address: string, delay: number, life: number): void {
    const { bench, now } = this
    const text = `${this.number++}`.padEnd(100)
    const sent = { deliverAt: delay === 0 ? 0 : now + 40 * delay, expiresAt: life === 0 ? 0 : now + 40 * life }
    const target = bench.broker.target(address)
    if ('refused' in target) return
    let refused: Refusal | null = null
    const producer = { published: (_: number, refusal: Refusal | null) => void (refused = refusal) }
    target.publish(Buffer.from(text), producer, 0, { ...DEFAULT_ENVELOPE, ...sent })
    if (refused === null) this.here.get(address)?.set(text, { text, at: bench.log.last, ...sent })
  }

  /** Consumes some; what is over is delivered to nobody, and nothing before its time. */
  take(address: string, most: number): void {
    const { bench } = this
    this.crowd(false)
    this.prove(true)
    const here = this.here.get(address) as Map<string, Sent>
    const taker = this.#subscribe(address)
    taker.subscription.credit(most, false)
    this.settle()
    for (const [i, { sequence }] of taker.got.entries()) {
      const sent = here.get(taker.texts[i] as string)
      assert.ok(sent !== undefined, 'each comes once, and none that was not sent')
      assert.ok(sent.deliverAt <= this.now, 'none comes before its time')
      assert.ok(sent.expiresAt === 0 || sent.expiresAt > this.now, 'none comes after its time')
      here.delete(sent.text)
      taker.subscription.settle(sequence, 'accepted')
    }
    this.settle()
    taker.subscription.close(false)
    bench.settle()
    this.safe = bench.log.last
  }

  crowd(crowded: boolean): void {
    this.bench.log.fault = crowded ? brokerError('CLOSED', { why: 'full' }) : null
  }

  prove(proof: boolean): void {
    this.bench.log.proof = proof
    if (proof) this.bench.broker.wake()
  }

  /** The other server serves, or the same one again, with so many of the records that were not safe. */
  failOver(unsafe: number, isSame: boolean): void {
    const { bench, safe } = this
    const records = Math.min(bench.log.last, safe + unsafe)
    if (records < bench.log.last) this.lost++
    for (const here of this.here.values()) for (const [text, { at }] of here) if (at > records) here.delete(text)
    this.reign++
    const begins = { sequence: records + 1, epoch: this.reign, kind: 1, body: Buffer.from('{}') }
    this.crowd(false)
    this.prove(true)
    if (isSame) {
      bench.broker.stopServing()
      bench.log.records.length = records
    } else {
      const log = new ArrayLog()
      log.records.push(...bench.log.records.slice(0, records))
      this.bench = new Bench(LIMITS, { log })
      this.bench.clock.time = bench.clock.time
      for (const record of log.records) this.bench.broker.apply(record)
    }
    this.bench.broker.apply(begins)
    this.bench.log.records.push(begins)
    this.bench.serve()
    this.settle()
  }

  /** A follower folds all that was ever recorded, safe or not, and once it is safe it has the same as this server. */
  check(): void {
    foldOf(this.bench.log.records)
    this.settle()
    assert.ok(
      snapshotOf(this.bench.broker).equals(snapshotOf(foldOf(this.bench.log.records))),
      'a follower has the same',
    )
  }

  heal(): void {
    this.crowd(false)
    this.prove(true)
    this.check()
    const until = this.now + ALL_OVER_MS
    while (this.now < until) {
      this.bench.clock.advance(1000)
      this.settle()
    }
    const { upkeep, messages, residentBytes, bytes } = this.bench.broker.status()
    this.expired += upkeep.expired
    assert.equal(upkeep.delayed, 0)
    const left = [...this.here.values()].flatMap(here => [...here.values()]).filter(({ expiresAt }) => expiresAt === 0)
    assert.equal(messages, left.length)
    for (const address of ADDRESSES) this.take(address, 1000)
    for (const here of this.here.values()) for (const { expiresAt } of here.values()) assert.ok(expiresAt > 0)
    assert.equal(this.bench.broker.status().messages, 0)
    assert.ok(residentBytes - bytes < 8192, 'nothing is remembered of what has left')
    this.check()
  }
}

type Step = (history: History) => void
const may = <T>(weight: number, chosen: fc.Arbitrary<T>, act: (history: History, chosen: T) => void) => ({
  weight,
  arbitrary: chosen.map((values): Step => history => act(history, values)), // prettier-ignore
})
const address = fc.constantFrom(...ADDRESSES)
const span = fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 60 }))

// prettier-ignore
const step: fc.Arbitrary<Step> = fc.oneof(
  may(12, fc.tuple(address, span, span), (history, [to, delay, life]) => history.publish(to, delay, life)),
  may(8, fc.constantFrom(10, 50, 100, 400, 1100), (history, ms) => history.bench.clock.advance(ms)),
  may(4, fc.constant(null), history => history.bench.rest()),
  may(4, fc.constant(null), history => history.settle()),
  may(3, fc.boolean(), (history, crowded) => history.crowd(crowded)),
  may(1, fc.boolean(), (history, proof) => history.prove(proof)),
  may(2, fc.tuple(address, fc.integer({ min: 1, max: 6 })), (history, [from, most]) => history.take(from, most)),
  may(1, fc.tuple(fc.nat(4), fc.boolean()), (history, [unsafe, isSame]) => history.failOver(unsafe, isSame)),
  may(1, fc.constant(null), history => history.check()),
)

describe('messages that are delayed and expire, under random work and failovers', function () {
  this.timeout(60_000) // seconds of CPU; a busy machine gives them when it can
  it('are there once, or over, and both servers agree', () => {
    const total = { expired: 0, lost: 0 }
    const property = fc.property(fc.array(step, { minLength: 20, maxLength: 120, size: 'max' }), steps => {
      const history = new History()
      for (const one of steps) one(history)
      history.heal()
      total.expired += history.expired
      total.lost += history.lost
    })
    fc.assert(property, { seed: 20240612, numRuns: 250 })
    // The work must reach what it is meant to try.
    assert.ok(total.expired > 200 && total.lost > 50, JSON.stringify(total))
  })
})
