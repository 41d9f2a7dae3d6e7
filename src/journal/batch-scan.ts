// Goes through the batches of a segment file one after another, at once and with large reads: for recovery, replay and
// finding a position. It checks heads and sequence; whether the records are intact is for the one who walks over them.

import { BATCH_HEADER_BYTES, batchSpan, decodeBatchHead, SECTOR_BYTES } from './batch.ts'
import type { BatchHead } from './batch.ts'
import type { DiskFile } from './disk.ts'
import type { Position } from './position.ts'

const WINDOW_BYTES = 1 << 20
const ZEROS = Buffer.alloc(WINDOW_BYTES)
const NOTHING = new Uint8Array(0)

export class BatchScan {
  /** Of the batch found last: its offset, head, records, and the position before it. */
  offset: number
  head: BatchHead | null = null
  records: Uint8Array = NOTHING
  before: Position
  /** Where the next batch is expected. */
  next: number
  /** Why there is no further batch; null while there may be one, or at the very end of the file. */
  fault: string | null = null
  private readonly file: DiskFile
  private readonly size: number
  private readonly ordinal: number
  private window: Uint8Array = NOTHING
  private windowAt = 0

  constructor(file: DiskFile, size: number, ordinal: number, offset: number, before: Position) {
    this.file = file
    this.size = size
    this.ordinal = ordinal
    this.offset = offset
    this.next = offset
    this.before = before
  }

  step(): boolean {
    const before = this.head === null ? this.before : this.head.last
    if (this.next + BATCH_HEADER_BYTES > this.size) return false
    const head = decodeBatchHead(this.bytes(this.next, BATCH_HEADER_BYTES), 0)
    if (head === null) return this.wrong('there is no intact head of a batch')
    if (head.life !== this.ordinal) return this.wrong('the batch is left from an earlier use of the file')
    if (head.first !== before.sequence + 1) return this.wrong(`the batch begins with record ${head.first}`)
    if (this.next + batchSpan(head.length) > this.size) return this.wrong('the batch is longer than the file')
    this.before = before
    this.head = head
    this.offset = this.next
    this.records = this.bytes(this.offset + BATCH_HEADER_BYTES, head.length)
    this.next = this.offset + batchSpan(head.length)
    return true
  }

  private wrong(fault: string): false {
    this.fault = fault
    return false
  }

  private bytes(offset: number, length: number): Uint8Array {
    if (offset < this.windowAt || offset + length > this.windowAt + this.window.length) {
      this.window = this.file.readSync(offset, Math.min(Math.max(length, WINDOW_BYTES), this.size - offset))
      this.windowAt = offset
    }
    return this.window.subarray(offset - this.windowAt, offset - this.windowAt + length)
  }
}

/** What lies in a file from `offset` on, seen without trust: for telling a torn tail from damage. */
export interface Remains {
  /** An intact batch of this life that proves that records up to there were durable; 0 where there is none. */
  readonly provenThrough: number
  /** Where that batch is. */
  readonly provenAt: number
  /** Behind the last byte that is not zero. */
  readonly lastByte: number
}

export function remains(file: DiskFile, size: number, ordinal: number, offset: number): Remains {
  let provenThrough = 0
  let provenAt = 0
  let lastByte = offset
  for (let at = offset; at < size; at += WINDOW_BYTES) {
    const piece = file.readSync(at, Math.min(WINDOW_BYTES, size - at))
    if (ZEROS.subarray(0, piece.length).equals(piece)) continue
    for (let sector = 0; sector < piece.length; sector += SECTOR_BYTES) {
      const head = decodeBatchHead(piece, sector)
      if (head === null || head.life !== ordinal || head.flushedThrough <= provenThrough) continue
      provenThrough = head.flushedThrough
      provenAt = at + sector
    }
    let end = piece.length
    while (end > 0 && piece[end - 1] === 0) end -= 1
    if (end > 0) lastByte = at + end
  }
  return { provenThrough, provenAt, lastByte }
}
