// The connection of a client to its session: messages of its queue on their way out, with the packet identifiers that
// follow from their sequences, and what the client answers. An identifier that is still in use holds up the message that
// would need it, and those behind it.

import type { Consumer, QueuedMessage } from './api.ts'
import { type BindingOptions, cameBy } from './binding.ts'
import { MQTT_FORMAT } from './envelope.ts'
import { Fifo } from './fifo.ts'
import type { Message } from './message.ts'
import type { Refusal } from './refusal.ts'
import type { Seat } from './seat.ts'
import type { Leaving, Session, SessionOwner } from './session-api.ts'
import { packetIdOf } from './session-state.ts'
import type { QueueSubscription } from './subscription.ts'
import { filterMatches } from './topic-tree.ts'

/** What a link asks of the one who keeps sessions. */
export interface LinkGround {
  wall(): number
  /** At once, or as soon as something may be said. */
  say(what: () => void): void
  subscribeQueue(seat: Seat, consumer: Consumer): QueueSubscription
  bind(seat: Seat, filter: string, options: BindingOptions, done: (refusal: Refusal | null) => void): void
  unbind(seat: Seat, filter: string, done: (refusal: Refusal | null) => void): void
  put(seat: Seat, body: Uint8Array, qos: 1 | 2, retain: boolean, expiresAt: number): void
  release(seat: Seat, packetId: number, owner: SessionOwner): void
  /** The client has the message: PUBREC. `safe` follows. */
  received(seat: Seat, message: Message, safe: () => void): void
  completed(seat: Seat, sequence: number, safe: () => void): void
  leave(seat: Seat, owner: SessionOwner, how: Leaving, keepMs: number | null): void
  /** Messages of QoS 2 that the client has, as far as that is safe. */
  receivedOf(seat: Seat): Iterable<number>
  /** One more, of an earlier connection. */
  receivedLate(seat: Seat, sequence: number): void
}

const NONE: readonly string[] = []

export class SessionLink implements Session, Consumer {
  readonly #seat: Seat
  readonly #owner: SessionOwner
  readonly #ground: LinkGround
  readonly publisher: number
  #queue: QueueSubscription | null = null
  #window = 0
  /** By packet identifier: the sequence of what the client has not answered; negative: PUBREC came. */
  readonly #inflight = new Map<number, number>()
  /** PUBREC came, or PUBCOMP, and it is not safe yet that it did. */
  readonly #unsafe = new Set<number>()
  readonly #completing = new Set<number>()
  /** Messages that wait for their identifier. */
  readonly #waiting = new Fifo<Message>()
  #closed = false

  constructor(seat: Seat, owner: SessionOwner, ground: LinkGround, publisher: number) {
    this.#seat = seat
    this.#owner = owner
    this.#ground = ground
    this.publisher = publisher
  }

  get id(): number {
    return this.#seat.lasts ? this.#seat.id : 0
  }

  get subscriptions(): ReadonlyMap<string, BindingOptions> {
    return new Map([...this.#seat.bindings].map(([filter, { options }]) => [filter, options]))
  }

  subscribe(filter: string, options: BindingOptions, done: (refusal: Refusal | null) => void): void {
    this.#ground.bind(this.#seat, filter, options, done)
  }

  unsubscribe(filter: string, done: (refusal: Refusal | null) => void): void {
    this.#ground.unbind(this.#seat, filter, done)
  }

  put(body: Uint8Array, qos: 1 | 2, retain: boolean, expiresAt: number): void {
    // No record may speak of a queue after the one that ends its session.
    if (!this.#seat.ended) this.#ground.put(this.#seat, body, qos, retain, expiresAt)
  }

  // ---- from the client

  repeated(packetId: number): boolean {
    const safe = this.#seat.held.get(packetId)
    if (safe === undefined) return false
    if (safe) this.#ground.say(() => this.#owner.taken(packetId))
    else this.#seat.repeated.set(packetId, this.#owner)
    return true
  }

  release(packetId: number): void {
    this.#ground.release(this.#seat, packetId, this.#owner)
  }

  // ---- to the client

  window(messages: number): void {
    this.#window = messages
    if (!this.#seat.lasts || this.#closed) return
    if (this.#queue === null) {
      // PUBRELs of an earlier connection go first.
      this.resume(this.#ground.receivedOf(this.#seat))
      this.#queue = this.#ground.subscribeQueue(this.#seat, this)
    }
    this.#credit()
  }

  resume(received: Iterable<number>): void {
    for (const sequence of received) {
      const packetId = packetIdOf(sequence)
      if (this.#inflight.has(packetId)) continue
      this.#inflight.set(packetId, -sequence)
      this.#ground.say(() => this.#owner.received(packetId))
    }
  }

  #credit(): void {
    const used = this.#inflight.size + this.#waiting.length
    this.#queue?.credit(this.#waiting.length > 0 ? 0 : Math.max(0, this.#window - used), false)
  }

  deliver(queued: QueuedMessage): void {
    const message = queued as Message
    if (this.#waiting.length > 0 || this.#isUsed(packetIdOf(message.sequence))) {
      this.#waiting.push(message)
      this.#queue?.credit(0, false)
      return
    }
    this.#send(message)
  }

  #send(message: Message): void {
    const { sequence, envelope, grade, firstAcquirer } = message
    // One that may be with the client already is not taken away from it.
    if (firstAcquirer && envelope.expiresAt > 0 && envelope.expiresAt <= this.#ground.wall()) {
      this.#queue?.expire(sequence)
      // Its place in the window is free, and no answer of the client will say so.
      this.#credit()
      return
    }
    const packetId = packetIdOf(sequence)
    this.#inflight.set(packetId, sequence)
    const { body } = message
    this.#owner.deliver({
      packetId,
      body,
      qos: Math.max(1, Math.min(envelope.qos, grade & 3)) as 1 | 2,
      retain: envelope.retain && (grade & 4) !== 0,
      again: !firstAcquirer,
      envelope,
      filters: this.#filters(message),
    })
  }

  /** Those of the subscriptions with an identifier that the message matches. */
  #filters({ body, envelope, grade }: Message): readonly string[] {
    let found: string[] | null = null
    let topic: string[] | null = null
    for (const [text, { options, filter, group }] of this.#seat.bindings) {
      if (options.id === 0 || !cameBy(grade, options, group !== '')) continue
      topic ??= (envelope.format === MQTT_FORMAT ? topicOf(body) : envelope.topic).split('/')
      if (filterMatches(filter.split('/'), topic)) (found ??= []).push(text)
    }
    return found ?? NONE
  }

  acknowledge(packetId: number): boolean {
    const sequence = this.#inflight.get(packetId)
    if (sequence === undefined || sequence < 0) return false
    this.#inflight.delete(packetId)
    this.#queue?.settle(sequence, 'accepted')
    this.#goOn()
    return true
  }

  receive(packetId: number): boolean {
    const sequence = this.#inflight.get(packetId)
    if (sequence === undefined) return false
    // Again: PUBREL goes when it is safe, and goes again when it was.
    if (sequence < 0) {
      if (!this.#unsafe.has(packetId)) this.#ground.say(() => this.#owner.received(packetId))
      return true
    }
    const message = this.#queue?.take(sequence) ?? null
    if (message === null) return false
    this.#inflight.set(packetId, -sequence)
    this.#unsafe.add(packetId)
    this.#ground.received(this.#seat, message, () => {
      this.#unsafe.delete(packetId)
      if (this.#closed) this.#ground.receivedLate(this.#seat, sequence)
      else this.#owner.received(packetId)
    })
    return true
  }

  complete(packetId: number): boolean {
    const sequence = this.#inflight.get(packetId)
    if (sequence === undefined || sequence > 0 || this.#unsafe.has(packetId)) return false
    this.#inflight.delete(packetId)
    // Until that is safe too, the other server would still say PUBREL for this identifier.
    this.#completing.add(packetId)
    this.#ground.completed(this.#seat, -sequence, () => {
      this.#completing.delete(packetId)
      this.#goOn()
    })
    this.#goOn()
    return true
  }

  #isUsed(packetId: number): boolean {
    return this.#inflight.has(packetId) || this.#completing.has(packetId)
  }

  #goOn(): void {
    if (this.#waiting.length > 0) this.#ground.say(this.#sendWaiting)
    else this.#credit()
  }

  readonly #sendWaiting = (): void => {
    if (this.#closed) return
    for (let next = this.#waiting.peek(); next !== undefined; next = this.#waiting.peek()) {
      if (this.#isUsed(packetIdOf(next.sequence))) return
      this.#waiting.shift()
      this.#send(next)
    }
    this.#credit()
  }

  drained(): void {}

  detached(refusal: Refusal): void {
    if (!this.#closed) this.#owner.ended(refusal)
  }

  settled(): void {}

  leave(how: Leaving, keepMs: number | null): void {
    if (this.#closed) return
    this.#closed = true
    this.#queue?.close(false)
    this.#queue = null
    this.#ground.leave(this.#seat, this.#owner, how, keepMs)
  }
}

/** MQTT bodies begin with their topic. */
const topicOf = (body: Uint8Array): string => {
  const length = ((body[0] as number) << 8) | (body[1] as number)
  return Buffer.from(body.buffer, body.byteOffset + 2, length).toString()
}
