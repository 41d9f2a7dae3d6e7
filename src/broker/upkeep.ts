// What the server that serves does with messages of its own accord: it lets in what was to wait until now (delays.ts), and takes
// out what nobody asks for any more (sweep.ts).

import type { Envelope, PublishTarget, Refusal } from './api.ts'
import { Delays, type DelaysGround } from './delays.ts'
import type { QueueTarget } from './intake.ts'
import type { Message } from './message.ts'
import { Policies, type PolicyGround } from './policies.ts'
import type { Queue } from './queue.ts'
import { boundsOf, encodeRanges, SETTLED } from './records.ts'
import { Sweep, type SweepGround } from './sweep.ts'

export interface UpkeepGround extends DelaysGround, SweepGround, PolicyGround {
  targetOf(queue: Queue): QueueTarget
  record(kind: number, queue: Queue, head: Uint8Array, messages: readonly Message[], patient: boolean): boolean
}

/** Of messages that no consumer took, since this server was started. */
export interface Counts {
  expired: number
}

export class Upkeep {
  readonly #ground: UpkeepGround
  readonly policies: Policies
  readonly delays: Delays
  readonly counts: Counts = { expired: 0 }
  readonly #sweep: Sweep

  constructor(ground: UpkeepGround) {
    this.#ground = ground
    this.policies = new Policies(ground)
    this.delays = new Delays(ground)
    this.#sweep = new Sweep(ground, (queue, messages) => this.#expired(queue, messages))
  }

  start(): void {
    this.policies.start()
    this.delays.start()
    this.#sweep.start()
  }

  stop(): void {
    this.policies.stop()
    this.delays.stop()
    this.#sweep.stop()
  }

  /** Where a message to a topic waits that is not to be published yet; null: it is time. */
  laterFor(envelope: Envelope): PublishTarget | Refusal | null {
    if (!this.delays.isEarly(envelope)) return null
    const place = this.delays.placeFor(null)
    return 'refused' in place ? place : this.#ground.targetOf(place)
  }

  #expired(queue: Queue, messages: readonly Message[]): boolean {
    for (const message of messages) queue.settling(message)
    const head = encodeRanges(queue.id, messages.length, boundsOf(messages))
    if (this.#ground.record(SETTLED, queue, head, messages, true)) {
      this.counts.expired += messages.length
      return true
    }
    for (const message of messages) queue.giveBack(message)
    return false
  }
}
