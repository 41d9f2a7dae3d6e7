// A record of a quarantine as a line that a person and a script can read: a message with its queue and its body, a
// settlement with what it speaks of. Whatever is not known is given as it is, in base64; nothing is left out.

import type { RecordView } from '../journal/commit.ts'
import { decodeGroup } from '../broker/group-records.ts'
import { decodeMessage } from '../broker/message-record.ts'
import { decodeQueue, decodeRanges, GROUP, MESSAGE, QUEUE, RETURNED, SETTLED } from '../broker/records.ts'
import { CodedError } from '../base/errors.ts'
import { readableBody } from '../protocols/amqp/readable.ts'

const base64 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64')

export class QuarantineLines {
  /** By the sequence of the record that declared the queue. */
  readonly #names: Map<number, string>

  /** `queues`: those that were there before the first record of the quarantine. */
  constructor(queues: Iterable<readonly [number, string]>) {
    this.#names = new Map(queues)
  }

  /** Records are given in their order, so that a queue is known before its messages. */
  line(record: RecordView): object {
    const { sequence, epoch, kind, body } = record
    const raw = { sequence, epoch, kind }
    try {
      switch (kind) {
        case QUEUE: {
          const queue = decodeQueue(record)
          this.#names.set(sequence, queue)
          return { record: 'queue', queue, ...raw }
        }
        case MESSAGE: {
          const message = decodeMessage(record)
          const readable = readableBody(message.body)
          return {
            record: 'message',
            ...this.#queue(message.queue),
            ...raw,
            body: readable && base64(readable.bytes),
            text: readable?.text ?? null,
            message: base64(message.body),
          }
        }
        case SETTLED:
        case RETURNED: {
          const { queue, count, bounds } = decodeRanges(record)
          const ranges: [number, number][] = []
          for (let i = 0; i < bounds.length; i += 2) ranges.push([bounds[i] as number, bounds[i + 1] as number])
          return { record: kind === SETTLED ? 'settled' : 'returned', ...this.#queue(queue), ...raw, count, ranges }
        }
        case GROUP:
          return { record: 'transaction', ...raw, parts: decodeGroup(record).map(part => this.line(part)) }
        default:
      }
    } catch (error) {
      if (!(error instanceof CodedError)) throw error
    }
    return { record: 'other', ...raw, bytes: base64(body) }
  }

  #queue(declaredBy: number): object {
    return { queue: this.#names.get(declaredBy) ?? null, declaredBy }
  }
}
