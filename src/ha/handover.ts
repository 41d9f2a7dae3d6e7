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
import type { RegisterRecord } from './record.ts'
import type { Role } from '../states/roles.ts'

export interface HandoverCalls {
  /** Have the keeper find out whether a record could be appended after this one just now; it answers by `probed`. */
  probe(after: number): void
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
/** The keeper's lane may be busy for one operation, then it probes for two, and begins the last of them at their end. */
const ASKING_OPERATIONS = 4

/** Of what the frame may carry. */
const REASON_CHARACTERS = 900

type Phase = 'idle' | 'asking' | 'draining' | 'offered' | 'resuming' | 'given'

export class Handover {
  #phase: Phase = 'idle'
  #timer: Timer | null = null
  #limitMs = 0
  #waiting: ((error: CodedError | null) => void)[] = []
  /** Passive side: the epoch whose holder waits for the probe; 0 for none. */
  #probedFor = 0
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
      this.#within(ASKING_OPERATIONS)
      channel.send({ name: 'HANDOVER_PREPARE', epoch: record.epoch, recordSeq: record.seq })
    }
    if (this.#phase !== 'draining' || !settled || gate.committed < journal.last.sequence) return
    this.#phase = 'offered'
    gate.setMode('frozen')
    service.close('handed over to the peer')
    channel.send({ name: 'HANDOVER', epoch: record.epoch, recordSeq: record.seq, position: journal.last, token })
  }

  /** Active side: the duty does not stand any more. What has been offered is decided by the register. */
  unasked(): void {
    if (this.#phase === 'asking' || this.#phase === 'draining') this.#fail()
  }

  /** Active side: the passive could take over (`reason` empty), or says why not. Nothing was interrupted for it. */
  prepared({ reason }: FrameFields['HANDOVER_PREPARED']): void {
    if (this.#phase !== 'asking') return
    if (reason !== '') return this.#end(haError('HANDOVER-REFUSED', { reason }))
    this.#phase = 'draining'
    this.#parts.service.pause(true)
    this.#within(2)
  }

  /** Passive side: could this server take over now? */
  prepare({ epoch, recordSeq }: FrameFields['HANDOVER_PREPARE'], role: Role): void {
    const { receiver, journal } = this.#parts
    const lag = journal.last.sequence - receiver.applied
    if (role !== 'PASSIVE') return this.#answer(epoch, `it is ${role}`)
    if (epoch !== receiver.following) return this.#answer(epoch, 'it does not follow this epoch')
    if (lag > LAG_RECORDS) return this.#answer(epoch, `it still has ${lag} records to fold into its state`)
    this.#probedFor = epoch
    this.#calls.probe(recordSeq)
  }

  /** Passive side: the keeper could append (null), or what would keep it from that. */
  probed(fault: string | null): void {
    const epoch = this.#probedFor
    this.#probedFor = 0
    if (epoch > 0)
      this.#answer(epoch, fault === null ? '' : `it could not write its record beside the LockFile: ${fault}`)
  }

  #answer(epoch: number, reason: string): void {
    this.#parts.channel.send({ name: 'HANDOVER_PREPARED', epoch, reason: reason.slice(0, REASON_CHARACTERS) })
  }

  /** Passive side: the active offers its reign. Taken once everything it had is durable and folded here. */
  offered(offer: FrameFields['HANDOVER']): void {
    const { receiver, channel } = this.#parts
    const refuse = (text: string) =>
      channel.send({ name: 'SYNC_REFUSED', epoch: offer.epoch, code: 'HA-HANDOVER-FAILED', text })
    if (offer.epoch !== receiver.following) return refuse('the passive server does not follow this epoch')
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
    else if (this.#phase !== 'idle' && this.#phase !== 'resuming') this.#fail()
  }

  /** The reign that was to be given away has ended otherwise. */
  reignOver(): void {
    if (this.#phase !== 'idle') this.#fail()
  }

  /** From now on the phase may take so many operations on the share. */
  #within(operations: number): void {
    const { clock, intervals } = this.#parts
    this.#limitMs = Math.max(1000, intervals.operationMs * operations)
    this.#timer?.cancel()
    this.#timer = clock.after(this.#limitMs, () => this.#tooLate())
  }

  #tooLate(): void {
    if (this.#phase === 'asking' || this.#phase === 'draining') this.#fail()
    else if (this.#phase === 'offered') this.#takeBack(`nothing came within ${this.#limitMs} ms`)
  }

  #fail(): void {
    if (this.#phase === 'draining') this.#parts.service.pause(false)
    this.#end(haError('HANDOVER-FAILED', { limitMs: this.#limitMs }))
  }

  #takeBack(why: string): void {
    const { say, gate, service } = this.#parts
    this.#phase = 'resuming'
    say('warn', `The handover is taken back: ${why}`)
    this.#calls.resume(won => {
      if (this.#phase !== 'resuming') return
      if (won) {
        gate.setMode('both')
        service.open()
      }
      this.#fail()
    })
  }

  #end(error: CodedError | null): void {
    this.#timer?.cancel()
    this.#phase = 'idle'
    const waiting = this.#waiting
    this.#waiting = []
    this.#calls.ended(error === null)
    for (const done of waiting) done(error)
  }
}
