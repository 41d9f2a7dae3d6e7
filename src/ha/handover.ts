// Giving the reign away while both servers live: the active freezes, the passive proves that it has everything and appends
// the record of its own reign, the former active follows it. No lease is waited for. If the passive does not take over in
// time, the former active may go on only after a record of its own: whichever is appended first decides.

import type { CodedError } from '../base/errors.ts'
import type { Timer } from '../base/ports.ts'
import type { FrameFields } from '../replication/frames.ts'
import { haError } from './errors.ts'
import type { DutyRow } from '../states/duties.ts'
import type { Parts } from './parts.ts'
import type { RegisterRecord } from './record.ts'

export interface HandoverCalls {
  /** Append a record that continues our reign with both in sync: taking the offer back. */
  resume(decided: (won: boolean) => void): void
  /** Append the record of our own reign, right after the newest that the offer knows. */
  take(offer: FrameFields['HANDOVER'], decided: (won: boolean) => void): void
  /** The peer reigns in this epoch: follow it. */
  taken(epoch: number): void
  ended(ok: boolean): void
}

/**
 * So many records of usual messages (1 KiB) are folded within a quarter of a second. A passive server that was started just now may lag behind
 * by more, with clients waiting; it is the active one that serves them meanwhile.
 */
const LAG_RECORDS = 100_000
/** Such a refusal: it follows on as before, unlike after any other. */
export const NOT_YET = 'HA-HANDOVER-NOT-YET'

type Phase = 'idle' | 'draining' | 'offered' | 'resuming' | 'given'

export class Handover {
  #phase: Phase = 'idle'
  #timer: Timer | null = null
  #asking: ((error: CodedError | null) => void)[] = []
  readonly #parts: Parts
  readonly #calls: HandoverCalls

  constructor(parts: Parts, calls: HandoverCalls) {
    this.#parts = parts
    this.#calls = calls
  }

  /** Tells whoever asked for a handover how it ended: once. */
  tell(done: (error: CodedError | null) => void): void {
    this.#asking.push(done)
  }

  /** The peer may take over at any moment: a record of its reign is no news before it says so itself. */
  get isOffered(): boolean {
    return this.#phase === 'offered' || this.#phase === 'resuming'
  }

  /** True while the lock must be let go for the peer. */
  get releasing(): boolean {
    return this.#phase === 'offered'
  }

  get draining(): boolean {
    return this.#phase === 'draining'
  }

  /**
   * Active side: called while the duty stands; moves on as far as it can. First no more is taken from clients, and what
   * was taken is made safe and acknowledged, so that hardly anything is sent twice; then nothing is acknowledged any more.
   * Nothing is offered while a record of ours is on its way: it might drop the peer that takes over.
   */
  work(record: RegisterRecord, token: string, why: DutyRow, settled = true): void {
    const { journal, gate, channel, clock, intervals, service, say } = this.#parts
    if (this.#phase === 'idle') {
      this.#phase = 'draining'
      say('info', `Handing over to the peer: ${why.because} [${why.id}]`)
      service.pause(true)
      const limitMs = Math.max(1000, intervals.operationMs * 2)
      this.#timer = clock.after(limitMs, () => this.#tooLate(limitMs))
    }
    if (this.#phase !== 'draining' || !settled || gate.committed < journal.last.sequence) return
    this.#phase = 'offered'
    gate.setMode('frozen')
    service.close('handed over to the peer')
    channel.send({ name: 'HANDOVER', epoch: record.epoch, recordSeq: record.seq, position: journal.last, token })
  }

  /** Active side: the duty does not stand any more. What has been offered is decided by the register. */
  unasked(): void {
    if (this.#phase === 'draining') this.#fail(0)
  }

  /** Passive side: the active offers its reign. Taken once everything it had is durable and folded here. */
  offered(offer: FrameFields['HANDOVER']): void {
    const { receiver, channel } = this.#parts
    const refuse = (text: string, code = 'HA-HANDOVER-FAILED') =>
      channel.send({ name: 'SYNC_REFUSED', epoch: offer.epoch, code, text })
    if (offer.epoch !== receiver.following) return refuse('the passive server does not follow this epoch')
    const lag = offer.position.sequence - receiver.applied
    if (lag > LAG_RECORDS) return refuse(`the passive server still has ${lag} records to fold into its state`, NOT_YET)
    receiver.reach(offer.position, () =>
      receiver.adoptAll(() =>
        this.#calls.take(offer, won => {
          if (!won) refuse('the record of the new reign could not be appended')
        }),
      ),
    )
  }

  /** Active side: the passive says why it does not take over. */
  refused(): void {
    if (this.#phase === 'offered') this.#takeBack('the peer refused')
  }

  /** Active side: the passive reigns. */
  takenBy(taken: FrameFields['TAKEN']): void {
    if (this.#phase !== 'offered' && this.#phase !== 'resuming') return
    this.#timer?.cancel()
    this.#phase = 'given'
    this.#calls.taken(taken.epoch)
  }

  becamePassive(): void {
    if (this.#phase === 'given') this.#end(null)
  }

  channelDown(): void {
    // Whether the peer takes what was offered is not known now: the register decides.
    if (this.#phase === 'offered') this.#takeBack('the back channel is down')
    else if (this.#phase === 'draining' || this.#phase === 'given') this.#fail(0)
  }

  /** The reign that was to be given away has ended otherwise. */
  reignOver(): void {
    if (this.#phase !== 'idle') this.#fail(0)
  }

  #tooLate(limitMs: number): void {
    if (this.#phase === 'draining') this.#fail(limitMs)
    else if (this.#phase === 'offered') this.#takeBack(`nothing came within ${limitMs} ms`)
  }

  #fail(limitMs: number): void {
    if (this.#phase === 'draining') this.#parts.service.pause(false)
    this.#end(haError('HANDOVER-FAILED', { limitMs }))
  }

  #takeBack(why: string): void {
    const { say, gate, intervals, service } = this.#parts
    this.#phase = 'resuming'
    say('warn', `The handover is taken back: ${why}`)
    this.#calls.resume(won => {
      if (this.#phase !== 'resuming') return
      if (won) {
        gate.setMode('both')
        service.open()
      }
      this.#fail(intervals.operationMs * 2)
    })
  }

  #end(error: CodedError | null): void {
    this.#timer?.cancel()
    this.#phase = 'idle'
    const asking = this.#asking
    this.#asking = []
    this.#calls.ended(error === null)
    for (const done of asking) done(error)
  }
}
