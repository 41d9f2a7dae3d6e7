// All bounds of replication in one place, with their units. The profile may lower them; nothing here is a duration that
// safety leans on (those are in commit-rule.ts).

const MiB = 1024 * 1024

export interface ReplicationLimits {
  /** Shipper: bytes of records sent and not confirmed. Beyond it nothing is sent; it is read again from the journal. */
  readonly windowBytes: number
  /** Shipper: the same in batches: bounds the ring of batch ends that confirmations are compared with. */
  readonly windowBatches: number
  /** Largest piece read from the journal at once while a follower catches up, and largest RECORDS frame but for one record. */
  readonly chunkBytes: number
  /** Bytes of a snapshot sent and not yet written by the follower. */
  readonly snapshotWindowBytes: number
  /** A follower that confirms nothing for so long, with something under way, is dropped. */
  readonly silenceMs: number
  /** The same while the follower makes a received snapshot its own. */
  readonly settleMs: number
  /** Commit gate: bytes appended and not yet safe, before appends are refused. */
  readonly uncommittedBytes: number
  /** Commit gate: records made known as safe in one turn of the event loop; the lease is asked again after them. */
  readonly commitRecords: number
  /** Receiver: bytes received and not flushed, before the sender is found to ignore its window. */
  readonly unflushedBytes: number
  /** Receiver: received records kept in memory until they are safe; beyond it they are read back from the journal. */
  readonly unappliedBytes: number
}

export const DEFAULT_LIMITS: ReplicationLimits = {
  windowBytes: 16 * MiB,
  windowBatches: 4096,
  chunkBytes: MiB,
  snapshotWindowBytes: 4 * MiB,
  silenceMs: 3000,
  settleMs: 30_000,
  uncommittedBytes: 64 * MiB,
  commitRecords: 8192,
  unflushedBytes: 64 * MiB,
  unappliedBytes: 32 * MiB,
}
