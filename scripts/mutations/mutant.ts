// What a row of the mutation table is: one guard of the product, taken out, and where that should be noticed. Also how a
// row is applied to text. Nothing here runs anything.

import type { Scenario } from './scenarios.ts'

/** The promises of docs/promises.md; `live`: the pair comes back by itself; `clients`: what clients are told. */
export type Promised = 'P1' | 'P2' | 'P3' | 'P4' | 'P5' | 'P6' | 'P7' | 'P8' | 'P9' | 'P10' | 'live' | 'clients'

/** file below src/, the exact text that stands there once, what takes its place. */
export type Edit = readonly [file: string, find: string, put: string]

export type Layer =
  /** Test files below test/, without `.test.ts`. */
  | { readonly layer: 'unit' | 'rules'; readonly files: readonly string[] }
  /** These seeds of the simulation, then at most so many in order, with the faults of a scenario added. */
  | {
      readonly layer: 'simulation'
      readonly seeds: number
      readonly scenario: Scenario | null
      readonly named: readonly string[]
    }
  /** These explorations, each up to so many states. */
  | { readonly layer: 'exploration'; readonly states: number; readonly names: readonly string[] }
  /** The drill with real processes whose name fits. */
  | { readonly layer: 'drill'; readonly only: string }

export interface Mutant {
  readonly id: string
  readonly promise: Promised
  /** More than one where each of them alone is covered by the others. */
  readonly edits: readonly Edit[]
  /** What is broken, in words. */
  readonly breaks: string
  /** In the order in which they are tried. */
  readonly layers: readonly Layer[]
  /** A promise hangs on it, and only a unit test notices: why no whole pair shows it. */
  readonly hidden?: string
}

export const unit = (...files: string[]): Layer => ({ layer: 'unit', files })
export const rules: Layer = { layer: 'rules', files: ['states/rules'] }
export const simulation = (seeds: number, scenario: Scenario | null = null, ...named: string[]): Layer => ({
  layer: 'simulation',
  seeds,
  scenario,
  named,
})
export const exploration = (states: number, ...names: string[]): Layer => ({ layer: 'exploration', states, names })
export const drill = (only: string): Layer => ({ layer: 'drill', only })

/** The seeds of the simulation that mutants meet: the same ones each time. */
export const seedsOf = (count: number): string[] => Array.from({ length: count }, (_, n) => `mutant-${n + 1}`)

const countOf = (text: string, find: string): number => text.split(find).length - 1

/** Why this row cannot be applied to the sources as they are now; empty where it can. */
export function faultsOf(mutant: Mutant, read: (file: string) => string): string[] {
  return mutant.edits.flatMap(([file, find, put]) => {
    if (find === put) return [`${mutant.id}: ${file}: changes nothing`]
    const count = countOf(read(file), find)
    return count === 1 ? [] : [`${mutant.id}: src/${file}: occurs ${count} times, not once: ${JSON.stringify(find)}`]
  })
}

/** The changed files of one mutant. */
export function changed(mutant: Mutant, read: (file: string) => string): Map<string, string> {
  const texts = new Map<string, string>()
  for (const [file, find, put] of mutant.edits) {
    const text = texts.get(file) ?? read(file)
    texts.set(
      file,
      text.replace(find, () => put),
    )
  }
  return texts
}
