// The record of a transaction: all that it does, in one record, so that all of it is there or nothing.
//
//   GROUP   = count part...               count = varint
//   part    = kind length content         kind, length = varint: kind and length of the content
//             content = as in the record of that kind: MESSAGE, ROUTED, SETTLED or RETURNED
//   PLACE   = nothing                     its sequence is given to a message of the GROUP that follows
// The messages of a group have sequences of their own, in their order, the last one that of the record: a group of five
// messages follows four PLACE records.

import type { RecordView } from '../journal/commit.ts'
import { GROUP, MESSAGE, NumberReader, NumberWriter, recordFault, RETURNED, ROUTED, SETTLED } from './records.ts'

const writer = new NumberWriter()
const reader = new NumberReader()

export interface Part {
  readonly kind: number
  readonly head: Uint8Array
  readonly body: Uint8Array
}

/** Kinds that bring messages, which need a sequence. */
export const bringsMessage = (kind: number): boolean => kind === MESSAGE || kind === ROUTED

const isPart = (kind: number): boolean => bringsMessage(kind) || kind === SETTLED || kind === RETURNED

export function encodeGroup(parts: readonly Part[]): Buffer {
  const pieces: Uint8Array[] = []
  const put = (...values: number[]): void => {
    writer.begin()
    for (const value of values) writer.put(value)
    pieces.push(Uint8Array.from(writer.done()))
  }
  put(parts.length)
  for (const { kind, head, body } of parts) {
    put(kind, head.length + body.length)
    pieces.push(head, body)
  }
  return Buffer.concat(pieces)
}

/** The parts as records of their kinds, each message with its own sequence. */
export function decodeGroup(record: RecordView): RecordView[] {
  const { sequence, epoch, body } = record
  const numbers = reader.begin(body, why => recordFault(sequence, GROUP, why))
  const count = numbers.take()
  if (count * 2 > numbers.left) throw numbers.wrong('it ends too early')
  const parts: RecordView[] = []
  let messages = 0
  for (let i = 0; i < count; i++) {
    const kind = numbers.take()
    if (!isPart(kind)) throw numbers.wrong(`a part is of the kind ${kind}`)
    if (bringsMessage(kind)) messages++
    parts.push({ sequence, epoch, kind, body: numbers.bytes(numbers.take()) })
  }
  if (numbers.left > 0) throw numbers.wrong('something follows its end')
  if (messages > sequence) throw numbers.wrong('it has more messages than places')
  let place = sequence - messages
  return parts.map(part => (bringsMessage(part.kind) ? { ...part, sequence: ++place } : part))
}
