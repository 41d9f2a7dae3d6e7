// The leader's work, told again after src/ha/leader.ts and src/replication/shipper.ts: their phases, checks and refusals, over
// journals that are strings. Without windows and chunks. Where two journals part is found by the real findCommon.

import { assert } from '../../base/assert.ts'
import { samePosition, type EpochStart, type Position } from '../../journal/position.ts'
import { findCommon } from '../../replication/negotiation.ts'
import type { Reigning } from '../../ha/reign.ts'
import type { Greeting } from '../../ha/parts.ts'
import { type Server, lengthOf, positionOf, REIGN_BEGINS, upTo, type Message } from './model.ts'
import type { Ground } from './ground.ts'

export function epochsOf(log: string): EpochStart[] {
  const epochs: EpochStart[] = []
  for (let i = 0; i < log.length; i += 2)
    if (log[i + 1] === REIGN_BEGINS) epochs.push({ epoch: parseInt(log[i] as string, 36), sequence: i / 2 + 1 })
  return epochs
}

/** The part of Leader (src/ha/leader.ts) that acts, duties and frames use. */
export class Leading {
  readonly #rig: Ground

  constructor(rig: Ground) {
    this.#rig = rig
  }

  begin(reign: Reigning, greeting: Greeting): void {
    const { s } = this.#rig
    if (s.shipping !== 'no') return
    s.together = false
    this.#start(reign, this.#plan(greeting))
  }

  goOn(reign: Reigning, sequence: number): void {
    this.stop()
    this.#rig.s.together = true
    this.#start(reign, sequence)
  }

  keepUp(reign: Reigning, greeting: Greeting): void {
    const { s } = this.#rig
    if (s.shipping !== 'no') return
    s.together = true
    this.#start(reign, this.#plan(greeting))
  }

  listed(recordSeq: number): void {
    const { s } = this.#rig
    s.listedIn = recordSeq
    s.together = true
  }

  tellListed(): void {
    const { s } = this.#rig
    if (s.listedIn > 0) this.#rig.send({ name: 'JOINED', epoch: s.gateEpoch, recordSeq: s.listedIn })
    s.listedIn = 0
  }

  stop(): void {
    const { s } = this.#rig
    s.shipping = 'no'
    s.shipEpoch = s.shipCommon = s.shipSent = s.shipConfirmed = s.listedIn = s.confirmed = 0
    s.bySnapshot = s.joining = s.together = false
    s.prepareFrom = s.prepared = -1
  }

  receive(frame: Message): void {
    const { s } = this.#rig
    if (s.shipping === 'no' || !('epoch' in frame) || frame.epoch !== s.shipEpoch) return
    switch (frame.name) {
      case 'SYNC_READY':
        return this.#ready(frame.from)
      case 'SYNC_REFUSED':
        if (frame.code === 'REPLICATION-GONE' && s.shipping === 'offered' && !s.bySnapshot) return this.#offerSnapshot()
        return this.#fail()
      case 'CONFIRM':
        return this.#confirm(frame.position)
      case 'JOIN_PREPARED':
        if (s.prepared < 0 || !samePosition(frame.position, positionOf(upTo(s.log, s.prepared)))) return this.#fail()
        s.prepared = -1
        return this.#rig.join(frame.position)
      default:
    }
  }

  /** The follower is near: from here on nothing is acknowledged that it lacks. */
  nearEnough(): void {
    const { s, without } = this.#rig
    s.joining = true
    this.#rig.gate.setMode('joining')
    if (without === 'prepared') return this.#rig.join(positionOf(upTo(s.log, s.shipSent)))
    s.prepareFrom = s.committed
    this.#prepare()
  }

  /** The follower owes an answer. */
  static waits(s: Server): boolean {
    return (
      s.shipping === 'offered' ||
      s.shipping === 'snapshot' ||
      (s.shipping === 'records' && s.shipConfirmed < s.shipSent)
    )
  }

  stalled(): void {
    this.#fail()
  }

  /** Ships what the follower has not been sent. */
  pump(): void {
    const { s } = this.#rig
    const last = lengthOf(s.log)
    if (s.shipping !== 'records' || s.shipSent >= last) return
    const text = s.log.slice(s.shipSent * 2)
    this.#rig.send({ name: 'RECORDS', epoch: s.shipEpoch, first: s.shipSent + 1, committed: s.committed, text })
    s.shipSent = last
    this.#prepare()
  }

  #plan(greeting: Greeting): number {
    const { s, without } = this.#rig
    if (without === 'spare the listed') return -1
    const plan = findCommon(
      { epochs: epochsOf(s.log), start: s.start, last: lengthOf(s.log) },
      { epochs: greeting.epochs, start: greeting.start.sequence, last: greeting.state.position.sequence },
    )
    return plan.how === 'tail' ? plan.sequence : -1
  }

  #start(reign: Reigning, sequence: number): void {
    const { s } = this.#rig
    s.shipEpoch = reign.epoch
    if (sequence < 0) return this.#offerSnapshot()
    this.#offer('tail', sequence)
  }

  #offerSnapshot(): void {
    const { s } = this.#rig
    if (s.start === 0) s.start = s.committed
    this.#offer('snapshot', s.start)
  }

  #offer(how: 'tail' | 'snapshot', sequence: number): void {
    const { s } = this.#rig
    const record = this.#rig.reign.now?.record
    assert(record, 'who leads has a reign')
    s.shipping = 'offered'
    s.shipCommon = sequence
    s.bySnapshot = how === 'snapshot'
    const common = positionOf(upTo(s.log, sequence))
    const { seq: recordSeq, pairId } = record
    this.#rig.send({ name: 'SYNC_BEGIN', epoch: s.shipEpoch, recordSeq, pairId, how, common, epochs: [], bytes: 0 })
  }

  #ready(from: Position): void {
    const { s } = this.#rig
    if (s.shipping !== 'offered' || !samePosition(from, positionOf(upTo(s.log, s.shipCommon)))) return this.#fail()
    if (!s.bySnapshot) return this.#ship()
    s.shipping = 'snapshot'
    this.#rig.send({ name: 'SNAPSHOT_END', epoch: s.shipEpoch, text: upTo(s.log, s.shipCommon) })
  }

  #ship(): void {
    const { s } = this.#rig
    s.shipping = 'records'
    s.shipSent = s.shipConfirmed = s.shipCommon
    this.#rig.gate.peerConfirmed(s.shipConfirmed)
    this.pump()
    this.#prepare()
  }

  #confirm(position: Position): void {
    const { s } = this.#rig
    const ours = positionOf(upTo(s.log, position.sequence))
    if (s.shipping === 'snapshot' && position.sequence === s.shipCommon && samePosition(position, ours))
      return this.#ship()
    if (s.shipping !== 'records' || !samePosition(position, ours) || position.sequence > s.shipSent) return this.#fail()
    if (position.sequence <= s.shipConfirmed) return
    s.shipConfirmed = position.sequence
    this.#rig.gate.peerConfirmed(position.sequence)
    this.pump()
  }

  #prepare(): void {
    const { s } = this.#rig
    if (s.prepareFrom < 0 || s.shipping !== 'records' || s.shipSent < s.prepareFrom) return
    s.prepareFrom = -1
    s.prepared = s.shipSent
    this.#rig.send({ name: 'JOIN_PREPARE', epoch: s.shipEpoch, position: positionOf(upTo(s.log, s.shipSent)) })
  }

  #fail(): void {
    this.stop()
    this.#rig.peerFailed('following failed')
  }
}
