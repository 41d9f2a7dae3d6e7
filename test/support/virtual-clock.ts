// Time under the test's control. Runs what is due in the order of a real event loop: timers, then what has arrived
// (messages, answers of a disk), then `soon`. A host's view of it can be frozen, as a process is by SIGSTOP: what falls
// due meanwhile happens, in the same order, when it is thawed.

import type { Clock, Timer } from '../../src/base/ports.ts'

interface Due {
  readonly at: number
  readonly order: number
  readonly fn: () => void
  readonly host: VirtualHost
  cancelled: boolean
}

type Phase = 'timers' | 'arrivals'

export class VirtualClock {
  #now = 1000
  #order = 0
  #queues: Record<Phase, Due[]> = { timers: [], arrivals: [] }
  #soon: Due[] = []
  /** A clock for tests of one host. */
  readonly host = new VirtualHost(this)

  get now(): number {
    return this.#now
  }

  add(phase: Phase, at: number, fn: () => void, host: VirtualHost): Due {
    const due: Due = { at, order: this.#order++, fn, host, cancelled: false }
    this.#queues[phase].push(due)
    return due
  }

  addSoon(fn: () => void, host: VirtualHost): void {
    this.#soon.push({ at: this.#now, order: this.#order++, fn, host, cancelled: false })
  }

  /** Lets `ms` go by and everything happen that falls due. */
  advance(ms: number): void {
    const end = this.#now + ms
    for (;;) {
      this.#runNow()
      const next = this.#next()
      if (next === null || next > end) break
      this.#now = next
    }
    this.#now = end
  }

  /** Lets time go by until `condition` holds; false where it still doesn't after `limitMs`. */
  until(condition: () => boolean, limitMs = 60_000): boolean {
    const end = this.#now + limitMs
    for (;;) {
      this.#runNow()
      if (condition()) return true
      const next = this.#next()
      if (next === null || next > end) return false
      this.#now = next
    }
  }

  #next(): number | null {
    let next: number | null = null
    for (const queue of [this.#queues.timers, this.#queues.arrivals])
      for (const due of queue) if (!due.host.frozen && !due.cancelled && (next === null || due.at < next)) next = due.at
    return next
  }

  #runNow(): void {
    for (let turns = 0; ; turns++) {
      if (turns > 100_000) throw new Error('time stands still: something calls itself for ever')
      const ran = this.#runPhase('timers') + this.#runPhase('arrivals') + this.#runSoon()
      if (ran === 0) return
    }
  }

  #runPhase(phase: Phase): number {
    const ready = (due: Due): boolean => due.cancelled || (due.at <= this.#now && !due.host.frozen)
    const queue = this.#queues[phase]
    const run = queue.filter(ready)
    if (run.length === 0) return 0
    this.#queues[phase] = queue.filter(due => !ready(due))
    run.sort((a, b) => a.at - b.at || a.order - b.order)
    for (const due of run) if (!due.cancelled) due.fn()
    return run.length
  }

  #runSoon(): number {
    const run = this.#soon.filter(due => !due.host.frozen)
    this.#soon = this.#soon.filter(due => due.host.frozen)
    for (const due of run) due.fn()
    return run.length
  }
}

/** One process's view of a virtual clock. */
export class VirtualHost implements Clock {
  frozen = false
  readonly #clock: VirtualClock

  constructor(clock: VirtualClock) {
    this.#clock = clock
  }

  now(): number {
    return this.#clock.now
  }

  wall(): number {
    return 1_700_000_000_000 + this.#clock.now
  }

  after(ms: number, fn: () => void): Timer {
    const due = this.#clock.add('timers', this.#clock.now + Math.max(ms, 0), fn, this)
    return {
      cancel: () => {
        due.cancelled = true
      },
    }
  }

  soon(fn: () => void): void {
    this.#clock.addSoon(fn, this)
  }

  /** Something arrives from outside (a message, an answer) in `ms`; to be read when this host is not frozen. */
  arrive(ms: number, fn: () => void): void {
    this.#clock.add('arrivals', this.#clock.now + Math.max(ms, 0), fn, this)
  }
}
