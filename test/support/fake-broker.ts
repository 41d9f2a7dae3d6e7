// A broker in memory for tests of front ends: queues with order, redelivery and a bound, commits at once or by hand. It
// keeps the contract of src/broker/api.ts and nothing of its durability.

import type { Sessions } from '../../src/broker/session-api.ts'
import { DEFAULT_ENVELOPE } from '../../src/broker/api.ts'
import type {
  Broker,
  Consumer,
  Envelope,
  Listening,
  TopicListener,
  Outcome,
  Producer,
  PublishTarget,
  QueuedMessage,
  Refusal,
  Subscription,
  TemporaryQueue,
} from '../../src/broker/api.ts'

interface Entry {
  sequence: number
  body: Uint8Array
  deliveryCount: number
  firstAcquirer: boolean
  envelope: Envelope
  avoid: Set<Sub> | null
}

export interface FakeOptions {
  /** Messages a queue takes. */
  room?: number
  /** Commits only when `commit()` is called. */
  manual?: boolean
  /** Keep nothing: for measuring the engine. */
  sink?: boolean
  refuse?: (name: string) => Refusal | null
  connections?: number
}

class Sub implements Subscription {
  credits = 0
  draining = false
  readonly held = new Map<number, Entry>()
  readonly queue: FakeQueue
  readonly consumer: Consumer
  open = true

  constructor(queue: FakeQueue, consumer: Consumer) {
    this.queue = queue
    this.consumer = consumer
  }

  credit(messages: number, drain: boolean): void {
    this.credits = messages
    this.draining = drain
    this.queue.pump()
  }

  settle(sequence: number, outcome: Outcome, undeliverableHere = false): void {
    const entry = this.held.get(sequence)
    if (entry === undefined) return
    this.held.delete(sequence)
    this.queue.broker.settlements.push(outcome)
    if (outcome === 'modified') entry.deliveryCount++
    if (outcome === 'modified' || outcome === 'released') {
      entry.firstAcquirer = false
      if (undeliverableHere) (entry.avoid ??= new Set()).add(this)
      this.queue.giveBack([entry])
    } else this.queue.stored--
    this.queue.broker.later(() => {
      if (this.open) this.consumer.settled(sequence)
    })
    this.queue.broker.later(() => this.queue.pump())
    if (this.queue.stored < this.queue.broker.room) this.queue.wake()
  }

  recover(sequence: number, outcome: 'accepted' | 'rejected'): void {
    this.queue.broker.recovered.push([sequence, outcome])
  }

  enlist(): boolean {
    return false
  }

  close(failed: boolean): void {
    this.open = false
    this.queue.subs = this.queue.subs.filter(s => s !== this)
    for (const entry of this.held.values()) {
      entry.firstAcquirer = false
      if (failed) entry.deliveryCount++
    }
    this.queue.giveBack([...this.held.values()])
    this.held.clear()
    this.queue.broker.later(() => this.queue.pump())
  }
}

class FakeQueue implements PublishTarget {
  readonly name: string
  readonly broker: FakeBroker
  entries: Entry[] = []
  head = 0
  subs: Sub[] = []
  stored = 0
  waiting: (() => void)[] = []
  #pumping = false

  constructor(broker: FakeBroker, name: string) {
    this.broker = broker
    this.name = name
  }

  publish(message: Uint8Array, producer: Producer | null, tag: number): void {
    const { broker } = this
    broker.published++
    broker.publishedBytes += message.length
    if (broker.options.sink === true) {
      if (producer !== null) producer.published(tag, null)
      return
    }
    if (this.stored >= broker.room) {
      producer?.published(tag, { refused: 'queue-full', text: `queue ${this.name} is full` })
      return
    }
    this.stored++
    const sequence = ++broker.sequence
    const body = Uint8Array.prototype.slice.call(message)
    broker.later(() => {
      this.entries.push({
        sequence,
        body,
        deliveryCount: 0,
        firstAcquirer: true,
        envelope: DEFAULT_ENVELOPE,
        avoid: null,
      })
      producer?.published(tag, null)
      this.pump()
    })
  }

  inGroup(): Refusal {
    return { refused: 'not-allowed', text: 'there are no transactions here' }
  }

  room(): number {
    return Math.max(0, this.broker.room - this.stored)
  }

  onRoom(ready: () => void): () => void {
    this.waiting.push(ready)
    return () => {
      this.waiting = this.waiting.filter(w => w !== ready)
    }
  }

  wake(): void {
    const waiting = this.waiting
    this.waiting = []
    for (const ready of waiting) ready()
  }

  giveBack(entries: Entry[]): void {
    this.entries = [...entries, ...this.entries.slice(this.head)].sort((a, b) => a.sequence - b.sequence)
    this.head = 0
  }

  pump(): void {
    if (this.#pumping) return
    this.#pumping = true
    let moved = true
    while (moved) {
      moved = false
      for (const sub of this.subs) {
        while (sub.open && sub.credits > 0 && this.head < this.entries.length) {
          const entry = this.entries[this.head]!
          if (entry.avoid?.has(sub) === true) break
          this.head++
          sub.credits--
          sub.held.set(entry.sequence, entry)
          moved = true
          sub.consumer.deliver(entry as QueuedMessage)
        }
        if (sub.open && sub.draining) {
          sub.draining = false
          sub.credits = 0
          sub.consumer.drained()
        }
      }
    }
    if (this.head > 1024 && this.head * 2 > this.entries.length) {
      this.entries = this.entries.slice(this.head)
      this.head = 0
    }
    this.#pumping = false
  }
}

export class FakeBroker implements Broker {
  readonly options: FakeOptions
  readonly queues = new Map<string, FakeQueue>()
  readonly settlements: Outcome[] = []
  readonly recovered: [sequence: number, outcome: string][] = []
  room: number
  sequence = 0
  published = 0
  publishedBytes = 0
  connections = 0
  #uncommitted: (() => void)[] = []

  constructor(options: FakeOptions = {}) {
    this.options = options
    this.room = options.room ?? 1_000_000
  }

  later(fn: () => void): void {
    if (this.options.manual === true) this.#uncommitted.push(fn)
    else fn()
  }

  /** Everything appended so far is safe. */
  commit(): void {
    const ready = this.#uncommitted
    this.#uncommitted = []
    for (const fn of ready) fn()
  }

  queue(name: string): FakeQueue {
    let queue = this.queues.get(name)
    if (queue === undefined) this.queues.set(name, (queue = new FakeQueue(this, name)))
    return queue
  }

  /** Knows no topics and no sessions. */
  listen(_filter: string, _listener: TopicListener, _group: string): Listening | Refusal {
    return { refused: 'not-found', text: 'there are no topics here' }
  }

  retained(_filter: string, _visit: (body: Uint8Array, envelope: Envelope) => void): boolean {
    return true
  }

  readonly sessions: Sessions = { open: () => ({ refused: 'not-found', text: 'there are no sessions here' }) }

  subscribeTopic(): Refusal {
    return { refused: 'not-allowed', text: 'this broker has no subscriptions to topics' }
  }
  durableFilter(): string | null {
    return null
  }
  unsubscribeTopic(_: string, done: () => void): boolean {
    done()
    return true
  }
  temporary(name: string): TemporaryQueue {
    return { close: () => void this.queues.delete(name) }
  }

  begin(): Refusal {
    return { refused: 'not-allowed', text: 'there are no transactions here' }
  }

  has(name: string): boolean {
    return this.queues.has(name)
  }

  target(name: string): PublishTarget | Refusal {
    return this.options.refuse?.(name) ?? this.queue(name)
  }

  subscribe(name: string, consumer: Consumer): Subscription | Refusal {
    const refusal = this.options.refuse?.(name)
    if (refusal) return refusal
    const queue = this.queue(name)
    const sub = new Sub(queue, consumer)
    queue.subs.push(sub)
    return sub
  }

  /** Messages of a queue that nobody holds, and those that somebody does. */
  count(name: string): { ready: number; held: number } {
    const queue = this.queue(name)
    return {
      ready: queue.entries.length - queue.head,
      held: queue.subs.reduce((n, sub) => n + sub.held.size, 0),
    }
  }

  admitConnection(): Refusal | null {
    if (this.connections >= (this.options.connections ?? Infinity)) {
      return { refused: 'limit', text: 'too many connections' }
    }
    this.connections++
    return null
  }

  connectionClosed(): void {
    this.connections--
  }
}
