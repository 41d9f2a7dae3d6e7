// One timer for the earliest of many moments, where each may come to be known at any time.

import type { Clock, Timer } from '../base/ports.ts'

export class Alarm {
  readonly #clock: Pick<Clock, 'after'>
  readonly #ring: () => void
  #timer: Timer | null = null
  /** The moment for which it is set, on the clock of whoever sets it. */
  #at = Infinity

  constructor(clock: Pick<Clock, 'after'>, ring: () => void) {
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

  cancel(): void {
    this.#timer?.cancel()
    this.#unset()
  }

  #unset(): void {
    this.#timer = null
    this.#at = Infinity
  }
}
