// Where messages wait that are not to be delivered yet: a queue of its own beside the one for which they are, so that they
// are recorded, paged out and copied like any others, and in nobody's way. There is one for each queue that ever got such a
// message, and one for all topics. When a message's time has come is decided by the server that serves (delays.ts); it then
// leaves here and comes in there by one record.

import type { Address } from './duplicate-ids.ts'
import { DueLine, DUE_BYTES } from './due-line.ts'
import { DEFAULT_ENVELOPE, type Envelope } from './envelope.ts'
import { costOf } from './limits.ts'
import { type Message, Standing } from './message.ts'
import type { Holdings } from './holdings.ts'
import { Queue } from './queue.ts'

/** Names of such queues: with the number of the queue for which they wait, or 0 for topics. */
export const DELAYED_PREFIX = 'delayed:'
export const delayedName = (of: Queue | null): string => `${DELAYED_PREFIX}${of?.id ?? 0}`

/** Entries of messages that have left, which are not worth sifting. */
const FEW = 1024

export class DelayedQueue extends Queue {
  /** The queue for which they wait; null: their topics. */
  readonly of: Queue | null
  readonly due = new DueLine()
  readonly #all: Holdings

  constructor(id: number, name: string, declared: boolean, holdings: Holdings, of: Queue | null) {
    super(id, name, declared, holdings, true)
    this.#all = holdings
    this.of = of
    if (of !== null) of.delayed = this
  }

  override forsake(): void {
    super.forsake()
    if (this.of?.delayed === this) this.of.delayed = null
  }

  /** They count for the queue in which they will be. */
  override get counted(): Queue {
    return this.of ?? this
  }

  override addressOf(envelope: Envelope): Address {
    return this.of?.id ?? envelope.topic
  }

  override expect(message: Message, body: Uint8Array): void {
    super.expect(message, body)
    this.#count(1, body.length)
  }

  override unexpect(message: Message): void {
    super.unexpect(message)
    this.#count(-1, message.bodyBytes)
  }

  override enter(message: Message): void {
    this.#note(message.envelope.deliverAt, message.sequence)
    super.enter(message)
  }

  override put(sequence: number, body: Uint8Array, deliveryCount: number, envelope = DEFAULT_ENVELOPE, grade = 1) {
    super.put(sequence, body, deliveryCount, envelope, grade)
    this.#count(1, body.length)
    this.#note(envelope.deliverAt, sequence)
  }

  override get isSession(): boolean {
    return false
  }

  /** On its way to where it belongs it counts there. */
  override settling(message: Message, standing: Standing = Standing.SETTLING): void {
    super.settling(message, standing)
    this.#count(-1, message.bodyBytes)
  }

  override remove(message: Message): void {
    if (message.standing !== Standing.SETTLING) this.#count(-1, message.bodyBytes)
    super.remove(message)
    // The server that does not serve takes none from the front.
    if (this.due.length > 2 * this.line.count + FEW) this.#sift()
  }

  /** Its record was not appended after all. */
  override giveBack(message: Message): void {
    this.#count(1, message.bodyBytes)
    this.#note(message.envelope.deliverAt, message.sequence)
    super.giveBack(message)
  }

  #sift(): void {
    const before = this.due.length
    this.due.sift(sequence => this.line.find(sequence) !== null)
    this.#all.dueBytes += (this.due.length - before) * DUE_BYTES
  }

  /** Takes the sequence of the message that is due first from the front. */
  shift(): number {
    this.#all.dueBytes -= DUE_BYTES
    return this.due.shift()
  }

  /** It is not moved now after all. */
  unshift(time: number, sequence: number): void {
    this.#note(time, sequence)
  }

  #note(time: number, sequence: number): void {
    this.due.push(time, sequence)
    this.#all.dueBytes += DUE_BYTES
  }

  #count(messages: number, bodyBytes: number): void {
    if (this.of === null) return
    this.of.delayedMessages += messages
    this.of.delayedBytes += messages * costOf(bodyBytes)
  }
}
