// Our own pair for the bench: two servers with journals and back channel of their own on this machine, nothing between
// them, as in real operation. (The drills' pair goes through proxies that can be cut, which costs.)

import type { ChildProcess } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { freePorts } from '../../test/support/free-ports.ts'
import { end, launch, listening, pause, type BenchBroker } from './broker.ts'

const MAIN = join(import.meta.dirname, '..', '..', 'dist', 'cli', 'main.js')
const SETTLED_MS = 30_000

export class LockstepPair implements BenchBroker {
  readonly name = 'Lockstep pair'
  readonly missing = null
  readonly #nodeOptions: readonly string[]
  #servers: ChildProcess[] = []
  #gateway?: Server
  #amqp: number[] = []
  #active = 0

  /** `nodeOptions` go to all processes of the servers, for profiles. */
  constructor(nodeOptions: readonly string[] = []) {
    this.#nodeOptions = nodeOptions
  }

  async start(folder: string): Promise<void> {
    const ports = await freePorts(7)
    const [a, b, haA, haB, adminA, adminB, gateway] = ports as [number, number, number, number, number, number, number]
    this.#amqp = [a, b]
    this.#gateway = createServer(socket => socket.destroy()).listen(gateway, '127.0.0.1')
    mkdirSync(join(folder, 'share'))
    const one = (label: string, [amqp, ha, admin]: number[], [amqp2, ha2, admin2]: number[]) => {
      const home = join(folder, label)
      mkdirSync(home)
      const profile = {
        server: label,
        kind: 'FES',
        port: ha,
        backupHAIPAddress: '127.0.0.1',
        backupHAPort: ha2,
        backupServerIp: '127.0.0.1',
        backupServerPort: amqp2,
        rmiServerPort: admin,
        backupRMIServerPort: admin2,
        lockFile: join(folder, 'share', 'LockFile'),
        gatewayServerIPAddress: '127.0.0.1',
        gatewayServerPort: gateway,
        pingInterval: 1000,
        activeLockReacquisitionInterval: 1000,
        passiveLockAcquisitionInterval: 6000,
        dataDirectory: join(home, 'data'),
        listeners: { amqp: { port: amqp } },
        // Room for what is only sent.
        limits: { queueBytes: 2 ** 31, memoryBytes: 2 ** 31 },
      }
      writeFileSync(join(home, 'profile.yaml'), JSON.stringify(profile, null, 2)) // JSON is YAML
      return launch(process.execPath, [...this.#nodeOptions, MAIN, 'start', home], home)
    }
    this.#servers = [one('primary', [a, haA, adminA], [b, haB, adminB])]
    this.#servers.push(one('secondary', [b, haB, adminB], [a, haA, adminA]))
    await listening(adminA, this.#servers[0]!, join(folder, 'primary'))
    await listening(adminB, this.#servers[1]!, join(folder, 'secondary'))
    const until = performance.now() + SETTLED_MS
    for (;;) {
      const roles = await Promise.all([adminA, adminB].map(role))
      this.#active = roles.indexOf('ACTIVE')
      if (this.#active >= 0 && roles.includes('PASSIVE')) return
      if (performance.now() > until) throw new Error(`the pair is not ACTIVE and PASSIVE but ${roles.join(' and ')}`)
      await pause(100)
    }
  }

  way(queue: string) {
    return Promise.resolve({ protocol: 'amqp' as const, port: this.#amqp[this.#active]!, address: queue, user: null })
  }

  roots(): number[] {
    return this.#servers.map(server => server.pid!)
  }

  async stop(): Promise<void> {
    // The passive first: else it would take over.
    for (const server of this.#active === 0 ? this.#servers.reverse() : this.#servers) await end(server)
    this.#gateway?.close()
  }
}

async function role(admin: number): Promise<string> {
  try {
    const answer = await fetch(`http://127.0.0.1:${admin}/status`, { signal: AbortSignal.timeout(1000) })
    return ((await answer.json()) as { role: string }).role
  } catch {
    return 'nothing'
  }
}
