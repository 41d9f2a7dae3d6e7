// How far a campaign of seeds has come: what was given out, what was answered, what its state file holds. Workers answer
// in any order, so the file names the seeds that are still out: a campaign that goes on gives them out again, and no other.

export interface CampaignState {
  /** Seeds are `<base>-<number>`. */
  readonly base: string
  readonly next: number
  /** Numbers below `next` that nobody has answered yet. */
  readonly open?: readonly number[]
  readonly done: number
  readonly pairMinutes: number
  readonly givenUp: number
  readonly failed: readonly string[]
}

interface Answer {
  readonly seed: string
  readonly violation: string
  readonly simulatedMs: number
  readonly givenUp: boolean
}

export class Campaign {
  readonly base: string
  readonly failed: string[]
  done: number
  pairMinutes: number
  givenUp: number
  #next: number
  readonly #open = new Set<number>()
  /** Given out in a life before, and not answered there. */
  readonly #again: number[]

  constructor(state: CampaignState) {
    this.base = state.base
    this.failed = [...state.failed]
    this.done = state.done
    this.pairMinutes = state.pairMinutes
    this.givenUp = state.givenUp
    this.#next = state.next
    this.#again = [...(state.open ?? [])]
  }

  static fresh(base: string): Campaign {
    return new Campaign({ base, next: 1, done: 0, pairMinutes: 0, givenUp: 0, failed: [] })
  }

  /** The first number that was never given out. */
  get next(): number {
    return this.#next
  }

  /** The next seed of `goal`; null where all of them are given out. */
  give(goal: number): string | null {
    const number = this.#again.shift() ?? (this.#next <= goal ? this.#next++ : null)
    if (number === null) return null
    this.#open.add(number)
    return `${this.base}-${number}`
  }

  answered({ seed, violation, simulatedMs, givenUp }: Answer): void {
    this.#open.delete(Number(seed.slice(seed.lastIndexOf('-') + 1)))
    this.done += 1
    this.pairMinutes += simulatedMs / 60_000
    if (givenUp) this.givenUp += 1
    if (violation !== '') this.failed.push(seed)
  }

  state(): CampaignState {
    const { base, done, pairMinutes, givenUp, failed } = this
    const open = [...this.#open, ...this.#again].sort((a, b) => a - b)
    return { base, next: this.#next, open, done, pairMinutes, givenUp, failed }
  }
}
