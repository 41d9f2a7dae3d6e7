// The keeper's loop: holds, renews, watches and gives up the lock, appends to the register, and tells the broker what it
// sees. It decides nothing about roles. One lane of work on the lock and one on the register, one piece of work at a time
// in each; a share that hangs leaves both waiting and is reported, nothing queues up behind it.

import type { CodedError } from '../base/errors.ts'
import { never } from '../base/assert.ts'
import type { Clock, Log, Timer } from '../base/ports.ts'
import type { Intervals } from '../profiles/intervals.ts'
import { sameNews, type FromKeeper, type KeeperNews, type ToKeeper } from './keeper-link.ts'
import { KeeperFaults, TokenWatch } from './keeper-faults.ts'
import { shareFault } from './lock-errors.ts'
import type { LockPort } from './lock-port.ts'
import type { RegisterRecord, ServerLabel } from './record.ts'
import type { Register } from './register.ts'
import type { ShareDriver, ShareSteps } from './share.ts'

export interface KeeperOptions {
  readonly label: ServerLabel
  readonly lockFile: string
  /** This process: unique in history; the same as the lease's. */
  readonly instance: string
  readonly intervals: Intervals
}

export interface KeeperPorts {
  readonly clock: Clock
  readonly log: Log
  readonly driver: ShareDriver
  readonly lock: LockPort
  readonly register: Register
  /** To the broker; after its death nothing is sent any more. */
  readonly send: (message: FromKeeper) => void
  /** The mark is left and the lock released, or the time for it is over. */
  readonly onLeft: (left: Left) => void
}

export interface Left {
  readonly marked: boolean
  readonly released: boolean
}

/** A question whether a record could be appended. */
interface Probing {
  /** The number after which it would come. */
  readonly after: number
  /** How long that one is looked for. */
  readonly until: number
  /** When it is worked on next. */
  at: number
  /** The record before is there: what is left is to try to write. */
  seen: boolean
}

interface Append {
  readonly request: number
  readonly record: RegisterRecord
}

/** The broker waits for each append before the next; a few more are refused with `unknown`. */
const MAX_APPENDS = 8

export class Keeper {
  readonly #options: KeeperOptions
  readonly #ports: KeeperPorts
  readonly #faults: KeeperFaults
  readonly #watch: TokenWatch
  readonly #appends: Append[] = []
  #probing: Probing | null = null
  #want = { lock: false, freedToken: '', hot: false }
  #epoch = 0
  /** Highest epoch of ours that is in the register by way of this keeper. */
  #won = 0
  #leaseBusy = false
  #leaseAt = -Infinity
  #registerBusy = false
  #registerAt = -Infinity
  #timer: Timer | null = null
  #lastNews: KeeperNews | null = null
  #leaving = false
  #mark: 'none' | 'wanted' | 'left' | 'failed' = 'none'
  #releaseFailed = false
  #leaveTimer: Timer | null = null
  #ended = false

  constructor(options: KeeperOptions, ports: KeeperPorts) {
    this.#options = options
    this.#ports = ports
    const { label, instance, lockFile, intervals } = options
    this.#faults = new KeeperFaults(ports.clock, ports.log, lockFile)
    this.#watch = new TokenWatch({ label, instance, lockFile, leaseMs: intervals.leaseMs })
  }

  start(): void {
    this.#turn()
  }

  receive(message: ToKeeper): void {
    if (this.#ended) return
    switch (message.type) {
      case 'alive':
        return this.#ports.send({ type: 'alive' })
      case 'want':
        return this.#wants(message)
      case 'append':
        return this.#append(message)
      case 'probe':
        return this.#wantsProbe(message.after)
      case 'reign':
        this.#epoch = message.epoch
        return
      case 'leaving':
        return this.leave()
      default:
        return never(message)
    }
  }

  /** The broker acts no more: it said so, or it is dead and reaped. Leaves its mark, then releases. */
  leave(): void {
    if (this.#leaving) return
    this.#leaving = true
    this.#epoch = Math.max(this.#epoch, this.#won)
    this.#mark = this.#epoch > 0 ? 'wanted' : 'none'
    this.#appends.length = 0
    this.#ports.lock.lease.giveUp()
    this.#leaseAt = -Infinity
    this.#news()
    this.#leaveTimer = this.#ports.clock.after(this.#options.intervals.leaveMs, () => this.#end())
    this.#turn()
  }

  #wants(want: { readonly lock: boolean; readonly freedToken: string; readonly hot: boolean }): void {
    const now = this.#ports.clock.now()
    const { lease } = this.#ports.lock
    if (want.lock && (!this.#want.lock || want.freedToken !== this.#want.freedToken) && !lease.held) this.#leaseAt = now
    if (want.hot && !this.#want.hot) this.#hurry(now)
    this.#want = { lock: want.lock, freedToken: want.freedToken, hot: want.hot }
    // Ended here and now: whatever comes of the share, this hold is not used again.
    if (!want.lock) lease.giveUp()
    this.#news()
    this.#turn()
  }

  #hurry(now: number): void {
    this.#registerAt = Math.min(this.#registerAt, now)
    if (!this.#ports.lock.lease.held) this.#leaseAt = Math.min(this.#leaseAt, now)
  }

  #wantsProbe(after: number): void {
    const at = this.#ports.clock.now()
    this.#probing = { after, until: at + 2 * this.#options.intervals.operationMs, at, seen: false }
    this.#turn()
  }

  #append({ request, record }: Append): void {
    if (this.#leaving || this.#appends.length >= MAX_APPENDS) {
      return this.#ports.send({ type: 'appended', request, outcome: 'unknown' })
    }
    this.#appends.push({ request, record })
    this.#turn()
  }

  /** Starts whatever is due in either lane, then waits for what is due next. */
  #turn(): void {
    if (this.#ended) return
    if (!this.#leaseBusy) this.#leaseWork()
    if (!this.#registerBusy) this.#registerWork()
    if (this.#leaving) this.#endWhenDone()
    this.#schedule()
  }

  #schedule(): void {
    this.#timer?.cancel()
    this.#timer = null
    if (this.#ended) return
    let at = Infinity
    if (!this.#leaseBusy && (!this.#leaving || this.#mark !== 'wanted')) at = this.#leaseAt
    if (!this.#registerBusy && !this.#leaving) at = Math.min(at, this.#registerAt, this.#probing?.at ?? Infinity)
    if (at === Infinity) return
    this.#timer = this.#ports.clock.after(Math.max(1, at - this.#ports.clock.now()), () => this.#turn())
  }

  #leaseWork(): void {
    const { lock, clock } = this.#ports
    const now = clock.now()
    if (this.#leaving) {
      lock.lease.giveUp()
      // First the mark: a lock that is free says nothing of the one who held it.
      if (lock.lease.unreleased && this.#mark !== 'wanted' && now >= this.#leaseAt) this.#release()
      return
    }
    if (!this.#want.lock && lock.lease.held) lock.lease.giveUp()
    if (!this.#want.lock && lock.lease.unreleased && !this.#releaseFailed) return this.#release()
    if (now < this.#leaseAt) return
    if (lock.lease.held) return this.#renew(now)
    if (this.#want.lock) return this.#acquire()
    if (lock.lease.unreleased) return this.#release()
    this.#leaseLane(done => lock.observe(done))
  }

  #acquire(): void {
    const { lock } = this.#ports
    this.#leaseLane((done: Done<boolean>) => lock.acquire(this.#want.freedToken, done))
  }

  #renew(startedAt: number): void {
    const { clock, lock } = this.#ports
    this.#leaseLane(
      (done: Done<boolean>) => lock.renew(done),
      () => {
        // A renewal that hung has used up its time: again at once. One that was refused at once can wait for a look.
        const now = clock.now()
        if (now - startedAt >= this.#options.intervals.operationMs / 2) this.#leaseAt = now
      },
    )
  }

  #release(): void {
    // Until it succeeds: tried again at the pace of looks.
    this.#releaseFailed = true
    this.#leaseLane((done: Done<void>) => this.#ports.lock.release(done))
  }

  #leaseLane<T>(work: (done: Done<T>) => void, onFailure?: () => void): void {
    this.#leaseBusy = true
    work(error => {
      this.#leaseBusy = false
      if (this.#ended) return
      const { clock, lock } = this.#ports
      const { lease } = lock
      const { intervals, lockFile } = this.#options
      const now = clock.now()
      this.#leaseAt = error === null && lease.held ? lease.renewedAt + intervals.renewMs : now + this.#lookMs()
      if (this.#leaving) this.#leaseAt = now + intervals.hotLookMs
      if (!lease.unreleased) this.#releaseFailed = false
      this.#faults.set('lease', error === null ? null : shareFault(error, lockFile))
      this.#faults.set('token', this.#watch.judge(lease, now))
      if (error !== null) onFailure?.()
      this.#news()
      this.#turn()
    })
  }

  #registerWork(): void {
    const { register, clock } = this.#ports
    if (this.#leaving) {
      if (this.#mark === 'wanted') this.#leaveMark()
      return
    }
    const append = this.#appends.shift()
    if (append !== undefined) return this.#performAppend(append)
    const now = clock.now()
    if (this.#probing !== null && now >= this.#probing.at) return this.#probe(this.#probing)
    if (now < this.#registerAt) return
    if (this.#ports.lock.lease.held && register.prunable) return this.#registerLane(register.prune())
    this.#registerLane(register.look())
  }

  #leaveMark(): void {
    this.#registerLane(this.#ports.register.mark(this.#epoch), error => {
      this.#mark = error === null ? 'left' : 'failed'
    })
  }

  #performAppend({ request, record }: Append): void {
    this.#registerLane(this.#ports.register.append(record), (error, outcome) => {
      // The news first: who is told of the outcome has the record that decided it.
      this.#news()
      this.#ports.send({ type: 'appended', request, outcome: error === null ? (outcome ?? 'unknown') : 'unknown' })
      // A broker that dies now never says that it reigns. One that lost: that epoch is another's.
      if (outcome === 'won' && record.holder === this.#options.label) this.#won = Math.max(this.#won, record.epoch)
    })
  }

  /** A folder's listing may lag behind what another machine wrote into it (lockfile.md): it is looked at again for a while. */
  #probe(probing: Probing): void {
    const { clock, register, send } = this.#ports
    const answer = (fault: string | null): void => {
      // A newer question has its own answer.
      if (this.#probing !== probing) return
      this.#probing = null
      send({ type: 'probed', fault })
    }
    if (probing.seen) {
      // What keeps it from writing is told the one who asked; whether the share works is for looks and renewals to say.
      return this.#registerLane(register.probe(), error => answer(error?.line() ?? null), false)
    }
    this.#registerLane(register.look(), error => {
      const seen = register.record?.seq ?? 0
      probing.seen = seen === probing.after
      const now = clock.now()
      probing.at = probing.seen ? now : now + this.#options.intervals.hotLookMs
      if (error !== null) return answer(error.line())
      if (seen > probing.after || (seen < probing.after && now >= probing.until))
        answer(`the newest record there is number ${seen}, not ${probing.after}`)
    })
  }

  #registerLane<T>(
    steps: ShareSteps<T>,
    then?: (error: CodedError | null, value: T | undefined) => void,
    tells = true,
  ): void {
    this.#registerBusy = true
    const { clock, driver } = this.#ports
    driver.run(steps, this.#options.intervals.operationMs, (error, value) => {
      this.#registerBusy = false
      if (this.#ended) return
      const fault = error === null ? null : shareFault(error, this.#options.lockFile)
      this.#registerAt = clock.now() + this.#lookMs()
      if (tells) this.#faults.set('register', fault)
      then?.(fault, value)
      this.#news()
      this.#turn()
    })
  }

  #lookMs(): number {
    return this.#want.hot ? this.#options.intervals.hotLookMs : this.#options.intervals.lookMs
  }

  #news(): void {
    if (this.#ended) return
    const { lock, register, send } = this.#ports
    const { lease } = lock
    const foreignToken = this.#watch.foreign(lease)
    const fault = this.#faults.shown
    const news: KeeperNews = {
      type: 'news',
      held: lease.held,
      deadline: lease.deadline,
      renewedAt: lease.renewedAt,
      renewedWall: lease.renewedWall,
      record: register.record,
      recordKnown: register.known,
      releasedEpoch: register.releasedEpoch,
      foreignToken,
      foreignSince: foreignToken === '' ? -1 : (lease.seen?.since ?? -1),
      token: lease.token,
      fault: fault === null ? null : { code: fault.code, line: fault.line() },
    }
    if (this.#lastNews !== null && sameNews(news, this.#lastNews)) return
    this.#lastNews = news
    send(news)
  }

  #endWhenDone(): void {
    const { lease } = this.#ports.lock
    if (this.#mark === 'wanted' || this.#leaseBusy || this.#registerBusy || lease.unreleased) return
    this.#end()
  }

  #end(): void {
    if (this.#ended) return
    this.#ended = true
    this.#timer?.cancel()
    this.#leaveTimer?.cancel()
    const left = {
      marked: this.#mark === 'left' || this.#mark === 'none',
      released: !this.#ports.lock.lease.unreleased,
    }
    if (!left.marked || !left.released) {
      const { lockFile, intervals } = this.#options
      const undone = left.marked
        ? 'The lock'
        : left.released
          ? 'The mark of the end'
          : 'The lock and the mark of the end'
      const what = `${undone} could not be handed back on the share of ${lockFile}; the other server waits for the lease of ${intervals.leaseMs} ms.`
      this.#ports.log('warn', what)
    }
    this.#ports.onLeft(left)
  }
}

type Done<T> = (error: Error | null, value?: T) => void
