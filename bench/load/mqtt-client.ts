// A minimal MQTT 3.1.1 client, made to cost so little that the broker is what is measured: publishes are pages of packets
// laid down beforehand, in which only packet identifiers are changed; what is received is counted in place, and
// acknowledged with one write for each chunk that came. Counterpart of amqp-client.ts; the framing is the product's own.

import { connect, type Socket } from 'node:net'
import { PacketReader, type PacketSink } from '../../src/protocols/mqtt/framing.ts'
import { packets, putVarint, varintBytes } from '../../src/protocols/mqtt/packets.ts'
import type { Figures, Sender } from './figures.ts'

export interface MqttOrder {
  readonly port: number
  readonly user: string | null
  readonly clientId: string
  readonly clean: boolean
  /** What it publishes. */
  readonly topic: string
  readonly bodyBytes: number
  readonly qos: 0 | 1
  /** Publishes with QoS 1 that are not acknowledged, at most. */
  readonly window: number
}

/** Packets in one page. */
const PAGE = 64
/** Packet identifiers that are used: more than any window. */
const IDS = 1 << 15
/** Answers laid out at once. */
const ACKS_BYTES = 64 * 1024
/** All sockets of this process read into the same memory: what came is looked at before anything else is read. */
const received = Buffer.alloc(256 * 1024)

export class MqttClient implements PacketSink, Sender {
  readonly packetBytes = 1 << 20
  readonly deaf = false
  readonly busy = false
  /** Messages that came. */
  received = 0
  outstanding = 0
  readonly #order: MqttOrder
  readonly #figures: Figures
  readonly #failed: (error: Error) => void
  readonly #socket: Socket
  readonly #reader = new PacketReader(this)
  #ready: () => void = () => {}
  #isConnected = false
  readonly #packet: Buffer
  readonly #idAt: number
  readonly #sentAt: Float64Array
  #nextId = 0
  /** Pages that are not on their way. */
  readonly #pages: Buffer[] = []
  #acks = Buffer.alloc(0)
  #acksFrom = 0
  #acksTo = 0

  constructor(order: MqttOrder, figures: Figures, failed: (error: Error) => void) {
    this.#order = order
    this.#figures = figures
    this.#failed = failed
    this.#packet = publishPacket(order)
    this.#idAt = this.#packet.length - order.bodyBytes - 2
    this.#sentAt = new Float64Array(order.window > 0 ? IDS : 0)
    this.#socket = connect({
      host: '127.0.0.1',
      port: order.port,
      noDelay: true,
      onread: {
        buffer: received,
        callback: (count, bytes) => {
          this.#data((bytes as Buffer).subarray(0, count))
          return true
        },
      },
    })
    this.#socket.on('error', failed)
    this.#socket.on('close', () => failed(new Error('the broker closed the connection')))
    this.#socket.write(connectPacket(order))
  }

  /** CONNACK came. */
  attached(): Promise<void> {
    return new Promise(resolve => {
      this.#ready = resolve
    })
  }

  /** Resolves with SUBACK. */
  subscribe(filter: string, qos: 0 | 1): Promise<void> {
    const text = string(filter)
    this.#socket.write(Buffer.concat([Buffer.from([0x82, 2 + text.length + 1, 0, 1]), text, Buffer.from([qos])]))
    return this.attached()
  }

  close(): void {
    this.#socket.removeAllListeners('close')
    this.#socket.end(Buffer.from([packets.DISCONNECT << 4, 0]))
  }

  room(): number {
    if (!this.#isConnected) return 0
    // Without acknowledgements nothing else says that the broker reads.
    if (this.#order.qos === 0) return this.#socket.writableNeedDrain ? 0 : this.#order.window
    return this.#order.window - this.outstanding
  }

  send(count: number): void {
    const { length } = this.#packet
    const isCounted = this.#order.qos > 0
    const now = performance.now()
    for (let left = count; left > 0;) {
      const n = Math.min(left, PAGE)
      const page = this.#pages.pop() ?? Buffer.concat(Array.from({ length: PAGE }, () => this.#packet))
      if (isCounted) this.#number(page, n, now)
      this.#socket.write(n === PAGE ? page : page.subarray(0, n * length), () => this.#pages.push(page))
      left -= n
    }
    if (isCounted) this.outstanding += count
  }

  #number(page: Buffer, count: number, now: number): void {
    const { length } = this.#packet
    for (let i = 0, at = this.#idAt; i < count; i++, at += length) {
      const id = this.#nextId + 1
      this.#nextId = id % (IDS - 1)
      this.#sentAt[id] = now
      page[at] = id >> 8
      page[at + 1] = id & 255
    }
  }

  #data(bytes: Buffer): void {
    try {
      this.#reader.receive(bytes)
    } catch (error) {
      this.#failed(error as Error)
      this.close()
    }
    if (this.#acksTo > this.#acksFrom) {
      this.#socket.write(this.#acks.subarray(this.#acksFrom, this.#acksTo))
      this.#acksFrom = this.#acksTo
    }
    this.#figures.onRoom()
  }

  packet(first: number, bytes: Buffer, at: number): boolean {
    switch (first >> 4) {
      case packets.PUBLISH:
        this.received++
        if ((first & 6) !== 0) this.#acknowledge(bytes, at + 2 + bytes.readUInt16BE(at))
        break
      case packets.PUBACK: {
        const id = bytes.readUInt16BE(at)
        this.outstanding--
        this.#figures.answered(performance.now() - this.#sentAt[id]!)
        break
      }
      case packets.CONNACK:
        if (bytes[at + 1] !== 0) throw new Error(`the broker does not let us in (${bytes[at + 1]})`)
        this.#isConnected = true
        this.#ready()
        break
      case packets.SUBACK:
        if (bytes[at + 2]! > 2) throw new Error('the broker does not take the subscription')
        this.#ready()
    }
    return true
  }

  #acknowledge(bytes: Buffer, idAt: number): void {
    if (this.#acksTo + 4 > this.#acks.length) {
      if (this.#acksTo > this.#acksFrom) this.#socket.write(this.#acks.subarray(this.#acksFrom, this.#acksTo))
      this.#acks = Buffer.allocUnsafeSlow(ACKS_BYTES)
      this.#acksFrom = this.#acksTo = 0
    }
    const acks = this.#acks
    let to = this.#acksTo
    acks[to++] = packets.PUBACK << 4
    acks[to++] = 2
    acks[to++] = bytes[idAt]!
    acks[to++] = bytes[idAt + 1]!
    this.#acksTo = to
  }
}

function string(text: string): Buffer {
  const bytes = Buffer.from(text)
  const length = Buffer.alloc(2)
  length.writeUInt16BE(bytes.length)
  return Buffer.concat([length, bytes])
}

function packet(first: number, ...parts: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(parts)
  const head = Buffer.alloc(1 + varintBytes(body.length))
  head[0] = first
  putVarint(head, 1, body.length)
  return Buffer.concat([head, body])
}

const KEEP_ALIVE_SECONDS = 300

function connectPacket({ user, clientId, clean }: MqttOrder): Buffer {
  const flags = (clean ? 2 : 0) | (user === null ? 0 : 0xc0)
  const head = [string('MQTT'), Buffer.from([4, flags, KEEP_ALIVE_SECONDS >> 8, KEEP_ALIVE_SECONDS & 255])]
  // A bench's user is his own password.
  const who = user === null ? [] : [string(user), string(user)]
  return packet(packets.CONNECT << 4, ...head, string(clientId), ...who)
}

const publishPacket = ({ topic, qos, bodyBytes }: MqttOrder): Buffer =>
  packet(
    (packets.PUBLISH << 4) | (qos << 1),
    string(topic),
    Buffer.alloc(qos * 2),
    Buffer.alloc(bodyBytes, 'lockstep '),
  )
