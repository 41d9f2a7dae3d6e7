// Messages laid out together in a spill, one after another as the MESSAGE items of a snapshot (item.ts), under one checksum.
// The block of a queue whose messages they are holds it, and so does each snapshot under way: it is given back when the last
// of them lets go. A sheet never changes: what became of its messages meanwhile is the block's to know.

import { crc32 } from 'node:zlib'
import { assert } from '../base/assert.ts'
import { causeText } from '../journal/errors.ts'
import { brokerError } from './errors.ts'
import type { Spill } from './spill.ts'

export class Sheet {
  readonly #spill: Spill
  readonly #place: number
  readonly bytes: number
  readonly #crc: number
  #holders = 1

  constructor(spill: Spill, place: number, content: Uint8Array) {
    this.#spill = spill
    this.#place = place
    this.bytes = content.length
    this.#crc = crc32(content)
  }

  hold(): this {
    assert(this.#holders > 0, 'a sheet that was given back is not held again')
    this.#holders++
    return this
  }

  release(): void {
    if (--this.#holders === 0) this.#spill.free(this.#place, this.bytes)
  }

  /** Its content, checked; or the coded error that says why it cannot be had. */
  read(done: (error: Error | null, content: Uint8Array) => void): void {
    this.#spill.read(this.#place, this.bytes, (error, content) => {
      const fault = error ?? this.#fault(content)
      done(fault === null ? null : spoiled(fault), content)
    })
  }

  /** The same at once, for what cannot wait. */
  readNow(): Uint8Array {
    let content: Uint8Array
    try {
      content = this.#spill.readNow(this.#place, this.bytes)
    } catch (error) {
      throw spoiled(error)
    }
    const fault = this.#fault(content)
    if (fault !== null) throw spoiled(fault)
    return content
  }

  #fault(content: Uint8Array): Error | null {
    if (content.length === this.bytes && crc32(content) === this.#crc) return null
    return new Error('it is not what was written')
  }
}

const spoiled = (error: unknown): Error => brokerError('PAGE', { why: causeText(error) }, error)
