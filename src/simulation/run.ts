// One run of one seed: act one hurts, and the checkers judge safety all the while; act two heals, and judges that the pair
// comes back by itself, serves, loses nothing and ends with two equal copies.

import { BrokenPromise } from '../base/assert.ts'
import { Dice } from './dice.ts'
import { drawFaults, type Fault } from './faults.ts'
import type { Machine } from './machine.ts'
import { showSetting } from './setting.ts'
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
}

/** The pair must be back at ACTIVE / PASSIVE within this, whatever was wrong before. */
const BACK_LIMIT_MS = 90_000
/** An operator looks after a while at what cannot heal by itself. */
const OPERATOR_MS = 20_000
/** Producers may pause for so long by themselves. */
const FLOW_LIMIT_MS = 40_000
const QUIET_LIMIT_MS = 60_000

/** What a server refuses to start with when its data are damaged: an operator's case. */
const DAMAGED = /^(JOURNAL|REPLICATION-STORE)-/

export function faultsOf(seed: string): { actMs: number; faults: Fault[] } {
  const dice = new Dice(seed).fork('faults')
  const actMs = Math.round(dice.between(12_000, 60_000))
  const world = new World(seed, false)
  return { actMs, faults: drawFaults(dice, actMs, world.setting.intervals.leaseMs) }
}

export function run(seed: string, options: RunOptions = {}): Verdict {
  const { actMs, faults: drawn } = faultsOf(seed)
  const faults = options.faults ?? drawn
  const world = new World(seed, options.tells ?? false)
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
      ...Object.fromEntries([...world.strikes].map(([kind, n]) => [`fault ${kind}`, n])),
    },
  }
}

function told(failure: unknown): string {
  if (failure instanceof Violation) return failure.message
  if (failure instanceof BrokenPromise) return `a broken promise of our own: ${failure.message}\n${failure.stack ?? ''}`
  return failure instanceof Error ? (failure.stack ?? failure.message) : String(failure)
}

function actTwo(world: World): void {
  world.heal()
  const { timeline } = world
  const failed = (): boolean => world.failure !== null || world.givenUp !== ''
  const limit = timeline.now + BACK_LIMIT_MS
  const operatorAt = timeline.now + OPERATOR_MS
  while (!isWhole(world)) {
    if (failed()) return
    if (timeline.now >= limit) {
      world.failure = new Violation(
        'liveness',
        `not ACTIVE / PASSIVE ${BACK_LIMIT_MS / 1000} s after everything was healed: ${rolesOf(world)}`,
      )
      return
    }
    timeline.run(timeline.now + 500, failed)
    operate(world, timeline.now >= operatorAt)
  }
  quiet(world, failed)
}

const rolesOf = (world: World): string =>
  world.machines
    .map(machine => `${machine.label} ${machine.server?.conductor.role ?? (machine.refusal || 'down')}`)
    .join(', ')

function isWhole(world: World): boolean {
  const roles = world.machines.map(machine => machine.server?.conductor.role)
  return roles.includes('ACTIVE') && roles.includes('PASSIVE')
}

/** What no pair can do by itself, an operator does. */
function operate(world: World, patienceIsOver: boolean): void {
  const [a, b] = world.machines as [Machine, Machine]
  for (const [machine, other] of [
    [a, b],
    [b, a],
  ] as const) {
    if (!DAMAGED.test(machine.refusal) || machine.server !== null || machine.broker !== null) continue
    if (!world.damage) {
      world.failure ??= new Violation(
        'P7',
        `the ${machine.label} refuses its own data (${machine.refusal}), and nothing damaged them`,
      )
      return
    }
    if (other.server === null) {
      if (DAMAGED.test(other.refusal)) world.givenUp = 'both copies were damaged'
      continue
    }
    const store = other.server.store.storeId
    if (world.watch.newest?.inSync.some(member => member.store === store) !== true) {
      world.givenUp = 'the only copy that had everything was damaged'
      return
    }
    world.say('*', `the operator gives the ${machine.label} a new disk`)
    machine.refusal = ''
    machine.newDisk()
  }
  if (patienceIsOver && (world.rolledBack || world.watch.excused > 0) && !isWhole(world)) forceOne(world)
}

/** A share that went back is an operator's case: restart what goes on as if nothing had been, then force the later copy. */
function forceOne(world: World): void {
  const waiting = world.machines.filter(machine => machine.server?.conductor.role === 'WAITING')
  if (waiting.length < 2) {
    const other = world.machines.find(machine => machine.server !== null && !waiting.includes(machine))
    if (other === undefined || world.restarted) return
    world.restarted = true
    world.say('*', `the operator restarts the ${other.label}`)
    return other.killBroker()
  }
  const best = waiting.toSorted(
    (x, y) => (y.server?.journal.last.sequence ?? 0) - (x.server?.journal.last.sequence ?? 0),
  )[0]
  if (!best?.server || best.server.conductor.sensors.forced !== '') return
  world.say('*', `the operator forces the ${best.label}`)
  if (best.server.conductor.forceActive('the share was rolled back') !== null) return
  world.watch.excuse('an operator forced a server')
  world.account.excuse()
}

/** Messages flow, then everything comes to rest: nothing is missing, and both servers are equal. */
function quiet(world: World, failed: () => boolean): void {
  const { timeline, account, producers, consumers } = world
  const before = account.acknowledged
  timeline.run(timeline.now + FLOW_LIMIT_MS, () => failed() || account.acknowledged > before)
  if (failed()) return
  if (account.acknowledged === before)
    world.failure ??= new Violation('liveness', `the pair is ${rolesOf(world)}, but nothing is acknowledged any more`)
  for (const producer of producers) producer.stopped = true
  for (const consumer of consumers) consumer.thorough = true
  const limit = timeline.now + QUIET_LIMIT_MS
  let difference = 'something'
  while (difference !== '') {
    if (failed()) return
    if (timeline.now >= limit) {
      world.failure = new Violation(
        'liveness',
        `no rest ${QUIET_LIMIT_MS / 1000} s after the last message: ${difference}`,
      )
      return
    }
    timeline.run(timeline.now + 500, failed)
    difference = unrest(world)
  }
  const missing = account.missing()
  if (missing.length > 0)
    world.failure ??= new Violation(
      'account',
      `${missing.length} acknowledged messages are lost, the first is ${missing[0]}`,
    )
  return
}

/** Why the pair is not at rest yet; '' where it is. */
function unrest(world: World): string {
  if (!isWhole(world)) return rolesOf(world)
  if (world.producers.some(producer => !producer.idle)) return 'a producer waits for an acknowledgement'
  const [a, b] = world.machines.map(machine => machine.server)
  if (!a || !b) return 'a server is down'
  const [mine, theirs] = [a.journal.flushed, b.journal.flushed]
  if (mine.sequence !== theirs.sequence || mine.digest !== theirs.digest || mine.epoch !== theirs.epoch)
    return `the journals are at ${mine.epoch}/${mine.sequence} and ${theirs.epoch}/${theirs.sequence}`
  const follower = a.conductor.role === 'PASSIVE' ? a : b
  if (follower.receiver.applied !== follower.journal.last.sequence)
    return `the passive server has applied ${follower.receiver.applied} of ${follower.journal.last.sequence} records`
  const [left, right] = [a.core.status(), b.core.status()]
  if (left.messages !== 0) return `${left.messages} messages are left in the queues`
  const names = (status: typeof left): string =>
    status.queues
      .map(({ name, messages }) => `${name} ${messages}`)
      .toSorted()
      .join()
  if (names(left) !== names(right)) return `the queues differ: ${names(left)} and ${names(right)}`
  return ''
}
