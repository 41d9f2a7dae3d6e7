// The operator's side of settings for addresses: what may be asked for, checked, written into the replicated settings, and told
// to the audit log. An answer comes when the change is safe on both servers. What settings mean is the broker's business.

import type { CodedError } from '../base/errors.ts'
import {
  ADDRESS_PREFIX,
  type AddressSettings,
  kindFault,
  MOST_PATTERNS,
  readAddress,
  readPattern,
} from '../broker/address-settings.ts'
import { readEntry } from '../broker/policies.ts'
import type { Audit } from './audit.ts'
import type { SettingsStore } from './desk.ts'
import { accessError, shownName } from './errors.ts'

type Answer = (error: CodedError | null) => void

export class AddressDesk {
  readonly #settings: SettingsStore
  readonly #audit: Audit

  constructor(settings: SettingsStore, audit: Audit) {
    this.#settings = settings
    this.#audit = audit
  }

  /** By pattern: `queue/<pattern>` or `topic/<filter>`. */
  list(): Readonly<Record<string, AddressSettings>> {
    const found: Record<string, AddressSettings> = {}
    for (const key of this.#settings.keys(ADDRESS_PREFIX).toSorted()) {
      const name = key.slice(ADDRESS_PREFIX.length)
      const entry = readEntry(name, this.#settings.get(key))
      if (typeof entry !== 'string') found[name] = entry.settings
    }
    return found
  }

  /** All settings of one pattern, in place of those it had. */
  set(name: string, request: unknown, done: Answer): void {
    const key = ADDRESS_PREFIX + name
    const pattern = readPattern(name)
    const settings = readAddress(request)
    const why =
      typeof pattern === 'string'
        ? pattern
        : typeof settings === 'string'
          ? settings
          : (kindFault(pattern, settings) ?? this.#tooMany(key))
    if (why !== null) return done(accessError('ADDRESS', { name: shownName(name), why }))
    const value = JSON.stringify(settings)
    this.#write(key, value, () => this.#tell('address-set', { name, settings: value }), done)
  }

  remove(name: string, done: Answer): void {
    const key = ADDRESS_PREFIX + name
    if (this.#settings.get(key) === null) return done(accessError('NO-ADDRESS', { name: shownName(name) }))
    this.#write(key, null, () => this.#tell('address-removed', { name }), done)
  }

  #tooMany(key: string): string | null {
    const keys = this.#settings.keys(ADDRESS_PREFIX)
    return keys.length >= MOST_PATTERNS && !keys.includes(key) ? `there are ${MOST_PATTERNS} patterns, the limit` : null
  }

  #write(key: string, value: string | null, told: () => void, done: Answer): void {
    this.#settings.set(key, value, refusal => {
      if (refusal === null) told()
      done(refusal === null ? null : accessError('STORE', { why: refusal.text }))
    })
  }

  #tell(event: 'address-set' | 'address-removed', details: Readonly<Record<string, string>>): void {
    this.#audit({ event, who: 'operator', remote: '', details })
  }
}
