// Where messages wait that are not to be delivered yet: a queue of its own beside the one for which they are, so that they
// are recorded, paged out and copied like any others, and in nobody's way. There is one for each queue that ever got such a
// message, and one for all topics. When a message's time has come is decided by the server that serves (delays.ts); it then
// leaves here and comes in there by one record.

import type { Address } from './duplicate-ids.ts'
import { DueLine } from './due-line.ts'
import { DEFAULT_ENVELOPE, type Envelope } from './envelope.ts'
import { costOf } from './limits.ts'
import { type Message, Standing } from './message.ts'
import type { Holdings } from './holdings.ts'
import { Queue } from './queue.ts'

/** Names of such queues: with the number of the queue for which they wait, or 0 for topics. */
export const DELAYED_PREFIX = 'delayed:'
export const delayedName = (of: Queue | null): string => `${DELAYED_PREFIX}${of?.id ?? 0}`

/** With each message that leaves so many entries are looked at, to find those of messages that left before their turn. */
const TIDIED = 4

export class DelayedQueue extends Queue {
  /** The queue for which they wait; null: their topics. */
  readonly of: Queue | null
  /** When which of them is due: each once, but for those that `shift` took out. */
  readonly due = new DueLine()
  readonly #out = new Set<number>()
  readonly #all: Holdings
  #dueBytes = 0

  constructor(id: number, name: string, declared: boolean, holdings: Holdings, of: Queue | null) {
    super(id, name, declared, holdings, true)
    this.#all = holdings
    this.of = of
    if (of !== null) of.delayed = this
    this.#weigh()
  }

  override forsake(): void {
    super.forsake()
    if (this.of?.delayed === this) this.of.delayed = null
    this.#all.dueBytes -= this.#dueBytes
    this.#dueBytes = 0
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
    this.#out.delete(message.sequence)
    this.#tidy()
    this.#weigh()
  }

  /** Its record was not appended after all. */
  override giveBack(message: Message): void {
    this.#count(1, message.bodyBytes)
    if (this.#out.has(message.sequence)) this.#note(message.envelope.deliverAt, message.sequence)
    super.giveBack(message)
  }

  /** The same, where it is not due again before this time. */
  putOff(message: Message, until: number): void {
    this.#note(until, message.sequence)
    this.giveBack(message)
  }

  /** What has left before its turn goes from `due`: a bounded part at a time, however much it is. */
  #tidy(): void {
    const { due, line } = this
    if (line.count === 0) return due.clear()
    const remains = (sequence: number): boolean => line.find(sequence) !== null
    // On the server that does not serve all that leaves was first in most cases.
    for (let few = TIDIED; few > 0 && due.length > 0 && !remains(due.firstSequence); few--) due.shift()
    if (due.length + this.#out.size > line.count) due.tidy(TIDIED, remains)
  }

  /** Takes the one that is due first out. A message that is still there is noted again when it is given back. */
  shift(): void {
    const { firstSequence } = this.due
    this.due.shift()
    if (this.line.find(firstSequence) !== null) this.#out.add(firstSequence)
    this.#weigh()
  }

  #note(time: number, sequence: number): void {
    this.#out.delete(sequence)
    this.due.push(time, sequence)
    this.#weigh()
  }

  #weigh(): void {
    if (this.dropped) return
    this.#all.dueBytes += this.due.bytes - this.#dueBytes
    this.#dueBytes = this.due.bytes
  }

  #count(messages: number, bodyBytes: number): void {
    if (this.of === null) return
    this.of.delayedMessages += messages
    this.of.delayedBytes += messages * costOf(bodyBytes)
  }
}
