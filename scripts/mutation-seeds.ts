// Runs seeds of the simulation over the sources beside it until one fails; for scripts/mutate.ts, in its private copy.
//   mutation-seeds.ts <first> <count>     mutation-seeds.ts --quiet     (one pair without any fault)
// The last line of its output is JSON: the seed, how many ran, the violation ('' for none), and whether it was no
// violation at all but a program that broke. Exit code 1 where there was one.

import { run } from '../src/simulation/run.ts'
import { seedOf } from './mutations/mutant.ts'

const quiet = process.argv[2] === '--quiet'
const first = quiet ? 1 : Number(process.argv[2])
const count = quiet ? 1 : Number(process.argv[3])

// What the product makes of real clock, disk and network is loaded too: a mutant that cannot be loaded is none.
if (quiet) await import('../src/server/server.ts')

let found = { seed: '', ran: count, violation: '', broken: false }
for (let n = 0; n < count; n++) {
  const seed = seedOf(first + n)
  const { violation, promise, counts } = run(seed, quiet ? { faults: [] } : {})
  const idle = quiet && (counts['acknowledged'] ?? 0) === 0
  if (violation === null && !idle) continue
  const text = violation ?? 'nothing was acknowledged'
  // Without any fault only a promise that is broken counts: a pair that does not come up is no pair.
  const asserted = promise === 'own' && text.startsWith('a broken promise of our own')
  const broken = (promise === 'own' && !asserted) || (quiet && (idle || asserted || promise === 'liveness'))
  found = { seed, ran: n + 1, violation: text, broken }
  break
}
console.log(JSON.stringify(found))
process.exitCode = found.violation === '' ? 0 : 1
