// Performs the effects of a change of role, in order: the one place where what the rules decide becomes deeds. Also the
// beginning and end of a reign, and what this server tells its peer of itself.

import { assert, never } from '../base/assert.ts'
import { RecordKind } from '../journal/commit.ts'
import type { RoleState } from '../replication/frames.ts'
import type { Effect } from '../states/effects.ts'
import type { Role } from '../states/roles.ts'
import type { Leader } from './leader.ts'
import type { Notes } from './notes.ts'
import type { Greeting, Parts } from './parts.ts'
import type { PeerLink } from './peer-link.ts'
import type { Reign } from './reign.ts'
import type { Sensors } from './sensors.ts'

export interface ActsOf {
  readonly parts: Parts
  readonly sensors: Sensors
  readonly peer: PeerLink
  readonly reign: Reign
  readonly leader: Leader
  readonly notes: Notes
  readonly becamePassive: () => void
}

export class Acts {
  previous: Role = 'WAITING'
  role: Role = 'WAITING'
  /** The reason from the rule table for being in this role. */
  because = 'just started'
  sinceWallMs: number
  roleChanges = 0
  /** The state is being folded up to the journal's end, so that a reign can begin. */
  adopting = false
  readonly #of: ActsOf

  constructor(of: ActsOf) {
    this.#of = of
    this.sinceWallMs = of.parts.clock.wall()
  }

  perform(effect: Effect): void {
    const { parts, leader, sensors, notes } = this.#of
    switch (effect.type) {
      case 'announce':
        return this.#announce(effect)
      case 'serve':
        return parts.service.open()
      case 'retire':
        parts.gate.setMode('frozen')
        leader.stop()
        return parts.service.close('this server does not serve any more')
      case 'forget':
        this.endReign()
        leader.stop()
        this.stopFollowing()
        sensors.wish = 'none'
        return
      case 'commit alone':
        leader.stop()
        this.#beginReign()
        return parts.gate.setMode('alone')
      case 'commit together': {
        const taken = this.#beginReign()
        parts.gate.setMode('both')
        if (taken) this.#takeOffer()
        return
      }
      case 'follow':
        if (sensors.forced !== '') notes.note('operator', 'info', 'force-active is void: the peer serves')
        sensors.forced = ''
        // A reign that was handed over has ended with the peer's word; one that was lost to a record of the peer has not.
        if (parts.grounds.epoch > 0) this.endReign()
        return parts.gate.setMode('frozen')
      default:
        never(effect)
    }
  }

  #announce({ role, previous, because, rule }: Effect & { type: 'announce' }): void {
    const { parts, peer, reign, leader, notes, becamePassive } = this.#of
    const label = parts.label === 'primary' ? 'Primary' : 'Secondary'
    const epoch = reign.now?.epoch ?? (parts.receiver.following || (peer.state?.epoch ?? 0))
    this.roleChanges++
    this.sinceWallMs = parts.clock.wall()
    this.role = role
    this.because = `${because} [${rule}]`
    this.previous = previous
    const text = `${label} Server switched to ${role} (from ${previous}, epoch ${epoch}): ${because} [${rule}]`
    notes.note('role', 'info', text, rule)
    // A server that is about to follow tells all that the active needs to bring it up to date.
    if (peer.greeting && role === 'PASSIVE SYNC') parts.channel.send({ name: 'GREETING', ...this.greeting() })
    else this.tellRole()
    if (role === 'ACTIVE') leader.tellListed()
    if (role === 'PASSIVE') becamePassive()
  }

  /** The first act of a reign: what is durable here counts, and the reign's first record is made. False: it has begun. */
  #beginReign(): boolean {
    const { parts, reign, sensors } = this.#of
    const { journal, receiver, gate, grounds, store, label, keeper } = parts
    const { now } = reign
    assert(now, 'a serving role has a reign')
    if (grounds.epoch === now.epoch) return false
    assert(receiver.applied === journal.last.sequence, 'a reign begins with the state folded up to the last record')
    gate.beginReign(now.epoch, journal.last.sequence)
    journal.beginEpoch(now.epoch)
    sensors.forced = ''
    keeper.send({ type: 'reign', epoch: now.epoch })
    const first = Buffer.from(JSON.stringify({ holder: label, store: store.storeId }))
    gate.append(RecordKind.EPOCH, first, new Uint8Array())
    return true
  }

  /** A handover is taken: the former active is told, and follows from where it froze. */
  #takeOffer(): void {
    const { parts, reign, leader } = this.#of
    const { now } = reign
    assert(now, 'a taken offer is a reign')
    parts.channel.send({ name: 'TAKEN', epoch: now.epoch, position: now.record.position })
    leader.goOn(now, now.record.position.sequence)
    parts.channel.ping()
  }

  endReign(): void {
    const { parts, reign } = this.#of
    reign.drop()
    if (parts.grounds.epoch > 0) parts.receiver.afterReign(parts.gate.endReign())
  }

  stopFollowing(): void {
    this.#of.parts.receiver.stop()
    this.#of.sensors.listedBy = 0
    this.adopting = false
  }

  tellRole(): void {
    const { parts } = this.#of
    // Our greeting went first, whether or not the peer's is here yet: it must not go on believing what that one said.
    if (parts.channel.isUp) parts.channel.send({ name: 'ROLE', ...this.#state() })
  }

  greeting(): Greeting {
    const { store, kind, intervals, lockFile, journal } = this.#of.parts
    return {
      pairId: store.pairId,
      storeId: store.storeId,
      kind,
      leaseMs: intervals.leaseMs,
      pingMs: intervals.pingMs,
      lockFile,
      epochs: [...journal.epochs],
      start: journal.start,
      state: this.#state(),
    }
  }

  #state(): RoleState {
    const { parts, reign, sensors } = this.#of
    const { store, journal, receiver } = parts
    return {
      role: this.role,
      previous: this.previous,
      epoch: reign.now?.epoch ?? receiver.following,
      lock: sensors.hasLock,
      share: sensors.reaches,
      recordSeq: store.mk,
      whole: !store.dirty,
      position: journal.flushed,
    }
  }
}
