// The records of sessions, with their byte grammar. What they do to the state is in session-fold.ts.
//
//   id       = varint: sequence of the SESSION record that began the session
//   keep     = varint: ms that it outlives its connection; 2^47: for ever
//   text     = length varint, UTF-8
//
//   SESSION        = id queue keep client will    id 0: begun by this record; else it is connected again, with these values
//     queue        = varint: its queue, or 0      client = text
//     will         = bits [user] [topic delay expiry manner body]  bits = varint: 1 a will follows, 2 the user does
//                    user = text       topic = text   delay, expiry = varints, ms
//                    manner = varint: QoS and 4 for retain        body = to the end of the record
//   SESSION_AWAY   = id since keep will           since = varint, wall ms   will = varint: 1 it is still to be published
//   SESSION_ENDED  = id                           its queue is gone with all in it
//   RELEASED       = id count packet-id...        inbound QoS 2: these packet identifiers are done with
//   RECEIVED       = id count sequence...         outbound QoS 2: the client has these messages: out of the queue
//   COMPLETED      = id count sequence...         their packet identifiers are done with

import type { RecordView } from '../journal/commit.ts'
import { NOTHING, NumberReader, NumberWriter, recordFault } from './records.ts'
import type { SessionWill } from './session-api.ts'
import { NEVER } from './session-state.ts'

const writer = new NumberWriter()
const reader = new NumberReader()

const read = (record: RecordView): NumberReader =>
  reader.begin(record.body, why => recordFault(record.sequence, record.kind, why))

const putKeep = (keepMs: number): void => writer.put(keepMs === Infinity ? NEVER : Math.floor(keepMs))
const takeKeep = (numbers: NumberReader): number => {
  const keep = numbers.take()
  return keep === NEVER ? Infinity : keep
}

export interface SessionRecord {
  readonly id: number
  readonly queue: number
  readonly keepMs: number
  readonly clientId: string
  readonly user: string
  readonly will: SessionWill | null
}

/** Head and body of the record. */
export function encodeSession({ id, queue, keepMs, clientId, user, will }: SessionRecord): [Uint8Array, Uint8Array] {
  writer.begin()
  writer.put(id)
  writer.put(queue)
  putKeep(keepMs)
  writer.text(clientId)
  writer.put((will === null ? 0 : 1) | (user === '' ? 0 : 2))
  if (user !== '') writer.text(user)
  if (will === null) return [writer.done(), NOTHING]
  writer.text(will.topic)
  writer.put(Math.floor(will.delayMs))
  writer.put(Math.floor(will.expiryMs))
  writer.put(will.qos | (will.retain ? 4 : 0))
  return [writer.done(), will.body]
}

export function readSession(numbers: NumberReader): SessionRecord {
  const id = numbers.take()
  const queue = numbers.take()
  const keepMs = takeKeep(numbers)
  const clientId = numbers.text()
  const bits = numbers.take()
  if (bits > 3) throw numbers.wrong('the session has bits of a newer version')
  const user = (bits & 2) !== 0 ? numbers.text() : ''
  if ((bits & 1) === 0) return { id, queue, keepMs, clientId, user, will: null }
  const topic = numbers.text()
  const delayMs = numbers.take()
  const expiryMs = numbers.take()
  const manner = numbers.take()
  if ((manner & 3) === 3 || manner > 7) throw numbers.wrong('a quality of service is impossible')
  const will = {
    topic,
    delayMs,
    expiryMs,
    qos: (manner & 3) as 0 | 1 | 2,
    retain: (manner & 4) !== 0,
    body: Buffer.from(numbers.rest()),
  }
  return { id, queue, keepMs, clientId, user, will }
}

export const decodeSession = (record: RecordView): SessionRecord => readSession(read(record))

export function encodeAway(id: number, since: number, keepMs: number, withWill: boolean): Uint8Array {
  writer.begin()
  writer.put(id)
  writer.put(Math.floor(since))
  putKeep(keepMs)
  writer.put(withWill ? 1 : 0)
  return writer.done()
}

export function decodeAway(record: RecordView) {
  const numbers = read(record)
  return { id: numbers.take(), since: numbers.take(), keepMs: takeKeep(numbers), withWill: numbers.take() === 1 }
}

export function encodeId(id: number): Uint8Array {
  writer.begin()
  writer.put(id)
  return writer.done()
}

export const decodeId = (record: RecordView): number => read(record).take()

export function encodeNumbers(id: number, values: readonly number[]): Uint8Array {
  writer.begin()
  writer.put(id)
  writer.put(values.length)
  for (const value of values) writer.put(value)
  return writer.done()
}

export function decodeNumbers(record: RecordView): { id: number; values: number[] } {
  const numbers = read(record)
  const id = numbers.take()
  const count = numbers.take()
  if (count > numbers.left) throw numbers.wrong('it ends too early')
  const values = Array.from({ length: count }, () => numbers.take())
  if (numbers.left > 0) throw numbers.wrong('something follows its end')
  return { id, values }
}
