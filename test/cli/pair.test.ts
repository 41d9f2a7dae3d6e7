// lockstep pair as a user has it: both servers come up, one is ended and the other goes on, Ctrl-C leaves nothing behind.

import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { StatusReport } from '../../src/admin/subject.ts'
import { movedPair } from './moved.ts'
import { lockstep, PRODUCT } from './run.ts'

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))

class PairProcess {
  readonly lines: string[] = []
  readonly ended: Promise<number | null>
  readonly child: ChildProcess
  #woken = () => {}

  constructor(folder: string) {
    this.child = spawn(process.execPath, ['--import', 'tsx', MAIN, 'pair', folder], {
      cwd: PRODUCT,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    for (const stream of [this.child.stdout, this.child.stderr])
      if (stream)
        createInterface({ input: stream }).on('line', line => {
          this.lines.push(line)
          this.#woken()
        })
    this.ended = new Promise(resolve =>
      this.child.once('close', code => {
        resolve(code)
        this.#woken()
      }),
    )
  }

  async line(pattern: RegExp): Promise<string> {
    for (;;) {
      const found = this.lines.find(line => pattern.test(line))
      if (found !== undefined) return found
      assert.equal(this.child.exitCode, null, `ended without ${pattern}:\n${this.lines.join('\n')}`)
      await new Promise<void>(resolve => (this.#woken = resolve))
    }
  }
}

describe('cli: pair', function () {
  this.timeout(300_000)
  let folder: string
  let admins: number[]
  let pair: PairProcess

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'lockstep-pair-'))
    admins = (await movedPair(folder)).admins
    pair = new PairProcess(join(folder, 'profiles/haprofile1'))
  })
  /** Brokers that only a failed test leaves behind; without them their keepers end. */
  const leftOver: number[] = []
  after(() => {
    pair.child.kill('SIGTERM')
    for (const pid of leftOver)
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // As it should be: it is gone.
      }
    rmSync(folder, { recursive: true, force: true })
  })

  const report = async (port: number): Promise<StatusReport> =>
    (await fetch(`http://127.0.0.1:${port}/status`)).json() as Promise<StatusReport>
  /** The admin port opens a moment after the first lines. */
  const whenUp = async (port: number): Promise<StatusReport> => {
    for (;;) {
      const found = await report(port).catch(() => null)
      if (found !== null) return found
      await new Promise(resolve => setTimeout(resolve, 20))
    }
  }

  it('brings both servers up, says where clients connect, and each console has its prefix', async () => {
    await pair.line(/^pair +\| Clients connect to amqp:\/\/\S+ and amqp:\/\/\S+, or to mqtt:\/\/\S+ and mqtt:\/\//)
    await pair.line(/^primary +\| \S+ INFO +Primary Server switched to ACTIVE\b(?! SYNC)/)
    await pair.line(/^secondary +\| \S+ INFO +Secondary Server switched to PASSIVE\b(?! SYNC)/)
    await pair.line(/^primary +\| \S+ INFO +Successfully acquired lock on:\//)
    const [a, b] = await Promise.all(admins.map(report))
    assert.deepEqual([a?.role, a?.serving, b?.role, b?.serving], ['ACTIVE', true, 'PASSIVE', false])
  })

  it('when one ends, says how to start it again, and the other goes on', async () => {
    const { pid } = await report(admins[0] as number)
    process.kill(pid, 'SIGKILL')
    await pair.line(/^pair +\| The primary server has ended/)
    await pair.line(/^pair +\| The secondary server goes on\. .* node bin\/lockstep\.mjs start \S+primary\/FES$/)
    await pair.line(/^secondary +\| \S+ INFO +Secondary Server switched to STANDALONE/)
    assert.equal((await report(admins[1] as number)).serving, true)
  })

  it('Ctrl-C stops what is left, gracefully, and nothing stays behind', async () => {
    // npm start hands on what has reached the pair already.
    for (const signal of ['SIGINT', 'SIGTERM'] as const) pair.child.kill(signal)
    assert.equal(await pair.ended, 1, 'the worst of both: one was killed before')
    assert.ok(
      pair.lines.some(line => /^secondary +\| .*Released lock on:/.test(line)),
      pair.lines.slice(-8).join('\n'),
    )
    for (const port of admins) await assert.rejects(report(port))
  })

  it('a second Ctrl-C kills what does not stop, and the exit code is the worst of both', async () => {
    pair = new PairProcess(join(folder, 'profiles/haprofile1'))
    await pair.line(/^secondary +\| .*Secondary Server switched to (PASSIVE|ACTIVE)\b(?! SYNC)/)
    const { pid } = await report(admins[0] as number)
    leftOver.push(pid)
    process.kill(pid, 'SIGSTOP')
    pair.child.kill('SIGINT')
    await pair.line(/^pair +\| Stopping both servers; Ctrl-C again kills them/)
    const again = setInterval(() => pair.child.kill('SIGINT'), 100)
    await pair.line(/^pair +\| The primary server has stopped \(SIGKILL\)\.$/).finally(() => clearInterval(again))
    assert.equal(await pair.ended, 1)
  })

  it('stays as the gateway of a server that was started again elsewhere, and ends with the last one', async () => {
    const profiles = ['primary', 'secondary'].map(label => join(folder, 'profiles/haprofile1', label, 'FES'))
    pair = new PairProcess(join(folder, 'profiles/haprofile1'))
    await pair.line(/^secondary +\| .*Secondary Server switched to (PASSIVE|ACTIVE)\b(?! SYNC)/)
    process.kill((await report(admins[0] as number)).pid, 'SIGKILL')
    await pair.line(/^pair +\| The primary server has ended/)
    const elsewhere = lockstep(['start', profiles[0] as string])
    while ((await whenUp(admins[0] as number)).role !== 'PASSIVE') await new Promise(resolve => setTimeout(resolve, 20))
    assert.equal((await lockstep(['stop', profiles[1] as string])).code, 0)
    await pair.line(/^pair +\| The gateway responder goes on/)
    const { serving, gateway } = await report(admins[0] as number)
    assert.deepEqual([serving, gateway.reachable], [true, true])
    assert.equal((await lockstep(['stop', profiles[0] as string])).code, 0)
    await pair.line(/^pair +\| No server of this pair runs any more/)
    assert.equal(await pair.ended, 1, 'one was killed')
    await elsewhere
  })

  it('leaves no server behind when it is killed itself', async () => {
    pair = new PairProcess(join(folder, 'profiles/haprofile1'))
    await pair.line(/^primary +\| .*Primary Server switched to WAITING/)
    await pair.line(/^secondary +\| .*Secondary Server switched to WAITING/)
    const pids = (await Promise.all(admins.map(whenUp))).map(({ pid }) => pid)
    pair.child.kill('SIGKILL')
    const gone = (pid: number): boolean => {
      try {
        return !process.kill(pid, 0)
      } catch {
        return true
      }
    }
    leftOver.push(...pids)
    while (!pids.every(gone)) await new Promise(resolve => setTimeout(resolve, 20))
  })
})
