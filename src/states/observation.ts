// Everything the rules know of the world, as one record of words. Sensors (lock, register, back channel, gateway,
// synchronization, operator) each keep a word true; the rules look at nothing else, so lost, doubled or reordered news
// cannot bring the machine where it would not go anyway.

import { ROLES, type PeerRole } from './roles.ts'

export interface Observation {
  /** The peer's role as it broadcast it; DEAD while the back channel is down or its greeting is not complete. */
  readonly peer: PeerRole
  /** `held`: the keeper has the lease and its deadline lies ahead. */
  readonly lock: 'none' | 'held'
  /**
   * This server's reign in this life: none; the newest record is ours and lists us alone (solo) or both; joining: a record
   * that lists both has been sent to the register and its outcome is not known yet.
   */
  readonly reign: 'none' | 'solo' | 'joining' | 'both'
  /** Whom the newest record of the LockFile lists as in sync, with the identity of this very store. */
  readonly record: 'unknown' | 'empty' | 'both' | 'self' | 'peer'
  /** `partial` while a destructive resynchronization is under way: such a copy never serves. */
  readonly copy: 'whole' | 'partial'
  /** As follower: the active server has listed us and told so. */
  readonly sync: 'none' | 'done'
  /** As active: the peer's promise, given with its last answered ping, not to take the lock yet. */
  readonly promise: 'over' | 'fresh'
  /** As follower: our own promise to the active has run out, or it released us from it. */
  readonly quiet: 'no' | 'yes'
  readonly gateway: 'down' | 'up'
  /** `peer only`: as active without the lock; for two leases now the peer has reached the LockFile, and this server not. */
  readonly reach: 'as it is' | 'peer only'
  /** Which of two waiting servers should become active: the one solely listed, else the later position, else primary. */
  readonly precedence: 'peer' | 'self'
  /** Whether `startupGrace` has gone by since the start without the peer. */
  readonly grace: 'running' | 'over'
  /** What the operator wants. */
  readonly wish: 'none' | 'hand over'
}

/** All words an observation may hold; the type system keeps this list complete. */
export const WORDS: { readonly [Name in keyof Observation]: readonly Observation[Name][] } = {
  peer: ['DEAD', ...ROLES],
  lock: ['none', 'held'],
  reign: ['none', 'solo', 'joining', 'both'],
  record: ['unknown', 'empty', 'both', 'self', 'peer'],
  copy: ['whole', 'partial'],
  sync: ['none', 'done'],
  promise: ['over', 'fresh'],
  quiet: ['no', 'yes'],
  gateway: ['down', 'up'],
  reach: ['as it is', 'peer only'],
  precedence: ['peer', 'self'],
  grace: ['running', 'over'],
  wish: ['none', 'hand over'],
}

/** What a server knows when it starts: nothing that would let it act. */
export const AT_START: Observation = {
  peer: 'DEAD',
  lock: 'none',
  reign: 'none',
  record: 'unknown',
  copy: 'whole',
  sync: 'none',
  promise: 'over',
  quiet: 'no',
  gateway: 'down',
  reach: 'as it is',
  precedence: 'peer',
  grace: 'running',
  wish: 'none',
}

/** Words a row asks for: each named word must be one of those listed. */
export type When = { readonly [Name in keyof Observation]?: readonly Observation[Name][] }

export function matches(when: When, observation: Observation): boolean {
  for (const name in when) {
    const wanted = when[name as keyof Observation] as readonly string[]
    if (!wanted.includes(observation[name as keyof Observation])) return false
  }
  return true
}
