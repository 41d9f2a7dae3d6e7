// From every state that was reached, the pair must come to rest as ACTIVE and PASSIVE once nothing goes wrong any more.
// Tried with one fair order of events for all: servers start, the share works, the channel comes up, frames arrive, clocks run
// out only when nothing else can happen; where that goes round in a circle, the next thing in that order happens. A state from which that order does not lead there is a dead end of the rules.

import { atRest } from './checks.ts'
import { Rows } from './decide.ts'
import { choiceOf, choices, Events } from './events.ts'
import { KINDS, type Choice, type Kind } from './words.ts'
import { newWorld, type Bounds, type Guard, type World } from './model.ts'
import { Worlds } from './search.ts'
import type { Role } from '../../states/roles.ts'

/** Longer than any way to rest that was seen, by far. */
const MOST_STEPS = 400
/** An epoch is one character of a journal. */
const MOST_RECORDS = 34

// prettier-ignore
/** What is due at once, what needs the channel, and only then what needs time to pass. */
const ORDER: readonly Kind[] = [
  'restart', 'executes', 'tells', 'flush', 'look', 'lock lost', 'release', 'lock', 'wake', 'mark',
  'receive', 'notice', 'connect', 'ping', 'join', 'token', 'promise over', 'unbound', 'tired', 'grace', 'patience', 'stalled',
]

const calm = (bounds: Bounds): Bounds => ({
  ...bounds,
  ...{
    ops: 0,
    crashes: 0,
    stops: 0,
    breaks: 0,
    losses: 0,
    switchovers: 0,
    aparts: 0,
    disks: 0,
    snapshots: 0,
    records: MOST_RECORDS,
  },
})

const RANKS = KINDS.map(kind => ORDER.indexOf(kind))
const rankOf = (choice: number): number => RANKS[KINDS.indexOf(choiceOf(choice).kind)] as number

/** The events of the fair order that can happen now, the first one first. */
const nextOnes = (world: World, bounds: Bounds): number[] =>
  choices(world, bounds).toSorted((a, b) => rankOf(a) - rankOf(b))

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

  constructor(bounds: Bounds, without: Guard | null, most: number) {
    this.#bounds = calm(bounds)
    this.#events = new Events(this.#bounds, without, new Rows())
    this.#worlds = new Worlds(most)
    this.#good = new Uint8Array(most)
  }

  /** Has everything told from now on. */
  tell(say: (line: string) => void): void {
    this.#events.tell(say)
  }

  /** Different states on the ways to rest. */
  get size(): number {
    return this.#worlds.size
  }

  /** Null where all is well from here, or the way that does not end. */
  tryFrom(world: World): Omit<DeadEnd, 'from'> | null {
    const way: number[] = []
    const path: number[] = []
    const tried = new Map<number, number>()
    let at: World = { ...world, used: newWorld().used }
    let before = -1
    for (;;) {
      const number = this.#worlds.add(at, before)
      before = number
      if (this.#good[number] === 1 || atRest(at)) break
      way.push(number)
      // Where it goes round in a circle, something else happens at each turn.
      const turn = tried.get(number) ?? 0
      tried.set(number, turn + 1)
      const choice = nextOnes(at, this.#bounds)[turn]
      if (choice === undefined) return { path, why: turn > 0 ? 'it goes round in a circle' : 'nothing can happen' }
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

/** Where explorations begin: each is led to by the fair order, from the one before it. */
export const STARTS = ['nothing', 'formed', 'apart', 'joining', 'deposed'] as const
export type Start = (typeof STARTS)[number]

/**
 * nothing: two empty servers that have just started. formed: ACTIVE and PASSIVE. apart: the channel broke, one is
 * STANDALONE, the other WAITING and not listed. joining: the record that lists it again has been asked for. deposed (only
 * without clocks): that record is there, its writer was not told and is frozen, the other one has taken over.
 */
export function startOf(start: Start, bounds: Bounds): World {
  if (start === 'nothing') return newWorld()
  const calmed = calm(bounds)
  const events = new Events(calmed, null, new Rows())
  const any = (): boolean => true
  const lead = (from: World, there: (world: World) => boolean, may: (choice: Choice) => boolean = any): World => {
    let world = from
    while (!there(world)) {
      const after = events.after(world, nextOnes(world, calmed).find(choice => may(choiceOf(choice))) ?? -1)
      if (!after) throw new Error('the fair order does not lead there')
      world = after.world
    }
    return { ...world, used: newWorld().used }
  }
  const formed = lead(newWorld(), atRest)
  if (start === 'formed') return formed
  const broken: World = { ...formed, wire: { ...formed.wire, dead: true } }
  const roles = ({ servers }: World, role: Role, other: Role) => servers[0].role === role && servers[1].role === other
  const unlinked = ({ kind }: Choice) => kind !== 'connect'
  const settled = (world: World) => nextOnes(world, calmed).every(choice => !unlinked(choiceOf(choice)))
  const apart = lead(broken, world => roles(world, 'STANDALONE', 'WAITING') && settled(world), unlinked)
  if (start === 'apart') return apart
  const joining = lead(apart, ({ servers, share }) => servers[0].joining && share.flights.length > 0)
  if (start === 'joining') return joining
  const cut: World = { ...joining, wire: { ...joining.wire, dead: true } }
  const others = ({ kind, side }: Choice) => kind === 'executes' || (side === 1 && kind !== 'connect')
  return lead(cut, ({ servers }) => servers[1].role === 'STANDALONE', others)
}
