// What the admin API knows of a server, and what it can ask of it. The server (src/server) implements this; the API, the
// status table and the metrics only ever look through here.

import type { AddressDesk } from '../access/address-desk.ts'
import type { ContentDesk } from '../access/content-desk.ts'
import type { Desk } from '../access/desk.ts'
import type { CodedError } from '../base/errors.ts'
import type { VitalReport } from '../doctor/self-test.ts'
import type { QuarantineInfo } from '../journal/types.ts'
import type { RecordView } from '../journal/commit.ts'
import type { PeerRole, Role } from '../states/roles.ts'

type Label = 'primary' | 'secondary'

export interface StatusReport {
  readonly server: Label
  readonly kind: 'FES' | 'FPS'
  readonly pairId: string
  readonly role: Role
  readonly previous: Role
  /** Wall clock of the last change of role. */
  readonly sinceWallMs: number
  /** The reason from the rule table for being in this role. */
  readonly because: string
  /** True at this moment: it may acknowledge and deliver, and its client ports are open. */
  readonly serving: boolean
  readonly peer: {
    readonly role: PeerRole
    readonly previous: PeerRole
    /** False where it never came since this server started: its role is DEAD then, too, but it was not lost. */
    readonly seen: boolean
    readonly address: string
    readonly connected: boolean
    /** Round trip of the last answered ping. */
    readonly roundTripMs: number | null
  }
  readonly epoch: number
  readonly lock: {
    readonly path: string
    readonly held: boolean
    /** Time until the lease ends unless it is renewed; null while not held. */
    readonly leaseLeftMs: number | null
    /** The newest record of the LockFile; null where it is not known. */
    readonly record: {
      readonly seq: number
      readonly epoch: number
      readonly holder: Label
      readonly inSync: readonly Label[]
      readonly reason: string
      readonly wallMs: number
    } | null
    /** The coded line of what is wrong with the share, or null. */
    readonly fault: string | null
  }
  readonly gateway: { readonly address: string; readonly reachable: boolean | null }
  /** False where one more fault would end the service: no lock, no gateway, or no peer in sync. */
  readonly protected: boolean
  /** Why not; empty where it is. */
  readonly unprotected: readonly string[]
  readonly position: { readonly epoch: number; readonly sequence: number }
  /** Everything up to this sequence is safe by the commit rule. */
  readonly committed: number
  /** `ageMs`: as the peer said so long ago; null where it is told at every change. */
  readonly peerPosition: { readonly epoch: number; readonly sequence: number; readonly ageMs: number | null } | null
  /** How far the follower is behind; 0 on a passive server. */
  readonly lagRecords: number
  readonly lagBytes: number
  /** A runtime synchronization under way. */
  readonly sync: { readonly how: 'tail' | 'snapshot'; readonly doneBytes: number; readonly totalBytes: number } | null
  readonly clients: { readonly connections: number; readonly queues: number; readonly messages: number }
  /** `dropped`: messages that a subscriber did not get, because its queue was full or it did not read, since the start. */
  readonly topics: {
    readonly sessions: number
    readonly subscriptions: number
    readonly retained: number
    readonly dropped: number
  }
  /** Messages that no consumer took: not to be delivered yet; and without room; and since the start: over, put elsewhere, gone for newer ones. */
  readonly upkeep: {
    readonly delayed: number
    readonly held: number
    readonly expired: number
    readonly deadLettered: number
    readonly discarded: number
  }
  /** What keeps this server from a better role, a sentence each, the most pressing first; empty where nothing does. */
  readonly blocked: readonly string[]
  readonly quarantines: number
  /** The continuous self-test: the worst of each vital sign lately. */
  readonly vitals: readonly VitalReport[]
  readonly version: string
  readonly pid: number
}

/** Something that happened, newest last; the server keeps the last few hundred. */
export interface EventEntry {
  readonly wallMs: number
  readonly kind: 'role' | 'peer' | 'lock' | 'record' | 'sync' | 'operator' | 'fault' | 'gateway'
  /** As on the console. */
  readonly line: string
  /** Rule or error code, where there is one. */
  readonly code: string
}

/** Reads what was put aside, a batch at a time; `null` ends it. */
export interface QuarantineReader {
  next(done: (error: Error | null, records: readonly RecordView[] | null) => void): void
  /** What a line of an export says of a record; asked for in the records' order. */
  line(record: RecordView): object
  close(): void
}

/** null: done. */
export type Answer = (error: CodedError | null) => void

/** What the server counts, one number to a metric (metrics.ts). */
export interface Counters {
  readonly connections: number
  readonly queues: number
  readonly queued_messages: number
  readonly queued_bytes: number
  readonly queued_memory_bytes: number
  readonly paged_messages: number
  readonly delayed_messages: number
  readonly expired_messages_total: number
  readonly dead_letters_total: number
  readonly discarded_messages_total: number
  readonly held_messages: number
  readonly paging_trouble: number
  readonly mqtt_sessions: number
  readonly subscriptions: number
  readonly retained_messages: number
  readonly retained_bytes: number
  readonly overflowed_messages_total: number
  readonly mqtt_dropped_slow_total: number
  readonly mqtt_dropped_too_large_total: number
  readonly mqtt_dropped_refused_total: number
  readonly role_changes_total: number
  readonly lock_losses_total: number
  readonly resident_bytes: number
  readonly loop_delay_ms: number
}

export interface AdminSubject {
  /** Accounts and permissions. */
  readonly access: Pick<Desk, 'accounts' | 'setAccount' | 'removeAccount' | 'grants' | 'setGrants'>
  /** What is settled for queues and topics. */
  readonly addresses: Pick<AddressDesk, 'list' | 'set' | 'remove'>
  /** Queues, durable subscriptions and MQTT sessions. */
  readonly content: Pick<
    ContentDesk,
    'queues' | 'subscriptions' | 'sessions' | 'purge' | 'removeSubscription' | 'endSession'
  >
  status(): StatusReport
  /** The same as status().serving, at little cost: load balancers ask often. */
  serving(): boolean
  events(): readonly EventEntry[]
  counters(): Counters
  /** Hands over to the passive server; answers when that one has taken over. */
  switchover(done: Answer): void
  /**
   * Graceful stop, with a handover where there is a passive server; answers before the process ends. Refused with
   * HA-STOP-UNCOVERED where the other server could not go on, unless `anyway`.
   */
  stop(anyway: boolean, done: Answer): void
  /** Operator override of P3, recorded with its reason; answers when it is recorded. */
  forceActive(reason: string, done: Answer): void
  quarantines(): readonly QuarantineInfo[]
  /** null: there is none of that name. */
  openQuarantine(name: string): QuarantineReader | null
}
