// Everything that can happen next in a state of the exploration, and its happening. A choice is a number: its kind, its
// side, and for the share's late work which one. Faults and wishes are bounded; the rest may happen whenever it means
// something.

import { never } from '../../base/assert.ts'
import { SERVING } from '../../states/roles.ts'
import { Conduct } from './conduct.ts'
import { Leading } from './leading.ts'
import { describe, KINDS, type Choice, type Kind } from './words.ts'
import type { Rows } from './decide.ts'
import { copyOf, entry, lengthOf, messages, newServer, other, recordAt, seqOf, upTo } from './model.ts'
import type { Bounds, Flight, Guard, Server, Share, Side, World } from './model.ts'
import { records, roleStates } from './model.ts'

export const choiceOf = (code: number): Choice => ({
  kind: KINDS[(code >> 1) % KINDS.length] as Kind,
  side: (code & 1) as Side,
  which: Math.floor((code >> 1) / KINDS.length),
})

const code = (kind: Kind, side: Side, which = 0): number => (which * KINDS.length + KINDS.indexOf(kind)) * 2 + side

/** All that can happen now. */
export function choices(world: World, bounds: Bounds): number[] {
  const { servers, wire, share, used } = world
  const found: number[] = []
  const add = (kind: Kind, side: Side, which = 0) => found.push(code(kind, side, which))
  if (wire.dead && servers[0].up && servers[1].up) add('connect', 0)
  share.flights.forEach((flight, i) => flight.outcome === '' && add('executes', flight.from, i))
  share.marks.forEach((_, i) => add('mark', 0, i))
  if (share.lock === 2) add('token', 0)
  if (!wire.dead && used.breaks < bounds.breaks && servers.some(s => s.sees)) add('break', 0)
  for (const x of [0, 1] as const) {
    const s = servers[x]
    if (!s.up) {
      add('restart', x)
      if (used.disks < bounds.disks && s.log !== '') add('disk', x)
      continue
    }
    ofServer(world, x, bounds, add)
    clocks(world, x, bounds, add)
    if (used.crashes < bounds.crashes) add('crash', x)
    if (used.stops < bounds.stops) add('stop', x)
  }
  return found
}

function ofServer(world: World, x: Side, bounds: Bounds, add: (kind: Kind, side: Side) => void): void {
  const { servers, wire, share, used } = world
  const s = servers[x]
  const peer = servers[other(x)]
  if (s.sees && wire.to[x].length > 0) add('receive', x)
  if (s.sees && wire.dead) add('notice', x)
  if (!s.letsGo && share.flights.some(f => f.from === x && f.waits && f.outcome !== '')) add('tells', x)
  if (s.flushed < lengthOf(s.log)) add('flush', x)
  if (s.seen !== share.newest || !s.known || s.released !== share.released) add('look', x)
  const free = share.lock === -1 || (s.freed && share.lock !== x) || bounds.clocks === 'none'
  if (s.want && !s.held && free) add('lock', x)
  if (s.letsGo) add('release', x)
  if (s.held && !s.letsGo && share.lock !== x && bounds.clocks === 'leases') add('lock lost', x)
  if (s.late) add('wake', x)
  if (s.shipping === 'records' && !s.joining && !s.together) add('join', x)
  if (s.sees && peer.up && peer.sees && !wire.dead && wire.to[other(x)].length === 0 && pingMatters(s, peer))
    add('ping', x)
  if (SERVING.has(s.role) && s.service === 'open' && s.gateEpoch > 0 && used.ops < bounds.ops) add('op', x)
  const asked = s.role === 'ACTIVE' && s.peer !== 0 && !s.wish
  if (asked && used.switchovers < bounds.switchovers) add('switchover', x)
  if (asked && !s.held && !s.apart && used.aparts < bounds.aparts) add('apart', x)
  if (used.snapshots < bounds.snapshots && s.start < safe(s)) add('snapshot', x)
}

const safe = (s: Server): number => (s.gateEpoch > 0 ? s.committed : Math.max(0, Math.min(s.applied, s.told)))

function pingMatters(s: Server, peer: Server): boolean {
  const following = peer.receiving === 'idle' || peer.receiving === 'settling' ? 0 : peer.following
  if (s.promised !== following || (following > 0 && !peer.bound)) return true
  return s.gateEpoch > 0 && peer.receiving === 'records' && s.committed > peer.told
}

/** What the mere passing of time can bring. */
function clocks(world: World, x: Side, bounds: Bounds, add: (kind: Kind, side: Side) => void): void {
  const { servers, wire, share, used } = world
  const s = servers[x]
  // Silence breaks a channel long before a promise or a lease runs out, also that of a frozen server.
  const anyTime = bounds.clocks === 'none'
  const leaned = s.role === 'WAITING' || s.role === 'PASSIVE'
  if (s.bound && leaned && (anyTime || (wire.dead && !s.sees))) add('unbound', x)
  if (s.promised > 0 && !anyTime && wire.dead) add('promise over', x)
  if (!s.grace && s.peer === 0 && s.role === 'WAITING') add('grace', x)
  if (!s.tired && !s.want && s.role === 'WAITING' && s.peer !== 0 && peerWaits(s)) add('tired', x)
  if (s.handover === 'draining' || s.handover === 'offered') add('patience', x)
  const quiet = !wire.dead && wire.to[0].length === 0 && wire.to[1].length === 0
  if (quiet && s.sees && Leading.waits(s)) add('stalled', x)
  if (s.held && used.losses < bounds.losses && (anyTime || share.lock === x)) add('lock runs out', x)
}

const peerWaits = (s: Server): boolean => roleStates.at(s.peer).role === 'WAITING'

/** Carries events out. One for an exploration; holds nothing between two events. */
export class Events {
  readonly sides: readonly [Conduct, Conduct]
  readonly bounds: Bounds
  readonly #without: Guard | null
  /** Told what happens, in words. */
  say: ((line: string) => void) | null = null

  constructor(bounds: Bounds, without: Guard | null, rows: Rows) {
    this.bounds = bounds
    this.#without = without
    this.sides = [new Conduct(0, bounds, without, rows), new Conduct(1, bounds, without, rows)]
  }

  /** The world after this, and what was broken by it ('' for nothing). Null where a bound of the exploration is passed. */
  after(before: World, choice: number): { readonly world: World; readonly broken: string } | null {
    const world = copyOf(before)
    const broken = this.#happen(world, choiceOf(choice))
    const { records: most } = this.bounds
    if (
      world.share.flights.length > before.share.flights.length &&
      world.share.flights.some(f => seqOf(f.record) > most)
    )
      return null
    tidy(world.share)
    return { world, broken }
  }

  tell(say: (line: string) => void): void {
    this.say = say
    for (const { rig } of this.sides) rig.say = line => say(`  ${line}`)
  }

  #at(world: World, side: Side, act: (conduct: Conduct) => void): string {
    const conduct = this.sides[side]
    return conduct.during(world, () => act(conduct))
  }

  #happen(world: World, { kind, side, which }: Choice): string {
    const s = world.servers[side]
    const { share, wire, used } = world
    const at = (act: (conduct: Conduct) => void) => this.#at(world, side, act)
    const late = (act: () => void): string => {
      act()
      s.late = true
      return ''
    }
    this.say?.(describe(world, { kind, side, which }))
    switch (kind) {
      case 'connect':
        return this.#connect(world)
      case 'receive': {
        const [first = 0, ...rest] = wire.to[side]
        wire.to[side] = rest
        return at(conduct => conduct.frame(messages.at(first)))
      }
      case 'notice':
        wire.to[side] = []
        return at(conduct => conduct.channelDown())
      case 'executes':
        return this.#execute(world, which)
      case 'tells':
        return this.#tell(world, side)
      case 'flush':
        s.flushed = lengthOf(s.log)
        return at(conduct => flushed(conduct))
      case 'look':
        return at(conduct => conduct.news(share.newest, share.released))
      case 'lock':
        share.lock = side
        forgetToken(world, side)
        return at(conduct => conduct.lockNews(true))
      case 'release':
        if (share.lock === side) share.lock = -1
        s.letsGo = false
        return at(conduct => conduct.lockNews(false))
      case 'lock lost':
        return at(conduct => conduct.lockNews(false))
      case 'lock runs out':
        used.losses++
        if (share.lock === side) share.lock = -1
        return late(() => (s.held = false))
      case 'unbound':
        // The promise that was given runs out at the one who leans on it before it does here.
        if (world.servers[other(side)].promised > 0)
          Object.assign(world.servers[other(side)], { promised: 0, late: true })
        s.bound = false
        return at(conduct => conduct.evaluate())
      case 'promise over':
        return late(() => (s.promised = 0))
      case 'wake':
        return at(conduct => conduct.evaluate())
      case 'grace':
        s.grace = true
        return at(conduct => conduct.evaluate())
      case 'tired':
        s.tired = true
        return at(conduct => conduct.evaluate())
      case 'patience':
        return at(conduct => conduct.rig.patience())
      case 'stalled':
        return at(conduct => conduct.rig.leading.stalled())
      case 'ping':
        return this.#ping(world, side)
      case 'join':
        return at(conduct => conduct.rig.leading.nearEnough())
      case 'op': {
        const what = String.fromCharCode(97 + used.ops++)
        return at(conduct => {
          conduct.rig.gate.append(entry(s.gateEpoch, what))
          conduct.evaluate()
        })
      }
      case 'switchover':
        used.switchovers++
        return at(conduct => conduct.rig.peer.role === 'PASSIVE' && conduct.switchover())
      case 'apart':
        used.aparts++
        s.apart = true
        return at(conduct => conduct.evaluate())
      case 'break':
        used.breaks++
        wire.dead = true
        return ''
      case 'mark':
        share.released = Math.max(share.released, share.marks[which] as number)
        share.marks = share.marks.filter((_, i) => i !== which)
        return ''
      case 'token':
        share.lock = -1
        return ''
      case 'crash':
      case 'stop':
        return this.#end(world, side, kind)
      case 'restart':
        this.#restart(world, side)
        return at(conduct => conduct.evaluate())
      case 'disk':
        used.disks++
        Object.assign(s, { disk: s.disk + 1, pair: false, mk: 0, dirty: false, log: '', flushed: 0, start: 0 })
        return ''
      case 'snapshot':
        used.snapshots++
        s.start = safe(s)
        return ''
      default:
        return never(kind)
    }
  }

  #connect(world: World): string {
    const { wire } = world
    let broken = ''
    for (const x of [0, 1] as const) {
      wire.to[x] = []
      if (world.servers[x].sees) broken ||= this.#at(world, x, conduct => conduct.channelDown())
    }
    wire.dead = false
    wire.to = [[], []]
    for (const s of world.servers) s.sees = true
    for (const x of [0, 1] as const) broken ||= this.#at(world, x, conduct => conduct.channelUp())
    return broken
  }

  /** An append takes its number if nobody has: now, or long after its caller gave up or died. */
  #execute({ share }: World, which: number): string {
    const flight = share.flights[which] as Flight
    let record = records.at(flight.record)
    const newest = recordAt(share.newest)
    const without = this.#without
    const won = record.seq === (newest?.seq ?? 0) + 1 || without === 'conditional append'
    let broken = ''
    if (won) {
      const bad = newest && !continues(newest, record)
      if (bad) broken = `record ${record.seq} is no successor of record ${newest.seq}`
      if (without === 'takes alone' && record.reason === 'take over' && newest)
        record = { ...record, inSync: newest.inSync }
      if (without === 'conditional append') broken = ''
      share.newest = records.numberOf(
        without === 'conditional append' ? { ...record, seq: (newest?.seq ?? 0) + 1 } : record,
      )
    }
    const done: Flight = { ...flight, outcome: won ? 'won' : 'lost' }
    share.flights = share.flights.map((f, i) => (i === which ? done : f))
    return without === null ? broken : ''
  }

  /** The keeper reports an append: first what it has seen of the register by it, then the outcome. */
  #tell(world: World, side: Side): string {
    const { share } = world
    const flight = share.flights.find(f => f.from === side && f.waits) as Flight
    share.flights = share.flights.filter(f => f !== flight)
    return this.#at(world, side, conduct => {
      const { s } = conduct.rig
      const known = flight.outcome === 'won' ? flight.record : share.newest
      if (seqOf(known) > seqOf(s.seen)) conduct.news(known, s.released)
      if (flight.outcome !== '') conduct.rig.appended(flight.outcome)
      conduct.evaluate()
    })
  }

  #ping(world: World, side: Side): string {
    const { gateEpoch, committed } = world.servers[side]
    let following = 0
    const broken = this.#at(world, other(side), conduct => {
      following = conduct.pinged(gateEpoch > 0 ? committed : 0)
    })
    return broken || this.#at(world, side, conduct => conduct.answered(following))
  }

  #end(world: World, side: Side, kind: 'crash' | 'stop'): string {
    const { share, wire, used } = world
    const s = world.servers[side]
    if (kind === 'stop') used.stops++
    else used.crashes++
    let broken = ''
    const won = share.flights.filter(f => f.from === side && f.outcome === 'won').map(f => records.at(f.record).epoch)
    const epoch = Math.max(s.epoch, ...won)
    if (kind === 'stop')
      broken = this.#at(world, side, ({ rig }) => {
        const left = Math.max(recordAt(s.seen)?.epoch ?? 0, s.epoch, rig.receiver.following)
        rig.send({ name: 'BYE', epoch: left, token: s.held ? 'token' : '', reason: 'stop' })
        // A journal that is closed is flushed.
        s.flushed = lengthOf(s.log)
      })
    // A keeper that outlives its broker leaves the mark, at some time or never.
    if (epoch > share.released) share.marks = [...share.marks, epoch].toSorted((a, b) => a - b)
    if (share.lock === side) share.lock = 2
    share.flights = share.flights.map(f => (f.from === side ? { ...f, waits: false } : f))
    wire.dead = true
    wire.to[side] = []
    const log = upTo(s.log, s.flushed)
    const { disk, pair, mk, dirty, flushed: end, start } = s
    world.servers[side] = { ...newServer(), up: false, disk, pair, mk, dirty, log, flushed: end, start }
    return broken
  }

  #restart(world: World, side: Side): void {
    const s = world.servers[side]
    s.up = true
    // The journal is whole up to its snapshot; the state is folded anew when it is needed.
    s.applied = -1
  }
}

/** Of an append that nobody waits for and that can never be executed there is nothing left to say. */
function tidy(share: Share): void {
  const newest = seqOf(share.newest)
  const dead = (f: Flight) => !f.waits && (f.outcome !== '' || seqOf(f.record) <= newest)
  if (share.flights.some(dead)) share.flights = share.flights.filter(f => !dead(f))
  if (share.marks.some(mark => mark <= share.released)) share.marks = share.marks.filter(mark => mark > share.released)
}

/** A token that was named to the peer is not the one of a new hold. */
function forgetToken(world: World, side: Side): void {
  const peer = world.servers[other(side)]
  peer.freed = false
  world.wire.to[other(side)] = world.wire.to[other(side)].map(number => {
    const frame = messages.at(number)
    return frame.name === 'HANDOVER' && frame.token !== '' ? messages.numberOf({ ...frame, token: '' }) : number
  })
}

function flushed({ rig }: Conduct): void {
  const { s } = rig
  rig.gate.advance()
  rig.receiver.flushed()
  if (rig.acts.adopting) {
    s.applied = lengthOf(s.log)
    rig.acts.adopting = false
  }
  rig.evaluate()
}

/** P3 and P5, of the register itself. */
function continues(
  before: { seq: number; epoch: number; holder: string; inSync: readonly { server: string; store: string }[] },
  record: { seq: number; epoch: number; holder: string; inSync: readonly { server: string; store: string }[] },
): boolean {
  if (record.epoch === before.epoch) return record.holder === before.holder
  const me = record.inSync.find(member => member.server === record.holder)
  const listed = before.inSync.some(member => member.server === me?.server && member.store === me.store)
  return record.epoch === record.seq && record.epoch > before.epoch && listed
}
