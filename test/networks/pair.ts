// A pair whose primary, secondary, gateway and client are hosts of their own (test/support/hosts.ts). The gateway's folder
// comes to both servers by sshfs, over the same network as everything else: whoever is cut off from the gateway is cut off
// from the LockFile too, and operations on it hang. One kernel, one monotonic clock: times of all can be compared.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import type { ChildProcess } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monotonic, other, ServerProcess, type Ack, type Label } from '../support/drill.ts'
import { Network, whyNoHosts } from '../support/hosts.ts'

const SUPPORT = join(import.meta.dirname, '..', 'support')
/** Where distributions have it. */
const SFTP_SERVERS = ['/usr/lib/openssh/sftp-server', '/usr/libexec/openssh/sftp-server', '/usr/lib/ssh/sftp-server']
const SFTP_SERVER = SFTP_SERVERS.find(existsSync) ?? 'sftp-server'
const [AMQP_PORT, BACK_PORT, ADMIN_PORT, FOLDER_PORT] = [5672, 7100, 8100, 7022]
export const LEASE_MS = 3000
const LABELS = ['primary', 'secondary'] as const

export const whyNot = (): string | null => whyNoHosts(['sshfs', 'mountpoint', SFTP_SERVER])

type Reply = (answer: { status: number; text: string }) => void

/** web-client.mjs on a server's host. */
class Web {
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, Reply>()
  #next = 0

  constructor(child: ChildProcess) {
    this.#child = child
    createInterface({ input: child.stdout! }).on('line', line => {
      const { id, ...answer } = JSON.parse(line) as { id: number; status: number; text: string }
      this.#waiting.get(id)?.(answer)
      this.#waiting.delete(id)
    })
  }

  ask(method: 'GET' | 'POST', path: string): Promise<{ status: number; text: string }> {
    const id = this.#next++
    const answer = new Promise<{ status: number; text: string }>(resolve => this.#waiting.set(id, resolve))
    this.#child.stdin?.write(`${JSON.stringify({ id, method, url: `http://127.0.0.1:${ADMIN_PORT}${path}` })}\n`)
    return answer
  }
}

export class NetworkPair {
  readonly folder: string
  readonly network: Network
  readonly amqp: Record<Label, string>
  readonly #all: ServerProcess[] = []
  readonly #servers = new Map<Label, ServerProcess>()
  readonly #web = new Map<Label, Web>()

  private constructor(folder: string, network: Network) {
    this.folder = folder
    this.network = network
    const at = (label: Label) => `${this.#host(label).address}:${AMQP_PORT}`
    this.amqp = { primary: at('primary'), secondary: at('secondary') }
  }

  #host(name: Label | 'gateway' | 'client') {
    return this.network.hosts[name]!
  }

  static async make(): Promise<NetworkPair> {
    const folder = mkdtempSync(join(tmpdir(), 'lockstep-networks-'))
    const pair = new NetworkPair(folder, await Network.of(['primary', 'secondary', 'gateway', 'client']))
    try {
      await pair.#prepare()
    } catch (error) {
      await pair.end()
      throw error
    }
    return pair
  }

  async #prepare(): Promise<void> {
    mkdirSync(join(this.folder, 'share'))
    const gateway = this.#host('gateway')
    const server = gateway.spawn([process.execPath, join(SUPPORT, 'folder-server.mjs'), String(FOLDER_PORT), SFTP_SERVER]) // prettier-ignore
    await new Promise(resolve => server.stdout?.once('data', resolve))
    for (const label of LABELS) {
      const host = this.#host(label)
      const at = join(this.folder, label, 'share')
      mkdirSync(at, { recursive: true })
      writeFileSync(join(this.folder, label, 'profile.yaml'), JSON.stringify(this.#keys(label), null, 1))
      // Without its caches, and on a server that renames as POSIX says, sshfs excludes as the lock needs. Under its own name
      // the product refuses it, for it has them by default.
      const caches = 'subtype=uncached,dir_cache=no,attr_timeout=0,entry_timeout=0,negative_timeout=0'
      host.spawn([
        'sshfs',
        '-f',
        '-o',
        `directport=${FOLDER_PORT},${caches}`,
        `${gateway.address}:${this.folder}/share`,
        at,
      ])
      host.sh(`for i in $(seq 100); do mountpoint -q ${at} && exit 0; sleep 0.05; done; echo 'not mounted' >&2; exit 1`)
      this.#web.set(label, new Web(host.spawn([process.execPath, join(SUPPORT, 'web-client.mjs')])))
    }
  }

  #keys(label: Label): Record<string, unknown> {
    const [own, theirs] = [this.#host(label).address, this.#host(other(label)).address]
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
      lockFile: join(this.folder, label, 'share', 'LockFile'),
      gatewayServerIPAddress: this.#host('gateway').address,
      gatewayServerPort: FOLDER_PORT,
      pingInterval: 500,
      activeLockReacquisitionInterval: 500,
      passiveLockAcquisitionInterval: LEASE_MS,
      dataDirectory: join(this.folder, label, 'data'),
      listeners: { amqp: { host: own, port: AMQP_PORT } },
      limits: { journalSegmentBytes: 16 * 1024 * 1024 },
      security: { pairSecret: 'the secret of this drill', anonymous: 'always' },
      diagnostics: { ackLog: join(this.folder, `acks-${label}`) },
    }
  }

  start(label: Label): void {
    const server = new ServerProcess(label, join(this.folder, label), this.#host(label).within)
    this.#servers.set(label, server)
    this.#all.push(server)
  }

  server(label: Label): ServerProcess {
    return this.#servers.get(label)!
  }

  /** Words that run the client on its host. */
  get clientWithin(): readonly string[] {
    return this.#host('client').within
  }

  async #role(label: Label): Promise<string> {
    const { status, text } = await this.#web.get(label)!.ask('GET', '/status')
    return status === 200 ? (JSON.parse(text) as { role: string }).role : 'silent'
  }

  async switchover(label: Label): Promise<void> {
    const { status, text } = await this.#web.get(label)!.ask('POST', '/switchover')
    if (status !== 200) throw new Error(text)
  }

  /** Waits until one is ACTIVE and the other PASSIVE; gives the active one. */
  async settled(withinMs: number): Promise<Label> {
    const limit = monotonic() + withinMs
    for (;;) {
      const [a, b] = await Promise.all(LABELS.map(label => this.#role(label)))
      if (a === 'ACTIVE' && b === 'PASSIVE') return 'primary'
      if (b === 'ACTIVE' && a === 'PASSIVE') return 'secondary'
      if (monotonic() > limit) throw new Error(`not ACTIVE/PASSIVE but ${a} and ${b}`)
      await new Promise(resolve => setTimeout(resolve, 50))
    }
  }

  acks(): Ack[] {
    const read = (label: Label): Ack[] =>
      readFileSync(join(this.folder, `acks-${label}`), 'utf8')
        .split('\n')
        .slice(0, -1)
        .map(line => line.split(' '))
        .map(([at, server, epoch, first, last]) => ({
          at: Number(at),
          server: server as Label,
          epoch: Number(epoch),
          first: Number(first),
          last: Number(last),
        }))
    return LABELS.flatMap(read).sort((x, y) => x.at - y.at)
  }

  logs(): string {
    return this.#all
      .flatMap(server => server.lines.map(line => ({ ...line, label: server.label })))
      .sort((x, y) => x.at - y.at)
      .map(line => `${line.at.toFixed(0)} ${line.label.padEnd(9)} ${line.text}`)
      .slice(-120)
      .join('\n')
  }

  async end(): Promise<void> {
    for (const server of this.#all.filter(({ running }) => running))
      try {
        server.signal('both', 'SIGKILL')
      } catch {
        // gone meanwhile
      }
    await Promise.all(this.#all.map(server => server.exit))
    await this.network.end()
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 })
  }
}
