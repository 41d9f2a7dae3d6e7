// Messages that are next in line, whatever their place in the queue: those given back, where priorities count the ones that
// have been looked at, and what a choosy consumer has found for itself. A binary heap in the order that the queue gives.

import type { Envelope } from './envelope.ts'
import type { Message } from './message.ts'

/** What an order looks at. */
export interface Ranked {
  readonly sequence: number
  readonly envelope: Envelope
}

export type Order = (a: Ranked, b: Ranked) => boolean

export const bySequence: Order = (a, b) => a.sequence < b.sequence

/** Higher priorities first; within one the order of arrival. */
export const byPriority: Order = (a, b) => {
  const difference = a.envelope.priority - b.envelope.priority
  return difference === 0 ? a.sequence < b.sequence : difference > 0
}

export class ReadyHeap<T extends Ranked = Message> {
  #items: T[] = []
  readonly #before: Order

  constructor(before: Order) {
    this.#before = before
  }

  get length(): number {
    return this.#items.length
  }

  peek(): T | null {
    return this.#items[0] ?? null
  }

  push(item: T): void {
    const items = this.#items
    let at = items.length
    items.push(item)
    while (at > 0) {
      const up = (at - 1) >> 1
      const parent = items[up] as T
      if (!this.#before(item, parent)) break
      items[at] = parent
      at = up
    }
    items[at] = item
  }

  shift(): T | null {
    const items = this.#items
    const top = items[0]
    if (top === undefined) return null
    const moved = items.pop() as T
    const length = items.length
    if (length === 0) return top
    let at = 0
    for (;;) {
      let down = 2 * at + 1
      if (down >= length) break
      if (down + 1 < length && this.#before(items[down + 1] as T, items[down] as T)) down++
      const child = items[down] as T
      if (!this.#before(child, moved)) break
      items[at] = child
      at = down
    }
    items[at] = moved
    return top
  }

  /** All of them, in no order. */
  get all(): readonly T[] {
    return this.#items
  }

  /** Those that remain stay in their order; tells the others. */
  keep(remains: (item: T) => boolean): T[] {
    const items = this.#items
    this.#items = []
    const gone: T[] = []
    for (const item of items) {
      if (remains(item)) this.push(item)
      else gone.push(item)
    }
    return gone
  }

  clear(): void {
    this.#items = []
  }
}
