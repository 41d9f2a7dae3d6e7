// Runs an exploration or a mutant and says in words what came of it: counts, rows never used, the story of what was broken.
// Pure but for the clock it is given, which measures only how long it took.

import { Healing, startOf, type DeadEnd } from './healing.ts'
import type { Exploration, Mutant } from './explorations.ts'
import { explore, tell, type Explored } from './search.ts'

export interface Limits {
  /** States kept at most. */
  readonly states: number
  /** States from which healing is tried at most, evenly chosen. */
  readonly healed: number
}

export interface Outcome {
  readonly explored: Explored
  readonly healedFrom: number
  readonly longestHealing: number
  readonly deadEnd: DeadEnd | null
  /** The story of what is wrong; empty where nothing is. */
  readonly story: readonly string[]
  readonly seconds: number
}

export function run(
  exploration: Exploration,
  limits: Limits,
  seconds: () => number,
  mutant: Mutant | null = null,
): Outcome {
  const began = seconds()
  const { bounds, from } = exploration
  const without = mutant?.without ?? null
  const start = startOf(from, bounds)
  const explored = explore({ bounds, without, most: limits.states, from: start })
  const { found } = explored
  const story = found ? [...found.story, `=> ${found.what}`] : []
  let healedFrom = 0
  let deadEnd: DeadEnd | null = null
  const healing = new Healing(bounds, without, 4 * Math.min(explored.states, limits.healed) + 50_000)
  const step = Math.max(1, Math.ceil(explored.states / limits.healed))
  for (let i = 0; !found && deadEnd === null && i < explored.states; i += step) {
    const world = explored.worlds.at(i)
    const end = healing.tryFrom(world)
    healedFrom++
    if (!end) continue
    deadEnd = { from: i, ...end }
    const healed = tell(world, end.path.slice(0, MOST_TOLD), { ...bounds, records: MOST_RECORDS }, without)
    story.push(...explored.storyOf(i), '-- from here on nothing goes wrong any more', ...healed, `=> ${end.why}`)
  }
  return { explored, healedFrom, longestHealing: healing.longest, deadEnd, story, seconds: seconds() - began }
}

const MOST_TOLD = 40
const MOST_RECORDS = 34

const count = (n: number): string => n.toLocaleString('en')

export const HEAD = [
  '| exploration | from | states | transitions | depth | ended | healed from | observations | time |',
  '| --- | --- | --- | --- | --- | --- | --- | --- | --- |',
]

const ENDED = { done: 'all states', full: 'at the bound', found: 'a broken promise' } as const

/** One row of the table in docs/testing.md. */
export function rowOf({ name, from }: Exploration, { explored, healedFrom, seconds }: Outcome): string {
  const { states, transitions, depth, ended, rows } = explored
  const counts = [
    count(states),
    count(transitions),
    depth,
    ENDED[ended],
    count(healedFrom),
    count(rows.met),
    `${seconds.toFixed(0)} s`,
  ]
  return `| ${[name, from, ...counts].join(' | ')} |`
}

export const MUTANT_HEAD = [
  '| guard taken out | what is done instead | found after | steps | what is found |',
  '| --- | --- | --- | --- | --- |',
]

export function mutantRow({ without, what }: Mutant, { explored, deadEnd }: Outcome): string {
  const { found, states } = explored
  const steps = found?.steps ?? (deadEnd ? deadEnd.path.length : '-')
  const wrong = found?.what ?? (deadEnd ? `never ACTIVE and PASSIVE again: ${deadEnd.why}` : 'NOT FOUND')
  return `| ${[without, what, `${count(states)} states`, steps, wrong].join(' | ')} |`
}
