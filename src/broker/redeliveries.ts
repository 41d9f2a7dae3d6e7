// Messages whose delivery failed and that wait before they are delivered again: on the server that serves, and only there. With
// its reign they are in their queues as before.

import type { Clock } from '../base/ports.ts'
import { Alarm } from './alarm.ts'
import type { Envelope } from './envelope.ts'
import { type Order, ReadyHeap } from './heap.ts'
import { type Message, Standing } from './message.ts'
import { redeliveryMs } from './policy.ts'
import type { Queue } from './queue.ts'

interface Held {
  /** Monotonic ms. */
  readonly at: number
  readonly sequence: number
  readonly envelope: Envelope
  readonly message: Message
}

const byTime: Order = (a, b) => {
  const difference = (a as Held).at - (b as Held).at
  return difference === 0 ? a.sequence < b.sequence : difference < 0
}

export class Redeliveries {
  readonly #clock: Clock
  readonly #held = new ReadyHeap<Held>(byTime)
  readonly #alarm: Alarm

  constructor(clock: Clock) {
    this.#clock = clock
    this.#alarm = new Alarm(clock, () => this.#run())
  }

  /** It stays RETURNING until its time has come. */
  hold(queue: Queue, message: Message): boolean {
    const { redelivery } = queue.policy
    if (redelivery === null) return false
    const at = this.#clock.now() + redeliveryMs(redelivery, message.deliveryCount)
    this.#held.push({ at, sequence: message.sequence, envelope: message.envelope, message })
    this.#plan()
    return true
  }

  stop(): void {
    this.#alarm.cancel()
    for (const { message } of this.#held.all) giveBack(message, false)
    this.#held.clear()
  }

  #plan(): void {
    const next = this.#held.peek()
    if (next !== null) this.#alarm.set(next.at, Math.max(1, next.at - this.#clock.now()))
  }

  #run(): void {
    const now = this.#clock.now()
    for (let next = this.#held.peek(); next !== null && next.at <= now; next = this.#held.peek()) {
      this.#held.shift()
      giveBack(next.message)
    }
    this.#plan()
  }
}

function giveBack(message: Message, isTold = true): void {
  const queue = message.home as Queue
  if (queue.dropped || message.standing !== Standing.RETURNING) return
  queue.giveBack(message)
  if (!isTold) return
  queue.waker?.back(message)
  queue.waker?.wanted()
}
