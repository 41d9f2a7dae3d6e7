// One run of one seed: act one hurts, and the checkers judge safety all the while; act two heals, and judges that the pair
// comes back by itself, serves, loses nothing and ends with two equal copies.

import { BrokenPromise } from '../base/assert.ts'
import { actTwo } from './act-two.ts'
import { Dice } from './dice.ts'
import { drawFaults, type Fault } from './faults.ts'
import { settingOf, showSetting } from './setting.ts'
import { Violation } from './watch.ts'
import { World } from './world.ts'

export interface Verdict {
  readonly seed: string
  readonly faults: readonly Fault[]
  /** What was violated, or null. */
  readonly violation: string | null
  /** The promise, to tell whether a smaller run fails in the same way. */
  readonly promise: string
  readonly hash: number
  readonly events: number
  readonly simulatedMs: number
  readonly setting: string
  readonly lines: readonly string[]
  readonly counts: Readonly<Record<string, number>>
  /** Ended without judgement: what was lost was lost by assumption; why. */
  readonly givenUp: string
}

export interface RunOptions {
  /** Keep a trace in words. */
  readonly tells?: boolean
  /** Instead of those of the seed. */
  readonly faults?: readonly Fault[]
  /** Clients send plain messages only: the story that a seed had before there were others. */
  readonly plain?: boolean
}

export function faultsOf(seed: string): { actMs: number; faults: Fault[] } {
  const dice = new Dice(seed).fork('faults')
  const actMs = Math.round(dice.between(12_000, 60_000))
  const { intervals } = settingOf(new Dice(seed))
  return { actMs, faults: drawFaults(dice, actMs, intervals.leaseMs) }
}

export function run(seed: string, options: RunOptions = {}): Verdict {
  const { actMs, faults: drawn } = faultsOf(seed)
  const faults = options.faults ?? drawn
  const world = new World(seed, options.tells ?? false, options.plain ?? false)
  world.inflictor.schedule(faults)
  world.start()
  try {
    world.timeline.run(actMs, () => world.failure !== null || world.givenUp !== '')
    if (world.failure === null && world.givenUp === '') actTwo(world)
  } catch (error) {
    world.failure ??= error
  }
  const { failure, timeline, watch, account } = world
  return {
    seed,
    faults,
    violation: failure === null ? null : told(failure),
    promise: failure instanceof Violation ? failure.promise : failure === null ? '' : 'own',
    hash: timeline.hash >>> 0,
    events: timeline.events,
    simulatedMs: timeline.now,
    setting: showSetting(world.setting),
    lines: world.lines,
    givenUp: world.givenUp,
    counts: {
      acts: watch.acts,
      records: watch.records,
      acknowledged: account.acknowledged,
      settled: account.settlements,
      starts: world.a.starts + world.b.starts,
      excused: watch.excused,
      ...Object.fromEntries(Object.entries(account.journeys.counts).map(([kind, n]) => [`errands ${kind}`, n])),
      ...Object.fromEntries([...world.strikes].map(([kind, n]) => [`fault ${kind}`, n])),
    },
  }
}

function told(failure: unknown): string {
  if (failure instanceof Violation) return failure.message
  if (failure instanceof BrokenPromise) return `a broken promise of our own: ${failure.message}\n${failure.stack ?? ''}`
  return failure instanceof Error ? (failure.stack ?? failure.message) : String(failure)
}
