// What the tests of bad input and refusals stand on: a running pair with a stock client that must not notice anything,
// profiles that are bent, further servers beside the pair, and sockets that say what they should not.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, readdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { checkAcks, Drill, LoadClient, monotonic, ServerProcess, type Label } from '../support/drill.ts'
import { freePorts } from '../support/free-ports.ts'
import { patient } from '../support/patience.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const MAIN = join(process.env['LOCKSTEP_DIST'] ?? join(ROOT, 'dist'), 'cli', 'main.js')

export const pause = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms))

export async function eventually(what: string, condition: () => unknown, withinMs = 60_000): Promise<void> {
  const end = monotonic() + withinMs
  while (!(await condition())) {
    if (monotonic() > end) throw new Error(`not within ${withinMs} ms: ${what}`)
    await pause(25)
  }
}

/** Resident memory of a process. */
export function residentMiB(pid: number): number {
  const line = readFileSync(`/proc/${pid}/status`, 'utf8').match(/^VmRSS:\s+(\d+) kB/m)
  return Number(line?.[1]) / 1024
}

/** Runs a command of lockstep to its end. */
export function lockstep(...args: string[]): Promise<{ code: number | null; out: string }> {
  return new Promise(resolve => {
    const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
    let out = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (out += chunk.toString()))
    child.once('close', code => resolve({ code, out }))
  })
}

type Profile = Record<string, unknown>

/** The drill's profile of one server, changed. Keys of sections are written `limits.connections`. */
export function bend(folder: string, changes: Profile): void {
  const file = join(folder, 'profile.yaml')
  const profile = JSON.parse(readFileSync(file, 'utf8')) as Profile
  for (const [key, value] of Object.entries(changes)) {
    const path = key.split('.')
    let section = profile
    for (const part of path.slice(0, -1)) section = (section[part] ??= {}) as Profile
    section[path.at(-1) as string] = value
  }
  writeFileSync(file, JSON.stringify(profile, null, 2))
}

/** The port of its back channel. */
export const portOf = (drill: Drill, label: Label): number =>
  (JSON.parse(readFileSync(join(drill.folder, label, 'profile.yaml'), 'utf8')) as { port: number }).port

/** A profile like that of `label`, with ports and a data directory of its own; not started. */
export async function likeness(drill: Drill, label: Label, name: string, changes: Profile = {}): Promise<string> {
  const folder = join(drill.folder, name)
  mkdirSync(folder)
  cpSync(join(drill.folder, label, 'profile.yaml'), join(folder, 'profile.yaml'))
  const [amqp, ha, admin, mqtt] = await freePorts(4)
  bend(folder, {
    port: ha,
    rmiServerPort: admin,
    'listeners.amqp.port': amqp,
    'listeners.mqtt.port': mqtt,
    dataDirectory: join(folder, 'data'),
    'diagnostics.ackLog': join(folder, 'acks'),
    ...changes,
  })
  return folder
}

/** What a data directory says of itself, changed, with its checksum. */
export function relabel(dataDirectory: string, changes: Profile): void {
  const file = join(dataDirectory, 'journal', 'store.json')
  const stored = JSON.parse(readFileSync(file, 'utf8').split('\n')[0] as string) as Profile
  const line = JSON.stringify({ ...stored, ...changes })
  writeFileSync(file, `${line}\n${crc32(line).toString(16).padStart(8, '0')}\n`)
}

const extra = new Map<ServerProcess, string>()

/** One more server than the drill's two. */
export function startAlso(label: Label, folder: string): ServerProcess {
  const server = new ServerProcess(label, folder)
  extra.set(server, folder)
  return server
}

export async function endAlso(drill: Drill): Promise<void> {
  for (const [server, folder] of extra) {
    if (!folder.startsWith(`${drill.folder}/`)) continue
    extra.delete(server)
    if (server.running) await die(server)
  }
}

/** Names on the share that say who reigns: the register, and who holds the lock, without how often it was renewed. */
export function onTheShare(drill: Drill): string {
  const names = readdirSync(join(drill.folder, 'share'), { recursive: true }) as string[]
  return names
    .map(name => name.replace(/(\/t\..*)\.\d+$/, '$1'))
    .sort()
    .join(' ')
}

/** The newest record of the register. */
export function newestRecord(drill: Drill, folder = join(drill.folder, 'share')): Record<string, unknown> {
  const names = readdirSync(folder).filter(name => /\.r\d+$/.test(name))
  const newest = names.sort().at(-1)
  assert.ok(newest, 'the register has records')
  return (JSON.parse(readFileSync(join(folder, newest), 'utf8')) as { record: Record<string, unknown> }).record
}

/** Lets one server see another folder as its share. */
export function relink(drill: Drill, label: Label, target: string): void {
  const link = join(drill.folder, label, 'share')
  symlinkSync(target, `${link}.new`)
  renameSync(`${link}.new`, link)
}

/** Runs a command of the operating system; false where it is missing or fails. */
export const system = (command: string, ...args: string[]): boolean =>
  spawnSync(command, args, { stdio: 'ignore' }).status === 0

/** Waits until `label` shows this role. */
export const hasRole = (drill: Drill, label: Label, role: string, withinMs = 60_000): Promise<void> =>
  eventually(`${label} is ${role}`, async () => (await drill.status(label))?.role === role, withinMs)

export async function die(server: ServerProcess): Promise<void> {
  server.signal('both', 'SIGKILL')
  await server.exit
}

/** A pair and a client that sends and receives without pause. */
export class Served {
  readonly drill: Drill
  readonly client: LoadClient
  active: Label

  private constructor(drill: Drill, client: LoadClient, active: Label) {
    this.drill = drill
    this.client = client
    this.active = active
  }

  /** `prepare`: before anything is started. */
  static async start(sets: Record<string, string | number> = {}, prepare = (_: Drill) => {}): Promise<Served> {
    const drill = await Drill.make({ sets })
    prepare(drill)
    drill.start('primary')
    drill.start('secondary')
    const active = await drill.settled()
    const client = new LoadClient(drill, { rate: 400, window: 200 })
    await client.started()
    await client.progress(400)
    return new Served(drill, client, active)
  }

  /** Another one is active now. */
  follow(active: Label): void {
    this.active = active
  }

  get broker(): number {
    return this.drill.server(this.active).brokerPid
  }

  /**
   * Does something hostile. The client must not notice: nothing refused, no connection lost, no pause beyond `pauseMs`;
   * and the active broker must not grow by more than `growthMiB`.
   */
  async unhurt<T>(act: () => Promise<T>, { pauseMs = 3000, growthMiB = 96, role = 'ACTIVE' } = {}): Promise<T> {
    const { client, drill } = this
    await client.forgetGaps()
    const before = await client.report()
    const memory = residentMiB(this.broker)
    const result = await act()
    const after = await client.progress(200)
    const longest = Math.max(0, ...after.gaps.map(([ms]) => ms))
    assert.ok(longest < patient(pauseMs), `nothing was acknowledged for ${longest.toFixed(0)} ms`)
    assert.equal(after.connections, before.connections, 'the client kept its connection')
    assert.equal(after.refused + after.released, before.refused + before.released, 'nothing was refused')
    const growth = residentMiB(this.broker) - memory
    assert.ok(growth < growthMiB, `the broker grew by ${growth.toFixed(0)} MiB`)
    assert.equal((await drill.status(this.active))?.role, role)
    return result
  }

  /** Everything acknowledged was received, and never did two servers acknowledge. */
  async nothingLost(): Promise<void> {
    const report = await this.client.drain()
    assert.equal(report.missing, 0)
    assert.equal(report.unacked, 0)
    assert.deepEqual(checkAcks(this.drill.acks()), [])
  }

  async end(): Promise<void> {
    await this.client.end()
    await endAlso(this.drill)
    await this.drill.end()
  }
}

/** A connection that says whatever it is told to and remembers what it heard. */
export class Rude {
  readonly socket: Socket
  heard = Buffer.alloc(0)
  readonly closed: Promise<void>
  isClosed = false

  constructor(port: number, ...said: Uint8Array[]) {
    this.socket = connect(port, '127.0.0.1').unref()
    this.socket.on('error', () => {})
    this.socket.on('data', bytes => {
      if (this.heard.length < 65_536) this.heard = Buffer.concat([this.heard, bytes])
    })
    this.socket.on('end', () => this.socket.end())
    this.closed = new Promise(resolve =>
      this.socket.once('close', () => {
        this.isClosed = true
        resolve()
      }),
    )
    for (const bytes of said) this.socket.write(bytes)
  }

  /** Waits until the other side has closed. */
  async shut(quietMs: number): Promise<void> {
    const withinMs = patient(quietMs)
    await Promise.race([
      this.closed,
      pause(withinMs).then(() => {
        if (!this.isClosed) throw new Error(`still open after ${withinMs} ms; heard ${this.heard.length} bytes`)
      }),
    ])
  }
}

export const flood = (count: number, port: number, ...said: Uint8Array[]): Rude[] =>
  Array.from({ length: count }, () => new Rude(port, ...said))

export async function allShut(rude: readonly Rude[], withinMs: number): Promise<void> {
  await Promise.all(rude.map(one => one.shut(withinMs)))
}

export const hangUp = (rude: readonly Rude[]): void => rude.forEach(one => one.socket.destroy())

/** Bytes without sense, the same in every run. */
export function noise(length: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(length)
  for (let i = 0, x = seed; i < length; i++) bytes[i] = (x = (Math.imul(x, 1_103_515_245) + 12_345) >>> 0) >>> 16
  return bytes
}
