// Act two of a run: nothing is wrong any more, and the pair must come back by itself, serve, lose nothing and end with two
// equal copies. What no pair can do by itself (damaged data, a share that went back) an operator does, late.

import type { Machine } from './machine.ts'
import { Violation } from './watch.ts'
import type { World } from './world.ts'

/** The pair must be back at ACTIVE / PASSIVE within this, whatever was wrong before. */
const BACK_LIMIT_MS = 90_000
/** An operator looks after a while at what cannot heal by itself. */
const OPERATOR_MS = 20_000
/** Producers may pause for so long by themselves. */
const FLOW_LIMIT_MS = 40_000
const QUIET_LIMIT_MS = 60_000
const LOOK_MS = 500
/** Servers look at their wall clocks after so long at the latest. */
const CLOCK_LOOK_MS = 60_000

/** What a server refuses to start with when its data are damaged: an operator's case. A disk that failed is tried again. */
const DAMAGED = /^(JOURNAL|REPLICATION-STORE)-(?!FAILED)/

export function actTwo(world: World): void {
  world.heal()
  if (!back(world) || !flows(world) || !rests(world)) return
  const missing = world.account.missing()
  if (missing.length > 0)
    return void found(world, 'account', `${missing.length} acknowledged messages are lost, the first is ${missing[0]}`)
  const fault = world.account.journeys.fault()
  if (fault !== '') found(world, 'account', fault)
}

const over = (world: World): boolean => world.failure !== null || world.givenUp !== ''

const found = (world: World, promise: string, text: string): false => {
  world.failure ??= new Violation(promise, text)
  return false
}

const rolesOf = (world: World): string =>
  world.machines
    .map(machine => `${machine.label} ${machine.server?.conductor.role ?? (machine.refusal || 'down')}`)
    .join(', ')

function isWhole(world: World): boolean {
  const roles = world.machines.map(machine => machine.server?.conductor.role)
  return roles.includes('ACTIVE') && roles.includes('PASSIVE')
}

function back(world: World): boolean {
  const { timeline } = world
  const begun = timeline.now
  while (!isWhole(world)) {
    if (over(world)) return false
    const text = `not ACTIVE / PASSIVE ${BACK_LIMIT_MS / 1000} s after everything was healed: ${rolesOf(world)}`
    if (timeline.now >= begun + BACK_LIMIT_MS) return found(world, 'liveness', text)
    timeline.run(timeline.now + LOOK_MS, () => over(world))
    operate(world, timeline.now >= begun + OPERATOR_MS)
  }
  return !over(world)
}

/** Messages are acknowledged. */
function flows(world: World): boolean {
  const { timeline, account } = world
  const before = account.acknowledged
  timeline.run(timeline.now + FLOW_LIMIT_MS, () => over(world) || account.acknowledged > before)
  if (over(world)) return false
  if (account.acknowledged > before) return true
  if (isUndecided(world)) return back(world) && flows(world)
  return found(world, 'liveness', `the pair is ${rolesOf(world)}, but nothing is acknowledged any more`)
}

/** A share that went back may leave an append undecided, and a handover with it: the servers are restarted, once. */
const isUndecided = (world: World): boolean => world.rolledBack && restart(world)

/** Everything comes to rest. */
function rests(world: World): boolean {
  const { timeline, producers, consumers, errandProducers, errandConsumers } = world
  for (const producer of [...producers, ...errandProducers]) producer.stopped = true
  for (const consumer of [...consumers, ...errandConsumers]) consumer.thorough = true
  const limit = timeline.now + QUIET_LIMIT_MS + dueInMs(world)
  for (let why = 'it was not looked at'; why !== ''; why = unrest(world)) {
    if (over(world)) return false
    if (timeline.now >= limit) {
      if (isUndecided(world)) return back(world) && rests(world)
      return found(world, 'liveness', `no rest ${QUIET_LIMIT_MS / 1000} s after the last message: ${why}`)
    }
    timeline.run(timeline.now + LOOK_MS, () => over(world))
    // Damage may come to light only now.
    operate(world, false)
  }
  return true
}

/** Until the last delayed message is due, by the clock that is behind most; those that jumped are looked at late. */
function dueInMs({ machines, account }: World): number {
  const { latestDue } = account.journeys
  return latestDue === 0
    ? 0
    : CLOCK_LOOK_MS + Math.max(0, latestDue - Math.min(...machines.map(({ clock }) => clock.wall())))
}

/** Why the pair is not at rest yet; '' where it is. */
function unrest(world: World): string {
  if (!isWhole(world)) return rolesOf(world)
  if ([...world.producers, ...world.errandProducers].some(producer => !producer.idle))
    return 'a producer waits for an acknowledgement'
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
      .join(', ')
  return names(left) === names(right) ? '' : `the queues differ: ${names(left)} and ${names(right)}`
}

// The operator

function operate(world: World, patienceIsOver: boolean): void {
  const [a, b] = world.machines as [Machine, Machine]
  for (const [machine, other] of [
    [a, b],
    [b, a],
  ] as const)
    if (refusesItsData(machine)) replaceDisk(world, machine, other)
  if (!patienceIsOver || over(world) || isWhole(world)) return
  if (world.rolledBack || world.watch.excused > 0) forceOne(world)
  else if (world.damage && !world.restarted) {
    // Damage that was found while the server ran: it says so, and keeps the copy for the operator to look at.
    const follower = world.machines.find(({ server }) => server !== null && !server.port.isOpen)
    if (follower === undefined) return
    world.restarted = true
    follower.killBroker()
    replaceDisk(world, follower, follower === a ? b : a)
  }
}

const refusesItsData = (machine: Machine): boolean =>
  DAMAGED.test(machine.refusal) && machine.server === null && machine.broker === null

function replaceDisk(world: World, machine: Machine, other: Machine): void {
  if (!world.damage) {
    found(world, 'P7', `the ${machine.label} refuses its own data (${machine.refusal}), and nothing damaged them`)
    return
  }
  if (other.server === null) {
    if (DAMAGED.test(other.refusal)) world.givenUp = 'both copies were damaged'
    return
  }
  const { storeId } = other.server.store
  const { watch } = world
  if (watch.newest?.inSync.some(member => member.store === storeId) !== true || watch.lostToDamage(storeId)) {
    world.givenUp = 'the only copy that had everything was damaged'
    return
  }
  world.say('*', `the operator gives the ${machine.label} a new disk`)
  machine.refusal = ''
  machine.newDisk()
}

function restart(world: World): boolean {
  if (world.restarted) return false
  world.restarted = true
  world.say('*', 'the operator restarts the servers')
  for (const machine of world.machines) machine.killBroker()
  return true
}

/** A share that went back: both servers are started anew, for one may still hold the lock; then the later copy is forced. */
function forceOne(world: World): void {
  if (restart(world)) return
  const waiting = world.machines.filter(machine => machine.server?.conductor.role === 'WAITING')
  if (waiting.length < 2) return
  const later = (x: Machine, y: Machine): number =>
    (y.server?.journal.last.sequence ?? 0) - (x.server?.journal.last.sequence ?? 0)
  const [best] = waiting.toSorted(later)
  if (!best?.server || best.server.conductor.sensors.forced !== '') return
  world.say('*', `the operator forces the ${best.label}`)
  if (best.server.conductor.forceActive('the share was rolled back') !== null) return
  world.watch.excuse('an operator forced a server')
  world.account.excuse()
}
