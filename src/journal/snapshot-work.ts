// Snapshot work in the background: pulling the state chunk by chunk, one per turn, into a snapshot of this server's own;
// receiving the peer's; and reading one for the peer. What follows when one is complete is the journal's business.

import { ChunkWindow, encodeSnapshotHead, SnapshotFile } from './snapshot.ts'
import { causeText, journalError } from './errors.ts'
import type { Clock } from '../base/ports.ts'
import type { Chunks, Wait } from './commit.ts'
import type { Disk, DiskFile, Done } from './disk.ts'
import type { SnapshotOnDisk } from './snapshot.ts'
import type { EpochStart, Position } from './position.ts'
import type { SnapshotInfo, SnapshotReader } from './types.ts'

/** Writes one snapshot. `complete` is called when it is sealed, and publishes it; `done` when all is over. */
export class SnapshotWork {
  readonly position: Position
  readonly file: SnapshotFile
  private readonly clock: Clock
  private readonly chunks: Iterator<Uint8Array | Wait>
  private readonly complete: (work: SnapshotWork) => void
  private readonly done: Done
  private over = false
  private readonly pull = () => this.next()

  constructor(
    disk: Disk,
    clock: Clock,
    info: { position: Position; epochs: readonly EpochStart[]; floor: number },
    chunks: Chunks,
    complete: (work: SnapshotWork) => void,
    done: Done,
  ) {
    this.clock = clock
    this.position = info.position
    this.chunks = chunks[Symbol.iterator]()
    this.complete = complete
    this.done = done
    this.file = new SnapshotFile(disk, 'temp-snapshot', encodeSnapshotHead(info.position, info.epochs, info.floor))
    clock.soon(this.pull)
  }

  /** Ends it; with an error, what was written goes. */
  finish(error: Error | null): void {
    if (this.over) return
    this.over = true
    if (error !== null) {
      this.chunks.return?.()
      try {
        this.file.discard()
      } catch {
        // The temporary file is removed at the next start.
      }
    }
    this.done(error)
  }

  private next(): void {
    if (this.over) return
    try {
      const { value, done } = this.chunks.next()
      if (done === true) this.file.seal(error => this.sealed(error))
      else if (typeof value === 'function') value(() => this.clock.soon(this.pull))
      else this.file.write(value, error => this.written(error))
    } catch (error) {
      this.fail(error)
      throw error
    }
  }

  private written(error: Error | null): void {
    if (this.over) return
    if (error !== null) this.fail(error)
    else this.clock.soon(this.pull)
  }

  private sealed(error: Error | null): void {
    if (this.over) return
    if (error !== null) this.fail(error)
    else this.complete(this)
  }

  private fail(error: unknown): void {
    this.finish(journalError('SNAPSHOT', { cause: causeText(error) }, error))
  }
}

/** Chunk by chunk, for the shipper. */
export class SnapshotReading implements SnapshotReader {
  readonly info: SnapshotInfo
  readonly name: string
  private readonly file: DiskFile
  private readonly window: ChunkWindow
  private readonly clock: Clock
  private readonly closed: (reading: SnapshotReading) => void
  private open = true
  private ended = false

  constructor(disk: Disk, clock: Clock, snapshot: SnapshotOnDisk, closed: (reading: SnapshotReading) => void) {
    this.info = { position: snapshot.position, epochs: snapshot.epochs, bytes: snapshot.bytes }
    this.name = snapshot.name
    this.file = disk.open(snapshot.name)
    this.window = new ChunkWindow(snapshot)
    this.clock = clock
    this.closed = closed
  }

  next(done: (error: Error | null, chunk: Uint8Array | null) => void): void {
    if (!this.open) {
      return this.clock.soon(() => done(journalError('CLOSED', { why: 'the reading was ended' }), null))
    }
    // Never answered within the call: whoever asks for the next chunk in the answer would pile up calls.
    if (this.ended) return this.clock.soon(() => done(null, null))
    try {
      const lacking = this.window.lacking()
      if (lacking > 0) {
        this.file.read(this.window.offset, lacking, (error, bytes) => {
          if (error !== null) return done(error, null)
          try {
            this.window.fill(bytes)
          } catch (fault) {
            return done(fault as Error, null)
          }
          this.next(done)
        })
        return
      }
      const chunk = this.window.take()
      this.ended = chunk === null
      this.clock.soon(() => done(null, chunk))
    } catch (error) {
      this.clock.soon(() => done(error as Error, null))
    }
  }

  close(): void {
    if (!this.open) return
    this.open = false
    this.file.close()
    this.closed(this)
  }
}
