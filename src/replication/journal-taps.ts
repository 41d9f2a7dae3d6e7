// Lets several listen to one journal: the journal has one place for each of its calls, but the commit gate, the shipper
// and the receiver come and go. Makes nothing and keeps nothing.

import type { Position } from '../journal/position.ts'
import type { Journal, RecordBatch } from '../journal/types.ts'

export type Untap = () => void

export class JournalTaps {
  readonly journal: Journal
  #flushed: readonly ((position: Position) => void)[] = []
  #batch: readonly ((batch: RecordBatch) => void)[] = []

  /** Takes the journal's onFlushed and onBatch; nobody else may set them afterwards. */
  constructor(journal: Journal) {
    this.journal = journal
    journal.onFlushed = position => {
      for (const listener of this.#flushed) listener(position)
    }
    journal.onBatch = batch => {
      for (const listener of this.#batch) listener(batch)
    }
  }

  /** Listeners are called in the order in which they came. One that leaves meanwhile may be called once more. */
  onFlushed(listener: (position: Position) => void): Untap {
    this.#flushed = [...this.#flushed, listener]
    return () => {
      this.#flushed = this.#flushed.filter(other => other !== listener)
    }
  }

  onBatch(listener: (batch: RecordBatch) => void): Untap {
    this.#batch = [...this.#batch, listener]
    return () => {
      this.#batch = this.#batch.filter(other => other !== listener)
    }
  }
}
