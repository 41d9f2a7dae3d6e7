// From every state that was reached, the pair must come to rest as ACTIVE and PASSIVE once nothing goes wrong any more.
// Tried with one fair order of events for all: servers start, the channel comes up, frames arrive, the share works, clocks
// run out only when nothing else can happen. A state from which that order does not lead there is a dead end of the rules.

import { atRest } from './checks.ts'
import { Rows } from './decide.ts'
import { choiceOf, choices, Events, FIRST_FAULT, KINDS } from './events.ts'
import { newWorld, type Bounds, type World } from './model.ts'
import { Worlds } from './search.ts'

/** Longer than any way to rest that was seen, by far. */
const MOST_STEPS = 400
/** An epoch is one character of a journal. */
const MOST_RECORDS = 34

const calm = (bounds: Bounds): Bounds => ({
  ...bounds,
  ...{ ops: 0, crashes: 0, stops: 0, breaks: 0, losses: 0, switchovers: 0, disks: 0, snapshots: 0, records: MOST_RECORDS },
})

/** The next event of the fair order; -1 where nothing can happen. */
function next(world: World, bounds: Bounds): number {
  let best = -1
  let rank = FIRST_FAULT
  for (const choice of choices(world, bounds)) {
    const at = KINDS.indexOf(choiceOf(choice).kind)
    if (at < rank) [best, rank] = [choice, at]
  }
  return best
}

export interface DeadEnd {
  readonly from: number
  readonly path: readonly number[]
  readonly why: string
}

export class Healing {
  readonly #bounds: Bounds
  readonly #events: Events
  readonly #worlds: Worlds
  readonly #good: Uint8Array
  /** The longest way to rest. */
  longest = 0

  constructor(bounds: Bounds, most: number) {
    this.#bounds = calm(bounds)
    this.#events = new Events(this.#bounds, null, new Rows())
    this.#worlds = new Worlds(most)
    this.#good = new Uint8Array(most)
  }

  /** Different states on the ways to rest. */
  get size(): number {
    return this.#worlds.size
  }

  /** Null where all is well from here, or the way that does not end. */
  tryFrom(world: World): Omit<DeadEnd, 'from'> | null {
    const way: number[] = []
    const path: number[] = []
    const on = new Set<number>()
    let at: World = { ...world, used: newWorld().used }
    for (;;) {
      const number = this.#worlds.add(at)
      if (this.#good[number] === 1 || atRest(at)) break
      if (on.has(number)) return { path, why: 'it goes round in a circle' }
      on.add(number)
      way.push(number)
      const choice = next(at, this.#bounds)
      if (choice < 0) return { path, why: 'nothing can happen any more' }
      path.push(choice)
      const after = this.#events.after(at, choice)
      if (!after || path.length > MOST_STEPS) return { path, why: 'it does not come to rest' }
      if (after.broken !== '') return { path, why: after.broken }
      at = after.world
      if (this.#worlds.size >= this.#good.length - 1) return { path, why: 'too many states to heal from' }
    }
    for (const number of way) this.#good[number] = 1
    this.longest = Math.max(this.longest, way.length)
    return null
  }
}

/** A pair at rest, with everything that healed it forgotten: where explorations with more faults begin. */
export function formedPair(bounds: Bounds): World {
  const calmed = calm(bounds)
  const events = new Events(calmed, null, new Rows())
  let world = newWorld()
  while (!atRest(world)) {
    const after = events.after(world, next(world, calmed))
    if (!after) throw new Error('the pair does not come to rest')
    world = after.world
  }
  return { ...world, used: newWorld().used }
}
