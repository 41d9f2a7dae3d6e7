// What the other floors know of the journal. The file format is described in segment.ts and record.ts.

import type { EpochStart, Position } from './position.ts'
import type { Chunks, RecordView } from './commit.ts'

export interface JournalLimits {
  /** Size of one segment file, allocated ahead. */
  readonly segmentBytes: number
  /** Largest body of one record. */
  readonly recordBytes: number
  /** Bytes of the newest records kept in memory for the shipper, so that it need not read what was just written. */
  readonly tailBytes: number
  /** Bytes in segments before the newest snapshot's position that are worth a new snapshot (times the state's size). */
  readonly snapshotEveryBytes: number
}

/** Records as they lie in a segment, one after another: the same bytes on both servers' disks and on the wire. */
export interface RecordBatch {
  readonly bytes: Uint8Array
  /** Sequence of the first record in `bytes`. */
  readonly first: number
  /** Position of the last one. */
  readonly last: Position
}

export interface SnapshotInfo {
  readonly position: Position
  readonly epochs: readonly EpochStart[]
  readonly bytes: number
}

export interface Journal {
  /** The last record appended, not necessarily durable. */
  readonly last: Position
  /** The last record known to be durable here. */
  readonly flushed: Position
  /** Everything up to this position is only in the snapshot; reading starts after it. */
  readonly start: Position
  /** First sequences of all epochs since the beginning, oldest first (segments and snapshot together). */
  readonly epochs: readonly EpochStart[]
  readonly snapshot: SnapshotInfo | null

  /** From now on records are made in this epoch, which is above all former ones. */
  beginEpoch(epoch: number): void
  /** Makes one record and returns its sequence; it is written with the batch under way. See CommitLog.append. */
  append(kind: number, head: Uint8Array, body: Uint8Array, patient?: boolean): number
  /** See CommitLog.laid. */
  laid(sequence: number, bytes: number): Uint8Array
  /**
   * Follower: appends records made elsewhere, as they are. Checks checksums, sequences and that epochs do not fall;
   * throws JOURNAL-BATCH with nothing appended where one is wrong. Returns the position of the last record. `visit`, if
   * given, gets each record, with its body viewing `bytes`.
   */
  appendBatch(bytes: Uint8Array, visit?: (record: RecordView) => void): Position
  /** Called after each flush with the new durable position. */
  onFlushed: (position: Position) => void
  /** Called when a batch has been handed to the disk, for shipping: the batch's bytes must not be changed. */
  onBatch: (batch: RecordBatch) => void
  /** Called once when a write or flush failed: nothing is appended any more, the server must stop. */
  onFailed: (error: Error) => void

  /**
   * Reads records from `from` on, at most `maxBytes` but at least one record, from memory or disk, not beyond what was
   * handed to the disk. Error JOURNAL-GONE where `from` is not above `start`. An empty batch cannot happen: ask only for
   * what is there (from <= last.sequence handed over).
   */
  read(from: number, maxBytes: number, done: (error: Error | null, batch: RecordBatch | null) => void): void
  /** Position of a record that is still there, or of `start`, or null. Reads the disk at once: not on a message's way. */
  positionOf(sequence: number): Position | null
  /** At start: hands every durable record after the snapshot (or after `after`) to `visit`, in order, at once. */
  replay(visit: (record: RecordView) => void, after?: number): void

  /**
   * Moves all records after `position` into a quarantine file and cuts them off, durably. Nothing may be under way
   * (waits for no flush: call it on a follower that has stopped appending; throws JOURNAL-BUSY otherwise).
   * Returns the quarantine's name, or null where there was nothing after `position`.
   */
  rewind(position: Position, reason: string): string | null

  /** Writes a snapshot of the state at `position` (chunk by chunk, in the background), then drops segments before it. */
  writeSnapshot(position: Position, chunks: Chunks, done: (error: Error | null) => void): void
  /** The newest snapshot's chunks as they were written, read at once (start) ... */
  readSnapshot(visit: (chunk: Uint8Array) => void): void
  /**
   * ... or chunk by chunk (shipping); `null` ends it. A newer snapshot does not disturb a reading under way, and the
   * records after the one being read stay until the reader is closed.
   */
  openSnapshot(): SnapshotReader
  /** Follower: receives a snapshot that replaces everything here. Quarantines the old records first. */
  installSnapshot(info: SnapshotInfo, reason: string): SnapshotWriter

  /** True where enough lies before a possible new snapshot to make it worth writing. `stateBytes`: size of the state. */
  wantsSnapshot(stateBytes: number): boolean
  quarantines(): QuarantineInfo[]
  /** Waits for what is under way, then closes the files. */
  close(done: () => void): void
}

export interface SnapshotReader {
  readonly info: SnapshotInfo
  next(done: (error: Error | null, chunk: Uint8Array | null) => void): void
  close(): void
}

export interface SnapshotWriter {
  write(chunk: Uint8Array, done: (error: Error | null) => void): void
  /** Makes the snapshot the journal's beginning, durably: afterwards last = flushed = start = its position. */
  finish(done: (error: Error | null) => void): void
  abort(): void
}

export interface QuarantineInfo {
  readonly name: string
  readonly from: number
  readonly to: number
  readonly records: number
  readonly bytes: number
  readonly reason: string
  /** Wall clock when it was put aside, for display. */
  readonly wallMs: number
}
