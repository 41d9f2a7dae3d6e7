// Topic filters and what is filed under them, by levels: `+` stands for one level, `#` at the end for any number, and
// neither for a first level that begins with `$`. Finding who wants a topic takes one walk over its levels.

class Node<T> {
  readonly children = new Map<string, Node<T>>()
  /** Filed under the filter that ends here, and under this one with `/#` after it. */
  readonly here = new Set<T>()
  readonly below = new Set<T>()

  get isEmpty(): boolean {
    return this.children.size === 0 && this.here.size === 0 && this.below.size === 0
  }
}

export class TopicTree<T> {
  readonly #root = new Node<T>()

  add(filter: string, entry: T): void {
    const levels = filter.split('/')
    const whole = levels.at(-1) !== '#'
    let node = this.#root
    for (let i = 0; i < (whole ? levels.length : levels.length - 1); i++) {
      const level = levels[i] as string
      let next = node.children.get(level)
      if (next === undefined) node.children.set(level, (next = new Node()))
      node = next
    }
    if (whole) node.here.add(entry)
    else node.below.add(entry)
  }

  remove(filter: string, entry: T): void {
    const levels = filter.split('/')
    const whole = levels.at(-1) !== '#'
    this.#remove(this.#root, whole ? levels : levels.slice(0, -1), 0, whole, entry)
  }

  #remove(node: Node<T>, levels: readonly string[], at: number, whole: boolean, entry: T): void {
    if (at === levels.length) {
      if (whole) node.here.delete(entry)
      else node.below.delete(entry)
      return
    }
    const level = levels[at] as string
    const next = node.children.get(level)
    if (next === undefined) return
    this.#remove(next, levels, at + 1, whole, entry)
    if (next.isEmpty) node.children.delete(level)
  }

  /** Everything whose filter matches the topic. */
  match(topic: string): T[] {
    const found: T[] = []
    this.#match(this.#root, topic.split('/'), 0, found)
    return found
  }

  #match(node: Node<T>, levels: readonly string[], at: number, found: T[]): void {
    const wild = at > 0 || !(levels[0] as string).startsWith('$')
    // `a/#` matches `a` too.
    if (wild) for (const entry of node.below) found.push(entry)
    if (at === levels.length) {
      for (const entry of node.here) found.push(entry)
      return
    }
    const exact = node.children.get(levels[at] as string)
    if (exact !== undefined) this.#match(exact, levels, at + 1, found)
    const any = wild ? node.children.get('+') : undefined
    if (any !== undefined) this.#match(any, levels, at + 1, found)
  }
}

/** Whether the filter matches the topic: for one filter and many topics. */
export function filterMatches(filter: readonly string[], topic: readonly string[]): boolean {
  if ((topic[0] as string).startsWith('$') && (filter[0] === '+' || filter[0] === '#')) return false
  for (let i = 0; i < filter.length; i++) {
    if (filter[i] === '#') return true
    if (i >= topic.length || (filter[i] !== '+' && filter[i] !== topic[i])) return false
  }
  return filter.length === topic.length
}
