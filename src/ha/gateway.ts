// The eye on the gateway: pings it in every interval and says when it is down or up. One lost ping is no news; that the
// gateway answers is an input to the rules, never a permission to serve.

import type { Clock, Timer } from '../base/ports.ts'

/** One attempt to reach the gateway. Calls `done` once, within `limitMs` or little more. */
export interface PingPort {
  ping(limitMs: number, done: (reached: boolean) => void): void
}

/** Lost pings in a row after which the gateway is down. */
const MISSES = 2

export interface GatewaySensorOptions {
  readonly ping: PingPort
  readonly clock: Clock
  readonly intervalMs: number
  /** Called with the first finding and at every change. */
  readonly onChange: (up: boolean) => void
}

export class GatewaySensor {
  readonly #options: GatewaySensorOptions
  #up: boolean | null = null
  #misses = 0
  #timer: Timer | null = null
  #stopped = false

  constructor(options: GatewaySensorOptions) {
    this.#options = options
  }

  get up(): boolean {
    return this.#up === true
  }

  start(): void {
    this.#ping()
  }

  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
  }

  #ping(): void {
    const { ping, clock, intervalMs } = this.#options
    const started = clock.now()
    ping.ping(intervalMs, reached => {
      if (this.#stopped) return
      this.#found(reached)
      // One ping at a time: the next begins an interval after this one began, or at once where this one took as long.
      this.#timer = clock.after(Math.max(started + intervalMs - clock.now(), 0), () => this.#ping())
    })
  }

  #found(reached: boolean): void {
    this.#misses = reached ? 0 : this.#misses + 1
    const up = reached ? true : this.#misses >= MISSES ? false : this.#up
    if (up === null || up === this.#up) return
    this.#up = up
    this.#options.onChange(up)
  }
}
