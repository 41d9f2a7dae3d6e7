// The broker's records, as a table, and their byte grammar above each encoder and decoder. What the records do to the
// state is in state.ts. Later kinds (topics, sessions, transactions) take the next numbers; 16 to 63 are the broker's.
//
//   varint   = little-endian base 128, the high bit of a byte says that another one follows; below 2^48
//   queue    = varint: sequence of the QUEUE record that declared it (unique in the pair's history)

import { assert } from '../base/assert.ts'
import type { RecordView } from '../journal/commit.ts'
import { brokerError } from './errors.ts'

// prettier-ignore
export const brokerRecords = {
  QUEUE:    { kind: 16, since: 1, meaning: 'declares a durable queue' },
  MESSAGE:  { kind: 17, since: 1, meaning: 'puts a message at the end of a queue' },
  SETTLED:  { kind: 18, since: 1, meaning: 'removes messages from a queue: accepted or rejected by their consumers' },
  RETURNED: { kind: 19, since: 1, meaning: 'gives messages back to their queue with one more failed delivery' },
  ROUTED:   { kind: 20, since: 1, meaning: 'puts one message, published to a topic, into the queues that are bound to it' },
  DROPPED:  { kind: 21, since: 1, meaning: 'removes a queue with all in it' },
  BOUND:    { kind: 22, since: 1, meaning: 'binds a queue to a topic filter, or changes how' },
  UNBOUND:  { kind: 23, since: 1, meaning: 'ends that' },
  RETAINED: { kind: 24, since: 1, meaning: 'keeps a message for its topic, in place of the one before, or nothing any more' },
  SESSION:  { kind: 25, since: 1, meaning: 'begins a session that outlives its connection, or connects it again' },
  SESSION_AWAY:  { kind: 26, since: 1, meaning: 'the connection of a session is lost' },
  SESSION_ENDED: { kind: 27, since: 1, meaning: 'ends a session; its queue is gone with all in it' },
  RELEASED: { kind: 28, since: 1, meaning: 'packet identifiers of a publishing client are done with' },
  RECEIVED: { kind: 29, since: 1, meaning: 'the client of a session has messages: they leave its queue' },
  COMPLETED: { kind: 30, since: 1, meaning: 'the packet identifiers of these messages are done with' },
  SETTING:  { kind: 34, since: 1, meaning: 'sets or removes a setting: an account, a permission' },
  PLACE:    { kind: 40, since: 1, meaning: 'nothing; its sequence is given to a message of the next GROUP' },
  GROUP:    { kind: 41, since: 1, meaning: 'a transaction: what it puts into queues and what it settles, all or nothing' },
} as const satisfies Record<string, { kind: number; since: number; meaning: string }>

export const QUEUE = brokerRecords.QUEUE.kind
export const MESSAGE = brokerRecords.MESSAGE.kind
export const SETTLED = brokerRecords.SETTLED.kind
export const RETURNED = brokerRecords.RETURNED.kind
export const ROUTED = brokerRecords.ROUTED.kind
export const DROPPED = brokerRecords.DROPPED.kind
export const BOUND = brokerRecords.BOUND.kind
export const UNBOUND = brokerRecords.UNBOUND.kind
export const RETAINED = brokerRecords.RETAINED.kind
export const SESSION = brokerRecords.SESSION.kind
export const SESSION_AWAY = brokerRecords.SESSION_AWAY.kind
export const SESSION_ENDED = brokerRecords.SESSION_ENDED.kind
export const RELEASED = brokerRecords.RELEASED.kind
export const RECEIVED = brokerRecords.RECEIVED.kind
export const COMPLETED = brokerRecords.COMPLETED.kind
export const SETTING = brokerRecords.SETTING.kind

export const PLACE = brokerRecords.PLACE.kind
export const GROUP = brokerRecords.GROUP.kind

export const FIRST_BROKER_KIND = 16
export const LAST_BROKER_KIND = 63

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

export const NOTHING = new Uint8Array(0)
const LARGEST = 2 ** 48

/** Lays numbers one after another into one buffer that is used again: what `done` gives holds until the next `begin`. */
export class NumberWriter {
  #bytes = Buffer.allocUnsafeSlow(1024)
  #at = 0

  begin(): void {
    this.#at = 0
  }

  put(value: number): void {
    if (this.#at + 8 > this.#bytes.length) this.#grow()
    while (value >= 0x8000_0000) {
      this.#bytes[this.#at++] = (value % 128) | 0x80
      value = Math.floor(value / 128)
    }
    while (value > 127) {
      this.#bytes[this.#at++] = (value & 127) | 0x80
      value >>>= 7
    }
    this.#bytes[this.#at++] = value
  }

  /** A text with its length before it. */
  text(text: string): void {
    const bytes = Buffer.from(text)
    this.put(bytes.length)
    while (this.#at + bytes.length > this.#bytes.length) this.#grow()
    this.#bytes.set(bytes, this.#at)
    this.#at += bytes.length
  }

  done(): Uint8Array {
    return this.#bytes.subarray(0, this.#at)
  }

  #grow(): void {
    const larger = Buffer.allocUnsafeSlow(this.#bytes.length * 2)
    larger.set(this.#bytes.subarray(0, this.#at))
    this.#bytes = larger
  }
}

/** Reads what NumberWriter wrote. `fault` makes the coded error that says what is wrong with the bytes. */
export class NumberReader {
  #bytes: Uint8Array = NOTHING
  #fault: (why: string) => Error = why => new Error(why)
  at = 0

  begin(bytes: Uint8Array, fault: (why: string) => Error): this {
    this.#bytes = bytes
    this.#fault = fault
    this.at = 0
    return this
  }

  get left(): number {
    return this.#bytes.length - this.at
  }

  take(): number {
    let value = 0
    let weight = 1
    for (;;) {
      const byte = this.#bytes[this.at++]
      if (byte === undefined) throw this.#fault('it ends too early')
      value += (byte & 127) * weight
      if (byte < 128) {
        if (byte === 0 && weight > 1) throw this.#fault('a number is written too long')
        break
      }
      weight *= 128
      if (weight > LARGEST) throw this.#fault('a number is too large')
    }
    if (value >= LARGEST) throw this.#fault('a number is too large')
    return value
  }

  text(): string {
    const length = this.take()
    if (length > this.left) throw this.#fault('it ends too early')
    this.at += length
    try {
      return utf8.decode(this.#bytes.subarray(this.at - length, this.at))
    } catch {
      throw this.#fault('a text is not UTF-8')
    }
  }

  bytes(length: number): Uint8Array {
    if (length > this.left) throw this.#fault('it ends too early')
    this.at += length
    return this.#bytes.subarray(this.at - length, this.at)
  }

  rest(): Uint8Array {
    return this.#bytes.subarray(this.at)
  }

  wrong(why: string): Error {
    return this.#fault(why)
  }
}

const writer = new NumberWriter()
const reader = new NumberReader()

const read = (record: RecordView): NumberReader =>
  reader.begin(record.body, why => recordFault(record.sequence, record.kind, why))

export const recordFault = (sequence: number, kind: number, why: string): Error =>
  brokerError('RECORD', { sequence, kind, why })

// QUEUE    = options name
// options  = varint: 0, or 2 for a hidden queue, which belongs to a session and is found by its number alone
// name     = UTF-8, to the end of the record

export const HIDDEN = 2

export const encodeQueue = (name: string, options = 0): Uint8Array =>
  Buffer.concat([Buffer.from([options]), Buffer.from(name)])

export function decodeQueue(record: RecordView): string {
  return decodeDeclaration(record).name
}

export function decodeDeclaration(record: RecordView): { name: string; options: number } {
  const numbers = read(record)
  const options = numbers.take()
  if (options !== 0 && options !== HIDDEN) throw numbers.wrong('the queue has options of a newer version')
  try {
    return { name: utf8.decode(numbers.rest()), options }
  } catch {
    throw numbers.wrong('the name of the queue is not UTF-8')
  }
}

// SETTLED, RETURNED = queue count ranges range...
// count    = varint: messages the record speaks of; a fold that finds another number has a diverged state
// ranges   = varint: how many follow
// range    = gap more
// gap      = varint: first sequence minus the last one of the range before (minus 0 for the first); at least 1
// more     = varint: last sequence minus first
// A range speaks of those messages in this queue whose sequence lies in it; other sequences in it mean nothing.

export function encodeRanges(queue: number, count: number, bounds: readonly number[]): Uint8Array {
  writer.begin()
  writer.put(queue)
  writer.put(count)
  writer.put(bounds.length / 2)
  let before = 0
  for (let i = 0; i < bounds.length; i += 2) {
    const first = bounds[i] as number
    const last = bounds[i + 1] as number
    assert(first > before && last >= first, 'no record speaks of a message twice')
    writer.put(first - before)
    writer.put(last - first)
    before = last
  }
  return writer.done()
}

/** First and last sequences of ranges that hold these, which rise, and no others. */
export function boundsOf(sequences: Iterable<{ readonly sequence: number }>): number[] {
  const bounds: number[] = []
  for (const { sequence } of sequences) {
    if (bounds.length > 0 && bounds[bounds.length - 1] === sequence - 1) bounds[bounds.length - 1] = sequence
    else bounds.push(sequence, sequence)
  }
  return bounds
}

export interface DecodedRanges {
  readonly queue: number
  readonly count: number
  /** First and last sequence of each range, one after another, rising. */
  readonly bounds: readonly number[]
}

export function decodeRanges(record: RecordView): DecodedRanges {
  const numbers = read(record)
  const queue = numbers.take()
  const count = numbers.take()
  const ranges = numbers.take()
  // Each range takes two bytes or more: a wrong number cannot make us reserve memory.
  if (ranges * 2 > numbers.left) throw numbers.wrong('it ends too early')
  const bounds: number[] = []
  let before = 0
  for (let i = 0; i < ranges; i++) {
    const gap = numbers.take()
    if (gap === 0) throw numbers.wrong('its ranges do not rise')
    const first = before + gap
    before = first + numbers.take()
    if (before >= record.sequence) throw numbers.wrong('it speaks of messages that come after it')
    bounds.push(first, before)
  }
  if (numbers.left > 0) throw numbers.wrong('something follows its end')
  return { queue, count, bounds }
}
