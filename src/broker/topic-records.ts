// The records of topics: what is bound to them, and what went from them into queues. The retained messages' record is in
// retained.ts.
//
//   BOUND    = queue qos bits subscription-id filter selector publisher
//     bits     = varint: 1 no local, 2 retain as published, 4 publisher follows: varint
//     filter, selector = length varint, UTF-8
//   UNBOUND  = queue filter
//   ROUTED   = count (queue grade)... envelope body                 grade = varint: granted QoS, 4 retain as published
//     envelope = as in envelope.ts         body = to the end of the record
//   DROPPED  = queue                       the queue is gone, with all in it and its bindings

import type { RecordView } from '../journal/commit.ts'
import { type Envelope, putEnvelope, takeEnvelope } from './envelope.ts'
import { NumberReader, NumberWriter, recordFault } from './records.ts'
import type { BindingOptions } from './binding.ts'

const writer = new NumberWriter()
const reader = new NumberReader()

const read = (record: RecordView): NumberReader =>
  reader.begin(record.body, why => recordFault(record.sequence, record.kind, why))

export function encodeBound(queue: number, filter: string, options: BindingOptions): Uint8Array {
  writer.begin()
  writer.put(queue)
  writer.put(options.qos)
  const { publisher } = options
  writer.put((options.noLocal ? 1 : 0) | (options.retainAsPublished ? 2 : 0) | (publisher === undefined ? 0 : 4))
  writer.put(options.id)
  writer.text(filter)
  writer.text(options.selector ?? '')
  if (publisher !== undefined) writer.put(publisher)
  return writer.done()
}

export interface BoundRecord {
  readonly queue: number
  readonly filter: string
  readonly options: BindingOptions
}

export function readBound(numbers: NumberReader): BoundRecord {
  const queue = numbers.take()
  const qos = numbers.take()
  if (qos > 2) throw numbers.wrong('a quality of service is impossible')
  const bits = numbers.take()
  const id = numbers.take()
  const filter = numbers.text()
  const selector = numbers.text()
  const options: BindingOptions = {
    qos: qos as 0 | 1 | 2,
    noLocal: (bits & 1) !== 0,
    retainAsPublished: (bits & 2) !== 0,
    id,
    ...(selector === '' ? {} : { selector }),
    ...((bits & 4) === 0 ? {} : { publisher: numbers.take() }),
  }
  return { queue, filter, options }
}

export const decodeBound = (record: RecordView): BoundRecord => readBound(read(record))

export function encodeUnbound(queue: number, filter: string): Uint8Array {
  writer.begin()
  writer.put(queue)
  writer.text(filter)
  return writer.done()
}

export function decodeUnbound(record: RecordView): { queue: number; filter: string } {
  const numbers = read(record)
  return { queue: numbers.take(), filter: numbers.text() }
}

/** `queues` and `grades` belong together by their places. */
export function encodeRouted(queues: readonly number[], grades: readonly number[], envelope: Envelope): Uint8Array {
  writer.begin()
  writer.put(queues.length)
  for (let i = 0; i < queues.length; i++) {
    writer.put(queues[i] as number)
    writer.put(grades[i] as number)
  }
  putEnvelope(writer, envelope)
  return writer.done()
}

export interface RoutedRecord {
  readonly queues: readonly number[]
  readonly grades: readonly number[]
  readonly envelope: Envelope
  readonly body: Uint8Array
}

export function decodeRouted(record: RecordView): RoutedRecord {
  const numbers = read(record)
  const count = numbers.take()
  if (count * 2 > numbers.left) throw numbers.wrong('it ends too early')
  const queues: number[] = []
  const grades: number[] = []
  for (let i = 0; i < count; i++) {
    queues.push(numbers.take())
    grades.push(numbers.take())
  }
  return { queues, grades, envelope: takeEnvelope(numbers), body: numbers.rest() }
}

export const decodeDropped = (record: RecordView): number => read(record).take()

export function encodeDropped(queue: number): Uint8Array {
  writer.begin()
  writer.put(queue)
  return writer.done()
}
