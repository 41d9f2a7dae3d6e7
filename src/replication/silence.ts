// Watches whether an answer that is owed comes: after `ms` without progress while something is owed, it says so, once.
// Costs one timer per `ms`, not one per answer.

import type { Clock, Timer } from '../base/ports.ts'

export class Silence {
  readonly #clock: Clock
  /** May be changed while nothing is owed or with `progress`. */
  ms: number
  readonly #onSilent: () => void
  #owed = false
  #since = 0
  #timer: Timer | null = null

  constructor(clock: Clock, ms: number, onSilent: () => void) {
    this.#clock = clock
    this.ms = ms
    this.#onSilent = onSilent
  }

  /** Something is owed from now on, or still. */
  owed(): void {
    if (this.#owed) return
    this.#owed = true
    this.#since = this.#clock.now()
    this.#timer ??= this.#clock.after(this.ms, () => this.#look())
  }

  /** An answer came; `more` says whether another one is owed. */
  progress(more: boolean): void {
    this.#owed = more
    if (more) this.#since = this.#clock.now()
  }

  stop(): void {
    this.#owed = false
    this.#timer?.cancel()
    this.#timer = null
  }

  #look(): void {
    this.#timer = null
    if (!this.#owed) return
    const left = this.#since + this.ms - this.#clock.now()
    if (left > 0) {
      this.#timer = this.#clock.after(left, () => this.#look())
      return
    }
    // After a stall of this process the timer comes before the answers that waited in the socket: let those in first.
    const since = this.#since
    this.#clock.soon(() => {
      if (!this.#owed || this.#timer !== null) return
      if (this.#since === since) this.#onSilent()
      else this.#look()
    })
  }
}
