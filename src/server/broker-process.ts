// The broker as the keeper sees it: a child process that must give signs of life, can be asked to stop, and is killed
// where it does neither. Says once, when it is reaped, how it ended.

import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import type { Clock, Log, Timer } from '../base/ports.ts'
import type { KeeperVitals } from '../doctor/self-test.ts'
import type { FromKeeper, ToKeeper } from '../ha/keeper-link.ts'
import type { Intervals } from '../profiles/intervals.ts'
import { keeperError } from './keeper-errors.ts'
import { START_REFUSED } from './keeper-pipe.ts'

/** The pipe of a process that is gone ends at once, unless one that it started has it too. */
const DRAIN_LIMIT_MS = 50

/**
 * A message lives for milliseconds, in buffers outside of V8's heap. V8 begins with limits for small programs, grows them
 * by what lives, which is little, and so collects everything ten times a second: a quarter of a busy broker's time. What
 * survives a young collection is so little that waking helpers for it, and waiting until they get a processor, takes longer
 * than copying it: with bodies of 10 KiB that is a tenth of all time on two processors.
 */
const HEAP = [
  '--initial-old-space-size=256',
  '--min-semi-space-size=16',
  '--max-semi-space-size=32',
  '--no-parallel-scavenge',
]

/**
 * Those buffers are malloc's. glibc gives memory back to the kernel whenever much of it is free, and taking it again costs
 * a page fault for every four messages: a tenth of a busy broker's time. Other libraries do not know these names.
 */
const ALLOCATOR = {
  MALLOC_MMAP_THRESHOLD_: String(32 << 20),
  MALLOC_TRIM_THRESHOLD_: String(256 << 20),
  MALLOC_TOP_PAD_: String(16 << 20),
}

export interface BrokerProcessOptions {
  readonly module: string
  readonly args: readonly string[]
  readonly intervals: Intervals
  /** A broker that was asked to stop is killed after this. */
  readonly stopLimitMs: number
}

export interface BrokerEvents {
  readonly onMessage: (message: ToKeeper) => void
  /** It is reaped: nothing of it can act any more. `code` is its exit code, 1 where it was killed or could not start. */
  readonly onReaped: (code: number) => void
}

export class BrokerProcess {
  readonly #child: ChildProcess
  readonly #options: BrokerProcessOptions
  readonly #clock: Clock
  readonly #log: Log
  #aliveAt: number
  #started = false
  #stopping = false
  #killed = false
  #stopTimer: Timer | null = null
  #watchTimer: Timer | null = null
  #watchedAt: number

  constructor(options: BrokerProcessOptions, clock: Clock, log: Log, events: BrokerEvents) {
    this.#options = options
    this.#clock = clock
    this.#log = log
    this.#aliveAt = clock.now()
    this.#watchedAt = this.#aliveAt
    this.#child = fork(options.module, [...options.args], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      execArgv: [...process.execArgv, ...HEAP],
      env: { ...ALLOCATOR, ...process.env },
    })
    this.#child.on('message', message => {
      this.#aliveAt = this.#clock.now()
      this.#started = true
      events.onMessage(message as ToKeeper)
    })
    // A fork that failed gives no exit; a pipe that broke is followed by one.
    this.#child.on('error', error => {
      if (this.#child.pid === undefined) this.#ended(1, error.message, events)
    })
    // What it said last may still be in the pipe: its reign belongs into the mark.
    this.#child.once('exit', (code, signal) =>
      this.#drained(() => this.#ended(code, signal ?? `exit code ${code}`, events)),
    )
    this.#watch()
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  send(message: FromKeeper | KeeperVitals): void {
    if (this.#child.connected) this.#child.send(message, () => {})
  }

  /** The first time asks; the second time, or when it takes too long, kills. */
  stop(): void {
    if (this.#stopping) return this.#kill()
    this.#stopping = true
    this.send({ type: 'stop' })
    const { stopLimitMs } = this.#options
    this.#stopTimer = this.#clock.after(stopLimitMs, () => {
      this.#log('error', keeperError('BROKER-STOP-SLOW', { pid: this.pid, limitMs: stopLimitMs }).line())
      this.#kill()
    })
  }

  #kill(): void {
    this.#killed = true
    this.#child.kill('SIGKILL')
  }

  #watch(): void {
    const { brokerSilenceMs, brokerStartMs } = this.#options.intervals
    const limitMs = this.#started ? brokerSilenceMs : brokerStartMs
    const now = this.#clock.now()
    const tickMs = brokerSilenceMs / 4
    // This process itself stood still: the broker's signs of life are waiting in the pipe, so count from now.
    if (now - this.#watchedAt > 2 * tickMs) this.#aliveAt = now
    this.#watchedAt = now
    if (now - this.#aliveAt >= limitMs && !this.#killed) {
      const silenceMs = Math.round(now - this.#aliveAt)
      this.#log('error', keeperError('BROKER-FROZEN', { pid: this.pid, silenceMs }).line())
      this.#kill()
    }
    this.#watchTimer = this.#clock.after(tickMs, () => this.#watch())
  }

  #drained(then: () => void): void {
    if (!this.#child.connected) return then()
    let waiting = true
    const once = (): void => {
      if (!waiting) return
      waiting = false
      timer.cancel()
      then()
    }
    const timer = this.#clock.after(DRAIN_LIMIT_MS, once)
    this.#child.once('disconnect', once)
  }

  #ended(code: number | null, how: string, events: BrokerEvents): void {
    this.#watchTimer?.cancel()
    this.#stopTimer?.cancel()
    // Why it cannot start it has said itself.
    if (code === START_REFUSED) return events.onReaped(1)
    if (code !== 0 && !this.#killed) this.#log('error', keeperError('BROKER-CRASHED', { pid: this.pid, how }).line())
    events.onReaped(code ?? 1)
  }
}
