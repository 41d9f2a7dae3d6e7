// The snapshot that a journal has, the one it is writing, and those who read one: when a new one counts, and what may go
// then. The file format is in snapshot.ts, the work in the background in snapshot-work.ts.

import { causeText, journalError } from './errors.ts'
import { putStateAside } from './quarantine.ts'
import { snapshotName } from './snapshot.ts'
import { SnapshotReading, SnapshotWork } from './snapshot-work.ts'
import type { Clock } from '../base/ports.ts'
import type { Chunks } from './commit.ts'
import type { Disk, Done } from './disk.ts'
import type { EpochStart, Position } from './position.ts'
import type { Shelf } from './shelf.ts'
import type { SnapshotOnDisk } from './snapshot.ts'
import type { SnapshotReader } from './types.ts'

interface Writing {
  readonly work: SnapshotWork
  readonly epochs: readonly EpochStart[]
  /** Bytes that lay in segments after the former snapshot when this one was begun. */
  readonly bytesBefore: number
  sealed: boolean
}

export class Snapshots {
  present: SnapshotOnDisk | null
  /** Bytes written to segments after the snapshot. */
  bytesSince: number
  private readonly disk: Disk
  private readonly clock: Clock
  private readonly shelf: Shelf
  private readonly flushed: () => Position
  private writing: Writing | null = null
  private readonly readings = new Set<SnapshotReading>()

  constructor(
    disk: Disk,
    clock: Clock,
    shelf: Shelf,
    found: { readonly snapshot: SnapshotOnDisk | null; readonly sinceSnapshot: number },
    flushed: () => Position,
  ) {
    this.disk = disk
    this.clock = clock
    this.shelf = shelf
    this.present = found.snapshot
    this.bytesSince = found.sinceSnapshot
    this.flushed = flushed
  }

  get busy(): boolean {
    return this.writing !== null
  }

  write(position: Position, epochs: readonly EpochStart[], chunks: Chunks, done: Done): void {
    const info = { position, epochs, floor: this.present?.floor ?? 0 }
    const ended: Done = error => {
      this.writing = null
      done(error)
    }
    try {
      const work = new SnapshotWork(this.disk, this.clock, info, chunks, () => this.sealed(), ended)
      this.writing = { work, epochs, bytesBefore: this.bytesSince, sealed: false }
    } catch (error) {
      chunks[Symbol.iterator]().return?.()
      this.clock.soon(() => done(journalError('SNAPSHOT', { cause: causeText(error) }, error)))
    }
  }

  /** More has become durable: a follower's state may be ahead of its disk, and its snapshot waits for the disk. */
  advance(bytes: number): void {
    this.bytesSince += bytes
    if (this.writing?.sealed === true) this.sealed()
  }

  giveUp(why: string): void {
    this.writing?.work.finish(journalError('CLOSED', { why }))
  }

  open(snapshot: SnapshotOnDisk): SnapshotReader {
    const reading = new SnapshotReading(this.disk, this.clock, snapshot, ended => {
      this.readings.delete(ended)
      this.leave(ended.name)
      this.dropOld()
    })
    this.readings.add(reading)
    return reading
  }

  /** The journal was cut back before the snapshot: its state is no longer the journal's. */
  remove(): void {
    if (this.present !== null) this.disk.remove(this.present.name)
    this.present = null
  }

  /** The peer's snapshot counts. The state of the former copy is put aside where the peer's does not contain it. */
  adopt(snapshot: SnapshotOnDisk, keepFormer: boolean): void {
    const former = this.present
    this.present = snapshot
    this.bytesSince = 0
    if (former === null || former.name === snapshot.name) return
    if (keepFormer) putStateAside(this.disk, former.name)
    else this.leave(former.name)
  }

  private sealed(): void {
    const { writing, present: former } = this
    if (writing === null) return
    const { work, epochs, bytesBefore } = writing
    const { position, file } = work
    writing.sealed = true
    if (this.flushed().sequence < position.sequence) return
    const name = snapshotName(position.sequence)
    try {
      file.publish(name)
    } catch (error) {
      return work.finish(journalError('SNAPSHOT', { cause: causeText(error) }, error))
    }
    const { bytes, headBytes } = file
    this.present = { name, position, epochs, bytes, floor: former?.floor ?? 0, headBytes }
    this.bytesSince -= bytesBefore
    if (former !== null) this.leave(former.name)
    this.dropOld()
    work.finish(null)
  }

  private leave(name: string): void {
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
}
