// Makes a failing run smaller: leaves out faults as long as the same promise is still violated. Everything else of the seed
// stays as it is, because every source of chance has its own dice.

import type { Fault } from './faults.ts'
import { run, type RunOptions, type Verdict } from './run.ts'

/** Runs that a shrinking may take. */
const RUNS_LIMIT = 120

export function shrink(failing: Verdict, { plain = false }: Pick<RunOptions, 'plain'> = {}): Verdict {
  let smallest = failing
  let runs = 0
  const without = (from: number, count: number): boolean => {
    if (runs >= RUNS_LIMIT) return false
    runs += 1
    const faults: Fault[] = [...smallest.faults]
    faults.splice(from, count)
    const verdict = run(failing.seed, { faults, plain })
    if (verdict.violation === null || verdict.promise !== failing.promise) return false
    smallest = verdict
    return true
  }
  // Halves, quarters, ..., single ones; from the end, where most do nothing any more.
  for (let size = Math.ceil(smallest.faults.length / 2); size >= 1; size = Math.floor(size / 2)) {
    for (let from = smallest.faults.length - size; from >= 0; from -= size) without(from, size)
  }
  for (let again = true; again;) {
    again = false
    for (let from = smallest.faults.length - 1; from >= 0; from--) again = without(from, 1) || again
  }
  return smallest
}
