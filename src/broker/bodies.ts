// The memory of message bodies. Small ones are copied into pages: one ArrayBuffer per message costs 0.7 to 1.5 microseconds
// and as much again in the collector's threads, pages shared by neighbours a tenth at 100 bytes and a third at 1 KiB
// (measured). Large ones are held where they lie, in the batch with which their records came: there the copy is what costs.
// The trap of memory that is shared is that one message that stays keeps all of it: so when more is wasted than the bodies
// are worth, what became sparse first is emptied by copying. Memory of bodies is thereby at most twice the bodies plus
// SLACK_BYTES. Bodies are never changed in place: whoever holds a view of what was emptied still reads the right bytes.

import { type Message, Page } from './message.ts'

/** From here on the copy costs more than the bookkeeping: at 10 KiB a fifth of what a message costs, at 1 KiB nothing. */
const HELD_BYTES = 4 * 1024
const PAGE_BYTES = 64 * 1024
/** Larger ones that must be copied get a buffer of their own: pages would be cut badly. */
const SHARED_BYTES = 8 * 1024
/** The least a body counts for: a page keeps its messages' objects findable, so their number is bounded too. */
const LEAST_BYTES = 128
const SLACK_BYTES = 4 * 1024 * 1024

/** True where a body of this size is held where it lies. */
export const isHeld = (bodyBytes: number): boolean => bodyBytes >= HELD_BYTES

/** What a body takes of its page. */
const shareOf = (bodyBytes: number): number => Math.max(bodyBytes, LEAST_BYTES)

const newPage = (): Page => new Page(Buffer.allocUnsafeSlow(PAGE_BYTES))

export class Bodies {
  #filling = newPage()
  /** The memory of batches in which bodies are held. */
  readonly #held = new Map<ArrayBufferLike, Page>()
  /** Those and filled pages, where less than half of their bytes is alive. */
  readonly #sparse = new Set<Page>()
  #pageBytes = PAGE_BYTES
  #live = 0
  #sparing = false

  /** Bytes of all memory that bodies share, for the status. */
  get pageBytes(): number {
    return this.#pageBytes
  }

  /** Gives `message` its body. Nobody may ever change the memory of one that `isHeld`. */
  keep(message: Message, bytes: Uint8Array): void {
    if (isHeld(bytes.length)) this.#hold(message, bytes)
    else this.#copy(message, bytes)
  }

  /** The message is gone. Its body stays readable for whoever still holds it. */
  drop(message: Message): void {
    const page = message.page
    if (page === null) return
    message.page = null
    const share = shareOf(message.bodyBytes)
    page.live -= share
    this.#live -= share
    page.count -= 1
    // One body may be held for a message in each of many queues: a slow one must not keep the objects of all the others.
    const { length } = page.messages
    if (length > page.bytes.length / LEAST_BYTES && length > 4 * page.count)
      page.messages = page.messages.filter(one => one.page === page)
    if (page === this.#filling) return
    if (page.live === 0) this.#forget(page)
    else if (page.live < page.bytes.length / 2) this.#sparse.add(page)
    this.#spare()
  }

  #hold(message: Message, bytes: Uint8Array): void {
    let page = this.#held.get(bytes.buffer)
    if (page === undefined) {
      page = new Page(new Uint8Array(bytes.buffer))
      this.#held.set(bytes.buffer, page)
      this.#pageBytes += page.bytes.length
      this.#sparse.add(page)
    }
    this.#lay(message, page, bytes.byteOffset, bytes.length)
    if (page.live >= page.bytes.length / 2) this.#sparse.delete(page)
    this.#spare()
  }

  #copy(message: Message, bytes: Uint8Array): void {
    const { length } = bytes
    if (length > SHARED_BYTES) {
      message.memory = Buffer.allocUnsafeSlow(length)
      message.memory.set(bytes)
      message.bodyAt = 0
      message.bodyBytes = length
      message.page = null
      return
    }
    const share = shareOf(length)
    let page = this.#filling
    while (page.used + share > PAGE_BYTES) page = this.#nextPage()
    page.bytes.set(bytes, page.used)
    this.#lay(message, page, page.used, length)
    page.used += share
  }

  #lay(message: Message, page: Page, at: number, length: number): void {
    const share = shareOf(length)
    message.memory = page.bytes
    message.bodyAt = at
    message.bodyBytes = length
    message.page = page
    page.messages.push(message)
    page.count += 1
    page.live += share
    this.#live += share
  }

  #nextPage(): Page {
    const full = this.#filling
    this.#filling = newPage()
    this.#pageBytes += PAGE_BYTES
    if (full.live === 0) this.#forget(full)
    else if (full.live < PAGE_BYTES / 2) this.#sparse.add(full)
    this.#spare()
    return this.#filling
  }

  #forget(page: Page): void {
    this.#sparse.delete(page)
    this.#held.delete(page.bytes.buffer)
    this.#pageBytes -= page.bytes.length
  }

  /** Where too much is wasted, copies what is alive in what became sparse first to where bodies are put now. */
  #spare(): void {
    if (this.#sparing) return
    this.#sparing = true
    for (const page of this.#sparse) {
      if (this.#pageBytes <= 2 * this.#live + SLACK_BYTES) break
      this.#forget(page)
      this.#live -= page.live
      for (const message of page.messages) if (message.page === page) this.#copy(message, message.body)
    }
    this.#sparing = false
  }
}
