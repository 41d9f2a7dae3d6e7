// The broker's side of the commit log: a record that is not taken is no error here but a refusal, and what it says to the
// client is remembered.

import { CodedError } from '../base/errors.ts'
import type { Log } from '../base/ports.ts'
import type { CommitLog } from '../journal/commit.ts'
import { isHeld } from './bodies.ts'
import { brokerError } from './errors.ts'
import { notServing } from './intake.ts'
import { RECORD_HEAD_BYTES, RECORD_OVERHEAD_BYTES } from './limits.ts'
import { MESSAGE, ROUTED } from './records.ts'
import type { Refusal } from './refusal.ts'

export class Appending {
  readonly #log: CommitLog
  readonly #say: Log
  readonly #mostBytes: number
  /** The journal refused a record: it will take no other. */
  #closed = false
  /** The log took no record, and nothing has become safe since. */
  crowded = false
  /** Why the last record was not taken. */
  noRecord: Refusal = notServing

  constructor(log: CommitLog, say: Log, messageBytes: number) {
    this.#mostBytes = messageBytes + RECORD_OVERHEAD_BYTES
    this.#log = log
    this.#say = say
  }

  /** A reign begins. */
  begin(): void {
    this.#closed = false
    this.crowded = false
  }

  /** See RecordGround. */
  laid(sequence: number, body: Uint8Array): Uint8Array {
    return isHeld(body.length) ? this.#log.laid(sequence, body.length) : body
  }

  mayServe(): boolean {
    return this.#log.mayServe()
  }

  /** CommitLog.append; 0 where the record is not taken. */
  append(kind: number, head: Uint8Array, body: Uint8Array, patient: boolean): number {
    if (this.#closed) return 0
    // It may have to go with others in one record later.
    const isLong = head.length > RECORD_HEAD_BYTES && (kind === MESSAGE || kind === ROUTED)
    // Of a retained message the topic is noted beside it, and of a session the will, whose topics may have 64 KiB.
    if (isLong || head.length + body.length > this.#mostBytes) {
      this.noRecord = { refused: 'too-large', text: 'what is to be noted of the message is larger than a record takes' }
      return 0
    }
    try {
      return this.#log.append(kind, head, body, patient)
    } catch (error) {
      if (!(error instanceof CodedError)) throw error
      if (error.code === 'JOURNAL-CLOSED') {
        this.#closed = true
        this.noRecord = notServing
        this.#say('error', brokerError('CLOSED', { why: error.message }, error).line())
      } else {
        this.crowded = true
        this.noRecord = { refused: 'limit', text: error.message }
      }
      return 0
    }
  }
}
