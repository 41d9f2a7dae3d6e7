// What the audit log says, as a table. It is for the question "who did what, when, from where", so it holds what was
// refused and what was changed, and never what a message says. Where it is written is the server's business.

// prettier-ignore
export const auditEvents = {
  'signed-in':      'a client was let in',
  'turned-away':    'a client was not let in: wrong name, password or certificate, or a way that is not open to it',
  'not-permitted':  'a user asked for what it has no permission for',
  'account-set':    'an account was made, or got another password or other groups',
  'account-removed':'an account was removed',
  'grants-set':     'permissions were given, changed or taken',
  'address-set':    'settings of an address were made or changed',
  'address-removed':'settings of an address were taken away',
  'queue-purged':   'the messages of a queue that nobody had were taken out of it',
  'subscription-removed': 'a durable subscription was taken away with all that waited in it',
  'session-ended':  'the session of an MQTT client was ended with all that waited in it',
  'operator':       'an operator asked this server for something over the admin API',
} as const satisfies Record<string, string>
export type AuditEvent = keyof typeof auditEvents

export interface AuditEntry {
  readonly event: AuditEvent
  /** Who: a user's name, or `operator`. */
  readonly who: string
  /** From where: address and port. */
  readonly remote: string
  /** On what, how it went, why. */
  readonly details: Readonly<Record<string, string | number | boolean | null>>
}

export type Audit = (entry: AuditEntry) => void
