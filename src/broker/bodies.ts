// The memory of message bodies. A front end's bytes are a view of a socket's buffer, so the broker keeps its own copy. One
// ArrayBuffer per message costs 0.7 to 1.5 microseconds and as much again in the collector's threads; pages shared by
// neighbours cost a tenth at 100 bytes and a third at 1 KiB (measured). The trap of pages is that one message that stays
// keeps its whole page: so when pages waste more than the bodies in them are worth, the sparsest are emptied by copying.
// Memory of pages is thereby at most twice the bodies plus SLACK_BYTES. Bodies are never changed in place: whoever holds
// a view of an emptied page still reads the right bytes.

import { type Message, Page, PAGE_BYTES } from './message.ts'

/** Larger bodies get a buffer of their own: there the price per byte is small, and pages would be cut badly. */
const SHARED_BYTES = 8 * 1024
/** The least a body counts for: a page keeps its messages' objects findable, so their number is bounded too. */
const LEAST_BYTES = 128
const SLACK_BYTES = 4 * 1024 * 1024

export class Bodies {
  #filling = new Page()
  /** Filled pages with less than half of their bytes alive. */
  readonly #sparse = new Set<Page>()
  #pages = 1
  #live = 0

  /** Bytes of all pages, for the status. */
  get pageBytes(): number {
    return this.#pages * PAGE_BYTES
  }

  /** Gives `message` its own copy of `bytes` as body. */
  keep(message: Message, bytes: Uint8Array): void {
    const length = bytes.length
    if (length > SHARED_BYTES) {
      const own = Buffer.allocUnsafeSlow(length)
      own.set(bytes)
      message.memory = own
      message.bodyAt = 0
      message.bodyBytes = length
      message.page = null
      return
    }
    let page = this.#filling
    const share = Math.max(length, LEAST_BYTES)
    while (page.used + share > PAGE_BYTES) page = this.#nextPage()
    page.bytes.set(bytes, page.used)
    message.memory = page.bytes
    message.bodyAt = page.used
    message.bodyBytes = length
    message.page = page
    page.messages.push(message)
    page.used += share
    page.live += share
    this.#live += share
  }

  /** The message is gone. Its body stays readable for whoever still holds it. */
  drop(message: Message): void {
    const page = message.page
    if (page === null) return
    message.page = null
    const share = Math.max(message.bodyBytes, LEAST_BYTES)
    page.live -= share
    this.#live -= share
    if (page === this.#filling) return
    if (page.live === 0) {
      this.#sparse.delete(page)
      this.#pages--
    } else if (page.live < PAGE_BYTES / 2) this.#sparse.add(page)
    this.#spare()
  }

  #nextPage(): Page {
    const full = this.#filling
    this.#filling = new Page()
    this.#pages++
    if (full.live === 0) this.#pages--
    else if (full.live < PAGE_BYTES / 2) this.#sparse.add(full)
    this.#spare()
    return this.#filling
  }

  /** Where too much is wasted, copies what is alive in the page that became sparse first to where bodies are put now. */
  #spare(): void {
    if (this.pageBytes <= 2 * this.#live + SLACK_BYTES) return
    for (const page of this.#sparse) {
      this.#sparse.delete(page)
      this.#pages--
      this.#live -= page.live
      for (const message of page.messages) if (message.page === page) this.keep(message, message.body)
      return
    }
  }
}
