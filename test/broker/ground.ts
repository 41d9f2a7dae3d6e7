// The ground the broker's tests stand on: a clock whose turns are run by hand and a commit log kept in an array. Nothing
// here waits for real time.

import { assert } from '../../src/base/assert.ts'
import type { CodedError } from '../../src/base/errors.ts'
import type { Clock, Log, Timer } from '../../src/base/ports.ts'
import type { Chunks, CommitLog, RecordView } from '../../src/journal/commit.ts'
import { createBroker, type BrokerCore } from '../../src/broker/broker.ts'
import type { Consumer, PublishTarget, QueuedMessage, QueueWish, Refusal, Subscription } from '../../src/broker/api.ts'
import { type BrokerLimits, defaultTopicLimits, RECORD_OVERHEAD_BYTES } from '../../src/broker/limits.ts'
import type { SessionOwner } from '../../src/broker/session-api.ts'
import type { PropertyReader } from '../../src/broker/neutral.ts'
import { selectorOf } from '../../src/broker/selector/selector.ts'
import { MemorySpill } from '../../src/simulation/spill.ts'

/** Has a session, and does nothing with it. */
export const nobody: SessionOwner = {
  opened: () => {},
  deliver: () => {},
  taken: () => {},
  released: () => {},
  received: () => {},
  takenOver: () => {},
  ended: () => {},
}

export class TurnClock implements Clock {
  #soon: (() => void)[] = []
  time = 0

  now(): number {
    return this.time
  }
  wall(): number {
    return this.time
  }
  #timers: { at: number; fn: () => void }[] = []
  after(ms: number, fn: () => void): Timer {
    const timer = { at: this.time + ms, fn }
    this.#timers.push(timer)
    return { cancel: () => void (this.#timers = this.#timers.filter(t => t !== timer)) }
  }

  /** Time goes on, and what was to happen meanwhile does, each in a turn of its own. */
  advance(ms: number): void {
    const until = this.time + ms
    for (;;) {
      const next = this.#timers.filter(t => t.at <= until).sort((a, b) => a.at - b.at)[0]
      if (next === undefined) break
      this.#timers = this.#timers.filter(t => t !== next)
      this.time = Math.max(this.time, next.at)
      next.fn()
    }
    this.time = until
  }
  soon(fn: () => void): void {
    this.#soon.push(fn)
  }

  /** Runs one turn; false where nothing was to do. */
  turn(): boolean {
    const due = this.#soon
    this.#soon = []
    for (const fn of due) fn()
    return due.length > 0
  }

  /** Runs turns until nothing is to do. */
  rest(): void {
    for (let turns = 0; this.turn(); turns++) if (turns > 10_000) throw new Error('the broker does not come to rest')
  }
}

/** The logs of the test that runs. */
const logs = new Set<ArrayLog>()

// Whatever a test looks for: what a serving broker appends, a follower can fold, and a server that starts again.
afterEach(() => {
  const written = [...logs]
  logs.clear()
  for (const { records } of written) foldOf(records)
  logs.clear()
})

export class ArrayLog implements CommitLog {
  constructor() {
    logs.add(this)
  }

  readonly records: RecordView[] = []
  epoch = 1
  proof = true
  recordBytes = limits.messageBytes + RECORD_OVERHEAD_BYTES
  /** Thrown by the next append. */
  fault: Error | null = null

  get last(): number {
    return this.records.length
  }

  append(kind: number, head: Uint8Array, body: Uint8Array): number {
    if (this.fault !== null) throw this.fault
    // As the journal does.
    assert(head.length + body.length <= this.recordBytes, 'a record is within the limit')
    const sequence = this.records.length + 1
    this.records.push({ sequence, epoch: this.epoch, kind, body: Buffer.concat([head, body]) })
    return sequence
  }

  laid(sequence: number, bytes: number): Uint8Array {
    assert(sequence === this.last, 'of the last record only')
    const { body } = this.records[this.records.length - 1] as RecordView
    return body.subarray(body.length - bytes)
  }

  mayServe(): boolean {
    return this.proof
  }
}

export const limits: BrokerLimits = {
  connections: 3,
  messageBytes: 1 << 20,
  queues: 100,
  queueMessages: 1_000_000,
  queueBytes: 1 << 30,
  storeBytes: 1 << 30,
  memoryBytes: 1 << 30,
  pageOutBytes: 1 << 29,
  createOnUse: true,
  topics: defaultTopicLimits,
}

const quiet: Log = () => undefined

/** Bodies here are texts: their properties are the words in them that look like `name=value`, and a third of their number. */
export const propertiesOfText: PropertyReader = body => {
  const text = Buffer.from(body).toString()
  return name => {
    if (name === 'third') return BigInt(/\d+/.exec(text)?.[0] ?? '0') % 3n
    const value = new RegExp(`(?:^| )${name}=(\\S+)`).exec(text)?.[1]
    return value === undefined ? null : /^-?\d+$/.test(value) ? BigInt(value) : value
  }
}

export function selecting(text: string): QueueWish {
  const selector = selectorOf(text)
  if (typeof selector === 'string') throw new Error(selector)
  return { selector, browses: false, exclusive: false }
}

/** A broker with its own log and clock. */
export class Bench {
  readonly clock = new TurnClock()
  readonly log: ArrayLog
  readonly broker: BrokerCore
  /** What it is given to keep and to read; `disk` lets it answer. */
  readonly spill: MemorySpill
  readonly failures: CodedError[] = []
  /** How often a selector was asked. */
  judged = 0
  #answers: (() => void)[] = []

  constructor(
    changed: Partial<BrokerLimits> = {},
    { log = new ArrayLog(), say = quiet }: { log?: ArrayLog; say?: Log } = {},
  ) {
    this.log = log
    if (changed.messageBytes !== undefined) log.recordBytes = changed.messageBytes + RECORD_OVERHEAD_BYTES
    this.spill = new MemorySpill(fn => this.#answers.push(fn))
    this.broker = createBroker({
      properties: (body, envelope) => {
        this.judged++
        return propertiesOfText(body, envelope)
      },
      // Of bodies that are texts: the topic before them.
      readdress: (body, _, topic) => Buffer.from(`${topic}: ${Buffer.from(body).toString()}`),
      log,
      clock: this.clock,
      limits: { ...limits, ...changed },
      say,
      spill: this.spill,
      failed: error => this.failures.push(error),
    })
    benches.set(this.broker, this)
  }

  /** The one in which this broker was made. */
  static of(broker: BrokerCore): Bench {
    const bench = benches.get(broker)
    if (bench === undefined) throw new Error('it was made elsewhere')
    return bench
  }

  /** So many operations of the spill come to their end; false where none was under way. */
  disk(operations = Infinity): boolean {
    let some = false
    for (; operations > 0 && this.#answers.length > 0; operations--) {
      some = true
      this.#answers.shift()?.()
    }
    return some
  }

  /** Turns and the spill, until nothing is to do. */
  rest(): void {
    do this.clock.rest()
    while (this.disk())
  }

  chunks(snapshot = this.broker.snapshot()): Uint8Array[] {
    return chunksOf(snapshot, () => this.disk())
  }

  serve(): this {
    this.broker.startServing()
    return this
  }

  /** Everything appended is safe; then turns, until nothing happens any more. */
  settle(): void {
    for (let rounds = 0; ; rounds++) {
      if (rounds > 1000) throw new Error('the broker does not come to rest')
      const before = this.log.last
      this.broker.committed(before)
      this.clock.rest()
      if (!this.disk() && this.log.last === before) return
    }
  }

  target(name: string): PublishTarget {
    return sure(this.broker.target(name))
  }

  publish(name: string, ...texts: string[]): void {
    const target = this.target(name)
    for (const text of texts) target.publish(Buffer.from(text), null, 0)
  }

  taker(name: string, credit = 0, wish?: QueueWish): Taker {
    const taker = new Taker()
    taker.subscription = sure(this.broker.subscribe(name, taker, wish))
    if (credit > 0) taker.subscription.credit(credit, false)
    return taker
  }
}

export function sure<T extends object>(answer: T | Refusal): T {
  if ('refused' in answer) throw new Error(`refused: ${answer.refused}, ${answer.text}`)
  return answer
}

/** Notes all that it is told. */
export class Taker implements Consumer {
  subscription!: Subscription
  readonly got: QueuedMessage[] = []
  readonly texts: string[] = []
  readonly confirmed: number[] = []
  drains = 0
  end: Refusal | null = null

  deliver(message: QueuedMessage): void {
    // The object lives on in the broker: what counts is what it says now.
    const { sequence, body, deliveryCount, firstAcquirer, envelope } = message
    this.got.push({ sequence, body, deliveryCount, firstAcquirer, envelope })
    this.texts.push(Buffer.from(body).toString())
  }
  drained(): void {
    this.drains++
  }
  detached(refusal: Refusal): void {
    this.end = refusal
  }
  settled(sequence: number): void {
    this.confirmed.push(sequence)
  }
}

/** All chunks; `disk` lets what is waited for come. */
function chunksOf(chunks: Chunks, disk: () => void = () => {}): Uint8Array[] {
  const all: Uint8Array[] = []
  for (const chunk of chunks) {
    if (typeof chunk !== 'function') {
      all.push(chunk)
      continue
    }
    let came = false
    chunk(() => {
      came = true
    })
    disk()
    if (!came) throw new Error('what the snapshot waits for does not come')
  }
  return all
}

const benches = new WeakMap<BrokerCore, Bench>()

/** Of a broker that was not made by a bench, and pages nothing out, there is nothing to wait for. */
export const chunksFrom = (broker: BrokerCore): Uint8Array[] =>
  benches.get(broker)?.chunks() ?? ([...broker.snapshot()] as Uint8Array[])

export const snapshotOf = (broker: BrokerCore): Buffer => Buffer.concat(chunksFrom(broker))

/** A follower that was given these records. */
export function foldOf(records: Iterable<RecordView>, changed: Partial<BrokerLimits> = {}): BrokerCore {
  const { broker } = new Bench(changed)
  for (const record of records) broker.apply(record)
  return broker
}

export function restoredFrom(chunks: Iterable<Uint8Array>, changed: Partial<BrokerLimits> = {}): BrokerCore {
  const { broker } = new Bench(changed)
  for (const chunk of chunks) broker.restore(chunk)
  broker.restored()
  return broker
}
