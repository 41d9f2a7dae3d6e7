// The product on the machines A (primary) and B (secondary) over a mounted share, its client on the driver, and what both
// acknowledged on one clock. Used by the drills of the lab.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Ack, Label } from '../test/support/drill.ts'
import * as machines from './machines.ts'
import { ADDRESS, monotonic, OUT, type Machine } from './machines.ts'
import { mount, unmount, type Options, type Share } from './shares.ts'

/** Machines of the lab have one slow processor each: renewals every second, and a lease that leaves them time. */
export const PING_MS = 1000
export const RENEW_MS = 1000
export const LEASE_MS = 6000
const AMQP_PORT = 5672
const BACK_PORT = 7100
const ADMIN_PORT = 8100
const TOKEN = 'a token of the lab, no secret'.replaceAll(/\W/g, '-')

export const MACHINE: Readonly<Record<Label, Machine>> = { primary: 'A', secondary: 'B' }
const LABELS = ['primary', 'secondary'] as const
/** Two clocks are compared over the network; this is more than that comparison and a write to the log take. */
const CLOCK_TOLERANCE_MS = 100

interface Run {
  readonly pid: number
  readonly log: string
}

interface Status {
  readonly role: string
  /** Lock held, gateway reachable, a peer in sync: any one fault more is survived. */
  readonly protected: boolean
  readonly [key: string]: unknown
}

export class LabPair {
  readonly share: Share
  readonly options: Options
  readonly folder: string
  readonly #runs = new Map<Label, Run>()
  readonly #offsets = new Map<string, number>()
  #starts = 0

  constructor(share: Share, options: Options) {
    this.share = share
    this.options = options
    this.folder = `${share.name}-${options}`
  }

  /** Mounts the share on both and writes the profiles. */
  async make(): Promise<void> {
    await machines.sh('G', `mkdir -p -m 0777 /srv/lock/${this.folder}`)
    for (const label of LABELS) {
      await mount(MACHINE[label], this.share, this.share.options[this.options])
      mkdirSync(this.#profile(label), { recursive: true })
      writeFileSync(`${this.#profile(label)}/profile.yaml`, JSON.stringify(this.#keys(label), null, 1))
    }
  }

  #profile(label: Label): string {
    return `${OUT}/${this.folder}/${label}`
  }

  #keys(label: Label): Record<string, unknown> {
    const own = ADDRESS[MACHINE[label]]
    const theirs = ADDRESS[label === 'primary' ? 'B' : 'A']
    return {
      server: label,
      kind: 'FES',
      host: own,
      port: BACK_PORT,
      backupHAIPAddress: theirs,
      backupHAPort: BACK_PORT,
      backupServerIp: theirs,
      backupServerPort: AMQP_PORT,
      rmiServerPort: ADMIN_PORT,
      backupRMIServerPort: ADMIN_PORT,
      lockFile: `${this.share.at}/${this.folder}/LockFile`,
      gatewayServerIPAddress: ADDRESS.G,
      gatewayServerPort: this.share.port,
      pingInterval: PING_MS,
      activeLockReacquisitionInterval: RENEW_MS,
      passiveLockAcquisitionInterval: LEASE_MS,
      dataDirectory: `${this.#profile(label)}/data`,
      listeners: { amqp: { host: own, port: AMQP_PORT } },
      limits: { journalSegmentBytes: 16 * 1024 * 1024 },
      admin: { host: own },
      security: { pairSecret: 'the secret of the lab', adminToken: TOKEN, anonymous: 'always' },
    }
  }

  /** The words of a command that runs the product on a machine. */
  command(label: Label, name: string, ...more: string[]): string[] {
    return ['node', `${machines.PROGRAMS}/main.js`, name, this.#profile(label), ...more]
  }

  async start(label: Label): Promise<void> {
    const name = `${label}-${this.#starts++}`
    const acks = `${machines.ACKS}/${this.folder}-${name}`
    this.#offsets.set(acks, await machines.clockOffset(MACHINE[label]))
    const log = `${this.folder}-${name}.log`
    const command = this.command(label, 'start', '--set', `diagnostics.ackLog=${acks}`)
    this.#runs.set(label, { pid: await machines.start(MACHINE[label], command, log), log })
  }

  #run(label: Label): Run {
    const run = this.#runs.get(label)
    if (!run) throw new Error(`the ${label} was never started`)
    return run
  }

  keeperPid(label: Label): number {
    return this.#run(label).pid
  }

  /** The broker is the keeper's only child. */
  async brokerPid(label: Label): Promise<number> {
    const pid = this.keeperPid(label)
    return Number((await machines.sh(MACHINE[label], `cat /proc/${pid}/task/${pid}/children`)).split(' ')[0])
  }

  async signal(label: Label, whom: 'keeper' | 'broker' | 'both', signal: NodeJS.Signals): Promise<void> {
    const pids = []
    if (whom !== 'broker') pids.push(this.keeperPid(label))
    if (whom !== 'keeper') pids.push(await this.brokerPid(label))
    await machines.sh(MACHINE[label], ['kill', `-${signal.slice(3)}`, ...pids.map(String)])
  }

  /** Waits until keeper and broker are gone; a broker outlives its keeper for as long as it hands over. */
  async ended(label: Label, withinMs = 60_000): Promise<void> {
    const session = String(this.keeperPid(label))
    const limit = monotonic() + withinMs
    for (;;) {
      const { code } = await machines.exec(MACHINE[label], ['pgrep', '-s', session], 10_000)
      if (code === 1) return
      if (monotonic() > limit) throw new Error(`the ${label} does not end`)
      await sleep(100)
    }
  }

  /** After its machine has crashed. */
  async rebooted(label: Label): Promise<void> {
    await machines.boot(MACHINE[label])
    await mount(MACHINE[label], this.share, this.share.options[this.options])
    await this.start(label)
  }

  /** What an operator does where the mount does not come back by itself. */
  async remount(): Promise<void> {
    for (const label of LABELS) {
      await unmount(MACHINE[label], this.share.at)
      await mount(MACHINE[label], this.share, this.share.options[this.options])
    }
  }

  async status(label: Label): Promise<Status | null> {
    try {
      const answer = await fetch(`http://${ADDRESS[MACHINE[label]]}:${ADMIN_PORT}/status`, {
        headers: { authorization: `Bearer ${TOKEN}` },
        signal: AbortSignal.timeout(1000),
      })
      return (await answer.json()) as Status
    } catch {
      return null
    }
  }

  /** Waits until one is ACTIVE, protected by lock and gateway, and the other PASSIVE; gives the active one. */
  async settled(withinMs: number): Promise<Label> {
    const limit = monotonic() + withinMs
    for (;;) {
      const [a, b] = await Promise.all(LABELS.map(label => this.status(label)))
      if (a?.role === 'ACTIVE' && a.protected && b?.role === 'PASSIVE') return 'primary'
      if (b?.role === 'ACTIVE' && b.protected && a?.role === 'PASSIVE') return 'secondary'
      if (monotonic() > limit)
        throw new Error(
          `not ACTIVE (protected) and PASSIVE but ${[a, b].map(s => `${s?.role} ${s?.protected}`).join(', ')}`,
        )
      await sleep(100)
    }
  }

  async switchover(label: Label): Promise<void> {
    const answer = await fetch(`http://${ADDRESS[MACHINE[label]]}:${ADMIN_PORT}/switchover`, {
      method: 'POST',
      headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
      body: '{}',
    })
    if (!answer.ok) throw new Error(await answer.text())
  }

  /** Where clients find the servers. */
  readonly amqp: Record<Label, string> = {
    primary: `${ADDRESS.A}:${AMQP_PORT}`,
    secondary: `${ADDRESS.B}:${AMQP_PORT}`,
  }

  #acks(): Ack[] {
    const acks: Ack[] = []
    for (const [file, offset] of this.#offsets) {
      const name = file.slice(machines.ACKS.length + 1)
      if (!readdirSync(machines.ACKS).includes(name)) continue
      for (const line of readFileSync(file, 'utf8').split('\n').slice(0, -1)) {
        const [at, server, epoch, first, last] = line.split(' ')
        acks.push({ at: Number(at) + offset, server: server as Label, epoch: Number(epoch), first: Number(first), last: Number(last) }) // prettier-ignore
      }
    }
    return acks.toSorted((x, y) => x.at - y.at)
  }

  /**
   * P1, P2 and P5 over everything acknowledged so far: each epoch has one server, none acts once a later one has begun, and
   * none begins before the last record that an earlier one acknowledged.
   */
  checkAcks(): string[] {
    const faults: string[] = []
    const reigns = new Map<number, { server: Label; from: number; to: number; first: number; last: number }>()
    for (const { epoch, server, at, last } of this.#acks()) {
      const reign = reigns.get(epoch) ?? { server, from: at, to: at, first: last, last }
      if (reign.server !== server) faults.push(`epoch ${epoch} was served by both servers`)
      reigns.set(epoch, { ...reign, to: at, last: Math.max(reign.last, last) })
    }
    const inOrder = [...reigns].toSorted(([x], [y]) => x - y)
    for (const [i, [epoch, { first }]] of inOrder.entries()) {
      const before = Math.max(0, ...inOrder.slice(0, i).map(([, { last }]) => last))
      if (first < before) faults.push(`epoch ${epoch} began with ${first}, after ${before} had been acknowledged`)
    }
    let laterFrom = Infinity
    for (const [epoch, { server, from, to }] of inOrder.toReversed()) {
      if (to > laterFrom + CLOCK_TOLERANCE_MS)
        faults.push(
          `${server} acknowledged in epoch ${epoch} ${(to - laterFrom).toFixed(0)} ms after a later one had begun`,
        )
      laterFrom = Math.min(laterFrom, from)
    }
    return faults.slice(0, 10)
  }

  get acknowledgements(): number {
    return this.#acks().length
  }

  /** The last console lines of both, for a drill that failed. */
  async story(): Promise<string> {
    const parts = [...this.#runs].map(([label, { log }]) => {
      const text = readFileSync(`${OUT}/${log}`, 'utf8').trimEnd().split('\n').slice(-60).join('\n')
      return `---- ${label} (${log})\n${text}`
    })
    const states = await Promise.all(LABELS.map(label => this.status(label)))
    const listing = await machines.exec('G', `ls -laR /srv/lock/${this.folder}`, 10_000).catch(() => null)
    return [...parts, JSON.stringify(states, null, 1), listing?.stdout ?? 'the gateway does not answer'].join('\n')
  }

  async end(): Promise<void> {
    for (const label of LABELS) {
      if (!this.#runs.has(label)) continue
      await this.signal(label, 'both', 'SIGKILL').catch(() => {})
      await this.ended(label, 10_000).catch(() => {})
      await unmount(MACHINE[label], this.share.at)
    }
  }
}
