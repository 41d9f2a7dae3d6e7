// A run in words, for a person: the seed first and last, what the pair was like, what went wrong, the end of the trace.

import { showFault } from './faults.ts'
import type { Verdict } from './run.ts'

const TRACE_LINES = 60
const LINE_LENGTH = 240

export function story(verdict: Verdict, traceLines = TRACE_LINES): string[] {
  const { seed, setting, faults, lines, violation, givenUp, hash, events, simulatedMs, counts } = verdict
  const end =
    violation === null
      ? givenUp === ''
        ? 'No violation'
        : `Ended by assumption: ${givenUp}`
      : `VIOLATION of ${violation}`
  return [
    `Seed ${seed}`,
    `The pair: ${setting}`,
    faults.length === 0 ? 'No faults' : 'Faults:',
    ...faults.map(fault => `  ${showFault(fault)}`),
    ...(lines.length === 0 ? [] : ['What happened (seconds, machine, words):']),
    ...lines.slice(-traceLines).map(line => line.slice(0, LINE_LENGTH)),
    `${end}`,
    `After ${(simulatedMs / 1000).toFixed(1)} s of simulated time, ${events} events, ${counts['acknowledged']} messages; trace hash ${hash.toString(16)}`,
    `Seed ${seed}`,
  ]
}
