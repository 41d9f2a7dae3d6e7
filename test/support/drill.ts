// A whole pair of real processes on this machine, each with a back channel and a share of its own that can be cut, and a
// client in a process of its own. Used by the drills in test/drills and the bench of times without service.
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  existsSync,
} from 'node:fs'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePorts } from './free-ports.ts'
import { DIES_WITH_US } from './hosts.ts'
import { TcpProxy } from './tcp-proxy.ts'

export { LoadClient } from './load-client.ts'

const ROOT = join(import.meta.dirname, '..', '..')
/** Another build than the one in dist/, for mutants. */
const MAIN = join(process.env['LOCKSTEP_DIST'] ?? join(ROOT, 'dist'), 'cli', 'main.js')
/** A server is no child of a terminal: without this it outlives a test that is ended from outside. Not every system has it. */
const WITHIN = spawnSync(DIES_WITH_US[0] as string, [...DIES_WITH_US.slice(1), 'true']).status === 0 ? DIES_WITH_US : []
export const monotonic = (): number => Number(process.hrtime.bigint()) / 1e6

export type Label = 'primary' | 'secondary'
export const other = (label: Label): Label => (label === 'primary' ? 'secondary' : 'primary')

export interface Ack {
  readonly at: number
  readonly server: Label
  readonly epoch: number
  readonly first: number
  readonly last: number
}

/** One console line, as it came. */
interface Line {
  readonly at: number
  readonly text: string
}

export class ServerProcess {
  readonly label: Label
  readonly lines: Line[] = []
  exit: Promise<number | null>
  /** The broker, too, which goes on for a moment where the keeper was killed. */
  readonly gone: Promise<void>
  running = true
  readonly #child: ChildProcess
  #waiting = new Set<() => void>()

  /** `within`: words of a command that runs it elsewhere, as the same process. */
  constructor(label: Label, profile: string, within: readonly string[] = WITHIN) {
    this.label = label
    const words = [...within, process.execPath, MAIN, 'start', profile]
    this.#child = spawn(words[0] as string, words.slice(1), { stdio: ['ignore', 'pipe', 'pipe'], detached: true })
    let rest = ''
    const take = (chunk: Buffer) => {
      const parts = (rest + chunk.toString('utf8')).split('\n')
      rest = parts.pop() ?? ''
      for (const text of parts) this.lines.push({ at: monotonic(), text })
      for (const wake of this.#waiting) wake()
    }
    this.#child.stdout?.on('data', take)
    this.#child.stderr?.on('data', take)
    // Both write to it.
    this.gone = new Promise(resolve => this.#child.once('close', () => resolve()))
    this.exit = new Promise(resolve =>
      this.#child.once('exit', code => {
        this.running = false
        resolve(code)
        for (const wake of this.#waiting) wake()
      }),
    )
  }

  get keeperPid(): number {
    return this.#child.pid ?? 0
  }

  /** The broker is the keeper's only child. */
  get brokerPid(): number {
    const children = readFileSync(`/proc/${this.keeperPid}/task/${this.keeperPid}/children`, 'utf8').trim()
    return Number(children.split(' ')[0])
  }

  get log(): string {
    return this.lines.map(line => `${line.at.toFixed(0)} ${this.label} ${line.text}`).join('\n')
  }

  /** Waits for a line that contains `text`, among those after the first `from`. */
  async line(text: string, from = 0, withinMs = 60_000): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const look = () => {
        if (this.lines.slice(from).some(line => line.text.includes(text))) end()
      }
      const end = (error?: Error) => {
        clearTimeout(limit)
        this.#waiting.delete(look)
        if (error) reject(error)
        else resolve()
      }
      const limit = setTimeout(
        () => end(new Error(`no line "${text}" from the ${this.label} within ${withinMs} ms:\n${this.log}`)),
        withinMs,
      )
      this.#waiting.add(look)
      look()
    })
  }

  /** Sends a signal to keeper, broker, or both (the broker last, so that the keeper cannot act on it). */
  signal(whom: 'keeper' | 'broker' | 'both', signal: NodeJS.Signals): void {
    const broker = whom === 'keeper' ? 0 : this.brokerPid
    if (whom !== 'broker') process.kill(this.keeperPid, signal)
    if (broker) process.kill(broker, signal)
  }
}

/** Keys of a profile, with dots for sections. */
export type Sets = Readonly<Record<string, unknown>>

export interface DrillOptions {
  /** For both servers, or what each of them has; `folder` is the drill's. */
  readonly sets?: Sets | ((label: Label, folder: string) => Sets)
  /** Below another folder than the temporary one. */
  readonly base?: string
}

export class Drill {
  readonly folder: string
  readonly amqp: Record<Label, number>
  readonly mqtt: Record<Label, number>
  readonly admin: Record<Label, number>
  readonly servers = new Map<Label, ServerProcess>()
  readonly #all: ServerProcess[] = []
  readonly #proxies: Record<Label, TcpProxy>
  readonly #gateway: Server

  private constructor(folder: string, ports: number[], proxies: Record<Label, TcpProxy>, gateway: Server) {
    this.folder = folder
    this.amqp = { primary: ports[0]!, secondary: ports[1]! }
    this.mqtt = { primary: ports[7]!, secondary: ports[8]! }
    this.admin = { primary: ports[4]!, secondary: ports[5]! }
    this.#proxies = proxies
    this.#gateway = gateway
  }

  static async make(options: DrillOptions = {}): Promise<Drill> {
    const folder = mkdtempSync(join(options.base ?? tmpdir(), 'lockstep-drill-'))
    const ports = await freePorts(9)
    const [a, b, haA, haB, adminA, adminB, gatewayPort, mqttA, mqttB] = ports as [
      number,
      number,
      number,
      number,
      number,
      number,
      number,
      number,
      number,
    ]
    const proxies = { primary: await TcpProxy.to(haA), secondary: await TcpProxy.to(haB) }
    const gateway = createServer(socket => socket.destroy())
    await new Promise<void>(resolve => gateway.listen(gatewayPort, '127.0.0.1', resolve))
    mkdirSync(join(folder, 'share'))
    const write = (
      label: Label,
      own: { amqp: number; ha: number; admin: number; mqtt: number },
      theirs: { amqp: number; ha: number; admin: number; mqtt: number },
    ) => {
      mkdirSync(join(folder, label))
      symlinkSync(join(folder, 'share'), join(folder, label, 'share'))
      const lines = {
        server: label,
        kind: 'FES',
        port: own.ha,
        backupHAIPAddress: '127.0.0.1',
        backupHAPort: theirs.ha,
        backupServerIp: '127.0.0.1',
        backupServerPort: theirs.amqp,
        backupServerMqttPort: theirs.mqtt,
        rmiServerPort: own.admin,
        backupRMIServerPort: theirs.admin,
        lockFile: join(folder, label, 'share', 'LockFile'),
        gatewayServerIPAddress: '127.0.0.1',
        gatewayServerPort: gatewayPort,
        pingInterval: 500,
        activeLockReacquisitionInterval: 500,
        passiveLockAcquisitionInterval: 3000,
        dataDirectory: join(folder, label, 'data'),
        'listeners.amqp.port': own.amqp,
        'listeners.mqtt.port': own.mqtt,
        'limits.journalSegmentBytes': 16 * 1024 * 1024,
        'diagnostics.ackLog': join(folder, `acks-${label}`),
        ...(typeof options.sets === 'function' ? options.sets(label, folder) : options.sets),
      }
      const yaml = Object.entries(lines).map(([key, value]) => `${key}: ${JSON.stringify(value)}`)
      writeFileSync(join(folder, label, 'profile.yaml'), nested(yaml))
    }
    write(
      'primary',
      { amqp: a, ha: haA, admin: adminA, mqtt: mqttA },
      { amqp: b, ha: proxies.secondary.port, admin: adminB, mqtt: mqttB },
    )
    write(
      'secondary',
      { amqp: b, ha: haB, admin: adminB, mqtt: mqttB },
      { amqp: a, ha: proxies.primary.port, admin: adminA, mqtt: mqttA },
    )
    return new Drill(folder, ports, proxies, gateway)
  }

  start(label: Label): ServerProcess {
    const server = new ServerProcess(label, join(this.folder, label))
    this.servers.set(label, server)
    this.#all.push(server)
    return server
  }

  server(label: Label): ServerProcess {
    const server = this.servers.get(label)
    if (!server) throw new Error(`${label} was never started`)
    return server
  }

  async status(
    label: Label,
  ): Promise<{ role: string; peer: { role: string }; serving: boolean; [key: string]: unknown } | null> {
    try {
      const answer = await fetch(`http://127.0.0.1:${this.admin[label]}/status`, { signal: AbortSignal.timeout(5000) })
      return (await answer.json()) as never
    } catch {
      return null
    }
  }

  /** Waits until one is ACTIVE and the other PASSIVE; gives the active one. */
  async settled(withinMs = 120_000): Promise<Label> {
    const end = monotonic() + withinMs
    for (;;) {
      const [a, b] = await Promise.all([this.status('primary'), this.status('secondary')])
      if (a?.role === 'ACTIVE' && b?.role === 'PASSIVE') return 'primary'
      if (b?.role === 'ACTIVE' && a?.role === 'PASSIVE') return 'secondary'
      if (monotonic() > end) throw new Error(`not ACTIVE/PASSIVE but ${a?.role} and ${b?.role}\n${this.logs()}`)
      await new Promise(resolve => setTimeout(resolve, 50))
    }
  }

  /** What both servers say of themselves, and what lies on the share: for a test that failed. */
  async describe(): Promise<string> {
    const states = await Promise.all([this.status('primary'), this.status('secondary')])
    const share = readdirSync(join(this.folder, 'share'), { recursive: true }).join(' ')
    return `${JSON.stringify(states, null, 1)}\nshare: ${share}`
  }

  logs(): string {
    return this.#all
      .flatMap(server => server.lines.map(line => ({ ...line, label: server.label })))
      .sort((x, y) => x.at - y.at)
      .map(line => `${line.at.toFixed(0)} ${line.label.padEnd(9)} ${line.text}`)
      .join('\n')
  }

  /** Pulls the cable of the back channel, both ways. */
  cutChannel(): void {
    this.#proxies.primary.cut()
    this.#proxies.secondary.cut()
  }

  healChannel(): void {
    this.#proxies.primary.heal()
    this.#proxies.secondary.heal()
  }

  /** The share is gone for one server: its path leads nowhere. */
  cutShare(label: Label): void {
    const link = join(this.folder, label, 'share')
    symlinkSync(join(this.folder, 'nowhere'), `${link}.new`)
    renameSync(`${link}.new`, link)
  }

  healShare(label: Label): void {
    const link = join(this.folder, label, 'share')
    symlinkSync(join(this.folder, 'share'), `${link}.new`)
    renameSync(`${link}.new`, link)
  }

  async post(label: Label, path: string, body: unknown = {}): Promise<{ status: number; text: string }> {
    const answer = await fetch(`http://127.0.0.1:${this.admin[label]}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    return { status: answer.status, text: await answer.text() }
  }

  /** Acknowledgements of both servers, by time. */
  acks(): Ack[] {
    return (['primary', 'secondary'] as const)
      .flatMap(label => {
        const file = join(this.folder, `acks-${label}`)
        if (!existsSync(file)) return []
        const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1)
        return lines.map(line => {
          const [at, server, epoch, first, last] = line.split(' ')
          return {
            at: Number(at),
            server: server as Label,
            epoch: Number(epoch),
            first: Number(first),
            last: Number(last),
          }
        })
      })
      .sort((x, y) => x.at - y.at)
  }

  async end(): Promise<void> {
    for (const server of this.#all) {
      if (!server.running) continue
      for (const pid of [server.keeperPid, safely(() => server.brokerPid) ?? 0])
        if (pid > 0) safely(() => process.kill(pid, 'SIGKILL'))
    }
    await Promise.all(this.#all.map(server => server.exit))
    await Promise.all([this.#proxies.primary.close(), this.#proxies.secondary.close()])
    await new Promise(resolve => this.#gateway.close(resolve))
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 })
  }
}

/**
 * P1, P2 and P5 over what both servers logged: epochs grow with time, each has one server, they do not overlap, and none
 * begins before the last record that an earlier one acknowledged.
 */
export function checkAcks(acks: readonly Ack[]): string[] {
  const faults: string[] = []
  const holder = new Map<number, Label>()
  let newest = 0
  let highest = 0
  for (const ack of acks) {
    const had = holder.get(ack.epoch)
    if (had && had !== ack.server) faults.push(`epoch ${ack.epoch} was served by both servers`)
    holder.set(ack.epoch, ack.server)
    if (ack.epoch < newest)
      faults.push(`${ack.server} acknowledged in epoch ${ack.epoch} at ${ack.at}, after epoch ${newest} had begun`)
    if (ack.last < highest)
      faults.push(
        `${ack.server} acknowledged ${ack.last} in epoch ${ack.epoch}, after ${highest} had been acknowledged`,
      )
    newest = Math.max(newest, ack.epoch)
    highest = Math.max(highest, ack.last)
  }
  return faults.slice(0, 10)
}

function safely<T>(act: () => T): T | undefined {
  try {
    return act()
  } catch {
    return undefined
  }
}

/** `a.b: 1` as nested YAML: sections of the same head are put together. */
function nested(lines: readonly string[]): string {
  const tree: Record<string, unknown> = {}
  for (const line of lines) {
    const at = line.indexOf(': ')
    const path = line.slice(0, at).split('.')
    let section = tree
    for (const part of path.slice(0, -1)) section = (section[part] ??= {}) as Record<string, unknown>
    section[path.at(-1)!] = JSON.parse(line.slice(at + 2))
  }
  return JSON.stringify(tree, null, 2) // JSON is YAML
}
