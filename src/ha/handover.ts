// Giving the reign away while both servers live: the passive shows that it could take over now, the active freezes, the
// passive proves that it has everything and appends the record of its own reign, the former active follows it. No lease is
// waited for. If the passive does not take over in time, the former active may go on only after a record of its own:
// whichever is appended first decides. Where neither can append, nobody serves: hence the question before (decision 0015).

import type { CodedError } from '../base/errors.ts'
import type { Timer } from '../base/ports.ts'
import type { FrameFields } from '../replication/frames.ts'
import { haError } from './errors.ts'
import type { DutyRow } from '../states/duties.ts'
import type { Parts } from './parts.ts'
import type { PeerAnswer } from './peer-question.ts'
import type { RegisterRecord } from './record.ts'

export interface HandoverCalls {
  /** Could the peer take over now? */
  ask(record: RegisterRecord, done: (answer: PeerAnswer) => void): void
  /** Append a record that continues our reign with both in sync: taking the offer back. */
  resume(decided: (won: boolean) => void): void
  /** Append the record of our own reign, right after the newest that the offer knows. */
  take(offer: FrameFields['HANDOVER'], decided: (won: boolean) => void): void
  /** Passive side: nothing came of taking over. The peer gets what it needs to be followed again. */
  notTaken(): void
  /** Active side: the peer, which had ended following us to take over, follows anew from where it stands. */
  again(): void
  /** The peer reigns in this epoch: follow it. */
  taken(epoch: number): void
  /** With null where the peer reigns, else the coded reason. */
  ended(error: CodedError | null): void
}

/** What the passive server answers to an offer that it did not take. */
export const NOT_TAKEN = 'HA-HANDOVER-FAILED'

type Phase = 'idle' | 'asking' | 'draining' | 'offered' | 'resuming' | 'given'

export class Handover {
  #phase: Phase = 'idle'
  #timer: Timer | null = null
  /** The peer has not taken over, and our record of that is not decided yet. */
  #lost = false
  #waiting: ((error: CodedError | null) => void)[] = []
  readonly #parts: Parts
  readonly #calls: HandoverCalls

  constructor(parts: Parts, calls: HandoverCalls) {
    this.#parts = parts
    this.#calls = calls
  }

  /** Tells whoever asked for a handover how it ended: once. */
  tell(done: (error: CodedError | null) => void): void {
    this.#waiting.push(done)
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

  /** What keeps this server from serving although it is ACTIVE; null where nothing of a handover does. */
  get blocks(): string | null {
    if (!this.isOffered) return null
    return 'a handover is under way: this server goes on when its next record lies beside the LockFile, or follows the peer'
  }

  /**
   * Active side: called while the duty stands; moves on as far as it can. First the peer is asked whether it could take over
   * now, while clients are served; then no more is taken from clients, and what was taken is made safe and acknowledged,
   * so that hardly anything is sent twice; then nothing is acknowledged any more. Nothing is offered while a record of ours
   * is on its way: it might drop the peer that takes over.
   */
  work(record: RegisterRecord, token: string, why: DutyRow, settled = true): void {
    const { journal, gate, channel, service, say } = this.#parts
    if (this.#phase === 'idle') {
      this.#phase = 'asking'
      say('info', `Handing over to the peer: ${why.because} [${why.id}]`)
      this.#calls.ask(record, answer => this.#answered(answer))
    }
    if (this.#phase !== 'draining' || !settled || gate.committed < journal.last.sequence) return
    this.#phase = 'offered'
    gate.setMode('frozen')
    service.close('handed over to the peer')
    channel.send({ name: 'HANDOVER', epoch: record.epoch, recordSeq: record.seq, position: journal.last, token })
  }

  /** Active side: the duty does not stand any more. What has been offered is decided by the register. */
  unasked(): void {
    if (this.#phase === 'asking' || this.#phase === 'draining') this.#fail('it is not asked for any more')
  }

  /** Nothing was interrupted for the question. */
  #answered({ able, reason }: PeerAnswer): void {
    if (this.#phase !== 'asking') return
    if (able === 'gone') return this.#fail(reason)
    if (able !== 'yes')
      return this.#end(haError(able === 'later' ? 'HANDOVER-NOT-YET' : 'HANDOVER-REFUSED', { reason }))
    this.#phase = 'draining'
    this.#parts.service.pause(true)
    const { clock, intervals } = this.#parts
    const limitMs = Math.max(1000, intervals.operationMs * 2)
    this.#timer = clock.after(limitMs, () => this.#tooLate(`nothing came within ${limitMs} ms`))
  }

  /** Passive side: the active offers its reign. Taken once everything it had is durable and folded here. */
  offered(offer: FrameFields['HANDOVER']): void {
    const { receiver, channel } = this.#parts
    const refuse = (text: string) => {
      this.#calls.notTaken()
      channel.send({ name: 'SYNC_REFUSED', epoch: offer.epoch, code: NOT_TAKEN, text })
    }
    if (offer.epoch !== receiver.following) return refuse('the passive server does not follow this epoch')
    receiver.reach(offer.position, () =>
      receiver.adoptAll(() =>
        this.#calls.take(offer, won => {
          if (!won) refuse('the record of the new reign could not be appended')
        }),
      ),
    )
  }

  /** Active side: the passive does not take over; nothing of its own is under way any more. */
  refused(): void {
    if (this.#phase === 'offered') this.#takeBack('the peer refused')
    // It knows the record that decides, and follows nobody who does not.
    if (this.#phase === 'resuming') this.#lost = true
    else this.#calls.again()
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
    else if (this.#phase !== 'idle' && this.#phase !== 'resuming') this.#fail('the back channel is down')
  }

  /** The reign that was to be given away has ended otherwise. */
  reignOver(): void {
    if (this.#phase !== 'idle') this.#fail('this reign is over')
  }

  #tooLate(why: string): void {
    if (this.#phase === 'draining') this.#fail(why)
    else if (this.#phase === 'offered') this.#takeBack(why)
  }

  #fail(reason: string): void {
    if (this.#phase === 'draining') this.#parts.service.pause(false)
    this.#end(haError('HANDOVER-FAILED', { reason }))
  }

  #takeBack(why: string): void {
    const { say, gate, service } = this.#parts
    this.#phase = 'resuming'
    this.#lost = false
    say('warn', `The handover is taken back: ${why}`)
    this.#calls.resume(won => {
      if (this.#phase !== 'resuming') return
      if (won) {
        gate.setMode('both')
        service.open()
        if (this.#lost) this.#calls.again()
      }
      this.#fail(why)
    })
  }

  #end(error: CodedError | null): void {
    this.#timer?.cancel()
    this.#phase = 'idle'
    const waiting = this.#waiting
    this.#waiting = []
    this.#calls.ended(error)
    for (const done of waiting) done(error)
  }
}
