// A message in the broker: one object from publishing until it is removed, so that nothing else is needed per message.
// What is durable about it (sequence, queue, body, delivery count) is what records and snapshots say; the rest is about
// this reign only and is forgotten when this server stops serving.

import type { Consumer, Producer, QueuedMessage } from './api.ts'
import { DEFAULT_ENVELOPE, type Envelope } from './envelope.ts'
import { NOTHING } from './records.ts'

/** Where a message stands on this server. */
export const Standing = {
  /** Its record is appended and not known to be safe. */
  PENDING: 0,
  /** May be delivered. */
  READY: 1,
  /** Delivered; its subscription has not settled it. */
  OWNED: 2,
  /** Accepted or rejected; leaves when the SETTLED record is safe. */
  SETTLING: 3,
  /** A failed delivery; comes back when the RETURNED record is safe. */
  RETURNING: 4,
  GONE: 5,
  /** Its client has it, and the RECEIVED record that says so is not appended yet: no other record may run over it. */
  TAKEN: 6,
} as const
export type Standing = (typeof Standing)[keyof typeof Standing]

/** The subscription a message is delivered to, as the message knows it. */
export interface Owner {
  readonly consumer: Consumer
  readonly closed: boolean
  /** A message that is undeliverable to this one is gone. */
  unshun(message: Message): void
}

/** The queue of a message, as the message knows it. */
export interface Home {
  /** Its messages have grades. */
  readonly hidden: boolean
  /** The message's record is safe: it takes its place at the end. */
  enter(message: Message): void
}

/** A piece of memory that bodies share. Which body lies where is decided in bodies.ts. */
export class Page {
  readonly bytes: Uint8Array
  /** Whose bodies lie here, and of some that did. */
  messages: Message[] = []
  /** Whose bodies lie here now. */
  count = 0
  used = 0
  live = 0

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }
}

export class Message implements QueuedMessage {
  readonly sequence: number
  readonly home: Home
  /** The memory in which the body lies, and where. A view of its own for each would be half of what a message costs. */
  memory: Uint8Array = NOTHING
  bodyAt = 0
  bodyBytes = 0
  deliveryCount = 0
  envelope: Envelope = DEFAULT_ENVELOPE
  /** Of a routed message: the quality of service that its queue was granted, and 4 where retain stays as published. */
  grade = 1
  /** Set at each delivery. */
  firstAcquirer = true

  standing: Standing
  /** Delivered at least once in this reign. */
  offered = false
  owner: Owner | null = null
  /** Place in the owner's list of what it owns. */
  ownedAt = 0
  /** Subscriptions to which it is undeliverable. */
  shunnedBy: Owner[] | null = null
  /** Who waits for the answer, until it is given. */
  producer: Producer | null
  tag: number
  /** Where the body lies, if it shares a page with others. */
  page: Page | null = null
  /** Something besides its line holds on to this object (a timer of expiry, a group): it must stay one. */
  pinned = false

  constructor(sequence: number, home: Home, standing: Standing, producer: Producer | null, tag: number) {
    this.sequence = sequence
    this.home = home
    this.standing = standing
    this.producer = producer
    this.tag = tag
  }

  /** False where this object is more than what a sheet can say of it: it is not paged out (block.ts). */
  get pageable(): boolean {
    return this.standing === Standing.READY && !this.pinned && this.shunnedBy === null
  }

  /** A new view at each call. */
  get body(): Uint8Array {
    return new Uint8Array(this.memory.buffer, this.memory.byteOffset + this.bodyAt, this.bodyBytes)
  }
}
