// The broker as those see it who make and run it: what it is given, and all its faces (broker.ts).

import type { CodedError } from '../base/errors.ts'
import type { Clock, Log } from '../base/ports.ts'
import type { CommitLog, RecordSink } from '../journal/commit.ts'
import type { Broker, Refusal } from './api.ts'
import type { BrokerLimits } from './limits.ts'
import type { PropertyReader, Readdress } from './neutral.ts'
import type { Operations } from './operations.ts'
import type { SettingsFace } from './settings-desk.ts'
import type { Spill } from './spill.ts'
import type { BrokerStatus } from './status.ts'

export interface BrokerOptions {
  readonly log: CommitLog
  readonly clock: Clock
  readonly limits: BrokerLimits
  readonly say: Log
  /** Where messages go that memory has no room for; without it all stay in memory. */
  readonly spill?: Spill
  /** What was paged out cannot be read again: this server must end. Needed with `spill`. */
  readonly failed?: (error: CodedError) => void
  /** What selectors judge by; without it no message has any properties. */
  readonly properties?: PropertyReader
  /** For messages that are put elsewhere; without it their bytes stay as they are. */
  readonly readdress?: Readdress
}

/** The broker with all its faces. */
export interface BrokerCore extends Broker, RecordSink {
  /** This server became active. Whatever is in a queue now may have been delivered by the server before it. */
  startServing(): void
  /**
   * This server is active no more. Consumers are told; producers get no answer to what is not answered. Records that are
   * appended and not known to be safe take effect if `committed` or later records confirm them, else with `reset`.
   */
  stopServing(): void
  /** `mayServe` may be true again: what waited for it goes on. */
  wake(): void
  /** Makes a queue, also where clients may not; null if it is there now. Only while serving. */
  declare(name: string): Refusal | null
  /** The replicated settings. */
  readonly settings: SettingsFace
  status(): BrokerStatus
  /** For operators. */
  readonly operations: Operations
  /** Size that a snapshot would have, about. */
  stateBytes(): number
}
