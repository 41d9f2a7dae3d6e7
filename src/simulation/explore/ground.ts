// What gate, leader, follower and stand-ins of one server see of the rig that they are part of.

import type { Acts } from '../../ha/acts.ts'
import type { Handover } from '../../ha/handover.ts'
import type { ToKeeper } from '../../ha/keeper-link.ts'
import type { ServerLabel } from '../../ha/record.ts'
import type { Reign } from '../../ha/reign.ts'
import type { Position } from '../../journal/position.ts'
import type { CommitMode, ServingGrounds } from '../../replication/commit-rule.ts'
import type { FrameFields } from '../../replication/frames.ts'
import type { Bounds, Guard, Message, Server, Side, World } from './model.ts'

/** Any numbers will do: only their order counts. */
export const NOW = 1000
export const LEASE = 100
export const MARGIN = 10

export interface Ground {
  readonly side: Side
  readonly label: ServerLabel
  readonly bounds: Bounds
  /** The guard that is taken out. */
  readonly without: Guard | null
  readonly storeId: string
  readonly s: Server
  readonly w: World
  readonly reign: Reign
  readonly acts: Acts
  readonly handover: Handover
  readonly gate: {
    readonly grounds: ServingGrounds
    setMode(mode: CommitMode): void
    beginReign(epoch: number, applied: number): void
    peerConfirmed(sequence: number): void
    append(text: string): void
    cut(text: string): void
  }
  readonly leading: { pump(): void }
  readonly receiver: object
  /** While the real parts are led to the state, nothing is done. */
  readonly muted: boolean
  readonly driven: number
  /** The offer that is being answered. */
  readonly offering: number
  /** What promise of our own was broken. */
  broken: string
  say(line: string): void
  send(frame: Message): void
  toKeeper(message: ToKeeper): void
  evaluate(): void
  peerFailed(why: string): void
  join(position: Position): void
  joined(recordSeq: number): void
  offered(offer: FrameFields['HANDOVER']): void
}
