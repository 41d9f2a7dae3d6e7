// One server's real parts (acts, duty work, sensors, reign, handover, peer link), set to a state of the exploration before
// each event and read back after it. What they stand on (journal, gate, channel, keeper, clock) are views of that state.
// Which event does what stands in conduct.ts.

import { assert } from '../../base/assert.ts'
import { Acts, type ActsOf } from '../../ha/acts.ts'
import { DutyWork, type DutyWorkOf } from '../../ha/duty-work.ts'
import { Handover } from '../../ha/handover.ts'
import { Notes } from '../../ha/notes.ts'
import type { KeeperNews, ToKeeper } from '../../ha/keeper-link.ts'
import type { Leader } from '../../ha/leader.ts'
import type { Parts } from '../../ha/parts.ts'
import { PeerLink } from '../../ha/peer-link.ts'
import type { RegisterRecord, ServerLabel } from '../../ha/record.ts'
import { Reign } from '../../ha/reign.ts'
import { Sensors } from '../../ha/sensors.ts'
import type { Position } from '../../journal/position.ts'
import type { FrameFields } from '../../replication/frames.ts'
import { dutyRows, type DutyRow } from '../../states/duties.ts'
import type { Timer } from '../../base/ports.ts'
import { Following } from './following.ts'
import { Leading } from './leading.ts'
import { Gate } from './gate.ts'
import { LEASE, NOW, type Ground } from './ground.ts'
import { partsOf } from './stand-ins.ts'
import type { Bounds, Flight, Guard, Message, Server, Side, World } from './model.ts'
import { LABELS, messages, other, positionOf, recordAt, records } from './model.ts'
import { roleStates, seqOf, upTo } from './model.ts'

const ORDERS: ReadonlySet<string> = new Set(['join', 'resume', 'hand over'])

export class Rig implements Ground {
  readonly side: Side
  readonly label: ServerLabel
  readonly bounds: Bounds
  readonly without: Guard | null
  readonly gate: Gate
  readonly leading: Leading
  readonly receiver: Following
  readonly peer: PeerLink
  readonly reign: Reign
  readonly acts: Acts
  readonly work: DutyWork
  handover!: Handover
  sensors!: Sensors
  s!: Server
  w!: World
  /** The handover's timer. */
  patience: () => void = () => {}
  /** What a promise that was broken would be called. */
  broken = ''
  /** Lines for the story. */
  say: (line: string) => void = () => {}
  evaluate: () => void = () => {}
  peerFailed: (why: string) => void = () => {}
  #now = NOW
  muted = false
  #given = false
  #request = 0
  readonly #parts: Parts
  readonly #notes: Notes
  readonly #workOf: DutyWorkOf
  readonly #actsOf: ActsOf

  constructor(side: Side, bounds: Bounds, without: Guard | null) {
    this.side = side
    this.label = LABELS[side]
    this.bounds = bounds
    this.without = without
    this.gate = new Gate(this)
    this.leading = new Leading(this)
    this.receiver = new Following(this)
    const clock = {
      now: () => this.#now,
      wall: () => 0,
      soon: () => {},
      after: (_: number, fn: () => void) => this.#after(fn),
    }
    this.#notes = new Notes((_, text) => this.say(text), clock)
    this.#parts = partsOf(this, clock)
    const parts = this.#parts
    this.peer = new PeerLink(parts.channel, this.label, this.#notes)
    this.reign = new Reign(this.label, clock, parts.chance, 1, message => this.toKeeper(message))
    this.sensors = this.#newSensors()
    const base = { parts, sensors: this.sensors, peer: this.peer, reign: this.reign, notes: this.#notes }
    this.#workOf = { ...base, look: () => this.evaluate() }
    this.work = new DutyWork(this.#workOf)
    if (without === 'solo lets go') this.work.wentSolo = () => {}
    const leader = this.leading as unknown as Leader
    this.#actsOf = { ...base, leader, becamePassive: () => this.handover.becamePassive() }
    this.acts = new Acts(this.#actsOf)
  }

  get storeId(): string {
    return this.without === 'store id' ? this.label : `${this.label} ${this.s.disk}`
  }

  /** The message of an offer that is being answered. */
  offering = 0

  load(world: World): void {
    const s = (this.s = world.servers[this.side])
    const { reign, peer, acts, receiver } = this
    this.w = world
    this.broken = ''
    this.muted = true
    receiver.forgetReached()
    peer.greeting =
      s.greeting === 0 ? null : (messages.at(s.greeting) as FrameFields['GREETING'] & { name: 'GREETING' })
    peer.state = s.peer === 0 ? null : roleStates.at(s.peer)
    peer.goodbye = s.goodbye < 0 ? null : { epoch: s.goodbye, token: s.freed ? 'token' : '' }
    acts.role = s.role
    // For display only, and not kept.
    acts.previous = 'WAITING'
    acts.adopting = s.adopting
    this.work.wantsLock = s.want
    reign.drop()
    const record = recordAt(s.record)
    if (s.epoch > 0 && record) reign.now = { epoch: s.epoch, record }
    this.sensors = this.#newSensors()
    Object.assign(this.#workOf, { sensors: this.sensors })
    Object.assign(this.#actsOf, { sensors: this.sensors })
    const decided = this.#loadHandover()
    if (s.pending > 0) this.#loadPending(records.at(s.pending), decided)
    this.muted = false
  }

  save(): void {
    const { s, reign, peer, acts, sensors, handover } = this
    s.role = acts.role
    s.adopting = acts.adopting
    s.letsGo = s.held && (s.letsGo || (s.want && !this.work.wantsLock))
    s.want = this.work.wantsLock
    s.greeting = peer.greeting ? messages.numberOf(peer.greeting as Message) : 0
    s.peer = peer.state ? roleStates.numberOf(peer.state) : 0
    s.goodbye = peer.goodbye ? peer.goodbye.epoch : -1
    s.freed = peer.goodbye !== null && peer.goodbye.token !== ''
    s.wish = sensors.wish !== 'none'
    s.listedBy = sensors.listedBy
    s.epoch = reign.now?.epoch ?? 0
    s.record = reign.now ? records.numberOf(reign.now.record) : 0
    s.pending = reign.pending ? records.numberOf(reign.pending) : 0
    if (s.pending === 0 || reign.pending?.reason !== 'hand over') s.offer = 0
    // Of a former reign's promise nobody asks any more.
    if (s.promised !== s.epoch) s.promised = 0
    // A reign that was dropped waits for nothing; what it asked for may still be executed.
    const forgotten = (f: Flight) => f.from === this.side && f.waits && f.record !== s.pending
    if (this.w.share.flights.some(forgotten))
      this.w.share.flights = this.w.share.flights.map(f => (forgotten(f) ? { ...f, waits: false } : f))
    s.tired &&= peer.role === 'WAITING'
    if (handover.releasing) s.handover = 'offered'
    else if (handover.isOffered) s.handover = 'resuming'
    else s.handover = handover.draining ? 'draining' : this.#given ? 'given' : 'idle'
  }

  /** A handover in the phase of the state; its phase is private, so it is led there. Returns what `resume` waits for. */
  #loadHandover(): (won: boolean) => void {
    const { s } = this
    let resumed: (won: boolean) => void = () => {}
    this.patience = () => {}
    this.#given = false
    this.handover = new Handover(this.#parts, {
      // Asked for the clients' sake: an offer may come at any time.
      // Where an offer is not taken the channel breaks here, which comes to the same: following begins anew.
      notTaken: () => {},
      again: () => {},
      ask: (_, done) => done({ able: 'yes', reason: '' }),
      resume: decided => {
        resumed = decided
        if (!this.muted) this.#append('resume', decided)
      },
      take: (offer, decided) => {
        s.offer = messages.numberOf({ name: 'HANDOVER', ...offer })
        if (!this.muted) this.#append('hand over', won => this.#taken(offer, won, decided), offer)
        else resumed = decided
      },
      taken: epoch => {
        this.#given = true
        if (!this.muted) this.followNewEpoch(epoch)
      },
      ended: error => {
        this.#given = false
        if (!this.muted) this.handoverEnded(error === null)
      },
    })
    if (s.handover === 'idle') return resumed
    const record = recordAt(s.record) ?? records.at(1)
    if (s.handover === 'draining') this.driven = -1
    this.handover.work(record, '', dutyRows.find(row => row.duty === 'hand over') as DutyRow)
    this.driven = 0
    if (s.handover === 'resuming') this.handover.refused()
    if (s.handover === 'given') this.handover.takenBy({ epoch: 0, position: positionOf('') })
    return resumed
  }
  /** While a handover is led to its phase: -1 for not everything committed yet. */
  driven = 0

  followNewEpoch: (epoch: number) => void = () => {}
  handoverEnded: (ok: boolean) => void = () => {}

  #loadPending(record: RegisterRecord, resumed: (won: boolean) => void): void {
    const { s, reign } = this
    let decided: (won: boolean) => void = () => {}
    if (record.reason === 'join') decided = won => this.#joinDecided(won)
    if (record.reason === 'go solo') decided = won => this.work.wentSolo(this.acts, won)
    if (record.reason === 'resume') decided = resumed
    if (record.reason === 'hand over') {
      const offer = messages.at(s.offer) as Message & { name: 'HANDOVER' }
      let answer: (won: boolean) => void = () => {}
      const calls = {
        resume: () => {},
        notTaken: () => {},
        take: (_: unknown, then: (won: boolean) => void) => (answer = then),
        taken: () => {},
        ended: () => {},
      }
      const at = {
        following: offer.epoch,
        reach: (_: unknown, go: () => void) => go(),
        adoptAll: (go: () => void) => go(),
      }
      new Handover({ ...this.#parts, receiver: at } as unknown as Parts, calls as never).offered(offer)
      decided = won => this.#taken(offer, won, answer)
    }
    const { position, reason } = record
    const goesOn = record.epoch !== record.seq
    const inSync = record.inSync.length > 1 ? 'both' : 'self'
    this.work.append({ reason, goesOn, inSync, position, after: record.seq - 1 }, decided)
    assert(reign.pending?.seq === record.seq, 'an append that is pending is taken up again')
    reign.pending = record
  }

  #joinDecided(won: boolean): void {
    const { reign, leading } = this
    if (won && reign.now) leading.listed(reign.now.record.seq)
  }

  #taken(offer: FrameFields['HANDOVER'], won: boolean, decided: (won: boolean) => void): void {
    if (won) this.peer.goodbye = { epoch: offer.epoch, token: offer.token }
    decided(won)
  }

  #append(
    reason: 'resume' | 'hand over' | 'join',
    decided: (won: boolean) => void,
    at?: FrameFields['HANDOVER'] | Position,
  ): void {
    assert(ORDERS.has(reason), 'an order of the conductor')
    const goesOn = reason !== 'hand over'
    const offer = at && 'recordSeq' in at ? at : null
    const position = offer
      ? offer.position
      : ((at as Position | undefined) ?? positionOf(upTo(this.s.log, this.s.flushed)))
    if (this.without === 'resume by record' && reason === 'resume') return decided(true)
    const latest = this.without === 'place of the offer' ? seqOf(this.s.seen) : 0
    this.work.append(
      { reason, goesOn, inSync: 'both', position, ...(offer ? { after: Math.max(offer.recordSeq, latest) } : {}) },
      decided,
    )
  }

  /** The follower's copy is whole: have it listed. */
  join(position: Position): void {
    const own = positionOf(upTo(this.s.log, this.s.flushed))
    this.#append('join', won => this.#joinDecided(won), position.sequence < own.sequence ? position : own)
  }

  /** A handover that waited for its position goes on. */
  offered(offer: FrameFields['HANDOVER']): void {
    this.offering = messages.numberOf({ name: 'HANDOVER', ...offer })
    this.handover.offered(offer)
  }

  joined(recordSeq: number): void {
    if (this.acts.role !== 'PASSIVE SYNC') return
    this.sensors.listedBy = recordSeq
    this.evaluate()
  }

  appended(outcome: 'won' | 'lost'): void {
    const { reign } = this
    // A lost append ends the reign as well: both guards stand for one another.
    const stays = this.without === 'superseded' && outcome === 'lost'
    const drop = reign.drop.bind(reign)
    if (stays) reign.drop = () => {}
    reign.appended({ type: 'appended', request: this.#request, outcome })
    if (stays) reign.drop = drop
  }

  send(frame: Message): void {
    const { w, s } = this
    if (this.muted || !s.sees || w.wire.dead) return
    const to = other(this.side)
    const queue = w.wire.to[to]
    const number = messages.numberOf(frame)
    // The same word twice in a row is no news.
    if (frame.name === 'ROLE' && queue.at(-1) === number) return
    w.wire.to[to] = [...queue, number]
  }

  toKeeper(message: ToKeeper): void {
    if (message.type !== 'append') return
    this.#request = message.request
    if (this.muted) return
    const { w, reign, side, s, without } = this
    const { seq, reason } = message.record
    const taken = new Set(
      [...w.share.flights.map(f => f.record), w.share.newest, s.seen, s.record].map(n => records.at(n || 1)?.id),
    )
    let n = 0
    while (taken.has(`${side}${seq}.${n}`)) n++
    const record = { ...message.record, id: `${side}${seq}.${n}` }
    reign.pending = record
    const flight: Flight = { record: records.numberOf(record), from: side, waits: true, outcome: '' }
    w.share.flights = [...w.share.flights, flight]
    this.say(`${name(this.label)} asks the share for record ${seq}: ${reason}`)
    if (without === 'solo first' && reason === 'go solo') this.gate.setMode('alone')
  }

  #after(fn: () => void): Timer {
    this.patience = fn
    return { cancel: () => {} }
  }

  get #news(): KeeperNews {
    const { s } = this
    return {
      type: 'news',
      held: s.held,
      deadline: s.held ? NOW + 1 : -1,
      renewedAt: NOW,
      renewedWall: 0,
      record: recordAt(s.seen),
      recordKnown: s.known,
      releasedEpoch: s.released,
      foreignToken: '',
      foreignSince: -1,
      token: s.held ? 'token' : '',
      fault: null,
    }
  }

  /** The keeper's news are the state's; anything else that a look at the world needs is set here. */
  refreshNews(): void {
    const { s, sensors } = this
    sensors.news = this.#news
    sensors.boundUntil = s.bound ? NOW + LEASE : -Infinity
  }

  #newSensors(): Sensors {
    const { s } = this
    this.#now = 0
    const sensors = new Sensors(this.#parts, this.peer, this.reign, () => {})
    if (s) {
      this.sensors = sensors
      sensors.gatewayUp = true
      sensors.wish = s.wish ? 'hand over' : 'none'
      sensors.listedBy = s.listedBy
      this.refreshNews()
      // Tired of a peer that waits: it was seen to wait long ago.
      if (s.tired) sensors.observe()
    }
    this.#now = NOW
    return sensors
  }
}

const name = (label: ServerLabel): string => (label === 'primary' ? 'Primary' : 'Secondary')
export { name as nameOf }
