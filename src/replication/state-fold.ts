// How far the sink's state (the broker's) is folded over this server's journal, while it follows and when it takes over.
// Records that are safe are applied from memory where they are still there, else read back from the journal; never beyond
// what is safe and durable here. Receives nothing from the peer itself (receiver.ts does).

import { assert } from '../base/assert.ts'
import { CodedError } from '../base/errors.ts'
import type { Clock } from '../base/ports.ts'
import type { RecordSink } from '../journal/commit.ts'
import { RecordWalk } from '../journal/record.ts'
import type { RecordBatch } from '../journal/types.ts'
import type { JournalTaps } from './journal-taps.ts'
import type { ReplicationLimits } from './limits.ts'

export interface StateFoldParts {
  readonly taps: JournalTaps
  readonly sink: RecordSink
  readonly clock: Clock
  readonly limits: ReplicationLimits
  /** The journal could not be read, or a record does not fold: the state is to be built anew. */
  readonly onFailed: (error: Error) => void
}

interface Kept {
  readonly first: number
  readonly last: number
  /** Stands at the first record that is not applied. */
  readonly walk: RecordWalk
}

export class StateFold {
  readonly #parts: StateFoldParts
  #applied = 0
  /** The state is not the fold of the first `#applied` records; it must be built anew from the journal. */
  #stale = true
  #target = 0
  #kept: Kept[] = []
  #keptBytes = 0
  /** A disk read or a later turn will call #run. */
  #waiting = false
  #running = false
  /** Grows when what is under way has lost its meaning. */
  #era = 0
  #whenDone: ((applied: number) => void) | null = null

  constructor(parts: StateFoldParts) {
    this.#parts = parts
    parts.taps.onFlushed(() => {
      if (this.#whenDone) this.#adopt()
    })
  }

  /** The state is the fold of all records up to this one; -1 while it is none (to be built anew). */
  get applied(): number {
    return this.#stale ? -1 : this.#applied
  }

  /** Bytes of received records held in memory. */
  get keptBytes(): number {
    return this.#keptBytes
  }

  /** The state was brought to `applied` by others: by this server's own reign, or by a snapshot restored. */
  is(applied: number): void {
    this.halt()
    this.#stale = false
    this.#applied = applied
    this.#target = applied
  }

  /** The state means nothing any more. */
  spoil(): void {
    this.halt()
    this.#stale = true
  }

  /** Builds the state anew from the journal's snapshot, at once; the records after it follow by `advance`. */
  rebuild(): void {
    const { sink, taps } = this.#parts
    this.spoil()
    sink.reset()
    if (taps.journal.snapshot !== null) {
      taps.journal.readSnapshot(chunk => sink.restore(chunk))
      sink.restored()
    }
    this.is(taps.journal.snapshot?.position.sequence ?? 0)
  }

  /** Stops applying, also an adoption under way; the state stays as it is. */
  pause(): void {
    this.#era += 1
    this.#waiting = false
    this.#target = this.#applied
    this.#whenDone = null
  }

  /** The same, and forgets what is kept in memory: the journal was cut. */
  halt(): void {
    this.pause()
    this.#kept = []
    this.#keptBytes = 0
  }

  /** These records, first to last, are in the journal now. Kept in memory if there is room; not copied. */
  received(first: number, last: number, bytes: Uint8Array): void {
    if (this.#keptBytes + bytes.length > this.#parts.limits.unappliedBytes) return
    this.#kept.push({ first, last, walk: walkOver(bytes, first) })
    this.#keptBytes += bytes.length
  }

  /** Everything up to `sequence` is safe and durable here. */
  advance(sequence: number): void {
    if (this.#stale || sequence <= this.#target) return
    this.#target = sequence
    this.#run()
  }

  /**
   * Take-over: applies everything that the journal holds, once it is flushed, then calls `done`. Nothing may be appended
   * meanwhile.
   */
  adoptAll(done: (applied: number) => void): void {
    if (this.#stale) this.rebuild()
    this.#whenDone = done
    this.#adopt()
  }

  #adopt(): void {
    const { journal } = this.#parts.taps
    this.#target = Math.max(this.#target, journal.flushed.sequence)
    this.#run()
  }

  #run(): void {
    if (this.#waiting || this.#running) return
    this.#running = true
    let isThere = false
    try {
      isThere = this.#step()
    } catch (error) {
      this.#doesNotFold(error)
    } finally {
      this.#running = false
    }
    const done = this.#whenDone
    if (!isThere || done === null || this.#applied !== this.#parts.taps.journal.last.sequence) return
    this.#whenDone = null
    done(this.#applied)
  }

  /** About one chunk per turn, so that a long backlog does not hold up pings and confirmations. True at the target. */
  #step(): boolean {
    const { clock, limits } = this.#parts
    let left = limits.chunkBytes
    while (this.#applied < this.#target) {
      if (left <= 0) {
        this.#later(resume => clock.soon(resume))
        return false
      }
      const [kept] = this.#kept
      if (kept === undefined || kept.first > this.#applied + 1) {
        this.#readBack()
        return false
      }
      left -= this.#apply(kept.walk)
      this.#dropApplied()
    }
    return true
  }

  /** Applies what is safe of these records and returns how many bytes that was. */
  #apply(walk: RecordWalk): number {
    const { sink } = this.#parts
    const from = walk.at
    while (walk.sequence < this.#target && walk.step(false)) {
      if (walk.sequence <= this.#applied) continue
      assert(walk.sequence === this.#applied + 1, 'records are applied without gaps')
      sink.apply(walk.record())
      this.#applied = walk.sequence
    }
    assert(walk.fault === null, 'records that the journal has checked are sound')
    return walk.at - from
  }

  #dropApplied(): void {
    let gone = 0
    for (; gone < this.#kept.length; gone += 1) {
      const kept = this.#kept[gone] as Kept
      if (kept.last > this.#applied) break
      this.#keptBytes -= kept.walk.bytes.length
    }
    if (gone > 0) this.#kept.splice(0, gone)
  }

  #readBack(): void {
    const { limits, taps } = this.#parts
    this.#later(resume => {
      taps.journal.read(this.#applied + 1, limits.chunkBytes, (error, batch) => resume(error, batch))
    })
  }

  /** Starts something that ends in a later turn (or at once), and goes on in a later turn unless halted meanwhile. */
  #later(start: (resume: (error?: Error | null, batch?: RecordBatch | null) => void) => void): void {
    const era = this.#era
    this.#waiting = true
    start((error, batch) => {
      if (this.#running) this.#parts.clock.soon(() => this.#resume(era, error, batch))
      else this.#resume(era, error, batch)
    })
  }

  #resume(era: number, error?: Error | null, batch?: RecordBatch | null): void {
    if (era !== this.#era) return
    this.#waiting = false
    try {
      if (error) return this.#readFailed(error)
      if (batch) {
        this.#apply(walkOver(batch.bytes, batch.first))
        this.#dropApplied()
      }
    } catch (fault) {
      return this.#doesNotFold(fault)
    }
    this.#run()
  }

  /** The walk stands behind a record that the sink did not take, or took in part: what it has now is the fold of nothing. */
  #doesNotFold(error: unknown): void {
    if (!(error instanceof CodedError)) throw error
    this.spoil()
    this.#parts.onFailed(error)
  }

  #readFailed(error: Error): void {
    const adopting = this.#whenDone
    if (error instanceof CodedError && error.code === 'JOURNAL-GONE') {
      // A snapshot was made of a later state than ours: start from it.
      const target = this.#target
      this.rebuild()
      if (adopting) this.adoptAll(adopting)
      else this.advance(target)
      return
    }
    this.#parts.onFailed(error)
  }
}

const walkOver = (bytes: Uint8Array, first: number): RecordWalk =>
  new RecordWalk(bytes, 0, bytes.length, { epoch: 0, sequence: first - 1, digest: 0 })
