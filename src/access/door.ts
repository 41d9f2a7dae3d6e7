// The door: who a client is, by certificate, SCRAM, password, or as nobody in particular where that is allowed. Slow
// checks go to a port and are bounded, so that guessing stalls nobody; a password that was right is remembered (keyed,
// never in the clear) and costs one fast digest the next time, so that many clients can come back at once.

import { createHmac, timingSafeEqual } from 'node:crypto'
import type { Chance, Clock } from '../base/ports.ts'
import type { Guest, Mechanism, SignIn, SignInStep, Visitor } from '../broker/access.ts'
import type { Broker } from '../broker/api.ts'
import { type Account, readScrypt, SCRAM_ROUNDS, type ScryptHash } from './accounts.ts'
import type { Audit } from './audit.ts'
import type { Book } from './book.ts'
import type { Person } from './permissions.ts'
import { ScramExchange } from './scram.ts'

export interface DoorParts {
  readonly book: Book
  /** Who may come in without a name: nobody, clients on this machine, everybody. */
  readonly anonymous: 'never' | 'loopback' | 'always'
  /** scrypt of the password with these parameters; null where it can't be reckoned. Answers in a later turn. */
  readonly hash: (password: string, how: ScryptHash, done: (hash: Uint8Array | null) => void) => void
  /** The broker as this person may use it. */
  readonly guard: (person: Person, visitor: Visitor) => Broker
  readonly audit: Audit
  readonly clock: Clock
  readonly chance: Chance
}

/** Remembered right passwords; beyond it all are forgotten. */
const REMEMBERED = 10_000
/** Slow checks under way and waiting; beyond it a client is turned away and may try again. */
const CHECKING = 2
const WAITING = 1000
/** Passwords of one user from one address that are checked at once, and how often one more is: guessing gets slow. */
const TRIES = 10
const TRY_EVERY_MS = 1000
const TRIED = 10_000

type Answer = (right: boolean, why?: string) => void

interface Check {
  readonly account: Account
  readonly password: string
  readonly given: Buffer
  readonly waiting: Answer[]
}

export class Door implements SignIn {
  readonly #parts: DoorParts
  readonly #key: Uint8Array
  readonly #right = new Map<string, Buffer>()
  /** By user and digest: the same password of the same user is checked once, however many ask. */
  readonly #checks = new Map<string, Check>()
  readonly #line: Check[] = []
  #checking = 0
  readonly #tries = new Map<string, { left: number; at: number }>()

  constructor(parts: DoorParts) {
    this.#parts = parts
    this.#key = parts.chance.bytes(32)
    parts.book.onChanged = name => {
      if (name === '') this.#right.clear()
      else this.#right.delete(name)
    }
  }

  mechanisms(visitor: Visitor): readonly Mechanism[] {
    const { book } = this.#parts
    return [
      ...(visitor.certified === null ? [] : (['EXTERNAL'] as const)),
      ...(book.knowsScram ? (['SCRAM-SHA-256'] as const) : []),
      ...(book.isEmpty ? [] : (['PLAIN'] as const)),
      ...(this.#lets(visitor) ? (['ANONYMOUS'] as const) : []),
    ]
  }

  #lets({ local }: Visitor): boolean {
    const { anonymous } = this.#parts
    return anonymous === 'always' || (anonymous === 'loopback' && local)
  }

  anonymous(visitor: Visitor): Guest | null {
    if (!this.#lets(visitor)) return this.#away(visitor, '', 'ANONYMOUS')
    return this.#guest({ user: 'anonymous', groups: [] }, visitor, 'ANONYMOUS')
  }

  external(visitor: Visitor): Guest | null {
    const { certified } = visitor
    if (certified === null) return this.#away(visitor, '', 'EXTERNAL')
    const groups = this.#parts.book.account(certified)?.groups ?? []
    return this.#guest({ user: certified, groups }, visitor, 'EXTERNAL')
  }

  scram(visitor: Visitor): { step(message: string): SignInStep } {
    const { book, chance } = this.#parts
    const exchange = new ScramExchange({
      account: name => book.account(name),
      nonce: () => Buffer.from(chance.bytes(18)).toString('base64'),
      decoy: name => ({
        salt: this.#digest(`salt ${name}`).subarray(0, 16),
        rounds: SCRAM_ROUNDS,
        storedKey: this.#digest(`key ${name}`),
        serverKey: this.#digest(`key ${name}`),
      }),
    })
    return {
      step: message => {
        const step = exchange.step(message)
        if (step.next === 'challenge') return step
        if (step.next === 'refused') {
          this.#away(visitor, '', 'SCRAM-SHA-256')
          return step
        }
        return { next: 'done', text: step.text, guest: this.#guest(personOf(step.account), visitor, 'SCRAM-SHA-256') }
      },
    }
  }

  password(visitor: Visitor, user: string, password: string, done: (guest: Guest | null) => void): void {
    const account = this.#parts.book.account(user)
    const given = this.#digest(`${user}\0${password}`)
    const answer: Answer = (right, why) => {
      // Asked again: the account may have been changed while the check was under way.
      const now = this.#parts.book.account(user)
      if (!right || account === null || now?.password !== account.password) {
        done(this.#away(visitor, user, 'PLAIN', why))
        return
      }
      done(this.#guest(personOf(now), visitor, 'PLAIN'))
    }
    if (account === null) return answer(false)
    const known = this.#right.get(user)
    if (known !== undefined && timingSafeEqual(known, given)) return answer(true)
    if (readScrypt(account.password) === null) {
      return answer(timingSafeEqual(this.#digest(account.password), this.#digest(password)))
    }
    this.#check(account, password, given, addressOf(visitor), answer)
  }

  #check(account: Account, password: string, given: Buffer, from: string, answer: Answer): void {
    const name = `${account.name}\0${given.toString('latin1')}`
    const same = this.#checks.get(name)
    if (same !== undefined) return void same.waiting.push(answer)
    // The client is told no more than that it is not let in; the operator, that nobody looked at the password.
    if (this.#line.length >= WAITING) return answer(false, 'not checked: too many are being checked')
    if (!this.#mayTry(`${account.name}\0${from}`)) return answer(false, 'not checked: too many wrong ones')
    const check: Check = { account, password, given, waiting: [answer] }
    this.#checks.set(name, check)
    this.#line.push(check)
    this.#next()
  }

  #next(): void {
    if (this.#checking >= CHECKING) return
    const check = this.#line.shift()
    if (check === undefined) return
    this.#checking++
    const { account, password, given } = check
    const stored = readScrypt(account.password) as ScryptHash
    this.#parts.hash(password, stored, hash => {
      this.#checking--
      this.#checks.delete(`${account.name}\0${given.toString('latin1')}`)
      const right = hash !== null && timingSafeEqual(hash, stored.hash)
      // What was right for a password that was changed meanwhile is not remembered.
      if (right && this.#parts.book.account(account.name)?.password === account.password) {
        if (this.#right.size >= REMEMBERED) this.#right.clear()
        this.#right.set(account.name, given)
      }
      for (const answer of check.waiting) answer(right)
      this.#next()
    })
  }

  /** A bucket per user and address: who guesses a name's password elsewhere does not shut that name's owner out. */
  #mayTry(who: string): boolean {
    const now = this.#parts.clock.now()
    if (this.#tries.size >= TRIED && !this.#tries.has(who)) this.#tries.clear()
    const before = this.#tries.get(who) ?? { left: TRIES, at: now }
    const left = Math.min(TRIES, before.left + (now - before.at) / TRY_EVERY_MS)
    if (left < 1) return false
    this.#tries.set(who, { left: left - 1, at: now })
    return true
  }

  #guest(person: Person, visitor: Visitor, how: Mechanism): Guest {
    this.#parts.audit({ event: 'signed-in', who: person.user, remote: visitor.remote, details: { how } })
    return { user: person.user, broker: this.#parts.guard(person, visitor) }
  }

  #away(visitor: Visitor, who: string, how: Mechanism, why?: string): null {
    const details = why === undefined ? { how } : { how, why }
    this.#parts.audit({ event: 'turned-away', who, remote: visitor.remote, details })
    return null
  }

  #digest(text: string): Buffer {
    return createHmac('sha256', this.#key).update(text).digest()
  }
}

/** Without the port. */
const addressOf = ({ remote }: Visitor): string => remote.slice(0, remote.lastIndexOf(':'))

const personOf = ({ name, groups }: Account): Person => ({ user: name, groups })
