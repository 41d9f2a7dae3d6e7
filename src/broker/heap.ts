// Messages that are next in line, whatever their place in the queue: those given back, and where priorities count the ones
// that have been looked at. A binary heap in the order that the queue gives.

import type { Message } from './message.ts'

export type Order = (a: Message, b: Message) => boolean

export const bySequence: Order = (a, b) => a.sequence < b.sequence

/** Higher priorities first; within one the order of arrival. */
export const byPriority: Order = (a, b) => {
  const difference = a.envelope.priority - b.envelope.priority
  return difference === 0 ? a.sequence < b.sequence : difference > 0
}

export class ReadyHeap {
  readonly #items: Message[] = []
  readonly #before: Order

  constructor(before: Order) {
    this.#before = before
  }

  get length(): number {
    return this.#items.length
  }

  peek(): Message | null {
    return this.#items[0] ?? null
  }

  push(message: Message): void {
    const items = this.#items
    let at = items.length
    items.push(message)
    while (at > 0) {
      const up = (at - 1) >> 1
      const parent = items[up] as Message
      if (!this.#before(message, parent)) break
      items[at] = parent
      at = up
    }
    items[at] = message
  }

  shift(): Message | null {
    const items = this.#items
    const top = items[0]
    if (top === undefined) return null
    const moved = items.pop() as Message
    const length = items.length
    if (length === 0) return top
    let at = 0
    for (;;) {
      let down = 2 * at + 1
      if (down >= length) break
      if (down + 1 < length && this.#before(items[down + 1] as Message, items[down] as Message)) down++
      const child = items[down] as Message
      if (!this.#before(child, moved)) break
      items[at] = child
      at = down
    }
    items[at] = moved
    return top
  }

  clear(): void {
    this.#items.length = 0
  }
}
