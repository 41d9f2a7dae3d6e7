// What is wrong with the share, said once: one coded error per kind at its beginning, one line at its end, and never a
// flood, however the share flickers. And the watch over another server's token: does it live, is it configured as we are?

import type { CodedError } from '../base/errors.ts'
import type { Clock, Log } from '../base/ports.ts'
import type { Lease, Seen } from './lease.ts'
import { lockError } from './lock-errors.ts'
import { parseToken } from './token.ts'

export type FaultSource = 'lease' | 'register' | 'token'

const LINES_PER_WINDOW = 6
const WINDOW_MS = 60_000

export class KeeperFaults {
  readonly #clock: Clock
  readonly #log: Log
  readonly #lockFile: string
  readonly #current: Record<FaultSource, CodedError | null> = { lease: null, register: null, token: null }
  #said = ''
  #windowSince = -Infinity
  #lines = 0

  constructor(clock: Clock, log: Log, lockFile: string) {
    this.#clock = clock
    this.#log = log
    this.#lockFile = lockFile
  }

  /** The fault to show: what keeps the lock from working comes before the register, that before a wrong profile. */
  get shown(): CodedError | null {
    return this.#current.lease ?? this.#current.register ?? this.#current.token
  }

  set(source: FaultSource, error: CodedError | null): void {
    this.#current[source] = error
    const { shown } = this
    if (shown === null && this.#said !== '') {
      this.#say('info', `The share of the LockFile ${this.#lockFile} works again (${this.#said} is over).`)
      this.#said = ''
    } else if (shown !== null && shown.code !== this.#said) {
      this.#said = shown.code
      this.#say('error', shown.line(), shown.code)
    }
  }

  #say(level: 'error' | 'info', line: string, code?: string): void {
    const now = this.#clock.now()
    if (now - this.#windowSince > WINDOW_MS) {
      this.#windowSince = now
      this.#lines = 0
    }
    this.#lines += 1
    const fields = code === undefined ? {} : { code }
    if (this.#lines <= LINES_PER_WINDOW) this.#log(level, line, fields)
    if (this.#lines === LINES_PER_WINDOW) {
      this.#log(
        'warn',
        `The share of the LockFile ${this.#lockFile} keeps changing; nothing more is said of it for a minute.`,
      )
    }
  }
}

export interface TokenWatchOptions {
  readonly label: string
  readonly instance: string
  readonly leaseMs: number
  readonly lockFile: string
}

/** Follows another's token from look to look. */
export class TokenWatch {
  readonly #options: TokenWatchOptions
  /** What was looked at last, and the other's token in it. */
  #seen: Seen | null = null
  #foreign = ''
  #hold = ''
  #name = ''
  #renewals = 0

  constructor(options: TokenWatchOptions) {
    this.#options = options
  }

  /** The other's token that is there, '' for none. */
  foreign(lease: Lease): string {
    if (lease.held) return ''
    const { seen } = lease
    if (seen !== this.#seen) {
      this.#seen = seen
      this.#foreign = seen?.tokens.find(name => parseToken(name)?.instance !== this.#options.instance) ?? ''
    }
    return this.#foreign
  }

  /** After each look: what is wrong with the other's token, if it lives. */
  judge(lease: Lease, now: number): CodedError | null {
    const { label, leaseMs, lockFile } = this.#options
    const name = this.foreign(lease)
    const token = parseToken(name)
    if (token === null || now - (lease.seen?.since ?? now) >= leaseMs) {
      this.#hold = ''
      this.#renewals = 0
      return null
    }
    if (token.hold !== this.#hold) this.#renewals = 0
    else if (name !== this.#name) this.#renewals += 1
    this.#hold = token.hold
    this.#name = name
    // One change may be the late work of a process that is dead; two are life.
    if (this.#renewals >= 2 && token.node === label) {
      return lockError('SAME-LABEL', { label, lockFile, instance: token.instance })
    }
    if (this.#renewals >= 1 && token.leaseMs !== leaseMs) {
      return lockError('LEASE-DIFFERS', { node: token.node, theirs: token.leaseMs, mine: leaseMs })
    }
    return null
  }
}
