// Operators who empty a queue: the messages that nobody has leave by records, a bounded part at a time, each part when the one
// before is safe. What comes meanwhile stays, as does what a consumer has.

import { Alarm } from './alarm.ts'
import type { Block } from './block.ts'
import type { DeadLetters } from './dead-letters.ts'
import { notServing } from './intake.ts'
import { SEEN_PER_TURN } from './limits.ts'
import { type Message, Standing } from './message.ts'
import type { Queue } from './queue.ts'
import type { RecordGround } from './record-ground.ts'
import type { Refusal } from './refusal.ts'
import type { Scan } from './scan.ts'

type PurgeGround = Pick<RecordGround, 'ledger' | 'clock' | 'mayServe'>

/** How many messages left, when that is safe; or why no more do. */
type Purged = (refusal: Refusal | null, messages: number) => void

/** A record that was not taken is tried again after so long. */
const RETRY_MS = 50

export class Purges {
  readonly #ground: PurgeGround
  readonly #deaths: DeadLetters
  readonly #running = new Set<Purge>()

  constructor(ground: PurgeGround, deaths: DeadLetters) {
    this.#ground = ground
    this.#deaths = deaths
  }

  begin(queue: Queue, done: Purged): void {
    const purge = new Purge(queue, this.#ground, this.#deaths, refusal => {
      this.#running.delete(purge)
      done(refusal, purge.removed)
    })
    this.#running.add(purge)
    purge.go()
  }

  stop(): void {
    for (const purge of this.#running) purge.end(notServing)
  }
}

class Purge implements Scan {
  removed = 0
  after = 0
  left = 0
  readonly #queue: Queue
  readonly #ground: PurgeGround
  readonly #deaths: DeadLetters
  readonly #done: (refusal: Refusal | null) => void
  /** The last message that was there when the operator asked. */
  readonly #through: number
  readonly #retry: Alarm
  #found: Message[] = []
  #ended = false

  constructor(queue: Queue, ground: PurgeGround, deaths: DeadLetters, done: (refusal: Refusal | null) => void) {
    this.#queue = queue
    this.#ground = ground
    this.#deaths = deaths
    this.#done = done
    this.#through = queue.line.lastSequence
    this.#retry = new Alarm(ground.clock, this.go)
  }

  end(refusal: Refusal | null): void {
    this.#ended = true
    this.#retry.cancel()
    this.#done(refusal)
  }

  readonly go = (): void => {
    const { ledger, clock } = this.#ground
    const { after } = this
    if (this.#ended) return
    if (this.#queue.dropped || this.#queue.leaving) return this.end(null)
    const over = this.#look()
    if (!this.#remove()) {
      this.after = after
      return this.#retry.set(clock.now() + RETRY_MS, RETRY_MS)
    }
    // Not before these are safe: what is removed and not safe takes memory.
    ledger.sayAfter(() => (over ? this.end(null) : clock.soon(this.go)), this.#ground.mayServe())
  }

  /** Finds the next ones; true: those were the last. */
  #look(): boolean {
    this.left = SEEN_PER_TURN
    while (this.left > 0 && this.after < this.#through) {
      const halt = this.#queue.line.scan(this)
      if (halt === 'end') return true
      if (halt !== 'stopped') this.#block(halt)
    }
    return this.after >= this.#through
  }

  look(message: Message): boolean {
    if (message.sequence <= this.#through && message.standing === Standing.READY) this.#found.push(message)
    return false
  }

  /** One that is paged out. */
  #block(block: Block): void {
    const queue = this.#queue
    block.survey(queue.peekNow(block), (item, object) => {
      if (item.sequence > this.#through) return
      if (object === undefined) queue.pin(block, item)
      this.look(object ?? (queue.line.find(item.sequence) as Message))
    })
    this.left -= Math.min(this.left, block.count)
    this.after = block.last
  }

  /** False where the log does not take the record now. */
  #remove(): boolean {
    const found = this.#found
    this.#found = []
    if (found.length === 0) return true
    for (const message of found) this.#queue.settling(message, Standing.TAKEN)
    const recorded = this.#deaths.remove(this.#queue, found)
    if (recorded) this.removed += found.length
    else for (const message of found) this.#queue.giveBack(message)
    return recorded
  }
}
