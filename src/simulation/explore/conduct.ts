// What a server does with news, told again after src/ha/conductor.ts: frames of the peer, news of the keeper, the end of
// the channel; and its turn of looking at everything, letting the rules decide, performing effects, striving for duties.

import { lists } from '../../ha/judge.ts'
import type { Observation } from '../../states/observation.ts'
import { SERVING } from '../../states/roles.ts'
import type { Decision, Rows } from './decide.ts'
import { recordAt, type Bounds, type Guard, type Message, type Side, type World } from './model.ts'
import { nameOf, Rig } from './rig.ts'

/** A server may not look at the world for ever. */
const MOST_LOOKS = 30

export class Conduct {
  readonly rig: Rig
  readonly #rows: Rows
  #busy = false
  #again = false
  /** Told of each decision in which a rule fired. */
  onFired: (decision: Decision) => void = () => {}

  constructor(side: Side, bounds: Bounds, without: Guard | null, rows: Rows) {
    this.rig = new Rig(side, bounds, without)
    this.#rows = rows
    this.rig.evaluate = () => this.evaluate()
    this.rig.peerFailed = why => this.#refuse(why)
    this.rig.followNewEpoch = epoch => this.#followNewEpoch(epoch)
    this.rig.handoverEnded = ok => this.#handoverEnded(ok)
  }

  /** One event at this server; returns what promise of its own it broke, or ''. */
  during(world: World, act: (rig: Rig) => void): string {
    const { rig } = this
    rig.load(world)
    this.#busy = this.#again = false
    try {
      act(rig)
    } catch (error) {
      if (!(error instanceof Error) || error.name !== 'BrokenPromise') throw error
      rig.broken = error.message
    }
    this.#busy = false
    rig.save()
    return rig.broken
  }

  evaluate(): void {
    if (this.#busy) {
      this.#again = true
      return
    }
    this.#busy = true
    this.rig.s.late = false
    let looks = 0
    do {
      this.#again = false
      this.#look()
      if (++looks > MOST_LOOKS) this.rig.broken = 'looking at the world comes to an end'
    } while (this.#again && looks <= MOST_LOOKS)
    this.#busy = false
  }

  #look(): void {
    const { rig } = this
    const { acts, work, leading, handover } = rig
    const decision = this.#rows.decide(acts.role, this.observe())
    for (const effect of decision.effects) acts.perform(effect)
    this.#again ||= decision.effects.length > 0
    if (decision.fired.length > 0) this.onFired(decision)
    work.strive(decision.duties, decision.role, decision.observation, { leader: leading as never, handover, acts })
  }

  observe(): Observation {
    const { rig } = this
    rig.refreshNews()
    // Time is the exploration's: the sensor's two leases are an event.
    const apart = rig.s.apart && rig.acts.role === 'ACTIVE' && !rig.s.held
    const seen: Observation = { ...rig.sensors.observe(), reach: apart ? 'peer only' : 'as it is' }
    switch (rig.without) {
      case 'only listed':
        return { ...seen, record: seen.record === 'peer' ? 'both' : seen.record }
      case 'quiet':
        return { ...seen, quiet: 'yes' }
      default:
        return seen
    }
  }

  frame(frame: Message): void {
    const { rig } = this
    const { peer, receiver, leading, handover, acts } = rig
    if (frame.name === 'GREETING') {
      if (!peer.greeted(frame, acts.greeting())) return
      this.#peerKnows()
      return this.evaluate()
    }
    if (!peer.greeting) return
    switch (frame.name) {
      case 'ROLE':
        peer.roleChanged(frame)
        this.#peerKnows()
        return this.evaluate()
      case 'SYNC_BEGIN':
        if (rig.reign.pending) return
        if (acts.role === 'PASSIVE SYNC' || (acts.role === 'PASSIVE' && peer.role === 'ACTIVE')) {
          acts.adopting = false
          receiver.receive(frame)
        }
        return
      case 'RECORDS':
      case 'SNAPSHOT_END':
      case 'JOIN_PREPARE':
      case 'JOINED':
        return receiver.receive(frame)
      case 'SYNC_REFUSED':
        handover.refused()
        return leading.receive(frame)
      case 'SYNC_READY':
      case 'CONFIRM':
      case 'JOIN_PREPARED':
        return leading.receive(frame)
      case 'HANDOVER':
        if (acts.role === 'PASSIVE') rig.offered(frame)
        return
      case 'TAKEN':
        return handover.takenBy(frame)
      case 'BYE':
        return peer.left(frame)
      default:
    }
  }

  /** The peer's PING: what it says is safe. Our answer binds us. */
  pinged(committed: number): number {
    const { rig } = this
    if (!rig.peer.greeting) return 0
    const { following } = rig.receiver
    if (following > 0) rig.s.bound = true
    rig.receiver.told(committed)
    return following
  }

  answered(following: number): void {
    const { rig } = this
    const before = rig.s.promised
    rig.s.promised = following
    rig.gate.advance()
    if (before !== following) this.evaluate()
  }

  channelUp(): void {
    const { rig } = this
    rig.s.sees = true
    rig.peer.up(rig.acts.greeting())
  }

  channelDown(): void {
    const { rig } = this
    rig.s.sees = false
    rig.leading.stop()
    rig.acts.stopFollowing()
    rig.handover.channelDown()
    rig.peer.down('it broke')
    this.evaluate()
  }

  /** The keeper's view of the share is new. */
  news(record: number, released: number): void {
    const { rig } = this
    const { s } = rig
    const before = recordAt(s.seen)
    s.seen = record
    s.known = true
    s.released = released
    rig.refreshNews()
    const now = recordAt(record)
    if (now && now.seq !== before?.seq) {
      if (!s.pair && lists(now, rig.label, rig.storeId)) s.pair = true
      s.mk = Math.max(s.mk, now.seq)
      if (!rig.handover.isOffered) this.#checkReign()
    }
    this.evaluate()
  }

  lockNews(held: boolean): void {
    const { rig } = this
    rig.s.held = held
    if (held) rig.s.apart = false
    rig.refreshNews()
    rig.gate.advance()
    this.evaluate()
  }

  /** The operator asks for a handover. */
  switchover(): void {
    this.rig.say(`The operator asks the ${this.rig.label} for a switchover`)
    this.rig.sensors.wish = 'hand over'
    this.evaluate()
  }

  #peerKnows(): void {
    const { s, peer } = this.rig
    if (peer.greeting && peer.state && s.pair && peer.greeting.pairId !== '')
      s.mk = Math.max(s.mk, peer.state.recordSeq)
  }

  #checkReign(): void {
    const { rig } = this
    const record = recordAt(rig.s.seen)
    if (rig.without !== 'superseded' && record && rig.reign.superseded(record))
      rig.say(`${nameOf(rig.label)} sees record ${record.seq} of another reign`)
  }

  /** Both give the channel up; what was sent before may still arrive. */
  #refuse(why: string): void {
    const { rig } = this
    const { wire } = rig.w
    rig.say(`${nameOf(rig.label)} gives the channel up: ${why}`)
    wire.dead = true
    wire.to[rig.side] = []
  }

  #followNewEpoch(epoch: number): void {
    const { rig } = this
    rig.leading.stop()
    rig.acts.endReign()
    rig.s.mk = Math.max(rig.s.mk, epoch)
    const { peer } = rig
    if (peer.state) peer.roleChanged({ ...peer.state, role: 'ACTIVE', previous: 'PASSIVE', epoch })
    this.evaluate()
  }

  #handoverEnded(ok: boolean): void {
    const { rig } = this
    rig.sensors.wish = 'none'
    rig.s.apart = false
    if (!ok) {
      this.#checkReign()
      if (SERVING.has(rig.acts.role) && rig.reign.now) rig.s.service = 'open'
    }
    this.evaluate()
  }
}
