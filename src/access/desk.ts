// The operator's side of accounts and permissions: what may be asked for, checked, written into the replicated settings, and
// told to the audit log. An answer comes when the change is safe on both servers.

import type { CodedError } from '../base/errors.ts'
import type { Refusal } from '../broker/api.ts'
import { readAccount, writeAccount } from './accounts.ts'
import type { Audit } from './audit.ts'
import { ACCOUNT_PREFIX, type Book, GRANT_PREFIX, readGrants, type SettingsView, subjectFault } from './book.ts'
import { accessError, shownName } from './errors.ts'
import { type Grant, NO_CREATE } from './permissions.ts'

export interface SettingsStore extends SettingsView {
  /** null removes the key. `done`: null when the change is safe, or why it was not taken. */
  set(key: string, value: string | null, done: (refusal: Refusal | null) => void): void
}

type Answer = (error: CodedError | null) => void

export class Desk {
  readonly #settings: SettingsStore
  readonly #book: Book
  readonly #audit: Audit

  constructor(settings: SettingsStore, book: Book, audit: Audit) {
    this.#settings = settings
    this.#book = book
    this.#audit = audit
  }

  accounts(): ReturnType<Book['list']> {
    this.#book.refresh()
    return this.#book.list()
  }

  grants(): Readonly<Record<string, readonly Grant[]>> {
    this.#book.refresh()
    return Object.fromEntries(this.#book.grants)
  }

  /** Makes an account or changes it: what is left out of the request (groups, password with scram) stays as it was. */
  setAccount(name: string, request: unknown, done: Answer): void {
    const before = this.#settings.get(ACCOUNT_PREFIX + name)
    const asked = typeof request === 'object' && request !== null ? request : {}
    if (before === null && !('password' in asked)) return done(accessError('NO-ACCOUNT', { name: shownName(name) }))
    const kept = before === null ? {} : (JSON.parse(before) as object)
    const account = readAccount(name, { ...kept, ...asked })
    if (typeof account === 'string') return done(accessError('ACCOUNT', { name: shownName(name), why: account }))
    const details = { name, groups: account.groups.join(','), password: 'password' in asked ? 'changed' : 'kept' }
    this.#write(ACCOUNT_PREFIX + name, writeAccount(account), () => this.#tell('account-set', details), done)
  }

  removeAccount(name: string, done: Answer): void {
    if (this.#settings.get(ACCOUNT_PREFIX + name) === null)
      return done(accessError('NO-ACCOUNT', { name: shownName(name) }))
    this.#write(ACCOUNT_PREFIX + name, null, () => this.#tell('account-removed', { name }), done)
  }

  /** All permissions of one subject; an empty list takes them all. */
  setGrants(subject: string, request: unknown, done: Answer): void {
    const grants = readGrants(request)
    const why = subjectFault(subject) ?? (typeof grants === 'string' ? grants : this.#meaningless(subject, grants))
    if (why !== null) return done(accessError('GRANT', { subject: shownName(subject), why }))
    const value = (grants as readonly Grant[]).length === 0 ? null : JSON.stringify(grants)
    this.#write(GRANT_PREFIX + subject, value, () => this.#tell('grants-set', { subject, grants: value ?? '' }), done)
  }

  /** What was given by an older version stays readable, and may stay. */
  #meaningless(subject: string, grants: readonly Grant[]): string | null {
    const had = this.#book.grants.get(subject) ?? []
    const creates = ({ kind, actions }: Grant): boolean => kind === 'topic' && actions.includes('create')
    const asked = grants.find(
      grant => creates(grant) && !had.some(one => creates(one) && one.pattern === grant.pattern),
    )
    return asked === undefined ? null : NO_CREATE
  }

  #write(key: string, value: string | null, told: () => void, done: Answer): void {
    this.#settings.set(key, value, refusal => {
      if (refusal === null) told()
      done(refusal === null ? null : accessError('STORE', { why: refusal.text }))
    })
  }

  #tell(event: 'account-set' | 'account-removed' | 'grants-set', details: Readonly<Record<string, string>>): void {
    this.#audit({ event, who: 'operator', remote: '', details })
  }
}
