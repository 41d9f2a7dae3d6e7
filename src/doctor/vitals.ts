// The vital signs that a running server watches in itself: what each means, who measures it, and above what it warns, as
// a part of what the intervals allow, so that the warning comes before the margin is eaten. One row to a sign; the
// watching is in self-test.ts.

import type { Intervals } from '../profiles/intervals.ts'
import type { SelfTestErrorName } from './errors.ts'

export interface Vital {
  readonly meaning: string
  readonly by: 'keeper' | 'broker'
  readonly error: SelfTestErrorName
  /** `limit` in words. */
  readonly rule: string
  readonly limit: (i: Intervals) => number
  /** What is lost where even this is passed. */
  readonly bound: (i: Intervals) => number
}

// prettier-ignore
export const vitals = {
  renewal:  { meaning: 'one renewal of the lock (rename)',                       by: 'keeper', error: 'RENEWAL-SLOW', rule: 'T / 2', limit: i => i.operationMs / 2, bound: i => i.operationMs },
  look:     { meaning: 'one look at lock or register (listing)',                 by: 'keeper', error: 'LOOK-SLOW',    rule: 'T / 2', limit: i => i.operationMs / 2, bound: i => i.operationMs },
  append:   { meaning: 'one operation of an append to the register',             by: 'keeper', error: 'APPEND-SLOW',  rule: 'T / 2', limit: i => i.operationMs / 2, bound: i => i.operationMs },
  listing:  { meaning: 'own renewals that a listing right after did not show',   by: 'keeper', error: 'LISTING-STALE', rule: '0',    limit: () => 0,                bound: () => 0 },
  keeper:   { meaning: 'the keeper process was held up',                         by: 'keeper', error: 'KEEPER-STALL', rule: 'M / 2', limit: i => i.marginMs / 2,    bound: i => i.marginMs },
  token:    { meaning: 'time between two renewals of the other server, as seen here', by: 'broker', error: 'TOKEN-LATE', rule: 'R + (Q - R) / 2', limit: i => i.renewMs + (i.leaseMs - i.renewMs) / 2, bound: i => i.leaseMs },
  record:   { meaning: 'a record that the peer spoke of was seen later by',      by: 'broker', error: 'RECORD-LATE',  rule: 'Q / 2', limit: i => i.leaseMs / 2,     bound: i => i.leaseMs },
  stall:    { meaning: 'the broker process was held up',                         by: 'broker', error: 'BROKER-STALL', rule: 'M / 2', limit: i => i.marginMs / 2,    bound: i => i.marginMs },
  flush:    { meaning: 'one flush of the journal',                               by: 'broker', error: 'FLUSH-SLOW',   rule: 'min(2 P, Q / 2) / 2', limit: i => i.peerSilenceMs / 2, bound: i => i.peerSilenceMs },
  ping:     { meaning: 'a ping of the other server until its answer',            by: 'broker', error: 'PING-SLOW',    rule: 'min(2 P, Q / 2) / 2', limit: i => i.peerSilenceMs / 2, bound: i => i.peerSilenceMs },
  clock:    { meaning: 'the time of day moved against the monotonic clock',      by: 'broker', error: 'CLOCK-JUMP',   rule: 'M / 2', limit: i => i.marginMs / 2,    bound: i => i.marginMs },
} as const satisfies Record<string, Vital>

export type VitalName = keyof typeof vitals
