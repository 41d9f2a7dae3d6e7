// A minimal AMQP 1.0 client over the product's own codec, made to cost so little that the broker is what is measured: a
// message is a frame laid down beforehand, in which only its delivery id is changed. One connection, one session, one link.
// It is a real client all the same: it keeps to credit and windows, sends unsettled, and counts only what was accepted.

import { connect, type Socket } from 'node:net'
import { Decoder } from '../../src/protocols/amqp/decode.ts'
import { FrameReader, type FrameSink } from '../../src/protocols/amqp/framing.ts'
import { Cursor, Disposition, Transfer } from '../../src/protocols/amqp/in-place.ts'
import { defaultAmqpLimits } from '../../src/protocols/amqp/limits.ts'
import {
  codesByName,
  composites,
  encodePerformative,
  performatives as p,
  readFields,
  saslFrames,
  type Composite,
} from '../../src/protocols/amqp/performatives.ts'
import { NULL, bool, described, list, str, sym, ubyte, uint, ushort } from '../../src/protocols/amqp/types.ts'
import type { Figures, LoadOrder, Sender } from './figures.ts'

const AMQP_HEADER = Buffer.from([0x41, 0x4d, 0x51, 0x50, 0, 1, 0, 0])
const SASL_HEADER = Buffer.from([0x41, 0x4d, 0x51, 0x50, 3, 1, 0, 0])
const WINDOW = 0x7fffffff
const CREDIT = 1000
/** Messages in one page of frames. */
const PAGE = 64
/** Ids whose time of sending is remembered: more than any window. */
const IDS = 1 << 16

type Role = 'sender' | 'receiver'
type AmqpOrder = Pick<LoadOrder, 'port' | 'address' | 'user' | 'bodyBytes'>

export class AmqpClient implements FrameSink, Sender {
  expectsHeader = true
  readonly frameBytes = 1 << 20
  readonly deaf = false
  readonly busy = false
  readonly #order: AmqpOrder
  readonly #figures: Figures
  readonly #role: Role
  readonly #window: number
  readonly #socket: Socket
  readonly #reader = new FrameReader(this)
  readonly #cursor = new Cursor()
  readonly #transfer = new Transfer()
  readonly #disposition = new Disposition()
  #stage: 'sasl' | 'amqp' = 'sasl'
  #ready: () => void = () => {}
  readonly #failed: (error: Error) => void

  // The sender's side.
  #nextId = 0
  #outstanding = 0
  #credit = 0
  #deliveryCount = 0
  #remoteWindow = 0
  readonly #sentAt: Float64Array
  readonly #frame: Buffer
  #pages: Buffer[] = []

  // The receiver's side.
  #left = CREDIT
  #taken = 0
  #first = -1
  #last = -1

  constructor(order: AmqpOrder, figures: Figures, role: Role, window: number, failed: (error: Error) => void) {
    this.#order = order
    this.#figures = figures
    this.#role = role
    this.#window = window
    this.#sentAt = new Float64Array(role === 'sender' ? IDS : 0)
    this.#failed = failed
    this.#frame = transferFrame(order.bodyBytes)
    this.#socket = connect({ host: '127.0.0.1', port: order.port, noDelay: true })
    this.#socket.on('data', bytes => this.#data(bytes))
    this.#socket.on('error', failed)
    this.#socket.on('close', () => failed(new Error('the broker closed the connection')))
    this.#socket.write(SASL_HEADER)
  }

  /** The link is attached; a sender may not have credit yet. */
  attached(): Promise<void> {
    return new Promise(resolve => {
      this.#ready = resolve
    })
  }

  close(): void {
    this.#socket.removeAllListeners('close')
    this.#socket.destroy()
  }

  get outstanding(): number {
    return this.#outstanding
  }

  room(): number {
    return Math.min(this.#window - this.#outstanding, this.#credit, this.#remoteWindow)
  }

  send(count: number): void {
    const now = performance.now()
    const { length } = this.#frame
    for (let left = count; left > 0;) {
      const n = Math.min(left, PAGE)
      const page = this.#pages.pop() ?? this.#newPage()
      for (let i = 0; i < n; i++) {
        const id = this.#nextId
        this.#nextId = (id + 1) >>> 0
        this.#sentAt[id % IDS] = now
        page.writeUInt32BE(id, i * length + ID_AT)
        page.writeUInt32BE(id, i * length + TAG_AT)
      }
      this.#socket.write(page.subarray(0, n * length), () => this.#pages.push(page))
      left -= n
    }
    this.#outstanding += count
    this.#credit -= count
    this.#remoteWindow -= count
    this.#deliveryCount = (this.#deliveryCount + count) >>> 0
  }

  header(): void {
    this.expectsHeader = false
    if (this.#stage === 'sasl') return
    this.#say(p.open, [str('bench'), str('localhost'), uint(128 * 1024), ushort(1)])
    this.#say(p.begin, [NULL, uint(0), uint(WINDOW), uint(WINDOW), uint(8)])
    const address = [str(this.#order.address)]
    const receiver = this.#role === 'receiver'
    const source = described(composites.source.code, list(receiver ? address : []))
    const target = described(composites.target.code, list(receiver ? [] : address))
    const name = str(`${this.#role}-${process.pid}-${this.#order.port}`)
    const head = [name, uint(0), bool(receiver), ubyte(receiver ? 2 : 0), ubyte(0), source, target]
    this.#say(p.attach, receiver ? head : [...head, NULL, NULL, uint(0)])
  }

  frame(bytes: Buffer, at: number, end: number): void {
    const body = at + bytes[at + 4]! * 4
    if (body >= end) return
    const decoder = new Decoder(bytes, body, end, defaultAmqpLimits)
    const code = bytes[body + 1] === 0x53 ? bytes[body + 2]! : decoder.descriptor(codesByName)
    if (code === p.transfer.code) this.#received(bytes, bytes[body + 1] === 0x53 ? body + 3 : decoder.at, end)
    else if (code === p.disposition.code) this.#answered(bytes, bytes[body + 1] === 0x53 ? body + 3 : decoder.at, end)
    else this.#rare(new Decoder(bytes, body, end, defaultAmqpLimits))
  }

  #data(bytes: Buffer): void {
    try {
      this.#reader.receive(bytes)
      if (this.#role === 'receiver') this.#accept()
    } catch (error) {
      this.#failed(error as Error)
      this.close()
    }
    if (this.#role === 'sender') this.#figures.onRoom()
  }

  #rare(decoder: Decoder): void {
    const code = decoder.descriptor(codesByName)
    switch (code) {
      case saslFrames.mechanisms.code: {
        const { user } = this.#order
        const how = user === null ? [sym('ANONYMOUS')] : [sym('PLAIN'), plain(user)]
        return this.#say(saslFrames.init, how, 1)
      }
      case saslFrames.outcome.code:
        if (readFields(decoder, saslFrames.outcome).code !== 0) throw new Error('the broker does not let us in')
        this.#stage = 'amqp'
        this.expectsHeader = true
        return void this.#socket.write(AMQP_HEADER)
      case p.begin.code:
        this.#remoteWindow = readFields(decoder, p.begin).incomingWindow
        return
      case p.attach.code:
        if (this.#role === 'receiver') this.#flow()
        return this.#ready()
      case p.flow.code:
        return this.#flowed(decoder)
      case p.detach.code:
      case p.end.code:
      case p.close.code:
        throw new Error(
          `the broker ended it: ${JSON.stringify(decoder.value(), (_, v) => (typeof v === 'bigint' ? Number(v) : v))}`,
        )
    }
  }

  #flowed(decoder: Decoder): void {
    const flow = readFields(decoder, p.flow)
    this.#remoteWindow = flow.incomingWindow + (((flow.nextIncomingId ?? 0) - this.#nextId) | 0)
    if (flow.handle === null || this.#role === 'receiver') return
    this.#credit = (flow.linkCredit ?? 0) + (((flow.deliveryCount ?? 0) - this.#deliveryCount) | 0)
  }

  #answered(bytes: Buffer, at: number, end: number): void {
    if (this.#role === 'receiver') return
    const d = this.#disposition
    this.#cursor.set(bytes, at, end)
    d.read(this.#cursor)
    if (d.state !== composites.accepted.code) throw new Error(`a message was not accepted (0x${d.state.toString(16)})`)
    const now = performance.now()
    const count = ((d.last - d.first) >>> 0) + 1
    for (let i = 0; i < count; i++) this.#figures.answered(now - this.#sentAt[(d.first + i) % IDS]!)
    this.#outstanding -= count
  }

  #received(bytes: Buffer, at: number, end: number): void {
    const t = this.#transfer
    this.#cursor.set(bytes, at, end)
    t.read(this.#cursor)
    if (t.more) return
    this.#figures.received++
    this.#left--
    this.#taken++
    if (t.settled) return
    if (this.#first < 0) this.#first = t.deliveryId
    else if (t.deliveryId !== this.#last + 1) {
      this.#accept()
      this.#first = t.deliveryId
    }
    this.#last = t.deliveryId
  }

  #accept(): void {
    if (this.#first >= 0) {
      const accepted = described(composites.accepted.code, list([]))
      this.#say(p.disposition, [bool(true), uint(this.#first), uint(this.#last), bool(true), accepted])
      this.#first = -1
    }
    if (this.#left <= CREDIT / 2) this.#flow()
  }

  #flow(): void {
    this.#left = CREDIT
    const id = uint(this.#taken >>> 0)
    this.#say(p.flow, [id, uint(WINDOW), uint(0), uint(WINDOW), uint(0), id, uint(CREDIT)])
  }

  #say(composite: Composite, values: Parameters<typeof encodePerformative>[1], type = 0): void {
    const body = encodePerformative(composite, values)
    const frame = Buffer.alloc(8 + body.length)
    frame.writeUInt32BE(frame.length, 0)
    frame[4] = 2
    frame[5] = type
    body.copy(frame, 8)
    this.#socket.write(frame)
  }

  #newPage(): Buffer {
    const page = Buffer.allocUnsafeSlow(PAGE * this.#frame.length)
    for (let i = 0; i < PAGE; i++) this.#frame.copy(page, i * this.#frame.length)
    return page
  }
}

const plain = (user: string) => ({ type: 'binary' as const, value: Buffer.from(`\0${user}\0${user}`) })

const ID_AT = 17
const TAG_AT = 23

/** transfer: handle 0, delivery-id, delivery-tag, message-format 0, unsettled, whole; header: durable; data. */
function transferFrame(bodyBytes: number): Buffer {
  const head = [0, 0, 0, 0, 2, 0, 0, 0, 0, 0x53, 0x14, 0xc0, 18, 6, 0x52, 0]
  const fields = [0x70, 0, 0, 0, 0, 0xa0, 4, 0, 0, 0, 0, 0x43, 0x42, 0x42]
  const sections = [0, 0x53, 0x70, 0xc0, 2, 1, 0x41, 0, 0x53, 0x75, 0xb0, 0, 0, 0, 0]
  const frame = Buffer.concat([Buffer.from([...head, ...fields, ...sections]), Buffer.alloc(bodyBytes, 'lockstep ')])
  frame.writeUInt32BE(frame.length, 0)
  frame.writeUInt32BE(bodyBytes, frame.length - bodyBytes - 4)
  frame[12] = head.length + fields.length - 13
  return frame
}
