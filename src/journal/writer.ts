// Group commit: one batch at a time is written and flushed, while the records that arrive meanwhile collect for the
// next. A failed write or flush is the end: nothing is known about what was not flushed, and trying again would only hide
// it.

import { BATCH_HEADER_BYTES, batchSpan, encodeBatchHead } from './batch.ts'
import { causeText, journalError } from './errors.ts'
import { Tail } from './tail.ts'
import { viewOf } from './record.ts'
import type { BatchBuilder, SealedBatch } from './batch-builder.ts'
import type { Clock, Timer } from '../base/ports.ts'
import type { Done } from './disk.ts'
import type { EpochStart, Position } from './position.ts'
import type { Shelf } from './shelf.ts'

/** So much is worth a flush of its own: disk and follower begin with it while the rest of the turn is still being read. */
const EARLY_BYTES = 128 << 10

/** So long a record that nobody waits for is kept back: a flush of its own costs as much as one for a hundred. */
const LATE_MS = 5

/** What the journal does at each step of a batch. */
export interface WriterHost {
  /** First sequences of all epochs, for the head of a new segment. */
  epochs(): readonly EpochStart[]
  /** A batch with records has been handed to the disk. */
  handed(batch: SealedBatch): void
  /** It is durable, and the next one is on its way. */
  flushed(batch: SealedBatch): void
  /** Nothing is under way or waiting any more. */
  idle(): void
  failed(error: Error): void
}

export class BatchWriter {
  readonly tail: Tail
  flushed: Position
  handedOver: Position
  failed = false
  private readonly clock: Clock
  private readonly shelf: Shelf
  private readonly builder: BatchBuilder
  private readonly host: WriterHost
  /** The batch being written or flushed. */
  private flight: SealedBatch | null = null
  private scheduled = false
  /** Among the records that collect there is one that somebody waits for. */
  private urgent = false
  private late: Timer | null = null
  private waitingForSpare = false
  private marked = false
  private readonly begin = () => {
    this.scheduled = false
    this.next()
  }
  private readonly beginLate = () => {
    this.late = null
    this.next()
  }
  private readonly synced: Done = error => this.afterFlush(error)

  constructor(clock: Clock, shelf: Shelf, builder: BatchBuilder, tailBytes: number, host: WriterHost) {
    this.clock = clock
    this.shelf = shelf
    this.builder = builder
    this.host = host
    this.tail = new Tail(tailBytes)
    this.flushed = builder.position()
    this.handedOver = this.flushed
    shelf.onSpare = error => this.spareReady(error)
  }

  get busy(): boolean {
    return this.flight !== null || this.scheduled || !this.builder.empty
  }

  /** Records have been appended: they go with the batch after the one under way, or soon; at once where they are many. */
  schedule(): void {
    this.urgent = true
    if (this.flight !== null) return
    if (this.builder.waitingBytes >= EARLY_BYTES) this.start()
    if (this.scheduled || this.flight !== null) return
    this.scheduled = true
    this.clock.soon(this.begin)
  }

  /** The same for records that nobody waits for. */
  scheduleLate(): void {
    if (this.urgent || this.flight !== null) return
    if (this.builder.waitingBytes >= EARLY_BYTES) this.schedule()
    else this.late ??= this.clock.after(LATE_MS, this.beginLate)
  }

  /**
   * Begins at once where that only hands bytes to the disk. What can fail (another segment) has its own turn: whoever
   * appends is not told of an end of the journal before he knows what he appended.
   */
  start(): void {
    if (this.flight === null && this.shelf.hasRoom(this.builder.waitingBytes)) this.next()
  }

  /** The journal was cut back or replaced: go on after `position`. */
  rebase(position: Position): void {
    this.tail.clear()
    this.builder.rebase(position)
    this.flushed = position
    this.handedOver = position
  }

  /**
   * Writes an empty batch, which proves to the next start that everything before it was durable; false where there is
   * nothing to prove.
   */
  mark(): boolean {
    if (this.marked || this.busy || !this.shelf.hasRoom(0)) return false
    const frame = Buffer.alloc(batchSpan(0))
    const records = frame.subarray(BATCH_HEADER_BYTES, BATCH_HEADER_BYTES)
    const { flushed } = this
    const first = flushed.sequence + 1
    this.launch({ frame, view: viewOf(frame), records, first, before: flushed, last: flushed })
    return true
  }

  /** Ends all writing. The coded error is given back, for those who must throw it. */
  fail(cause: unknown, doing: string, code: 'FAILED' | 'FULL' = 'FAILED'): Error {
    const segment = this.shelf.active?.name ?? 'journal'
    const error = journalError(code, { segment, doing, cause: causeText(cause) }, cause)
    if (this.failed) return error
    this.failed = true
    this.flight = null
    this.host.failed(error)
    return error
  }

  private next(): void {
    if (this.flight !== null || this.failed) return
    const batch = this.builder.take()
    if (this.builder.empty) this.urgent = false
    if (batch === null) this.host.idle()
    else this.launch(batch)
  }

  private launch(batch: SealedBatch): void {
    const { shelf } = this
    this.flight = batch
    if (shelf.hasRoom(batch.records.length)) return this.write()
    if (!shelf.spareReady) {
      this.waitingForSpare = true
      return shelf.prepare(true)
    }
    const epochs = this.host.epochs().filter(({ sequence }) => sequence <= batch.before.sequence)
    shelf.activate(batch.before, epochs, error => {
      if (error !== null) this.fail(error, 'beginning it')
      else this.write()
    })
  }

  private spareReady(error: Error | null): void {
    const { flight, shelf } = this
    if (this.waitingForSpare && flight !== null) {
      this.waitingForSpare = false
      // Without a spare and without an error, the one that was made came too late to be used: launch asks for another.
      if (shelf.spareReady || error === null) this.launch(flight)
      else this.fail(error, 'making it', 'FULL')
    }
    if (!this.busy || this.failed) this.host.idle()
  }

  private write(): void {
    const { flight, shelf } = this
    const { active, file } = shelf
    if (flight === null || active === undefined || file === null || this.failed) return
    const { frame, view, records, first, last } = flight
    const { length } = records
    const flushedThrough = this.flushed.sequence
    encodeBatchHead(frame, view, 0, { life: active.ordinal, length, first, flushedThrough, last })
    file.writeThrough(frame, active.end, this.synced)
    this.marked = length === 0
    if (this.marked) return
    this.tail.push(flight)
    this.handedOver = last
    this.host.handed(flight)
  }

  private afterFlush(error: Error | null): void {
    const { flight, shelf } = this
    if (this.failed) return this.host.idle()
    if (error !== null || flight === null || shelf.active === undefined) {
      this.fail(error, 'writing')
      return
    }
    shelf.active.grow(flight.frame.length, flight.last)
    this.flushed = flight.last
    this.flight = null
    this.tail.trim(flight.last.sequence)
    shelf.prepare()
    // The disk first: what the others do with the news may take a while.
    if (this.urgent || this.builder.empty) this.next()
    else this.scheduleLate()
    this.host.flushed(flight)
  }
}
