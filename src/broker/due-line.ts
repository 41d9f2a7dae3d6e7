// Messages by the time at which each is due: a heap of two numbers to a message, so that it is small beside what the message
// itself takes where it is paged out. Messages that left otherwise stay in it until they are first, or it is tidied.

const LEAST = 16
const ENTRY_BYTES = 16

export class DueLine {
  #times = new Float64Array(LEAST)
  #sequences = new Float64Array(LEAST)
  length = 0
  /** How far `tidy` has looked. */
  #tidied = 0

  /** When the first one is due; Infinity where there is none. */
  get first(): number {
    return this.length === 0 ? Infinity : (this.#times[0] as number)
  }

  /** The first one's sequence, where there is one: of those that are due at the same time the one that came first. */
  get firstSequence(): number {
    return this.#sequences[0] as number
  }

  /** What it takes in memory. */
  get bytes(): number {
    return this.#times.length * ENTRY_BYTES
  }

  push(time: number, sequence: number): void {
    if (this.length === this.#times.length) this.#room(2 * this.length)
    this.#rise(this.length++, time, sequence)
  }

  /** The first one leaves. */
  shift(): void {
    this.#drop(0)
  }

  /** Looks at so many, in the course of time at all, and drops those that do not remain. */
  tidy(looks: number, remains: (sequence: number) => boolean): void {
    for (; looks > 0 && this.length > 0; looks--) {
      if (this.#tidied >= this.length) this.#tidied = 0
      if (remains(this.#sequences[this.#tidied] as number)) this.#tidied++
      else this.#drop(this.#tidied)
    }
  }

  clear(): void {
    this.length = 0
    this.#room(LEAST)
  }

  #drop(at: number): void {
    const last = --this.length
    const [time, sequence] = [this.#times[last] as number, this.#sequences[last] as number]
    if (at < last) {
      if (at > 0 && this.#isBefore(time, sequence, (at - 1) >> 1)) this.#rise(at, time, sequence)
      else this.#sink(at, time, sequence)
    }
    if (last > LEAST && 4 * last < this.#times.length) this.#room(2 * last)
  }

  #rise(at: number, time: number, sequence: number): void {
    while (at > 0) {
      const up = (at - 1) >> 1
      if (!this.#isBefore(time, sequence, up)) break
      this.#move(up, at)
      at = up
    }
    this.#put(at, time, sequence)
  }

  #sink(at: number, time: number, sequence: number): void {
    for (;;) {
      let down = 2 * at + 1
      if (down >= this.length) break
      const other = down + 1
      if (other < this.length && this.#isBefore(this.#times[other] as number, this.#sequences[other] as number, down))
        down++
      if (this.#isBefore(time, sequence, down)) break
      this.#move(down, at)
      at = down
    }
    this.#put(at, time, sequence)
  }

  #isBefore(time: number, sequence: number, at: number): boolean {
    const other = this.#times[at] as number
    return time === other ? sequence < (this.#sequences[at] as number) : time < other
  }

  #move(from: number, to: number): void {
    this.#put(to, this.#times[from] as number, this.#sequences[from] as number)
  }

  #put(at: number, time: number, sequence: number): void {
    this.#times[at] = time
    this.#sequences[at] = sequence
  }

  #room(length: number): void {
    const [times, sequences] = [this.#times, this.#sequences]
    this.#times = new Float64Array(length)
    this.#sequences = new Float64Array(length)
    this.#times.set(times.subarray(0, this.length))
    this.#sequences.set(sequences.subarray(0, this.length))
  }
}
