// Collects records into batches: each record is encoded once, straight into the memory that will be written, shipped and
// kept as tail. Memory is never used twice, because those who get a batch may go on looking at it. It knows nothing of
// disks; who takes the batches and when is decided in journal.ts.

import { assert } from '../base/assert.ts'
import { BATCH_HEADER_BYTES, batchSpan } from './batch.ts'
import { encodeRecord, RECORD_HEADER_BYTES, viewOf } from './record.ts'
import type { RecordWalk } from './record.ts'
import { mix } from './digest.ts'
import type { RecordView } from './commit.ts'
import type { Position } from './position.ts'

/** One piece of memory that holds several small batches one after another, or one large one. */
const SLAB_BYTES = 1 << 20
/** And no more than so many of the largest: where segments are small, so is what is written. */
const SLAB_BATCHES = 4
/** Where a slab ends, an open batch of less moves to the next one; a larger one ends there, for a flush costs less than that copy. */
const MOVED_BYTES = 64 << 10

/** No Buffer: each checksum takes a view of a record, and views of Buffers cost three times as much. */
const newSlab = (bytes: number): Uint8Array => new Uint8Array(Buffer.allocUnsafeSlow(bytes).buffer)

export interface SealedBatch {
  /** The whole frame, to be written as it is once its head is filled in. */
  readonly frame: Uint8Array
  readonly view: DataView
  /** The records in the frame. */
  readonly records: Uint8Array
  readonly first: number
  readonly before: Position
  readonly last: Position
}

export class BatchBuilder {
  sequence: number
  /** Epoch of the last record. */
  epoch: number
  digest: number
  /** Bytes of records that nobody has taken yet. */
  waitingBytes = 0
  private slab: Uint8Array
  private view: DataView
  private start = 0
  private at = BATCH_HEADER_BYTES
  /** The record that was made last, and where it ends. */
  private laidSequence = 0
  private laidEnd = 0
  private before: Position
  private readonly sealed: SealedBatch[] = []
  private readonly batchBytes: number
  private readonly slabBytes: number

  /** No batch takes more than `batchBytes` on disk, unless a single record does. */
  constructor(position: Position, batchBytes: number) {
    this.sequence = position.sequence
    this.epoch = position.epoch
    this.digest = position.digest
    this.before = position
    this.batchBytes = batchBytes
    this.slabBytes = Math.min(SLAB_BYTES, SLAB_BATCHES * batchBytes)
    this.slab = newSlab(this.slabBytes)
    this.view = viewOf(this.slab)
  }

  get empty(): boolean {
    return this.waitingBytes === 0
  }

  position(): Position {
    return { epoch: this.epoch, sequence: this.sequence, digest: this.digest }
  }

  append(kind: number, epoch: number, head: Uint8Array, body: Uint8Array): number {
    const length = head.length + body.length
    const bytes = RECORD_HEADER_BYTES + length
    this.makeRoom(bytes)
    const sequence = this.sequence + 1
    const crc = encodeRecord(this.slab, this.view, this.at, sequence, kind, epoch, head, body)
    this.at += bytes
    this.laidSequence = sequence
    this.laidEnd = this.at
    this.waitingBytes += bytes
    this.digest = mix(this.digest, crc, epoch, length)
    this.sequence = sequence
    this.epoch = epoch
    return sequence
  }

  /** The last bytes of this record, which `append` made last, where they lie. */
  laid(sequence: number, bytes: number): Uint8Array {
    // Behind another record its batch may have moved, or other bytes may lie there.
    assert(
      sequence === this.laidSequence && sequence === this.sequence,
      'only the last record is asked for by its place',
    )
    return this.slab.subarray(this.laidEnd - bytes, this.laidEnd)
  }

  /** The same for all of them in one copy, where one batch takes them; `end` stands behind the last. */
  appendAll(bytes: Uint8Array, end: RecordWalk): boolean {
    if (BATCH_HEADER_BYTES + bytes.length > this.batchBytes) return false
    this.makeRoom(bytes.length)
    this.slab.set(bytes, this.at)
    this.at += bytes.length
    this.waitingBytes += bytes.length
    this.sequence = end.sequence
    this.epoch = end.epoch
    this.digest = end.digest
    return true
  }

  /** Appends encoded records that were found to be right; `walk` stands where the first one begins. */
  appendRecords(walk: RecordWalk, end: number, visit?: (record: RecordView) => void): void {
    while (walk.at < end) {
      const from = walk.at
      // As many whole records as the batch takes, in one copy.
      do {
        walk.step(false)
        visit?.(walk.record())
      } while (walk.at < end && this.fits(walk.at - from + walk.nextBytes()))
      this.makeRoom(walk.at - from)
      this.slab.set(walk.bytes.subarray(from, walk.at), this.at)
      this.at += walk.at - from
      this.waitingBytes += walk.at - from
      this.sequence = walk.sequence
      this.epoch = walk.epoch
      this.digest = walk.digest
    }
  }

  /** The oldest batch that was not taken, or null. */
  take(): SealedBatch | null {
    if (this.sealed.length === 0) this.seal()
    const batch = this.sealed.shift()
    if (batch === undefined) return null
    this.waitingBytes -= batch.records.length
    return batch
  }

  /** The journal was cut back or replaced: go on after `position`. */
  rebase(position: Position): void {
    this.sequence = position.sequence
    this.epoch = position.epoch
    this.digest = position.digest
    this.before = position
  }

  private fits(bytes: number): boolean {
    return this.at - this.start + bytes <= this.batchBytes
  }

  private makeRoom(bytes: number): void {
    const used = this.at - this.start
    if (used > BATCH_HEADER_BYTES && !this.fits(bytes)) this.seal()
    if (this.spanWith(bytes) <= this.slab.length - this.start) return
    if (used >= MOVED_BYTES) this.seal()
    const open = this.slab.subarray(this.start, this.at)
    this.slab = newSlab(Math.max(this.slabBytes, this.spanWith(bytes)))
    this.view = viewOf(this.slab)
    if (open.length > BATCH_HEADER_BYTES) this.slab.set(open, 0)
    this.at -= this.start
    this.start = 0
  }

  /** What the open batch would take with so many bytes more. */
  private spanWith(bytes: number): number {
    return batchSpan(this.at - this.start - BATCH_HEADER_BYTES + bytes)
  }

  private seal(): void {
    if (this.at - this.start === BATCH_HEADER_BYTES) return
    const records = this.slab.subarray(this.start + BATCH_HEADER_BYTES, this.at)
    const end = this.start + batchSpan(records.length)
    this.slab.fill(0, this.at, end)
    const frame = this.slab.subarray(this.start, end)
    const last = this.position()
    this.sealed.push({
      frame,
      view: viewOf(frame),
      records,
      first: this.before.sequence + 1,
      before: this.before,
      last,
    })
    this.before = last
    this.start = end
    this.at = end + BATCH_HEADER_BYTES
  }
}
