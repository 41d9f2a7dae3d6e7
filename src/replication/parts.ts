// What shipper and receiver are put together from, and whom they tell. The conductor gives it.

import type { Clock } from '../base/ports.ts'
import type { RecordSink } from '../journal/commit.ts'
import type { Position } from '../journal/position.ts'
import type { Frame } from './frames.ts'
import type { JournalTaps } from './journal-taps.ts'
import type { ReplicationLimits } from './limits.ts'
import type { SyncPlan } from './negotiation.ts'
import type { StoreState } from './store-state.ts'

export interface ShipperParts {
  readonly taps: JournalTaps
  readonly send: (frame: Frame) => void
  readonly clock: Clock
  readonly limits: ReplicationLimits
  /** This reign, the newest LockFile record known, and the pair: all told to the follower. */
  readonly epoch: number
  readonly recordSeq: number
  readonly pairId: string
  /** What findCommon says of both journals. A follower that the LockFile lists is never offered a snapshot: go solo first. */
  readonly plan: SyncPlan
  /** The commit point now; later ones through `committed`. */
  readonly committed: number
  /** Makes sure that the journal has a snapshot to ship. */
  readonly makeSnapshot: (done: (error: Error | null) => void) => void
  /** The follower has everything up to here, durably, with our digest (CommitGate.peerConfirmed). */
  readonly onConfirmed: (position: Position) => void
  /** JOIN_PREPARED: the follower's copy is whole, and reaches at least to the commit point given to `prepareJoin`. */
  readonly onPrepared: (position: Position) => void
  /**
   * Shipping has ended: REPLICATION-STALLED (silent follower), -DIVERGED, -PROTOCOL, -GONE (begin again, by snapshot),
   * the follower's own refusal, or a fault of our journal. The channel should be dropped. Called once, not after `stop`.
   */
  readonly onFailed: (error: Error) => void
}

export interface Lag {
  readonly records: number
  /** Exact for what is under way; what was not sent yet is judged by the mean size of records so far. */
  readonly bytes: number
}

export interface ReceiverParts {
  readonly taps: JournalTaps
  readonly sink: RecordSink
  readonly send: (frame: Frame) => void
  readonly clock: Clock
  readonly limits: ReplicationLimits
  readonly store: StoreState
  /** Does the newest LockFile record that this server knows list its store as in sync? */
  readonly listed: () => boolean
  /** SYNC_READY was sent: this server follows that epoch now. */
  readonly onFollowing: (epoch: number) => void
  /** Records that the active does not have were put aside under this name (P7). */
  readonly onQuarantined: (name: string) => void
  /** The active server says that the LockFile lists both: this copy is whole and in sync (the record is durably known). */
  readonly onJoined: (recordSeq: number) => void
  /** Following has ended with this fault; the channel should be dropped. Called once per following. */
  readonly onFailed: (error: Error) => void
}
