// A door for tests of front ends: names and passwords in the clear, and a broker for whoever comes in. Answers at once, or
// when `later` lets it.

import type { Guest, Mechanism, SignIn } from '../../src/broker/access.ts'
import type { Broker } from '../../src/broker/api.ts'

export interface PlainDoor extends SignIn {
  /** Holds back the answers to passwords until `answer` is called. */
  later: boolean
  answer(): void
}

export function plainDoor(
  broker: Broker,
  passwords: Readonly<Record<string, string>> = {},
  offered: readonly Mechanism[] = ['ANONYMOUS', 'PLAIN'],
): PlainDoor {
  const guest = (user: string): Guest => ({ user, broker })
  const held: (() => void)[] = []
  return {
    later: false,
    answer() {
      for (const each of held.splice(0)) each()
    },
    mechanisms: () => offered,
    anonymous: () => (offered.includes('ANONYMOUS') ? guest('anonymous') : null),
    external: ({ certified }) => (certified === null ? null : guest(certified)),
    password(_, user, password, done) {
      const answer = (): void => done(passwords[user] === password ? guest(user) : null)
      if (this.later) held.push(answer)
      else answer()
    },
    scram: () => ({ step: () => ({ next: 'refused' }) }),
  }
}
