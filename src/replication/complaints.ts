// What goes wrong with connections, on the console without filling it: the same complaint about the same source is said
// once in a while, with the number of times it was left out meanwhile. Sources are only limited in what they can write
// into the log, never shut out for a time: several servers may share an address, and whoever could get an address shut
// out could keep the peer away.

import type { CodedError } from '../base/errors.ts'
import type { Clock, Log, LogLevel } from '../base/ports.ts'
import { printable } from './grammar.ts'

const QUIET_MS = 60_000
const SOURCES_LIMIT = 64
const LINE_LENGTH = 2000

interface Said {
  at: number
  more: number
}

export class Complaints {
  readonly #clock: Clock
  readonly #log: Log
  readonly #said = new Map<string, Said>()

  constructor(clock: Clock, log: Log) {
    this.#clock = clock
    this.#log = log
  }

  /** `source`: whom it is about, without anything that changes from one connection to the next. */
  about(source: string, level: LogLevel, error: CodedError): void {
    const now = this.#clock.now()
    let key = `${error.code} ${source}`
    if (!this.#said.has(key) && this.#said.size >= SOURCES_LIMIT) {
      for (const [old, { at }] of this.#said) if (now - at >= QUIET_MS) this.#said.delete(old)
      // All that do not fit share one place.
      if (this.#said.size >= SOURCES_LIMIT) key = error.code
    }
    const said = this.#said.get(key)
    if (said && now - said.at < QUIET_MS) {
      said.more++
      return
    }
    const more = said && said.more > 0 ? ` (and ${said.more} more like this before)` : ''
    this.#said.set(key, { at: now, more: 0 })
    // Parts of it may come from strangers.
    this.#log(level, printable(`${error.line()}${more}`, LINE_LENGTH), { code: error.code, ...error.details })
  }

  /** The cause is gone: when it comes back it is said at once. */
  forget(): void {
    this.#said.clear()
  }
}

/** An address without its port, which is another one for each connection. */
export const withoutPort = (remote: string): string => remote.replace(/:\d+$/, '')
