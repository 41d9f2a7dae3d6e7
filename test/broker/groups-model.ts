// A queue with message groups, and beside it a model that knows where each message stands: waiting, with which consumer,
// in whose transaction, failed or settled. Every delivery is judged at once: within a group none overtakes an earlier one
// that is neither settled nor with the same consumer, and no two consumers have messages of one group at a time.

import assert from 'node:assert/strict'
import { DEFAULT_ENVELOPE, type Outcome, type QueuedMessage, type Transaction } from '../../src/broker/api.ts'
import { brokerError } from '../../src/broker/errors.ts'
import { SETTLED } from '../../src/broker/records.ts'
import type { RecordView } from '../../src/journal/commit.ts'
import { ArrayLog, Bench, foldOf, snapshotOf, sure } from './ground.ts'
import { Fold, isSettlement, viewsOf } from './model-fold.ts'
import { settleAddress } from './policy-ground.ts'

/** Paging all the time. */
const LIMITS = { memoryBytes: 40 * 300, pageOutBytes: 2 * 300 }
const MAX_DELIVERIES = 5
const DELAY_MS = 50

interface Taker {
  readonly exclusive: boolean
  left: number
  gone: boolean
  readonly subscription: ReturnType<typeof subscribed>
}

type Stand = 'settled' | 'failed' | { readonly taker: Taker; readonly transaction: Open | null }

interface Step {
  readonly sequence: number
  readonly outcome: Outcome
}

interface Open {
  readonly transaction: Transaction
  readonly steps: Step[]
}

const subscribed = (bench: Bench, taker: Parameters<Bench['broker']['subscribe']>[1], exclusive: boolean) =>
  sure(bench.broker.subscribe('q', taker, { selector: null, browses: false, exclusive }))

/** The name of a message says what counts: group (a dot: none), priority, number. */
const groupOf = (id: string): string => (id.startsWith('.') ? '' : id.charAt(0))
const priorityOf = (id: string): number => Number(id.charAt(1))

export class GroupHistory {
  bench = new Bench(LIMITS)
  safe = 0
  fold = new Fold()
  readonly stands = new Map<number, Stand>()
  takers: Taker[] = []
  open: Open[] = []
  number = 0
  readonly counts = { deliveries: 0, moved: 0, again: 0, leftOpen: 0, rolledBack: 0, committed: 0, alone: 0 }
  readonly #lastOf = new Map<string, Taker>()
  readonly #ends: boolean

  /** `ends`: every fifth message ends its group, so that nothing but that all of it comes can be said of their order. */
  constructor(delays: boolean, ends: boolean) {
    this.#ends = ends
    this.bench.serve()
    const settings = { deadLetter: 'dead', maxDeliveries: MAX_DELIVERIES }
    settleAddress(this.bench, 'queue/q', delays ? { ...settings, redeliveryDelayMs: DELAY_MS } : settings)
    this.bench.target('q')
    this.#commit(Infinity)
  }

  get #here(): Map<number, { id: string; count: number }> {
    return this.fold.queues.get('q') ?? new Map()
  }

  /** What each delivery must satisfy. */
  #deliver(taker: Taker, { sequence }: QueuedMessage): void {
    this.counts.deliveries++
    assert.ok(!taker.gone && taker.left-- > 0, 'a consumer that is there, with credit')
    const sole = this.takers.find(({ exclusive }) => exclusive) ?? taker
    assert.equal(sole, taker, 'an exclusive consumer is the only one that gets messages')
    if (sole.exclusive && this.takers.length > 1) this.counts.alone++
    const { id } = this.#here.get(sequence) as { id: string }
    const before = this.stands.get(sequence)
    assert.ok(before === undefined || before === 'failed', `${id} is ${nameOf(before)} and is delivered`)
    if (before === 'failed') this.counts.again++
    const group = groupOf(id)
    if (group !== '') {
      for (const [other, { id: its }] of this.#here)
        if (groupOf(its) === group && !this.#ends) this.#judge(taker, sequence, id, other, its)
      if ((this.#lastOf.get(group) ?? taker) !== taker) this.counts.moved++
      this.#lastOf.set(group, taker)
    }
    this.stands.set(sequence, { taker, transaction: null })
  }

  #judge(taker: Taker, sequence: number, id: string, other: number, its: string): void {
    const stand = this.stands.get(other)
    if (other === sequence || stand === 'settled') return
    if (stand !== undefined && stand !== 'failed') {
      if (stand.taker === taker) return
      assert.ok(stand.taker.gone, `${id} goes to another consumer than ${its}, which is out`)
    }
    const isBefore = other < sequence && priorityOf(its) >= priorityOf(id)
    assert.ok(!isBefore, `${its} (${nameOf(stand)}) is overtaken by ${id}`)
  }

  publish(group: string, priority: number): void {
    this.bench.target('q').publish(...this.#message(group, priority))
  }

  #message(group: string, priority: number) {
    const number = this.number++
    const id = `${group}${priority}-${number}${this.#ends && number % 5 === 4 ? ' JMSXGroupSeq=-1' : ''}`
    const envelope = { ...DEFAULT_ENVELOPE, group: groupOf(id), priority }
    return [Buffer.from(id.padEnd(100)), null, 0, envelope] as const
  }

  join(exclusive: boolean): void {
    if (this.takers.length >= 4) return
    const nothing = (): void => {}
    const consumer = { deliver: (message: QueuedMessage) => this.#deliver(taker, message), drained: nothing, detached: nothing, settled: nothing } // prettier-ignore
    const subscription = subscribed(this.bench, consumer, exclusive)
    const taker: Taker = { exclusive, left: 0, gone: false, subscription }
    this.takers.push(taker)
  }

  credit(at: number, credit: number): void {
    const taker = this.takers[at % this.takers.length]
    if (taker === undefined) return
    taker.left = credit
    taker.subscription.credit(credit, false)
  }

  /** Of a consumer's unsettled messages, in the order of the queue, those in no transaction. */
  #outWith(taker: Taker | undefined): number[] {
    const out = [...this.stands].filter(([, s]) => typeof s === 'object' && s.taker === taker && s.transaction === null)
    return out.map(([sequence]) => sequence).sort((a, b) => a - b)
  }

  settle(at: number, which: number, outcome: Outcome): void {
    const taker = this.takers[at % this.takers.length]
    const out = this.#outWith(taker)
    const sequence = out[which % out.length]
    if (taker === undefined || sequence === undefined) return
    this.#stand({ sequence, outcome })
    taker.subscription.settle(sequence, outcome)
  }

  #stand({ sequence, outcome }: Step): void {
    const dies = (this.#here.get(sequence)?.count ?? 0) + 1 >= MAX_DELIVERIES
    if (outcome === 'released') this.stands.delete(sequence)
    else this.stands.set(sequence, outcome === 'modified' && !dies ? 'failed' : 'settled')
  }

  leave(at: number, failed: boolean): void {
    const taker = this.takers[at % this.takers.length]
    if (taker === undefined) return
    for (const sequence of this.#outWith(taker)) this.#stand({ sequence, outcome: failed ? 'modified' : 'released' })
    for (const stand of this.stands.values())
      if (typeof stand === 'object' && stand.taker === taker) this.counts.leftOpen++
    taker.gone = true
    this.takers = this.takers.filter(one => one !== taker)
    taker.subscription.close(failed)
  }

  begin(): void {
    if (this.open.length < 3) this.open.push({ transaction: sure(this.bench.broker.begin()), steps: [] })
  }

  sendIn(which: number, group: string, priority: number): void {
    const [body, , , envelope] = this.#message(group, priority)
    this.open[which % this.open.length]?.transaction.publish(this.bench.target('q'), body, envelope)
  }

  settleIn(which: number, at: number, message: number, outcome: Outcome): void {
    const open = this.open[which % this.open.length]
    const taker = this.takers[at % this.takers.length]
    const out = this.#outWith(taker)
    const sequence = out[message % out.length]
    if (open === undefined || taker === undefined || sequence === undefined) return
    assert.equal(open.transaction.settle(taker.subscription, sequence, outcome, false), null)
    this.stands.set(sequence, { taker, transaction: open })
    open.steps.push({ sequence, outcome })
  }

  end(which: number, commits: boolean): void {
    const [open] = this.open.splice(which % Math.max(1, this.open.length), 1)
    if (open === undefined) return
    let isBack = !commits
    if (commits) open.transaction.commit(refusal => (isBack ||= refusal !== null))
    else open.transaction.rollback()
    if (isBack) this.counts.rolledBack++
    else this.counts.committed++
    for (const step of open.steps) {
      if (!isBack) this.#stand(step)
      else this.#back(step.sequence)
    }
  }

  #back(sequence: number): void {
    const stand = this.stands.get(sequence)
    assert.ok(typeof stand === 'object')
    if (stand.taker.gone) this.stands.delete(sequence)
    else this.stands.set(sequence, { taker: stand.taker, transaction: null })
  }

  crowd(crowded: boolean): void {
    this.bench.log.fault = crowded ? brokerError('CLOSED', { why: 'full' }) : null
  }

  work(): void {
    this.bench.rest()
  }

  commit(records: number): void {
    this.work()
    this.#commit(records)
    this.work()
  }

  #commit(records: number): void {
    const { broker, log } = this.bench
    this.safe = Math.min(log.last, this.safe + records)
    while (this.fold.sequence < this.safe) this.fold.apply(log.records[this.fold.sequence] as RecordView)
    for (const sequence of this.stands.keys()) if (!this.#here.has(sequence)) this.stands.delete(sequence)
    broker.committed(this.safe)
  }

  /** Time for what waits after a failed delivery. */
  pass(ms: number): void {
    this.bench.clock.advance(ms)
    this.work()
  }

  /**
   * The other server serves, with so many of the records that were not safe; or the same one again, with all of them. A
   * consumer is there at once.
   */
  failOver(unsafe: number, isSame: boolean, credit: number): void {
    this.crowd(false)
    const { broker, log } = this.bench
    const now = this.bench.clock.time
    broker.stopServing()
    this.takers = []
    this.open = []
    this.stands.clear()
    this.#lastOf.clear()
    if (isSame) this.#standAfter(log.records.slice(this.safe))
    else {
      const next = new ArrayLog()
      next.records.push(...log.records.slice(0, Math.min(log.last, this.safe + unsafe)))
      this.bench = new Bench(LIMITS, { log: next })
      this.bench.clock.time = now
      for (const record of next.records) this.bench.broker.apply(record)
      this.safe = next.last
      this.fold = Fold.of(next.records)
    }
    this.bench.log.epoch++
    this.bench.log.append(1, Buffer.from('{}'), Buffer.alloc(0))
    this.bench.serve()
    this.join(false)
    this.credit(0, credit)
    this.work()
  }

  /** What records say that are in the journal and not known to be safe counts for who serves again. */
  #standAfter(unsafe: readonly RecordView[]): void {
    const all = Fold.of(this.bench.log.records.slice(0, this.safe))
    for (const record of unsafe) {
      for (const view of viewsOf(record).filter(isSettlement)) {
        for (const [sequence] of all.spokenOf(view))
          this.stands.set(sequence, view.kind === SETTLED ? 'settled' : 'failed')
      }
      all.apply(record)
    }
  }

  /** All heals: the consumers that are there get all of it; or all have gone, and the next one gets it in order. */
  heal(leaves: boolean): void {
    this.crowd(false)
    this.bench.broker.wake()
    if (leaves) while (this.takers.length > 0) this.leave(0, false)
    while (this.open.length > 0) this.end(0, !leaves)
    this.#settleDown()
    if (this.takers.length === 0) this.join(false)
    for (let rounds = 0; this.#here.size > 0; rounds++) {
      assert.ok(rounds < 200, `nobody gets ${[...this.#here.values()].map(({ id }) => id).join(' ')}`)
      for (const [at, taker] of this.takers.entries()) {
        this.credit(at, 20)
        while (this.#outWith(taker).length > 0) this.settle(at, 0, 'accepted')
      }
      this.#settleDown()
    }
    assert.ok(snapshotOf(this.bench.broker).equals(snapshotOf(foldOf(this.bench.log.records))), 'one state')
  }

  #settleDown(): void {
    for (let round = 0; round < 4; round++) {
      this.commit(Infinity)
      this.pass(DELAY_MS)
    }
  }
}

const nameOf = (stand: Stand | undefined): string =>
  stand === undefined
    ? 'waiting'
    : typeof stand === 'string'
      ? stand
      : `with a consumer${stand.taker.gone ? ' that left' : ''}${stand.transaction === null ? '' : ', in a transaction'}`
