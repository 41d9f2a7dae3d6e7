// What the exploration's state is made of: two servers, the channel between them, the share, and what of the bounds is
// used up. Every part is a flat object of small values; a state is the four numbers under which its parts are known. What
// happens to them stands in rig.ts, following.ts and events.ts.
//
// Real code: rules and duties (src/states), judge, sensors, acts, duty work, reign, drafts, handover and peer link (src/ha),
// commitPoint, mayServe and findCommon (src/replication). Abstracted, each for the reason given:
// - Time. Clocks become events that may come whenever the lease protocol allows them: a lease runs out before another
//   server can hold the lock; a promise runs out at the active before it does at the one who gave it. A frozen server is
//   one that takes no step for a while, so every freeze is among the interleavings.
// - The lock is one name: nobody, a server, or a dead server's token. lease.ts is explored by itself (test/ha).
// - A journal is a string, two characters to a record: its epoch and what it is. A digest is the whole string up to there,
//   so digests never lie. A server's disk flushes at once, or by an event of its own where the bound says so.
// - The channel is two queues that may break, after which what was under way comes for a while or never.
//   A ping and its answer are one event, possible while nothing is under way to the one who answers.
// - Shipper and receiver keep their phases and checks, without windows, batches and chunks: a snapshot is one frame. When
//   a follower is near enough to join is chosen freely, for it depends on sizes.
// - The conductor's order of work (evaluate, frames, news) and the gate's bookkeeping are told again in rig.ts: their
//   memories are private and can't be set to a state. The gateway always answers: it is an input, never a permission.
// - Nobody forces a server; a copy whose disk lost durable data is out of reach, one whose disk was replaced is not.

import type { RoleState } from '../../replication/frames.ts'
import type { Frame } from '../../replication/frames.ts'
import type { CommitMode } from '../../replication/commit-rule.ts'
import type { Position } from '../../journal/position.ts'
import type { RegisterRecord, ServerLabel } from '../../ha/record.ts'
import type { Role } from '../../states/roles.ts'

/** 0: primary, 1: secondary. */
export type Side = 0 | 1
export const LABELS: readonly [ServerLabel, ServerLabel] = ['primary', 'secondary']
export const other = (x: Side): Side => (x === 0 ? 1 : 0)

export type HandoverPhase = 'idle' | 'draining' | 'offered' | 'resuming' | 'given'
export type Shipping = 'no' | 'offered' | 'snapshot' | 'records'
export type Receiving = 'idle' | 'settling' | 'snapshot' | 'records'

export interface Server {
  up: boolean
  role: Role
  /** Durable: which disk, and what is on it. */
  disk: number
  pair: boolean
  mk: number
  dirty: boolean
  log: string
  flushed: number
  start: number
  /** The keeper's newest news: record (its number in the table, 0 for none), marks, lock. */
  seen: number
  known: boolean
  released: number
  held: boolean
  want: boolean
  /** The keeper has been told to let the lock go: it does so before anything it is asked for later. */
  letsGo: boolean
  /** Clocks: our promise binds us; the epoch in which the peer's is fresh (0: over); grace over; tired of waiting. */
  bound: boolean
  promised: number
  grace: boolean
  tired: boolean
  /** A clock has run out and was not looked at yet. */
  late: boolean
  wish: boolean
  /** For two leases only the peer has reached the LockFile. */
  apart: boolean
  listedBy: number
  adopting: boolean
  /** The reign: its epoch, its newest record, the record whose append is not decided, and the offer that it answers. */
  epoch: number
  record: number
  pending: number
  offer: number
  /** The gate. */
  mode: CommitMode
  gateEpoch: number
  committed: number
  confirmed: number
  service: 'closed' | 'open' | 'paused'
  handover: HandoverPhase
  /** The channel as this server sees it, and the peer on it. */
  sees: boolean
  greeting: number
  peer: number
  goodbye: number
  freed: boolean
  /** The leader's work. */
  shipping: Shipping
  shipEpoch: number
  shipCommon: number
  bySnapshot: boolean
  shipSent: number
  shipConfirmed: number
  joining: boolean
  together: boolean
  prepareFrom: number
  prepared: number
  listedIn: number
  /** The follower's. */
  receiving: Receiving
  following: number
  begin: number
  owes: boolean
  told: number
  applied: number
  awaits: number
}

export interface Wire {
  /** Nothing more comes in; what is under way may still arrive, or not. */
  dead: boolean
  /** Frames (by their numbers) on their way to each server. */
  to: [number[], number[]]
}

export interface Flight {
  readonly record: number
  readonly from: Side
  /** The one who asked still waits for it. */
  readonly waits: boolean
  readonly outcome: '' | 'won' | 'lost'
}

export interface Share {
  newest: number
  /** Nobody, one of the two, or a token of one who is dead. */
  lock: -1 | Side | 2
  released: number
  /** Marks that dead servers' keepers have not left yet. */
  marks: number[]
  flights: Flight[]
}

/** What has happened of all that is bounded, and what was acknowledged (a bit for each operation). */
export interface Used {
  ops: number
  acked: number
  crashes: number
  stops: number
  breaks: number
  losses: number
  switchovers: number
  aparts: number
  disks: number
  snapshots: number
}

export type Faults = Omit<Used, 'acked'>

export interface Bounds extends Faults {
  /** Records of the register. */
  readonly records: number
  /** leases: the lease's rules hold. none: any server may get the lock and lose patience at any time. */
  readonly clocks: 'leases' | 'none'
  /** A flush is an event of its own. */
  readonly slowDisk: boolean
}

export interface World {
  servers: [Server, Server]
  wire: Wire
  share: Share
  used: Used
}

/** What is under way on the channel: as on the wire, but records as the journal's characters. */
export type Message =
  | Exclude<Frame, { name: 'RECORDS' | 'SNAPSHOT_CHUNK' | 'SNAPSHOT_END' }>
  | { name: 'RECORDS'; epoch: number; first: number; committed: number; text: string }
  | { name: 'SNAPSHOT_END'; epoch: number; text: string }

/** Values that are known by a number: 0 stands for none. */
export class Table<T> {
  readonly #numbers = new Map<string, number>()
  readonly #values: T[] = []
  /** Most are asked for by the very object that was kept. */
  readonly #known = new WeakMap<object, number>()

  numberOf(value: T): number {
    const known = typeof value === 'object' && value !== null ? this.#known.get(value) : undefined
    if (known !== undefined) return known
    const key = JSON.stringify(value)
    let number = this.#numbers.get(key)
    if (number === undefined) {
      number = this.#values.push(value)
      this.#numbers.set(key, number)
      if (typeof value === 'object' && value !== null) this.#known.set(value, number)
    }
    return number
  }

  at(number: number): T {
    return this.#values[number - 1] as T
  }

  get size(): number {
    return this.#values.length
  }
}

export const records = new Table<RegisterRecord>()
export const messages = new Table<Message>()
export const roleStates = new Table<RoleState>()
const prefixes = new Table<string>()

export const recordAt = (number: number): RegisterRecord | null => (number === 0 ? null : records.at(number))
export const seqOf = (number: number): number => recordAt(number)?.seq ?? 0

const positions = new Map<string, Position>()

/** The last position of a journal. */
export function positionOf(text: string): Position {
  let position = positions.get(text)
  if (!position) {
    const epoch = text === '' ? 0 : parseInt(text[text.length - 2] as string, 36)
    position = { epoch, sequence: text.length / 2, digest: text === '' ? 0 : prefixes.numberOf(text) }
    positions.set(text, position)
  }
  return position
}

export const entry = (epoch: number, what: string): string => epoch.toString(36) + what
export const upTo = (text: string, sequence: number): string => text.slice(0, sequence * 2)
export const lengthOf = (text: string): number => text.length / 2
/** The first record of each reign is written so. */
export const REIGN_BEGINS = '*'

export function newServer(): Server {
  return {
    ...{ up: true, role: 'WAITING', disk: 0, pair: false, mk: 0, dirty: false, log: '', flushed: 0, start: 0 },
    ...{ seen: 0, known: false, released: 0, held: false, want: false, letsGo: false },
    ...{ bound: true, promised: 0, grace: false, tired: false, late: false },
    ...{ wish: false, apart: false, listedBy: 0, adopting: false, epoch: 0, record: 0, pending: 0, offer: 0 },
    ...{ mode: 'frozen', gateEpoch: 0, committed: 0, confirmed: 0, service: 'closed', handover: 'idle' },
    ...{ sees: false, greeting: 0, peer: 0, goodbye: -1, freed: false },
    ...{ shipping: 'no', shipEpoch: 0, shipCommon: 0, shipSent: 0, shipConfirmed: 0 },
    ...{ bySnapshot: false, joining: false, together: false, prepareFrom: -1, prepared: -1, listedIn: 0 },
    ...{ receiving: 'idle', following: 0, begin: 0, owes: false, told: 0, applied: -1, awaits: 0 },
  }
}

export const newWorld = (): World => ({
  servers: [newServer(), newServer()],
  wire: { dead: true, to: [[], []] },
  share: { newest: 0, lock: -1, released: 0, marks: [], flights: [] },
  used: {
    ops: 0,
    acked: 0,
    crashes: 0,
    stops: 0,
    breaks: 0,
    losses: 0,
    switchovers: 0,
    aparts: 0,
    disks: 0,
    snapshots: 0,
  },
})

/** The parts are flat but for the lists, which are replaced and never changed in place. */
export const copyOf = (world: World): World => ({
  servers: [{ ...world.servers[0] }, { ...world.servers[1] }],
  wire: { dead: world.wire.dead, to: [world.wire.to[0], world.wire.to[1]] },
  share: { ...world.share },
  used: { ...world.used },
})

/** Breaking one of these makes a promise false; which and when is what the exploration must find out. */
export const GUARDS = [
  'solo first',
  'conditional append',
  'wait for joining',
  'only listed',
  'takes alone',
  'spare the listed',
  'newest leader',
  'quiet',
  'promise',
  'superseded',
  'solo lets go',
  'store id',
  'lease',
  'frozen offer',
  'place of the offer',
  'resume by record',
  'prepared',
] as const
export type Guard = (typeof GUARDS)[number]
