// Breadth-first through all states within the bounds, so that the first broken promise found has a shortest story. A state
// is kept as the numbers of its five parts, packed into typed arrays: exact, and about forty bytes.

import { Rows } from './decide.ts'
import { broken } from './checks.ts'
import { choices, Events } from './events.ts'
import { newWorld, type Bounds, type Guard, type Server, type World } from './model.ts'

const PARTS = 5

type Part = Server | World['wire'] | World['share'] | World['used']

const partsOf = ({ servers, wire, share, used }: World): readonly Part[] => [servers[0], servers[1], wire, share, used]

/** Worlds by number: each part is known by a number of its own, and a world is five of them. Parts are never changed. */
export class Worlds {
  readonly #numbers: readonly Map<string, number>[] = Array.from({ length: PARTS }, () => new Map<string, number>())
  readonly #values: readonly Part[][] = Array.from({ length: PARTS }, () => [])
  #parts: Int32Array
  #slots: Int32Array
  size = 0

  constructor(most: number) {
    this.#parts = new Int32Array((most + 1) * PARTS)
    this.#slots = new Int32Array(2 ** Math.ceil(Math.log2(most * 1.7)))
  }

  /** The number of this world; `size` grew by one where it is new. Parts as in the world `from` need no second look. */
  add(world: World, from = -1): number {
    const parts = partsOf(world)
    const at = this.size * PARTS
    let hash = 0x811c9dc5
    for (let i = 0; i < PARTS; i++) {
      const number = this.#part(i, parts[i] as Part, from)
      this.#parts[at + i] = number
      hash = Math.imul(hash ^ number, 0x01000193)
      hash ^= hash >>> 15
      hash = Math.imul(hash, 0x2c1b3c6d)
    }
    const mask = this.#slots.length - 1
    let slot = (hash ^ (hash >>> 13)) & mask
    for (;;) {
      const found = (this.#slots[slot] as number) - 1
      if (found < 0) break
      if (this.#same(found * PARTS, at)) return found
      slot = (slot + 1) & mask
    }
    this.#slots[slot] = ++this.size
    return this.size - 1
  }

  at(number: number): World {
    const part = (i: number) => this.#value(i, number)
    const servers = [part(0), part(1)] as World['servers']
    return { servers, wire: part(2) as World['wire'], share: part(3) as World['share'], used: part(4) as World['used'] }
  }

  #value(i: number, world: number): Part {
    return (this.#values[i] as Part[])[this.#parts[world * PARTS + i] as number] as Part
  }

  #part(i: number, part: Part, from: number): number {
    if (from >= 0 && alike(part, this.#value(i, from))) return this.#parts[from * PARTS + i] as number
    const numbers = this.#numbers[i] as Map<string, number>
    const text = i < 2 ? Object.values(part).join() : JSON.stringify(part)
    let number = numbers.get(text)
    if (number === undefined) {
      number = (this.#values[i] as Part[]).push(part) - 1
      numbers.set(text, number)
    }
    return number
  }

  #same(a: number, b: number): boolean {
    const parts = this.#parts
    for (let i = 0; i < PARTS; i++) if (parts[a + i] !== parts[b + i]) return false
    return true
  }
}

function alike(a: Part, b: Part): boolean {
  for (const name in a) if (a[name as keyof Part] !== b[name as keyof Part]) return false
  return true
}

export interface Found {
  readonly what: string
  readonly story: readonly string[]
  readonly steps: number
}

export interface Explored {
  readonly states: number
  readonly transitions: number
  readonly depth: number
  /** done: all reachable states; full: as many as may be kept; found: a broken promise. */
  readonly ended: 'done' | 'full' | 'found'
  readonly found: Found | null
  readonly rows: Rows
  readonly worlds: Worlds
  /** Transitions that a bound on records cut off. */
  readonly cut: number
  /** The shortest story of a state. */
  readonly storyOf: (number: number) => string[]
}

export interface Search {
  readonly bounds: Bounds
  readonly without?: Guard | null
  readonly most: number
  readonly from?: World
  readonly progress?: (depth: number, states: number) => void
}

export function explore({ bounds, without = null, most, from = newWorld(), progress }: Search): Explored {
  const rows = new Rows()
  const events = new Events(bounds, without, rows)
  const worlds = new Worlds(most + 1)
  const parents = new Int32Array(most + 1)
  const ways = new Uint16Array(most + 1)
  worlds.add(from)
  let transitions = 0
  let cut = 0
  let depth = 0
  const wayBack = (number: number): number[] => {
    const path: number[] = []
    for (let at = number; at > 0; at = parents[at] as number) path.push(ways[at] as number)
    return path
  }
  const storyOf = (number: number) => tell(from, wayBack(number).toReversed(), bounds, without)
  const end = (ended: Explored['ended'], found: Found | null): Explored => ({
    states: worlds.size,
    transitions,
    depth,
    ended,
    found,
    rows,
    worlds,
    cut,
    storyOf,
  })
  const story = (number: number, last: number, what: string): Found => {
    const path = [last]
    path.push(...wayBack(number))
    return { what, story: tell(from, path.toReversed(), bounds, without), steps: path.length }
  }
  let levelEnd = 1
  for (let number = 0; number < worlds.size; number++) {
    if (number === levelEnd) {
      depth++
      levelEnd = worlds.size
      progress?.(depth, worlds.size)
    }
    const world = worlds.at(number)
    for (const choice of choices(world, bounds)) {
      const next = events.after(world, choice)
      transitions++
      if (!next) {
        cut++
        continue
      }
      const size = worlds.size
      const to = worlds.add(next.world, number)
      if (next.broken !== '') return end('found', story(number, choice, next.broken))
      if (to < size) continue
      parents[to] = number
      ways[to] = choice
      const wrong = broken(next.world, events, bounds)
      if (wrong !== '') return end('found', story(number, choice, wrong))
      if (worlds.size > most) return end('full', null)
    }
  }
  return end('done', null)
}

/** What happens along a path, in words. */
export function tell(from: World, path: readonly number[], bounds: Bounds, without: Guard | null): string[] {
  const lines: string[] = []
  const events = new Events(bounds, without, new Rows())
  events.tell(line => lines.push(line))
  let world = from
  for (const choice of path) world = events.after(world, choice)?.world ?? world
  return lines
}
