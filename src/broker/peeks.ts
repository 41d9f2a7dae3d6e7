// Sheets that somebody only looks at: consumers with selectors, and browsers. What was read last is kept for a while, within
// bounds, for several of them often look for different messages of one sheet.

import type { CodedError } from '../base/errors.ts'
import type { Sheet } from './sheet.ts'

/** Contents that are kept, together; a larger one alone. */
const KEPT_BYTES = 4 * 1024 * 1024

export class Peeks {
  readonly #failed: (error: CodedError) => void
  /** The one used last is the last one. */
  readonly #kept = new Map<Sheet, Uint8Array>()
  #keptBytes = 0
  /** Who waits for a sheet that is being read. */
  readonly #reading = new Map<Sheet, (() => void)[]>()

  constructor(failed: (error: CodedError) => void) {
    this.#failed = failed
  }

  /** The content; null: `done` is called when it has been read, and it is there then. */
  of(sheet: Sheet, done: () => void): Uint8Array | null {
    const kept = this.#kept.get(sheet)
    if (kept !== undefined) {
      this.#kept.delete(sheet)
      this.#kept.set(sheet, kept)
      return kept
    }
    const waiting = this.#reading.get(sheet)
    if (waiting !== undefined) waiting.push(done)
    else {
      this.#reading.set(sheet, [done])
      this.#read(sheet)
    }
    return null
  }

  /** The same at once, for who cannot wait. */
  now(sheet: Sheet): Uint8Array {
    const kept = this.#kept.get(sheet)
    if (kept !== undefined) return kept
    const content = sheet.readNow()
    this.#keep(sheet, content)
    return content
  }

  #read(sheet: Sheet): void {
    sheet.hold().read((error, content) => {
      sheet.release()
      const waiting = this.#reading.get(sheet) ?? []
      this.#reading.delete(sheet)
      if (error !== null) return this.#failed(error as CodedError)
      this.#keep(sheet, content)
      for (const done of waiting) done()
    })
  }

  #keep(sheet: Sheet, content: Uint8Array): void {
    this.#kept.set(sheet, content)
    this.#keptBytes += content.length
    for (const [oldest, bytes] of this.#kept) {
      if (this.#keptBytes <= KEPT_BYTES || oldest === sheet) return
      this.#kept.delete(oldest)
      this.#keptBytes -= bytes.length
    }
  }
}
