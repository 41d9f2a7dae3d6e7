// Pure judgements over what the sensors report: how the newest record of the LockFile speaks of this very store, which of
// two waiting servers should begin, and whether a promise still binds. No state, no effects.

import { comparePositions, type Position } from '../journal/position.ts'
import type { RoleState, ServerLabel } from '../replication/frames.ts'
import type { Observation } from '../states/observation.ts'
import { SERVING, type Role } from '../states/roles.ts'
import type { KeeperNews } from './keeper-link.ts'
import type { RegisterRecord } from './record.ts'

export interface Self {
  readonly label: ServerLabel
  readonly storeId: string
  /** Empty while this store belongs to no pair yet. */
  readonly pairId: string
  /** Highest LockFile record this store has ever known. */
  readonly known: number
  readonly whole: boolean
  readonly position: Position
}

/** `behind`, `foreign` and `short` all count as `unknown` for the rules; they differ in what the operator is told. */
export type Relation = Observation['record'] | 'behind' | 'foreign' | 'short'

/** The code (lock-errors.ts) of a register that is older than what this keeper has seen of it. */
export const REGISTER_WENT_BACK = 'LOCK-ROLLED-BACK'

export const lists = (record: RegisterRecord, label: ServerLabel, storeId: string): boolean =>
  record.inSync.some(member => member.server === label && member.store === storeId)

/** A server that does not serve and, with neither peer nor gateway, does not begin to. */
export const isCutOff = (role: Role, peer: Observation['peer'], gatewayUp: boolean | null): boolean =>
  peer === 'DEAD' && gatewayUp === false && !SERVING.has(role)

/**
 * What the newest record says of this store. A record older than the newest this store has known proves nothing (a
 * stale look, a rolled-back or another folder); nor does one of another pair. A listed store that does not reach the
 * position of the record is not the one that was listed (restored from an old backup).
 */
export function relationTo(news: Pick<KeeperNews, 'record' | 'recordKnown'>, self: Self): Relation {
  const { record } = news
  if (!record) return !news.recordKnown ? 'unknown' : self.known > 0 ? 'behind' : 'empty'
  if (self.pairId !== '' && record.pairId !== self.pairId) return 'foreign'
  if (record.seq < self.known) return 'behind'
  const mine = lists(record, self.label, self.storeId)
  if (!mine) return 'peer'
  if (comparePositions(self.position, record.position) < 0) return 'short'
  return record.inSync.length > 1 ? 'both' : 'self'
}

/** The word the rules see. */
export const recordWord = (relation: Relation): Observation['record'] =>
  relation === 'behind' || relation === 'foreign' ? 'unknown' : relation === 'short' ? 'peer' : relation

/**
 * Which of two servers that both wait should begin: the one solely in sync; else the one with a whole copy; else the later
 * position; where they are equal (both empty, or equally far) the one configured primary. Both servers judge the same
 * facts, so that they come to opposite answers; where they do not, the lock decides.
 */
export function precedence(self: Self, relation: Relation, peer: RoleState | null): Observation['precedence'] {
  if (relation === 'self') return 'self'
  if (relation === 'peer' || relation === 'short') return 'peer'
  const primary = self.label === 'primary' ? 'self' : 'peer'
  if (!peer) return primary
  if (self.whole !== peer.whole) return self.whole ? 'self' : 'peer'
  const order = comparePositions(self.position, peer.position)
  return order > 0 ? 'self' : order < 0 ? 'peer' : primary
}

export interface Promise {
  /** Monotonic time until which our last answer to an acting peer (or our own start) binds us; see lockfile.md. */
  readonly until: number
  /** Highest epoch whose holder is known to have stopped: by the keeper's mark or by the peer's goodbye. */
  readonly releasedEpoch: number
}

/**
 * True where nobody can be leaning on our promise not to take the lock: its time is over, the reign it was given to has
 * ended by mark or goodbye, or the newest reign is our own.
 */
export const quiet = (now: number, promise: Promise, record: RegisterRecord | null, label: ServerLabel): boolean =>
  now >= promise.until || (record !== null && (promise.releasedEpoch >= record.epoch || record.holder === label))

/** The lease as seen now: held, its deadline ahead, and no sign of a machine that slept (wall clock ran ahead). */
export const leaseHeld = (news: KeeperNews | null, now: number, wall: number, marginMs: number): boolean =>
  news !== null && news.held && now < news.deadline && wall - news.renewedWall - (now - news.renewedAt) <= marginMs
