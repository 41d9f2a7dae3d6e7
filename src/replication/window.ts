// The shipper's window: the batches that are under way to the follower, each by its end position and size. Bounded in
// bytes and in batches; knows our digest at every place where a confirmation can come, and nothing about sending.

import { assert } from '../base/assert.ts'
import { samePosition } from '../journal/position.ts'
import type { Position } from '../journal/position.ts'

/** progress: more is confirmed. old: known already. unknown: not the end of a batch sent. differs: other digest. */
export type Confirmation = 'progress' | 'old' | 'unknown' | 'differs'

export class Window {
  readonly #maxBytes: number
  readonly #ends: (Position | undefined)[]
  readonly #sizes: Float64Array
  #head = 0
  #count = 0
  #bytes = 0
  #confirmed: Position

  constructor(from: Position, maxBytes: number, maxBatches: number) {
    this.#confirmed = from
    this.#maxBytes = maxBytes
    this.#ends = Array.from({ length: maxBatches })
    this.#sizes = new Float64Array(maxBatches)
  }

  /** The last position confirmed by the follower. */
  get confirmed(): Position {
    return this.#confirmed
  }

  get bytes(): number {
    return this.#bytes
  }

  get batches(): number {
    return this.#count
  }

  /** Room for a batch of `bytes`. One that is larger than the whole window may go alone. */
  hasRoom(bytes: number): boolean {
    return this.#count === 0 || (this.#count < this.#ends.length && this.#bytes + bytes <= this.#maxBytes)
  }

  sent(end: Position, bytes: number): void {
    assert(this.#count < this.#ends.length, 'no more batches are under way than the window holds')
    const slot = (this.#head + this.#count) % this.#ends.length
    this.#ends[slot] = end
    this.#sizes[slot] = bytes
    this.#count += 1
    this.#bytes += bytes
  }

  /** A confirmation came. A follower may skip batch ends, but only ends of batches can be confirmed. */
  confirm(position: Position): Confirmation {
    if (position.sequence <= this.#confirmed.sequence) {
      const same = position.sequence < this.#confirmed.sequence || samePosition(position, this.#confirmed)
      return same ? 'old' : 'differs'
    }
    let through = 0
    for (; through < this.#count; through += 1) {
      const end = this.#ends[(this.#head + through) % this.#ends.length] as Position
      if (end.sequence < position.sequence) continue
      if (end.sequence > position.sequence) return 'unknown'
      if (!samePosition(end, position)) return 'differs'
      this.#confirmed = end
      this.#drop(through + 1)
      return 'progress'
    }
    return 'unknown'
  }

  #drop(batches: number): void {
    for (let n = 0; n < batches; n += 1) {
      this.#bytes -= this.#sizes[this.#head] as number
      this.#ends[this.#head] = undefined
      this.#head = (this.#head + 1) % this.#ends.length
      this.#count -= 1
    }
  }
}
