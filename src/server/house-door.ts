// Who may come in to this server's client ports, put together: accounts and permissions from the broker's settings and the
// profile, the machine's scrypt, the audit log.

import { AddressDesk } from '../access/address-desk.ts'
import type { Audit } from '../access/audit.ts'
import { Book } from '../access/book.ts'
import { ContentDesk } from '../access/content-desk.ts'
import { Desk } from '../access/desk.ts'
import { Door, type DoorParts } from '../access/door.ts'
import { GuardedBroker } from '../access/guarded-broker.ts'
import { Usages } from '../access/usage.ts'
import type { Chance, Clock } from '../base/ports.ts'
import type { BrokerCore } from '../broker/broker.ts'
import type { Profile } from '../profiles/profile.ts'
import { hashPassword } from './scrypt.ts'

export interface HouseDoorParts {
  readonly profile: Profile
  readonly broker: BrokerCore
  readonly audit: Audit
  readonly clock: Clock
  readonly chance: Chance
}

export interface HouseDoor {
  readonly door: Door
  readonly desk: Desk
  readonly addresses: AddressDesk
  readonly content: ContentDesk
}

export function openHouseDoor({ profile, broker, audit, clock, chance }: HouseDoorParts): HouseDoor {
  const { anonymous, users } = profile.security
  const book = new Book(broker.settings, users)
  const { userConnections, userInFlightMessages, userInFlightBytes } = profile.limits
  const usages = new Usages({
    connections: userConnections,
    messages: userInFlightMessages,
    bytes: userInFlightBytes,
  })
  const guard: DoorParts['guard'] = (person, { remote }) =>
    new GuardedBroker({ broker, person, remote, grants: () => book.grants, audit, usages })
  return {
    door: new Door({ book, anonymous, hash: hashPassword, guard, audit, clock, chance }),
    desk: new Desk(broker.settings, book, audit),
    addresses: new AddressDesk(broker.settings, audit),
    content: new ContentDesk(broker.operations, audit),
  }
}
