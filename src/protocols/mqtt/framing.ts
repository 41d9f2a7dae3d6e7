// Cuts the byte stream into packets, wherever the chunks were split. A packet that lies whole in a chunk is handed on in
// place; only the one that goes over the edge is put together, in a buffer that grows as its bytes arrive, so that a size
// that is only claimed costs nothing.
//
//   packet: type and flags u8 | remaining length varint (1 to 4 bytes) | body

import { fault, malformed } from './errors.ts'

export interface PacketSink {
  /** Largest packet at this moment, its header included. */
  readonly packetBytes: number
  /** Nothing more is wanted; the rest is thrown away. */
  readonly deaf: boolean
  /** What comes next can't be taken yet: it is kept until `resume`. The socket should not be read meanwhile. */
  readonly busy: boolean
  /**
   * The first byte, and the body from `at` to `end`; the header lies right before it in the same memory, and may be
   * written to. False: not taken, and it comes again with `resume`.
   */
  packet(first: number, bytes: Buffer, at: number, end: number): boolean
}

const LONGEST_HEADER = 5
/** What is laid out at once for a packet of which little is there yet. */
const STEP_BYTES = 16 * 1024
/** What may come after the socket was told to wait: what lies in its buffers. */
const EARLY_BYTES = 1024 * 1024

export class PacketReader {
  readonly #sink: PacketSink
  /** The packet that goes over the edge: its first bytes. */
  #partial = Buffer.alloc(0)
  #have = 0
  /** Its whole size, or 0 while the header is not complete. */
  #size = 0
  /** What came while the sink was busy. */
  #early: Buffer[] = []
  #earlyBytes = 0
  /** Where among them belongs what is left of the chunk under way. */
  #place = 0

  constructor(sink: PacketSink) {
    this.#sink = sink
  }

  /** Bytes laid out for the rest of a packet. */
  get held(): number {
    return this.#have === 0 ? 0 : this.#partial.length
  }

  /** The sink is busy no more. */
  resume(): void {
    while (this.#early.length > 0 && !this.#sink.busy && !this.#sink.deaf) {
      const chunk = this.#early.shift() as Buffer
      this.#earlyBytes -= chunk.length
      this.#take(chunk)
    }
  }

  receive(chunk: Uint8Array): void {
    const bytes = Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length)
    if (this.#early.length > 0 || this.#sink.busy) this.#keepEarly(bytes, false)
    else this.#take(bytes)
  }

  #take(bytes: Buffer): void {
    const end = bytes.length
    const sink = this.#sink
    this.#place = 0
    let at = this.#have > 0 ? this.#continue(bytes) : 0
    while (at < end && !sink.deaf) {
      if (sink.busy) return this.#keepEarly(bytes.subarray(at), true)
      // The usual case, without a call: the header of two bytes and the body are there.
      let body = at + 2
      let length = bytes[at + 1] as number
      if (body > end || length > 127) {
        const header = headerBytes(bytes, at, end)
        if (header === 0) break
        body = at + header
        length = lengthOf(bytes, at, header)
      }
      const size = body - at + length
      if (size > sink.packetBytes) throw fault('TOO-LARGE', { size, limit: sink.packetBytes })
      if (at + size > end) break
      if (!sink.packet(bytes[at] as number, bytes, body, at + size)) return this.#keepEarly(bytes.subarray(at), true)
      at += size
    }
    if (at < end && !sink.deaf) this.#keep(bytes, at, end)
  }

  /** `first`: it comes before what is kept already. */
  #keepEarly(bytes: Buffer, first: boolean): void {
    if (this.#sink.deaf) return
    this.#earlyBytes += bytes.length
    const limit = EARLY_BYTES + this.#sink.packetBytes
    if (this.#earlyBytes > limit) throw fault('TOO-LARGE', { size: this.#earlyBytes, limit })
    if (first) this.#early.splice(this.#place++, 0, Buffer.from(bytes))
    else this.#early.push(Buffer.from(bytes))
  }

  #keep(bytes: Buffer, at: number, end: number): void {
    const header = headerBytes(bytes, at, end)
    this.#size = header === 0 ? 0 : header + lengthOf(bytes, at, header)
    const have = end - at
    this.#partial = Buffer.allocUnsafeSlow(Math.min(this.#size || LONGEST_HEADER, Math.max(2 * have, STEP_BYTES)))
    bytes.copy(this.#partial, 0, at, end)
    this.#have = have
  }

  /** Takes what the packet over the edge still needs; returns how much that was. */
  #continue(bytes: Buffer): number {
    let at = 0
    while (this.#size === 0) {
      if (at === bytes.length) return at
      this.#partial[this.#have++] = bytes[at++] as number
      const header = headerBytes(this.#partial, 0, this.#have)
      if (header === 0) continue
      const size = header + lengthOf(this.#partial, 0, header)
      if (size > this.#sink.packetBytes) throw fault('TOO-LARGE', { size, limit: this.#sink.packetBytes })
      this.#size = size
    }
    const take = Math.min(this.#size - this.#have, bytes.length - at)
    if (this.#have + take > this.#partial.length) {
      const larger = Buffer.allocUnsafeSlow(Math.min(this.#size, Math.max(2 * (this.#have + take), STEP_BYTES)))
      this.#partial.copy(larger, 0, 0, this.#have)
      this.#partial = larger
    }
    bytes.copy(this.#partial, this.#have, at, at + take)
    this.#have += take
    at += take
    if (this.#have === this.#size) {
      const packet = this.#partial
      const size = this.#size
      this.#partial = Buffer.alloc(0)
      this.#have = this.#size = 0
      const taken = this.#sink.packet(packet[0] as number, packet, headerBytes(packet, 0, size), size)
      if (!taken) this.#keepEarly(packet.subarray(0, size), true)
    }
    return at
  }
}

/** How long the header at `at` is, or 0 where it is not all there. */
function headerBytes(bytes: Buffer, at: number, end: number): number {
  for (let i = 1; i < LONGEST_HEADER; i++) {
    if (at + i >= end) return 0
    const byte = bytes[at + i] as number
    if (byte < 128) {
      if (byte === 0 && i > 1) throw malformed('its length is written too long')
      return i + 1
    }
  }
  throw malformed('its length is longer than four bytes')
}

function lengthOf(bytes: Buffer, at: number, header: number): number {
  let value = 0
  for (let i = header - 1; i > 0; i--) value = value * 128 + ((bytes[at + i] as number) & 127)
  return value
}
