// Bad moments for one guard: faults that are added to those of a seed, so that a simulation of a few dozen seeds meets what
// drawn faults alone meet in thousands. The seed still decides everything else: intervals, work, delays, other faults.

import type { Deed, Fault } from '../../src/simulation/faults.ts'
import type { Place } from '../../src/simulation/network.ts'

const at = (ms: number, deed: Deed, when: string | null = null): Fault => ({ at: ms, when, deed })
const both = (a: Place, b: Place): readonly (readonly [Place, Place])[] => [
  [a, b],
  [b, a],
]
const cut = (links: readonly (readonly [Place, Place])[], lasts: number): Deed => ({ kind: 'cut', links, lasts })

/** Around these times, far enough apart for the pair to come back in between. */
const TIMES = [6000, 24_000, 42_000]

export const scenarios = {
  /** The active server stands still for longer than a lease, with a confirmation on its way to it. */
  frozen: TIMES.map(ms => at(ms, { kind: 'freeze', who: 'both', target: 'active', lasts: 8000 }, 'CONFIRM')),
  /** Its machine sleeps, and its monotonic clock with it. */
  asleep: TIMES.map(ms => at(ms, { kind: 'sleep', target: 'active', lasts: 8000 }, 'CONFIRM')),
  /** First the one, then the other server reaches nobody any more. */
  isolated: TIMES.flatMap((ms, n) => [
    at(ms, cut([...both(n % 2 ? 'A' : 'B', 'G'), ...both('A', 'B')], 9000), 'RECORDS'),
  ]),
  /** The active server has lost the share and lives by the promise, then the channel goes. */
  promised: TIMES.flatMap(ms => [
    at(ms, cut([...both('A', 'G')], 12_000)),
    at(ms + 6000, cut([...both('A', 'B')], 6000), 'PING'),
  ]),
  /** The channel breaks while a record is being appended, and the share answers late. */
  soloing: TIMES.flatMap((ms, n) => [
    at(ms, { kind: 'slow', from: n % 2 ? 'B' : 'A', to: 'G', ms: 600, lasts: 9000 }),
    at(ms + 200, cut(both('A', 'B'), 5000), 'RECORDS'),
    at(ms + 1500, { kind: 'crash', target: 'active', lasts: 6000 }),
  ]),
  /** One switchover after the other, and the channel breaks in the middle of some. */
  switching: [5000, 9000, 14_000, 20_000, 27_000, 35_000].flatMap((ms, n) => [
    at(ms, { kind: 'switchover' }),
    ...(n % 2 ? [at(ms - 100, cut(both('A', 'B'), 3000), n % 3 ? 'HANDOVER' : 'TAKEN')] : []),
  ]),
  /** The passive server joins again and again, and the active one ends right when it does. */
  joining: TIMES.flatMap(ms => [
    at(ms, { kind: 'crash', target: 'passive', lasts: 1000 }),
    at(ms + 500, { kind: 'crash', target: 'active', lasts: 8000 }, 'JOIN_PREPARED'),
  ]),
  /** Machines crash, which forgets what was not flushed. */
  crashing: TIMES.flatMap(ms => [
    at(ms, { kind: 'crash', target: 'passive', lasts: 1500 }, 'RECORDS'),
    at(ms + 6000, { kind: 'crash', target: 'active', lasts: 1500 }, 'CONFIRM'),
  ]),
  /** One server after the other is killed in the middle of its work. */
  falling: Array.from({ length: 14 }, (_, n) =>
    at(5000 + 4000 * n, { kind: 'kill', who: 'both', target: 'active' }, n % 2 ? 'CONFIRM' : 'RECORDS'),
  ),
  /** Graceful stops, with work under way. */
  stopping: TIMES.map(ms => at(ms, { kind: 'stop', target: 'active', lasts: 3000 }, 'RECORDS')),
  /** A flush of the active server fails. */
  failing: TIMES.map(ms => at(ms, { kind: 'flush fails', target: 'active' })),
  /** The share goes back to an old backup, and servers that know better are restarted. */
  rolledBack: [
    at(14_000, { kind: 'share rolled back', ageMs: 9000 }),
    at(14_500, { kind: 'kill', who: 'both', target: 'passive' }),
    at(20_000, { kind: 'kill', who: 'both', target: 'active' }),
  ],
} satisfies Readonly<Record<string, readonly Fault[]>>

export type Scenario = keyof typeof scenarios
