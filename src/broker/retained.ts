// Retained messages: the last one of each topic that was published to be kept. Changed only by folding RETAINED records,
// here and on the follower.
//
// RETAINED = topic envelope body
// topic    = length varint, UTF-8
// envelope = as in envelope.ts
// body     = to the end of the record; none: the topic keeps nothing any more

import type { RecordView } from '../journal/commit.ts'
import { type Envelope, putEnvelope, takeEnvelope } from './envelope.ts'
import { MESSAGE_OVERHEAD_BYTES } from './limits.ts'
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

export class Retained {
  readonly #all = new Map<string, RetainedMessage>()
  bytes = 0

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
    }
    if (message.body.length === 0) return
    const kept = { ...message, body: Buffer.from(message.body) }
    this.#all.set(message.topic, kept)
    this.bytes += cost(kept)
  }

  visit(filter: string, visit: (message: RetainedMessage) => void): void {
    if (!filter.includes('+') && !filter.includes('#')) {
      const message = this.#all.get(filter)
      if (message !== undefined) visit(message)
      return
    }
    const levels = filter.split('/')
    for (const message of this.#all.values()) if (filterMatches(levels, message.topic.split('/'))) visit(message)
  }
}
