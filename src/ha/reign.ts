// This server's reign: the records of the LockFile that it has written in this life, one append at a time. An append whose
// outcome is unknown is asked for again with the same record id until it is decided; it may still be executed late, which
// is harmless, because every append is conditional on its number.

import type { Chance, Clock, Timer } from '../base/ports.ts'
import type { Position } from '../journal/position.ts'
import type { ServerLabel } from '../replication/frames.ts'
import type { Observation } from '../states/observation.ts'
import type { KeeperAppended, ToKeeper } from './keeper-link.ts'
import type { InSyncMember, RecordReason, RegisterRecord } from './record.ts'

export interface Draft {
  readonly pairId: string
  readonly seq: number
  /** 0: the record begins a reign, its own number is the epoch. */
  readonly epoch: number
  readonly inSync: readonly InSyncMember[]
  readonly reason: RecordReason
  readonly note: string
  readonly position: Position
}

export interface Reigning {
  readonly epoch: number
  /** The newest record of this reign. */
  readonly record: RegisterRecord
}

export class Reign {
  now: Reigning | null = null
  /** The record whose append has not been decided yet. */
  pending: RegisterRecord | null = null
  readonly #label: ServerLabel
  readonly #clock: Clock
  readonly #chance: Chance
  readonly #send: (message: ToKeeper) => void
  readonly #retryMs: number
  #request = 0
  #decided: ((won: boolean) => void) | null = null
  #retry: Timer | null = null

  constructor(label: ServerLabel, clock: Clock, chance: Chance, retryMs: number, send: (message: ToKeeper) => void) {
    this.#label = label
    this.#clock = clock
    this.#chance = chance
    this.#retryMs = retryMs
    this.#send = send
  }

  get word(): Observation['reign'] {
    if (!this.now) return 'none'
    if (this.now.record.inSync.length > 1) return 'both'
    return this.pending !== null && this.pending.inSync.length > 1 ? 'joining' : 'solo'
  }

  /** Sends one append. `decided` is called once, unless the reign is dropped before. False while another is pending. */
  append(draft: Draft, decided: (won: boolean) => void): boolean {
    if (this.pending) return false
    this.pending = {
      ...draft,
      epoch: draft.epoch || draft.seq,
      id: this.#chance.id(),
      holder: this.#label,
      wallMs: this.#clock.wall(),
    }
    this.#decided = decided
    this.#ask()
    return true
  }

  appended(message: KeeperAppended): void {
    const { pending } = this
    if (!pending || message.request !== this.#request) return
    this.#retry?.cancel()
    if (message.outcome === 'unknown') {
      this.#retry = this.#clock.after(this.#retryMs, () => this.#ask())
      return
    }
    const won = message.outcome === 'won'
    const decided = this.#decided
    this.pending = null
    this.#decided = null
    if (won) this.now = { epoch: pending.epoch, record: pending }
    decided?.(won)
  }

  /** A record was seen in the register that is newer than ours and not ours: the reign is over. True if one was. */
  superseded(newest: RegisterRecord): boolean {
    if (!this.now || newest.seq <= this.now.record.seq || newest.id === this.pending?.id) return false
    this.drop()
    return true
  }

  /** Ends the reign in this life. What is pending may still be executed; it is then seen as any other record. */
  drop(): void {
    this.#retry?.cancel()
    this.now = null
    this.pending = null
    this.#decided = null
  }

  #ask(): void {
    if (this.pending) this.#send({ type: 'append', request: ++this.#request, record: this.pending })
  }
}
