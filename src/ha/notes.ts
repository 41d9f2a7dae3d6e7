// Everything that the operator should know goes to the console and into the recent past at once.

import type { CodedError } from '../base/errors.ts'
import type { Clock, Log, LogLevel } from '../base/ports.ts'
import { EventRing, type HaEvent } from './events.ts'

/** Enough for a bad night: role changes, losses, operators' wishes. */
const EVENTS = 256

export class Notes {
  readonly events = new EventRing(EVENTS)
  readonly #say: Log
  readonly #clock: Clock

  constructor(say: Log, clock: Clock) {
    this.#say = say
    this.#clock = clock
  }

  note(kind: HaEvent['kind'], level: LogLevel, text: string, code = ''): void {
    this.#say(level, text, code ? { code } : {})
    this.events.add({ wallMs: this.#clock.wall(), kind, text, code })
  }

  fault(error: CodedError, level: LogLevel = 'error'): void {
    this.note('fault', level, error.line(), error.code)
  }
}
