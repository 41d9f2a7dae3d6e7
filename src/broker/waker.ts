// Who is told of what goes on in a queue: its deliveries, and consumers with a place of their own.

import type { Message } from './message.ts'

/** Told when a queue has something to deliver; there is one while the queue has subscriptions. */
export interface Waker {
  wanted(): void
  /** That the delivery of this message failed is safe. */
  failed(message: Message): void
  /** A message whose delivery failed; true where it is to wait before it may be delivered again. */
  holds(message: Message): boolean
  /** A message whose delivery failed may be delivered again. */
  back(message: Message): void
  /** A consumer has credit. */
  readonly hungry: boolean
}

/** A consumer with a place of its own in the line (seeker.ts). */
export interface Placed {
  /** A message is there again. */
  again(message: Message): void
  /** From this sequence on it looks again. */
  rewind(sequence: number): void
}
