// Keeps the observation: everything that this server has been told, turned into the words that the rules look at. Asks
// clocks and parts, changes nothing, and tells the operator where the register says something that keeps it from serving.

import type { CodedError } from '../base/errors.ts'
import { ORIGIN, showPosition } from '../journal/position.ts'
import { suspended } from '../replication/commit-rule.ts'
import type { Observation } from '../states/observation.ts'
import { haError } from './errors.ts'
import {
  leaseHeld,
  precedence,
  quiet,
  recordWord,
  relationTo,
  type Promise,
  type Relation,
  type Self,
} from './judge.ts'
import type { KeeperNews } from './keeper-link.ts'
import type { Parts } from './parts.ts'
import type { PeerLink } from './peer-link.ts'
import type { Reign } from './reign.ts'

const NO_NEWS: KeeperNews = {
  type: 'news',
  held: false,
  deadline: -1,
  renewedAt: 0,
  renewedWall: 0,
  record: null,
  recordKnown: false,
  releasedEpoch: 0,
  foreignToken: '',
  foreignSince: 0,
  token: '',
  fault: null,
}

/** Where each server in turn loses the share, roles change no more often than this. */
const CALM_LEASES = 10

export class Sensors {
  /** The keeper's newest news. */
  news: KeeperNews = NO_NEWS
  /** The lock as both consoles were told of it: held, with time left. */
  hasLock = false
  /** Null before the first answer, or the first silence. */
  gatewayUp: boolean | null = null
  /** The keeper gives no sign of life, so that its news are old; null while it does. */
  keeperFault: CodedError | null = null
  wish: Observation['wish'] = 'none'
  /** The operator's reason for accepting a loss; empty for none. */
  forced = ''
  /** As follower: the record in which the active has listed us; 0 for none. */
  listedBy = 0
  /** Until then (monotonic) our newest answer to an acting peer binds us; also after the channel is gone. */
  boundUntil = -Infinity
  /** Before then this server does not hand over by itself: roles must not swing. */
  calmUntil = -Infinity
  relation: Relation = 'unknown'
  #relationSince = 0
  #observedAt = 0
  #peerWaitsSince = Infinity
  #apartSince = Infinity
  readonly #parts: Parts
  readonly #peer: PeerLink
  readonly #reign: Reign
  readonly #complain: (error: CodedError) => void
  readonly #startedAt: number

  constructor(parts: Parts, peer: PeerLink, reign: Reign, complain: (error: CodedError) => void) {
    this.#parts = parts
    this.#peer = peer
    this.#reign = reign
    this.#complain = complain
    this.#startedAt = parts.clock.now()
  }

  /** The keeper works, and its share answers as it should. */
  get reaches(): boolean {
    return this.news !== NO_NEWS && this.news.fault === null && this.keeperFault === null
  }

  observe(): Observation {
    const { clock, intervals, label } = this.#parts
    const now = clock.now()
    this.#observedAt = now
    const self = this.#self()
    const relation = this.#relationNow(self)
    this.#judged(relation, now)
    const forced = this.forced !== ''
    const held = leaseHeld(this.news, now, clock.wall(), intervals.marginMs)
    return {
      peer: this.#peer.role,
      lock: held ? 'held' : 'none',
      reign: this.#reign.word,
      record: forced ? 'self' : recordWord(relation),
      copy: self.whole || forced ? 'whole' : 'partial',
      sync: this.listedBy > 0 ? 'done' : 'none',
      promise: now < this.#promisedUntil() && !this.#sleptWithoutLock(now) ? 'fresh' : 'over',
      quiet: quiet(now, this.#promise(), this.news.record, label) ? 'yes' : 'no',
      gateway: this.gatewayUp ? 'up' : 'down',
      reach: this.#peerOnly(now, held) ? 'peer only' : 'as it is',
      precedence: forced || this.#outOfPatience(now, relation) ? 'self' : precedence(self, relation, this.#peer.state),
      grace: forced || now >= this.#startedAt + intervals.graceMs ? 'over' : 'running',
      wish: this.wish,
    }
  }

  /**
   * The next moment at which a word may change by itself, or Infinity. Reckoned from the last observation and not from now:
   * a moment that went by in between would otherwise never be looked at.
   */
  nextChange(): number {
    const { intervals } = this.#parts
    const { news, relation } = this
    const since = this.#relationSince
    return Math.min(
      this.#later(news.held ? news.deadline : -1),
      this.#later(this.#promisedUntil()),
      this.#later(this.#promise().until),
      this.#later(this.#startedAt + intervals.graceMs),
      this.#later(this.#apartDue),
      this.#later(this.#peerWaitsSince + 2 * intervals.leaseMs),
      this.#later(relation === 'behind' && since > 0 ? since + intervals.leaseMs + 1 : -1),
    )
  }

  #later(time: number): number {
    return time > this.#observedAt ? time : Infinity
  }

  /** The peer was to begin and has not, for as long as two leases: its share may be gone. Any server in sync may begin. */
  #outOfPatience(now: number, relation: Relation): boolean {
    if (this.#peer.role !== 'WAITING') this.#peerWaitsSince = Infinity
    else this.#peerWaitsSince = Math.min(this.#peerWaitsSince, now)
    // Where there is no record yet, only what was never used may begin.
    const eligible = relation === 'both' || (relation === 'empty' && this.#peer.state?.position.sequence === 0)
    return eligible && now >= this.#peerWaitsSince + 2 * this.#parts.intervals.leaseMs
  }

  /** Hysteresis: without a break for two leases, and not while calm is kept. */
  #peerOnly(now: number, held: boolean): boolean {
    const { word } = this.#reign
    const { role, state } = this.#peer
    const apart = word === 'both' && !held && !this.reaches && role === 'PASSIVE' && state?.share === true
    this.#apartSince = apart ? Math.min(this.#apartSince, now) : Infinity
    return now >= this.#apartDue
  }

  get #apartDue(): number {
    return Math.max(this.#apartSince + 2 * this.#parts.intervals.leaseMs, this.calmUntil)
  }

  /** A handover has been, or has failed. */
  keepCalm(): void {
    const { clock, intervals } = this.#parts
    this.calmUntil = clock.now() + CALM_LEASES * intervals.leaseMs
  }

  #self(): Self {
    const { label, store, journal } = this.#parts
    return {
      label,
      storeId: store.storeId,
      pairId: store.pairId,
      // What the peer has known counts too: a register that lacks it is not the newest, or not the same.
      known: Math.max(store.mk, this.#peer.state?.recordSeq ?? 0),
      whole: !store.dirty,
      position: journal.flushed,
    }
  }

  /** While this server reigns, what it has written itself counts; a newer record of others ends the reign first. */
  #relationNow(self: Self): Relation {
    const { now } = this.#reign
    if (now) return now.record.inSync.length > 1 ? 'both' : 'self'
    return relationTo(this.news, self)
  }

  #promise(): Promise {
    return {
      until: Math.max(this.#startedAt + this.#parts.intervals.leaseMs, this.boundUntil),
      releasedEpoch: Math.max(this.news.releasedEpoch, this.#peer.goodbye?.epoch ?? 0),
    }
  }

  /**
   * The machine seems to have been suspended since the peer promised, and the lock is gone: the peer may have taken over,
   * whatever the monotonic clock says. While our keeper holds the lock nobody has, so that a wall clock that was merely
   * set does not end a reign.
   */
  #sleptWithoutLock(now: number): boolean {
    const { channel, clock, intervals } = this.#parts
    const answered = channel.lastAnswered
    if (this.news.held || answered === null) return false
    return suspended(now, clock.wall(), answered.sentAt, answered.sentWall, intervals.marginMs)
  }

  /** Until when the peer's promise covers us as active server, on the monotonic clock. */
  #promisedUntil(): number {
    const { channel, intervals } = this.#parts
    const answered = channel.lastAnswered
    if (!answered || !this.#reign.now || answered.following !== this.#reign.now.epoch) return -Infinity
    return answered.sentAt + intervals.leaseMs - intervals.marginMs
  }

  #judged(relation: Relation, now: number): void {
    const { lockFile, store, journal, intervals } = this.#parts
    const { record } = this.news
    if (relation !== this.relation) {
      this.relation = relation
      this.#relationSince = now
      if (relation === 'foreign')
        this.#complain(haError('FOREIGN-LOCKFILE', { lockFile, theirs: record?.pairId, ours: store.pairId }))
      if (relation === 'short')
        this.#complain(
          haError('STORE-SHORT', {
            listed: showPosition(record?.position ?? ORIGIN),
            have: showPosition(journal.flushed),
          }),
        )
    } else if (relation === 'behind' && this.#relationSince > 0 && now - this.#relationSince > intervals.leaseMs) {
      // A look may lag behind what the peer told us; only one that stays behind is a fault. Told once.
      this.#relationSince = 0
      const known = Math.max(store.mk, this.#peer.state?.recordSeq ?? 0)
      this.#complain(haError('REGISTER-BEHIND', { lockFile, seen: record?.seq ?? 0, known }))
    }
  }
}
