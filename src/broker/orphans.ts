// Hidden queues whose owner never came to be: the log took the record that declares the queue, and refused the one of the
// session or subscription that was to own it. They are taken away as soon as the log takes a record again; those that an
// earlier reign left, when it is clear that no owner's record is still on its way.

import { Alarm } from './alarm.ts'
import { NOTHING, DROPPED } from './records.ts'
import { DELAYED_PREFIX } from './delayed-queue.ts'
import type { Queue } from './queue.ts'
import type { RecordGround } from './record-ground.ts'
import type { State } from './state.ts'
import { PlainChange } from './topic-changes.ts'
import { encodeDropped } from './topic-records.ts'

interface OrphanGround extends Pick<RecordGround, 'append' | 'ledger' | 'clock' | 'serving'> {
  readonly state: Pick<State, 'queues' | 'sessions' | 'sequence' | 'dropQueue'>
  /** The last record of an earlier reign. */
  readonly suspectThrough: number
  closeQueue(queue: Queue): void
}

/** A record that was not taken is tried again after so long. */
const RETRY_MS = 50

export class Orphans {
  readonly #ground: OrphanGround
  readonly #alarm: Alarm
  #queues: Queue[] = []
  /** What an earlier reign left was not looked for yet. */
  #mustLook = false

  constructor(ground: OrphanGround) {
    this.#ground = ground
    this.#alarm = new Alarm(ground.clock, () => this.#sweep())
  }

  start(): void {
    this.#mustLook = this.#left().length > 0
    if (this.#mustLook) this.#again()
  }

  stop(): void {
    this.#alarm.cancel()
    this.#queues = []
  }

  add(queue: Queue): void {
    this.#queues.push(queue)
    this.#again()
  }

  #again(): void {
    const { clock } = this.#ground
    this.#alarm.set(clock.now() + RETRY_MS, RETRY_MS)
  }

  #sweep(): void {
    const { state, ledger, serving } = this.#ground
    if (!serving) return
    if (this.#mustLook) {
      if (state.sequence < this.#ground.suspectThrough) return this.#again()
      this.#mustLook = false
      this.#queues.push(...this.#left())
    }
    for (let queue = this.#queues.at(-1); queue !== undefined; queue = this.#queues.at(-1)) {
      const orphan = queue
      const sequence = this.#ground.append(DROPPED, encodeDropped(orphan.id), NOTHING)
      if (sequence === 0) return this.#again()
      this.#queues.pop()
      this.#ground.closeQueue(orphan)
      const fold = (): void => state.dropQueue(orphan)
      ledger.change(new PlainChange(sequence, fold, () => {}))
    }
  }

  /** Queues of an earlier reign without an owner, as far as the state speaks now. */
  #left(): Queue[] {
    const { state, suspectThrough } = this.#ground
    const owned = new Set<Queue | null>()
    for (const session of state.sessions.all()) owned.add(session.queue)
    return [...state.queues].filter(
      queue =>
        queue.hidden &&
        // The owner of one that is younger may be on its way.
        queue.id <= suspectThrough &&
        queue.bindings.size === 0 &&
        !owned.has(queue) &&
        !queue.name.startsWith(DELAYED_PREFIX),
    )
  }
}
