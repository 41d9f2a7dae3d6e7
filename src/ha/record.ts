// The LockFile's register: immutable records <LockFile>.r<seq>, each appended conditionally on its number. The newest
// says what is true of the pair: who reigns, and whose copy holds everything that was acknowledged.

import type { Position } from '../journal/position.ts'

export type ServerLabel = 'primary' | 'secondary'

export interface InSyncMember {
  readonly server: ServerLabel
  /** Identity of the data directory: a new disk under an old name is not in sync. */
  readonly store: string
}

/** Why a record was written; shown by `status`. */
export type RecordReason = 'take over' | 'go solo' | 'join' | 'hand over' | 'resume' | 'force active' | 'found'

export interface RegisterRecord {
  readonly pairId: string
  /** 1 for the first ever, without gaps. */
  readonly seq: number
  /** Unique in history: decides by reading back whose record it is. */
  readonly id: string
  /** The seq of the record that began this reign. */
  readonly epoch: number
  readonly holder: ServerLabel
  readonly inSync: readonly InSyncMember[]
  readonly reason: RecordReason
  /** For `force active`: the operator's words. */
  readonly note: string
  /** The holder's last durable position when it wrote the record: a listed store that lacks it is not the one listed. */
  readonly position: Position
  /** Wall clock of the writer, for display. */
  readonly wallMs: number
}
