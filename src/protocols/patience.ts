// How long a connection waits for its client: for the handshake, in silence, and for the end after `close`; and how long
// the client may wait for us before an empty frame goes out. It counts time; what to do then is connection.ts's business.

import type { Clock, Timer } from '../base/ports.ts'

export class Patience {
  readonly #clock: Clock
  #waiting: Timer | null = null
  #beat: Timer | null = null
  #over = false
  #heardMs: number
  /** When bytes last left, and how many had left by then. */
  #spokeMs: number
  #spoken = 0

  constructor(clock: Clock) {
    this.#clock = clock
    this.#heardMs = this.#spokeMs = clock.now()
  }

  /** Something came from the client. */
  heard(): void {
    this.#heardMs = this.#clock.now()
  }

  /** So many bytes have left, ever. */
  spoke(written: number): void {
    if (written === this.#spoken) return
    this.#spoken = written
    this.#spokeMs = this.#clock.now()
  }

  /** Waits for one thing, in place of what was waited for before. */
  waitFor(ms: number, tooLong: () => void): void {
    this.#waiting?.cancel()
    this.#waiting = this.#clock.after(ms, tooLong)
  }

  waitForNothing(): void {
    this.#waiting?.cancel()
    this.#waiting = null
  }

  /** From now on `tooLong` is called when nothing was heard for `ms`. */
  listen(ms: number, tooLong: () => void): void {
    const left = ms - this.silentMs
    this.waitFor(Math.max(left, 0), () => {
      if (this.silentMs < ms) this.listen(ms, tooLong)
      // If it was this process that slept, what the client said meanwhile is read before this turn comes.
      else this.#clock.soon(() => this.#judge(ms, tooLong))
    })
  }

  #judge(ms: number, tooLong: () => void): void {
    if (this.#over) return
    if (this.silentMs < ms) this.listen(ms, tooLong)
    else tooLong()
  }

  /** For how long nothing has come from the client. */
  get silentMs(): number {
    return this.#clock.now() - this.#heardMs
  }

  /** From now on `beat` is called whenever nothing left for `ms`. */
  speak(ms: number, beat: () => void): void {
    if (this.#over) return
    const left = ms - (this.#clock.now() - this.#spokeMs)
    this.#beat = this.#clock.after(left > 0 ? left : ms, () => {
      if (this.#clock.now() - this.#spokeMs >= ms) beat()
      this.speak(ms, beat)
    })
  }

  /** Neither silence nor beats matter any more. */
  stop(): void {
    this.#over = true
    this.#waiting?.cancel()
    this.#beat?.cancel()
  }
}
