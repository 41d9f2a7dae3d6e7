// The leader's and the follower's work, told again after src/ha/leader.ts, src/replication/shipper.ts and receiver.ts:
// their phases, checks and refusals, over journals that are strings. Without windows, chunks and disk reads. Where the two
// journals part is found by the real findCommon.

import { assert } from '../../base/assert.ts'
import { lists } from '../../ha/judge.ts'
import { comparePositions, samePosition, type EpochStart, type Position } from '../../journal/position.ts'
import { findCommon } from '../../replication/negotiation.ts'
import type { Reigning } from '../../ha/reign.ts'
import type { Greeting } from '../../ha/parts.ts'
import { lengthOf, messages, positionOf, recordAt, REIGN_BEGINS, upTo, type Message, type Server } from './model.ts'
import type { Rig } from './rig.ts'

export function epochsOf(log: string): EpochStart[] {
  const epochs: EpochStart[] = []
  for (let i = 0; i < log.length; i += 2)
    if (log[i + 1] === REIGN_BEGINS) epochs.push({ epoch: parseInt(log[i] as string, 36), sequence: i / 2 + 1 })
  return epochs
}

/** The part of Leader (src/ha/leader.ts) that acts, duties and frames use. */
export class Leading {
  readonly #rig: Rig

  constructor(rig: Rig) {
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
    this.#rig.setMode('joining')
    if (without === 'prepared') return this.#rig.join(positionOf(upTo(s.log, s.shipSent)))
    s.prepareFrom = s.committed
    this.#prepare()
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
    this.#rig.peerConfirmed(s.shipConfirmed)
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
    this.#rig.peerConfirmed(position.sequence)
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

/** The part of Receiver (src/replication/receiver.ts) that acts, duties, handover and frames use. */
export class Following {
  readonly #rig: Rig
  #reached: (() => void) | null = null

  constructor(rig: Rig) {
    this.#rig = rig
  }

  get following(): number {
    const { s } = this.#rig
    return s.receiving === 'idle' || s.receiving === 'settling' ? 0 : s.following
  }

  get applied(): number {
    return this.#rig.s.applied
  }

  stop(): void {
    const { s } = this.#rig
    if (s.receiving === 'snapshot') s.applied = -1
    s.receiving = 'idle'
    s.following = s.begin = s.awaits = 0
    s.owes = false
  }

  adoptAll(done: (applied: number) => void): void {
    const { s } = this.#rig
    this.stop()
    assert(!s.dirty, 'a copy that is not whole is not adopted')
    if (s.applied < 0) s.applied = s.start
    // With a slow disk the flush event goes on from here.
    if (s.flushed < lengthOf(s.log)) return
    s.applied = lengthOf(s.log)
    done(s.applied)
  }

  afterReign(end: { readonly committed: number; readonly pending: boolean }): void {
    const { s } = this.#rig
    s.told = end.committed
    s.applied = end.pending ? -1 : end.committed
  }

  told(sequence: number): void {
    const { s } = this.#rig
    if (s.receiving !== 'records' || sequence <= s.told) return
    s.told = sequence
    this.#advance()
  }

  reach(position: Position, done: () => void): void {
    this.#reached = done
    this.#await(position, this.#rig.offering)
  }

  receive(frame: Message): void {
    const { s } = this.#rig
    switch (frame.name) {
      case 'SYNC_BEGIN':
        return this.#beginFollowing(frame)
      case 'SNAPSHOT_END':
        if (this.#expects('snapshot', frame.epoch)) this.#install(frame.text)
        return
      case 'RECORDS':
        if (this.#expects('records', frame.epoch)) this.#records(frame)
        return
      case 'JOIN_PREPARE':
        if (this.#expects('records', frame.epoch)) this.#await(frame.position, messages.numberOf(frame))
        return
      case 'JOINED':
        if (!this.#expects('records', frame.epoch)) return
        if (s.dirty) return this.#fail('not whole')
        s.mk = Math.max(s.mk, frame.recordSeq)
        return this.#rig.joined(frame.recordSeq)
      default:
    }
  }

  flushed(): void {
    const { s } = this.#rig
    if (s.receiving === 'settling') return this.#settle()
    if (s.receiving !== 'records' || s.flushed < lengthOf(s.log)) return
    if (s.owes) this.#confirm()
    s.owes = false
    this.#advance()
    this.#look()
  }

  #expects(phase: Server['receiving'], epoch: number): boolean {
    const { s, without } = this.#rig
    if (s.receiving === 'idle') return false
    if (epoch !== s.following && without !== 'epoch of frames') this.#fail('old epoch')
    else if (s.receiving !== phase) this.#fail('out of order')
    else return true
    return false
  }

  #beginFollowing(begin: Message & { name: 'SYNC_BEGIN' }): void {
    const { s, without } = this.#rig
    this.stop()
    s.following = begin.epoch
    s.receiving = 'settling'
    if (begin.recordSeq < s.mk && without !== 'newest leader') return this.#fail('STALE-LEADER')
    const newest = epochsOf(s.log).at(-1)?.epoch ?? 0
    if (begin.epoch < newest || begin.epoch > begin.recordSeq) {
      if (without !== 'newest leader') return this.#fail('OLD-EPOCH')
    }
    s.pair = true
    s.mk = Math.max(s.mk, begin.recordSeq)
    s.begin = messages.numberOf(begin)
    this.#settle()
  }

  #settle(): void {
    const { s } = this.#rig
    if (s.begin === 0 || s.flushed < lengthOf(s.log)) return
    const begin = messages.at(s.begin) as Message & { name: 'SYNC_BEGIN' }
    if (begin.how === 'tail') this.#followTail(begin)
    else this.#followSnapshot(begin)
  }

  get #listed(): boolean {
    const { s, without, label, storeId } = this.#rig
    const record = recordAt(s.seen)
    return without !== 'spare the listed' && record !== null && lists(record, label, storeId)
  }

  #followTail(begin: Message & { name: 'SYNC_BEGIN' }): void {
    const { s } = this.#rig
    const { sequence } = begin.common
    if (sequence > lengthOf(s.log) || !samePosition(positionOf(upTo(s.log, sequence)), begin.common))
      return this.#fail('DIVERGED')
    if (this.#listed && sequence < s.told) return this.#fail('DIVERGED')
    if (lengthOf(s.log) > sequence) {
      if (s.start > sequence) {
        this.stop()
        const text = 'the snapshot speaks of what is to be cut'
        return this.#rig.send({ name: 'SYNC_REFUSED', epoch: begin.epoch, code: 'REPLICATION-GONE', text })
      }
      if (!this.#listed) s.dirty = true
      if (s.applied > sequence) s.applied = -1
      this.#rig.cut(upTo(s.log, sequence))
    }
    if (s.applied < 0) s.applied = s.start
    this.#follow(Math.min(s.told, sequence))
    this.#ready(begin)
  }

  #followSnapshot(begin: Message & { name: 'SYNC_BEGIN' }): void {
    const { s } = this.#rig
    if (this.#listed) return this.#fail('LISTED')
    s.dirty = true
    s.applied = -1
    // What is there is put aside at once in the worst case.
    s.told = 0
    s.start = 0
    this.#rig.cut('')
    s.receiving = 'snapshot'
    this.#ready(begin)
  }

  #install(text: string): void {
    const { s } = this.#rig
    s.log = text
    s.flushed = s.start = s.applied = lengthOf(text)
    this.#follow(s.flushed)
    this.#confirm()
  }

  #follow(told: number): void {
    const { s } = this.#rig
    s.receiving = 'records'
    s.told = told
    this.#advance()
  }

  #ready(begin: Message & { name: 'SYNC_BEGIN' }): void {
    this.#rig.s.begin = 0
    this.#rig.send({ name: 'SYNC_READY', epoch: begin.epoch, from: begin.common })
    this.#rig.evaluate()
  }

  #records(frame: Message & { name: 'RECORDS' }): void {
    const { s } = this.#rig
    const expected = lengthOf(s.log) + 1
    if (frame.first > expected) return this.#fail('GAP')
    const text = frame.text.slice((expected - frame.first) * 2)
    if (text !== '') {
      this.#rig.append(text)
      s.owes = true
    }
    this.told(frame.committed)
    this.flushed()
  }

  #confirm(): void {
    const { s } = this.#rig
    this.#rig.send({ name: 'CONFIRM', epoch: s.following, position: positionOf(s.log) })
  }

  #advance(): void {
    const { s } = this.#rig
    if (s.receiving !== 'records' || s.applied < 0) return
    s.applied = Math.max(s.applied, Math.min(s.told, s.flushed))
  }

  #await(position: Position, frame: number): void {
    const { s } = this.#rig
    if (s.receiving !== 'records' || !samePosition(positionOf(s.log), position)) return this.#fail('DIVERGED')
    s.awaits = frame
    this.#look()
  }

  #look(): void {
    const { s } = this.#rig
    if (s.awaits === 0) return
    const frame = messages.at(s.awaits) as Message & { name: 'JOIN_PREPARE' | 'HANDOVER' }
    if (comparePositions(positionOf(upTo(s.log, s.flushed)), frame.position) < 0) return
    s.awaits = 0
    if (frame.name === 'HANDOVER') return this.#reached ? this.#reached() : this.#rig.offered(frame)
    const { following: epoch } = s
    s.dirty = false
    this.#rig.send({ name: 'JOIN_PREPARED', epoch, position: frame.position })
  }

  /** The closure of a wait lives no longer than one event: `offered` makes it anew. */
  forgetReached(): void {
    this.#reached = null
  }

  #fail(why: string): void {
    const { s } = this.#rig
    const refused = s.receiving === 'settling'
    const { following: epoch } = s
    this.stop()
    if (refused) this.#rig.send({ name: 'SYNC_REFUSED', epoch, code: why, text: why })
    this.#rig.peerFailed(why)
  }
}
