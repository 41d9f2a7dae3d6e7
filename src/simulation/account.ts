// The clients' account: every message by its number, what was acknowledged to its producer, delivered to and settled by
// consumers. Kept at the servers' side of each connection, at the moment at which a server says it; so that what a client
// never came to hear counts as well.

import { Journeys } from './journeys.ts'
import { Violation } from './watch.ts'

interface Entry {
  acknowledged: boolean
  /** A consumer has said accepted or rejected: it has the message, whatever came of its word. */
  consumed: boolean
}

export class Account {
  published = 0
  acknowledged = 0
  deliveries = 0
  settlements = 0
  /** Of messages that do more than wait in a queue. */
  readonly journeys = new Journeys()
  onViolation: (violation: Violation) => void = () => {}
  readonly #entries = new Map<number, Entry>()
  /** Settlements confirmed, by the record's sequence: such a message is gone. */
  readonly #gone = new Set<number>()
  /** Which message has which sequence. */
  readonly #bySequence = new Map<number, number>()

  #found(text: string): Violation {
    const violation = new Violation('account', text)
    this.onViolation(violation)
    return violation
  }

  newMessage(): number {
    const id = ++this.published
    this.#entries.set(id, { acknowledged: false, consumed: false })
    return id
  }

  acknowledge(id: number): void {
    const entry = this.#entries.get(id) as Entry
    if (!entry.acknowledged) this.acknowledged += 1
    entry.acknowledged = true
  }

  delivered(id: number, sequence: number): void {
    this.deliveries += 1
    const entry = this.#entries.get(id)
    if (entry === undefined) throw this.#found(`message ${id}, which nobody sent, is delivered`)
    if (this.#gone.has(sequence))
      throw this.#found(`message ${id} (record ${sequence}) is delivered after its settlement was confirmed`)
    const before = this.#bySequence.get(sequence)
    if (before !== undefined && before !== id)
      throw this.#found(`record ${sequence} was delivered as message ${before} and now as ${id}`)
    this.#bySequence.set(sequence, id)
  }

  /** A consumer says accepted or rejected. */
  consumed(id: number): void {
    const entry = this.#entries.get(id)
    if (entry) entry.consumed = true
  }

  /** A server confirms that the message is gone. */
  settled(sequence: number): void {
    this.settlements += 1
    this.#gone.add(sequence)
  }

  /** What was acknowledged or settled up to now may be otherwise from here on. */
  excuse(): void {
    for (const entry of this.#entries.values()) entry.acknowledged = false
    this.#gone.clear()
    this.#bySequence.clear()
    this.journeys.excuse()
  }

  /** Nothing is left in the queues: acknowledged messages that no consumer ever had. */
  missing(): number[] {
    const missing: number[] = []
    for (const [id, { acknowledged, consumed }] of this.#entries) if (acknowledged && !consumed) missing.push(id)
    return missing
  }
}
