// Messages by the time at which each is due: a heap of two numbers to a message, so that it is small beside what the message
// itself takes where it is paged out. Messages that left otherwise stay in it until it is sifted.

const FEW = 1024

/** What one message takes in it. */
export const DUE_BYTES = 16

export class DueLine {
  #times = new Float64Array(FEW)
  #sequences = new Float64Array(FEW)
  length = 0

  /** When the first one is due; Infinity where there is none. */
  get first(): number {
    return this.length === 0 ? Infinity : (this.#times[0] as number)
  }

  push(time: number, sequence: number): void {
    if (this.length === this.#times.length) this.#room(2 * this.length)
    let at = this.length++
    while (at > 0) {
      const up = (at - 1) >> 1
      if (!this.#isBefore(time, sequence, up)) break
      this.#move(up, at)
      at = up
    }
    this.#put(at, time, sequence)
  }

  /** The first one's sequence: of those that are due at the same time the one that came first. */
  shift(): number {
    const sequence = this.#sequences[0] as number
    const last = --this.length
    const [time, moved] = [this.#times[last] as number, this.#sequences[last] as number]
    let at = 0
    for (;;) {
      let down = 2 * at + 1
      if (down >= last) break
      const other = down + 1
      if (other < last && this.#isBefore(this.#times[other] as number, this.#sequences[other] as number, down)) down++
      if (this.#isBefore(time, moved, down)) break
      this.#move(down, at)
      at = down
    }
    if (last > 0) this.#put(at, time, moved)
    if (last > FEW && 4 * last < this.#times.length) this.#room(2 * last)
    return sequence
  }

  /** Only these remain. */
  sift(remains: (sequence: number) => boolean): void {
    const [times, sequences, length] = [this.#times, this.#sequences, this.length]
    this.#times = new Float64Array(FEW)
    this.#sequences = new Float64Array(FEW)
    this.length = 0
    for (let at = 0; at < length; at++) {
      const sequence = sequences[at] as number
      if (remains(sequence)) this.push(times[at] as number, sequence)
    }
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
    this.#times.set(times.subarray(0, Math.min(length, this.length)))
    this.#sequences.set(sequences.subarray(0, Math.min(length, this.length)))
  }
}
