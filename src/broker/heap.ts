// Messages given back, lowest sequence first: a binary heap. They are delivered before anything that was never offered.

import type { Message } from './message.ts'

export class SequenceHeap {
  readonly #items: Message[] = []

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
      if (parent.sequence <= message.sequence) break
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
      if (down + 1 < length && (items[down + 1] as Message).sequence < (items[down] as Message).sequence) down++
      const child = items[down] as Message
      if (child.sequence >= moved.sequence) break
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
