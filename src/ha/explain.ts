// Why a server is not in a better role, and why its service hangs by a thread: the observation in sentences for
// `lockstep status --why`. Pure.

import type { Observation } from '../states/observation.ts'
import type { Role } from '../states/roles.ts'
import type { Relation } from './judge.ts'

const KEEPER_SILENT = 'the keeper process of this server gives no sign of life: the lock is neither renewed nor taken'

/** What keeps this server from a better role, the most pressing first; empty where nothing does. */
export function blockedBy(
  role: Role,
  o: Observation,
  relation: Relation,
  keeperSilent = false,
  peerSeen = true,
  handover: string | null = null,
): string[] {
  const reasons: string[] = keeperSilent ? [KEEPER_SILENT] : []
  if (handover !== null) reasons.push(handover)
  if (role === 'ACTIVE' || (role === 'PASSIVE' && o.peer !== 'DEAD')) return reasons
  const say = (when: boolean, reason: string) => {
    if (when) reasons.push(reason)
  }
  const since = peerSeen ? '' : '; it has not been seen since this server started'
  if (role === 'STANDALONE') say(o.peer === 'DEAD', `the peer cannot be reached over the back channel${since}`)
  say(
    role === 'STANDALONE' && o.peer === 'DEAD' && o.gateway === 'down',
    'the gateway cannot be reached either: it may be this server that is cut off',
  )
  if (role === 'ACTIVE SYNC') say(true, 'the peer is being brought up to date')
  if (role === 'PASSIVE SYNC') say(true, 'this server is being brought up to date')
  if (role !== 'WAITING' && role !== 'PASSIVE') return reasons
  say(relation === 'unknown', 'the LockFile has not been read yet: the share does not answer')
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
  return reasons
}

/** What one more fault would make of the service; empty where one more fault does not end it. */
export function unprotectedBy(role: Role, o: Observation, shareFault = false, keeperSilent = false): string[] {
  if (role === 'WAITING') return ['this server waits: it neither serves nor could take over at once']
  if (role === 'PASSIVE SYNC') return ['this server is being brought up to date and could not take over']
  const reasons: string[] = keeperSilent ? [KEEPER_SILENT] : []
  if (role === 'PASSIVE') {
    if (o.peer === 'DEAD') reasons.push('the active server is gone')
    if (o.gateway === 'down') reasons.push('the gateway does not answer: this server would not take over')
    if (shareFault) reasons.push('the share does not answer as it should: this server could not take the lock')
    return reasons
  }
  if (role !== 'ACTIVE') reasons.push('there is no peer in sync that could take over')
  if (o.lock === 'none') reasons.push('the lock is not held: if the peer is lost, the service may end')
  if (o.gateway === 'down') reasons.push('the gateway does not answer')
  return reasons
}
