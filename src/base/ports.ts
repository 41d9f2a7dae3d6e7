// The world as the core sees it: time, chance and the log come in through these narrow ports. Only src/server names the
// real ones and src/simulation the simulated ones.

export interface Timer {
  /** After this the function is not called any more. Harmless when it has been called already. */
  cancel(): void
}

export interface Clock {
  /** Monotonic milliseconds with fractions; one for all processes of a host; never jumps; does not say the time of day. */
  now(): number
  /** Wall clock in ms since 1970; for display and for noticing a suspended machine only. */
  wall(): number
  /** Calls `fn` once, not before `ms` milliseconds have gone by. */
  after(ms: number, fn: () => void): Timer
  /** Calls `fn` once in a later turn of the event loop, after what has arrived meanwhile (batching point). */
  soon(fn: () => void): void
}

export interface Chance {
  /** `n` unpredictable bytes. */
  bytes(n: number): Uint8Array
  /** A new identifier that is unique in history: 16 hexadecimal digits. */
  id(): string
}

export type LogLevel = 'error' | 'warn' | 'info' | 'debug'

export interface Log {
  /** One line for the operator. `fields` go into the JSON form; the line itself says everything a person needs. */
  (level: LogLevel, line: string, fields?: Readonly<Record<string, unknown>>): void
}
