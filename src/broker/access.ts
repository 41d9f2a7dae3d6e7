// How a front end asks who a client is: the words in which both speak of it. What is behind them (accounts, passwords,
// permissions) is src/access; a front end only learns as whom a client came in, and gets the broker that this one may use.

import type { Broker } from './api.ts'

/** Named as SASL names them (RFC 4422). MQTT knows no mechanisms: user and password are PLAIN, no user is ANONYMOUS. */
export type Mechanism = 'EXTERNAL' | 'SCRAM-SHA-256' | 'PLAIN' | 'ANONYMOUS'

/** What is known of a connection before its client says who it is. */
export interface Visitor {
  /** Address and port. */
  readonly remote: string
  /** The connection comes from this machine. */
  readonly local: boolean
  /** The name in the client's certificate, where one was asked for and was signed by whom this server trusts. */
  readonly certified: string | null
}

/** A client that was let in. */
export interface Guest {
  readonly user: string
  /** The broker as this user may use it. */
  readonly broker: Broker
}

/** The steps of a challenge-response mechanism; after `done` or `refused` it is over. */
export type SignInStep =
  | { readonly next: 'challenge'; readonly text: string }
  | { readonly next: 'done'; readonly text: string; readonly guest: Guest }
  | { readonly next: 'refused' }

export interface SignIn {
  /** What is offered to this visitor, the strongest first; empty: nobody comes in this way. */
  mechanisms(visitor: Visitor): readonly Mechanism[]
  anonymous(visitor: Visitor): Guest | null
  /** By the client's certificate. */
  external(visitor: Visitor): Guest | null
  /** Answers once, at once or in a later turn; null: refused, for whatever reason. */
  password(visitor: Visitor, user: string, password: string, done: (guest: Guest | null) => void): void
  scram(visitor: Visitor): { step(message: string): SignInStep }
}

/** A door through which everybody comes in, as nobody in particular: where there are no accounts at all (benches, tests). */
export const openDoor = (broker: Broker): SignIn => {
  const guest: Guest = { user: 'anonymous', broker }
  return {
    mechanisms: () => ['ANONYMOUS'],
    anonymous: () => guest,
    external: () => null,
    password: (_, __, ___, done) => done(null),
    scram: () => ({ step: () => ({ next: 'refused' }) }),
  }
}
