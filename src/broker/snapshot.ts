// A snapshot of the state as chunks of at most SNAPSHOT_CHUNK_BYTES, and the reading of one. The chunks carry one stream of
// items, cut where a chunk is full. What is captured at the moment of the call is references (a message's body never
// changes) and delivery counts, and for messages that are paged out their sheets; encoding goes on while the state changes.
//
//   chunk   = mark number last crc bytes
//   mark    = 4 bytes 'LBS1'
//   number  = u32: 0, 1, 2 ...
//   last    = u8: 1 for the last chunk, else 0
//   crc     = u32: CRC-32 of number, last and bytes
//   item    = length type content        length = u32: of type and content        type = u8
//   0 HEAD    = sequence queues settings others
//                                        the record up to which the snapshot speaks; how many queues, settings and other
//                                        items follow (older snapshots lack the last numbers, and what they count)
//   1 QUEUE   = queue messages options name
//   2 MESSAGE = as in item.ts
//   3 SETTING = as in settings.ts
//   4 to 7    = as in snapshot-topics.ts
// Numbers in items are varints as in records.ts, u32 are big-endian; options as in a QUEUE record.

import { crc32 } from 'node:zlib'
import { brokerError } from './errors.ts'
import type { Chunks, Wait } from '../journal/commit.ts'
import type { CapturedSheet } from './block.ts'
import { ITEM_HEAD_BYTES, itemNumbers, MESSAGE_ITEM as MESSAGE, readItem, visitItems } from './item.ts'
import { SNAPSHOT_CHUNK_BYTES } from './limits.ts'
import type { Message } from './message.ts'
import type { Queue } from './queue.ts'
import { HIDDEN, NOTHING, NumberReader, NumberWriter } from './records.ts'
import { encodeSetting, readSetting, type Setting } from './settings.ts'
import { captureTopics, type OtherItem, restoreTopics } from './snapshot-topics.ts'
import type { State } from './state.ts'

const MARK = Buffer.from('LBS1')
const FRAME_BYTES = 13
const HEAD = 0
const QUEUE = 1
const SETTING = 3

interface CapturedQueue {
  readonly queue: Queue
  readonly count: number
  /** What it holds, in order. */
  readonly parts: readonly (CapturedObjects | CapturedSheet)[]
}

interface CapturedObjects {
  readonly messages: readonly Message[]
  readonly failed: Uint32Array
}

/** Captures at once; the chunks are encoded as they are taken. */
export function takeSnapshot(state: State): Chunks {
  const captured: CapturedQueue[] = []
  for (const queue of state.queues) if (queue.declared) captured.push(capture(queue))
  const chunks = encode(state.sequence, captured, [...state.settings.all()], captureTopics(state))
  let released = false
  const release = (): void => {
    if (released) return
    released = true
    for (const { parts } of captured) for (const part of parts) if ('sheet' in part) part.sheet.release()
  }
  // Also who never takes the first chunk gives the sheets back.
  const iterator: IterableIterator<Uint8Array | Wait> = {
    next: () => {
      const step = chunks.next()
      if (step.done === true) release()
      return step
    },
    return: () => {
      release()
      return chunks.return()
    },
    [Symbol.iterator]: () => iterator,
  }
  return iterator
}

function capture(queue: Queue): CapturedQueue {
  const parts: (CapturedObjects | CapturedSheet)[] = []
  let messages: Message[] = []
  const cut = (): void => {
    if (messages.length > 0) parts.push({ messages, failed: Uint32Array.from(messages, one => one.deliveryCount) })
    messages = []
  }
  const take = (message: Message): void => void messages.push(message)
  queue.line.forEachInFront(take)
  queue.line.blocks.some(block => {
    if (block.count === 0) return true
    if (block.loaded) block.forEachObject(take)
    else {
      cut()
      parts.push(block.capture())
    }
    return true
  })
  cut()
  return { queue, count: queue.line.count, parts }
}

function* encode(
  sequence: number,
  captured: readonly CapturedQueue[],
  settings: readonly Setting[],
  others: readonly OtherItem[],
): Generator<Uint8Array | Wait, void> {
  const chunks = new ChunkWriter()
  const numbers = new NumberWriter()
  yield* chunks.item(HEAD, put(numbers, sequence, captured.length, settings.length, others.length))
  for (const { queue, count, parts } of captured) {
    const { id, name, hidden } = queue
    yield* chunks.item(QUEUE, put(numbers, id, count, hidden ? HIDDEN : 0), Buffer.from(name))
    for (const part of parts) {
      if ('sheet' in part) yield* encodeSheet(chunks, part, hidden)
      else yield* encodeObjects(chunks, part, hidden)
    }
  }
  for (const setting of settings) yield* chunks.item(SETTING, encodeSetting(setting))
  for (const { type, head, body } of others) yield* chunks.item(type, head, body)
  yield chunks.end()
}

function* encodeObjects(
  chunks: ChunkWriter,
  { messages, failed }: CapturedObjects,
  graded: boolean,
): Iterable<Uint8Array> {
  for (let i = 0; i < messages.length; i++) {
    const message = messages[i] as Message
    const head = itemNumbers(message, failed[i] as number, graded)
    const { body } = message
    // Most items fit; a generator per message is only made where one does not.
    if (!chunks.fit(MESSAGE, head, body)) yield* chunks.item(MESSAGE, head, body)
  }
}

/** A sheet is made of items already: what is as it was laid down is copied in runs. */
function* encodeSheet(chunks: ChunkWriter, captured: CapturedSheet, graded: boolean): Iterable<Uint8Array | Wait> {
  const { sheet, gone, failed } = captured
  let content: Uint8Array = NOTHING
  let fault: Error | null = null
  yield go =>
    sheet.read((error, bytes) => {
      fault = error
      content = bytes
      go()
    })
  // eslint-disable-next-line @typescript-eslint/only-throw-error
  if (fault !== null) throw fault as Error
  const pieces: Uint8Array[] = []
  let from = 0
  visitItems(content, graded, (item, index, at, end) => {
    const now = failed.get(index) ?? item.failed
    if (gone[index] !== true && now === item.failed) return
    pieces.push(content.subarray(from, at))
    from = end
    if (gone[index] === true) return
    const { body } = item
    const head = itemNumbers(item, now, graded)
    const frame = Buffer.allocUnsafe(ITEM_HEAD_BYTES)
    frame.writeUInt32BE(1 + head.length + body.length)
    frame.writeUInt8(MESSAGE, 4)
    pieces.push(frame, Uint8Array.from(head), body)
  })
  pieces.push(content.subarray(from))
  yield* chunks.lay(pieces)
}

function put(numbers: NumberWriter, ...values: number[]): Uint8Array {
  numbers.begin()
  for (const value of values) numbers.put(value)
  return numbers.done()
}

/** Memory for the first chunk, at the beginning: most states are small. */
const FIRST_BYTES = 16 * 1024

class ChunkWriter {
  #chunk = Buffer.allocUnsafeSlow(FIRST_BYTES)
  #at = FRAME_BYTES
  #number = 0

  /** Writes the item if there is place for the whole of it. */
  fit(type: number, head: Uint8Array, body: Uint8Array): boolean {
    const length = 5 + head.length + body.length
    if (this.#at + length > SNAPSHOT_CHUNK_BYTES) return false
    this.#makeRoom(length)
    this.#at = this.#chunk.writeUInt32BE(length - 4, this.#at)
    this.#at = this.#chunk.writeUInt8(type, this.#at)
    this.#chunk.set(head, this.#at)
    this.#at += head.length
    this.#chunk.set(body, this.#at)
    this.#at += body.length
    return true
  }

  /** Writes the item and yields the chunks that it fills. */
  *item(type: number, head: Uint8Array, body?: Uint8Array): Iterable<Uint8Array> {
    const frame = Buffer.allocUnsafe(5)
    frame.writeUInt32BE(1 + head.length + (body?.length ?? 0))
    frame.writeUInt8(type, 4)
    // The writer of numbers is used again before the last piece of this item may be laid down.
    yield* this.lay([frame, Uint8Array.from(head), body ?? NOTHING])
  }

  /** Writes what is an item, or several, and yields the chunks that it fills. */
  *lay(pieces: readonly Uint8Array[]): Iterable<Uint8Array> {
    for (const piece of pieces) {
      for (let from = 0; from < piece.length;) {
        if (this.#at === SNAPSHOT_CHUNK_BYTES) yield this.#take(0)
        const some = piece.subarray(from, from + SNAPSHOT_CHUNK_BYTES - this.#at)
        this.#makeRoom(some.length)
        this.#chunk.set(some, this.#at)
        this.#at += some.length
        from += some.length
      }
    }
  }

  end(): Uint8Array {
    return this.#take(1)
  }

  #makeRoom(bytes: number): void {
    const needed = this.#at + bytes
    if (needed <= this.#chunk.length) return
    const larger = Buffer.allocUnsafeSlow(Math.min(SNAPSHOT_CHUNK_BYTES, Math.max(needed, 4 * this.#chunk.length)))
    larger.set(this.#chunk.subarray(0, this.#at))
    this.#chunk = larger
  }

  #take(last: number): Uint8Array {
    const chunk = this.#chunk.subarray(0, this.#at)
    chunk.set(MARK)
    chunk.writeUInt32BE(this.#number++, 4)
    chunk.writeUInt8(last, 8)
    chunk.writeUInt32BE(crcOf(chunk), 9)
    if (last === 0) this.#chunk = Buffer.allocUnsafeSlow(SNAPSHOT_CHUNK_BYTES)
    this.#at = FRAME_BYTES
    return chunk
  }
}

const crcOf = (chunk: Buffer): number => crc32(chunk.subarray(FRAME_BYTES), crc32(chunk.subarray(4, 9)))

const fault = (why: string): Error => brokerError('SNAPSHOT', { why })

/** Builds a state from a snapshot's chunks. After an error it is of no use any more. */
export class SnapshotReading {
  readonly state: State
  readonly #numbers = new NumberReader()
  #chunks = 0
  #ended = false
  /** Pieces of the item that is not complete yet, and what it takes to go on. */
  #pieces: Uint8Array[] = []
  #have = 0
  #need = 4
  #queues = -1
  #queue: Queue | null = null
  #messages = 0
  #settings = 0
  #others = 0

  /** `state` is an empty one. */
  constructor(state: State) {
    this.state = state
  }

  add(bytes: Uint8Array): void {
    const chunk = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    if (this.#ended) throw fault('something follows its end')
    if (chunk.length < FRAME_BYTES || !chunk.subarray(0, 4).equals(MARK)) throw fault('a chunk has an unknown form')
    if (chunk.length > SNAPSHOT_CHUNK_BYTES) throw fault('a chunk is too large')
    if (chunk.readUInt32BE(9) !== crcOf(chunk)) throw fault(`the checksum of chunk ${this.#chunks} is wrong`)
    if (chunk.readUInt32BE(4) !== this.#chunks) throw fault(`chunk ${this.#chunks} is missing`)
    this.#chunks++
    this.#ended = chunk.readUInt8(8) === 1
    let rest = chunk.subarray(FRAME_BYTES)
    while (this.#have + rest.length >= this.#need) rest = this.#step(rest)
    if (rest.length > 0) {
      this.#pieces.push(Buffer.from(rest))
      this.#have += rest.length
    }
  }

  /** The whole state, once the last chunk was added. */
  finish(): State {
    if (!this.#ended) throw fault(`it ends after ${this.#chunks} chunks`)
    const missing = this.#queues !== 0 || this.#messages !== 0 || this.#settings !== 0 || this.#others !== 0
    if (this.#have > 0 || missing) throw fault('it lacks queues, messages or settings')
    this.state.restoredThrough = this.state.sequence
    return this.state
  }

  /** What is needed is there: the length of the next item, or the item. Returns what follows. */
  #step(rest: Buffer): Buffer {
    if (this.#need === 4) {
      const frame = this.#peek(rest, 4)
      this.#need = 4 + frame.readUInt32BE(0)
      if (this.#need === 4) throw fault('an item is empty')
      return rest
    }
    const missing = this.#need - this.#have
    const item = this.#peek(rest, this.#need)
    this.#pieces = []
    this.#have = 0
    this.#need = 4
    this.#item(item.readUInt8(4), item.subarray(5))
    return rest.subarray(missing)
  }

  #peek(rest: Buffer, length: number): Buffer {
    if (this.#have === 0) return rest.subarray(0, length)
    return Buffer.concat([...this.#pieces, rest.subarray(0, Math.max(0, length - this.#have))]).subarray(0, length)
  }

  #item(type: number, content: Buffer): void {
    const numbers = this.#numbers.begin(content, fault)
    if (type === HEAD && this.#queues < 0) {
      this.state.sequence = numbers.take()
      this.#queues = numbers.take()
      this.#settings = numbers.left > 0 ? numbers.take() : 0
      this.#others = numbers.left > 0 ? numbers.take() : 0
      if (numbers.left > 0) throw fault('its head is of a newer version')
    } else if (type === QUEUE && this.#queues > 0 && this.#messages === 0) {
      const id = numbers.take()
      this.#messages = numbers.take()
      const options = numbers.take()
      if (options !== 0 && options !== HIDDEN) throw fault('a queue has options of a newer version')
      const name = Buffer.from(numbers.rest()).toString()
      if (options === 0 && this.state.named(name) !== null) throw fault(`the queue ${name} is there twice`)
      this.#queue = this.state.declare(id, name, true, options === HIDDEN)
      this.#queues--
    } else if (type === MESSAGE && this.#messages > 0) {
      const queue = this.#queue as Queue
      const { sequence, failed, envelope, grade, body } = readItem(numbers, queue.hidden)
      if (sequence <= queue.line.lastSequence || sequence > this.state.sequence)
        throw fault('messages are out of order')
      queue.put(sequence, body, failed, envelope, grade)
      this.#messages--
    } else if (type === SETTING && this.#queues === 0 && this.#messages === 0 && this.#settings > 0) {
      this.state.settings.put(readSetting(content, fault))
      this.#settings--
    } else if (this.#queues === 0 && this.#messages === 0 && this.#settings === 0 && this.#others > 0) {
      if (!restoreTopics(this.state, type, content, fault)) throw fault(`an item of type ${type} is unknown`)
      this.#others--
    } else throw fault(`an item of type ${type} is not expected here`)
  }
}
