// What the bench asks of each broker: to run in a folder of its own on free ports, and to say which processes it is made
// of, so that their CPU time can be read. Also what all brokers need for that.

import { spawn, type ChildProcess } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import type { LoadOrder } from '../load/figures.ts'

export interface BenchBroker {
  readonly name: string
  /** What is missing on this machine, and how to get it; null where nothing is. */
  readonly missing: string | null
  start(folder: string): Promise<void>
  /** Processes whose descendants do the broker's work. */
  roots(): number[]
  stop(): Promise<void>
}

export interface QueueBroker extends BenchBroker {
  /** How a client reaches a queue of its own. */
  way(queue: string): Promise<Pick<LoadOrder, 'protocol' | 'port' | 'address' | 'user'>>
}

export interface MqttBroker extends BenchBroker {
  readonly mqttPort: number
}

/** One whose serving process can be killed, and that comes back by itself or by being started again at once. */
export interface MortalBroker extends BenchBroker {
  kill(): Promise<void>
  /** All is as it was before the kill. */
  whole(): Promise<void>
  /** How clients find it, wherever it serves. */
  ways(): Promise<readonly Pick<LoadOrder, 'protocol' | 'port' | 'address' | 'user'>[]>
}

export const pause = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms))

const running = new Set<ChildProcess>()
let tidies = false

/** A bench that is told to end takes its brokers with it: what they hold is of no use to anybody. */
function tidy(): void {
  if (tidies) return
  tidies = true
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => {
      for (const { pid } of running)
        for (const one of pid === undefined ? [] : family(pid).toReversed())
          try {
            process.kill(one, 'SIGKILL')
          } catch {
            // Gone meanwhile.
          }
      process.exit(1)
    })
}

/** A process whose output goes to a file in its folder. */
export function launch(command: string, args: string[], folder: string, env: NodeJS.ProcessEnv = {}): ChildProcess {
  const log = openSync(join(folder, 'output'), 'a')
  const child = spawn(command, args, {
    cwd: folder,
    env: { ...process.env, ...env },
    stdio: ['ignore', log, log],
  })
  closeSync(log)
  tidy()
  running.add(child)
  child.once('exit', () => running.delete(child))
  return child
}

/** Waits until somebody listens on the port, or tells what the process said. */
export async function listening(port: number, child: ChildProcess, folder: string, withinMs = 60_000): Promise<void> {
  const end = performance.now() + withinMs
  while (!(await answers(port))) {
    if (child.exitCode !== null || performance.now() > end) {
      throw new Error(`it does not come up:\n${readFileSync(join(folder, 'output'), 'utf8').slice(-4000)}`)
    }
    await pause(100)
  }
}

const answers = (port: number): Promise<boolean> =>
  new Promise(resolve => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })

/** Asks the process to end and makes it. */
export async function end(child?: ChildProcess, patienceMs = 10_000): Promise<void> {
  if (!child || child.exitCode !== null || child.signalCode !== null) return
  const gone = new Promise<void>(resolve => child.once('exit', () => resolve()))
  child.kill('SIGTERM')
  const limit = setTimeout(() => child.kill('SIGKILL'), patienceMs)
  await gone
  clearTimeout(limit)
}

/** Kills the process, whose memory is gone at once. */
export async function kill(child: ChildProcess): Promise<void> {
  const gone = new Promise<void>(resolve => child.once('exit', () => resolve()))
  child.kill('SIGKILL')
  await gone
}

/** The process and everything below it. */
export function family(root: number): number[] {
  const found = [root]
  for (const pid of found) {
    try {
      const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim()
      if (children !== '') found.push(...children.split(' ').map(Number))
    } catch {
      // Gone meanwhile.
    }
  }
  return found
}

/** Memory of these processes, what they share with others counted in part. */
export function memoryBytes(pids: readonly number[]): number {
  let kibibytes = 0
  for (const pid of pids) {
    try {
      kibibytes += Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0)
    } catch {
      // Gone meanwhile.
    }
  }
  return kibibytes * 1024
}

const TICK_MICROS = 10_000

/** CPU time that these processes have used so far. */
export function cpuMicros(pids: readonly number[]): number {
  let ticks = 0
  for (const pid of pids) {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      ticks += Number(fields[11]) + Number(fields[12])
    } catch {
      // Gone meanwhile.
    }
  }
  return ticks * TICK_MICROS
}
