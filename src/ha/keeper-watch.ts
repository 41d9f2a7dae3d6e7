// The broker's watch over its keeper: it answers each sign of life with its own. One that is frozen neither renews the lock
// nor says that it does not, and its pipe does not end. After half a lease its silence is told; after a whole one its
// lease is over in any case, and it counts as dead (docs/decisions/0005).

import type { Clock, Timer } from '../base/ports.ts'

export interface KeeperWatchCalls {
  /** Silent for half a lease (true), or heard again (false). */
  silent(silent: boolean, silenceMs: number): void
  /** Silent for a whole lease. Called once. */
  dead(silenceMs: number): void
}

export class KeeperWatch {
  /** It has given no sign of life for half a lease. */
  silent = false
  readonly #clock: Clock
  readonly #leaseMs: number
  readonly #calls: KeeperWatchCalls
  #heardAt: number
  #lookedAt: number
  #timer: Timer | null = null

  constructor(clock: Clock, leaseMs: number, calls: KeeperWatchCalls) {
    this.#clock = clock
    this.#leaseMs = leaseMs
    this.#calls = calls
    this.#heardAt = this.#lookedAt = clock.now()
    this.#next()
  }

  heard(): void {
    this.#heardAt = this.#clock.now()
    if (this.silent) this.#tell(false, 0)
  }

  stop(): void {
    this.#timer?.cancel()
  }

  #next(): void {
    this.#timer = this.#clock.after(this.#leaseMs / 8, () => this.#look())
  }

  #look(): void {
    const now = this.#clock.now()
    // This process itself stood still: the keeper's signs of life are waiting in the pipe, so count from now.
    if (now - this.#lookedAt > this.#leaseMs / 4) this.#heardAt = now
    this.#lookedAt = now
    const silenceMs = Math.round(now - this.#heardAt)
    if (silenceMs >= this.#leaseMs) return this.#calls.dead(silenceMs)
    this.#next()
    if (silenceMs >= this.#leaseMs / 2 && !this.silent) this.#tell(true, silenceMs)
  }

  #tell(silent: boolean, silenceMs: number): void {
    this.silent = silent
    this.#calls.silent(silent, silenceMs)
  }
}
