// Records as bytes: encoding one, and walking over many that lie one after another. The same bytes lie on both servers'
// disks and travel on the back channel. What frames them on disk is in batch.ts and segment.ts.

import { crc32 } from 'node:zlib'
import { mix } from './digest.ts'
import type { RecordView } from './commit.ts'
import type { Digest, Position } from './position.ts'

// record := crc      u32   crc32 of everything after it
//           length   u32   of the body
//           sequence u48
//           kind     u8
//           flags    u8    0
//           epoch    u32
//           body     length bytes
// All numbers are little-endian. A run of zeros is no record: sequences start with 1.

export const RECORD_HEADER_BYTES = 20
const HIGH = 0x1_0000_0000

export const setU48 = (view: DataView, at: number, value: number): void => {
  view.setUint32(at, value >>> 0, true)
  view.setUint16(at + 4, value / HIGH, true)
}

export const getU48 = (view: DataView, at: number): number =>
  view.getUint32(at, true) + view.getUint16(at + 4, true) * HIGH

export const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/** Lays one record at `at` (there is room) and returns its crc. */
export function encodeRecord(
  bytes: Uint8Array,
  view: DataView,
  at: number,
  sequence: number,
  kind: number,
  epoch: number,
  head: Uint8Array,
  body: Uint8Array,
): number {
  const bodyAt = at + RECORD_HEADER_BYTES
  const length = head.length + body.length
  view.setUint32(at + 4, length, true)
  setU48(view, at + 8, sequence)
  view.setUint16(at + 14, kind, true)
  view.setUint32(at + 16, epoch, true)
  if (head.length > 0) bytes.set(head, bodyAt)
  if (body.length > 0) bytes.set(body, bodyAt + head.length)
  const crc = crc32(bytes.subarray(at + 4, bodyAt + length))
  view.setUint32(at, crc, true)
  return crc
}

/** Steps over records that lie between two offsets and must follow a position; holds the position of the last one. */
export class RecordWalk {
  readonly bytes: Uint8Array
  /** Where the last record stepped over begins, and where the next one would. */
  from: number
  at: number
  sequence: number
  epoch: number
  digest: Digest
  /** What is wrong with the bytes at `at`; null while nothing is. */
  fault: string | null = null
  private readonly view: DataView
  private readonly end: number
  private readonly bodyLimit: number

  constructor(bytes: Uint8Array, at: number, end: number, before: Position, bodyLimit = Infinity) {
    // Each record is looked at through a view, and views of a Buffer cost three times as much.
    this.bytes = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)
    this.view = viewOf(bytes)
    this.from = at
    this.at = at
    this.end = end
    this.sequence = before.sequence
    this.epoch = before.epoch
    this.digest = before.digest
    this.bodyLimit = bodyLimit
  }

  /** True when it went over one more record; false at the end or where `fault` says what is wrong. */
  step(check: boolean): boolean {
    const { at, view } = this
    const left = this.end - at
    if (left === 0 || this.fault !== null) return false
    if (left < RECORD_HEADER_BYTES) return this.wrong('the bytes end within the head of a record')
    const length = view.getUint32(at + 4, true)
    const end = at + RECORD_HEADER_BYTES + length
    if (length > left - RECORD_HEADER_BYTES) return this.wrong(`the bytes end within a record of length ${length}`)
    if (length > this.bodyLimit) return this.wrong(`a record of ${length} bytes is above the limit ${this.bodyLimit}`)
    const crc = view.getUint32(at, true)
    if (check && crc32(this.bytes.subarray(at + 4, end)) !== crc) return this.wrong('the checksum is wrong')
    const sequence = getU48(view, at + 8)
    if (sequence !== this.sequence + 1) return this.wrong(`the sequence is ${sequence}`)
    const epoch = view.getUint32(at + 16, true)
    if (epoch < this.epoch) return this.wrong(`the epoch falls from ${this.epoch} to ${epoch}`)
    if (view.getUint8(at + 15) !== 0) return this.wrong('it has flags that this version does not know')
    this.digest = mix(this.digest, crc, epoch, length)
    this.sequence = sequence
    this.epoch = epoch
    this.from = at
    this.at = end
    return true
  }

  /** Bytes of the record at `at`, of which there is one. */
  nextBytes(): number {
    return RECORD_HEADER_BYTES + this.view.getUint32(this.at + 4, true)
  }

  position(): Position {
    return { epoch: this.epoch, sequence: this.sequence, digest: this.digest }
  }

  /** The record stepped over last. */
  record(): RecordView {
    const body = this.bytes.subarray(this.from + RECORD_HEADER_BYTES, this.at)
    return { sequence: this.sequence, epoch: this.epoch, kind: this.view.getUint8(this.from + 14), body }
  }

  private wrong(fault: string): false {
    this.fault = fault
    return false
  }
}
