// What was found under names that others choose, remembered within two bounds, as one long name takes as much memory as a
// thousand usual ones. Beyond either of them all is forgotten, and found anew.

export class Known<T> {
  readonly #all = new Map<string, T>()
  readonly #most: number
  readonly #mostLength: number
  /** Characters of all names. */
  #length = 0

  constructor(most: number, mostLength: number) {
    this.#most = most
    this.#mostLength = mostLength
  }

  get(name: string): T | undefined {
    return this.#all.get(name)
  }

  /** Of a name that is not known. */
  add(name: string, found: T): void {
    if (this.#all.size >= this.#most || this.#length + name.length > this.#mostLength) this.clear()
    this.#all.set(name, found)
    this.#length += name.length
  }

  clear(): void {
    this.#all.clear()
    this.#length = 0
  }
}
