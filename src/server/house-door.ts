// Who may come in to this server's client ports, put together: accounts and permissions from the broker's settings and the
// profile, the machine's scrypt, the audit log.

import type { Audit } from '../access/audit.ts'
import { Book, type SettingsView } from '../access/book.ts'
import { Door } from '../access/door.ts'
import type { Chance, Clock } from '../base/ports.ts'
import type { Broker } from '../broker/api.ts'
import type { Profile } from '../profiles/profile.ts'
import { hashPassword } from './scrypt.ts'

/** For a broker without replicated settings: the profile's accounts alone. */
export const noSettings: SettingsView = { get: () => null, keys: () => [], watch: () => {} }

export interface HouseDoorParts {
  readonly profile: Profile
  readonly broker: Broker
  readonly settings: SettingsView
  readonly audit: Audit
  readonly clock: Clock
  readonly chance: Chance
}

export function openHouseDoor({ profile, broker, settings, audit, clock, chance }: HouseDoorParts): Door {
  const { anonymous, users } = profile.security
  const book = new Book(settings, users)
  return new Door({ book, anonymous, hash: hashPassword, guard: () => broker, audit, clock, chance })
}
