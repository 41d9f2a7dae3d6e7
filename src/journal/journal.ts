// The journal of one server: records in, one write and one flush for all that arrived meanwhile, positions out. It owns
// the order of things: what is appended, handed to the disk, durable, snapshotted, dropped, cut back or replaced. Formats
// and files are in the modules it puts together; whether a record is safe is decided above (replication).

import { assert } from '../base/assert.ts'
import { BATCH_HEADER_BYTES, batchSpan, encodeBatchHead, SECTOR_BYTES } from './batch.ts'
import { BatchBuilder } from './batch-builder.ts'
import { causeText, journalError } from './errors.ts'
import { DiskReading, positionIn, recordPieces, replaySegments, segmentOf } from './reading.ts'
import { listQuarantines, putAside, putStateAside } from './quarantine.ts'
import { ORIGIN, samePosition } from './position.ts'
import { RECORD_HEADER_BYTES, RecordWalk, viewOf } from './record.ts'
import { recover } from './recovery.ts'
import { scanSnapshot, snapshotName } from './snapshot.ts'
import { EPOCHS_KEPT, SEGMENT_HEAD_LIMIT } from './segment.ts'
import { Shelf } from './shelf.ts'
import { SnapshotInstall } from './install.ts'
import { SnapshotReading, SnapshotWork } from './snapshot-work.ts'
import { Tail } from './tail.ts'
import type { Clock } from '../base/ports.ts'
import type { Disk, Done } from './disk.ts'
import type { EpochStart, Position } from './position.ts'
import type { Journal, JournalLimits, QuarantineInfo, RecordBatch, SnapshotInfo, SnapshotReader } from './types.ts'
import type { Cut } from './recovery.ts'
import type { SealedBatch } from './batch-builder.ts'
import type { SnapshotOnDisk } from './snapshot.ts'
import type { RecordView } from './commit.ts'
import type { SnapshotWriter } from './types.ts'

/** Above this a batch is closed and the next one begun: one flush must not take for ever. */
const BATCH_BYTES = 8 << 20
const SPARES_LIMIT = 8

type State = 'open' | 'closing' | 'closed' | 'failed'

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
  flushed: Position
  private readonly disk: Disk
  private readonly clock: Clock
  private readonly limits: JournalLimits
  private readonly builder: BatchBuilder
  private readonly tail: Tail
  private readonly shelf: Shelf
  private state: State = 'open'
  private handedOver: Position
  private epochStarts: EpochStart[]
  private epoch: number
  private present: SnapshotOnDisk | null
  private sinceSnapshot: number
  private work: SnapshotWork | null = null
  private workSealed = false
  private install: SnapshotInstall | null = null
  private readonly readings = new Set<SnapshotReading>()
  /** The batch being written or flushed; one at a time. */
  private flight: SealedBatch | null = null
  private scheduled = false
  private waitingForSpare = false
  private marked = false
  private readonly onClosed: (() => void)[] = []
  private readonly begin = () => this.beginBatch()
  private readonly written: Done = error => this.afterWrite(error)
  private readonly synced: Done = error => this.afterFlush(error)

  constructor(disk: Disk, clock: Clock, limits: JournalLimits, storeName: string) {
    const { segmentBytes, recordBytes, snapshotEveryBytes } = limits
    const largest = batchSpan(RECORD_HEADER_BYTES + recordBytes)
    const leastBytes = SEGMENT_HEAD_LIMIT + largest
    if (segmentBytes < leastBytes) throw journalError('LIMITS', { segmentBytes, recordBytes, leastBytes })
    this.disk = disk
    this.clock = clock
    this.limits = limits
    this.storeName = storeName
    const found = recover(disk)
    this.recovered = { cut: found.cut }
    this.present = found.snapshot
    this.sinceSnapshot = found.sinceSnapshot
    this.epochStarts = found.epochs.slice(-EPOCHS_KEPT)
    this.epoch = found.last.epoch
    this.flushed = found.last
    this.handedOver = found.last
    const room = segmentBytes - SEGMENT_HEAD_LIMIT
    const batchBytes = Math.min(BATCH_BYTES, room - (room % SECTOR_BYTES))
    this.builder = new BatchBuilder(found.last, batchBytes)
    this.tail = new Tail(limits.tailBytes)
    const sparesKept = Math.min(SPARES_LIMIT, Math.ceil(snapshotEveryBytes / segmentBytes))
    const options = { segmentBytes, maxBatch: Math.max(batchBytes, largest), sparesKept }
    this.shelf = new Shelf(disk, clock, options, found.segments, found.nextOrdinal)
    this.shelf.onWarning = error => this.onWarning(error)
    this.shelf.onSpare = error => this.spareReady(error)
    this.confirm(found.confirmFrom, found.wipeBytes)
    for (const name of found.replaced) putStateAside(disk, name)
    for (const name of found.obsolete) disk.remove(name)
    this.shelf.prepare()
  }

  get last(): Position {
    return this.builder.position()
  }

  get start(): Position {
    return this.shelf.segments[0]?.before ?? this.present?.position ?? ORIGIN
  }

  get epochs(): readonly EpochStart[] {
    return this.epochStarts
  }

  get snapshot(): SnapshotInfo | null {
    return this.present
  }

  /** Bytes of records that are not durable yet: whoever makes records watches it. */
  get unflushedBytes(): number {
    return this.builder.waitingBytes + (this.flight?.records.length ?? 0)
  }

  /** Bytes of the segments in use, for the status. */
  get diskBytes(): number {
    return this.shelf.bytesInUse
  }

  beginEpoch(epoch: number): void {
    assert(epoch > this.epoch, 'an epoch is above all former ones')
    this.epoch = epoch
  }

  append(kind: number, head: Uint8Array, body: Uint8Array): number {
    if (this.state !== 'open') throw this.closedError()
    assert(this.epoch > 0, 'records are made in an epoch')
    assert(head.length + body.length <= this.limits.recordBytes, 'a record is within the limit')
    const { builder, epoch } = this
    const former = builder.epoch
    const sequence = builder.append(kind, epoch, head, body)
    if (epoch !== former) this.addEpoch(epoch, sequence)
    if (!this.scheduled) this.schedule()
    return sequence
  }

  appendBatch(bytes: Uint8Array, visit: (record: RecordView) => void): Position {
    if (this.state !== 'open') throw this.closedError()
    const before = this.last
    const floor = this.epoch > before.epoch ? { ...before, epoch: this.epoch } : before
    const walk = new RecordWalk(bytes, 0, bytes.length, floor, this.limits.recordBytes)
    const starts: EpochStart[] = []
    let { epoch } = before
    while (walk.step(true)) {
      if (walk.epoch !== epoch) starts.push({ epoch: (epoch = walk.epoch), sequence: walk.sequence })
    }
    if (walk.fault !== null) throw journalError('BATCH', { after: walk.sequence, why: walk.fault })
    for (const start of starts) this.addEpoch(start.epoch, start.sequence)
    this.epoch = Math.max(this.epoch, walk.epoch)
    this.builder.appendRecords(new RecordWalk(bytes, 0, bytes.length, before), bytes.length, visit)
    if (!this.scheduled) this.schedule()
    return this.last
  }

  read(from: number, maxBytes: number, done: (error: Error | null, batch: RecordBatch | null) => void): void {
    const { start } = this
    if (from <= start.sequence || from > this.handedOver.sequence) {
      const error = journalError('GONE', { sequence: from, from: start.sequence + 1, to: this.handedOver.sequence })
      return this.clock.soon(() => done(error, null))
    }
    const batch = this.tail.read(from, maxBytes)
    if (batch !== null) return this.clock.soon(() => done(null, batch))
    new DiskReading(this.disk, segmentOf(this.shelf.segments, from), from, maxBytes, done).start()
  }

  positionOf(sequence: number): Position | null {
    const { start, last } = this
    if (sequence === last.sequence) return last
    if (sequence === start.sequence) return start
    if (sequence === this.present?.position.sequence) return this.present.position
    if (sequence < start.sequence || sequence > this.handedOver.sequence) return null
    return this.tail.positionOf(sequence) ?? positionIn(this.disk, segmentOf(this.shelf.segments, sequence), sequence)
  }

  replay(visit: (record: RecordView) => void, after?: number): void {
    replaySegments(this.disk, this.shelf.segments, after ?? this.present?.position.sequence ?? 0, visit)
  }

  rewind(position: Position, reason: string): string | null {
    if (this.state !== 'open') throw this.closedError()
    this.mustBeIdle()
    const { last, start } = this
    if (samePosition(position, last)) return null
    const here = position.sequence > last.sequence ? null : this.positionOf(position.sequence)
    const snapshotAfter = this.present !== null && this.present.position.sequence > position.sequence
    // A snapshot that speaks of records to be cut goes too; without the records from the very first on, nothing is left.
    if (here === null || !samePosition(here, position) || (snapshotAfter && start.sequence > 0)) {
      throw journalError('GONE', { sequence: position.sequence, from: start.sequence, to: last.sequence })
    }
    this.giveUpSnapshot('the journal is cut back')
    let name: string
    try {
      const steps = this.asideAfter(position, reason)
      let step = steps.next()
      while (step.done !== true) step = steps.next()
      name = step.value
    } catch (error) {
      throw journalError('ASIDE', { sequence: position.sequence, cause: causeText(error) }, error)
    }
    if (snapshotAfter) {
      this.disk.remove(this.present?.name as string)
      this.present = null
    }
    const epochs = this.epochStarts.filter(({ sequence }) => sequence <= position.sequence)
    try {
      this.shelf.restartAfter(position, epochs)
    } catch (error) {
      throw this.fail(error, 'cutting it back')
    }
    this.goOnAfter(position, epochs)
    return name
  }

  writeSnapshot(position: Position, chunks: Iterable<Uint8Array>, done: Done): void {
    const refuse = (error: Error) => this.clock.soon(() => done(error))
    if (this.state !== 'open') return refuse(this.closedError())
    if (this.work !== null || this.install !== null) return refuse(busy('another snapshot is under way'))
    if (this.present?.position.sequence === position.sequence) return this.clock.soon(() => done(null))
    const here = this.positionOf(position.sequence)
    assert(here !== null && samePosition(here, position), 'a snapshot stands at a position of the journal')
    const epochs = this.epochStarts.filter(({ sequence }) => sequence <= position.sequence)
    const info = { position, epochs, floor: this.present?.floor ?? 0 }
    const sinceBefore = this.sinceSnapshot
    const complete = () => this.publishSnapshot(epochs, sinceBefore)
    const ended: Done = error => {
      this.work = null
      done(error)
    }
    try {
      this.workSealed = false
      this.work = new SnapshotWork(this.disk, this.clock, info, chunks, complete, ended)
    } catch (error) {
      refuse(journalError('SNAPSHOT', { cause: causeText(error) }, error))
    }
  }

  readSnapshot(visit: (chunk: Uint8Array) => void): void {
    if (this.present !== null) scanSnapshot(this.disk, this.present, visit)
  }

  openSnapshot(): SnapshotReader {
    assert(this.present !== null, 'a snapshot is read only where there is one')
    const reading = new SnapshotReading(this.disk, this.clock, this.present, ended => {
      this.readings.delete(ended)
      if (this.state === 'closed') return
      this.leaveSnapshot(ended.name)
      this.dropOld()
    })
    this.readings.add(reading)
    return reading
  }

  installSnapshot(info: SnapshotInfo, reason: string): SnapshotWriter {
    if (this.state !== 'open') throw this.closedError()
    if (this.install !== null) throw busy('another installation is under way')
    this.giveUpSnapshot('the peer sends its own')
    const floor = this.shelf.nextOrdinal
    this.install = new SnapshotInstall(this.disk, this.clock, info, reason, floor, {
      obstacle: least =>
        this.obstacle() ?? ((this.shelf.active?.ordinal ?? 0) < least ? null : 'records were appended'),
      putAside: why => (this.start.sequence < this.flushed.sequence ? this.asideAfter(this.start, why) : null),
      installed: (snapshot, keepState) => this.beginAnew(snapshot, keepState),
      over: () => {
        this.install = null
      },
    })
    return this.install
  }

  wantsSnapshot(stateBytes: number): boolean {
    if (this.work !== null || this.install !== null || this.state !== 'open') return false
    return this.sinceSnapshot > Math.max(this.limits.snapshotEveryBytes, 2 * stateBytes)
  }

  quarantines(): QuarantineInfo[] {
    return listQuarantines(this.disk)
  }

  close(done: () => void): void {
    if (this.state === 'closed') return this.clock.soon(done)
    this.onClosed.push(done)
    if (this.state === 'open') this.state = 'closing'
    this.giveUpSnapshot('the journal is closing')
    this.install?.abort()
    this.closeWhenIdle()
  }

  private schedule(): void {
    if (this.flight !== null) return
    this.scheduled = true
    this.clock.soon(this.begin)
  }

  private beginBatch(): void {
    this.scheduled = false
    if (this.flight !== null || this.state === 'failed' || this.state === 'closed') return
    const batch = this.builder.take()
    if (batch !== null) this.launch(batch)
    else if (this.state === 'closing') this.closeWhenIdle()
  }

  private launch(batch: SealedBatch): void {
    this.flight = batch
    if (this.shelf.hasRoom(batch.records.length)) return this.writeBatch()
    if (!this.shelf.spareReady) {
      this.waitingForSpare = true
      return this.shelf.prepare()
    }
    const epochs = this.epochStarts.filter(({ sequence }) => sequence <= batch.before.sequence)
    this.shelf.activate(batch.before, epochs, error => {
      if (error !== null) this.fail(error, 'beginning it')
      else this.writeBatch()
    })
  }

  private spareReady(error: Error | null): void {
    if (this.waitingForSpare && this.flight !== null && (this.shelf.spareReady || error !== null)) {
      this.waitingForSpare = false
      if (this.shelf.spareReady) this.launch(this.flight)
      else this.fail(error, 'making it', 'FULL')
    }
    if (this.state !== 'open') this.closeWhenIdle()
  }

  private writeBatch(): void {
    const { flight, shelf } = this
    const { active, file } = shelf
    if (flight === null || active === undefined || file === null || this.state === 'failed') return
    const { frame, view, records, first, last } = flight
    const { length } = records
    const flushedThrough = this.flushed.sequence
    encodeBatchHead(frame, view, 0, { life: active.ordinal, length, first, flushedThrough, last })
    file.write(frame, active.end, this.written)
    this.marked = length === 0
    if (this.marked) return
    this.tail.push(flight)
    this.handedOver = last
    this.onBatch({ bytes: records, first, last })
  }

  private afterWrite(error: Error | null): void {
    if (this.state === 'failed') return this.closeWhenIdle()
    if (error !== null || this.shelf.file === null) this.fail(error, 'writing')
    else this.shelf.file.flush(this.synced)
  }

  private afterFlush(error: Error | null): void {
    if (this.state === 'failed') return this.closeWhenIdle()
    const { flight, shelf } = this
    if (error !== null || flight === null || shelf.active === undefined) {
      this.fail(error, 'flushing')
      return
    }
    shelf.active.grow(flight.frame.length, flight.last)
    this.sinceSnapshot += flight.frame.length
    this.flushed = flight.last
    this.flight = null
    this.tail.trim(flight.last.sequence)
    shelf.prepare()
    // The disk first: what follows may take a while.
    this.beginBatch()
    if (flight.records.length > 0) this.onFlushed(flight.last)
    if (this.workSealed) this.publishSnapshot(null, 0)
  }

  /** Nothing is known about what was not flushed, and trying again would not change that: the server must stop. */
  private fail(cause: unknown, doing: string, code: 'FAILED' | 'FULL' = 'FAILED'): Error {
    const segment = this.shelf.active?.name ?? 'journal'
    const error = journalError(code, { segment, doing, cause: causeText(cause) }, cause)
    if (this.state === 'failed' || this.state === 'closed') return error
    this.state = 'failed'
    this.flight = null
    this.giveUpSnapshot('the journal has failed')
    this.install?.abort()
    this.onFailed(error)
    this.closeWhenIdle()
    return error
  }

  private closeWhenIdle(): void {
    if (this.onClosed.length === 0 || this.state === 'open' || this.state === 'closed') return
    if (this.state === 'closing') {
      if (this.flight !== null || this.scheduled) return
      if (!this.builder.empty) return this.beginBatch()
      if (!this.marked && this.shelf.hasRoom(0)) return this.launch(this.mark())
    }
    if (this.shelf.busy) return
    this.state = 'closed'
    this.shelf.close()
    for (const done of this.onClosed.splice(0)) this.clock.soon(done)
  }

  /** An empty batch: it proves to the next start that everything before it was durable. */
  private mark(): SealedBatch {
    const frame = Buffer.alloc(batchSpan(0))
    const records = frame.subarray(BATCH_HEADER_BYTES, BATCH_HEADER_BYTES)
    const { flushed } = this
    return { frame, view: viewOf(frame), records, first: flushed.sequence + 1, before: flushed, last: flushed }
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

  private addEpoch(epoch: number, sequence: number): void {
    this.epochStarts = [...this.epochStarts, { epoch, sequence }].slice(-EPOCHS_KEPT)
  }

  private asideAfter(before: Position, reason: string): Generator<void, string> {
    const pieces = recordPieces(this.disk, this.shelf.segments, before.sequence)
    return putAside(this.disk, { before, last: this.flushed, reason, wallMs: this.clock.wall(), pieces })
  }

  private publishSnapshot(epochs: readonly EpochStart[] | null, sinceBefore: number): void {
    const { work } = this
    if (work === null) return
    this.sealedEpochs = epochs ?? this.sealedEpochs
    if (epochs !== null) this.sealedSince = sinceBefore
    // A follower's state may be ahead of its disk; the snapshot must not.
    this.workSealed = this.flushed.sequence < work.position.sequence
    if (this.workSealed) return
    const former = this.present
    const { position, file } = work
    const name = snapshotName(position.sequence)
    try {
      file.publish(name)
    } catch (error) {
      return work.finish(journalError('SNAPSHOT', { cause: causeText(error) }, error))
    }
    const headBytes = file.headBytes
    this.present = {
      name,
      position,
      epochs: this.sealedEpochs,
      bytes: file.bytes,
      floor: former?.floor ?? 0,
      headBytes,
    }
    this.sinceSnapshot -= this.sealedSince
    if (former !== null) this.leaveSnapshot(former.name)
    this.dropOld()
    work.finish(null)
  }

  private sealedEpochs: readonly EpochStart[] = []
  private sealedSince = 0

  private giveUpSnapshot(why: string): void {
    this.workSealed = false
    this.work?.finish(journalError('CLOSED', { why }))
  }

  private leaveSnapshot(name: string): void {
    if (name === this.present?.name) return
    for (const reading of this.readings) if (reading.name === name) return
    this.shelf.leave(name, null)
  }

  /** Segments before the snapshot go, except what follows a snapshot that is being read: its reader needs them next. */
  private dropOld(): void {
    if (this.present === null) return
    let through = this.present.position.sequence
    for (const { info } of this.readings) through = Math.min(through, info.position.sequence)
    this.shelf.dropThrough(through)
  }

  private beginAnew(snapshot: SnapshotOnDisk, keepState: boolean): void {
    const former = this.present
    this.present = snapshot
    if (former !== null && former.name !== snapshot.name) {
      if (keepState) putStateAside(this.disk, former.name)
      else this.leaveSnapshot(former.name)
    }
    this.sinceSnapshot = 0
    this.shelf.replaceAll(snapshot.floor)
    this.goOnAfter(snapshot.position, [...snapshot.epochs])
  }

  private goOnAfter(position: Position, epochs: EpochStart[]): void {
    this.tail.clear()
    this.builder.rebase(position)
    this.flushed = position
    this.handedOver = position
    this.epochStarts = epochs
    this.epoch = position.epoch
    this.shelf.prepare()
  }

  private obstacle(): string | null {
    if (this.state !== 'open') return 'it is closed'
    return this.flight !== null || !this.builder.empty ? 'records are being written' : null
  }

  private mustBeIdle(): void {
    const why = this.obstacle()
    if (why !== null) throw busy(why)
    if (this.install !== null) throw busy('a snapshot is being received')
  }

  private closedError(): Error {
    return journalError('CLOSED', { why: this.state === 'failed' ? 'a write failed' : 'it is closing' })
  }
}

const busy = (why: string): Error => journalError('BUSY', { why })
