// A message of a queue as an item: in snapshots, and in the sheets of messages that memory has no room for.
//
//   item    = length type content       length = u32: of type and content       type = u8: 2
//   content = sequence failed envelope grade body        the grade only in hidden queues
// sequence, failed (deliveries so far that failed) and grade are varints as in records.ts, the envelope is as in envelope.ts,
// u32 are big-endian.

import { DEFAULT_ENVELOPE, type Envelope, putEnvelope, takeEnvelope } from './envelope.ts'
import type { Message } from './message.ts'
import { NOTHING, NumberReader, NumberWriter } from './records.ts'

export const MESSAGE_ITEM = 2
export const ITEM_HEAD_BYTES = 5
/** More than the numbers of most items take. */
export const ITEM_NUMBERS_BYTES = 32

const writer = new NumberWriter()

/** What comes before the body; holds until the next call. */
export function itemNumbers(message: ItemHead, failed: number, graded: boolean): Uint8Array {
  writer.begin()
  writer.put(message.sequence)
  writer.put(failed)
  putEnvelope(writer, message.envelope)
  if (graded) writer.put(message.grade)
  return writer.done()
}

interface ItemHead {
  readonly sequence: number
  readonly envelope: Envelope
  readonly grade: number
}

export interface MessageItem {
  sequence: number
  failed: number
  envelope: Envelope
  grade: number
  body: Uint8Array
}

const item: MessageItem = { sequence: 0, failed: 0, envelope: DEFAULT_ENVELOPE, grade: 1, body: NOTHING }

/** Takes an item's content apart; the answer is used again by the next call, and its body views the content. */
export function readItem(numbers: NumberReader, graded: boolean): MessageItem {
  item.sequence = numbers.take()
  item.failed = numbers.take()
  item.envelope = takeEnvelope(numbers)
  item.grade = graded ? numbers.take() : 1
  item.body = numbers.rest()
  return item
}

/** Lays messages out as one run of items. */
export function encodeItems(messages: readonly Message[], graded: boolean): Buffer {
  let room = 0
  for (const message of messages) room += message.bodyBytes + ITEM_HEAD_BYTES + ITEM_NUMBERS_BYTES
  let bytes = Buffer.allocUnsafeSlow(room)
  let at = 0
  for (const message of messages) {
    const { memory, bodyAt, bodyBytes } = message
    const numbers = itemNumbers(message, message.deliveryCount, graded)
    // Names of groups and identifiers may be long.
    const end = at + ITEM_HEAD_BYTES + numbers.length + bodyBytes
    if (end > bytes.length) bytes = Buffer.concat([bytes.subarray(0, at)], 2 * end)
    at = bytes.writeUInt32BE(1 + numbers.length + bodyBytes, at)
    at = bytes.writeUInt8(MESSAGE_ITEM, at)
    bytes.set(numbers, at)
    at += numbers.length
    bytes.set(bodyAt === 0 && bodyBytes === memory.length ? memory : memory.subarray(bodyAt, bodyAt + bodyBytes), at)
    at += bodyBytes
  }
  return bytes.subarray(0, at)
}

const reader = new NumberReader()
const wrong = (why: string): Error => new Error(`an item cannot be read: ${why}`)

/** Calls `visit` with every item of such a run, its number in the run, and where it begins and ends in the bytes. */
export function visitItems(
  bytes: Uint8Array,
  graded: boolean,
  visit: (item: MessageItem, index: number, from: number, to: number) => void,
): void {
  const run = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  let index = 0
  for (let at = 0; at < run.length; index++) {
    const end = at + 4 + run.readUInt32BE(at)
    visit(readItem(reader.begin(run.subarray(at + ITEM_HEAD_BYTES, end), wrong), graded), index, at, end)
    at = end
  }
}
