// Messages that came to a queue which is at a limit and whose settings say that its producers are slowed: they are held, without
// an answer, until there is room, and what comes after them is held behind them. So a producer gets no further than the answers
// that it may wait for. What is held is bounded; beyond that messages are refused.

import type { Producer } from './api.ts'
import type { Envelope } from './envelope.ts'
import { Fifo } from './fifo.ts'
import { costOf, SLOWED_BYTES, SLOWED_MESSAGES } from './limits.ts'

export interface Slow {
  readonly body: Buffer
  readonly producer: Producer | null
  readonly tag: number
  readonly envelope: Envelope
}

/** What all queues together hold so. */
export class Slowed {
  messages = 0
  bytes = 0
}

export class SlowLine {
  readonly #line = new Fifo<Slow>()
  readonly #all: Slowed

  constructor(all: Slowed) {
    this.#all = all
  }

  get length(): number {
    return this.#line.length
  }

  /** False where it is too much. Both are copied. */
  add(body: Uint8Array, producer: Producer | null, tag: number, envelope: Envelope): boolean {
    const cost = costOf(body.length)
    if (this.#all.messages >= SLOWED_MESSAGES || this.#all.bytes + cost > SLOWED_BYTES) return false
    this.#count(1, cost)
    this.#line.push({ body: Buffer.from(body), producer, tag, envelope: { ...envelope } })
    return true
  }

  /** Gives them on, in their order, as long as they are taken. */
  offer(take: (slow: Slow) => boolean): void {
    for (let first = this.#line.peek(); first !== undefined && take(first); first = this.#line.peek())
      this.#leave(first)
  }

  clear(): void {
    for (let first = this.#line.peek(); first !== undefined; first = this.#line.peek()) this.#leave(first)
  }

  #leave({ body }: Slow): void {
    this.#line.shift()
    this.#count(-1, costOf(body.length))
  }

  #count(messages: number, cost: number): void {
    this.#all.messages += messages
    this.#all.bytes += messages * cost
  }
}
