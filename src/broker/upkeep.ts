// What the server that serves does with messages of its own accord: it lets in what was to wait until now (delays.ts), and takes
// out what nobody asks for any more (sweep.ts), to where that is settled (dead-letters.ts).

import type { Envelope, PublishTarget, Refusal } from './api.ts'
import { type DeathGround, DeadLetters } from './dead-letters.ts'
import { Delays, type DelaysGround } from './delays.ts'
import type { QueueTarget } from './intake.ts'
import { type Message, Standing } from './message.ts'
import { Oldest } from './oldest.ts'
import { Policies, type PolicyGround } from './policies.ts'
import { Purges } from './purges.ts'
import type { Queue } from './queue.ts'
import { RetainedSweep } from './retained-sweep.ts'
import { Redeliveries } from './redeliveries.ts'
import { Sweep, type SweepGround } from './sweep.ts'

export interface UpkeepGround extends DelaysGround, SweepGround, PolicyGround, DeathGround {
  targetOf(queue: Queue): QueueTarget
}

export class Upkeep {
  readonly #ground: UpkeepGround
  readonly policies: Policies
  readonly delays: Delays
  readonly deaths: DeadLetters
  readonly redeliveries: Redeliveries
  readonly oldest: Oldest
  readonly purges: Purges
  readonly #sweep: Sweep
  readonly #retained: RetainedSweep

  constructor(ground: UpkeepGround) {
    this.#ground = ground
    this.policies = new Policies(ground)
    this.delays = new Delays(ground)
    this.deaths = new DeadLetters(ground)
    this.oldest = new Oldest(this.deaths)
    this.purges = new Purges(ground, this.deaths)
    this.redeliveries = new Redeliveries(ground.clock)
    this.#sweep = new Sweep(ground, (queue, messages) => this.#expired(queue, messages))
    this.#retained = new RetainedSweep(ground)
  }

  start(): void {
    this.policies.start()
    for (const queue of this.#ground.state.queues) queue.leaving = false
    this.delays.start()
    this.#sweep.start()
    this.#retained.start()
  }

  stop(): void {
    this.policies.stop()
    this.delays.stop()
    this.purges.stop()
    this.#sweep.stop()
    this.#retained.stop()
    this.deaths.stop()
    this.redeliveries.stop()
  }

  /** Where a message to a topic waits that is not to be published yet; null: it is time. */
  laterFor(envelope: Envelope): PublishTarget | Refusal | null {
    if (!this.delays.isEarly(envelope)) return null
    const place = this.delays.placeFor(null)
    return 'refused' in place ? place : this.#ground.targetOf(place)
  }

  /** The queue is about to go: no record may speak of it any more. */
  leaves(queue: Queue): void {
    queue.leaving = true
    this.deaths.forget(queue)
  }

  #expired(queue: Queue, messages: readonly Message[]): boolean {
    for (const message of messages) queue.settling(message, Standing.TAKEN)
    const left = this.deaths.move(queue, messages, 'expired')
    for (const message of left) queue.giveBack(message)
    return left.length === 0
  }
}
