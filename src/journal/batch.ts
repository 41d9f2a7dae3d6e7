// The frame around the records that were written and flushed together. It is local to one server's disk: how records
// fall into batches depends on when they came. Each batch says what was known to be durable when it was written, which
// is how recovery tells a torn tail from damage.

import { crc32 } from 'node:zlib'
import { getU48, setU48, viewOf } from './record.ts'
import type { Position } from './position.ts'

// batch := magic          u32  "LSB1"
//          crc            u32  crc32 of the 40 bytes after it
//          life           u32  ordinal of the segment it was written for: older batches in a recycled file differ
//          length         u32  bytes of records
//          first          u48  sequence of the first record
//          last           u48  sequence of the last one; first - 1 where there are none (a mark)
//          flushedThrough u48  every record up to here was durable before this batch was handed to the disk
//          zero           u16
//          epoch          u32  of the last record (or the one before the batch)
//          digest         f64  after the last record
//          records        length bytes
//          padding        zeros up to a multiple of 512, so that no two batches share a sector

export const BATCH_HEADER_BYTES = 48
export const SECTOR_BYTES = 512
const MAGIC = 0x3142534c

export interface BatchHead {
  readonly life: number
  readonly length: number
  readonly first: number
  readonly flushedThrough: number
  readonly last: Position
}

export const toSectors = (bytes: number): number => Math.ceil(bytes / SECTOR_BYTES) * SECTOR_BYTES

/** Bytes that a batch with so many bytes of records takes on disk. */
export const batchSpan = (length: number): number => toSectors(BATCH_HEADER_BYTES + length)

export function encodeBatchHead(bytes: Uint8Array, view: DataView, at: number, head: BatchHead): void {
  view.setUint32(at, MAGIC, true)
  view.setUint32(at + 8, head.life, true)
  view.setUint32(at + 12, head.length, true)
  setU48(view, at + 16, head.first)
  setU48(view, at + 22, head.last.sequence)
  setU48(view, at + 28, head.flushedThrough)
  view.setUint16(at + 34, 0, true)
  view.setUint32(at + 36, head.last.epoch, true)
  view.setFloat64(at + 40, head.last.digest, true)
  view.setUint32(at + 4, crc32(bytes.subarray(at + 8, at + BATCH_HEADER_BYTES)), true)
}

/** The head of a batch at `at`, or null where there is no intact one. */
export function decodeBatchHead(bytes: Uint8Array, at: number): BatchHead | null {
  if (bytes.length - at < BATCH_HEADER_BYTES) return null
  if (bytes[at] !== 0x4c || bytes[at + 1] !== 0x53) return null
  const view = viewOf(bytes)
  if (view.getUint32(at, true) !== MAGIC) return null
  if (crc32(bytes.subarray(at + 8, at + BATCH_HEADER_BYTES)) !== view.getUint32(at + 4, true)) return null
  return {
    life: view.getUint32(at + 8, true),
    length: view.getUint32(at + 12, true),
    first: getU48(view, at + 16),
    flushedThrough: getU48(view, at + 28),
    last: {
      sequence: getU48(view, at + 22),
      epoch: view.getUint32(at + 36, true),
      digest: view.getFloat64(at + 40, true),
    },
  }
}
