// The passive side: follows one active server. Checks that it may be followed, cuts back or replaces the journal, appends
// what comes, confirms what is flushed, and lets the state follow up to what the active has told to be safe. Decides no
// role and takes no lock; snapshots are taken in by snapshot-intake.ts.

import { CodedError } from '../base/errors.ts'
import { comparePositions, samePosition, showPosition } from '../journal/position.ts'
import type { Position } from '../journal/position.ts'
import { RecordWalk } from '../journal/record.ts'
import { replicationError } from './errors.ts'
import type { Frame, FrameFields } from './frames.ts'
import type { ReceiverParts } from './parts.ts'
import { SnapshotIntake } from './snapshot-intake.ts'
import { StateFold } from './state-fold.ts'

type Begin = FrameFields['SYNC_BEGIN']

/** idle: follows nobody. settling: waits for its own flushes before it cuts. */
type Phase = 'idle' | 'settling' | 'snapshot' | 'records'

/**
 * One for the life of a server. `receive` takes the frames of the active; `stop` when the channel broke or the role
 * changed; `adoptAll` after a won take-over; `afterReign` when this server's own reign has ended.
 */
export class Receiver {
  readonly #parts: ReceiverParts
  readonly #fold: StateFold
  #phase: Phase = 'idle'
  #epoch = 0
  #begin: Begin | null = null
  #intake: SnapshotIntake | null = null
  /** Ends of received batches that are not flushed yet, oldest first: only such ends are confirmed. */
  #ends: { position: Position; bytes: number }[] = []
  #unflushedBytes = 0
  #lastEnd: Position | null = null
  #committed = 0
  /** A position that somebody waits for: JOIN_PREPARE or a handover. */
  #awaited: { position: Position; done: () => void } | null = null

  constructor(parts: ReceiverParts) {
    this.#parts = parts
    this.#fold = new StateFold({ ...parts, onFailed: error => this.#fail(error) })
    parts.taps.onFlushed(() => this.#flushed())
  }

  /** The epoch that this server follows now (SYNC_READY was sent in it); 0 for none. What a PONG says. */
  get following(): number {
    return this.#phase === 'idle' || this.#phase === 'settling' ? 0 : this.#epoch
  }

  /** The state is folded up to here; -1 while it must be built anew. */
  get applied(): number {
    return this.#fold.applied
  }

  /** Safe according to the active. A follower may write a snapshot of its state only where `applied <= committed`. */
  get committed(): number {
    return this.#committed
  }

  /** Bytes held for records received: not flushed yet, and not applied yet. */
  get unflushedBytes(): number {
    return this.#unflushedBytes
  }

  get unappliedBytes(): number {
    return this.#fold.keptBytes
  }

  /** Takes a frame of the active server; false where it is none of replication's. */
  receive(frame: Frame): boolean {
    switch (frame.name) {
      case 'SYNC_BEGIN':
        this.#guard(() => this.#beginFollowing(frame))
        return true
      case 'SNAPSHOT_CHUNK':
        if (this.#expects('snapshot', frame)) this.#guard(() => this.#intake?.chunk(frame.bytes))
        return true
      case 'SNAPSHOT_END':
        if (this.#expects('snapshot', frame)) this.#guard(() => this.#intake?.end(frame))
        return true
      case 'RECORDS':
        if (this.#expects('records', frame)) this.#guard(() => this.#records(frame))
        return true
      case 'JOIN_PREPARE':
        if (this.#expects('records', frame)) this.#guard(() => this.#prepare(frame.position))
        return true
      case 'JOINED':
        if (this.#expects('records', frame)) this.#guard(() => this.#joined(frame.recordSeq))
        return true
      default:
        return false
    }
  }

  /** The active tells (also by PING) that everything up to `sequence` is safe. */
  told(sequence: number): void {
    if (this.#phase !== 'records' || sequence <= this.#committed) return
    this.#committed = sequence
    this.#advance()
  }

  /**
   * Calls `done` when exactly `position` is the last thing received and is flushed here (a handover). Fails as
   * REPLICATION-DIVERGED where what was received ends elsewhere.
   */
  reach(position: Position, done: () => void): void {
    this.#guard(() => this.#await(position, done))
  }

  /** Follows nobody any more. What was received stays in the journal. */
  stop(): void {
    this.#phase = 'idle'
    this.#epoch = 0
    this.#begin = null
    this.#ends = []
    this.#unflushedBytes = 0
    this.#lastEnd = null
    this.#awaited = null
    if (this.#intake) {
      this.#intake.abort()
      this.#intake = null
      this.#fold.spoil()
    }
    this.#fold.pause()
  }

  /**
   * The take-over is won (or the server starts alone): everything in the journal counts from now on. Applies the rest,
   * once it is flushed, then calls `done`; the caller begins its reign there. Refused while the copy is not whole.
   */
  adoptAll(done: (applied: number) => void): void {
    this.stop()
    if (this.#parts.store.dirty) throw replicationError('NOT-WHOLE')
    this.#fold.adoptAll(done)
  }

  /** This server's own reign is over (see CommitGate.endReign). */
  afterReign(end: { readonly committed: number; readonly pending: boolean }): void {
    this.#committed = end.committed
    if (end.pending) this.#fold.spoil()
    else this.#fold.is(end.committed)
  }

  #expects(phase: Phase, frame: { readonly name: string; readonly epoch: number }): boolean {
    // Frames that were under way when this server stopped following are no fault of the peer.
    if (this.#phase === 'idle') return false
    if (frame.epoch !== this.#epoch) {
      this.#fail(replicationError('OLD-EPOCH', { theirs: frame.epoch, ours: this.#epoch }))
      return false
    }
    if (this.#phase !== phase) {
      this.#fail(replicationError('PROTOCOL', { frame: frame.name, detail: `while ${this.#phase}` }))
      return false
    }
    return true
  }

  #beginFollowing(begin: Begin): void {
    const { store, taps } = this.#parts
    this.stop()
    this.#epoch = begin.epoch
    this.#phase = 'settling'
    if (store.pairId !== '' && begin.pairId !== store.pairId) {
      throw replicationError('FOREIGN-PAIR', { theirs: begin.pairId, ours: store.pairId })
    }
    if (begin.recordSeq < store.mk) {
      throw replicationError('STALE-LEADER', { theirs: begin.recordSeq, ours: store.mk })
    }
    const newest = taps.journal.epochs.at(-1)?.epoch ?? 0
    if (begin.epoch < newest || begin.epoch > begin.recordSeq) {
      throw replicationError('OLD-EPOCH', { theirs: begin.epoch, ours: newest })
    }
    store.belongTo(begin.pairId)
    store.knew(begin.recordSeq)
    this.#begin = begin
    this.#settle()
  }

  /** The journal is only cut or replaced when nothing of ours is under way to the disk. */
  #settle(): void {
    const { clock, send, taps } = this.#parts
    const begin = this.#begin
    if (begin === null || taps.journal.flushed.sequence < taps.journal.last.sequence) return
    try {
      if (begin.how === 'tail') this.#followTail(begin)
      else this.#followSnapshot(begin)
    } catch (error) {
      const code = error instanceof CodedError ? error.code : ''
      if (code === 'JOURNAL-BUSY') {
        clock.after(BUSY_MS, () => {
          if (this.#begin === begin) this.#guard(() => this.#settle())
        })
      } else if (code === 'JOURNAL-GONE') {
        // Our snapshot speaks of what is to be cut: the leader offers its own instead.
        this.stop()
        const { message } = replicationError('GONE', { from: begin.common.sequence + 1 })
        send({ name: 'SYNC_REFUSED', epoch: begin.epoch, code: 'REPLICATION-GONE', text: message })
      } else throw error
    }
  }

  #followTail(begin: Begin): void {
    const { listed, onQuarantined, store, taps } = this.#parts
    const { journal } = taps
    const { common } = begin
    const ours = common.sequence <= journal.last.sequence ? journal.positionOf(common.sequence) : null
    if (ours === null || !samePosition(ours, common)) {
      throw replicationError('DIVERGED', {
        position: showPosition(common),
        detail:
          ours === null ? 'not there' : `here ${showPosition(ours)} with digest ${ours.digest}, there ${common.digest}`,
      })
    }
    if (listed() && common.sequence < this.#committed) {
      const detail = `this copy is listed and was told that everything up to ${this.#committed} is safe`
      throw replicationError('DIVERGED', { position: showPosition(common), detail })
    }
    if (journal.last.sequence > common.sequence) {
      // A listed copy stays eligible: what it has beyond the common position was never acknowledged.
      if (!listed()) store.setDirty(true)
      if (this.#fold.applied > common.sequence) this.#fold.spoil()
      else this.#fold.halt()
      const name = journal.rewind(common, `epoch ${begin.epoch} goes on from ${showPosition(common)}`)
      if (name !== null) onQuarantined(name)
    }
    if (this.#fold.applied < 0) this.#fold.rebuild()
    this.#follow(common, Math.min(this.#committed, common.sequence))
    this.#ready(begin)
  }

  #followSnapshot(begin: Begin): void {
    const { listed, onQuarantined, send, sink, store, taps } = this.#parts
    if (listed()) throw replicationError('LISTED')
    store.setDirty(true)
    this.#fold.spoil()
    sink.reset()
    const info = { position: begin.common, epochs: begin.epochs, bytes: begin.bytes }
    const had = new Set(taps.journal.quarantines().map(quarantine => quarantine.name))
    const writer = taps.journal.installSnapshot(info, `epoch ${begin.epoch} sends a snapshot`)
    this.#phase = 'snapshot'
    this.#intake = new SnapshotIntake({
      info,
      writer,
      sink,
      limits: this.#parts.limits,
      onWritten: received => send({ name: 'SNAPSHOT_MORE', epoch: begin.epoch, received }),
      onDone: () => {
        this.#intake = null
        for (const { name } of taps.journal.quarantines()) if (!had.has(name)) onQuarantined(name)
        this.#fold.is(begin.common.sequence)
        this.#follow(begin.common, begin.common.sequence)
        this.#confirm(begin.common)
      },
      onFailed: error => this.#fail(error),
    })
    this.#ready(begin)
  }

  #follow(from: Position, committed: number): void {
    this.#phase = 'records'
    this.#lastEnd = from
    this.#committed = committed
    this.#advance()
  }

  #ready(begin: Begin): void {
    this.#begin = null
    this.#parts.send({ name: 'SYNC_READY', epoch: begin.epoch, from: begin.common })
    this.#parts.onFollowing(begin.epoch)
  }

  #records(frame: FrameFields['RECORDS']): void {
    const { limits, taps } = this.#parts
    const expected = taps.journal.last.sequence + 1
    if (frame.first > expected) throw replicationError('GAP', { first: frame.first, expected })
    const bytes = frame.first < expected ? after(frame.bytes, frame.first, expected) : frame.bytes
    if (bytes.length > 0) {
      if (this.#unflushedBytes + bytes.length > limits.unflushedBytes && this.#ends.length > 0) {
        throw replicationError('FLOOD', { limit: limits.unflushedBytes })
      }
      const end = taps.journal.appendBatch(bytes)
      if (end.epoch > frame.epoch) {
        throw replicationError('PROTOCOL', { frame: 'RECORDS', detail: `records of the later epoch ${end.epoch}` })
      }
      this.#lastEnd = end
      this.#ends.push({ position: end, bytes: bytes.length })
      this.#unflushedBytes += bytes.length
      this.#fold.received(expected, end.sequence, bytes)
    }
    this.told(frame.committed)
    // A disk that flushes at once has called before the end was known.
    this.#flushed()
  }

  #flushed(): void {
    if (this.#phase === 'settling') {
      this.#guard(() => this.#settle())
      return
    }
    if (this.#phase !== 'records') return
    const flushed = this.#parts.taps.journal.flushed.sequence
    let durable: Position | null = null
    let count = 0
    for (; count < this.#ends.length; count += 1) {
      const end = this.#ends[count] as { position: Position; bytes: number }
      if (end.position.sequence > flushed) break
      durable = end.position
      this.#unflushedBytes -= end.bytes
    }
    if (count > 0) this.#ends.splice(0, count)
    if (durable !== null) this.#confirm(durable)
    this.#advance()
    this.#look()
  }

  #confirm(position: Position): void {
    this.#parts.send({ name: 'CONFIRM', epoch: this.#epoch, position })
  }

  #advance(): void {
    if (this.#phase !== 'records') return
    this.#fold.advance(Math.min(this.#committed, this.#parts.taps.journal.flushed.sequence))
  }

  #prepare(position: Position): void {
    const epoch = this.#epoch
    this.#await(position, () => {
      // Whole from here on: everything the active had when it asked is here, and it acknowledges nothing without us.
      this.#parts.store.setDirty(false)
      this.#parts.send({ name: 'JOIN_PREPARED', epoch, position })
    })
  }

  #await(position: Position, done: () => void): void {
    const last = this.#lastEnd
    if (this.#phase !== 'records' || last === null) {
      throw replicationError('PROTOCOL', { frame: 'a position to reach', detail: `while ${this.#phase}` })
    }
    if (!samePosition(last, position)) {
      const detail = `there ${position.digest}, here ${showPosition(last)} with digest ${last.digest}`
      throw replicationError('DIVERGED', { position: showPosition(position), detail })
    }
    this.#awaited = { position, done }
    this.#look()
  }

  #look(): void {
    const awaited = this.#awaited
    if (awaited === null || comparePositions(this.#parts.taps.journal.flushed, awaited.position) < 0) return
    this.#awaited = null
    this.#guard(awaited.done)
  }

  #joined(recordSeq: number): void {
    const { onJoined, store } = this.#parts
    if (store.dirty) throw replicationError('PROTOCOL', { frame: 'JOINED', detail: 'this copy is not whole' })
    store.knew(recordSeq)
    onJoined(recordSeq)
  }

  /** Coded errors end the following; our own broken promises go up. */
  #guard(act: () => void): void {
    try {
      act()
    } catch (error) {
      if (!(error instanceof CodedError)) throw error
      this.#fail(error)
    }
  }

  #fail(error: Error): void {
    const refused = this.#phase === 'settling'
    const epoch = this.#epoch
    this.stop()
    if (refused && error instanceof CodedError) {
      this.#parts.send({ name: 'SYNC_REFUSED', epoch, code: error.code, text: error.message })
    }
    this.#parts.onFailed(error)
  }
}

/** After so long the journal is asked again whether it can be cut now. */
const BUSY_MS = 5

/** What of these records begins at `expected`; the ones before are here already. */
function after(bytes: Uint8Array, first: number, expected: number): Uint8Array {
  const walk = new RecordWalk(bytes, 0, bytes.length, { epoch: 0, sequence: first - 1, digest: 0 })
  while (walk.sequence < expected - 1 && walk.step(false));
  if (walk.fault !== null) throw replicationError('PROTOCOL', { frame: 'RECORDS', detail: walk.fault })
  return bytes.subarray(walk.at)
}
