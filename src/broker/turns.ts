// The one place where the broker's own turns of the event loop begin. Before anything is delivered the server must prove anew
// that it may serve (P1), and where it cannot the queue waits for `wake`.

import type { Clock } from '../base/ports.ts'

interface TurnsGround {
  mayServe(): boolean
  /** Answers that could not be given when their records became safe go out now. */
  answerOwed(): void
}

/** A queue with something to record or to deliver. */
interface Waiting {
  /** Kept here: it waits for its turn. */
  due: boolean
  readonly unrecorded: boolean
  flush(): void
  pump(): void
}

export class Turns {
  readonly #clock: Clock
  readonly #ground: TurnsGround
  #due: Waiting[] = []
  #stalled: Waiting[] = []
  #scheduled = false
  /** Other work for the broker's turns. */
  #extra: (() => void) | null = null

  constructor(clock: Clock, ground: TurnsGround) {
    this.#clock = clock
    this.#ground = ground
  }

  add(delivery: Waiting): void {
    this.#due.push(delivery)
    this.#schedule()
  }

  /** `work` is done once in the next turn, after deliveries. */
  also(work: () => void): void {
    this.#extra = work
    this.#schedule()
  }

  /** It may be possible to serve again. */
  wake(): void {
    const stalled = this.#stalled
    if (stalled.length === 0) return
    this.#stalled = []
    for (const delivery of stalled) this.#due.push(delivery)
    this.#schedule()
  }

  forget(): void {
    this.#due = []
    this.#stalled = []
    this.#extra = null
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    this.#clock.soon(this.#run)
  }

  readonly #run = (): void => {
    this.#scheduled = false
    const due = this.#due
    this.#due = []
    // All records first: they are then in one batch of the journal, however long delivering takes.
    for (const delivery of due) delivery.flush()
    for (const delivery of due) {
      if (!delivery.due) continue // forgotten meanwhile: a front end's word in this very turn ended the reign
      if (this.#ground.mayServe()) {
        this.#ground.answerOwed()
        if (!delivery.due) continue
        delivery.due = false
        delivery.pump()
        if (delivery.unrecorded && !delivery.due) {
          // The log took no record; when something has become safe it may.
          delivery.due = true
          this.#stalled.push(delivery)
        }
      } else this.#stalled.push(delivery)
    }
    const extra = this.#extra
    this.#extra = null
    extra?.()
  }
}
