// What follows the front of a queue's line, in blocks (block.ts), where memory got scarce once: new messages enter the last
// block, the first one joins the front when the front is used up. In a queue that never was long there is none.

import { Block } from './block.ts'
import type { Bodies } from './bodies.ts'
import type { Home, Message } from './message.ts'
import type { Halt, Scan } from './scan.ts'

/** What all queues have paged out together. */
export interface Paged {
  pagedMessages: number
  /** Without what remains of them in memory. */
  pagedBytes: number
}

/** Empty blocks that are not worth closing up. */
const FEW = 16

export class Blocks {
  readonly #home: Home
  readonly #total: Paged
  #blocks: Block[] = []
  #empty = 0
  /** Messages in all of them. */
  count = 0
  pagedMessages = 0
  pagedBytes = 0

  constructor(home: Home, total: Paged) {
    this.#home = home
    this.#total = total
  }

  /** The lowest sequence that may be in them; Infinity where there are none. */
  get first(): number {
    return this.#blocks[0]?.first ?? Infinity
  }

  get last(): number {
    return this.#blocks.at(-1)?.last ?? 0
  }

  push(message: Message): void {
    const tail = this.#blocks.at(-1)
    if (tail === undefined || tail.count === 0 || !tail.push(message)) {
      const block = new Block(this.#home, message.sequence)
      block.push(message)
      this.#blocks.push(block)
    }
    this.count++
  }

  /** These come before everything in the blocks. */
  prepend(messages: Iterable<Message>): void {
    const before = new Blocks(this.#home, this.#total)
    for (const message of messages) before.push(message)
    const last = before.#blocks.at(-1)
    if (last === undefined) return
    if (this.#blocks.length > 0) last.closed = true
    this.#blocks = [...before.#blocks, ...this.#blocks]
    this.count += before.count
  }

  find(sequence: number): Message | null {
    return this.#blockOf(sequence)?.find(sequence) ?? null
  }

  remove(message: Message): void {
    const block = this.#blockOf(message.sequence) as Block
    const paged = block.remove(message)
    if (paged > 0) this.paged(-1, -paged)
    this.count--
    if (this.count === 0) return this.clear()
    if (block.count > 0) return
    this.#empty++
    if (block === this.#blocks[0]) this.head()
    else if (this.#empty > this.#blocks.length / 2 + FEW) this.#closeUp()
  }

  scan(scan: Scan): Halt<Block> {
    for (let at = this.#atOrBefore(scan.after + 1); at < this.#blocks.length; at++) {
      const block = this.#blocks[at] as Block
      if (block.count === 0 || block.last <= scan.after) continue
      if (!block.loaded) return block
      if (block.scan(scan) || scan.left === 0) return 'stopped'
    }
    return 'end'
  }

  /** The block in which the message of this sequence lies on a sheet, and is no object; null: it is one, or gone. */
  sheetOf(sequence: number): Block | null {
    const block = this.#blockOf(sequence)
    return block?.onSheet(sequence) === true ? block : null
  }

  /** Where the message was made an object for somebody who has given it back, its sheet is enough again. */
  layBack(message: Message, bodies: Bodies): void {
    const freed = this.#blockOf(message.sequence)?.layBack(message, bodies) ?? 0
    if (freed > 0) this.paged(1, freed)
  }

  /** A message whose delivery count changed. */
  note(message: Message): void {
    this.#blockOf(message.sequence)?.note(message)
  }

  visitRange(first: number, last: number, visit: (message: Message) => void): void {
    for (let at = this.#atOrBefore(first); at < this.#blocks.length; at++) {
      const block = this.#blocks[at] as Block
      if (block.first > last) return
      block.visitRange(first, last, visit)
    }
  }

  /** The first block with a message in it; null where there is none, and then there are no blocks at all. */
  head(): Block | null {
    const blocks = this.#blocks
    let empty = 0
    while (empty < blocks.length && (blocks[empty] as Block).count === 0) (blocks[empty++] as Block).leave()
    if (empty > 0) blocks.splice(0, empty)
    this.#empty -= empty
    return blocks[0] ?? null
  }

  /** The head leaves: its messages join the front. */
  shift(): void {
    const block = this.#blocks.shift()
    if (block === undefined) return
    this.count -= block.count
    block.leave()
    if (this.count === 0) this.clear()
  }

  /** So many more are paged out. */
  paged(messages: number, bytes: number): void {
    this.pagedMessages += messages
    this.pagedBytes += bytes
    this.#total.pagedMessages += messages
    this.#total.pagedBytes += bytes
  }

  /** From the first on, until `visit` gives false. */
  some(visit: (block: Block) => boolean): void {
    for (const block of this.#blocks) if (!visit(block)) return
  }

  /** The last one, the first `spared` excepted, that can be paged out now and is closed or has so many bytes. */
  farthest(leastBytes: number, spared: number): Block | null {
    for (let at = this.#blocks.length - 1; at >= spared; at--) {
      const block = this.#blocks[at] as Block
      if (!block.loaded || block.writing || block.stubborn || block.count === 0) continue
      if (block.closed || block.sheetBytes >= leastBytes) return block
    }
    return null
  }

  /** The queue is gone. */
  clear(): void {
    for (const block of this.#blocks) block.leave()
    this.#blocks = []
    this.#empty = 0
    this.count = 0
    this.paged(-this.pagedMessages, -this.pagedBytes)
  }

  #closeUp(): void {
    const kept: Block[] = []
    for (const block of this.#blocks) {
      if (block.count > 0) kept.push(block)
      else block.leave()
    }
    this.#blocks = kept
    this.#empty = 0
  }

  #blockOf(sequence: number): Block | undefined {
    const block = this.#blocks[this.#atOrBefore(sequence)]
    return block !== undefined && block.first <= sequence ? block : undefined
  }

  /** The last block that begins at or before this sequence, or the first. */
  #atOrBefore(sequence: number): number {
    let low = 0
    let high = this.#blocks.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#blocks[middle] as Block).first <= sequence) low = middle + 1
      else high = middle
    }
    return Math.max(0, low - 1)
  }
}
