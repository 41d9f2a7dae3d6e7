// What goes out to one client, whatever its protocol, gathered in pages: what one turn of the event loop says leaves in one
// write (or one per full page). The page's size follows what the connection sends, so that ten thousand quiet clients cost
// little. It also knows whether the socket takes bytes, and asks before each write whether this server may still speak.

import { assert } from '../base/assert.ts'

export interface OutputSocket {
  /** Takes the bytes (they are not changed afterwards); false: wait for `drained` before sending much more. */
  write(bytes: Uint8Array): boolean
  /** True where nothing that it took is looked at any more: the memory may be used again. */
  readonly idle?: boolean
  /** Closes our side after what was written. */
  end(): void
  /** Closes at once. */
  destroy(): void
}

const SMALLEST = 2 * 1024
const LARGEST = 128 * 1024
const NO_PAGE = Buffer.alloc(0)
/** So often a page must have been too large before a smaller one takes its place. */
const SMALL_FLUSHES = 64

export class Output {
  /** The page under way: encoders write at `at`, after `reserve`, and move `at` on. */
  page = NO_PAGE
  at = 0
  /** Send nothing that can wait: the socket's buffer is full, or bytes are held back. */
  blocked = false
  /** It was blocked and is not any more; whoever resumes sending takes this back. */
  unblocked = false
  /** Bytes that came while blocked. */
  overdue = 0
  /** Bytes handed to the socket, ever: for noticing our own silence. */
  written = 0
  /** Grows when a page is written from its beginning again: what lay there is no more. */
  rounds = 0

  readonly #socket: OutputSocket
  readonly #willing: () => boolean
  readonly #onDue: () => void
  /** Where the unsent part of the page begins. */
  #start = 0
  #size = SMALLEST
  #due = false
  #full = false
  #ended = false
  /** Whole frames that must not leave as long as this server cannot prove that it serves. */
  #held: Uint8Array[] = []
  /** Flushes in a row that a much smaller page would have taken. */
  #small = 0

  /**
   * `willing` is asked right before each write; false: what there is is held back. `onDue` is called when there is
   * something to flush, once until the next `flush`.
   */
  constructor(socket: OutputSocket, willing: () => boolean, onDue: () => void) {
    this.#socket = socket
    this.#willing = willing
    this.#onDue = onDue
  }

  /** True while bytes are held back: `flush` must be called again after a while. */
  get holding(): boolean {
    return this.#held.length > 0
  }

  /** Makes sure that `n` bytes, one whole frame, fit at `at` of `page`. */
  reserve(n: number): void {
    if (!this.#due) {
      this.#due = true
      this.#onDue()
    }
    if (this.at + n <= this.page.length) return
    const unsent = this.at - this.#start
    if (unsent > 0) this.#send()
    if (unsent > this.#size / 2) this.#size = Math.min(LARGEST, this.#size * 2)
    else if (unsent < this.#size / 8) this.#size = Math.max(SMALLEST, this.#size / 2)
    this.page = Buffer.allocUnsafeSlow(Math.max(this.#size, n))
    this.at = this.#start = 0
  }

  raw(bytes: Uint8Array): void {
    this.reserve(bytes.length)
    this.page.set(bytes, this.at)
    this.at += bytes.length
  }

  /** Hands everything so far to the socket. The end of a turn. */
  flush(): void {
    this.#due = false
    if (this.at > this.#start || this.#held.length > 0) this.#send()
    if (this.#socket.idle === true && this.#held.length === 0) this.#again()
  }

  /** The page from its beginning: taking a new one for each turn costs more than filling it. */
  #again(): void {
    this.#small = this.at < this.#size / 8 ? this.#small + 1 : 0
    if (this.#small === SMALL_FLUSHES) {
      this.#small = 0
      this.#size = Math.max(SMALLEST, this.#size / 2)
      if (this.page.length > this.#size) this.page = NO_PAGE
    }
    this.at = this.#start = 0
    this.rounds++
  }

  #send(): void {
    const bytes = this.page.subarray(this.#start, this.at)
    this.#start = this.at
    if (this.#ended) return
    if (bytes.length > 0) this.#held.push(bytes)
    if (this.blocked) this.overdue += bytes.length
    if (!this.#willing()) {
      this.#block()
      return
    }
    this.#write()
  }

  #write(): void {
    const ready = this.#held
    this.#held = []
    for (const bytes of ready) {
      this.written += bytes.length
      if (!this.#socket.write(bytes)) this.#full = true
    }
    if (this.#full) this.#block()
    else this.#unblock()
  }

  #block(): void {
    if (!this.blocked) this.overdue = 0
    this.blocked = true
  }

  #unblock(): void {
    if (!this.blocked || this.#full || this.#held.length > 0) return
    this.blocked = false
    this.unblocked = true
    this.overdue = 0
  }

  /** The socket takes bytes again. */
  drained(): void {
    this.#full = false
    this.#unblock()
  }

  /** Throws away what was not handed to the socket: acknowledgements that are not ours to give any more. */
  discard(): void {
    this.#held = []
    this.at = this.#start
  }

  /** Says the last words, whether this server serves or not, and closes our side. */
  end(): void {
    if (this.#ended) return
    const last = this.page.subarray(this.#start, this.at)
    this.#start = this.at
    if (last.length > 0) this.#held.push(last)
    this.#write()
    this.#ended = true
    this.#socket.end()
  }

  destroy(): void {
    assert(this.at >= this.#start, 'a page is written forwards')
    this.#ended = true
    this.#held = []
    this.#socket.destroy()
  }
}
