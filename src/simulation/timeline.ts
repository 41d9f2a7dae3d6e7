// Simulated time: one queue of everything that will happen, in the order of true time, which no server knows. Machines have
// clocks of their own that are off and drift; processes can be frozen and killed between any two events. What falls due
// while a process is frozen happens when it is thawed. Nothing here knows of servers.

import type { Clock, Timer } from '../base/ports.ts'
import type { Dice } from './dice.ts'

/** Something that will happen once, unless it is called off. */
class Happening implements Timer {
  at: number
  order: number
  fn: (() => void) | null
  /** Null: the world itself (kernels, networks, the share). */
  readonly process: Process | null
  /** What the process's clock must show, for a timer: it may stand still meanwhile. */
  readonly due: number | null
  /** It comes from outside, by a pipe or a connection: none overtakes another. */
  readonly arrives: boolean
  /** It came while its process was frozen. */
  isOverdue = false

  constructor(
    at: number,
    order: number,
    fn: () => void,
    process: Process | null,
    due: number | null,
    arrives: boolean,
  ) {
    this.at = at
    this.order = order
    this.fn = fn
    this.process = process
    this.due = due
    this.arrives = arrives
  }

  cancel(): void {
    this.fn = null
  }
}

export class Timeline {
  /** True time in ms. */
  now = 0
  events = 0
  /** Over the times and the processes of all events: two runs that differ anywhere differ here. */
  hash = 2166136261
  readonly #heap: Happening[] = []
  /** Their times: side by side in memory, where sorting looks at them. */
  readonly #times: number[] = []
  /** What happens now, in order: nearly half of all, which so need no sorting. */
  #at: Happening[] = []
  #taken = 0
  #order = 0

  /** Something that happens in the world in `ms`, to no process. */
  after(ms: number, fn: () => void): Timer {
    return this.add(this.now + Math.max(0, ms), fn, null, null, false)
  }

  add(at: number, fn: () => void, process: Process | null, due: number | null, arrives: boolean): Timer {
    const happening = new Happening(at, this.#order++, fn, process, due, arrives)
    this.#put(happening)
    return happening
  }

  again(happening: Happening, at: number): void {
    happening.at = at
    happening.order = this.#order++
    this.#put(happening)
  }

  /** Lets everything happen until `end`, or until `done` says so (asked after each event). */
  run(end: number, done: () => boolean = () => false): void {
    for (;;) {
      const next = this.#next(end)
      if (next === null) break
      const { fn, process } = next
      if (fn === null) continue
      this.now = next.at
      if (process !== null) {
        if (!process.alive) continue
        if (process.frozen) {
          process.postpone(next)
          continue
        }
        if (next.arrives && next.at < process.overdueUntil && !next.isOverdue) {
          this.again(next, process.overdueUntil)
          continue
        }
      }
      next.fn = null
      this.events++
      const hash = Math.imul(this.hash ^ ((next.at * 1024) | 0), 16777619)
      this.hash = Math.imul(hash ^ (process === null ? 0 : process.number), 16777619)
      if (process === null) fn()
      else this.#inProcess(next, fn, process)
      if (done()) return
    }
    this.now = end
  }

  #inProcess(happening: Happening, fn: () => void, process: Process): void {
    const { due } = happening
    if (due !== null) {
      const early = due - process.now()
      if (early > 1e-6) {
        // The machine slept meanwhile.
        happening.fn = fn
        return this.again(happening, this.now + process.clock.trueMs(early))
      }
    }
    process.perform(fn)
  }

  #put(happening: Happening): void {
    if (happening.at === this.now) this.#at.push(happening)
    else this.#push(happening)
  }

  /** Takes out what happens next, if that is by `end`. */
  #next(end: number): Happening | null {
    const [sorted] = this.#heap
    const now = this.#at[this.#taken]
    if (now === undefined || (sorted !== undefined && isBefore(this.#times[0] as number, sorted, now.at, now))) {
      if (sorted === undefined || (this.#times[0] as number) > end) return null
      this.#pop()
      return sorted
    }
    if (++this.#taken === this.#at.length) {
      this.#at = []
      this.#taken = 0
    }
    return now
  }

  #push(happening: Happening): void {
    const heap = this.#heap
    const times = this.#times
    const time = happening.at
    let at = heap.length
    heap.push(happening)
    times.push(time)
    while (at > 0) {
      const parent = (at - 1) >> 1
      const above = heap[parent] as Happening
      const its = times[parent] as number
      if (isBefore(its, above, time, happening)) break
      heap[at] = above
      times[at] = its
      at = parent
    }
    heap[at] = happening
    times[at] = time
  }

  #pop(): void {
    const heap = this.#heap
    const times = this.#times
    const last = heap.pop() as Happening
    const time = times.pop() as number
    const length = heap.length
    if (length === 0) return
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= length) break
      const right = child + 1
      if (
        right < length &&
        isBefore(times[right] as number, heap[right] as Happening, times[child] as number, heap[child] as Happening)
      )
        child = right
      const below = heap[child] as Happening
      const its = times[child] as number
      if (isBefore(time, last, its, below)) break
      heap[at] = below
      times[at] = its
      at = child
    }
    heap[at] = last
    times[at] = time
  }
}

const isBefore = (time: number, one: Happening, otherTime: number, other: Happening): boolean =>
  time < otherTime || (time === otherTime && one.order < other.order)

/** The clocks of one machine. */
export class MachineClock {
  readonly #timeline: Timeline
  readonly #offset: number
  readonly #rate: number
  #wallShift: number
  #highestWall = 0
  /** True time that went by while the machine slept: its monotonic clock stood still. */
  #slept = 0
  #asleepSince: number | null = null

  constructor(timeline: Timeline, offset: number, rate: number, wallShift: number) {
    this.#timeline = timeline
    this.#offset = offset
    this.#rate = rate
    this.#wallShift = wallShift
  }

  monotonic(): number {
    const awake = (this.#asleepSince ?? this.#timeline.now) - this.#slept
    return this.#offset + awake * this.#rate
  }

  wall(): number {
    return 1_700_000_000_000 + this.#wallShift + this.#timeline.now * this.#rate
  }

  /** True ms in which `ms` of this clock go by. */
  trueMs(ms: number): number {
    return ms / this.#rate
  }

  jump(ms: number): void {
    this.#highestWall = this.highestWall()
    this.#wallShift += ms
  }

  /** The latest time of day that it has ever shown. */
  highestWall(): number {
    return Math.max(this.#highestWall, this.wall())
  }

  sleep(): void {
    this.#asleepSince ??= this.#timeline.now
  }

  wake(): void {
    if (this.#asleepSince !== null) this.#slept += this.#timeline.now - this.#asleepSince
    this.#asleepSince = null
  }
}

/** One process on a machine: its view of time, and its event loop. */
export class Process implements Clock {
  readonly name: string
  readonly number: number
  readonly clock: MachineClock
  alive = true
  frozen = false
  /** Until then what came while it was frozen is taken in; what comes now waits behind that. */
  overdueUntil = 0
  /** What the process threw; it is dead then. */
  onThrown: (error: unknown) => void = () => {}
  readonly #timeline: Timeline
  readonly #dice: Dice
  #postponed: Happening[] = []

  constructor(timeline: Timeline, clock: MachineClock, name: string, dice: Dice) {
    this.#timeline = timeline
    this.clock = clock
    this.name = name
    this.number = name.length * 31 + (name.codePointAt(0) ?? 0)
    this.#dice = dice
  }

  now(): number {
    return this.clock.monotonic()
  }

  wall(): number {
    return this.clock.wall()
  }

  after(ms: number, fn: () => void): Timer {
    const waits = Math.max(0, ms)
    // An event loop is never quite on time.
    const late = this.#dice.next() * 0.8
    const at = this.#timeline.now + this.clock.trueMs(waits) + late
    return this.#timeline.add(at, fn, this, this.clock.monotonic() + waits, false)
  }

  soon(fn: () => void): void {
    this.#timeline.add(this.#timeline.now, fn, this, null, false)
  }

  /** Something from outside reaches this process in `ms` of true time. */
  arrive(ms: number, fn: () => void): void {
    this.#timeline.add(this.#timeline.now + Math.max(0, ms), fn, this, null, true)
  }

  perform(fn: () => void): void {
    try {
      fn()
    } catch (error) {
      if (this.alive) this.onThrown(error)
    }
  }

  postpone(happening: Happening): void {
    this.#postponed.push(happening)
  }

  freeze(): void {
    this.frozen = true
  }

  /**
   * Goes on, with what came meanwhile: timers first or what arrived first, as the event loop was stopped; all in one turn,
   * or one by one, so that what is put off to a later turn comes in between.
   */
  thaw(): void {
    if (!this.frozen) return
    this.frozen = false
    const postponed = this.#postponed
    this.#postponed = []
    const timersFirst = this.#dice.likely(0.3)
    const gapMs = this.#dice.likely(0.3) ? 0 : this.#dice.stretch(0.001, 0.5)
    let at = this.#timeline.now
    for (const timers of [timersFirst, !timersFirst])
      for (const happening of postponed)
        if ((happening.due !== null) === timers) {
          happening.isOverdue = true
          this.#timeline.again(happening, (at += gapMs))
        }
    this.overdueUntil = at
  }

  kill(): void {
    this.alive = false
    this.#postponed = []
  }
}
