// Why a server is not in a better role, and why its service hangs by a thread: the observation in sentences for
// `lockstep status --why`. Pure.

import type { Observation } from '../states/observation.ts'
import type { Role } from '../states/roles.ts'
import { REGISTER_WENT_BACK, type Relation } from './judge.ts'

/** What is known beside the observation. */
export interface Circumstances {
  /** The code of what is wrong with the share; null while it answers as it should. */
  readonly shareFault: string | null
  readonly keeperSilent: boolean
  readonly peerSeen: boolean
  /** What a handover keeps this server from; null for nothing. */
  readonly handover: string | null
}

export const ALL_WELL: Circumstances = { shareFault: null, keeperSilent: false, peerSeen: true, handover: null }

const KEEPER_SILENT = 'the keeper process of this server gives no sign of life: the lock is neither renewed nor taken'
const ALONE_UNWRITTEN =
  'the peer is gone, and the record that this server goes on alone is not written: nothing is acknowledged before that'

const whatIsWrong = (code: string): string =>
  code === REGISTER_WENT_BACK
    ? `the register beside the LockFile went back (${code})`
    : `the share does not answer as it should (${code})`

/** What keeps this server from a better role, the most pressing first; empty where nothing does. */
export function blockedBy(
  role: Role,
  o: Observation,
  relation: Relation,
  { shareFault, keeperSilent, peerSeen, handover }: Circumstances = ALL_WELL,
): string[] {
  const reasons: string[] = keeperSilent ? [KEEPER_SILENT] : []
  if (handover !== null) reasons.push(handover)
  if (role === 'PASSIVE' && o.peer !== 'DEAD') return reasons
  const say = (when: boolean, reason: string) => {
    if (when) reasons.push(reason)
  }
  // Every change of these asks for a record; a server that stands alone already needs none.
  const faulty = shareFault !== null && role !== 'STANDALONE' && role !== 'PASSIVE SYNC'
  const unwritten =
    shareFault === REGISTER_WENT_BACK
      ? 'no record is written over that; docs/operations.md (The share) says what to do'
      : 'no record can be written there'
  const share = faulty ? `${whatIsWrong(shareFault)}: ${unwritten}` : ''
  if (role === 'ACTIVE') {
    say(isGone(o.peer) && handover === null, ALONE_UNWRITTEN)
    say(isGone(o.peer) && faulty, share)
    return reasons
  }
  const since = peerSeen ? '' : '; it has not been seen since this server started'
  if (role === 'STANDALONE') say(o.peer === 'DEAD', `the peer cannot be reached over the back channel${since}`)
  say(
    role === 'STANDALONE' && o.peer === 'DEAD' && o.gateway === 'down',
    'the gateway cannot be reached either: it may be this server that is cut off',
  )
  say(faulty, share)
  if (role === 'ACTIVE SYNC') say(true, 'the peer is being brought up to date')
  if (role === 'PASSIVE SYNC') say(true, 'this server is being brought up to date')
  if (role !== 'WAITING' && role !== 'PASSIVE') return reasons
  say(relation === 'unknown' && !faulty, 'the LockFile has not been read yet: the share does not answer')
  say(
    relation === 'behind',
    'the LockFile is older than what this pair has known: rolled back, deleted, or another folder',
  )
  say(relation === 'foreign', 'the LockFile belongs to another pair')
  say(relation === 'short', 'this store lacks records that the LockFile says it has')
  say(relation === 'peer', 'only the peer is in sync: this copy is stale and must not serve (P3); start the peer')
  say(o.copy === 'partial', 'this copy is half replaced: it must be brought up to date by the peer first (P4)')
  say(
    o.peer === 'DEAD' && o.gateway === 'down',
    'neither the peer nor the gateway can be reached: this server is cut off',
  )
  say(
    role === 'WAITING' && o.peer === 'DEAD' && o.grace === 'running',
    'startupGrace is still running: the peer may come',
  )
  say(o.peer === 'DEAD' && o.quiet === 'no', 'the former active server may still act: its time is not over')
  say(
    relation === 'empty' && o.peer === 'DEAD' && o.precedence === 'peer',
    'there is no pair yet, and only the primary may found it alone',
  )
  say(o.peer === 'WAITING' && o.precedence === 'peer', 'the peer is the one to begin')
  say(reasons.length === 0 && o.lock === 'none', 'the lock is held by another server, or not yet free')
  say(reasons.length === 0, 'the lock is held, and the record with which this server begins is not written yet')
  return reasons
}

/** What one more fault would make of the service; empty where one more fault does not end it. */
export function unprotectedBy(
  role: Role,
  o: Observation,
  { shareFault, keeperSilent }: Pick<Circumstances, 'shareFault' | 'keeperSilent'> = ALL_WELL,
): string[] {
  if (role === 'WAITING') return ['this server waits: it neither serves nor could take over at once']
  if (role === 'PASSIVE SYNC') return ['this server is being brought up to date and could not take over']
  const reasons: string[] = keeperSilent ? [KEEPER_SILENT] : []
  // Whoever loses its peer, or begins, needs a record of its own first; holding the lock is not enough.
  const share = (could: string) => {
    if (shareFault !== null) reasons.push(`${whatIsWrong(shareFault)}: ${could}`)
  }
  if (role === 'PASSIVE') {
    if (o.peer === 'DEAD') reasons.push('the active server is gone')
    if (o.gateway === 'down') reasons.push('the gateway does not answer: this server would not take over')
    share('this server could not take over')
    return reasons
  }
  if (role !== 'ACTIVE' || isGone(o.peer)) reasons.push('there is no peer in sync that could take over')
  if (o.lock === 'none') reasons.push('the lock is not held: if the peer is lost, the service may end')
  if (o.gateway === 'down') reasons.push('the gateway does not answer')
  share(
    role === 'ACTIVE'
      ? 'without its peer this server could not go on'
      : 'once stopped, this server could not serve again',
  )
  return reasons
}

const isGone = (peer: Observation['peer']): boolean => peer === 'DEAD' || peer === 'WAITING'
