// Works towards the duties of the role: asks the keeper for the lock, has records appended, brings the follower up. Level,
// not edge: called at every look, does what is still missing, and nothing twice.

import type { Duties } from '../states/duties.ts'
import type { Observation } from '../states/observation.ts'
import type { Role } from '../states/roles.ts'
import type { Acts } from './acts.ts'
import { draft, type Order } from './drafts.ts'
import type { Handover } from './handover.ts'
import type { Leader } from './leader.ts'
import type { Notes } from './notes.ts'
import type { Parts } from './parts.ts'
import type { PeerLink } from './peer-link.ts'
import type { Reign } from './reign.ts'
import type { Sensors } from './sensors.ts'

export interface DutyWorkOf {
  readonly parts: Parts
  readonly sensors: Sensors
  readonly peer: PeerLink
  readonly reign: Reign
  readonly notes: Notes
  /** Something has come of it: look again. */
  readonly look: () => void
}

export interface Workers {
  readonly leader: Leader
  readonly handover: Handover
  readonly acts: Acts
}

export class DutyWork {
  /** The keeper was asked to hold the lock. */
  wantsLock = false
  readonly #of: DutyWorkOf
  #wanted = ''

  constructor(of: DutyWorkOf) {
    this.#of = of
  }

  strive(duties: Duties, role: Role, observation: Observation, workers: Workers): void {
    const { parts, sensors, peer, reign } = this.#of
    const { leader, handover, acts } = workers
    const lock = duties.lock !== null && !handover.releasing
    this.#want(lock, (lock && !sensors.news.held) || (role === 'PASSIVE' && observation.peer === 'DEAD'))
    if (role !== 'ACTIVE') handover.reignOver()
    if (duties['take over']) this.#takeOver(acts)
    if (duties['go solo'])
      this.append({ reason: 'go solo', goesOn: true, inSync: 'self', position: parts.journal.flushed }, won =>
        this.wentSolo(acts, won),
      )
    if (duties['bring up'] && peer.greeting && reign.now) leader.begin(reign.now, peer.greeting)
    if (duties['keep up'] && peer.greeting && reign.now) leader.keepUp(reign.now, peer.greeting)
    const handing = duties['hand over']
    if (handing && reign.now) handover.work(reign.now.record, sensors.news.token, handing, !reign.pending)
    else handover.unasked()
  }

  /** The peer is off the record. A role that stays (ACTIVE SYNC) has no rule to let go what was waiting for it. */
  wentSolo(acts: Acts, won: boolean): void {
    if (won && acts.role === 'ACTIVE SYNC') this.#of.parts.gate.setMode('alone')
  }

  #want(lock: boolean, hot: boolean): void {
    const freedToken = this.#of.peer.goodbye?.token ?? ''
    const wanted = `${lock} ${freedToken} ${hot}`
    this.wantsLock = lock
    if (wanted === this.#wanted) return
    this.#wanted = wanted
    this.#of.parts.keeper.send({ type: 'want', lock, freedToken, hot })
  }

  #takeOver(acts: Acts): void {
    const { parts, sensors, reign, look } = this.#of
    const { journal, receiver, store } = parts
    const forced = sensors.forced !== ''
    if (forced) store.setDirty(false)
    if (reign.pending || acts.adopting) return
    if (receiver.applied !== journal.last.sequence || journal.flushed.sequence < journal.last.sequence) {
      // Everything durable here counts from now on; the record waits until the state has it all.
      acts.adopting = true
      receiver.adoptAll(() => {
        acts.adopting = false
        look()
      })
      return
    }
    const reason = forced ? 'force active' : sensors.news.record ? 'take over' : 'found'
    this.append({ reason, goesOn: false, inSync: 'self', position: journal.flushed })
  }

  /** One append at a time: where another is pending it is not lost, for duties are asked for again; `decided` hears no. */
  append(order: Order, decided: (won: boolean) => void = () => {}): void {
    const { parts, sensors, peer, reign, notes, look } = this.#of
    const { store, label } = parts
    const record = draft(order, parts, sensors, reign, peer)
    if (sensors.forced === '' && !reign.pending && record.seq <= store.mk) {
      // The peer has told of a record with this number. Where the share has forgotten it, ours would take its place.
      notes.note('record', 'warn', `LockFile record ${record.seq} is another server's, also where it is not to be seen`)
      reign.drop()
      decided(false)
      return look()
    }
    const sent = reign.append(record, won => {
      if (won) {
        if (store.pairId === '') store.belongTo(record.pairId)
        store.knew(record.seq)
        const inSync = order.inSync === 'both' ? 'both' : `the ${label} alone`
        notes.note('record', 'info', `LockFile record ${record.seq}: ${order.reason}, in sync: ${inSync}`)
      } else notes.note('record', 'info', `LockFile record ${record.seq} is another server's`)
      // It was to follow our own newest record: so another reign has begun.
      if (!won && order.goesOn) reign.drop()
      decided(won)
      look()
    })
    if (!sent) decided(false)
  }
}
