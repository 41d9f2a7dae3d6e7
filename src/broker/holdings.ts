// What all queues of one state hold together, as the limits and the pager count it, and what some of them have to be asked for
// now and then. A queue tells of every message that comes or goes.

import { Bodies } from './bodies.ts'
import { Pager, type PagedQueue, type PagingGround } from './pager.ts'
import type { Policy } from './policy.ts'

/** A queue, as far as it is known here. */
export interface HeldQueue extends PagedQueue {
  /** Before this time (wall ms) nothing in it expires. */
  readonly expiresFrom: number
  /** It is no queue of this state any more. */
  forsake(): void
}

/** What is settled for queues; another version may say something else. */
interface PolicySource {
  readonly version: number
  of(queue: HeldQueue): Policy
}

/** What all queues hold together. */
export class Holdings {
  /** Bytes as the limits count them, messages on their way in included. */
  bytes = 0
  /** The same without those on their way in: what records have put there for good. */
  foldedBytes = 0
  messages = 0
  pagedMessages = 0
  pagedBytes = 0
  /** What it takes to know when delayed messages are due. */
  dueBytes = 0
  readonly bodies = new Bodies()
  /** Null where all stays in memory. */
  readonly pager: Pager | null
  readonly queues = new Set<HeldQueue>()
  /** Queues with messages that expire. */
  readonly expiring = new Set<HeldQueue>()
  /** A message has come that expires before all others of its queue. */
  onExpiring: (at: number) => void = () => {}
  /** Null where nobody serves. */
  policies: PolicySource | null = null

  constructor(paging: PagingGround | null = null) {
    this.pager = paging === null ? null : new Pager(paging, this)
  }

  /** Of `bytes` what is in memory. */
  get residentBytes(): number {
    return this.bytes - this.pagedBytes + this.dueBytes
  }

  /** All of it is forgotten. */
  clear(): void {
    if (this.pager !== null) this.pager.over = true
    for (const queue of this.queues) queue.forsake()
  }
}
