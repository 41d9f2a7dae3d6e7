// All intervals of a pair, derived from the three that an operator chooses: P (pingInterval), R
// (activeLockReacquisitionInterval) and Q (passiveLockAcquisitionInterval, which is the lease). Pure arithmetic, no clock:
// the keeper, the conductor and the profile check all read their times from here, and from nowhere else.

export interface ChosenIntervals {
  /** P: a ping on the back channel is sent this often. */
  readonly pingInterval: number
  /** R: the holder renews the lock this often. */
  readonly activeLockReacquisitionInterval: number
  /** Q: a server takes the lock after it has seen no renewal for this long. This is the lease. */
  readonly passiveLockAcquisitionInterval: number
}

export interface Intervals {
  /** P. */
  readonly pingMs: number
  /** R as it is used: the chosen one, rounded down to a multiple of P/2 (at least P/2). */
  readonly renewMs: number
  /** Q, the lease. */
  readonly leaseMs: number
  /** M: the holder ends its lease this much earlier than others do, for clocks of differing rates. */
  readonly marginMs: number
  /** T: one operation on the share is given up after this. Two of them and a renewal interval fit into a lease. */
  readonly operationMs: number
  /** A server that does not hold the lock looks at it this often. */
  readonly lookMs: number
  /** The same while a takeover is near. */
  readonly hotLookMs: number
  /** The keeper kills a broker that has given no sign of life for this long. */
  readonly brokerSilenceMs: number
  /** The same before its first sign of life: reading a large journal back takes its time. */
  readonly brokerStartMs: number
  /** A broker tells its keeper this often that it is alive. */
  readonly brokerAliveMs: number
  /** A peer that has not answered for this long counts as gone. */
  readonly peerSilenceMs: number
  /** The keeper gives up marking and releasing at its end after this. */
  readonly leaveMs: number
}

/** Margin: 2 % of the lease is far more than two quartz clocks differ; 250 ms cover timers and scheduling. */
const marginOf = (leaseMs: number): number => Math.max(250, Math.ceil(leaseMs * 0.02))

const LEAST_OPERATION_MS = 200
const HOT_LOOK_MS = 25

/** R in use: rounded down, because renewing more often never breaks a rule that the chosen R keeps. */
export const usedRenewMs = (chosen: ChosenIntervals): number => {
  const half = chosen.pingInterval / 2
  return Math.max(1, Math.floor(chosen.activeLockReacquisitionInterval / half)) * half
}

export function deriveIntervals(chosen: ChosenIntervals): Intervals {
  const pingMs = chosen.pingInterval
  const leaseMs = chosen.passiveLockAcquisitionInterval
  const renewMs = usedRenewMs(chosen)
  const marginMs = marginOf(leaseMs)
  // Renewal starts at R, may hang for T, is tried again, may hang for T: R + 2T = Q - M.
  const operationMs = Math.max(LEAST_OPERATION_MS, Math.floor((leaseMs - marginMs - renewMs) / 2))
  const lookMs = Math.max(1, Math.min(pingMs / 2, renewMs, leaseMs / 10))
  const brokerSilenceMs = leaseMs / 2
  return {
    pingMs,
    renewMs,
    leaseMs,
    marginMs,
    operationMs,
    lookMs,
    hotLookMs: Math.min(HOT_LOOK_MS, lookMs),
    brokerSilenceMs,
    brokerStartMs: Math.max(60_000, 10 * leaseMs),
    brokerAliveMs: Math.max(10, brokerSilenceMs / 8),
    peerSilenceMs: Math.min(2 * pingMs, leaseMs / 2),
    leaveMs: 2 * operationMs,
  }
}

export interface IntervalFinding {
  /** The end of its code: PROFILE-<name> (errors.ts). */
  readonly name: 'MULTIPLE' | 'LEASE-RATIO' | 'LEASE-MARGIN' | 'LEASE-TIGHT'
  readonly severity: 'refuse' | 'warn'
  /** The profile key that the finding is about. */
  readonly key: keyof ChosenIntervals
  /** The rule, as in the docs. */
  readonly rule: string
  readonly text: string
}

/** What is wrong with chosen intervals; an empty list where nothing is. Each must be a positive number already. */
export function checkIntervals(chosen: ChosenIntervals): IntervalFinding[] {
  const findings: IntervalFinding[] = []
  const Q = chosen.passiveLockAcquisitionInterval
  const R = chosen.activeLockReacquisitionInterval
  const used = usedRenewMs(chosen)
  const M = marginOf(Q)
  const passive = 'passiveLockAcquisitionInterval'
  const active = 'activeLockReacquisitionInterval'
  if (used !== R) {
    const text = `${active} is ${R} ms, not a multiple of half the pingInterval (${chosen.pingInterval / 2} ms); ${used} ms will be used`
    findings.push({
      name: 'MULTIPLE',
      severity: 'warn',
      key: active,
      rule: `${active} is a multiple of pingInterval / 2`,
      text,
    })
  }
  const renewal = Math.max(R, used)
  if (Q <= 2 * renewal) {
    const text = `${passive} is ${Q} ms and must be more than ${2 * renewal} ms, so that the active server can renew twice before the passive takes the lock`
    findings.push({ name: 'LEASE-RATIO', severity: 'refuse', key: passive, rule: `${passive} > 2 * ${active}`, text })
  } else if (Q < used + M + 2 * LEAST_OPERATION_MS) {
    const text = `${passive} is ${Q} ms and must be at least ${used + M + 2 * LEAST_OPERATION_MS} ms: a renewal interval, the margin of ${M} ms and two operations on the share of ${LEAST_OPERATION_MS} ms`
    findings.push({
      name: 'LEASE-MARGIN',
      severity: 'refuse',
      key: passive,
      rule: `${passive} >= ${active} + margin + 400 ms`,
      text,
    })
  } else if (Q < 3 * renewal) {
    const text = `${passive} is ${Q} ms, less than three times ${active} (${renewal} ms): one slow renewal already brings the lock near its end`
    findings.push({ name: 'LEASE-TIGHT', severity: 'warn', key: passive, rule: `${passive} >= 3 * ${active}`, text })
  }
  return findings
}

export type Fault =
  | 'switchover'
  | 'broker killed'
  | 'broker frozen'
  | 'channel cut'
  | 'share cut'
  | 'keeper killed'
  | 'host lost'
  | 'host cut off'

/** Names in a folder of a network share become visible to the other host at most this late (measured, NFS and SMB). */
export const SHARE_VISIBILITY_MS = 1300

/** Work that waits for no interval: a handful of operations on a healthy share, one flush, opening the ports. */
const WORK_MS = 200

/**
 * Upper bound of the time without service after a fault of the active server, on a share that answers, with a passive
 * server in sync. `visibilityMs` is 0 on a local disk.
 */
export function expectedOutageMs(fault: Fault, i: Intervals, visibilityMs = SHARE_VISIBILITY_MS): number {
  // From the release until the passive has the lock: it sees the mark and the missing token with its next hot look.
  const afterRelease = visibilityMs + i.hotLookMs + WORK_MS
  // The token falls silent; the passive sees its last name up to a visibility delay and a look later, waits the lease from
  // then on, and takes it over with a further look and operation.
  const afterSilence = i.leaseMs + visibilityMs + i.lookMs + i.hotLookMs + WORK_MS
  switch (fault) {
    // Frozen for writes, the peer catches up and goes on under a new epoch: the lock is freed by name, over the channel.
    case 'switchover':
      return i.hotLookMs + WORK_MS
    // The kernel closes its sockets and the keeper reaps it: mark and release at once.
    case 'broker killed':
      return afterRelease
    // The keeper waits for a sign of life, then kills it. It looks four times in that interval.
    case 'broker frozen':
      return i.brokerSilenceMs * 1.25 + afterRelease
    // The active waits for the peer's answer, then writes its solo record: one append of at most one operation limit.
    case 'channel cut':
      return i.peerSilenceMs + i.operationMs
    // The peer's confirmations stand in for the lock while the channel is up.
    case 'share cut':
      return 0
    // The broker goes on in ACTIVE as with a cut share; without the peer its deadline ends it, and a lease must run out.
    case 'keeper killed':
    case 'host lost':
    // As seen by the other server both are the same; the server that is cut off ends by itself a margin earlier.
    case 'host cut off':
      return afterSilence
  }
}
