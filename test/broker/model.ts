// A pair of brokers over one history of records, and beside it a model that knows in plain maps what must be true: what
// lies in which queue, who owns it, what was promised to whom. Every call from the broker is judged at once.

import assert from 'node:assert/strict'
import type { RecordView } from '../../src/journal/commit.ts'
import type { BrokerCore } from '../../src/broker/broker.ts'
import { CodedError } from '../../src/base/errors.ts'
import { isRefusal, type Outcome, type QueuedMessage, type Refusal } from '../../src/broker/api.ts'
import { decodeMessage } from '../../src/broker/message-record.ts'
import { MESSAGE, SETTLED } from '../../src/broker/records.ts'
import { Fold, idIn, isSettlement, messageAt, modelLimits, speaksOf, viewsOf, wouldExceed } from './model-fold.ts'
import { type How, ModelTaker, noStats } from './model-taker.ts'
import { Bench, foldOf, restoredFrom, snapshotOf } from './ground.ts'

export const QUEUES = ['red', 'green', 'blue']

export class Pair {
  benches: [Bench, Bench] = [new Bench(modelLimits), new Bench(modelLimits)]
  active = 0
  reign = 0
  /** Records that the follower got; what is safe is among them. */
  shipped = 0
  safe = 0
  /** The follower has folded up to here. */
  followed = 0
  /** What the active has folded, and volatile standings of this reign by queue and sequence. */
  fold = new Fold()
  readonly out = new Map<number, 'owned' | 'settling' | 'returning' | 'taken'>()
  readonly offered = new Set<number>()
  suspectThrough = 0
  takers: ModelTaker[] = []

  nextId = 0
  readonly acknowledged = new Set<string>()
  readonly waiting = new Map<number, string>()
  /** A consumer has asked for its removal, so it may be missing. */
  readonly settleAsked = new Set<string>()
  /** Its removal was confirmed, so it must never come again. */
  readonly gone = new Set<string>()
  readonly stats = noStats()

  constructor() {
    this.broker.startServing()
  }

  get bench(): Bench {
    return this.benches[this.active] as Bench
  }
  get broker(): BrokerCore {
    return this.bench.broker
  }
  get follower(): Bench {
    return this.benches[1 - this.active] as Bench
  }

  // What brokers say, judged.

  mustProve(what: string): void {
    assert.ok(this.bench.log.proof, `${what} without proof of serving (P1)`)
  }

  delivered(taker: ModelTaker, message: QueuedMessage): void {
    this.mustProve('a delivery')
    assert.ok(!taker.ended && taker.left > 0, 'deliveries need a subscription with credit')
    const kept = this.fold.queues.get(taker.queue)?.get(message.sequence)
    assert.ok(kept !== undefined, 'only what is safely in the queue is delivered')
    assert.ok(!this.gone.has(kept.id), `${kept.id} was settled and comes again`)
    assert.equal(message.sequence, this.nextFor(taker), 'the first message that may be delivered is')
    assert.equal(Buffer.from(message.body).toString().trim(), kept.id)
    assert.equal(message.body.length, kept.bytes)
    assert.equal(message.deliveryCount, kept.count)
    const first = !this.offered.has(message.sequence) && message.sequence > this.suspectThrough
    assert.equal(message.firstAcquirer, first)
    if (!first) this.stats.redeliveries++
    this.stats.deliveries++
    this.offered.add(message.sequence)
    this.out.set(message.sequence, 'owned')
    taker.owned.push(message.sequence)
    taker.left--
  }

  /** The lowest sequence in the taker's queue that is not out and suits it. */
  nextFor(taker: ModelTaker): number | null {
    for (const [sequence, { id }] of this.fold.queues.get(taker.queue) ?? []) {
      if (!this.out.has(sequence) && !taker.shunned.has(sequence) && taker.wants(id)) return sequence
    }
    return null
  }

  confirmed(taker: ModelTaker, sequence: number): void {
    if (taker.settling) return
    this.stats.confirmed++
    const { queue } = decodeMessage(messageAt(this.bench.log.records, sequence))
    const record = this.bench.log.records
      .slice(0, this.safe)
      .flatMap(viewsOf)
      .findLast(r => isSettlement(r) && speaksOf(r, queue, sequence))
    assert.ok(record !== undefined, 'a settlement is confirmed when its record is safe')
    if (record.kind === SETTLED) this.gone.add(this.idOf(sequence))
  }

  idOf(sequence: number): string {
    return idIn(messageAt(this.bench.log.records, sequence))
  }

  // What happens to them.

  publish(queue: number, bytes: number, silent: boolean): void {
    const name = QUEUES[queue % QUEUES.length] as string
    const target = this.broker.target(name)
    if (isRefusal(target)) {
      assert.ok(target.refused === 'limit' && this.bench.log.fault !== null)
      return
    }
    const id = `m${this.nextId++}`
    const { reign } = this
    const tag = this.nextId
    let refused: Refusal | null = null
    const producer = {
      published: (answered: number, refusal: Refusal | null): void => {
        assert.equal(answered, tag)
        assert.equal(reign, this.reign, 'nobody is answered after the reign')
        if (refusal !== null) {
          refused = refusal
          return
        }
        this.mustProve('an acknowledgement')
        assert.ok(this.waiting.delete(tag), 'answered once')
        assert.ok(!this.acknowledged.has(id))
        assert.equal(this.idOf(this.#sequenceOf(id)), id)
        assert.ok(this.#sequenceOf(id) <= this.safe, 'acknowledged is safe')
        for (const other of this.waiting.keys()) assert.ok(other > tag, 'answers come in order')
        this.acknowledged.add(id)
      },
    }
    const crowded = this.bench.log.fault !== null
    const full = crowded || this.#full(name, bytes)
    const before = this.bench.log.last
    const room = target.room()
    if (!silent) this.waiting.set(tag, id)
    target.publish(Buffer.from(id.padEnd(bytes)), silent ? null : producer, tag)
    assert.equal(this.bench.log.last > before, !full, full ? 'beyond a limit' : 'refused below the limits')
    if (!full) assert.ok(room >= 0)
    if (full) {
      this.stats.refusals++
      this.waiting.delete(tag)
      assert.ok(silent || refused !== null)
      const most = modelLimits.queueMessages
      assert.ok(crowded ? target.room() === 0 || this.#full(name, bytes) : room < most)
    }
  }

  #sequenceOf(id: string): number {
    const { records } = this.bench.log
    return (records.find(r => r.kind === MESSAGE && idIn(r) === id) as RecordView).sequence
  }

  #full(name: string, bytes: number): boolean {
    return wouldExceed(this.fold, this.bench.log.records, name, bytes)
  }

  subscribe(queue: number, how: How = 'all'): void {
    if (this.takers.length >= 6) return
    const taker = new ModelTaker(this, QUEUES[queue % QUEUES.length] as string, how)
    const subscription = this.broker.subscribe(taker.queue, taker, taker.wish)
    if (isRefusal(subscription)) {
      assert.ok(subscription.refused === 'limit' && this.bench.log.fault !== null)
      return
    }
    taker.subscription = subscription
    this.takers.push(taker)
  }

  credit(at: number, credit: number, drain: boolean): void {
    const taker = this.#taker(at)
    if (taker === null) return
    taker.left = credit
    taker.draining = drain
    taker.subscription.credit(credit, drain)
  }

  settle(at: number, which: number, outcome: Outcome, undeliverableHere: boolean): void {
    const taker = this.#taker(at)
    const sequence = taker?.owned[which % taker.owned.length]
    if (taker === null || sequence === undefined) return
    taker.owned.splice(taker.owned.indexOf(sequence), 1)
    const removes = outcome === 'accepted' || outcome === 'rejected'
    if (removes) this.settleAsked.add(this.idOf(sequence))
    else if (undeliverableHere) taker.shunned.add(sequence)
    if (outcome === 'released') this.out.delete(sequence)
    else this.out.set(sequence, removes ? 'settling' : 'returning')
    taker.settling = outcome === 'released'
    taker.subscription.settle(sequence, outcome, undeliverableHere)
    taker.settling = false
    taker.subscription.settle(sequence, 'accepted') // settled twice: ignored
  }

  close(at: number, failed: boolean): void {
    const taker = this.#taker(at)
    if (taker === null) return
    taker.ended = true
    this.takers.splice(this.takers.indexOf(taker), 1)
    for (const sequence of taker.owned) {
      if (failed) this.out.set(sequence, 'returning')
      else this.out.delete(sequence)
    }
    taker.subscription.close(failed)
  }

  #taker(at: number): ModelTaker | null {
    return this.takers[at % Math.max(1, this.takers.length)] ?? null
  }

  turn(): void {
    this.bench.clock.turn()
  }

  /** What was paged out or is read comes to its end, in part, on both servers. */
  disk(operations: number): void {
    for (const bench of this.benches) {
      if (bench.disk(operations)) this.stats.paged++
      assert.deepEqual(bench.failures, [])
    }
  }

  ship(records: number): void {
    this.shipped = Math.min(this.bench.log.last, this.shipped + records)
  }

  /** The follower folds what it got; it may be behind. */
  follow(records: number): void {
    const to = Math.min(this.shipped, this.followed + records)
    for (; this.followed < to; this.followed++) {
      this.follower.broker.apply(this.bench.log.records[this.followed] as RecordView)
    }
  }

  commit(records: number): void {
    this.safe = Math.max(this.safe, Math.min(this.shipped, this.safe + records))
    this.#folded(this.safe)
    this.broker.committed(this.safe)
  }

  #folded(sequence: number): void {
    while (this.fold.sequence < sequence) {
      const record = this.bench.log.records[this.fold.sequence] as RecordView
      for (const view of viewsOf(record).filter(isSettlement))
        for (const [of] of this.fold.spokenOf(view)) this.out.delete(of)
      this.fold.apply(record)
    }
  }

  /** The log takes no records for a while. */
  crowd(crowded: boolean): void {
    this.bench.log.fault = crowded ? new CodedError('REPLICATION-BACKLOG', { what: 'too much', remedy: '' }) : null
  }

  /** What usually happens. */
  flow(): void {
    this.turn()
    this.ship(Infinity)
    this.disk(Infinity)
    this.commit(Infinity)
    this.turn()
  }

  proof(proof: boolean): void {
    this.bench.log.proof = proof
    this.broker.wake()
  }

  /**
   * The active stops; the follower goes on with what was shipped. The old one follows: `whole` nothing was lost, it just
   * goes on; `cut` its last records are replaced as the new ones come; `replay` and `snapshot` it begins anew.
   */
  failover(how: 'whole' | 'cut' | 'replay' | 'snapshot'): void {
    if (how === 'whole') this.shipped = this.bench.log.last
    this.follow(Infinity)
    const old = this.bench
    const history = old.log.records.slice(0, this.shipped)
    this.#stop()
    this.followed = this.fold.sequence
    old.log.records.length = 0
    this.active = 1 - this.active
    this.bench.log.records.length = 0
    this.bench.log.records.push(...history)
    this.fold = Fold.of(history)
    this.out.clear()
    if (how === 'replay' || how === 'snapshot') {
      old.broker.reset()
      this.followed = 0
    }
    if (how === 'snapshot') {
      for (const chunk of this.bench.chunks()) old.broker.restore(chunk)
      old.broker.restored()
      this.followed = this.fold.sequence
    }
    this.#start()
    // Without a reset it is the next record that tells the old one what was replaced.
    if (how === 'cut') {
      this.ship(1)
      this.follow(Infinity)
    }
  }

  /** The active stops and becomes active again, with its journal as it is. */
  resume(): void {
    this.#stop()
    this.out.clear()
    const all = Fold.of(this.bench.log.records.slice(0, this.fold.sequence))
    for (const record of this.bench.log.records.slice(this.fold.sequence)) {
      for (const view of viewsOf(record).filter(isSettlement)) {
        const standing = view.kind === SETTLED ? 'settling' : 'returning'
        for (const [sequence] of all.spokenOf(view)) this.out.set(sequence, standing)
      }
      all.apply(record)
    }
    this.#start()
  }

  #stop(): void {
    this.crowd(false)
    this.broker.stopServing()
    this.reign++
    this.stats.failovers++
    assert.ok(
      this.takers.every(taker => taker.ended),
      'all are told',
    )
    this.takers = []
    this.waiting.clear()
  }

  #start(): void {
    const { log } = this.bench
    this.offered.clear()
    this.suspectThrough = log.last
    log.epoch = this.reign + 1
    log.append(1, Buffer.from('{}'), Buffer.alloc(0))
    this.bench.log.proof = true
    this.broker.startServing()
    // The record that begins the reign is not the broker's, yet may come before or after it starts to serve.
    this.suspectThrough = log.last - 1
  }

  // Judged from outside.

  check(): void {
    const records = this.bench.log.records
    const snapshot = snapshotOf(this.broker)
    assert.ok(
      snapshot.equals(snapshotOf(foldOf(records.slice(0, this.fold.sequence), modelLimits))),
      'active and follower agree',
    )
    const restored = restoredFrom(this.bench.chunks(), modelLimits)
    assert.ok(snapshot.equals(snapshotOf(restored)), 'a restored snapshot gives the same state')
    const { bytes, messages, queues } = this.broker.status()
    assert.equal(
      messages,
      [...this.fold.queues.values()].reduce((sum, queue) => sum + queue.size, 0),
    )
    assert.ok(bytes <= modelLimits.storeBytes)
    for (const queue of queues) assert.ok(queue.messages + queue.pending <= modelLimits.queueMessages)
    // The restored one goes on like any other.
    for (const record of records) restored.apply(record)
    assert.ok(snapshotOf(restored).equals(snapshotOf(foldOf(records))))
  }

  /** Everything heals: all is shipped, safe and delivered, and what was promised is there. */
  heal(): void {
    this.crowd(false)
    this.proof(true)
    for (let rounds = 0; rounds < 4; rounds++) {
      this.bench.clock.rest()
      this.ship(Infinity)
      this.follow(Infinity)
      this.commit(Infinity)
    }
    this.bench.rest()
    assert.equal(this.waiting.size, 0, 'everybody is answered')
    this.check()
    assert.ok(snapshotOf(this.broker).equals(snapshotOf(this.follower.broker)), 'the follower agrees')
    while (this.takers.length > 0) this.close(0, false)
    const found: string[] = []
    for (const [index, name] of QUEUES.entries()) {
      this.subscribe(index)
      const taker = this.takers.at(-1) as ModelTaker
      this.credit(this.takers.length - 1, 1000, true)
      this.bench.rest()
      assert.deepEqual(taker.owned, [...(this.fold.queues.get(name)?.keys() ?? [])], 'all of it, in order')
      found.push(...taker.owned.map(sequence => this.idOf(sequence)))
    }
    for (const id of this.acknowledged) {
      assert.ok(found.includes(id) || this.settleAsked.has(id), `${id} was acknowledged and is lost`)
    }
    for (const id of this.gone) assert.ok(!found.includes(id))
  }
}
