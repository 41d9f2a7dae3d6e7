// A session on the active server: what its records say, as soon as they are appended, and who is connected now. The state's
// own view (session-state.ts) follows when they are safe; seats are made from it when this server begins to serve.

import type { Queue } from './queue.ts'
import type { SessionOwner, SessionWill } from './session-api.ts'
import type { SessionState } from './session-state.ts'
import { Binding } from './topics.ts'

export class Seat {
  readonly clientId: string
  user: string
  /** Sequence of its SESSION record; 0: nothing is recorded of it. */
  readonly id: number
  /** Null where nothing outlives the connection. */
  readonly queue: Queue | null
  keepMs: number
  will: SessionWill | null
  owner: SessionOwner | null = null
  /** Wall ms when its connection was lost; 0 while there is one. */
  awaySince = 0
  /** Not before this is its will published, or does it end: its client may still find this server. 0 once it has. */
  graceUntil = 0
  /** What its client did at the end could not be recorded yet. */
  unrecorded = false
  ended = false
  readonly bindings = new Map<string, Binding>()
  /** Inbound QoS 2: identifiers that were used; true: that is safe. */
  readonly held = new Map<number, boolean>()
  /** Those of them that its client sent again, and who waits for the answer. */
  readonly repeated = new Map<number, SessionOwner>()

  constructor(
    { clientId, user }: { readonly clientId: string; readonly user: string },
    id: number,
    queue: Queue | null,
    keepMs: number,
    will: SessionWill | null,
  ) {
    this.clientId = clientId
    this.user = user
    this.id = id
    this.queue = queue
    this.keepMs = keepMs
    this.will = will
  }

  static of(state: SessionState): Seat {
    const { id, queue, keepMs, will } = state
    const seat = new Seat(state, id, queue, keepMs, will)
    seat.awaySince = state.awaySince
    for (const packetId of state.held) seat.held.set(packetId, true)
    if (queue !== null)
      for (const [filter, options] of queue.bindings) seat.bindings.set(filter, new Binding(queue, filter, options, id))
    return seat
  }

  /** Outlives its connection. */
  get lasts(): boolean {
    return this.queue !== null
  }

  /** Wall ms when its will is due; Infinity: never. */
  get willAt(): number {
    if (this.will === null || this.owner !== null) return Infinity
    return Math.max(this.graceUntil, this.awaySince + Math.min(this.will.delayMs, this.keepMs))
  }

  get endsAt(): number {
    if (this.owner !== null) return Infinity
    return Math.max(this.graceUntil, this.awaySince + this.keepMs)
  }
}
