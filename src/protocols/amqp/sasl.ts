// The SASL layer of one connection: its frames, and the steps of each mechanism (RFC 4422; PLAIN: RFC 4616; EXTERNAL;
// ANONYMOUS: RFC 4505; SCRAM-SHA-256: RFC 7677). Who may come in is decided behind the port `SignIn`, maybe in a later
// turn; when it may be asked, and what follows, by connection.ts.

import type { Guest, SignIn, SignInStep, Visitor } from '../../broker/access.ts'
import type { Decoder } from './decode.ts'
import { fault } from './errors.ts'
import { codesByName, encodePerformative, readFields, saslFrames } from './performatives.ts'
import { array, binary, sym, ubyte } from './types.ts'

export const SASL_FRAME = 1
export const SASL_HEADER = Buffer.from([0x41, 0x4d, 0x51, 0x50, 3, 1, 0, 0])
const OK = 0
const AUTH = 1

/** What the layer tells its connection. */
export interface SaslHost {
  /** A SASL frame for the client. */
  saslFrame(body: Buffer): void
  /** The outcome was told to the client; `guest` is null where it is not let in. One attempt to a connection. */
  signedIn(guest: Guest | null, mechanism: string): void
}

export class Sasl {
  readonly #signIn: SignIn
  readonly #visitor: Visitor
  readonly #host: SaslHost
  #exchange: { step(message: string): SignInStep } | null = null
  #begun = false
  /** An answer is awaited from elsewhere: the client has nothing to say now. */
  busy = false

  constructor(signIn: SignIn, visitor: Visitor, host: SaslHost) {
    this.#signIn = signIn
    this.#visitor = visitor
    this.#host = host
  }

  offer(): void {
    const mechanisms = this.#signIn.mechanisms(this.#visitor)
    this.#host.saslFrame(encodePerformative(saslFrames.mechanisms, [array(mechanisms.map(sym))]))
  }

  frame(decoder: Decoder): void {
    const code = decoder.descriptor(codesByName)
    if (code === saslFrames.init.code && !this.#begun) {
      this.#begun = true
      this.#init(decoder)
    } else if (code === saslFrames.response.code && this.#exchange !== null) {
      this.#step(text(readFields(decoder, saslFrames.response).response))
    } else throw fault('NOT-ALLOWED', { why: 'a SASL frame that is not due' })
  }

  #init(decoder: Decoder): void {
    const init = readFields(decoder, saslFrames.init)
    const mechanism = this.#signIn.mechanisms(this.#visitor).find(m => m === init.mechanism)
    const response = text(init.initialResponse)
    switch (mechanism) {
      case undefined:
        return this.#done(null, init.mechanism)
      case 'ANONYMOUS':
        return this.#done(this.#signIn.anonymous(this.#visitor), mechanism)
      case 'EXTERNAL':
        return this.#external(response)
      case 'PLAIN':
        return this.#plain(response)
      case 'SCRAM-SHA-256':
        this.#exchange = this.#signIn.scram(this.#visitor)
        return this.#step(response)
      default:
        mechanism satisfies never
    }
  }

  /** The authorization identity may be left out; to act for somebody else is not offered. */
  #external(identity: string): void {
    const guest = this.#signIn.external(this.#visitor)
    this.#done(identity === '' || identity === guest?.user ? guest : null, 'EXTERNAL')
  }

  /** Authorization identity NUL user NUL password. */
  #plain(response: string): void {
    const parts = response.split('\0')
    const [identity, user, password] = parts
    if (parts.length !== 3 || !user || password === undefined || (identity !== '' && identity !== user)) {
      return this.#done(null, 'PLAIN')
    }
    this.busy = true
    this.#signIn.password(this.#visitor, user, password, guest => {
      this.busy = false
      this.#done(guest, 'PLAIN')
    })
  }

  #step(message: string): void {
    const step = this.#exchange?.step(message)
    if (step?.next === 'challenge') {
      this.#host.saslFrame(encodePerformative(saslFrames.challenge, [binary(Buffer.from(step.text))]))
      return
    }
    this.#exchange = null
    if (step?.next === 'done') this.#done(step.guest, 'SCRAM-SHA-256', Buffer.from(step.text))
    else this.#done(null, 'SCRAM-SHA-256')
  }

  #done(guest: Guest | null, mechanism: string, additional?: Buffer): void {
    this.#exchange = null
    const data = additional === undefined ? [] : [binary(additional)]
    this.#host.saslFrame(encodePerformative(saslFrames.outcome, [ubyte(guest === null ? AUTH : OK), ...data]))
    this.#host.signedIn(guest, mechanism)
  }
}

const text = (bytes: Uint8Array | null): string => (bytes === null ? '' : Buffer.from(bytes).toString('utf8'))
