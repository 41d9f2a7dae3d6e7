// How the keeper gets at the lock: one attempt at a time, each answered once. Implemented over the lease directly (here,
// for the simulation) and through proper-lockfile (src/server/lockfile.ts, in production).

import type { Lease } from './lease.ts'
import type { ShareDone, ShareDriver } from './share.ts'

export interface LockPort {
  /** To be read, and to be given up at once; everything on the share goes through the methods here. */
  readonly lease: Lease
  /** One attempt; `true` where the lock is held now. */
  acquire(freedToken: string, done: ShareDone<boolean>): void
  /** `false` where the lock is lost. */
  renew(done: ShareDone<boolean>): void
  observe(done: ShareDone<unknown>): void
  release(done: ShareDone<void>): void
}

export const directLock = (lease: Lease, driver: ShareDriver, limitMs: number): LockPort => ({
  lease,
  acquire: (freedToken, done) => driver.run(lease.acquire(freedToken), limitMs, done),
  renew: done => driver.run(lease.renew(), limitMs, done),
  observe: done => driver.run(lease.observe(), limitMs, done),
  release: done => driver.run(lease.release(), limitMs, done),
})
