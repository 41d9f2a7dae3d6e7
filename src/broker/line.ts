// All messages of one queue in the order of their sequences, with a cursor before which every message has been offered to
// somebody. Removing leaves a hole; holes are closed when they outnumber the messages, so that everything is O(1)
// amortised except finding by sequence, which is a look beside the last find, then a binary search. (A Map entry per
// message would cost more memory than the message object.) What may be delivered is queue.ts' business.
//
// All of this is the front. Where memory gets scarce, what is far from the cursor moves to blocks behind the front
// (blocks.ts), which can be paged out; from then on new messages enter there, until the front has used up the last block.

import { assert } from '../base/assert.ts'
import type { Block } from './block.ts'
import { Blocks, type Paged } from './blocks.ts'
import type { Home, Message } from './message.ts'
import type { Halt, Scan } from './scan.ts'

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
  readonly blocks: Blocks
  /** The front is used up, and what follows is paged out: nothing can be said of the next message before it is read. */
  starved = false
  /** Called when the front has used up a block, or waits for one. */
  onAdvance: () => void = () => {}

  constructor(home: Home, total: Paged) {
    this.blocks = new Blocks(home, total)
  }

  /** Messages in the line. */
  get count(): number {
    return this.#live + this.blocks.count
  }

  get lastSequence(): number {
    if (this.blocks.count > 0) return this.blocks.last
    return this.#sequences.length === 0 ? 0 : (this.#sequences[this.#sequences.length - 1] as number)
  }

  push(message: Message): void {
    assert(message.sequence > this.lastSequence, 'messages enter a queue in the order of their sequences')
    if (this.blocks.count > 0) return this.blocks.push(message)
    this.#messages.push(message)
    this.#sequences.push(message.sequence)
    this.#live++
  }

  find(sequence: number): Message | null {
    if (sequence >= this.blocks.first) return this.blocks.find(sequence)
    const at = this.#indexOf(sequence)
    return at < 0 ? null : (this.#messages[at] as Message | null)
  }

  remove(message: Message): void {
    if (message.sequence >= this.blocks.first) return this.blocks.remove(message)
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
    if (last >= this.blocks.first) this.blocks.visitRange(first, last, visit)
  }

  /** Looks at the messages after a place, in order, as far as the scan goes. */
  scan(scan: Scan): Halt<Block> {
    for (let at = this.#atOrAfter(scan.after + 1); at < this.#messages.length; at++) {
      if (scan.left === 0) return 'stopped'
      scan.left--
      scan.after = this.#sequences[at] as number
      const message = this.#messages[at] as Message | null
      if (message !== null && scan.look(message)) return 'stopped'
    }
    return this.blocks.scan(scan)
  }

  /** A message whose delivery count changed. */
  note(message: Message): void {
    if (message.sequence >= this.blocks.first) this.blocks.note(message)
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

  /** Every message that is an object now: all but those that are paged out, which nobody in this reign has seen. */
  forEachObject(visit: (message: Message) => void): void {
    this.forEachInFront(visit)
    this.blocks.some(block => {
      block.forEachObject(visit)
      return true
    })
  }

  forEachInFront(visit: (message: Message) => void): void {
    for (const message of this.#messages) if (message !== null) visit(message)
  }

  /** The message at the cursor, passing those that are gone or not `standing` as asked. */
  atCursor(standing: number): Message | null {
    const messages = this.#messages
    do {
      while (this.#cursor < messages.length) {
        const message = messages[this.#cursor] as Message | null
        if (message !== null && message.standing === standing) return message
        this.#cursor++
      }
    } while (this.#advance())
    return null
  }

  /** The next block joins the front. False where there is none, or it must be read first. */
  #advance(): boolean {
    const block = this.blocks.head()
    this.starved = block !== null && !block.loaded
    if (block === null) return false
    if (!this.starved) {
      block.forEachObject(message => {
        this.#messages.push(message)
        this.#sequences.push(message.sequence)
        this.#live++
      })
      this.blocks.shift()
    }
    this.onAdvance()
    return !this.starved
  }

  /** What lies more than `keep` messages behind the cursor moves to blocks; how many messages that is. */
  cut(keep: number): number {
    const from = Math.min(this.#cursor + keep, this.#messages.length)
    const cut = this.#messages.slice(from).filter(message => message !== null)
    if (cut.length === 0) return 0
    this.#messages.length = from
    this.#sequences.length = from
    this.#live -= cut.length
    this.#beside = 0
    this.blocks.prepend(cut)
    return cut.length
  }

  /** True where the cursor has passed this message. */
  passed(message: Message): boolean {
    const at = this.#sequences[this.#cursor] ?? this.blocks.first
    return message.sequence < at
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
