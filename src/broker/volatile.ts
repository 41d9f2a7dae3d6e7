// Queues without records: they live in memory, on the server that serves, as long as somebody holds them. Subscriptions to
// topics that are not durable, and temporary queues. What is in one is lost with its owner's connection, as is the promise
// of the protocols that make them; everything else is as in other queues.

import type { Consumer, Listening, Producer, PublishTarget, Subscription, TopicListener } from './api.ts'
import { isHeld } from './bodies.ts'
import type { Draft } from './draft.ts'
import { DEFAULT_ENVELOPE, type Envelope, keptEnvelope } from './envelope.ts'
import { notServing, storeFault } from './intake.ts'
import { costOf } from './limits.ts'
import type { Holdings } from './holdings.ts'
import { Queue } from './queue.ts'
import type { RecordGround } from './record-ground.ts'
import type { Refusal } from './refusal.ts'
import type { QueueSubscription } from './subscription.ts'
import { whenRoom } from './room.ts'

export interface VolatileGround extends RecordGround {
  readonly holdings: Holdings
  /** Sequences up to this one may have been delivered by the server that was active before. */
  readonly suspectThrough: number
  subscribeTo(queue: Queue, consumer: Consumer): QueueSubscription
  closeQueue(queue: Queue): void
  /** A message did not go into a full queue. */
  overflow(queue: Queue): void
}

export class VolatileQueue implements PublishTarget, TopicListener {
  readonly queue: Queue
  readonly #ground: VolatileGround
  #sequence: number
  #open = true

  constructor(name: string, ground: VolatileGround) {
    this.queue = new Queue(0, name, true, ground.holdings, true)
    this.queue.volatile = true
    this.#ground = ground
    this.#sequence = ground.suspectThrough
  }

  get name(): string {
    return this.queue.name
  }

  get open(): boolean {
    return this.#open && this.#ground.serving
  }

  subscribe(consumer: Consumer): QueueSubscription {
    return this.#ground.subscribeTo(this.queue, consumer)
  }

  /** Which messages of its topic it does not want at all. */
  leaves: (body: Uint8Array, envelope: Envelope) => boolean = () => false

  /** As a listener: what does not fit is dropped, and others get it all the same. */
  published(body: Uint8Array, envelope: Envelope): void {
    if (!this.#open || this.leaves(body, envelope)) return
    if (this.#refusal(body.length) !== null) return this.#ground.overflow(this.queue)
    this.#put(body, envelope)
  }

  /** As a target. */
  publish(body: Uint8Array, producer: Producer | null, tag: number, envelope: Envelope = DEFAULT_ENVELOPE): void {
    const refusal = this.#early(envelope) ?? this.#refusal(body.length)
    if (refusal !== null) return producer?.published(tag, refusal)
    this.#put(body, envelope)
    if (producer !== null) this.#ground.ledger.published(producer, tag, this.#ground.mayServe())
  }

  /** There is no record: what comes into it is lost with its holder all the same. */
  inGroup(draft: Draft, body: Uint8Array, envelope: Envelope): Refusal | null {
    const refusal = this.#early(envelope) ?? this.#refusal(body.length)
    if (refusal === null) draft.atFold(() => this.#open && this.#put(body, envelope))
    return refusal
  }

  #put(body: Uint8Array, envelope: Envelope): void {
    const kept = envelope === DEFAULT_ENVELOPE ? envelope : keptEnvelope(envelope)
    // No record holds it.
    const own = isHeld(body.length) ? Buffer.from(body) : body
    this.queue.put(++this.#sequence, own, 0, kept)
    this.queue.waker?.wanted()
  }

  /** It has no place where something could wait. */
  #early({ deliverAt }: Envelope): Refusal | null {
    if (deliverAt === 0 || deliverAt <= this.#ground.clock.wall()) return null
    return { refused: 'not-allowed', text: 'a temporary queue takes no messages that are to be delivered later' }
  }

  #refusal(bodyBytes: number): Refusal | null {
    const { serving, limits } = this.#ground
    const { queue } = this
    if (!serving) return notServing
    if (!this.#open) return { refused: 'not-found', text: `the queue ${queue.name} is gone` }
    if (bodyBytes > limits.messageBytes) {
      const text = `a message of ${bodyBytes} bytes is larger than the limit of ${limits.messageBytes}`
      return { refused: 'too-large', text }
    }
    const cost = costOf(bodyBytes)
    const full =
      queue.line.count >= limits.queueMessages ||
      queue.bytes + cost > limits.queueBytes ||
      storeFault(this.#ground, cost) !== null
    return full ? { refused: 'queue-full', text: `the queue ${queue.name} is at a limit` } : null
  }

  room(): number {
    const { queue } = this
    const { serving, limits } = this.#ground
    if (!serving || !this.#open) return 0
    return Math.max(0, limits.queueMessages - queue.line.count)
  }

  onRoom(ready: () => void): () => void {
    return whenRoom(this, this.#ground.clock, ready)
  }

  close(): void {
    if (!this.#open) return
    this.#open = false
    this.#ground.closeQueue(this.queue)
    this.queue.clear()
  }
}

/** A subscription to a topic that is gone with its consumer. */
export class VolatileSubscription implements Subscription {
  readonly #queue: VolatileQueue
  readonly #inner: QueueSubscription
  readonly #listening: Listening

  constructor(queue: VolatileQueue, inner: QueueSubscription, listening: Listening) {
    this.#queue = queue
    this.#inner = inner
    this.#listening = listening
  }

  credit(messages: number, drain: boolean): void {
    this.#inner.credit(messages, drain)
  }

  settle(...of: Parameters<Subscription['settle']>): void {
    this.#inner.settle(...of)
  }

  /** What a former one had is gone with it. */
  recover(): void {}

  enlist(...of: Parameters<Subscription['enlist']>): boolean {
    return this.#inner.enlist(...of)
  }

  close(): void {
    this.#listening.close()
    this.#inner.close(false)
    this.#queue.close()
  }
}
