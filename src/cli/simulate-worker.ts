// A worker process of `lockstep simulate`: runs the seeds that it is given, one after another, until it is given none.

import { run } from '../simulation/run.ts'

export interface SeedDone {
  readonly seed: string
  readonly violation: string
  readonly simulatedMs: number
  readonly givenUp: boolean
}

// Faults are what a simulation is about, and nobody reads their stacks here: a seed that fails is run again in words.
Error.stackTraceLimit = 0

process.on('message', ({ seed }: { seed: string }) => {
  if (seed === '') return process.exit(0)
  const { violation, simulatedMs, givenUp } = run(seed)
  const done: SeedDone = { seed, violation: violation?.split('\n')[0] ?? '', simulatedMs, givenUp: givenUp !== '' }
  process.send?.(done)
})
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => {})
process.once('disconnect', () => process.exit(0))
