// The keeper's process with a real broker process under it, on a real folder: whichever of the two dies, freezes or is
// stopped, what is left on the share is what the other server needs, in time.

import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { realClock as clock } from '../../src/server/clock.ts'
import { SAME_MS } from '../../src/server/signals.ts'
import { patient } from '../support/patience.ts'

const main = fileURLToPath(new URL('../support/keeper-main.ts', import.meta.url))
const P = 200
const R = 500
const Q = 1600

class Running {
  readonly child: ChildProcess
  readonly lines: [string, unknown][] = []
  readonly ended: Promise<{ code: number | null; signal: string | null }>
  #waiting: (() => void)[] = []
  brokerPid = 0

  constructor(lockFile: string, label = 'primary', mode = '', stopLimitMs = 5000) {
    const args = ['--import', 'tsx', main, lockFile, label, mode, `${P}`, `${R}`, `${Q}`, `${stopLimitMs}`]
    this.child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    createInterface({ input: this.child.stdout! }).on('line', line => {
      const parsed = JSON.parse(line) as [string, unknown]
      if (parsed[0] === 'broker') this.brokerPid = Number(parsed[1])
      this.lines.push(parsed)
      for (const wake of this.#waiting.splice(0)) wake()
    })
    this.ended = new Promise(resolve => this.child.once('exit', (code, signal) => resolve({ code, signal })))
  }

  async line(what: string, test: (value: unknown) => boolean = () => true): Promise<unknown> {
    for (;;) {
      const found = this.lines.find(([name, value]) => name === what && test(value))
      if (found !== undefined) return found[1]
      await new Promise<void>(resolve => this.#waiting.push(resolve))
    }
  }

  coded(code: string): Promise<unknown> {
    return this.line('error', text => String(text).startsWith(code))
  }
}

const alive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

const until = async (what: string, condition: () => boolean, limitMs: number): Promise<number> => {
  const from = clock.now()
  const mostMs = patient(limitMs)
  while (!condition()) {
    assert.ok(clock.now() - from < mostMs, `${what} within ${mostMs} ms`)
    await new Promise<void>(resolve => void clock.after(2, resolve))
  }
  return clock.now() - from
}

describe('keeper process', function () {
  this.timeout(180_000)
  let folder: string
  let lockFile: string
  let all: Running[]
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'keeper-'))
    lockFile = join(folder, 'LockFile')
    all = []
  })
  afterEach(() => {
    for (const { child, brokerPid } of all) {
      child.kill('SIGKILL')
      if (brokerPid > 0 && alive(brokerPid)) process.kill(brokerPid, 'SIGKILL')
    }
    chmodSync(folder, 0o700)
    rmSync(folder, { recursive: true, force: true })
  })
  const start = (...args: [mode?: string, stopLimitMs?: number]): Running => {
    const running = new Running(lockFile, 'primary', ...args)
    all.push(running)
    return running
  }
  const reigning = async (...args: [mode?: string, stopLimitMs?: number]): Promise<Running> => {
    const running = start(...args)
    await running.line('won')
    return running
  }
  const freed = (): boolean => existsSync(`${lockFile}.released-1`) && !existsSync(`${lockFile}.lock`)

  it('kill -9 of the broker: mark and release within milliseconds, exit code 1, a coded line', async () => {
    const keeper = await reigning()
    assert.ok(existsSync(`${lockFile}.lock`) && existsSync(`${lockFile}.r0000000001`))
    process.kill(keeper.brokerPid, 'SIGKILL')
    const ms = await until('freed', freed, 400)
    await keeper.coded('KEEPER-BROKER-CRASHED')
    assert.deepEqual(await keeper.ended, { code: 1, signal: null })
    assert.deepEqual(readdirSync(folder).toSorted(), ['LockFile.r0000000001', 'LockFile.released-1'])
    console.log(`      freed after ${ms.toFixed(0)} ms`)
  })

  it('a broker that has said why it cannot start has not crashed: exit code 1, and nothing more is said', async () => {
    const keeper = start('refused')
    assert.deepEqual(await keeper.ended, { code: 1, signal: null })
    assert.equal(
      keeper.lines.some(([what]) => what === 'error'),
      false,
    )
  })

  it('a frozen broker is killed after half a lease, then mark and release', async () => {
    const keeper = await reigning()
    process.kill(keeper.brokerPid, 'SIGSTOP')
    const ms = await until('freed', freed, (Q / 2) * 1.25 + 500)
    assert.ok(ms > Q / 2 - Q / 16 - 50, `not before: ${ms} ms`)
    assert.ok(!alive(keeper.brokerPid))
    await keeper.coded('KEEPER-BROKER-FROZEN')
    assert.equal((await keeper.ended).code, 1)
  })

  it('a broker that is busy while it starts, as with a large journal, is not taken for frozen', async () => {
    const keeper = await reigning('slow')
    keeper.child.kill('SIGTERM')
    assert.equal((await keeper.ended).code, 0)
  })

  it('a keeper that was frozen itself does not kill its healthy broker, and gets its lock back', async () => {
    const keeper = await reigning()
    keeper.child.kill('SIGSTOP')
    await new Promise<void>(resolve => void clock.after(Q * 1.5, resolve))
    keeper.child.kill('SIGCONT')
    await new Promise<void>(resolve => void clock.after(R * 2, resolve))
    assert.ok(alive(keeper.brokerPid))
    keeper.child.kill('SIGTERM')
    assert.equal((await keeper.ended).code, 0)
  })

  it('kill -9 of the keeper: the broker sees the end of the pipe at once', async () => {
    const keeper = await reigning()
    const from = clock.now()
    keeper.child.kill('SIGKILL')
    const at = Number(await keeper.line('gone'))
    assert.ok(at - from < patient(300), `${at - from} ms`)
    assert.ok(existsSync(`${lockFile}.lock`), 'the lease has to run out')
  })

  it('SIGTERM stops the broker gracefully; its goodbye releases before it has ended', async () => {
    const keeper = await reigning()
    keeper.child.kill('SIGTERM')
    await until('freed', freed, 400)
    assert.deepEqual(await keeper.ended, { code: 0, signal: null })
    assert.equal(
      keeper.lines.some(([what]) => what === 'error'),
      false,
    )
  })

  it('a second Ctrl-C kills a broker that does not stop', async () => {
    const keeper = await reigning('deaf')
    keeper.child.kill('SIGINT')
    await keeper.line('stop')
    // Sooner it would be the same Ctrl-C, which npx hands on.
    await new Promise<void>(resolve => void clock.after(SAME_MS, resolve))
    keeper.child.kill('SIGINT')
    await until('freed', freed, 400)
    assert.equal((await keeper.ended).code, 1)
  })

  it('a broker that does not stop in time is killed', async () => {
    const keeper = await reigning('deaf', 300)
    keeper.child.kill('SIGTERM')
    await keeper.coded('KEEPER-BROKER-STOP-SLOW')
    assert.equal((await keeper.ended).code, 1)
    assert.ok(freed())
  })

  it('a second keeper takes the lock of a first that was killed, after the lease', async () => {
    const first = await reigning()
    const second = new Running(lockFile, 'secondary')
    all.push(second)
    await second.line('broker')
    const from = clock.now()
    first.child.kill('SIGKILL')
    await second.line('won', epoch => epoch === 2)
    const ms = clock.now() - from
    assert.ok(ms > Q - R - 100 && ms < Q + patient(600), `${ms} ms`)
  })

  it('a share that hangs: reported, and the keeper ends all the same, by killing itself', async () => {
    // Opening a pipe that nobody writes to hangs as a dead share does.
    execFileSync('mkfifo', [`${lockFile}.r0000000001`])
    const keeper = start()
    await keeper.line('held')
    await keeper.line('fault', code => code === 'LOCK-UNREACHABLE')
    const from = clock.now()
    keeper.child.kill('SIGTERM')
    await keeper.coded('KEEPER-SHARE-HANGS-AT-EXIT')
    assert.deepEqual(await keeper.ended, { code: null, signal: 'SIGKILL' })
    assert.ok(clock.now() - from < patient(3000))
    assert.ok(!existsSync(`${lockFile}.lock`), 'the lock lane still worked')
  })

  it('a folder that is not there is refused before a broker is started', async () => {
    lockFile = join(folder, 'missing', 'LockFile')
    const keeper = start()
    await keeper.coded('DOCTOR-FOLDER-MISSING')
    assert.equal((await keeper.ended).code, 1)
    assert.deepEqual([keeper.lines.length, readdirSync(folder)], [1, []])
  })

  it('the share’s folder vanishes and comes back: reported, broker unhurt, lock held again', async () => {
    const keeper = await reigning()
    rmSync(folder, { recursive: true })
    await keeper.line('fault', code => code === 'LOCK-FOLDER-MISSING')
    const before = keeper.lines.filter(([what]) => what === 'held').length
    mkdirSync(folder)
    await until('held again', () => keeper.lines.filter(([what]) => what === 'held').length > before, 5000)
    await keeper.line('fault', code => code === 'LOCK-ROLLED-BACK')
    assert.ok(alive(keeper.brokerPid))
    assert.equal(keeper.lines.filter(([what]) => what === 'error').length, 2)
  })
})
