// SCRAM-SHA-256, the server's side of it (RFC 5802, RFC 7677), without channel binding: text in, text out. The password
// never comes here; what the account keeps can check it and cannot be used to sign in elsewhere.

import { createHash, createHmac, pbkdf2Sync, timingSafeEqual } from 'node:crypto'
import type { Account, ScramKeys } from './accounts.ts'

// client-first = gs2-header "n=" user ",r=" client-nonce      gs2-header = ("n" / "y") "," [ "a=" authzid ] ","
// server-first = "r=" client-nonce server-nonce ",s=" salt ",i=" rounds
// client-final = "c=" base64(gs2-header) ",r=" nonces ",p=" proof
// server-final = "v=" base64(server-signature)

const LONGEST_MESSAGE = 4096
/** Nonces are printable ASCII without comma; a client's of at least 8 characters can't be guessed at leisure. */
const NONCE = /^[\x21-\x2b\x2d-\x7e]{8,512}$/

const hmac = (key: Uint8Array, text: string): Buffer => createHmac('sha256', key).update(text).digest()
const sha256 = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest()
const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')

/** What is kept of a password for SCRAM. Slow on purpose (PBKDF2): for commands, not for a server's event loop. */
export function scramKeys(password: string, salt: Uint8Array, rounds: number): ScramKeys {
  const salted = pbkdf2Sync(password.normalize('NFKC'), salt, rounds, 32, 'sha256')
  return { salt, rounds, storedKey: sha256(hmac(salted, 'Client Key')), serverKey: hmac(salted, 'Server Key') }
}

/** What the exchange asks for. */
export interface ScramGround {
  /** The account of this name, or null. */
  account(name: string): Account | null
  /** Printable text without commas that nobody can foresee. */
  nonce(): string
  /** The same for the same name, so that an unknown user looks like a known one: salt and keys that fit nothing. */
  decoy(name: string): ScramKeys
}

export type ScramStep =
  | { readonly next: 'challenge'; readonly text: string }
  | { readonly next: 'done'; readonly text: string; readonly account: Account }
  | { readonly next: 'refused' }

const REFUSED: ScramStep = { next: 'refused' }

/** One sign-in: `step` with the client's first message, then with its final one. */
export class ScramExchange {
  readonly #ground: ScramGround
  #stage: 'first' | 'final' | 'over' = 'first'
  #account: Account | null = null
  #keys: ScramKeys | null = null
  #nonce = ''
  #header = ''
  /** client-first-bare "," server-first: what both sign, with the final message's beginning. */
  #said = ''

  constructor(ground: ScramGround) {
    this.#ground = ground
  }

  step(message: string): ScramStep {
    const stage = this.#stage
    this.#stage = 'over'
    if (stage === 'over' || message.length > LONGEST_MESSAGE) return REFUSED
    return stage === 'first' ? this.#first(message) : this.#final(message)
  }

  #first(message: string): ScramStep {
    const found = /^([ny],(?:a=([^,]*))?,)(n=([^,]*),r=([^,]*)(?:,.*)?)$/s.exec(message)
    if (found === null) return REFUSED
    const [, header = '', identity, bare = '', name = '', nonce = ''] = found
    const user = unescaped(name)
    // To act for somebody else is not offered.
    if (user === null || !NONCE.test(nonce) || (identity !== undefined && unescaped(identity) !== user)) return REFUSED
    const account = this.#ground.account(user)
    this.#account = account?.scram ? account : null
    const keys = account?.scram ?? this.#ground.decoy(user)
    this.#keys = keys
    this.#nonce = nonce + this.#ground.nonce()
    this.#header = base64(Buffer.from(header))
    const text = `r=${this.#nonce},s=${base64(keys.salt)},i=${keys.rounds}`
    this.#said = `${bare},${text}`
    this.#stage = 'final'
    return { next: 'challenge', text }
  }

  #final(message: string): ScramStep {
    const found = /^(c=([^,]*),r=([^,]*)(?:,[^p][^,]*)*),p=([^,]*)$/s.exec(message)
    const keys = this.#keys
    if (found === null || keys === null) return REFUSED
    const [, unproved = '', header, nonce, proof = ''] = found
    if (header !== this.#header || nonce !== this.#nonce) return REFUSED
    const signed = `${this.#said},${unproved}`
    const signature = hmac(keys.storedKey, signed)
    const given = Buffer.from(proof, 'base64')
    if (given.length !== signature.length) return REFUSED
    const clientKey = given.map((byte, i) => byte ^ (signature[i] as number))
    const right = timingSafeEqual(sha256(clientKey), keys.storedKey)
    if (!right || this.#account === null) return REFUSED
    return { next: 'done', text: `v=${base64(hmac(keys.serverKey, signed))}`, account: this.#account }
  }
}

/** RFC 5802, 5.1: `=2C` is a comma, `=3D` an equals sign, and nothing else begins with `=`. */
function unescaped(name: string): string | null {
  if (/=(?!2C|3D)/.test(name)) return null
  return name.replaceAll('=2C', ',').replaceAll('=3D', '=').normalize('NFKC')
}
