// What one user takes of a server at a time: connections, and messages that it has sent and that have no answer yet. Bounded where
// the profile says so, so that one user's clients leave something for the others.

import type { Envelope, Group, Producer, PublishTarget, Refusal } from '../broker/api.ts'

export interface UsageLimits {
  /** Each null: only the limits of all count. */
  readonly connections: number | null
  readonly messages: number | null
  readonly bytes: number | null
}

/** Of one user, over all its connections. */
export class Usage {
  readonly #limits: UsageLimits
  connections = 0
  messages = 0
  bytes = 0
  readonly #waiting = new Set<() => void>()

  constructor(limits: UsageLimits) {
    this.#limits = limits
  }

  /** What is on its way is counted. */
  get isMetered(): boolean {
    return this.#limits.messages !== null || this.#limits.bytes !== null
  }

  /** Why one more connection is too much, or null. */
  connectionFault(user: string): Refusal | null {
    const { connections } = this.#limits
    if (connections === null || this.connections < connections) return null
    return { refused: 'limit', text: `${user} has ${connections} connections open, the limit of one user` }
  }

  /** How many more messages may be on their way. */
  get room(): number {
    const { messages, bytes } = this.#limits
    if (bytes !== null && this.bytes >= bytes) return 0
    return Math.max(0, (messages ?? Infinity) - this.messages)
  }

  add(messages: number, bytes: number): void {
    this.messages += messages
    this.bytes += bytes
    if (messages > 0 || this.#waiting.size === 0 || this.room === 0) return
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const ready of waiting) ready()
  }

  onRoom(ready: () => void): () => void {
    this.#waiting.add(ready)
    return () => this.#waiting.delete(ready)
  }
}

/** The users that are connected now. */
export class Usages {
  readonly #limits: UsageLimits
  readonly #users = new Map<string, Usage>()

  constructor(limits: UsageLimits) {
    this.#limits = limits
  }

  of(user: string): Usage {
    let usage = this.#users.get(user)
    if (usage === undefined) this.#users.set(user, (usage = new Usage(this.#limits)))
    return usage
  }

  /** Nobody of this user is connected: what it was never told of counts no more. */
  forget(user: string): void {
    this.#users.delete(user)
  }
}

const tooMuch: Refusal = { refused: 'limit', text: 'too many messages of this user have no answer yet' }

/** One that counts what its user sends. */
export class MeteredTarget implements PublishTarget {
  readonly #inner: PublishTarget
  readonly #usage: Usage
  readonly #meters = new WeakMap<Producer, Meter>()

  constructor(inner: PublishTarget, usage: Usage) {
    this.#inner = inner
    this.#usage = usage
  }

  get name(): string {
    return this.#inner.name
  }

  publish(message: Uint8Array, producer: Producer | null, tag: number, envelope?: Envelope): void {
    // What nobody waits for an answer to is bounded by the queue alone.
    if (producer === null) return this.#inner.publish(message, null, tag, envelope)
    if (this.#usage.room === 0) return producer.published(tag, tooMuch)
    let meter = this.#meters.get(producer)
    if (meter === undefined) this.#meters.set(producer, (meter = new Meter(producer, this.#usage)))
    meter.begins(tag, message.length)
    this.#inner.publish(message, meter, tag, envelope)
  }

  /** A transaction is bounded by itself. */
  inGroup(group: Group, message: Uint8Array, envelope: Envelope): Refusal | null {
    return this.#inner.inGroup(group, message, envelope)
  }

  room(): number {
    return Math.min(this.#inner.room(), this.#usage.room)
  }

  onRoom(ready: () => void): () => void {
    return this.#usage.room === 0 ? this.#usage.onRoom(ready) : this.#inner.onRoom(ready)
  }
}

class Meter implements Producer {
  awaits = 0
  readonly #producer: Producer
  readonly #usage: Usage
  /** Bytes by tag. */
  readonly #sizes = new Map<number, number>()

  constructor(producer: Producer, usage: Usage) {
    this.#producer = producer
    this.#usage = usage
  }

  begins(tag: number, bytes: number): void {
    // Sent again before its answer: it counts once, for only the first of the two answers gives something back.
    const before = this.#sizes.get(tag)
    this.#sizes.set(tag, bytes)
    this.#usage.add(before === undefined ? 1 : 0, bytes - (before ?? 0))
  }

  published(tag: number, refusal: Refusal | null): void {
    const bytes = this.#sizes.get(tag)
    if (bytes !== undefined) {
      this.#sizes.delete(tag)
      this.#usage.add(-1, -bytes)
    }
    this.#producer.published(tag, refusal)
  }
}
