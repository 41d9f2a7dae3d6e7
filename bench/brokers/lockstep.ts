// Our own pair for the bench: two servers with journals and back channel of their own on this machine, nothing between
// them, as in real operation. (The drills' pair goes through proxies that can be cut, which costs.)

import type { ChildProcess } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { freePorts } from '../../test/support/free-ports.ts'
import {
  end,
  family,
  launch,
  listening,
  pause,
  type MortalBroker,
  type MqttBroker,
  type QueueBroker,
} from './broker.ts'

const MAIN = join(import.meta.dirname, '..', '..', 'dist', 'cli', 'main.js')
const SETTLED_MS = 60_000

/** Limits that leave room for what is only sent. */
export const ROOM = { queueBytes: 2 ** 31, memoryBytes: 2 ** 31 }

export interface PairOptions {
  /** For all processes of the servers: profiles. */
  readonly nodeOptions?: readonly string[]
  /** Of the profile, where not the defaults. */
  readonly limits?: Readonly<Record<string, number>>
}

interface Member {
  readonly label: string
  readonly home: string
  readonly amqp: number
  readonly mqtt: number
  readonly ha: number
  readonly admin: number
  server?: ChildProcess
}

export class LockstepPair implements QueueBroker, MqttBroker, MortalBroker {
  readonly name = 'Lockstep pair'
  readonly missing = null
  readonly #options: PairOptions
  #members: readonly Member[] = []
  #gateway?: Server
  #active = 0

  constructor(options: PairOptions = {}) {
    this.#options = options
  }

  async start(folder: string): Promise<void> {
    const [gateway = 0, ...ports] = await freePorts(9)
    this.#gateway = createServer(socket => socket.destroy()).listen(gateway, '127.0.0.1')
    mkdirSync(join(folder, 'share'))
    this.#members = ['primary', 'secondary'].map((label, i) => {
      const [amqp = 0, mqtt = 0, ha = 0, admin = 0] = ports.slice(4 * i)
      return { label, home: join(folder, label), amqp, mqtt, ha, admin }
    })
    const [a, b] = this.#members as [Member, Member]
    for (const [own, other] of [
      [a, b],
      [b, a],
    ] as const) {
      mkdirSync(own.home)
      const profile = {
        server: own.label,
        kind: 'FES',
        port: own.ha,
        backupHAIPAddress: '127.0.0.1',
        backupHAPort: other.ha,
        backupServerIp: '127.0.0.1',
        backupServerPort: other.amqp,
        rmiServerPort: own.admin,
        backupRMIServerPort: other.admin,
        lockFile: join(folder, 'share', 'LockFile'),
        gatewayServerIPAddress: '127.0.0.1',
        gatewayServerPort: gateway,
        pingInterval: 1000,
        activeLockReacquisitionInterval: 1000,
        passiveLockAcquisitionInterval: 6000,
        dataDirectory: join(own.home, 'data'),
        listeners: { amqp: { port: own.amqp }, mqtt: { port: own.mqtt } },
        limits: this.#options.limits ?? {},
      }
      writeFileSync(join(own.home, 'profile.yaml'), JSON.stringify(profile, null, 2)) // JSON is YAML
      this.#launch(own)
    }
    for (const { admin, server, home } of this.#members) await listening(admin, server!, home)
    await this.whole()
  }

  #launch(member: Member): void {
    const args = [...(this.#options.nodeOptions ?? []), MAIN, 'start', member.home]
    member.server = launch(process.execPath, args, member.home)
  }

  async whole(): Promise<void> {
    const until = performance.now() + SETTLED_MS
    for (;;) {
      const roles = await Promise.all(this.#members.map(({ admin }) => role(admin)))
      this.#active = roles.indexOf('ACTIVE')
      if (this.#active >= 0 && roles.includes('PASSIVE')) return
      if (performance.now() > until) throw new Error(`the pair is not ACTIVE and PASSIVE but ${roles.join(' and ')}`)
      await pause(100)
    }
  }

  /** The active server's broker; its keeper ends with it. */
  async kill(): Promise<void> {
    const member = this.#members[this.#active]!
    const keeper = member.server!
    const gone = new Promise<void>(resolve => keeper.once('exit', () => resolve()))
    const [, broker = 0] = family(keeper.pid!)
    process.kill(broker, 'SIGKILL')
    await gone
    this.#launch(member)
  }

  way(queue: string) {
    return Promise.resolve(wayOf(this.#members[this.#active]!, queue))
  }

  ways() {
    return Promise.resolve(this.#members.map(member => wayOf(member, 'bench-kills')))
  }

  get mqttPort(): number {
    return this.#members[this.#active]!.mqtt
  }

  roots(): number[] {
    return this.#members.map(({ server }) => server!.pid!)
  }

  async stop(): Promise<void> {
    // The passive first: else it would take over.
    const order = this.#active === 0 ? this.#members.toReversed() : this.#members
    for (const { server } of order) await end(server)
    this.#gateway?.close()
  }
}

const wayOf = (member: Member, queue: string) => ({
  protocol: 'amqp' as const,
  port: member.amqp,
  address: queue,
  user: null,
})

async function role(admin: number): Promise<string> {
  try {
    const answer = await fetch(`http://127.0.0.1:${admin}/status`, { signal: AbortSignal.timeout(1000) })
    return ((await answer.json()) as { role: string }).role
  } catch {
    return 'nothing'
  }
}
