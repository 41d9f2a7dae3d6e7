// What this process counts of itself for GET /metrics that no other part knows: stalls of its event loop.

import { monitorEventLoopDelay, type IntervalHistogram } from 'node:perf_hooks'
import type { Clock } from '../base/ports.ts'

export class Tally {
  readonly #delay: IntervalHistogram = monitorEventLoopDelay({ resolution: 10 })
  readonly #clock: Clock
  #since: number

  constructor(clock: Clock) {
    this.#clock = clock
    this.#since = clock.now()
    this.#delay.enable()
  }

  /** The longest stall since it was last asked, but at least over the last ten seconds. */
  longestStallMs(): number {
    const stall = this.#delay.max / 1e6
    if (this.#clock.now() - this.#since > 10_000) {
      this.#delay.reset()
      this.#since = this.#clock.now()
    }
    return stall
  }
}
