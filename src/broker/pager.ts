// When messages are paged out and read again. Out: from `pageOutBytes` on, the queue with most in memory gives what is
// farthest from its consumers, a sheet at a time, in the background. Where nobody can be refused (a follower folds, a
// snapshot is restored) and memory is full all the same, at once. Where writing fails, messages stay in memory, intake comes
// to its limit, and it is tried again. In: as the front of a queue advances, the next blocks are read ahead. A sheet that
// cannot be read ends this server with a coded error: the other one takes over, or it starts again from its journal.
// Who only looks for some of the messages gets to see a sheet (`peek`), and the block stays as it is.

import type { CodedError } from '../base/errors.ts'
import type { Clock, Log } from '../base/ports.ts'
import { BLOCK_BYTES, type Block } from './block.ts'
import type { Bodies } from './bodies.ts'
import { encodeItems } from './item.ts'
import type { Line } from './line.ts'
import type { Message } from './message.ts'
import { Peeks } from './peeks.ts'
import { Sheet } from './sheet.ts'
import type { Spill } from './spill.ts'

/** What paging needs of the world. */
export interface PagingGround {
  readonly spill: Spill
  readonly memoryBytes: number
  readonly pageOutBytes: number
  readonly clock: Clock
  readonly say: Log
  /** There is room in memory again. */
  readonly freed: () => void
  /** Messages cannot be read again: this server must end. */
  readonly failed: (error: CodedError) => void
}

/** A queue, as paging knows it. */
export interface PagedQueue {
  readonly line: Line
  readonly hidden: boolean
  /** What it holds, in memory and paged out. */
  readonly bytes: number
  /** Null while it has no subscriptions. */
  readonly waker: { wanted(): void; readonly hungry: boolean } | null
}

/** What all queues hold together. */
export interface PagedHoldings {
  readonly residentBytes: number
  readonly bodies: Bodies
  readonly queues: Iterable<PagedQueue>
}

/** Sheets on their way out at a time. */
const WRITES = 8
/** Blocks of one queue that are read before they are needed. */
const AHEAD = 8
/** Messages before the blocks of a queue that has consumers, at first. */
const KEPT = 1024
/** Queues that are asked for something to page out, the largest first, before it is given up for a while. */
const TRIES = 8
/** Where nothing is found it is looked for again when this part of `pageOutBytes` more is in memory. */
const FRUITLESS = 1 / 32
/** After a failed write nothing is written for so long. */
const PAUSE_MS = 1000
const SAY_MS = 60_000

export class Pager {
  readonly #ground: PagingGround
  readonly #holdings: PagedHoldings
  #writes = 0
  #writingBytes = 0
  /** Nothing was found to page out: below this it is not looked for again. */
  #fruitlessBytes = 0
  #pausedUntil = -Infinity
  #saidAt = -Infinity
  /** The state it belonged to was forgotten. */
  over = false
  /** Why nothing is paged out now; '' where all is well. */
  trouble = ''
  readonly #peeks: Peeks

  constructor(ground: PagingGround, holdings: PagedHoldings) {
    this.#ground = ground
    this.#holdings = holdings
    this.#peeks = new Peeks(error => {
      if (!this.over) ground.failed(error)
    })
  }

  /** What lies on the sheet of a block that is paged out; null: it is being read, and `done` is called when it is there. */
  peek({ sheet }: Block, done: () => void): Uint8Array | null {
    return this.#peeks.of(sheet as Sheet, done)
  }

  /** The same at once. */
  peekNow({ sheet }: Block): Uint8Array {
    return this.#peeks.now(sheet as Sheet)
  }

  /** More is in memory than before. Cheap while that is little. */
  press(): void {
    const { pageOutBytes, memoryBytes, clock } = this.#ground
    if (this.#pressingBytes < Math.max(pageOutBytes, this.#fruitlessBytes)) return
    if (clock.now() < this.#pausedUntil) return
    this.#fruitlessBytes = 0
    while (this.#writes < WRITES && this.#pressingBytes >= pageOutBytes) if (!this.#pageOut(false)) return
    while (this.#holdings.residentBytes >= memoryBytes) if (!this.#pageOut(true)) return
  }

  /** What is in memory and not on its way out. */
  get #pressingBytes(): number {
    return this.#holdings.residentBytes - this.#writingBytes
  }

  /** It takes more than paging out what is far from consumers. */
  get #scarce(): boolean {
    return this.#pressingBytes >= 1.5 * this.#ground.pageOutBytes
  }

  /** The front of this queue has advanced: what comes next is read. */
  ahead(queue: PagedQueue): void {
    // Where memory is scarce only what a consumer waits for is read, and only a little of that.
    let left = this.#scarce ? 2 : AHEAD
    queue.line.blocks.some(block => {
      if (!block.loaded && !block.reading && block.count > 0) this.#read(queue, block)
      return --left > 0
    })
  }

  #pageOut(now: boolean): boolean {
    const found = this.#choose()
    if (found === null) {
      this.#fruitlessBytes = this.#pressingBytes + FRUITLESS * this.#ground.pageOutBytes
      return false
    }
    const { queue, block } = found
    const { spill } = this.#ground
    const laid = block.lay()
    const bytes = encodeItems(laid, queue.hidden)
    if (now) {
      try {
        this.#laid(queue, block, laid, new Sheet(spill, spill.writeNow(bytes), bytes))
      } catch (error) {
        this.#troubled(error as Error)
        return false
      }
      return true
    }
    block.writing = true
    this.#writes++
    this.#writingBytes += bytes.length
    spill.write(bytes, (error, place) => {
      block.writing = false
      this.#writes--
      this.#writingBytes -= bytes.length
      if (error !== null) return this.#troubled(error)
      this.#laid(queue, block, laid, new Sheet(spill, place, bytes))
      if (this.over) return
      this.press()
      this.#ground.freed()
    })
    return true
  }

  #laid(queue: PagedQueue, block: Block, laid: readonly Message[], sheet: Sheet): void {
    this.trouble = ''
    const { blocks } = queue.line
    if (block.gone || block.count === 0 || this.over) sheet.release()
    else block.pageOut(sheet, laid, this.#holdings.bodies, (messages, bytes) => blocks.paged(messages, bytes))
  }

  /** The farthest block of the queue that has most in memory. */
  #choose(): { queue: PagedQueue; block: Block } | null {
    const passed = new Set<PagedQueue>()
    for (let tries = 0; tries < TRIES; tries++) {
      let queue: PagedQueue | null = null
      let most = 0
      for (const one of this.#holdings.queues) {
        const resident = one.bytes - one.line.blocks.pagedBytes
        if (resident <= most || passed.has(one)) continue
        queue = one
        most = resident
      }
      if (queue === null) return null
      const block = this.#blockOf(queue)
      if (block !== null) return { queue, block }
      passed.add(queue)
    }
    return null
  }

  #blockOf(queue: PagedQueue): Block | null {
    const { line } = queue
    const least = this.#scarce ? 1 : BLOCK_BYTES / 4
    const keep = this.#scarce ? 0 : KEPT
    // Else what a consumer waits for would be paged out as soon as it is read.
    const spared = queue.waker?.hungry ? 1 : 0
    for (;;) {
      let block = line.blocks.farthest(least, spared)
      if (block === null && line.cut(keep) > 0) block = line.blocks.farthest(least, spared)
      if (block === null || block.worthwhile) return block
      block.stubborn = true
    }
  }

  #read(queue: PagedQueue, block: Block): void {
    const { sheet } = block
    if (sheet === null) return
    block.reading = true
    sheet.hold().read((error, content) => {
      sheet.release()
      block.reading = false
      if (this.over || block.gone || block.loaded) return
      if (error !== null) return this.#ground.failed(error as CodedError)
      block.load(content, this.#holdings.bodies, (messages, bytes) => queue.line.blocks.paged(messages, bytes))
      if (queue.line.starved) {
        queue.line.starved = false
        queue.waker?.wanted()
      }
      this.press()
    })
  }

  #troubled(error: Error): void {
    const { clock, say } = this.#ground
    const now = clock.now()
    this.trouble = error.message
    if (now >= this.#pausedUntil) {
      this.#pausedUntil = now + PAUSE_MS
      clock.after(PAUSE_MS, () => {
        if (!this.over) this.press()
      })
    }
    if (now - this.#saidAt < SAY_MS) return
    this.#saidAt = now
    say('warn', `Messages that memory has no room for cannot be paged out, and stay in memory: ${error.message}`)
  }
}
