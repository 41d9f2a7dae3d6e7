// Cuts the byte stream into protocol headers and frames, wherever the chunks were split. A frame that lies whole in a
// chunk is handed on in place; only the one that goes over the edge is put together in a buffer of its own size.
//
//   header: 'A' 'M' 'Q' 'P' id major minor revision
//   frame:  size u32 | data offset u8 (in words of 4) | type u8 | channel u16 | extended header | body

import { fault } from './errors.ts'
import { asBuffer } from './types.ts'

export interface FrameSink {
  /** A protocol header comes next, not a frame. Looked at before each of them. */
  readonly expectsHeader: boolean
  /** Largest frame at this moment. */
  readonly frameBytes: number
  /** Nothing more is wanted; the rest is thrown away. */
  readonly deaf: boolean
  /** What comes next can't be taken yet: it is kept, as far as two frames go, until `resume`. */
  readonly busy: boolean
  header(bytes: Buffer, at: number): void
  frame(bytes: Buffer, at: number, end: number): void
}

const HEADER = 8
const NOTHING = Buffer.alloc(0)

export class FrameReader {
  readonly #sink: FrameSink
  readonly #head = Buffer.alloc(HEADER)
  /** The frame that goes over the edge of a chunk, once its size is known. */
  #partial: Buffer | null = null
  /** Bytes of it that are there. */
  #have = 0
  /** What came while the sink was busy. */
  #early: Buffer | null = null

  constructor(sink: FrameSink) {
    this.#sink = sink
  }

  /** Bytes held back for the rest of a frame. */
  get held(): number {
    return this.#partial?.length ?? this.#have
  }

  /** The sink is busy no more. */
  resume(): void {
    const early = this.#early
    this.#early = null
    if (early !== null) this.receive(early)
  }

  receive(chunk: Uint8Array): void {
    const bytes = asBuffer(chunk)
    const end = bytes.length
    let at = 0
    while (at < end && !this.#sink.deaf) {
      if (this.#sink.busy) return this.#keep(bytes.subarray(at))
      if (this.#have > 0) at = this.#continue(bytes, at, end)
      else if (end - at < HEADER) {
        bytes.copy(this.#head, 0, at, end)
        this.#have = end - at
        return
      } else {
        const size = this.#size(bytes, at)
        if (end - at < size) {
          this.#begin(size, bytes, at, end)
          return
        }
        this.#emit(bytes, at, at + size)
        at += size
      }
    }
  }

  #keep(bytes: Buffer): void {
    const size = (this.#early?.length ?? 0) + bytes.length
    const limit = 2 * this.#sink.frameBytes
    if (size > limit) throw fault('FRAME-SIZE', { size, limit })
    this.#early = Buffer.concat([this.#early ?? NOTHING, bytes])
  }

  #begin(size: number, bytes: Buffer, at: number, end: number): void {
    this.#partial = Buffer.allocUnsafe(size)
    bytes.copy(this.#partial, 0, at, end)
    this.#have = end - at
  }

  #continue(bytes: Buffer, from: number, end: number): number {
    let at = from
    if (this.#partial === null) {
      const n = Math.min(HEADER - this.#have, end - at)
      bytes.copy(this.#head, this.#have, at, at + n)
      this.#have += n
      at += n
      if (this.#have < HEADER) return at
      const size = this.#size(this.#head, 0)
      this.#begin(size, this.#head, 0, HEADER)
    }
    const partial = this.#partial as unknown as Buffer
    const n = Math.min(partial.length - this.#have, end - at)
    bytes.copy(partial, this.#have, at, at + n)
    this.#have += n
    if (this.#have === partial.length) {
      this.#partial = null
      this.#have = 0
      this.#emit(partial, 0, partial.length)
    }
    return at + n
  }

  #size(bytes: Buffer, at: number): number {
    if (this.#sink.expectsHeader) return HEADER
    const size = bytes.readUInt32BE(at)
    const doff = bytes[at + 4]!
    if (size < HEADER || doff < 2 || doff * 4 > size) throw fault('FRAME-SHORT', { size, doff })
    const limit = this.#sink.frameBytes
    if (size > limit) throw fault('FRAME-SIZE', { size, limit })
    return size
  }

  #emit(bytes: Buffer, at: number, end: number): void {
    if (this.#sink.expectsHeader) this.#sink.header(bytes, at)
    else this.#sink.frame(bytes, at, end)
  }
}
