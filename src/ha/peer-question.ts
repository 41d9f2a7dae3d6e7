// Could the other server go on without this one, now? Asked before a reign is handed over, and before a server stops whose peer
// would need a record for that: while the share is away nobody can write one, and whoever lets go then ends the service. The
// answer spares clients an attempt that cannot succeed; safety does not rest on it (decision 0015).

import type { Timer } from '../base/ports.ts'
import type { FrameFields } from '../replication/frames.ts'
import type { Role } from '../states/roles.ts'
import type { Parts } from './parts.ts'
import type { Reign } from './reign.ts'

export interface PeerAnswer {
  /** later: it can write its record, and could go on in a while. no: it cannot, or does not answer. gone: no channel. */
  readonly able: FrameFields['COVER_ANSWER']['able'] | 'gone'
  /** Empty for `yes`. */
  readonly reason: string
}

/**
 * So many records of usual messages (1 KiB) are folded within a quarter of a second. A passive server that was started just now
 * may lag behind by more, with clients waiting; it is the active one that serves them meanwhile.
 */
const LAG_RECORDS = 100_000
/** Its keeper's lane may be busy for one operation, then it looks for two, and begins the last of its probe at their end. */
const OPERATIONS = 4

export class PeerQuestion {
  readonly #parts: Parts
  readonly #reign: Pick<Reign, 'now' | 'pending'>
  #number = 0
  #waiting: ((answer: PeerAnswer) => void)[] = []
  #timer: Timer | null = null
  /** What our keeper is finding out for the peer. */
  #theirs: { readonly number: number; readonly later: string } | null = null

  constructor(parts: Parts, reign: Pick<Reign, 'now' | 'pending'>) {
    this.#parts = parts
    this.#reign = reign
  }

  // ---- the one who asks

  /** `done` is called once, in a later turn or, where the channel goes, from there. */
  ask(epoch: number, recordSeq: number, done: (answer: PeerAnswer) => void): void {
    this.#waiting.push(done)
    if (this.#waiting.length > 1) return
    const { channel, clock, intervals } = this.#parts
    const limitMs = Math.max(1000, OPERATIONS * intervals.operationMs)
    this.#timer = clock.after(limitMs, () =>
      this.#answered({ able: 'no', reason: `it gave no answer within ${limitMs} ms` }),
    )
    channel.send({ name: 'COVER_ASK', number: ++this.#number, epoch, recordSeq })
  }

  answered({ number, able, reason }: FrameFields['COVER_ANSWER']): void {
    if (number === this.#number) this.#answered({ able, reason })
  }

  channelDown(): void {
    this.#theirs = null
    this.#answered({ able: 'gone', reason: 'the back channel is down' })
  }

  #answered(answer: PeerAnswer): void {
    this.#timer?.cancel()
    const waiting = this.#waiting
    this.#waiting = []
    for (const done of waiting) done(answer)
  }

  // ---- the one who is asked

  asked({ number, epoch, recordSeq }: FrameFields['COVER_ASK'], role: Role): void {
    const { keeper } = this.#parts
    const own = this.#reign.now?.record.seq ?? 0
    this.#theirs = { number, later: role === 'ACTIVE' ? '' : this.#later(epoch, role) }
    keeper.send({ type: 'probe', after: role === 'ACTIVE' ? own : recordSeq })
  }

  /** Why this server could not take over from the peer at once although it may write a record; '' where it could. */
  #later(epoch: number, role: Role): string {
    const { receiver, journal } = this.#parts
    if (role !== 'PASSIVE') return `it is ${role}`
    if (epoch !== receiver.following) return 'it does not follow this epoch'
    if (this.#reign.pending !== null) return 'an earlier record of its own is not decided yet'
    const lag = journal.last.sequence - receiver.applied
    return lag > LAG_RECORDS ? `it still has ${lag} records to fold into its state` : ''
  }

  /** Our keeper could append a record (null), or what would keep it from that. */
  probed(fault: string | null): void {
    const theirs = this.#theirs
    this.#theirs = null
    if (theirs === null) return
    const able = fault !== null ? 'no' : theirs.later === '' ? 'yes' : 'later'
    const reason = fault === null ? theirs.later : `it could not write its record beside the LockFile: ${fault}`
    this.#parts.channel.send({ name: 'COVER_ANSWER', number: theirs.number, able, reason })
  }
}
