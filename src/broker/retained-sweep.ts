// Retained messages whose time is over: nobody gets them any more (topic-desk.ts), and the server that serves takes them away by
// records, so that they neither keep memory nor count towards the limits for ever (MQTT 5.0, 3.3.2.3.3).

import { Alarm } from './alarm.ts'
import { keptEnvelope, MQTT_ENVELOPE } from './envelope.ts'
import type { RecordGround } from './record-ground.ts'
import { NOTHING, RETAINED } from './records.ts'
import { encodeRetainedHead } from './retained.ts'
import type { State } from './state.ts'
import { RetainedChange } from './topic-changes.ts'

export interface RetainedSweepGround extends RecordGround {
  readonly state: State
}

const TAKEN_PER_TURN = 256
/** Between two sweeps, and before the first: a message that expires stays so much longer at most. */
const PAUSE_MS = 1000
const RETRY_MS = 50
/** Until the next turn, where one does not do. */
const NEXT_MS = 1

export class RetainedSweep {
  readonly #ground: RetainedSweepGround
  /** By the wall clock. */
  readonly #alarm: Alarm
  #going = false

  constructor(ground: RetainedSweepGround) {
    this.#ground = ground
    this.#alarm = new Alarm(ground.clock, () => this.#go())
  }

  start(): void {
    const { retained } = this.#ground.state
    retained.onExpiring = at => this.#plan(at)
    this.#plan(retained.expiresFrom)
  }

  stop(): void {
    this.#ground.state.retained.onExpiring = () => {}
    this.#alarm.cancel()
  }

  #plan(at: number, leastMs = PAUSE_MS): void {
    if (!this.#going && at < Infinity) this.#alarm.setByWall(at, leastMs)
  }

  #go(): void {
    const ground = this.#ground
    if (!ground.serving) return
    const { retained } = ground.state
    const now = ground.clock.wall()
    // Whoever looks at what is over must know that it serves: its clock decides for both servers.
    if (!ground.mayServe()) return this.#plan(now, RETRY_MS)
    this.#going = true
    let isRefused = false
    for (let left = TAKEN_PER_TURN; left > 0; left--) {
      const over = retained.takeExpired(now)
      if (over === null) break
      // The newest record of a topic decides; what it keeps after that is looked at then.
      if (retained.isChanging(over.topic)) retained.putBack(over.topic, now + PAUSE_MS)
      else if (!this.#remove(over.topic)) {
        retained.putBack(over.topic, over.envelope.expiresAt)
        isRefused = true
        break
      }
    }
    this.#going = false
    const paceMs = retained.expiresFrom <= now ? NEXT_MS : PAUSE_MS
    this.#plan(retained.expiresFrom, isRefused ? RETRY_MS : paceMs)
  }

  /** False where the log does not take the record now. */
  #remove(topic: string): boolean {
    const ground = this.#ground
    const forgets = { topic, envelope: keptEnvelope(MQTT_ENVELOPE), body: NOTHING }
    const sequence = ground.append(RETAINED, encodeRetainedHead(topic, forgets.envelope), NOTHING)
    if (sequence === 0) return false
    ground.ledger.change(new RetainedChange(sequence, ground.state.retained, forgets, null, 0))
    return true
  }
}
