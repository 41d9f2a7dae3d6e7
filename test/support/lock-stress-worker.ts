// One process of the lock stress: takes the lock the production way, acts while it may by its own clock and writes down
// each act, and now and then is slow, stalls, is stopped or killed in the middle of it.
//
//   argv: <LockFile> <log file> <node> <lease ms> <end, monotonic ms> <seed>

import { openSync, promises as fs, writeSync } from 'node:fs'
import type { Lease } from '../../src/ha/lease.ts'
import { Lease as LockLease } from '../../src/ha/lease.ts'
import type { RegisterRecord } from '../../src/ha/record.ts'
import { Register } from '../../src/ha/register.ts'
import { ORIGIN } from '../../src/journal/position.ts'
import { realClock as clock } from '../../src/server/clock.ts'
import { realChance } from '../../src/server/chance.ts'
import { ProperLock } from '../../src/server/lockfile.ts'
import { FolderShare, runSteps } from '../../src/server/share.ts'
import type { ShareFs } from '../../src/server/share.ts'

const [lockFile = '', logPath = '', node = '', leaseText = '', endText = '', seedText = ''] = process.argv.slice(2)
const leaseMs = Number(leaseText)
const end = Number(endText)
const CHAOS = 0.02

let state = Math.imul(Number(seedText), 2_654_435_761) >>> 0
const random = (): number => {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
  return state / 2 ** 32
}
const sleep = (ms: number): Promise<void> => new Promise(resolve => void clock.after(ms, resolve))

/** Requests that are executed late and answers that arrive late, both after their caller has given up. */
const chaotic = (real: ShareFs): ShareFs => {
  const out: Record<string, unknown> = {}
  for (const name of ['mkdir', 'rmdir', 'readdir', 'rename', 'link', 'unlink', 'stat', 'open'] as const) {
    out[name] = async (...args: unknown[]) => {
      if (random() < CHAOS) await sleep(random() * 3 * leaseMs)
      const result = await (real[name] as (...a: unknown[]) => Promise<unknown>)(...args)
      if (random() < CHAOS) await sleep(random() * 2 * leaseMs)
      if (random() < CHAOS / 4) throw Object.assign(new Error('injected, though executed'), { code: 'EIO' })
      return result
    }
  }
  return out as ShareFs
}

const log = openSync(logPath, 'a')
const write = (line: string): void => void writeSync(log, `${line}\n`)
const instance = realChance.id()
const marginMs = Math.ceil(leaseMs * 0.1)
const operationMs = Math.floor((leaseMs - marginMs) / 3)
const lease: Lease = new LockLease({ folder: `${lockFile}.lock`, node, instance, leaseMs, marginMs }, clock)
const share = new FolderShare(clock, chaotic(fs))
const lock = new ProperLock(lease, lockFile, share.lane(), operationMs)
const register = new Register(lockFile, instance)
const registerLane = share.lane()
type Answer<T> = { readonly error: Error | null; readonly value: T | undefined }
const ask = <T>(call: (done: (error: Error | null, value: T | undefined) => void) => void): Promise<Answer<T>> =>
  new Promise(resolve => call((error, value) => resolve({ error, value })))

const recordOf = (hold: string): RegisterRecord => ({
  pairId: 'stress',
  seq: (register.record?.seq ?? 0) + 1,
  id: hold,
  epoch: 0,
  holder: 'primary',
  inSync: [],
  reason: 'take over',
  note: '',
  position: ORIGIN,
  wallMs: 0,
})

/** Appends until the outcome is known; the number that was won, or 0. */
const epochOf = async (hold: string): Promise<number> => {
  try {
    await runSteps(registerLane, register.look(), operationMs)
    const record = recordOf(hold)
    return (await runSteps(registerLane, register.append(record), operationMs)) === 'won' ? record.seq : 0
  } catch {
    return 0
  }
}

let holds = 0
while (clock.now() < end) {
  const { value: acquired } = await ask<boolean>(done => lock.acquire('', done))
  if (acquired !== true) {
    if (lease.unreleased && random() < 0.5) await ask<void>(done => lock.release(done))
    await sleep((random() * leaseMs) / 6)
    continue
  }
  const hold = `${node}.${instance}.${++holds}`
  let epoch = 0
  let renewing = true
  const renewer = (async () => {
    while (renewing) {
      await sleep(leaseMs / 4)
      if (renewing && (await ask<boolean>(done => lock.renew(done))).value === false) return
    }
  })()
  const act = (): void => {
    const now = clock.now()
    if (lease.valid(now)) write(`A ${now} ${hold} ${epoch}`)
  }
  const until = clock.now() + random() * 1.5 * leaseMs
  void epochOf(hold).then(won => {
    epoch = won
  })
  while (clock.now() < until && lease.held) {
    act()
    await sleep(random() * 3)
  }
  const fate = random()
  if (fate < 0.12) process.kill(process.pid, 'SIGKILL')
  if (fate < 0.25) {
    process.send?.('stop')
    await sleep(5)
  } else if (fate < 0.4) {
    const busyUntil = clock.now() + random() * 3 * leaseMs
    while (clock.now() < busyUntil);
  }
  for (let i = 0; i < 50; i++) {
    act()
    await new Promise(setImmediate)
  }
  renewing = false
  await renewer
  if (fate < 0.85) await ask<void>(done => lock.release(done))
  else lease.giveUp()
  await sleep((random() * leaseMs) / 4)
}
process.kill(process.pid, 'SIGKILL')
