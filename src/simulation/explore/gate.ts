// The gate, told again after src/replication/commit-gate.ts: which records are acknowledged, by the real commitPoint, and
// whether this server may act, by the real mayServe. Also what becomes of a journal when something is appended or cut.

import { commitPoint, mayServe, type CommitMode, type ServingGrounds } from '../../replication/commit-rule.ts'
import { LEASE, MARGIN, NOW, type Ground } from './ground.ts'
import { lengthOf, REIGN_BEGINS, upTo, type World } from './model.ts'

export class Gate {
  readonly #on: Ground

  constructor(on: Ground) {
    this.#on = on
  }

  get grounds(): ServingGrounds {
    const { s, without, bounds } = this.#on
    const anyTime = bounds.clocks === 'none'
    const promised = anyTime || (without === 'promise' && s.gateEpoch > 0) ? s.gateEpoch : s.promised
    return {
      mode: s.mode,
      epoch: s.gateEpoch,
      leaseDeadline: anyTime || s.held || without === 'lease' ? NOW + 1 : -1,
      leaseRenewedAt: NOW,
      leaseRenewedWall: 0,
      promiseSentAt: NOW,
      promiseSentWall: 0,
      promiseFollowing: promised,
      leaseMs: LEASE,
      marginMs: MARGIN,
    }
  }

  get mayServe(): boolean {
    return mayServe(NOW, 0, this.grounds)
  }

  advance(): void {
    const { s, without } = this.#on
    if (this.#on.muted || s.gateEpoch === 0) return
    const mode = without === 'wait for joining' && s.mode === 'joining' ? 'alone' : s.mode
    const point = commitPoint(mode, s.flushed, s.confirmed, s.committed)
    if (point === s.committed || !this.mayServe) return
    for (let i = s.committed; i < point; i++) {
      const what = s.log[i * 2 + 1] as string
      if (what !== REIGN_BEGINS) this.#on.w.used.acked |= 1 << (what.charCodeAt(0) - 97)
    }
    s.committed = point
    if (s.handover === 'draining' || this.#on.handover.draining) this.#on.evaluate()
  }

  setMode(mode: CommitMode): void {
    if (this.#on.muted) return
    const { s, without } = this.#on
    if (mode !== 'frozen' && s.gateEpoch === 0) this.#on.broken = 'only a reigning server commits'
    if (without === 'frozen offer' && mode === 'frozen' && s.role === 'ACTIVE' && this.#on.handover.isOffered) return
    s.mode = mode
    this.advance()
  }

  peerConfirmed(sequence: number): void {
    if (sequence <= this.#on.s.confirmed) return
    this.#on.s.confirmed = sequence
    this.advance()
  }

  /** A record into the journal, and to the follower at the same time. */
  append(text: string): void {
    const { s, bounds } = this.#on
    s.log += text
    if (!bounds.slowDisk) s.flushed = lengthOf(s.log)
    this.#on.leading.pump()
    if (!bounds.slowDisk) this.advance()
  }

  cut(text: string): void {
    const { s, w } = this.#on
    if (upTo(s.log, s.told).length > text.length) {
      const lost = s.log.slice(text.length, s.told * 2)
      if (lost.split('').some((c, i) => i % 2 === 1 && c !== REIGN_BEGINS && isAcked(w, c)))
        this.#on.broken = 'what was told to be safe is cut'
    }
    s.log = text
    s.flushed = lengthOf(text)
  }

  beginReign(epoch: number, applied: number): void {
    const { s } = this.#on
    if (s.mode !== 'frozen' || s.gateEpoch !== 0)
      this.#on.broken = 'a reign begins frozen, after the former one has ended'
    s.gateEpoch = epoch
    s.committed = applied
    s.confirmed = 0
  }
}

const isAcked = (w: World, what: string): boolean => (w.used.acked & (1 << (what.charCodeAt(0) - 97))) !== 0
