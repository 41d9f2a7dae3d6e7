// A snapshot of the state as chunks of at most SNAPSHOT_CHUNK_BYTES, and the reading of one. The chunks carry one stream of
// items, cut where a chunk is full. What is captured at the moment of the call is references (a message's body never
// changes) and delivery counts; encoding goes on while the state changes.
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
//   2 MESSAGE = sequence failed envelope grade body       the grade only where the queue is hidden
//   3 SETTING = as in settings.ts
//   4 to 6    = as in snapshot-topics.ts
// Numbers in items are varints as in records.ts, u32 are big-endian; options as in a QUEUE record, envelope as in
// envelope.ts.

import { crc32 } from 'node:zlib'
import { brokerError } from './errors.ts'
import { SNAPSHOT_CHUNK_BYTES } from './limits.ts'
import type { Message } from './message.ts'
import type { Queue } from './queue.ts'
import { putEnvelope, takeEnvelope } from './envelope.ts'
import { HIDDEN, NumberReader, NumberWriter } from './records.ts'
import { encodeSetting, readSetting, type Setting } from './settings.ts'
import { captureTopics, type OtherItem, restoreTopics } from './snapshot-topics.ts'
import { State } from './state.ts'

const MARK = Buffer.from('LBS1')
const FRAME_BYTES = 13
const HEAD = 0
const QUEUE = 1
const MESSAGE = 2
const SETTING = 3

interface CapturedQueue {
  readonly queue: Queue
  readonly messages: readonly Message[]
  readonly counts: Uint32Array
}

/** Captures at once; the chunks are encoded as they are taken. */
export function takeSnapshot(state: State): Iterable<Uint8Array> {
  const captured: CapturedQueue[] = []
  for (const queue of state.queues) if (queue.declared) captured.push(capture(queue))
  return encode(state.sequence, captured, [...state.settings.all()], captureTopics(state))
}

function capture(queue: Queue): CapturedQueue {
  const messages: Message[] = []
  const counts = new Uint32Array(queue.line.count)
  queue.line.forEach(message => {
    counts[messages.length] = message.deliveryCount
    messages.push(message)
  })
  return { queue, messages, counts }
}

function* encode(
  sequence: number,
  captured: readonly CapturedQueue[],
  settings: readonly Setting[],
  others: readonly OtherItem[],
): Iterable<Uint8Array> {
  const chunks = new ChunkWriter()
  const numbers = new NumberWriter()
  yield* chunks.item(HEAD, put(numbers, sequence, captured.length, settings.length, others.length))
  for (const { queue, messages, counts } of captured) {
    yield* chunks.item(
      QUEUE,
      put(numbers, queue.id, messages.length, queue.hidden ? HIDDEN : 0),
      Buffer.from(queue.name),
    )
    for (let i = 0; i < messages.length; i++) {
      const message = messages[i] as Message
      const head = messageHead(numbers, message, counts[i] as number, queue.hidden)
      // Most items fit; a generator per message is only made where one does not.
      const { body } = message
      if (!chunks.fit(MESSAGE, head, body)) yield* chunks.item(MESSAGE, head, body)
    }
  }
  for (const setting of settings) yield* chunks.item(SETTING, encodeSetting(setting))
  for (const { type, head, body } of others) yield* chunks.item(type, head, body)
  yield chunks.end()
}

function put(numbers: NumberWriter, ...values: number[]): Uint8Array {
  numbers.begin()
  for (const value of values) numbers.put(value)
  return numbers.done()
}

function messageHead(numbers: NumberWriter, message: Message, count: number, hidden: boolean): Uint8Array {
  numbers.begin()
  numbers.put(message.sequence)
  numbers.put(count)
  putEnvelope(numbers, message.envelope)
  if (hidden) numbers.put(message.grade)
  return numbers.done()
}

class ChunkWriter {
  #chunk = Buffer.allocUnsafeSlow(SNAPSHOT_CHUNK_BYTES)
  #at = FRAME_BYTES
  #number = 0

  /** Writes the item if there is place for the whole of it. */
  fit(type: number, head: Uint8Array, body: Uint8Array): boolean {
    const length = 5 + head.length + body.length
    if (this.#at + length > SNAPSHOT_CHUNK_BYTES) return false
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
    for (const piece of [frame, Uint8Array.from(head), body]) {
      if (piece === undefined) continue
      for (let from = 0; from < piece.length;) {
        if (this.#at === SNAPSHOT_CHUNK_BYTES) yield this.#take(0)
        const some = piece.subarray(from, from + SNAPSHOT_CHUNK_BYTES - this.#at)
        this.#chunk.set(some, this.#at)
        this.#at += some.length
        from += some.length
      }
    }
  }

  end(): Uint8Array {
    return this.#take(1)
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
  readonly state = new State()
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
      const sequence = numbers.take()
      const count = numbers.take()
      const envelope = takeEnvelope(numbers)
      const queue = this.#queue as Queue
      const grade = queue.hidden ? numbers.take() : 1
      if (sequence <= queue.line.lastSequence || sequence > this.state.sequence)
        throw fault('messages are out of order')
      queue.put(sequence, numbers.rest(), count, envelope, grade)
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
