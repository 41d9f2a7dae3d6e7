// All messages of one queue in the order of their sequences, with a cursor before which every message has been offered to
// somebody. Removing leaves a hole; holes are closed when they outnumber the messages, so that everything is O(1)
// amortised except finding by sequence, which is a look beside the last find, then a binary search. (A Map entry per
// message would cost more memory than the message object.) What may be delivered is queue.ts' business.

import { assert } from '../base/assert.ts'
import type { Message } from './message.ts'

/** Holes that are not worth closing. */
const FEW = 1024
/** How far beside the last find the next one usually lies, where consumers compete. */
const NEAR = 4

export class Line {
  readonly #messages: (Message | null)[] = []
  readonly #sequences: number[] = []
  #live = 0
  #beside = 0
  #cursor = 0

  /** Messages in the line. */
  get count(): number {
    return this.#live
  }

  get lastSequence(): number {
    return this.#sequences.length === 0 ? 0 : (this.#sequences[this.#sequences.length - 1] as number)
  }

  push(message: Message): void {
    assert(message.sequence > this.lastSequence, 'messages enter a queue in the order of their sequences')
    this.#messages.push(message)
    this.#sequences.push(message.sequence)
    this.#live++
  }

  find(sequence: number): Message | null {
    const at = this.#indexOf(sequence)
    return at < 0 ? null : (this.#messages[at] as Message | null)
  }

  remove(message: Message): void {
    const at = this.#indexOf(message.sequence)
    assert(at >= 0 && this.#messages[at] === message, 'a message is removed once, from its own queue')
    this.#messages[at] = null
    this.#live--
    if (this.#messages.length > 2 * this.#live + FEW) this.#close()
  }

  /** Calls `visit` with every message whose sequence lies in the range, in order. Nothing is removed meanwhile. */
  visitRange(first: number, last: number, visit: (message: Message) => void): void {
    for (let at = this.#atOrAfter(first); at < this.#sequences.length; at++) {
      if ((this.#sequences[at] as number) > last) return
      const message = this.#messages[at] as Message | null
      if (message !== null) visit(message)
    }
  }

  /** True if every message between these two of the line satisfies `passes`; false also where that takes long to find. */
  onlyBetween(first: number, last: number, passes: (message: Message) => boolean, patience: number): boolean {
    let at = this.#indexOf(first) + 1
    for (; patience > 0; patience--, at++) {
      if (this.#sequences[at] === last) return true
      const message = this.#messages[at]
      if (message !== null && (message === undefined || !passes(message))) return false
    }
    return false
  }

  forEach(visit: (message: Message) => void): void {
    for (const message of this.#messages) if (message !== null) visit(message)
  }

  /** The message at the cursor, passing those that are gone or not `standing` as asked. */
  atCursor(standing: number): Message | null {
    const messages = this.#messages
    while (this.#cursor < messages.length) {
      const message = messages[this.#cursor] as Message | null
      if (message !== null && message.standing === standing) return message
      this.#cursor++
    }
    return null
  }

  /** True where the cursor has passed this message. */
  passed(message: Message): boolean {
    const at = this.#sequences[this.#cursor]
    return at === undefined || message.sequence < at
  }

  passCursor(): void {
    this.#cursor++
  }

  /** Nothing counts as offered any more. */
  rewindCursor(): void {
    this.#cursor = 0
  }

  #indexOf(sequence: number): number {
    const sequences = this.#sequences
    const near = Math.min(this.#beside + NEAR, sequences.length)
    for (let at = this.#beside; at < near; at++) {
      if (sequences[at] === sequence) {
        this.#beside = at + 1
        return at
      }
    }
    const at = this.#atOrAfter(sequence)
    if (sequences[at] !== sequence) return -1
    this.#beside = at + 1
    return at
  }

  #atOrAfter(sequence: number): number {
    const sequences = this.#sequences
    let low = 0
    let high = sequences.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((sequences[middle] as number) < sequence) low = middle + 1
      else high = middle
    }
    return low
  }

  #close(): void {
    const messages = this.#messages
    const sequences = this.#sequences
    let kept = 0
    let cursor = 0
    for (let at = 0; at < messages.length; at++) {
      if (at === this.#cursor) cursor = kept
      const message = messages[at] as Message | null
      if (message === null) continue
      messages[kept] = message
      sequences[kept] = sequences[at] as number
      kept++
    }
    if (this.#cursor >= messages.length) cursor = kept
    messages.length = kept
    sequences.length = kept
    this.#cursor = cursor
    this.#beside = 0
  }
}
