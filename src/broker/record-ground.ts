// What whoever takes messages, or makes records about them, needs of the broker: for queues (intake.ts), topics
// (topic-target.ts) and sessions.

import type { Clock, Log } from '../base/ports.ts'
import type { CommitLog } from '../journal/commit.ts'
import type { DuplicateIds } from './duplicate-ids.ts'
import type { Ledger } from './ledger.ts'
import type { BrokerLimits } from './limits.ts'
import type { Refusal } from './refusal.ts'

export interface RecordGround {
  readonly serving: boolean
  /** Whether anything may be delivered or answered at this very moment (P1). */
  mayServe(): boolean
  readonly limits: BrokerLimits
  readonly ledger: Ledger
  /** Bytes in all queues as the limits count them. */
  readonly heldBytes: number
  /** Of these what is in memory. */
  readonly residentBytes: number
  /** CommitLog.append; 0 where the record is not taken, and `noRecord` then says why. */
  append: CommitLog['append']
  /** The body of the record appended last, as a queue may keep it: a large one in the memory where the record lies. */
  laid(sequence: number, body: Uint8Array): Uint8Array
  readonly noRecord: Refusal
  /** True while the log takes no records because too much is not safe yet. */
  readonly crowded: boolean
  /** What is known of messages whose producers name them. */
  readonly duplicates: DuplicateIds
  readonly clock: Clock
  readonly say: Log
}
