// A record that this server made and that is no message, while nobody knows yet whether it is safe: what follows when it
// is, and when it never will be. One class to a kind of change; who keeps them in order is ledger.ts.

import type { Queue } from './queue.ts'

export interface Change {
  readonly sequence: number
  /** Into the state. */
  fold(): void
  /** Those who wait for it are told. */
  answer(): void
  /** Those who wait for it will not be told: the reign is over. The record may still come to be safe. */
  silence(): void
  /** It was not appended after all: as if never made. */
  forget(state: { undeclare(queue: Queue): void }): void
}
