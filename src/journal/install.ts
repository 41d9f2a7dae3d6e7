// A snapshot received from the peer, which replaces everything here. Until its file gets its name nothing has changed;
// from then on the old segments are void, whether or not they have been removed yet (recovery.ts, rule 1).

import { assert } from '../base/assert.ts'
import { causeText, journalError } from './errors.ts'
import { encodeSnapshotHead, SnapshotFile, snapshotName } from './snapshot.ts'
import type { Clock } from '../base/ports.ts'
import type { Disk, Done } from './disk.ts'
import type { SnapshotInfo, SnapshotWriter } from './types.ts'
import type { SnapshotOnDisk } from './snapshot.ts'

/** What the journal does for an installation. */
export interface InstallHost {
  /** Why it cannot happen now, or null. */
  obstacle(): string | null
  /** Puts the old records aside, step by step; null where there is nothing to put aside. */
  putAside(reason: string): Iterator<void> | null
  /** The snapshot counts: begin anew after it. */
  installed(snapshot: SnapshotOnDisk, keepState: boolean): void
  /** It is over, one way or the other. */
  over(): void
}

export class SnapshotInstall implements SnapshotWriter {
  private readonly info: SnapshotInfo
  private readonly reason: string
  private readonly floor: number
  private readonly clock: Clock
  private readonly host: InstallHost
  private readonly file: SnapshotFile
  private readonly headBytes: number
  private state: 'open' | 'finishing' | 'over' = 'open'

  constructor(disk: Disk, clock: Clock, info: SnapshotInfo, reason: string, floor: number, host: InstallHost) {
    this.info = info
    this.reason = reason
    this.floor = floor
    this.clock = clock
    this.host = host
    const head = encodeSnapshotHead(info.position, info.epochs, floor)
    this.headBytes = head.length
    try {
      this.file = new SnapshotFile(disk, 'temp-install', head)
    } catch (error) {
      throw journalError('SNAPSHOT', { cause: causeText(error) }, error)
    }
  }

  write(chunk: Uint8Array, done: Done): void {
    assert(this.state !== 'finishing', 'no chunk comes after the end')
    if (this.state === 'over') return done(journalError('CLOSED', { why: 'the installation was given up' }))
    this.file.write(chunk, error => {
      if (error === null) return done(null)
      this.abort()
      done(journalError('SNAPSHOT', { cause: causeText(error) }, error))
    })
  }

  finish(done: Done): void {
    if (this.state !== 'open') return done(journalError('CLOSED', { why: 'the installation was given up' }))
    this.state = 'finishing'
    this.file.seal(error => {
      if (this.state === 'over') return done(journalError('CLOSED', { why: 'the installation was given up' }))
      if (error !== null) return this.refuse(journalError('SNAPSHOT', { cause: causeText(error) }, error), done)
      this.attempt(done, () => this.aside(this.reason === '' ? null : this.host.putAside(this.reason), done))
    })
  }

  abort(): void {
    if (this.state === 'over') return
    this.state = 'over'
    try {
      this.file.discard()
    } catch {
      // The temporary file is removed at the next start.
    }
    this.host.over()
  }

  private aside(steps: Iterator<void> | null, done: Done): void {
    if (this.state === 'over') return done(journalError('CLOSED', { why: 'the installation was given up' }))
    // One piece per turn: an old journal may be large, and the peer's pings want an answer meanwhile.
    if (steps !== null && steps.next().done !== true) {
      return this.clock.soon(() => this.attempt(done, () => this.aside(steps, done)))
    }
    const why = this.host.obstacle()
    if (why !== null) throw journalError('BUSY', { why })
    const { position, epochs } = this.info
    const name = snapshotName(position.sequence)
    this.file.publish(name)
    this.state = 'over'
    const { bytes } = this.file
    const snapshot = { name, position, epochs, bytes, floor: this.floor, headBytes: this.headBytes }
    this.host.installed(snapshot, this.reason !== '')
    this.host.over()
    done(null)
  }

  private attempt(done: Done, step: () => void): void {
    try {
      step()
    } catch (error) {
      // Once it counts, an error is no longer one of the installation.
      if (this.state === 'over') throw error
      const { sequence } = this.info.position
      const coded = error instanceof Error && 'code' in error && String(error.code).startsWith('JOURNAL-')
      this.refuse(coded ? (error as Error) : journalError('ASIDE', { sequence, cause: causeText(error) }, error), done)
    }
  }

  private refuse(error: Error, done: Done): void {
    this.abort()
    done(error)
  }
}
