// Reading records back from the segment files: in the background for the shipper, at once for replay, positions and
// quarantine. What is still in memory never comes here (tail.ts).

import { assert } from '../base/assert.ts'
import { BATCH_HEADER_BYTES, batchSpan, decodeBatchHead } from './batch.ts'
import { BatchScan } from './batch-scan.ts'
import { RecordWalk } from './record.ts'
import { causeText, journalError } from './errors.ts'
import type { Disk, DiskFile } from './disk.ts'
import type { Position } from './position.ts'
import type { RecordBatch } from './types.ts'
import type { RecordView } from './commit.ts'
import type { Segment } from './segment.ts'

type ReadDone = (error: Error | null, batch: RecordBatch | null) => void

const LEAST_READ_BYTES = 512 << 10

/** The segment that holds a record, which is in one of them. */
export function segmentOf(segments: readonly Segment[], sequence: number): Segment {
  const segment = segments.findLast(({ before }) => before.sequence < sequence)
  assert(segment !== undefined && sequence <= segment.last.sequence, 'the record is in a segment')
  return segment
}

/** Records from `from` on, out of one segment; see Journal.read. */
export class DiskReading {
  private readonly file: DiskFile
  private readonly segment: Segment
  private readonly from: number
  private readonly maxBytes: number
  private readonly done: ReadDone
  /** What counts in the segment at this moment: the file may go on growing. */
  private readonly end: number
  private readonly through: number
  private offset: number
  private before: Position

  constructor(disk: Disk, segment: Segment, from: number, maxBytes: number, done: ReadDone) {
    this.segment = segment
    this.from = from
    this.maxBytes = maxBytes
    this.done = done
    this.end = segment.end
    this.through = segment.last.sequence
    const mark = segment.markFor(from)
    this.offset = mark.offset
    this.before = mark.before
    this.file = disk.open(segment.name)
    segment.readers += 1
  }

  start(): void {
    this.fetch(Math.max(this.maxBytes, LEAST_READ_BYTES))
  }

  private fetch(bytes: number): void {
    const length = Math.min(bytes, this.end - this.offset)
    if (length <= 0) return this.finish(this.damage('the file ends'), null)
    this.file.read(this.offset, length, (error, piece) => {
      if (error !== null) return this.finish(this.damage(causeText(error)), null)
      this.digest(piece, length)
    })
  }

  /** Looks through a piece of the file that begins with a batch; gathers the wanted records at the front of the piece. */
  private digest(piece: Uint8Array, asked: number): void {
    let at = 0
    let gathered = 0
    let last: Position | null = null
    for (;;) {
      const head = decodeBatchHead(piece, at)
      const need = head === null ? BATCH_HEADER_BYTES : BATCH_HEADER_BYTES + head.length
      if (piece.length - at < need) {
        if (last !== null) break
        this.offset += at
        if (piece.length < asked || this.offset + need > this.end)
          return this.finish(this.damage('the file ends'), null)
        return this.fetch(Math.max(need, this.maxBytes, LEAST_READ_BYTES))
      }
      if (head === null || head.life !== this.segment.ordinal || head.first !== this.before.sequence + 1) {
        return this.finish(this.damage('there is no intact head of a batch', at), null)
      }
      if (head.last.sequence >= this.from) {
        const start = at + BATCH_HEADER_BYTES
        const walk = new RecordWalk(piece, start, start + head.length, this.before)
        let keep = start
        while (walk.sequence < this.through && walk.at < start + head.length) {
          if (walk.sequence < this.from - 1) keep = walk.at + walk.nextBytes()
          else if (last !== null && gathered + walk.at - keep + walk.nextBytes() > this.maxBytes) break
          if (!walk.step(true)) return this.finish(this.damage(walk.fault ?? 'it ends early', at), null)
          if (walk.sequence >= this.from) last = walk.position()
        }
        piece.copyWithin(gathered, keep, walk.at)
        gathered += walk.at - keep
        if (walk.at < start + head.length || gathered >= this.maxBytes) break
      }
      this.before = head.last
      if (head.last.sequence >= this.through) break
      at += batchSpan(head.length)
    }
    if (last === null) return this.finish(this.damage('the record is not there'), null)
    this.finish(null, { bytes: piece.subarray(0, gathered), first: this.from, last })
  }

  private finish(error: Error | null, batch: RecordBatch | null): void {
    this.file.close()
    this.segment.readers -= 1
    this.done(error, batch)
  }

  private damage(why: string, at = 0): Error {
    const offset = this.offset + at
    return journalError('DAMAGED', { segment: this.segment.name, offset, sequence: this.from, why })
  }
}

/** Hands the batches of a segment that hold records after `after` to `visit`, as walks that stand before the first. */
function scanSegment(
  disk: Disk,
  segment: Segment,
  after: number,
  visit: (walk: RecordWalk, through: number, records: Uint8Array) => boolean,
): void {
  const { last, end, ordinal, name } = segment
  if (last.sequence <= after) return
  const mark = segment.markFor(after + 1)
  const file = disk.open(name)
  try {
    const scan = new BatchScan(file, end, ordinal, mark.offset, mark.before)
    let reached = mark.before.sequence
    while (reached < last.sequence && scan.step()) {
      reached = scan.head?.last.sequence ?? reached
      if (reached <= after) continue
      const walk = new RecordWalk(scan.records, 0, scan.records.length, scan.before)
      const more = visit(walk, last.sequence, scan.records)
      if (walk.fault !== null) throw damage(name, scan.offset, walk.sequence + 1, walk.fault)
      if (!more) return
    }
    if (reached < last.sequence) throw damage(name, scan.next, reached + 1, scan.fault ?? 'the file ends')
  } finally {
    file.close()
  }
}

const damage = (segment: string, offset: number, sequence: number, why: string): Error =>
  journalError('DAMAGED', { segment, offset, sequence, why })

/** Every record after `after`, in order. */
export function replaySegments(
  disk: Disk,
  segments: readonly Segment[],
  after: number,
  visit: (record: RecordView) => void,
): void {
  for (const segment of segments) {
    scanSegment(disk, segment, after, (walk, through) => {
      while (walk.sequence < through && walk.step(true)) if (walk.sequence > after) visit(walk.record())
      return true
    })
  }
}

/** Position of a record that is in the segment. */
export function positionIn(disk: Disk, segment: Segment, sequence: number): Position {
  if (sequence === segment.last.sequence) return segment.last
  if (sequence === segment.before.sequence) return segment.before
  let position: Position | null = null
  scanSegment(disk, segment, sequence - 1, walk => {
    while (walk.sequence < sequence && walk.step(false));
    position = walk.position()
    return false
  })
  assert(position !== null, 'the record is in the segment')
  return position
}

/** The bytes of all records after `after`, in pieces of one batch. */
export function* recordPieces(disk: Disk, segments: readonly Segment[], after: number): Generator<Uint8Array> {
  for (const segment of segments) {
    // One segment's pieces are collected before they are handed on, so that no file stays open between two steps.
    const pieces: Uint8Array[] = []
    scanSegment(disk, segment, after, (walk, through, records) => {
      let from = 0
      while (walk.sequence < through && walk.step(true)) if (walk.sequence <= after) from = walk.at
      if (walk.at > from) pieces.push(records.subarray(from, walk.at))
      return true
    })
    yield* pieces
  }
}
