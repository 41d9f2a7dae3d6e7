// What a server must strive for in its role under what it observes, beyond the role itself: the lock, and which record
// of the LockFile. Level, not edge: the conductor works towards the duties until they are met or no longer asked for.

import { matches, type Observation, type When } from './observation.ts'
import type { Role } from './roles.ts'

/**
 * `lock`: hold the lock. `take over`: append a record that begins our reign, naming us alone. `go solo`: append a record
 * that drops the peer from the in-sync set. `bring up`: synchronize the peer and then list it. `keep up`: ship records to a
 * peer that is listed. `hand over`: freeze and let the peer take the reign.
 */
export type Duty = 'lock' | 'take over' | 'go solo' | 'bring up' | 'keep up' | 'hand over'

export interface DutyRow {
  readonly id: string
  readonly role: Role
  readonly when: When
  readonly duty: Duty
  readonly because: string
}

// prettier-ignore
export const dutyRows: readonly DutyRow[] = [
  { id: 'L1', role: 'ACTIVE SYNC', when: {}, duty: 'lock', because: 'its acknowledgements rest on the lock' },
  { id: 'L2', role: 'ACTIVE', when: {}, duty: 'lock', because: 'with it, the loss of the peer does not end the service' },
  { id: 'L3', role: 'STANDALONE', when: {}, duty: 'lock', because: 'its acknowledgements rest on the lock' },
  { id: 'L4', role: 'PASSIVE', when: { peer: ['DEAD'], quiet: ['yes'], gateway: ['up'], record: ['both', 'self'], copy: ['whole'] }, duty: 'lock', because: 'the active server is gone, and our promise to it has run out' },
  { id: 'L5', role: 'WAITING', when: { peer: ['WAITING'], precedence: ['self'], record: ['empty', 'both', 'self'], copy: ['whole'] }, duty: 'lock', because: 'both wait, and this server is the one to begin' },
  { id: 'L6', role: 'WAITING', when: { peer: ['DEAD'], quiet: ['yes'], grace: ['over'], gateway: ['up'], record: ['both', 'self'], copy: ['whole'] }, duty: 'lock', because: 'the peer did not come within startupGrace, and this server is in sync' },
  { id: 'L7', role: 'WAITING', when: { peer: ['DEAD'], quiet: ['yes'], grace: ['over'], gateway: ['up'], record: ['empty'], precedence: ['self'], copy: ['whole'] }, duty: 'lock', because: 'the peer did not come within startupGrace, and this server may found the pair' },
  { id: 'L8', role: 'WAITING', when: { reign: ['solo'], copy: ['whole'], peer: ['PASSIVE SYNC'] }, duty: 'lock', because: 'the reign has just begun' },

  { id: 'T1', role: 'PASSIVE', when: { lock: ['held'], reign: ['none'], peer: ['DEAD'], quiet: ['yes'], gateway: ['up'], record: ['both', 'self'], copy: ['whole'] }, duty: 'take over', because: 'the lock is ours, and nothing acknowledged is missing here' },
  { id: 'T2', role: 'WAITING', when: { lock: ['held'], reign: ['none'], peer: ['WAITING'], precedence: ['self'], record: ['empty', 'both', 'self'], copy: ['whole'] }, duty: 'take over', because: 'the lock is ours, and this server is the one to begin' },
  { id: 'T3', role: 'WAITING', when: { lock: ['held'], reign: ['none'], peer: ['DEAD'], quiet: ['yes'], grace: ['over'], gateway: ['up'], record: ['both', 'self'], copy: ['whole'] }, duty: 'take over', because: 'the lock is ours, and nothing acknowledged is missing here' },
  { id: 'T4', role: 'WAITING', when: { lock: ['held'], reign: ['none'], peer: ['DEAD'], quiet: ['yes'], grace: ['over'], gateway: ['up'], record: ['empty'], precedence: ['self'], copy: ['whole'] }, duty: 'take over', because: 'the lock is ours, and there is no pair yet' },

  { id: 'G1', role: 'ACTIVE', when: { reign: ['both'], lock: ['held'], peer: ['DEAD', 'WAITING', 'ACTIVE SYNC', 'STANDALONE'] }, duty: 'go solo', because: 'the peer is gone: what it lacks from now on must be on record first' },
  { id: 'G2', role: 'ACTIVE SYNC', when: { reign: ['both'], lock: ['held'], peer: ['DEAD', 'WAITING', 'ACTIVE SYNC', 'ACTIVE', 'STANDALONE'] }, duty: 'go solo', because: 'the peer is gone: what it lacks from now on must be on record first' },

  { id: 'U1', role: 'ACTIVE SYNC', when: { reign: ['solo', 'joining'], lock: ['held'], peer: ['PASSIVE SYNC'] }, duty: 'bring up', because: 'the peer follows and lacks records' },
  { id: 'K1', role: 'ACTIVE', when: { reign: ['both'], peer: ['PASSIVE'] }, duty: 'keep up', because: 'the peer is in sync, also after a short break of the back channel' },
  { id: 'H1', role: 'ACTIVE', when: { reign: ['both'], peer: ['PASSIVE'], wish: ['hand over'] }, duty: 'hand over', because: 'the operator asks for it' },
  { id: 'H2', role: 'ACTIVE', when: { reign: ['both'], lock: ['none'], peer: ['PASSIVE'], reach: ['peer only'] }, duty: 'hand over', because: 'for two leases now only the peer has reached the LockFile: there the pair is protected again' },
]

export type Duties = { readonly [D in Duty]: DutyRow | null }

const none: Duties = {
  lock: null,
  'take over': null,
  'go solo': null,
  'bring up': null,
  'keep up': null,
  'hand over': null,
}

/** The first row that asks for each duty, or null. */
export function dutiesOf(role: Role, observation: Observation): Duties {
  const found: { -readonly [D in Duty]: DutyRow | null } = { ...none }
  for (const row of dutyRows)
    if (row.role === role && found[row.duty] === null && matches(row.when, observation)) found[row.duty] = row
  return found
}
