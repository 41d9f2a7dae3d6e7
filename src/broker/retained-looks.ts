// Looks through what is retained, for those who subscribe: each goes through all of it, and a client may ask for thousands at
// once. So many messages are looked at in a turn of the event loop, whoever asks; then those who wait take turns.

import type { Clock } from '../base/ports.ts'
import { Fifo } from './fifo.ts'
import { RETAINED_SEEN_PER_TURN } from './limits.ts'

export class RetainedLooks {
  readonly #clock: Clock
  #left = RETAINED_SEEN_PER_TURN
  /** The next turn is planned. */
  #due = false
  readonly #waiting = new Fifo<() => void>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** True: now, at so many messages; false: no more in this turn, and `later` is called when to ask again. */
  may(messages: number, later: () => void): boolean {
    if (!this.#due) {
      this.#due = true
      this.#clock.soon(this.#next)
    }
    if (this.#left <= 0) {
      this.#waiting.push(later)
      return false
    }
    this.#left -= Math.max(1, messages)
    return true
  }

  readonly #next = (): void => {
    this.#due = false
    this.#left = RETAINED_SEEN_PER_TURN
    while (this.#left > 0) {
      const later = this.#waiting.shift()
      if (later === undefined) return
      later()
    }
  }

  clear(): void {
    this.#waiting.clear()
  }
}
