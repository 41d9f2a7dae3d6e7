// What the targets of a transaction's messages know of the record that its commit puts together (group.ts).

import type { Address } from './duplicate-ids.ts'
import type { Envelope } from './envelope.ts'
import type { Queue } from './queue.ts'

/** What a queue gets by one draft. */
export interface Planned {
  readonly messages: number
  readonly bytes: number
}

export const NO_PLANS: Planned = { messages: 0, bytes: 0 }

export interface Draft {
  /** What its messages count for in limits. */
  readonly bytes: number
  planned(queue: Queue): Planned
  /** True where a message of this identifier came before, or is in this draft: it is left out. */
  leavesOut(address: Address, envelope: Envelope): boolean
  message(queue: Queue, body: Uint8Array, envelope: Envelope): void
  /** Into all these queues, or none where only its identifier is to be known; `topic`: the topic it is published to. */
  routed(topic: string, queues: readonly Queue[], grades: readonly number[], body: Uint8Array, envelope: Envelope): void
  /** Happens with the rest, and leaves no record. */
  atFold(act: () => void): void
  /** The same, and only while somebody may be told. */
  atAnswer(act: () => void): void
}
