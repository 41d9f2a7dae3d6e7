// A first-in-first-out line of references on one array: O(1) amortised, no object per entry. It has no bound of its own:
// what is in it is bounded by whoever admits (the broker's limits).

export class Fifo<T> {
  #items: (T | undefined)[] = []
  #head = 0

  get length(): number {
    return this.#items.length - this.#head
  }

  push(item: T): void {
    this.#items.push(item)
  }

  peek(): T | undefined {
    return this.#items[this.#head]
  }

  shift(): T | undefined {
    const items = this.#items
    const head = this.#head
    if (head === items.length) return undefined
    const item = items[head]
    items[head] = undefined
    this.#head = head + 1
    if (head + 1 === items.length) this.clear()
    else if (head > 1023 && head * 2 > items.length) {
      items.copyWithin(0, head + 1)
      items.length -= head + 1
      this.#head = 0
    }
    return item
  }

  /** Takes away the last one. */
  pop(): T | undefined {
    if (this.length === 0) return undefined
    const item = this.#items.pop()
    if (this.length === 0) this.clear()
    return item
  }

  last(): T | undefined {
    return this.length === 0 ? undefined : this.#items[this.#items.length - 1]
  }

  forEach(visit: (item: T) => void): void {
    for (let i = this.#head; i < this.#items.length; i++) visit(this.#items[i] as T)
  }

  clear(): void {
    // A long array that has run empty is given back; a short one is kept.
    if (this.#items.length > 65536) this.#items = []
    else this.#items.length = 0
    this.#head = 0
  }
}
