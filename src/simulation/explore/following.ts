// The follower's work, told again after src/replication/receiver.ts: its phases, checks and refusals, over journals that are
// strings. Without windows, chunks and disk reads.

import { assert } from '../../base/assert.ts'
import { lists } from '../../ha/judge.ts'
import { comparePositions, samePosition, type Position } from '../../journal/position.ts'
import { lengthOf, messages, positionOf, recordAt, upTo, type Message, type Server } from './model.ts'
import type { Ground } from './ground.ts'

import { epochsOf } from './leading.ts'

/** The part of Receiver (src/replication/receiver.ts) that acts, duties, handover and frames use. */
export class Following {
  readonly #rig: Ground
  #reached: (() => void) | null = null

  constructor(rig: Ground) {
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
    const { s } = this.#rig
    if (s.receiving === 'idle') return false
    if (epoch !== s.following) this.#fail('old epoch')
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
      this.#rig.gate.cut(upTo(s.log, sequence))
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
    this.#rig.gate.cut('')
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
      this.#rig.gate.append(text)
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
