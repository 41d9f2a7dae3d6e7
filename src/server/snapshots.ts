// When a snapshot of the broker's state is written into the journal, so that old segments can go: from time to time, and
// when a follower needs one. The journal writes it in the background while the state goes on changing.

import type { Clock, Log } from '../base/ports.ts'
import type { BrokerCore } from '../broker/broker.ts'
import type { Journal } from '../journal/types.ts'

export interface SnapshotParts {
  readonly journal: Journal
  readonly broker: BrokerCore
  readonly clock: Clock
  readonly say: Log
  /** The state is the fold of all records up to this one; -1 while it is none. */
  readonly folded: () => number
  /** False while a follower reads old records: they must not go. */
  readonly mayDrop: () => boolean
}

type Done = (error: Error | null) => void

const LOOK_MS = 1000

export class Snapshots {
  readonly #parts: SnapshotParts
  #writing = false
  #waiting: Done[] = []

  constructor(parts: SnapshotParts) {
    this.#parts = parts
    this.#look()
  }

  /** Writes one now, of the state as it is. */
  make(done: Done): void {
    this.#waiting.push(done)
    if (!this.#writing) this.#write()
  }

  #look(): void {
    const { journal, broker, clock, mayDrop } = this.#parts
    clock.after(LOOK_MS, () => {
      if (!this.#writing && mayDrop() && journal.wantsSnapshot(broker.stateBytes())) this.#write()
      this.#look()
    })
  }

  #write(): void {
    const { journal, broker, folded, say } = this.#parts
    const sequence = folded()
    const position = sequence < 0 ? null : journal.positionOf(sequence)
    const waiting = this.#waiting
    this.#waiting = []
    if (!position) {
      for (const done of waiting) done(new Error('there is no state to make a snapshot of'))
      return
    }
    this.#writing = true
    journal.writeSnapshot(position, broker.snapshot(), error => {
      this.#writing = false
      if (error) say('warn', `A snapshot could not be written: ${error.message}`)
      for (const done of waiting) done(error)
      if (this.#waiting.length > 0) this.#write()
    })
  }
}
