// The journal of one server: records in, positions out. It puts the parts together and owns what concerns several of
// them: appending, reading back, cutting back, being replaced, closing. Whether a record is safe is decided above
// (replication); formats, files, group commit and snapshots are in modules of their own.

import { assert } from '../base/assert.ts'
import { batchSpan, SECTOR_BYTES } from './batch.ts'
import { BatchBuilder } from './batch-builder.ts'
import { BatchWriter } from './writer.ts'
import { causeText, journalError } from './errors.ts'
import { DiskReading, positionIn, recordPieces, replaySegments, segmentOf } from './reading.ts'
import { listQuarantines, putAside, putStateAside } from './quarantine.ts'
import { ORIGIN, samePosition } from './position.ts'
import { RECORD_HEADER_BYTES, RecordWalk } from './record.ts'
import { recover } from './recovery.ts'
import { scanSnapshot } from './snapshot.ts'
import { EPOCHS_KEPT, SEGMENT_HEAD_LIMIT } from './segment.ts'
import { Shelf } from './shelf.ts'
import { SnapshotInstall } from './install.ts'
import { Snapshots } from './snapshots.ts'
import type { Clock } from '../base/ports.ts'
import type { Cut } from './recovery.ts'
import type { Disk, Done } from './disk.ts'
import type { EpochStart, Position } from './position.ts'
import type { Journal, JournalLimits, QuarantineInfo, RecordBatch } from './types.ts'
import type { Chunks, RecordView } from './commit.ts'
import type { SealedBatch } from './batch-builder.ts'
import type { SnapshotInfo, SnapshotReader, SnapshotWriter } from './types.ts'

/** Above this a batch is closed and the next one begun: one flush must not take for ever. */
const BATCH_BYTES = 8 << 20
/** How many old segments are kept as spares, at most, when a snapshot makes them superfluous. */
const SPARES_LIMIT = 8

/** Recovers what lies on the disk, or refuses with JOURNAL-DAMAGED, -GAP, -VERSION or -LIMITS. */
export function openJournal(
  disk: Disk,
  clock: Clock,
  limits: JournalLimits,
  options: { readonly storeName?: string } = {},
): FileJournal {
  return new FileJournal(disk, clock, limits, options.storeName ?? 'journal')
}

export class FileJournal implements Journal {
  readonly storeName: string
  /** What was cut off at the start, for the console; null where the journal ended cleanly. */
  readonly recovered: { readonly cut: Cut | null }
  onFlushed: (position: Position) => void = () => {}
  onBatch: (batch: RecordBatch) => void = () => {}
  onFailed: (error: Error) => void = () => {}
  /** Something is wrong that does not stop the journal yet, such as a disk without room for the next segment. */
  onWarning: (error: Error) => void = () => {}
  private readonly disk: Disk
  private readonly clock: Clock
  private readonly limits: JournalLimits
  private readonly builder: BatchBuilder
  private readonly shelf: Shelf
  private readonly writer: BatchWriter
  private readonly snapshots: Snapshots
  private state: 'open' | 'closing' | 'closed' = 'open'
  private epochStarts: EpochStart[]
  private epoch: number
  private install: SnapshotInstall | null = null
  private readonly onClosed: (() => void)[] = []

  constructor(disk: Disk, clock: Clock, limits: JournalLimits, storeName: string) {
    const { segmentBytes, recordBytes, snapshotEveryBytes, tailBytes } = limits
    const largest = batchSpan(RECORD_HEADER_BYTES + recordBytes)
    const leastBytes = SEGMENT_HEAD_LIMIT + largest
    if (segmentBytes < leastBytes) throw journalError('LIMITS', { segmentBytes, recordBytes, leastBytes })
    this.disk = disk
    this.clock = clock
    this.limits = limits
    this.storeName = storeName
    const found = recover(disk)
    this.recovered = { cut: found.cut }
    this.epochStarts = found.epochs.slice(-EPOCHS_KEPT)
    this.epoch = found.last.epoch
    const room = segmentBytes - SEGMENT_HEAD_LIMIT
    const batchBytes = Math.min(BATCH_BYTES, room - (room % SECTOR_BYTES))
    // The journal goes on while a snapshot is looked for and written.
    const sparesKept = Math.min(SPARES_LIMIT, Math.ceil(snapshotEveryBytes / segmentBytes) + 2)
    const options = { segmentBytes, maxBatch: Math.max(batchBytes, largest), sparesKept }
    this.builder = new BatchBuilder(found.last, batchBytes)
    this.shelf = new Shelf(disk, clock, options, found.segments, found.nextOrdinal)
    this.shelf.onWarning = error => this.onWarning(error)
    this.writer = new BatchWriter(clock, this.shelf, this.builder, tailBytes, {
      epochs: () => this.epochStarts,
      handed: ({ records, first, last }) => this.onBatch({ bytes: records, first, last }),
      flushed: batch => this.afterFlush(batch),
      idle: () => this.closeWhenIdle(),
      failed: error => this.stop(error),
    })
    this.snapshots = new Snapshots(disk, clock, this.shelf, found, () => this.writer.flushed)
    this.confirm(found.confirmFrom, found.wipeBytes)
    for (const name of found.replaced) putStateAside(disk, name)
    for (const name of found.obsolete) disk.remove(name)
    this.shelf.prepare()
  }

  get last(): Position {
    return this.builder.position()
  }

  get flushed(): Position {
    return this.writer.flushed
  }

  get start(): Position {
    return this.shelf.segments[0]?.before ?? this.snapshots.present?.position ?? ORIGIN
  }

  get epochs(): readonly EpochStart[] {
    return this.epochStarts
  }

  get snapshot(): SnapshotInfo | null {
    return this.snapshots.present
  }

  beginEpoch(epoch: number): void {
    assert(epoch > this.epoch, 'an epoch is above all former ones')
    this.epoch = epoch
  }

  append(kind: number, head: Uint8Array, body: Uint8Array, patient = false): number {
    if (this.state !== 'open' || this.writer.failed) throw this.closedError()
    assert(this.epoch > 0, 'records are made in an epoch')
    assert(head.length + body.length <= this.limits.recordBytes, 'a record is within the limit')
    const { builder, epoch } = this
    const former = builder.epoch
    const sequence = builder.append(kind, epoch, head, body)
    if (epoch !== former) this.addEpoch({ epoch, sequence })
    if (patient) this.writer.scheduleLate()
    else this.writer.schedule()
    return sequence
  }

  laid(sequence: number, bytes: number): Uint8Array {
    return this.builder.laid(sequence, bytes)
  }

  appendBatch(bytes: Uint8Array, visit?: (record: RecordView) => void): Position {
    this.mustBeOpen()
    const { last: before, limits, builder } = this
    // An epoch that was begun here counts too, even without a record.
    const least = { ...before, epoch: Math.max(this.epoch, before.epoch) }
    const walk = new RecordWalk(bytes, 0, bytes.length, least, limits.recordBytes)
    const starts: EpochStart[] = []
    let { epoch } = before
    while (walk.step(true)) {
      if (walk.epoch === epoch) continue
      epoch = walk.epoch
      starts.push({ epoch, sequence: walk.sequence })
    }
    if (walk.fault !== null) throw journalError('BATCH', { after: walk.sequence, why: walk.fault })
    for (const start of starts) this.addEpoch(start)
    this.epoch = walk.epoch
    if (visit !== undefined || !builder.appendAll(bytes, walk)) {
      builder.appendRecords(new RecordWalk(bytes, 0, bytes.length, before), bytes.length, visit)
    }
    // They were gathered by who made them: the disk begins before anything else is done with them here.
    this.writer.start()
    this.writer.schedule()
    return builder.position()
  }

  read(from: number, maxBytes: number, done: (error: Error | null, batch: RecordBatch | null) => void): void {
    const { start, writer } = this
    if (from <= start.sequence || from > writer.handedOver.sequence) {
      const error = journalError('GONE', { sequence: from, from: start.sequence + 1, to: writer.handedOver.sequence })
      return this.clock.soon(() => done(error, null))
    }
    const batch = writer.tail.read(from, maxBytes)
    if (batch !== null) return this.clock.soon(() => done(null, batch))
    new DiskReading(this.disk, segmentOf(this.shelf.segments, from), from, maxBytes, done).start()
  }

  positionOf(sequence: number): Position | null {
    const { start, last, snapshot, writer } = this
    for (const known of [last, start, snapshot?.position]) if (known?.sequence === sequence) return known
    if (sequence < start.sequence || sequence > writer.handedOver.sequence) return null
    return writer.tail.positionOf(sequence) ?? positionIn(this.disk, segmentOf(this.shelf.segments, sequence), sequence)
  }

  replay(visit: (record: RecordView) => void, after?: number): void {
    replaySegments(this.disk, this.shelf.segments, after ?? this.snapshot?.position.sequence ?? 0, visit)
  }

  rewind(position: Position, reason: string): string | null {
    this.mustBeOpen()
    const obstacle = this.install === null ? this.obstacle() : 'a snapshot is being received'
    if (obstacle !== null) throw journalError('BUSY', { why: obstacle })
    const { last, start } = this
    if (samePosition(position, last)) return null
    const here = position.sequence > last.sequence ? null : this.positionOf(position.sequence)
    const snapshotAfter = (this.snapshot?.position.sequence ?? 0) > position.sequence
    // A snapshot that speaks of records to be cut goes too; that needs all records from the very first on.
    if (here === null || !samePosition(here, position) || (snapshotAfter && start.sequence > 0)) {
      throw journalError('GONE', { sequence: position.sequence, from: start.sequence, to: last.sequence })
    }
    this.snapshots.giveUp('the journal is cut back')
    const name = this.putAsideNow(position, reason)
    const epochs = this.epochsThrough(position)
    try {
      if (snapshotAfter) this.snapshots.remove()
      this.shelf.restartAfter(position, epochs)
    } catch (error) {
      throw this.writer.fail(error, 'cutting it back')
    }
    this.goOnAfter(position, epochs)
    return name
  }

  writeSnapshot(position: Position, chunks: Chunks, done: Done): void {
    const answer = (error: Error | null) => {
      chunks[Symbol.iterator]().return?.()
      this.clock.soon(() => done(error))
    }
    if (this.state !== 'open' || this.writer.failed) return answer(this.closedError())
    if (this.snapshots.busy || this.install !== null) {
      return answer(journalError('BUSY', { why: 'another snapshot is under way' }))
    }
    if (this.snapshot?.position.sequence === position.sequence) return answer(null)
    const here = this.positionOf(position.sequence)
    assert(here !== null && samePosition(here, position), 'a snapshot stands at a position of the journal')
    this.snapshots.write(position, this.epochsThrough(position), chunks, done)
  }

  readSnapshot(visit: (chunk: Uint8Array) => void): void {
    if (this.snapshots.present !== null) scanSnapshot(this.disk, this.snapshots.present, visit)
  }

  openSnapshot(): SnapshotReader {
    assert(this.snapshots.present !== null, 'a snapshot is read only where there is one')
    return this.snapshots.open(this.snapshots.present)
  }

  installSnapshot(info: SnapshotInfo, reason: string): SnapshotWriter {
    this.mustBeOpen()
    if (this.install !== null) throw journalError('BUSY', { why: 'another snapshot is being received' })
    this.snapshots.giveUp('the peer sends its own')
    const { last } = this
    this.install = new SnapshotInstall(this.disk, this.clock, info, reason, this.shelf.nextOrdinal, {
      obstacle: () => this.obstacle() ?? (samePosition(last, this.last) ? null : 'records were appended meanwhile'),
      putAside: why => (this.start.sequence < this.flushed.sequence ? this.asideAfter(this.start, why) : null),
      installed: (snapshot, keepFormer) => {
        this.snapshots.adopt(snapshot, keepFormer)
        this.shelf.replaceAll(snapshot.floor)
        this.goOnAfter(snapshot.position, [...snapshot.epochs])
      },
      over: () => {
        this.install = null
      },
    })
    return this.install
  }

  wantsSnapshot(stateBytes: number): boolean {
    if (this.snapshots.busy || this.install !== null || this.state !== 'open') return false
    return this.snapshots.bytesSince > Math.max(this.limits.snapshotEveryBytes, 2 * stateBytes)
  }

  quarantines(): QuarantineInfo[] {
    return listQuarantines(this.disk)
  }

  close(done: () => void): void {
    this.onClosed.push(done)
    if (this.state === 'open') this.state = 'closing'
    this.snapshots.giveUp('the journal is closing')
    this.install?.abort()
    this.closeWhenIdle()
  }

  private closeWhenIdle(): void {
    if (this.onClosed.length === 0) return
    if (this.state === 'closing') {
      const { shelf, writer } = this
      if (!writer.failed && (writer.busy || writer.mark())) return
      if (shelf.busy) return
      this.state = 'closed'
      shelf.close()
    }
    for (const done of this.onClosed.splice(0)) this.clock.soon(done)
  }

  private afterFlush({ frame, records, last }: SealedBatch): void {
    if (records.length > 0) this.onFlushed(last)
    this.snapshots.advance(frame.length)
  }

  private stop(error: Error): void {
    this.snapshots.giveUp('the journal has failed')
    this.install?.abort()
    this.onFailed(error)
    this.closeWhenIdle()
  }

  /**
   * Makes what was recovered durable: a killed process leaves batches that were written but never flushed, and after a
   * failed flush the kernel holds pages that it believes clean. So the last batch is written again, then flushed.
   */
  private confirm(from: number, wipeBytes: number): void {
    const { active, file } = this.shelf
    if (active === undefined || file === null) return
    try {
      file.writeSync(file.readSync(from, active.end - from), from)
      if (wipeBytes > 0) file.writeSync(Buffer.alloc(wipeBytes), active.end)
      file.flushSync()
    } catch (cause) {
      throw journalError('FAILED', { segment: active.name, doing: 'opening it', cause: causeText(cause) }, cause)
    }
  }

  private addEpoch(start: EpochStart): void {
    this.epochStarts = [...this.epochStarts, start].slice(-EPOCHS_KEPT)
  }

  private epochsThrough(position: Position): EpochStart[] {
    return this.epochStarts.filter(({ sequence }) => sequence <= position.sequence)
  }

  private asideAfter(before: Position, reason: string): Generator<void, string> {
    const pieces = recordPieces(this.disk, this.shelf.segments, before.sequence)
    return putAside(this.disk, { before, last: this.flushed, reason, wallMs: this.clock.wall(), pieces })
  }

  private putAsideNow(position: Position, reason: string): string {
    try {
      const steps = this.asideAfter(position, reason)
      let step = steps.next()
      while (step.done !== true) step = steps.next()
      return step.value
    } catch (error) {
      throw journalError('ASIDE', { sequence: position.sequence, cause: causeText(error) }, error)
    }
  }

  private goOnAfter(position: Position, epochs: EpochStart[]): void {
    this.writer.rebase(position)
    this.epochStarts = epochs
    this.epoch = position.epoch
    this.shelf.prepare()
  }

  private obstacle(): string | null {
    return this.writer.busy ? 'records are being written' : null
  }

  private mustBeOpen(): void {
    if (this.state !== 'open' || this.writer.failed) throw this.closedError()
  }

  private closedError(): Error {
    return journalError('CLOSED', { why: this.writer.failed ? 'a write failed' : 'it is closing' })
  }
}
