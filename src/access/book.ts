// The book of accounts and permissions as the broker's replicated settings hold them, together with the accounts that
// the profile brings. It reads settings when they change, so that asking costs nothing at the time.

import type { Account } from './accounts.ts'
import { nameFault, readAccount } from './accounts.ts'
import { filterPatternFault, PATTERN_LENGTH } from '../broker/patterns.ts'
import { ACTIONS, type Action, type Grant, type GrantTable } from './permissions.ts'

/** The replicated settings, as far as the book knows them. */
export interface SettingsView {
  get(key: string): string | null
  keys(prefix: string): readonly string[]
  /** Calls `changed` with each key under the prefix that changes, and with '' when everything may have. */
  watch(prefix: string, changed: (key: string) => void): void
}

export const ACCOUNT_PREFIX = 'account/'
export const GRANT_PREFIX = 'grant/'

/** Rows of one subject; bounds what a check may cost. */
export const MOST_GRANTS = 256

export class Book {
  readonly #settings: SettingsView
  readonly #profile: ReadonlyMap<string, string>
  readonly #accounts = new Map<string, Account>()
  readonly #grants = new Map<string, readonly Grant[]>()
  /** Called with the name of an account whose password, groups or existence changed; '' for all. */
  onChanged: (name: string) => void = () => {}

  /** `profile`: names and passwords (plain or hashed) that the profile gives; an account in the settings goes first. */
  constructor(settings: SettingsView, profile: ReadonlyMap<string, string>) {
    this.#settings = settings
    this.#profile = profile
    settings.watch(ACCOUNT_PREFIX, key => this.#accountChanged(key))
    settings.watch(GRANT_PREFIX, key => this.#grantChanged(key))
    this.#accountChanged('')
    this.#grantChanged('')
  }

  /**
   * Reads everything again. A follower's settings change with the records that come, of which nobody is told: what is
   * listed there is looked up when it is asked for.
   */
  refresh(): void {
    this.#readAccounts()
    this.#grantChanged('')
  }

  get grants(): GrantTable {
    return this.#grants
  }

  get isEmpty(): boolean {
    return this.#accounts.size === 0 && this.#profile.size === 0
  }

  /** Some account can sign in by SCRAM. */
  get knowsScram(): boolean {
    for (const { scram } of this.#accounts.values()) if (scram !== null) return true
    return false
  }

  account(name: string): Account | null {
    const kept = this.#accounts.get(name)
    if (kept !== undefined) return kept
    const password = this.#profile.get(name)
    return password === undefined ? null : { name, groups: [], password, scram: null }
  }

  /** Names and groups, for the operator. */
  list(): { readonly name: string; readonly groups: readonly string[]; readonly from: 'store' | 'profile' }[] {
    const kept = [...this.#accounts.values()].map(({ name, groups }) => ({ name, groups, from: 'store' as const }))
    const others = [...this.#profile.keys()].filter(name => !this.#accounts.has(name))
    return [...kept, ...others.map(name => ({ name, groups: [], from: 'profile' as const }))]
  }

  #accountChanged(key: string): void {
    if (key === '') this.#readAccounts()
    else this.#readAccount(key)
    this.onChanged(key.slice(ACCOUNT_PREFIX.length))
  }

  #readAccounts(): void {
    this.#accounts.clear()
    for (const each of this.#settings.keys(ACCOUNT_PREFIX)) this.#readAccount(each)
  }

  #readAccount(key: string): void {
    const name = key.slice(ACCOUNT_PREFIX.length)
    const account = readAccount(name, parsed(this.#settings.get(key)))
    // What this version can't read (a newer one wrote it) lets nobody in.
    if (typeof account === 'string') this.#accounts.delete(name)
    else this.#accounts.set(name, account)
  }

  #grantChanged(key: string): void {
    if (key === '') {
      this.#grants.clear()
      for (const each of this.#settings.keys(GRANT_PREFIX)) this.#readGrants(each)
    } else this.#readGrants(key)
  }

  #readGrants(key: string): void {
    const subject = key.slice(GRANT_PREFIX.length)
    const value = this.#settings.get(key)
    if (value === null) return void this.#grants.delete(subject)
    const grants = readGrants(parsed(value))
    // Rows that can't be read grant nothing, and still count: permissions are in force.
    this.#grants.set(subject, typeof grants === 'string' ? [] : grants)
  }
}

const parsed = (text: string | null): unknown => {
  try {
    return text === null ? null : (JSON.parse(text) as unknown)
  } catch {
    return null
  }
}

/** Why nothing can be granted to this subject, or null. */
export function subjectFault(subject: string): string | null {
  if (subject === 'everyone') return null
  const name = /^(?:user|group):(.*)$/s.exec(subject)?.[1]
  if (name === undefined) return 'it is neither user:<name>, group:<name> nor everyone'
  return nameFault(name)
}

/** The rows in a setting or an operator's request, or what is wrong with them. */
export function readGrants(value: unknown): readonly Grant[] | string {
  if (!Array.isArray(value)) return 'permissions are a list'
  if (value.length > MOST_GRANTS) return `one subject has at most ${MOST_GRANTS} permissions`
  const grants: Grant[] = []
  for (const row of value as readonly unknown[]) {
    const { actions, kind, pattern } = (typeof row === 'object' && row !== null ? row : {}) as Record<string, unknown>
    if (!Array.isArray(actions) || actions.length === 0 || !actions.every(isAction)) {
      return `actions is a list of ${ACTIONS.join(', ')}`
    }
    if (kind !== 'queue' && kind !== 'topic') return 'kind is queue or topic'
    if (typeof pattern !== 'string' || pattern.length === 0 || pattern.length > PATTERN_LENGTH) {
      return `pattern has 1 to ${PATTERN_LENGTH} characters`
    }
    const wrong = kind === 'topic' ? filterPatternFault(pattern) : null
    if (wrong !== null) return wrong
    grants.push({ actions: [...new Set(actions as Action[])], kind, pattern })
  }
  return grants
}

const isAction = (value: unknown): boolean => ACTIONS.includes(value as Action)
