// The commit rule: which records are safe, and whether this server may act on them at this moment. Pure; asked again at
// every acknowledgement. Who tells it modes, leases and promises is the conductor; who acts on it is commit-gate.ts.
//
// Source: lockfile.md, section 2 ("Two layers" and "Serving"), promises P1 and P2 of design.md. The first function is
// about truth and knows no clock; the second is about exclusion and is nothing but clocks.

/**
 * frozen: nothing becomes safe (not active, or handing over).
 * alone: the newest LockFile record lists this server alone: its own disk is enough.
 * joining: acknowledgements already wait for the peer, but the LockFile does not list it yet (or not known to).
 * both: the LockFile lists both.
 */
export type CommitMode = 'frozen' | 'alone' | 'joining' | 'both'

/**
 * The sequence up to which records are safe; never below `committed`.
 *
 * P2: with a listed peer, flushed on both; alone, flushed here, and only after the LockFile says so (the conductor sets
 * 'alone' no earlier). 'joining' counts like 'both', or the peer would be listed without what was acknowledged while the
 * record was being written (mutant M4 of the model); a broken solo record may not be anticipated (M1).
 */
export function commitPoint(mode: CommitMode, ownFlushed: number, peerConfirmed: number, committed: number): number {
  switch (mode) {
    case 'frozen':
      return committed
    case 'alone':
      return Math.max(committed, ownFlushed)
    case 'joining':
    case 'both':
      return Math.max(committed, Math.min(ownFlushed, peerConfirmed))
  }
}

/** What the right to serve rests on. One object that the conductor keeps up to date; times are this host's. */
export interface ServingGrounds {
  mode: CommitMode
  /** The reign of this server; 0 for none. */
  epoch: number
  /** Until then nobody else can hold the lock (margin already taken off); -1 without the lock. */
  leaseDeadline: number
  /** Monotonic and wall clock at the start of the last successful renewal. */
  leaseRenewedAt: number
  leaseRenewedWall: number
  /** The last answered ping: when it was sent (monotonic, wall), and the epoch that the answer said it follows. */
  promiseSentAt: number
  promiseSentWall: number
  promiseFollowing: number
  /** passiveLockAcquisitionInterval (Q) and the margin (M) for clock rates. */
  leaseMs: number
  marginMs: number
}

export const noGrounds = (leaseMs: number, marginMs: number): ServingGrounds => ({
  mode: 'frozen',
  epoch: 0,
  leaseDeadline: -1,
  leaseRenewedAt: 0,
  leaseRenewedWall: 0,
  promiseSentAt: 0,
  promiseSentWall: 0,
  promiseFollowing: 0,
  leaseMs,
  marginMs,
})

/**
 * P1: may this server acknowledge and deliver at this very moment? `now` and `wallNow` must have been read just now.
 *
 * Either its lease lies ahead; or, only where the LockFile lists both, the peer has promised: a passive that answered a
 * ping while following this epoch takes no lock before Q has gone by since, so this server may act until Q - M after it
 * sent that ping. Both count as gone when the wall clock has run ahead of the monotonic one by more than M since then:
 * the machine was suspended, and its monotonic clock stood still meanwhile.
 */
export function mayServe(now: number, wallNow: number, grounds: ServingGrounds): boolean {
  if (grounds.mode === 'frozen') return false
  const { marginMs } = grounds
  if (
    grounds.leaseDeadline > now &&
    !suspended(now, wallNow, grounds.leaseRenewedAt, grounds.leaseRenewedWall, marginMs)
  ) {
    return true
  }
  return (
    grounds.mode === 'both' &&
    grounds.epoch !== 0 &&
    grounds.promiseFollowing === grounds.epoch &&
    now < grounds.promiseSentAt + grounds.leaseMs - marginMs &&
    !suspended(now, wallNow, grounds.promiseSentAt, grounds.promiseSentWall, marginMs)
  )
}

/** The wall clock ran ahead of the monotonic one since then: the machine was suspended. */
export const suspended = (now: number, wallNow: number, since: number, sinceWall: number, marginMs: number): boolean =>
  wallNow - sinceWall - (now - since) > marginMs
