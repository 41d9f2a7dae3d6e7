// Several processes fight for one lock on a real folder, through proper-lockfile, with late operations, errors after the
// fact, kill -9, SIGSTOP and stalls. Each act under the lock is written down with the host's monotonic clock: no two holds
// may overlap, and the register's numbers grow with time. A short round always; a long one with
// LOCK_STRESS_SECONDS=600 [LOCK_STRESS_FOLDER=<a mounted share>].

import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { realClock as clock } from '../../src/server/clock.ts'

const SECONDS = Number(process.env['LOCK_STRESS_SECONDS'] ?? 8)
const PROCESSES = Number(process.env['LOCK_STRESS_PROCESSES'] ?? 4)
const LEASE_MS = 200
const worker = fileURLToPath(new URL('../support/lock-stress-worker.ts', import.meta.url))

interface Hold {
  readonly id: string
  from: number
  to: number
  epoch: number
  epochFrom: number
}

const readHolds = (folder: string): Hold[] => {
  const holds = new Map<string, Hold>()
  for (const name of readdirSync(folder).filter(file => file.startsWith('log-'))) {
    for (const line of readFileSync(join(folder, name), 'utf8').split('\n')) {
      const [kind, time, id = '', epoch] = line.split(' ')
      if (kind !== 'A') continue
      const at = Number(time)
      const hold = holds.get(id) ?? { id, from: at, to: at, epoch: 0, epochFrom: Infinity }
      hold.from = Math.min(hold.from, at)
      hold.to = Math.max(hold.to, at)
      if (Number(epoch) > 0) {
        hold.epoch = Number(epoch)
        hold.epochFrom = Math.min(hold.epochFrom, at)
      }
      holds.set(id, hold)
    }
  }
  return [...holds.values()].toSorted((a, b) => a.from - b.from)
}

describe('lock: stress on a real folder', function () {
  this.timeout((SECONDS + 60) * 1000)
  let folder: string
  const running = new Set<ChildProcess>()
  before(() => {
    folder = mkdtempSync(join(process.env['LOCK_STRESS_FOLDER'] ?? tmpdir(), 'lock-stress-'))
  })
  after(() => {
    for (const child of running) child.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  })

  it(`${PROCESSES} processes: no two holds overlap, numbers grow`, async () => {
    const end = clock.now() + SECONDS * 1000
    let kills = 0
    let stops = 0
    let seed = Math.floor(clock.wall() % 1_000_000)
    console.log(`      seed ${seed}`)
    const run = (i: number): Promise<void> =>
      new Promise(resolve => {
        const args = [join(folder, 'LockFile'), join(folder, `log-${i}`), `n${i}`, `${LEASE_MS}`, `${end}`, `${seed++}`]
        const child = fork(worker, args, { execArgv: ['--import', 'tsx'], stdio: ['ignore', 'inherit', 'pipe', 'ipc'] })
        running.add(child)
        let errors = ''
        child.stderr!.on('data', (text: Buffer) => (errors += text.toString()))
        child.on('message', () => {
          stops += 1
          child.kill('SIGSTOP')
          clock.after((stops % 3) * LEASE_MS + 100, () => child.kill('SIGCONT'))
        })
        child.on('exit', signalled => {
          running.delete(child)
          assert.equal(signalled, null, `process ${i} crashed: ${errors}`)
          if (clock.now() >= end) return resolve()
          kills += 1
          resolve(run(i))
        })
      })
    await Promise.all(Array.from({ length: PROCESSES }, (_, i) => run(i)))

    const holds = readHolds(folder)
    const overlaps: string[] = []
    for (const [i, hold] of holds.entries()) {
      for (const earlier of holds.slice(0, i)) {
        if (hold.from < earlier.to) overlaps.push(`${earlier.id} until ${earlier.to}, ${hold.id} from ${hold.from}`)
      }
    }
    const reigns = holds.filter(hold => hold.epoch > 0)
    console.log(
      `      ${holds.length} holds, ${reigns.length} numbered, ${kills} killed, ${stops} stopped, ${overlaps.length} overlaps`,
    )
    assert.deepEqual(overlaps, [])
    for (const [i, hold] of reigns.entries())
      if (i > 0) assert.ok(hold.epoch > reigns[i - 1]!.epoch, `${hold.id} after ${reigns[i - 1]!.id}`)
    assert.ok(holds.length >= SECONDS, 'the lock goes round')
  })
})
