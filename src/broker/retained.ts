// Retained messages: the last one of each topic that was published to be kept. Changed only by folding RETAINED records,
// here and on the follower.
//
// RETAINED = topic envelope body
// topic    = length varint, UTF-8
// envelope = as in envelope.ts
// body     = to the end of the record; none: the topic keeps nothing any more

import type { RecordView } from '../journal/commit.ts'
import { DueLine } from './due-line.ts'
import { type Envelope, putEnvelope, takeEnvelope } from './envelope.ts'
import { MESSAGE_OVERHEAD_BYTES, type TopicLimits } from './limits.ts'
import { NumberReader, NumberWriter, recordFault } from './records.ts'
import { filterMatches } from './topic-tree.ts'

export interface RetainedMessage {
  readonly topic: string
  readonly envelope: Envelope
  readonly body: Uint8Array
}

const writer = new NumberWriter()
const reader = new NumberReader()

export function encodeRetainedHead(topic: string, envelope: Envelope): Uint8Array {
  writer.begin()
  writer.text(topic)
  putEnvelope(writer, envelope)
  return writer.done()
}

export const decodeRetained = (record: RecordView): RetainedMessage =>
  readRetained(record.body, why => recordFault(record.sequence, record.kind, why))

export function readRetained(bytes: Uint8Array, fault: (why: string) => Error): RetainedMessage {
  const numbers = reader.begin(bytes, fault)
  const topic = numbers.text()
  const envelope = takeEnvelope(numbers)
  return { topic, envelope, body: numbers.rest() }
}

const cost = ({ topic, body }: RetainedMessage): number => 2 * topic.length + body.length + MESSAGE_OVERHEAD_BYTES

/** What a topic takes with this message: nothing where it forgets. */
const taken = (message: RetainedMessage | undefined): number =>
  message === undefined || message.body.length === 0 ? 0 : cost(message)

const hasWildcards = (filter: string): boolean => filter.includes('+') || filter.includes('#')

const sign = (bytes: number): number => (bytes > 0 ? 1 : 0)

/** One that is kept, with its number in the line of those that expire; 0 for one that does not. */
interface Kept extends RetainedMessage {
  readonly number: number
}

/** Entries of the line that are looked at with each that comes: those of messages that were replaced go in time. */
const TIDIED_WITH_EACH = 2
/** And at most so many for the next one that expired, so that one turn does not go through all that were replaced. */
const SEEN_WITH_EACH = 64

export class Retained {
  readonly #all = new Map<string, Kept>()
  bytes = 0
  /** Those that expire, by when and by their numbers. */
  readonly #due = new DueLine()
  readonly #expiring = new Map<number, Kept>()
  #number = 0
  /** Told on the server that serves when the next one expires, where that is sooner than what was told. */
  onExpiring: (at: number) => void = () => {}
  /** Topics with records on their way: what the newest of them makes the topic take, and how many there are. */
  readonly #expected = new Map<string, { taken: number; records: number }>()
  /** By how much the records on their way change `bytes` and `count`. */
  #expectedBytes = 0
  #expectedCount = 0

  get count(): number {
    return this.#all.size
  }

  get(topic: string): RetainedMessage | undefined {
    return this.#all.get(topic)
  }

  all(): Iterable<RetainedMessage> {
    return this.#all.values()
  }

  /** `body` is copied. An empty one takes the topic's message away. */
  put(message: RetainedMessage): void {
    const before = this.#all.get(message.topic)
    if (before !== undefined) {
      this.bytes -= cost(before)
      this.#all.delete(message.topic)
      this.#expiring.delete(before.number)
    }
    if (message.body.length === 0) return
    const number = message.envelope.expiresAt > 0 ? ++this.#number : 0
    const kept = { ...message, body: Buffer.from(message.body), number }
    this.#all.set(message.topic, kept)
    this.bytes += cost(kept)
    if (number === 0) return
    this.#expiring.set(number, kept)
    this.#expires(kept, kept.envelope.expiresAt)
    this.#due.tidy(TIDIED_WITH_EACH, other => this.#expiring.has(other))
  }

  /** When the next one expires, by the wall clock; Infinity: none does. */
  get expiresFrom(): number {
    return this.#due.first
  }

  /** The next one that has expired by then leaves the line; null where none is found now: `expiresFrom` says whether to go on. */
  takeExpired(now: number): RetainedMessage | null {
    for (let looks = SEEN_WITH_EACH; looks > 0 && this.#due.first <= now; looks--) {
      const kept = this.#expiring.get(this.#due.firstSequence)
      this.#due.shift()
      if (kept !== undefined) return kept
    }
    return null
  }

  /** One that left the line is in it again. */
  putBack(topic: string, at: number): void {
    const kept = this.#all.get(topic)
    if (kept !== undefined && kept.number > 0) this.#expires(kept, at)
  }

  #expires({ number }: Kept, at: number): void {
    const isNext = at < this.#due.first
    this.#due.push(at, number)
    if (isNext) this.onExpiring(at)
  }

  /** Records about it are on their way. */
  isChanging(topic: string): boolean {
    return this.#expected.has(topic)
  }

  /** Why one more does not fit, with those whose records are on their way, or null. Less in place of more always does. */
  fault(message: RetainedMessage, { retainedMessages, retainedBytes }: TopicLimits): string | null {
    const before = this.#expected.get(message.topic)?.taken ?? taken(this.#all.get(message.topic))
    const bytes = taken(message) - before
    if (bytes <= 0) return null
    if (before === 0 && this.count + this.#expectedCount >= retainedMessages)
      return `${retainedMessages} messages are retained, the limit`
    if (this.bytes + this.#expectedBytes + bytes > retainedBytes)
      return `retained messages would exceed their limit of ${retainedBytes} bytes`
    return null
  }

  /** Its record is appended. What the topic was expected to take before has to be given back with it. */
  expect(message: RetainedMessage): number {
    const known = this.#expected.get(message.topic)
    const before = known?.taken ?? taken(this.#all.get(message.topic))
    this.#expected.set(message.topic, { taken: taken(message), records: (known?.records ?? 0) + 1 })
    this.#expectMore(message, before, 1)
    return before
  }

  /** The record is safe: `put` follows. */
  arrived(message: RetainedMessage, before: number): void {
    this.#less(message.topic)
    this.#expectMore(message, before, -1)
  }

  /** The record, the newest on its way, was not appended after all. */
  unexpect(message: RetainedMessage, before: number): void {
    const known = this.#expected.get(message.topic)
    if (known !== undefined) known.taken = before
    this.arrived(message, before)
    // What was to take it away because it had expired has not.
    if (message.body.length === 0) this.putBack(message.topic, this.#all.get(message.topic)?.envelope.expiresAt ?? 0)
  }

  #less(topic: string): void {
    const known = this.#expected.get(topic)
    if (known !== undefined && --known.records === 0) this.#expected.delete(topic)
  }

  #expectMore(message: RetainedMessage, before: number, times: 1 | -1): void {
    this.#expectedBytes += times * (taken(message) - before)
    this.#expectedCount += times * (sign(taken(message)) - sign(before))
  }

  /** How many messages `visit` looks at. */
  costOf(filter: string): number {
    return hasWildcards(filter) ? this.count : 1
  }

  visit(filter: string, visit: (message: RetainedMessage) => void): void {
    if (!hasWildcards(filter)) {
      const message = this.#all.get(filter)
      if (message !== undefined) visit(message)
      return
    }
    const levels = filter.split('/')
    for (const message of this.#all.values()) if (filterMatches(levels, message.topic.split('/'))) visit(message)
  }
}
