// One timer for the earliest of many moments, where each may come to be known at any time.

import type { Clock, Timer } from '../base/ports.ts'

/** A wall clock may jump: it is looked at after this time at the latest. */
const LOOK_MS = 60_000

export class Alarm {
  readonly #clock: Pick<Clock, 'after' | 'wall'>
  readonly #ring: () => void
  #timer: Timer | null = null
  /** The moment for which it is set, on the clock of whoever sets it. */
  #at = Infinity

  constructor(clock: Pick<Clock, 'after' | 'wall'>, ring: () => void) {
    this.#clock = clock
    this.#ring = ring
  }

  /** Rings in `ms` for what is due `at`, unless it is set for as early a moment already. It rings once, and is not set then. */
  set(at: number, ms: number): void {
    if (at >= this.#at) return
    this.#timer?.cancel()
    this.#at = at
    this.#timer = this.#clock.after(ms, () => {
      this.#unset()
      this.#ring()
    })
  }

  /** For what is due `at` by the wall clock: not in less than `leastMs`, and earlier where that clock may have jumped. */
  setByWall(at: number, leastMs: number): void {
    this.set(at, Math.min(Math.max(leastMs, at - this.#clock.wall()), LOOK_MS))
  }

  cancel(): void {
    this.#timer?.cancel()
    this.#unset()
  }

  #unset(): void {
    this.#timer = null
    this.#at = Infinity
  }
}
