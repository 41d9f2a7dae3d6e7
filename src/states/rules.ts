// The policy of roles: one row to a line, first row that fits wins, and its reason is what the operator reads. Nothing
// else in the product decides about roles. docs/states.md is printed from these rows.

import type { When } from './observation.ts'
import type { Role } from './roles.ts'

export interface Rule {
  readonly id: string
  readonly from: Role
  readonly when: When
  readonly to: Role
  readonly because: string
}

// prettier-ignore
export const rules: readonly Rule[] = [
  { id: 'W1', from: 'WAITING', when: { reign: ['none'], peer: ['STANDALONE', 'ACTIVE SYNC'] }, to: 'PASSIVE SYNC', because: 'the peer serves: this server follows it' },
  { id: 'W2', from: 'WAITING', when: { reign: ['solo'], lock: ['held'], copy: ['whole'], peer: ['WAITING', 'PASSIVE SYNC'] }, to: 'ACTIVE SYNC', because: 'both servers waited, and this one has the lock and the right to begin' },
  { id: 'W3', from: 'WAITING', when: { reign: ['solo'], lock: ['held'], copy: ['whole'], peer: ['DEAD'] }, to: 'STANDALONE', because: 'the peer did not come, the lock is ours, and the LockFile names this server alone' },

  { id: 'S1', from: 'STANDALONE', when: { reign: ['none', 'joining', 'both'] }, to: 'WAITING', because: 'the LockFile no longer names this server alone' },
  { id: 'S2', from: 'STANDALONE', when: { lock: ['none'] }, to: 'WAITING', because: 'the lock is lost' },
  { id: 'S3', from: 'STANDALONE', when: { reign: ['solo'], lock: ['held'], peer: ['WAITING', 'PASSIVE SYNC'] }, to: 'ACTIVE SYNC', because: 'the peer is back: it is brought up to date while clients are served' },

  { id: 'A1', from: 'ACTIVE SYNC', when: { reign: ['none'] }, to: 'WAITING', because: 'the LockFile names another reign' },
  { id: 'A2', from: 'ACTIVE SYNC', when: { reign: ['both'], peer: ['PASSIVE SYNC', 'PASSIVE'] }, to: 'ACTIVE', because: 'the peer has everything, and the LockFile lists both' },
  { id: 'A3', from: 'ACTIVE SYNC', when: { lock: ['none'] }, to: 'WAITING', because: 'the lock is lost, and the acknowledgements rested on it' },
  { id: 'A4', from: 'ACTIVE SYNC', when: { reign: ['solo'], lock: ['held'], peer: ['DEAD'] }, to: 'STANDALONE', because: 'the back channel broke before the peer was up to date' },

  { id: 'B1', from: 'ACTIVE', when: { reign: ['none'], peer: ['ACTIVE'] }, to: 'PASSIVE', because: 'handed over: the peer is active' },
  { id: 'B2', from: 'ACTIVE', when: { reign: ['none'] }, to: 'WAITING', because: 'the LockFile names another reign' },
  { id: 'B3', from: 'ACTIVE', when: { reign: ['solo'], lock: ['held'] }, to: 'STANDALONE', because: 'the peer is gone, and the LockFile names this server alone' },
  { id: 'B4', from: 'ACTIVE', when: { lock: ['none'], promise: ['over'], peer: ['DEAD', 'WAITING'] }, to: 'WAITING', because: 'neither the peer nor the lock vouches for this server any more' },

  { id: 'C1', from: 'PASSIVE SYNC', when: { peer: ['DEAD'] }, to: 'WAITING', because: 'the back channel broke, and half a copy may not serve' },
  { id: 'C2', from: 'PASSIVE SYNC', when: { sync: ['done'], copy: ['whole'], peer: ['ACTIVE SYNC', 'ACTIVE'] }, to: 'PASSIVE', because: 'positions and digests agree, and the LockFile lists both' },
  { id: 'C3', from: 'PASSIVE SYNC', when: { peer: ['WAITING', 'PASSIVE SYNC', 'PASSIVE'] }, to: 'WAITING', because: 'the peer does not serve any more' },

  { id: 'D1', from: 'PASSIVE', when: { reign: ['both'], copy: ['whole'], peer: ['ACTIVE', 'PASSIVE'] }, to: 'ACTIVE', because: 'the peer handed over' },
  { id: 'D2', from: 'PASSIVE', when: { reign: ['solo'], lock: ['held'], copy: ['whole'], peer: ['DEAD'] }, to: 'STANDALONE', because: 'the active server is gone, and the lock is ours' },
  { id: 'D3', from: 'PASSIVE', when: { record: ['peer'] }, to: 'WAITING', because: 'the peer serves without us, so this copy falls behind' },
  { id: 'D4', from: 'PASSIVE', when: { reign: ['none'], peer: ['STANDALONE', 'ACTIVE SYNC'] }, to: 'WAITING', because: 'the peer serves without us, so this copy falls behind' },
  { id: 'D5', from: 'PASSIVE', when: { reign: ['none'], peer: ['WAITING', 'PASSIVE SYNC', 'PASSIVE'] }, to: 'WAITING', because: 'the peer does not serve any more' },
  { id: 'D6', from: 'PASSIVE', when: { reign: ['solo'], peer: ['WAITING', 'PASSIVE SYNC', 'PASSIVE', 'ACTIVE SYNC', 'ACTIVE', 'STANDALONE'] }, to: 'WAITING', because: 'the peer came back while this server took over: both begin anew' },
  { id: 'D7', from: 'PASSIVE', when: { reign: ['solo', 'both'], peer: ['DEAD'], lock: ['none'] }, to: 'WAITING', because: 'the lock was lost while taking over' },
  { id: 'D8', from: 'PASSIVE', when: { reign: ['both'], peer: ['DEAD', 'WAITING', 'PASSIVE SYNC', 'ACTIVE SYNC', 'STANDALONE'] }, to: 'WAITING', because: 'the peer went away while it handed over: both begin anew' },
]
