// From what was measured to what may be expected: the time without service with this profile, the shortest intervals that
// fit what was measured, and whether those of the profile do. Pure arithmetic over profiles/intervals.ts.

import type { ChosenIntervals, Fault, Intervals } from '../profiles/intervals.ts'
import { checkIntervals, deriveIntervals, expectedOutageMs } from '../profiles/intervals.ts'
import { finding, type Finding } from './finding.ts'

export interface Measured {
  /** The longest that the other host needed to see a change; assumed where it was not measured. */
  readonly visibilityMs: number
  readonly visibilityMeasured: boolean
  /** The longest operation on the share. */
  readonly operationMs: number
  readonly stallMs: number
  /** The slow end (p99) of a flush. */
  readonly flushMs: number
  /** To the peer; null where it was not reached. */
  readonly roundTripMs: number | null
}

/** Of everything that was measured in a quiet moment a busy one may need so many times as much. */
const RESERVE = 4
const LEAST_P = 100
/** Steps in which intervals are named. */
const STEP_P = 50
const STEP_Q = 100

const up = (value: number, step: number): number => Math.ceil(value / step) * step

/** The shortest P = R and Q that leave the reserve. */
export function fittingIntervals(m: Measured): ChosenIntervals {
  const busy = Math.max(m.stallMs, m.flushMs, m.roundTripMs ?? 0)
  // A peer counts as gone after 2 P.
  const P = up(Math.max(LEAST_P, (RESERVE / 2) * busy, m.operationMs), STEP_P)
  const R = P
  let Q = up(Math.max(500, 3 * R), STEP_Q)
  for (;;) {
    const chosen = {
      pingInterval: P,
      activeLockReacquisitionInterval: R,
      passiveLockAcquisitionInterval: Q,
    }
    const i = deriveIntervals(chosen)
    const roomy =
      checkIntervals(chosen).length === 0 &&
      i.operationMs >= RESERVE * m.operationMs &&
      // A healthy token must never look silent for half a lease.
      i.renewMs + m.operationMs + m.visibilityMs + i.lookMs <= Q / 2 &&
      i.peerSilenceMs >= RESERVE * busy
    if (roomy || Q >= 3_600_000) return chosen
    Q += STEP_Q
  }
}

export const yamlOf = (chosen: ChosenIntervals): string[] => [
  `pingInterval: ${chosen.pingInterval}`,
  `activeLockReacquisitionInterval: ${chosen.activeLockReacquisitionInterval}`,
  `passiveLockAcquisitionInterval: ${chosen.passiveLockAcquisitionInterval}`,
]

export interface Outlook {
  readonly findings: readonly Finding[]
  readonly expected: readonly { readonly fault: Fault; readonly ms: number }[]
  readonly fitting: ChosenIntervals
  /** What to expect with `fitting`. */
  readonly fittingExpected: readonly { readonly fault: Fault; readonly ms: number }[]
}

const FAULTS: readonly Fault[] = [
  'switchover',
  'broker killed',
  'broker frozen',
  'channel cut',
  'host lost',
  'host cut off',
]

const expect = (i: Intervals, m: Measured) =>
  FAULTS.map(fault => ({ fault, ms: Math.round(expectedOutageMs(fault, i, m.visibilityMs) + m.operationMs) }))

/** What the intervals of the profile lack; '' where they fit. */
function shortage(i: Intervals, m: Measured): string {
  if (m.operationMs > i.operationMs / 2)
    return `one operation of ${Math.round(m.operationMs)} ms, given up after ${i.operationMs} ms`
  if (i.renewMs + m.operationMs + m.visibilityMs + i.lookMs > i.leaseMs - i.marginMs)
    return `renewals are seen up to ${Math.round(m.visibilityMs)} ms late, with a lease of ${i.leaseMs} ms`
  if (m.stallMs > i.peerSilenceMs / 2)
    return `a stall of ${Math.round(m.stallMs)} ms, with a peer gone after ${i.peerSilenceMs} ms`
  if ((m.roundTripMs ?? 0) > i.peerSilenceMs / 2)
    return `a round trip of ${Math.round(m.roundTripMs ?? 0)} ms, with a peer gone after ${i.peerSilenceMs} ms`
  return ''
}

export function judgeOutlook(chosen: ChosenIntervals, m: Measured): Outlook {
  const i = deriveIntervals(chosen)
  const fitting = fittingIntervals(m)
  const yaml = yamlOf(fitting).join(', ')
  const expected = expect(i, m)
  const outlook = expected.map(({ fault, ms }) => `${fault} ${(ms / 1000).toFixed(2)} s`).join(', ')
  const reason = shortage(i, m)
  return {
    findings: [
      finding('OUTLOOK', { outlook }),
      finding(reason === '' ? 'INTERVALS' : 'INTERVALS-SHORT', { yaml, reason }),
    ],
    expected,
    fitting,
    fittingExpected: expect(deriveIntervals(fitting), m),
  }
}
