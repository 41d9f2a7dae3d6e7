// The active side's commit log: the broker appends through it, and is told what is safe, as soon as the commit rule says so
// and only while this server may serve at that very moment. Holds no records; ships nothing (shipper.ts does).

import { assert } from '../base/assert.ts'
import type { Clock } from '../base/ports.ts'
import type { CommitLog } from '../journal/commit.ts'
import type { Position } from '../journal/position.ts'
import type { RecordBatch } from '../journal/types.ts'
import { commitPoint, mayServe } from './commit-rule.ts'
import type { CommitMode, ServingGrounds } from './commit-rule.ts'
import { replicationError } from './errors.ts'
import type { JournalTaps } from './journal-taps.ts'
import type { ReplicationLimits } from './limits.ts'

export interface CommitGateParts {
  readonly taps: JournalTaps
  /** Whose records these are. */
  readonly sink: { committed(sequence: number): void }
  readonly clock: Clock
  readonly limits: ReplicationLimits
  /** Kept up to date by the conductor; read at every commit. The gate owns its `mode` and `epoch`. */
  readonly grounds: ServingGrounds
  /** The commit point has grown: the shipper carries it to the follower. `judgedAt`: when this server still had the right. */
  readonly onCommitted: (sequence: number, judgedAt: number) => void
}

/** What a record takes beyond its head and body, roughly; for counting the backlog only. */
const RECORD_OVERHEAD = 32

/**
 * One for the life of a server. A reign begins frozen: `beginReign`, then the EPOCH record through `append`, then
 * `setMode` as the LockFile's records allow:
 * - 'alone' only after the record that lists this server alone is durably there (not when it is merely asked for);
 * - from 'alone' to 'joining' before JOIN_PREPARE is sent; from there to 'both' when the record listing both is there;
 * - from 'joining' back to 'alone' only while no such record was asked for whose outcome is unknown.
 */
export class CommitGate implements CommitLog {
  readonly #parts: CommitGateParts
  #reigning = false
  #committed = 0
  #ownFlushed = 0
  #peerConfirmed = 0
  #advancing = false
  #continues = false
  /** Bytes appended ever, and how many of them are in records that are safe. */
  #appendedBytes = 0
  #safeBytes = 0
  /** Ends of batches that are not safe yet: sequence, and #appendedBytes up to there. */
  #ends: { sequence: number; bytes: number }[] = []

  constructor(parts: CommitGateParts) {
    this.#parts = parts
    parts.taps.onFlushed(position => this.#flushed(position))
    parts.taps.onBatch(batch => this.#batch(batch))
  }

  /** Everything up to this sequence was made known as safe. */
  get committed(): number {
    return this.#committed
  }

  get mode(): CommitMode {
    return this.#parts.grounds.mode
  }

  /** Bytes appended and not safe yet (to the precision of a batch). */
  get uncommittedBytes(): number {
    return this.#appendedBytes - this.#safeBytes
  }

  /** False where `append` would be refused: who reads from clients should stop reading. */
  get room(): boolean {
    return this.#reigning && this.uncommittedBytes < this.#parts.limits.uncommittedBytes
  }

  /** See CommitLog. Also throws REPLICATION-BACKLOG and REPLICATION-NOT-ACTIVE, which are refusals for the client. */
  append(kind: number, head: Uint8Array, body: Uint8Array, patient = false): number {
    if (!this.#reigning) throw replicationError('NOT-ACTIVE')
    const { limits, taps } = this.#parts
    if (this.uncommittedBytes >= limits.uncommittedBytes) {
      throw replicationError('BACKLOG', { limit: limits.uncommittedBytes })
    }
    const bytes = head.length + body.length + RECORD_OVERHEAD
    // Counted first: the journal may hand the batch over before it returns.
    this.#appendedBytes += bytes
    try {
      return taps.journal.append(kind, head, body, patient)
    } catch (error) {
      this.#appendedBytes -= bytes
      throw error
    }
  }

  laid(sequence: number, bytes: number): Uint8Array {
    return this.#parts.taps.journal.laid(sequence, bytes)
  }

  mayServe(): boolean {
    const { clock, grounds } = this.#parts
    return mayServe(clock.now(), clock.wall(), grounds)
  }

  /**
   * This server begins to act in `epoch`, frozen, with its state folded up to `applied` (the journal's last record: what
   * lies there counts from now on). Nobody's confirmations are known.
   */
  beginReign(epoch: number, applied: number): void {
    const { grounds, taps } = this.#parts
    assert(grounds.mode === 'frozen' && !this.#reigning, 'a reign begins frozen, after the former one has ended')
    assert(applied === taps.journal.last.sequence, 'a reign begins with the state folded up to the last record')
    grounds.epoch = epoch
    this.#reigning = true
    this.#committed = applied
    this.#ownFlushed = taps.journal.flushed.sequence
    this.#peerConfirmed = 0
    this.#appendedBytes = 0
    this.#safeBytes = 0
    this.#ends = []
  }

  /**
   * The reign is over: frozen, appends refused. `pending`: the journal holds records that the sink made and was never
   * told to be safe, so its state must be folded anew before it can follow (StateFold.afterReign).
   */
  endReign(): { committed: number; pending: boolean } {
    const { grounds, taps } = this.#parts
    grounds.mode = 'frozen'
    grounds.epoch = 0
    this.#reigning = false
    return { committed: this.#committed, pending: taps.journal.last.sequence > this.#committed }
  }

  setMode(mode: CommitMode): void {
    assert(this.#reigning || mode === 'frozen', 'only a reigning server commits')
    this.#parts.grounds.mode = mode
    this.#advance()
  }

  /** The follower of this reign has everything up to `sequence`, durably and with our digest (Shipper.onConfirmed). */
  peerConfirmed(sequence: number): void {
    if (sequence <= this.#peerConfirmed) return
    this.#peerConfirmed = sequence
    this.#advance()
  }

  /** The follower is gone: what it confirmed says nothing about who comes next. */
  peerLost(): void {
    this.#peerConfirmed = 0
  }

  /** The grounds for serving have changed for the better: commits that were held back go on. */
  poke(): void {
    this.#advance()
  }

  #flushed(position: Position): void {
    if (!this.#reigning) return
    this.#ownFlushed = position.sequence
    this.#advance()
  }

  #batch(batch: RecordBatch): void {
    if (this.#reigning) this.#ends.push({ sequence: batch.last.sequence, bytes: this.#appendedBytes })
  }

  /** Not called again from inside: what the sink appends or the follower confirms meanwhile is seen by the loop. */
  #advance(): void {
    if (this.#advancing || this.#continues) return
    this.#advancing = true
    try {
      this.#step()
    } finally {
      this.#advancing = false
    }
  }

  #step(): void {
    const { clock, grounds, limits, sink, onCommitted } = this.#parts
    let left = limits.commitRecords
    for (;;) {
      const point = commitPoint(grounds.mode, this.#ownFlushed, this.#peerConfirmed, this.#committed)
      const judgedAt = clock.now()
      if (point === this.#committed || !this.mayServe()) return
      if (left === 0) {
        this.#continues = true
        clock.soon(() => {
          this.#continues = false
          this.#advance()
        })
        return
      }
      const through = Math.min(point, this.#committed + left)
      left -= through - this.#committed
      this.#committed = through
      this.#releaseBacklog()
      sink.committed(through)
      onCommitted(through, judgedAt)
    }
  }

  #releaseBacklog(): void {
    let safe = 0
    for (; safe < this.#ends.length; safe += 1) {
      const end = this.#ends[safe] as { sequence: number; bytes: number }
      if (end.sequence > this.#committed) break
      this.#safeBytes = end.bytes
    }
    if (safe > 0) this.#ends.splice(0, safe)
  }
}
