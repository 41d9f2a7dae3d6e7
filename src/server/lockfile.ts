// proper-lockfile (4.1.2) as the way to the lock: its calls of the file system become steps of our lease. The library
// keeps the book of locks of this process; it judges no life (its `stale` is out of reach), renews nothing (its own timer
// runs once in twelve days and finds all well) and removes nothing that is not ours.
//
//   mkdir -> acquire    utimes -> renew    stat -> "is it mine?"    rmdir -> release    rmdirSync (at exit) -> nothing

import lockfile from 'proper-lockfile'
import type { Lease } from '../ha/lease.ts'
import type { LockPort } from '../ha/lock-port.ts'
import { ShareError } from '../ha/share.ts'
import type { ShareDone, ShareDriver, ShareSteps } from '../ha/share.ts'

/** Its half, the library's renewal timer, is the longest delay that Node's timers take. */
const STALE_MS = 2 ** 31

const NOT_OURS = new Set(['ELOCKED', 'EEXIST', 'ENOENT'])

type Callback<T> = (error: Error | null, value?: T) => void

export class ProperLock implements LockPort {
  readonly lease: Lease
  readonly #lockFile: string
  readonly #driver: ShareDriver
  readonly #limitMs: number
  readonly #waiting: (() => void)[] = []
  #busy = false
  #freedToken = ''
  /** The library's own idea of our lock: the function that ends it. */
  #unlock: (() => Promise<void>) | null = null
  /** The folder's time as the library set it last: all that it wants to see again. */
  #mtime = new Date(0)
  readonly #fs = {
    realpath: (path: string, done: Callback<string>) => done(null, path),
    mkdir: (_path: string, done: Callback<void>) => this.#mkdir(done),
    stat: (_path: string, done: Callback<{ mtime: Date }>) => this.#stat(done),
    utimes: (_path: string, _atime: Date, mtime: Date, done: Callback<void>) => this.#utimes(mtime, done),
    rmdir: (_path: string, done: Callback<void>) => this.#step(() => this.lease.release(), done),
    // Called by the library when this process exits: never an operation that blocks on a share that may hang. Whoever
    // ends the keeper has released before, within a time limit.
    rmdirSync: () => {},
  }

  constructor(lease: Lease, lockFile: string, driver: ShareDriver, limitMs: number) {
    this.lease = lease
    this.#lockFile = lockFile
    this.#driver = driver
    this.#limitMs = limitMs
  }

  acquire(freedToken: string, done: ShareDone<boolean>): void {
    this.#freedToken = freedToken
    lockfile
      .lock(this.#lockFile, {
        lockfilePath: `${this.#lockFile}.lock`,
        realpath: false,
        fs: this.#fs,
        stale: STALE_MS,
        retries: 0,
        onCompromised: () => {},
      })
      .then(
        unlock => {
          this.#unlock = unlock
          done(null, this.lease.held)
        },
        // Whatever the share did not say itself is one of the library's words for: not ours this time.
        (error: Error & { code?: string }) => {
          if (NOT_OURS.has(error.code ?? '') && !(error instanceof ShareError)) done(null, false)
          else done(error, undefined)
        },
      )
  }

  renew(done: ShareDone<boolean>): void {
    this.#step(
      () => this.lease.renew(),
      (error, kept) => {
        if (error === null && kept === false) this.#forget()
        done(error, kept)
      },
    )
  }

  observe(done: ShareDone<unknown>): void {
    this.#step(() => this.lease.observe(), done)
  }

  /** The library ends its own lock first, by way of rmdir; where it has none (any more), the lease is released directly. */
  release(done: ShareDone<void>): void {
    this.lease.giveUp()
    const unlock = this.#unlock
    this.#unlock = null
    if (unlock === null) return this.#step(() => this.lease.release(), done)
    unlock().then(
      () => done(null, undefined),
      (error: Error & { code?: string }) => {
        if (error.code === 'ERELEASED' || error.code === 'ENOTACQUIRED') this.#step(() => this.lease.release(), done)
        else done(error, undefined)
      },
    )
  }

  /** The lock is lost: the library drops its entry and its timer; its rmdir finds nothing to release. */
  #forget(): void {
    const unlock = this.#unlock
    this.#unlock = null
    if (unlock !== null) unlock().catch(() => {})
  }

  #mkdir(done: Callback<void>): void {
    this.#step(
      () => this.lease.acquire(this.#freedToken),
      (error, acquired) => {
        this.#mtime = new Date()
        if (error === null && acquired !== true) done(Object.assign(new Error('the lock is held'), { code: 'EEXIST' }))
        else done(error)
      },
    )
  }

  /**
   * To a contender: never stale, taking over is mkdir's business. To the holder: as you left it. An answer that comes
   * after a release makes the library fail with a TypeError, so there is none then.
   */
  #stat(done: Callback<{ mtime: Date }>): void {
    const { token } = this.lease
    queueMicrotask(() => {
      if (token === '' || this.lease.held) done(null, { mtime: token === '' ? new Date() : this.#mtime })
    })
  }

  #utimes(mtime: Date, done: Callback<void>): void {
    if (!this.lease.held) return done(Object.assign(new Error('the lock is not held'), { code: 'ENOENT' }))
    this.#step(
      () => this.lease.renew(),
      (_error, kept) => {
        this.#mtime = mtime
        // An unknown outcome is the keeper's to see with its next renewal; the library needs not know of it.
        if (kept === false) done(Object.assign(new Error('the lock is lost'), { code: 'ENOENT' }))
        else done(null)
      },
    )
  }

  /** One piece of work on the lease at a time, also where the library comes in between. */
  #step<T>(steps: () => ShareSteps<T>, done: Callback<T>): void {
    const start = (): void => {
      this.#busy = true
      this.#driver.run(steps(), this.#limitMs, (error, value) => {
        this.#busy = false
        this.#waiting.shift()?.()
        done(error, value)
      })
    }
    if (this.#busy) this.#waiting.push(start)
    else start()
  }
}
