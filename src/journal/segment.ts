// Segment files: their names, their head, and what is remembered of one in memory. A file `journal-<ordinal>` is a
// segment once it carries an intact head with that very ordinal; until then it is a spare, allocated ahead or recycled
// from an older segment without being wiped. So taking a spare into use needs no renaming, only the write that brings
// the first batch.

import { crc32 } from 'node:zlib'
import { getU48, setU48, viewOf } from './record.ts'
import { toSectors } from './batch.ts'
import { journalError } from './errors.ts'
import type { EpochStart, Position } from './position.ts'

// magic to headBytes stay where they are in all versions.
//
// head := magic      8 bytes "LOCKSTPJ"
//         version    u32
//         crc        u32  crc32 of everything in the head after it, begun with the version
//         headBytes  u32  of the whole head, a multiple of 512; the first batch begins there
//         ordinal    u32  the number in the file's name: grows with every segment taken into use
//         maxBatch   u32  no batch in this file is larger
//         flags      u16  1: recycled, so bytes that are no batch of this life mean nothing
//         epochs     u16  how many follow
//         epoch      u32  )
//         sequence   u48  ) position before the first record; what earlier segments hold beyond it was cut off
//         zero       u48  )
//         digest     f64  )
//         epochs times: epoch u32, first sequence u48

export const FORMAT_VERSION = 1
/** So many epochs are remembered, the newest; servers that parted before those meet by a snapshot. */
export const EPOCHS_KEPT = 1000
const FIXED_BYTES = 56
const EPOCH_BYTES = 10
export const SEGMENT_HEAD_LIMIT = toSectors(FIXED_BYTES + EPOCHS_KEPT * EPOCH_BYTES)
const MAGIC = Buffer.from('LOCKSTPJ')
const RECYCLED = 1
/** A file is remembered with one mark for so many bytes, from which a record is searched. */
const MARK_BYTES = 256 << 10

export const segmentName = (ordinal: number): string => `journal-${String(ordinal).padStart(10, '0')}`

export const ordinalOf = (name: string): number | null => {
  const found = /^journal-(\d{10})$/.exec(name)
  return found === null ? null : Number(found[1])
}

export interface SegmentHead {
  readonly ordinal: number
  readonly headBytes: number
  readonly maxBatch: number
  readonly recycled: boolean
  readonly before: Position
  readonly epochs: readonly EpochStart[]
}

export function encodeEpochs(view: DataView, at: number, epochs: readonly EpochStart[]): void {
  for (const { epoch, sequence } of epochs) {
    view.setUint32(at, epoch, true)
    setU48(view, at + 4, sequence)
    at += EPOCH_BYTES
  }
}

export function decodeEpochs(view: DataView, at: number, count: number): EpochStart[] {
  const epochs: EpochStart[] = []
  const end = at + count * EPOCH_BYTES
  for (; at < end; at += EPOCH_BYTES) {
    epochs.push({ epoch: view.getUint32(at, true), sequence: getU48(view, at + 4) })
  }
  return epochs
}

export const encodePosition = (view: DataView, at: number, position: Position): void => {
  view.setUint32(at, position.epoch, true)
  setU48(view, at + 4, position.sequence)
  setU48(view, at + 10, 0)
  view.setFloat64(at + 16, position.digest, true)
}

export const decodePosition = (view: DataView, at: number): Position => ({
  epoch: view.getUint32(at, true),
  sequence: getU48(view, at + 4),
  digest: view.getFloat64(at + 16, true),
})

export function encodeSegmentHead(head: Omit<SegmentHead, 'headBytes'>): Buffer {
  const bytes = Buffer.alloc(toSectors(FIXED_BYTES + head.epochs.length * EPOCH_BYTES))
  const view = viewOf(bytes)
  bytes.set(MAGIC, 0)
  view.setUint32(8, FORMAT_VERSION, true)
  view.setUint32(16, bytes.length, true)
  view.setUint32(20, head.ordinal, true)
  view.setUint32(24, head.maxBatch, true)
  view.setUint16(28, head.recycled ? RECYCLED : 0, true)
  view.setUint16(30, head.epochs.length, true)
  encodePosition(view, 32, head.before)
  encodeEpochs(view, FIXED_BYTES, head.epochs)
  view.setUint32(12, crc32(bytes.subarray(16), FORMAT_VERSION), true)
  return bytes
}

/** The head of a file's bytes, or null where there is none or a damaged one. Throws JOURNAL-VERSION for a foreign one. */
export function decodeSegmentHead(bytes: Uint8Array, name: string): SegmentHead | null {
  if (bytes.length < FIXED_BYTES || !MAGIC.equals(bytes.subarray(0, 8))) return null
  const view = viewOf(bytes)
  const headBytes = view.getUint32(16, true)
  if (headBytes > bytes.length || headBytes < FIXED_BYTES) return null
  // The checksum first: a torn head has any version.
  const version = view.getUint32(8, true)
  if (crc32(bytes.subarray(16, headBytes), version) !== view.getUint32(12, true)) return null
  if (version !== FORMAT_VERSION)
    throw journalError('VERSION', { segment: name, found: version, known: FORMAT_VERSION })
  return {
    headBytes,
    ordinal: view.getUint32(20, true),
    maxBatch: view.getUint32(24, true),
    recycled: (view.getUint16(28, true) & RECYCLED) !== 0,
    before: decodePosition(view, 32),
    epochs: decodeEpochs(view, FIXED_BYTES, view.getUint16(30, true)),
  }
}

interface Mark {
  readonly offset: number
  readonly before: Position
}

/** What is remembered of a segment that is in use. */
export class Segment {
  readonly name: string
  readonly ordinal: number
  readonly size: number
  readonly before: Position
  /** The last record that counts here; later ones in the file, if any, were cut off. */
  last: Position
  /** Where the next batch goes; all batches before it are written. */
  end: number
  /** Readings from the file under way: it must not be recycled under them. */
  readers = 0
  private readonly marks: Mark[]

  constructor(head: SegmentHead, size: number) {
    this.name = segmentName(head.ordinal)
    this.ordinal = head.ordinal
    this.size = size
    this.before = head.before
    this.last = head.before
    this.end = head.headBytes
    this.marks = [{ offset: head.headBytes, before: head.before }]
  }

  /** A batch lies at `end`, takes `span` bytes, and ends with `last`. */
  grow(span: number, last: Position): void {
    const mark = this.marks[this.marks.length - 1] as Mark
    if (this.end - mark.offset >= MARK_BYTES) this.marks.push({ offset: this.end, before: this.last })
    this.end += span
    this.last = last
  }

  /** Where to begin a search for a record of this segment. */
  markFor(sequence: number): Mark {
    let low = 0
    let high = this.marks.length - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if ((this.marks[middle] as Mark).before.sequence < sequence) low = middle
      else high = middle - 1
    }
    return this.marks[low] as Mark
  }
}
