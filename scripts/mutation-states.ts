// Explores the pair of the sources beside it until something is broken; for scripts/mutate.ts, in its private copy.
//   mutation-states.ts <states> <exploration>...     explorations by their names (src/simulation/explore/explorations.ts)
// The last line of its output is JSON: the exploration, how many states were seen, what is broken ('' for nothing), and
// whether it was no broken promise but a program that broke. Exit code 1 where something was found.

import { explorations } from '../src/simulation/explore/explorations.ts'
import { run } from '../src/simulation/explore/run.ts'

const [, , states = '', ...names] = process.argv
const limits = { states: Number(states), healed: Math.ceil(Number(states) / 20) }

let found = { seed: '', ran: 0, violation: '', broken: false }
for (const name of names) {
  const exploration = explorations.find(one => one.name === name)
  if (exploration === undefined) throw new Error(`there is no exploration "${name}"`)
  const { explored, deadEnd } = run(exploration, limits, () => 0)
  found = {
    seed: '',
    ran: found.ran + explored.states,
    violation: explored.found?.what ?? deadEnd?.why ?? '',
    broken: false,
  }
  if (found.violation !== '') break
}
console.log(JSON.stringify(found))
process.exitCode = found.violation === '' ? 0 : 1
