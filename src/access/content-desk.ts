// The operator's side of what is in the broker: lists, and the few things that may be done to it from outside, told to the
// audit log. An answer comes when the change is safe on both servers.

import type { CodedError } from '../base/errors.ts'
import type { QueueEntry, SessionEntry, SubscriptionEntry } from '../broker/inventory.ts'
import type { Operations } from '../broker/operations.ts'
import type { Refusal } from '../broker/refusal.ts'
import type { Audit, AuditEvent } from './audit.ts'
import { accessError, shownName } from './errors.ts'

type Answer = (error: CodedError | null) => void

const errorOf = (name: string, { refused, text }: Refusal): CodedError =>
  refused === 'not-found'
    ? accessError('NOT-THERE', { why: shownName(text) })
    : accessError('CONTENT', { name: shownName(name), why: text })

export class ContentDesk {
  readonly #operations: Operations
  readonly #audit: Audit

  constructor(operations: Operations, audit: Audit) {
    this.#operations = operations
    this.#audit = audit
  }

  queues(): readonly QueueEntry[] {
    return this.#operations.inventory.queues()
  }

  subscriptions(): readonly SubscriptionEntry[] {
    return this.#operations.inventory.subscriptions()
  }

  sessions(): readonly SessionEntry[] {
    return this.#operations.inventory.sessions()
  }

  /** Empties a queue; how many messages left. */
  purge(name: string, done: (error: CodedError | null, messages: number) => void): void {
    this.#operations.purge(name, (refusal, messages) => {
      if (messages > 0 || refusal === null) this.#tell('queue-purged', { name, messages })
      done(refusal && errorOf(name, refusal), messages)
    })
  }

  removeSubscription(name: string, done: Answer): void {
    this.#operations.removeSubscription(name, this.#told('subscription-removed', name, done))
  }

  endSession(client: string, done: Answer): void {
    this.#operations.endSession(client, this.#told('session-ended', client, done))
  }

  #told(event: AuditEvent, name: string, done: Answer): (refusal: Refusal | null) => void {
    return refusal => {
      if (refusal === null) this.#tell(event, { name })
      done(refusal && errorOf(name, refusal))
    }
  }

  #tell(event: AuditEvent, details: Readonly<Record<string, string | number>>): void {
    this.#audit({ event, who: 'operator', remote: '', details })
  }
}
