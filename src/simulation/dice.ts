// Chance with a seed. Every source of chance in the simulation has a dice of its own, forked by name, so that leaving one
// fault out does not change what the others meet.

import type { Chance } from '../base/ports.ts'

export class Dice {
  readonly #seed: string
  #a: number
  #b: number
  #c: number
  #d = 1

  constructor(seed: string) {
    this.#seed = seed
    let h = 2166136261
    const word = (): number => {
      for (let i = 0; i < seed.length; i++) h = Math.imul(h ^ seed.charCodeAt(i), 16777619)
      h = Math.imul(h ^ (h >>> 15), 2246822507)
      h = Math.imul(h ^ (h >>> 13), 3266489909)
      return (h ^= h >>> 16) >>> 0
    }
    this.#a = word()
    this.#b = word()
    this.#c = word()
    for (let i = 0; i < 12; i++) this.next()
  }

  /** Another dice, which depends on this one's seed and the name only. */
  fork(name: string): Dice {
    return new Dice(`${this.#seed}/${name}`)
  }

  /** From 0 to below 1 (the generator is sfc32). */
  next(): number {
    const t = (((this.#a + this.#b) | 0) + this.#d) | 0
    this.#d = (this.#d + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + t
    this.#c |= 0
    return (t >>> 0) / 4294967296
  }

  between(low: number, high: number): number {
    return low + this.next() * (high - low)
  }

  /** A whole number from `low` to `high`, both included. */
  whole(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1))
  }

  likely(p: number): boolean {
    return this.next() < p
  }

  pick<T>(list: readonly T[]): T {
    return list[Math.floor(this.next() * list.length)] as T
  }

  /** Short more often than long: from `low` to `high`, evenly over the orders of magnitude. */
  stretch(low: number, high: number): number {
    return low * (high / low) ** this.next()
  }
}

export const chanceOf = (dice: Dice): Chance => {
  const bytes = (n: number): Uint8Array => {
    const all = new Uint8Array(n)
    for (let i = 0; i < n; i++) all[i] = dice.next() * 256
    return all
  }
  return { bytes, id: () => Buffer.from(bytes(8)).toString('hex') }
}
