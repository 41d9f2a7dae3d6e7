// What this process counts of itself for GET /metrics that no other part knows: stalls of its event loop, and messages that
// MQTT clients did not get.

import { monitorEventLoopDelay, type IntervalHistogram } from 'node:perf_hooks'
import type { Clock, Log } from '../base/ports.ts'

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

/** Dropped messages are told of once in this time. */
const SAY_DROPPED_MS = 60_000

/** Messages that are lost on purpose, as MQTT has it: counted, and told of now and then. */
export class Drops {
  readonly counts = { refused: 0, slow: 0, 'too-large': 0 }
  readonly #clock: Clock
  readonly #log: Log
  #saidAt = -Infinity

  constructor(clock: Clock, log: Log) {
    this.#clock = clock
    this.#log = log
  }

  get total(): number {
    const { refused, slow, 'too-large': tooLarge } = this.counts
    return refused + slow + tooLarge
  }

  readonly count = (why: 'refused' | 'slow' | 'too-large'): void => {
    this.counts[why]++
    const now = this.#clock.now()
    if (now - this.#saidAt < SAY_DROPPED_MS) return
    this.#saidAt = now
    const { refused, slow, 'too-large': tooLarge } = this.counts
    this.#log(
      'warn',
      `MQTT messages were dropped so far: ${slow} for clients that do not read, ${tooLarge} larger than ` +
        `their clients take, ${refused} of QoS 0 that were refused`,
    )
  }
}
