// The continuous self-test: takes in what is measured while the server works, keeps the worst of the last minute of each
// vital sign, says when one comes near its margin twice within a minute, at once when the margin is eaten, and when it has
// been well again for a minute. A busy machine stands still for a moment now and then: once alone, that is only in the
// status. Bounded, cheap, no clock of its own; a keeper and a broker have one each.

import type { Clock, Log, Timer } from '../base/ports.ts'
import type { Intervals } from '../profiles/intervals.ts'
import { selfTestError } from './errors.ts'
import { inMs } from './spread.ts'
import { vitals, type VitalName } from './vitals.ts'

/** The worst of at least this and at most twice this is shown. */
const WINDOW_MS = 30_000
/** So long without being over the limit counts as well again. */
const WELL_MS = 60_000

/** One vital sign as status and metrics show it. */
export interface VitalReport {
  readonly name: VitalName
  /** The worst lately. */
  readonly worstMs: number
  readonly limitMs: number
  /** It has been over the limit within the last minute. */
  readonly ill: boolean
}

/** What a keeper tells its broker of its own self-test. */
export interface KeeperVitals {
  readonly type: 'vitals'
  readonly vitals: readonly VitalReport[]
}

interface Sign {
  readonly limitMs: number
  worst: number
  worstBefore: number
  measured: boolean
  illAt: number
  ill: boolean
  /** Since it is ill: how often it was over the limit, the worst of it, and what the console was told. */
  times: number
  worstIll: number
  said: 'nothing' | 'near' | 'eaten'
}

export class SelfTest {
  readonly #clock: Clock
  readonly #log: Log
  readonly #intervals: Intervals
  readonly #signs = new Map<VitalName, Sign>()
  readonly #tickMs: number
  #windowAt: number
  #dueAt = 0
  #timeOfDay = 0
  #timer: Timer | null = null

  constructor(by: 'keeper' | 'broker', clock: Clock, log: Log, intervals: Intervals) {
    this.#clock = clock
    this.#log = log
    this.#intervals = intervals
    this.#windowAt = clock.now()
    this.#tickMs = Math.max(10, intervals.marginMs / 5)
    for (const name of Object.keys(vitals) as VitalName[])
      if (vitals[name].by === by)
        this.#signs.set(name, {
          limitMs: vitals[name].limit(intervals),
          worst: 0,
          worstBefore: 0,
          measured: false,
          illAt: -Infinity,
          ill: false,
          times: 0,
          worstIll: 0,
          said: 'nothing',
        })
  }

  measured(name: VitalName, ms: number): void {
    const sign = this.#signs.get(name)
    if (sign === undefined) return
    sign.measured = true
    if (ms > sign.worst) sign.worst = ms
    if (ms <= sign.limitMs) return
    sign.illAt = this.#clock.now()
    if (!sign.ill) Object.assign(sign, { ill: true, times: 0, worstIll: 0, said: 'nothing' })
    sign.times++
    sign.worstIll = Math.max(sign.worstIll, ms)
    const boundMs = vitals[name].bound(this.#intervals)
    if (ms >= boundMs ? sign.said === 'eaten' : sign.said !== 'nothing' || sign.times < 2) return
    sign.said = ms >= boundMs ? 'eaten' : 'near'
    const fault = selfTestError(vitals[name].error, { ms: inMs(ms), boundMs: inMs(boundMs) })
    const often = sign.times > 1 ? ` (${sign.times} times so far.)` : ''
    this.#log('warn', `${fault.line()}${often}`, { code: fault.code })
  }

  /** Watches stalls of this process under the name given and, in the broker, the time of day. */
  watch(stall: 'keeper' | 'stall', eachTick: () => void = () => {}): void {
    const clock = this.#clock
    this.#timeOfDay = clock.wall() - clock.now()
    const tick = (): void => {
      const at = clock.now()
      this.measured(stall, Math.max(0, at - this.#dueAt))
      const timeOfDay = clock.wall() - at
      this.measured('clock', Math.abs(timeOfDay - this.#timeOfDay))
      this.#timeOfDay = timeOfDay
      this.#grow(at)
      eachTick()
      next()
    }
    const next = (): void => {
      this.#dueAt = clock.now() + this.#tickMs
      this.#timer = clock.after(this.#tickMs, tick)
    }
    next()
  }

  stop(): void {
    this.#timer?.cancel()
  }

  /** Those that were measured at all. */
  report(): VitalReport[] {
    return [...this.#signs]
      .filter(([, sign]) => sign.measured)
      .map(([name, { worst, worstBefore, limitMs, ill }]) => ({
        name,
        worstMs: inMs(Math.max(worst, worstBefore)),
        limitMs: inMs(limitMs),
        ill,
      }))
  }

  #grow(now: number): void {
    for (const [name, sign] of this.#signs) {
      if (!sign.ill || now - sign.illAt < WELL_MS) continue
      sign.ill = false
      if (sign.said === 'nothing') continue
      const code = `SELFTEST-${vitals[name].error}`
      const well = `${code} is over: ${vitals[name].meaning}, within ${inMs(sign.limitMs)} ms for a minute.`
      this.#log('info', `${well} It was above that ${sign.times} times, at worst ${inMs(sign.worstIll)} ms.`, { code })
    }
    if (now - this.#windowAt < WINDOW_MS) return
    this.#windowAt = now
    for (const sign of this.#signs.values()) {
      sign.worstBefore = sign.worst
      sign.worst = 0
    }
  }
}
