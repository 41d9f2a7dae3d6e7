// What the conductor is put together from, as narrow interfaces: the real ones come from src/server, the simulated ones
// from src/simulation.

import type { Chance, Clock, Log } from '../base/ports.ts'
import type { BackChannel } from '../replication/back-channel.ts'
import type { CommitGate } from '../replication/commit-gate.ts'
import type { ServingGrounds } from '../replication/commit-rule.ts'
import type { FrameFields, ServerLabel } from '../replication/frames.ts'
import type { JournalTaps } from '../replication/journal-taps.ts'
import type { ReplicationLimits } from '../replication/limits.ts'
import type { Receiver } from '../replication/receiver.ts'
import type { StoreState } from '../replication/store-state.ts'
import type { Journal } from '../journal/types.ts'
import type { KeeperLink } from './keeper-link.ts'

/** The client ports. */
export interface Service {
  /** Opens the client ports; messages in the queues count as possibly delivered before. */
  open(): void
  /** Stops (true) or goes on (false) taking anything from clients; connections stay. */
  pause(paused: boolean): void
  /** Closes client ports and connections, each with its protocol's own word for "forced to leave". */
  close(reason: string): void
}

export interface HaIntervals {
  /** Q, the lease. */
  readonly leaseMs: number
  readonly marginMs: number
  /** P. */
  readonly pingMs: number
  /** Time limit of one share operation. */
  readonly operationMs: number
  /** How long a server waits for its peer after its start; Infinity: for ever. */
  readonly graceMs: number
}

export interface Parts {
  readonly label: ServerLabel
  readonly kind: 'FES' | 'FPS'
  readonly lockFile: string
  readonly intervals: HaIntervals
  readonly clock: Clock
  readonly chance: Chance
  readonly say: Log
  readonly keeper: KeeperLink
  readonly channel: BackChannel
  readonly store: StoreState
  readonly journal: Journal
  readonly taps: JournalTaps
  readonly limits: ReplicationLimits
  readonly gate: CommitGate
  /** What the gate's right to serve rests on; the conductor keeps lease and promise in it true. */
  readonly grounds: ServingGrounds
  readonly receiver: Receiver
  /** Writes a snapshot of the state as it is now into the journal, so that a follower that lacks too much can have it. */
  readonly makeSnapshot: (done: (error: Error | null) => void) => void
  readonly service: Service
  /** The right to serve may have come back: deliveries that waited for it go on. */
  readonly wake: () => void
}

export type Greeting = FrameFields['GREETING']
