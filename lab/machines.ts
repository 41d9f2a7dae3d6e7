// The three machines of the lab as seen from the driver: booting and crashing them, running commands on them, and the cuts
// of the switch between them. Knows nothing of the product. Works only inside lab.sh.
import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { existsSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { setPriority } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'

export type Machine = 'A' | 'B' | 'G'
export const ADDRESS: Readonly<Record<Machine, string>> = { A: '10.77.0.1', B: '10.77.0.2', G: '10.77.0.3' }
const BOOT_LIMIT_MS = 120_000

const place = (name: string): string => {
  const path = process.env[name]
  if (path === undefined) throw new Error(`${name} is not set: run this by lab/lab.sh`)
  return path
}
export const REPO = place('LAB_REPO')
export const OUT = `${place('LAB_WORK')}/out`
/** The product's programs, on every machine. */
export const PROGRAMS = `${OUT}/product/dist/whole`
export const ACKS = `${place('LAB_WORK')}/acks`
const WORK = place('LAB_WORK')
export const monotonic = (): number => Number(process.hrtime.bigint()) / 1e6

/** A session of its own is a group of its own for the scheduler, so that being nice means nothing outside of it. */
const NICE = process.env['LAB_NICE'] ?? ''
function prefer(pid: number): void {
  setPriority(pid, Number(NICE))
  const group = `/proc/${pid}/autogroup`
  // Empty for a process in no session's group (autogroup_task_get of Linux): its own priority is all there is then.
  if (existsSync(group) && readFileSync(group, 'utf8') !== '') writeFileSync(group, NICE)
}
if (NICE !== '') prefer(process.pid)

interface Running {
  readonly kernel: ChildProcess
  readonly console: string
  ended: string | null
}
const running = new Map<Machine, Running>()
let boots = 0

/** Resolves when the machine's agent answers. */
export async function boot(name: Machine): Promise<void> {
  const port = `p${name}`
  try {
    execFileSync('ip', ['link', 'show', port], { stdio: 'ignore' })
  } catch {
    execFileSync('ip', ['tuntap', 'add', port, 'mode', 'tap'])
    execFileSync('ip', ['link', 'set', port, 'master', 'br0', 'up'])
  }
  const log = `${OUT}/${name}.console`
  const file = openSync(log, 'a')
  const lastByte = ADDRESS[name].split('.')[3]
  // gro=1: without it the driver drops frames above the MTU, which the other side's segmentation makes.
  const words = [`umid=lab${name}${boots++}`, `uml_dir=${WORK}/uml/`, 'mem=384M', 'root=/dev/root', 'rootfstype=hostfs', 'rootflags=/', 'ro'] // prettier-ignore
  words.push(`init=${REPO}/lab/guest-init.sh`, `vec0:transport=tap,ifname=${port},depth=128,gro=1,mac=02:77:00:00:00:0${lastByte}`) // prettier-ignore
  words.push('con=null', 'con0=null,fd:1', 'quiet', `LAB_NAME=${name}`, `LAB_IP=${ADDRESS[name]}`)
  words.push(`LAB_ROLE=${name === 'G' ? 'gateway' : 'server'}`, `LAB_REPO=${REPO}`, `LAB_OUT=${OUT}`, `LAB_ACKS=${ACKS}`) // prettier-ignore
  if (name === 'G') words.push(`ubd0=${WORK}/gateway.img`, `GATEWAY_DISK_OPTIONS=${process.env['LAB_GATEWAY_DISK'] ?? 'defaults'}`) // prettier-ignore
  const env = { ...process.env, TMPDIR: '/dev/shm' }
  const kernel = spawn('linux.uml', words, { stdio: ['ignore', file, file], detached: true, env })
  if (NICE !== '') prefer(kernel.pid!)
  const machine: Running = { kernel, console: log, ended: null }
  running.set(name, machine)
  kernel.on('exit', (code, signal) => {
    machine.ended = signal ?? String(code)
  })
  const limit = monotonic() + BOOT_LIMIT_MS
  for (;;) {
    if (await clocks(name).catch(() => null)) return
    if (machine.ended !== null || monotonic() > limit)
      throw new Error(`${name} did not boot (${machine.ended})\n${readFileSync(log, 'utf8').slice(-2000)}`)
    await sleep(50)
  }
}

let all: Promise<unknown> | null = null

/** The three machines, once for all tests. They end with lab.sh. */
export function bootAll(): Promise<unknown> {
  return (all ??= Promise.all((['A', 'B', 'G'] as const).map(boot)))
}

async function call(name: Machine, path: string, body: unknown, limitMs: number): Promise<Record<string, unknown>> {
  const answer = await fetch(`http://${ADDRESS[name]}:7000/${path}`, {
    method: 'POST',
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(limitMs),
  })
  const result = (await answer.json()) as Record<string, unknown>
  if (!answer.ok) throw new Error(`${name}/${path}: ${JSON.stringify(result)}`)
  return result
}

export interface Outcome {
  readonly code: number | null
  /** HUNG where not even SIGKILL ended it. */
  readonly signal: string | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs a command (words, or a line for bash) on a machine to its end. */
export const exec = async (name: Machine, command: string | readonly string[], limitMs = 60_000): Promise<Outcome> => {
  const argv = typeof command === 'string' ? ['bash', '-c', command] : command
  return (await call(name, 'run', { argv, timeoutMs: limitMs }, limitMs + 5000)) as unknown as Outcome
}

/** The same, throwing unless it succeeds. */
export async function sh(name: Machine, command: string | readonly string[], limitMs = 60_000): Promise<string> {
  const { code, signal, stdout, stderr } = await exec(name, command, limitMs)
  if (code !== 0) throw new Error(`${name}: ${String(command)}: ${code} ${signal}\n${stdout}${stderr}`)
  return stdout.trim()
}

/** Starts a process that goes on; its output goes to OUT/<log>. */
export const start = async (name: Machine, argv: readonly string[], log: string): Promise<number> =>
  (await call(name, 'spawn', { argv, log }, 10_000))['pid'] as number

const clocks = async (name: Machine): Promise<{ monotonic: number }> =>
  (await call(name, 'clocks', {}, 1000)) as { monotonic: number }

/** What to add to a machine's monotonic clock to have the driver's, from the quickest of some questions. */
export async function clockOffset(name: Machine): Promise<number> {
  let best = { trip: Infinity, offset: 0 }
  for (let i = 0; i < 8; i++) {
    const asked = monotonic()
    const told = (await clocks(name)).monotonic
    const answered = monotonic()
    if (answered - asked < best.trip) best = { trip: answered - asked, offset: (asked + answered) / 2 - told }
  }
  return best.offset
}

const machineOf = (name: Machine): Running => {
  const machine = running.get(name)
  if (!machine) throw new Error(`${name} is not running`)
  return machine
}

/** The power is cut. What was not flushed is lost. */
export async function crash(name: Machine): Promise<void> {
  const machine = machineOf(name)
  process.kill(-machine.kernel.pid!, 'SIGKILL')
  while (machine.ended === null) await sleep(10)
}

/** A machine that is paused, as a suspended virtual one. All its processes are run by its kernel's process. */
export const freeze = (name: Machine): void => void process.kill(machineOf(name).kernel.pid!, 'SIGSTOP')
export const thaw = (name: Machine): void => void process.kill(machineOf(name).kernel.pid!, 'SIGCONT')

const nft = (...words: string[]): void => void execFileSync('nft', words)
const direction = (x: Machine, y: Machine): string => `"p${x}" . "p${y}"`

/** Frames from x to y are lost; those from y to x come through. */
export const cutOneWay = (x: Machine, y: Machine): void =>
  nft('add', 'element', 'bridge', 'lab', 'cut', `{ ${direction(x, y)} }`)
export const cut = (x: Machine, y: Machine): void =>
  nft('add', 'element', 'bridge', 'lab', 'cut', `{ ${direction(x, y)}, ${direction(y, x)} }`)
/** The cable is pulled: not even the driver reaches the machine, which notices nothing. */
export const unplug = (x: Machine): void => nft('add', 'element', 'bridge', 'lab', 'unplugged', `{ "p${x}" }`)

export function healNetwork(): void {
  nft('flush', 'set', 'bridge', 'lab', 'cut')
  nft('flush', 'set', 'bridge', 'lab', 'unplugged')
}
