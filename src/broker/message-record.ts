// The record of a message that is put into one queue.
//
//   MESSAGE  = queue envelope body
//   envelope = as in envelope.ts: one byte 0 where there is nothing special about the message. Exactly once is no matter
//              of queues, so its fields are not there.
//   body     = the encoded message as its sender's front end handed it over, to the end of the record

import type { RecordView } from '../journal/commit.ts'
import { DEFAULT_ENVELOPE, type Envelope, putEnvelope, takeEnvelope } from './envelope.ts'
import { NOTHING, NumberReader, NumberWriter, recordFault } from './records.ts'

const writer = new NumberWriter()
const reader = new NumberReader()

/** Holds until the next call. */
export function encodeMessageHead(queue: number, envelope: Envelope = DEFAULT_ENVELOPE): Uint8Array {
  writer.begin()
  writer.put(queue)
  putEnvelope(writer, envelope)
  return writer.done()
}

export interface DecodedMessage {
  queue: number
  envelope: Envelope
  body: Uint8Array
}

const decoded: DecodedMessage = { queue: 0, envelope: DEFAULT_ENVELOPE, body: NOTHING }

/** The answer is used again by the next call. */
export function decodeMessage(record: RecordView): DecodedMessage {
  const numbers = reader.begin(record.body, why => recordFault(record.sequence, record.kind, why))
  decoded.queue = numbers.take()
  decoded.envelope = takeEnvelope(numbers)
  if (decoded.envelope.session !== 0) throw numbers.wrong('a message of a queue is of no session')
  decoded.body = numbers.rest()
  return decoded
}
