// Runs seeds of the simulation over the sources beside it until one fails; for scripts/mutate.ts, in its private copy.
//   mutation-seeds.ts <scenario> <seed>...     scenario: of scenarios.ts; `drawn`: no more faults than the seed has;
//                                              `none`: no fault at all, and the rest of the product is loaded too
// The last line of its output is JSON: the seed, how many ran, the violation ('' for none), and whether it was no
// violation at all but a program that broke. Exit code 1 where there was one.

import { faultsOf, run } from '../src/simulation/run.ts'
import { scenarios, type Scenario } from './mutations/scenarios.ts'

const [, , scenario = 'drawn', ...seeds] = process.argv
const calm = scenario === 'none'

// What the product makes of real clock, disk and network: a mutant that cannot be loaded is none.
if (calm) await import('../src/server/server.ts')

const optionsOf = (seed: string): Parameters<typeof run>[1] => {
  if (calm) return { faults: [], plain: true }
  if (scenario === 'drawn') return {}
  return { faults: [...faultsOf(seed).faults, ...scenarios[scenario as Scenario]] }
}

let found = { seed: '', ran: seeds.length, violation: '', broken: false }
for (const [n, seed] of seeds.entries()) {
  const { violation, promise, counts } = run(seed, optionsOf(seed))
  const idle = calm && violation === null && (counts['acknowledged'] ?? 0) === 0
  if (violation === null && !idle) continue
  const text = violation ?? 'nothing was acknowledged'
  // Without any fault only a promise that is broken counts: a pair that does not come up is no pair.
  const asserted = promise === 'own' && text.startsWith('a broken promise of our own')
  const broken = (promise === 'own' && !asserted) || (calm && (idle || asserted || promise === 'liveness'))
  found = { seed, ran: n + 1, violation: text, broken }
  break
}
console.log(JSON.stringify(found))
process.exitCode = found.violation === '' ? 0 : 1
