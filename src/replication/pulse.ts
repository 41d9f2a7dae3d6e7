// The life signs of one channel: pings and their answers, silence of the peer, a send side that does not move. Knows
// the clock and the socket's counters; what is on the wire, and what a lost channel means, it does not know.

import type { CodedError } from '../base/errors.ts'
import type { Clock, Timer } from '../base/ports.ts'
import { channelError } from './channel-errors.ts'
import type { MessageSocket } from './transport.ts'

/** Pings that wait for an answer; those before them are forgotten. */
const PINGS_LIMIT = 64

export interface PulseLimits {
  readonly pingMs: number
  readonly silenceMs: number
  /** With more than this waiting to be sent, some of it must go within silenceMs. */
  readonly stuckBytes: number
}

export interface PulseCalls {
  /** Send a ping with this number. */
  ping(number: number): void
  /** The channel is dead. */
  dead(error: CodedError): void
}

/** When a ping was sent: monotonic, and by the wall clock, which shows a machine that was suspended since. */
export interface Sent {
  readonly sentAt: number
  readonly sentWall: number
}

export class Pulse {
  readonly #socket: MessageSocket
  readonly #clock: Clock
  readonly #limits: PulseLimits
  readonly #calls: PulseCalls
  readonly #sent: Sent[] = []
  #next: number
  /** The oldest number that may still be answered. */
  #open: number
  #heardAt: number
  #received: number
  #handed = 0
  #taken = 0
  #movedAt: number
  #tick: Timer
  #silence: Timer
  #stopped = false

  /** Numbers grow over all channels, so that an answer cannot be taken for one on another channel. */
  constructor(socket: MessageSocket, clock: Clock, limits: PulseLimits, firstNumber: number, calls: PulseCalls) {
    this.#socket = socket
    this.#clock = clock
    this.#limits = limits
    this.#calls = calls
    this.#next = this.#open = firstNumber
    this.#heardAt = this.#movedAt = clock.now()
    this.#received = socket.received
    this.#tick = clock.after(0, () => this.#beat())
    this.#silence = clock.after(limits.silenceMs, () => this.#listen())
  }

  get nextNumber(): number {
    return this.#next
  }

  stop(): void {
    this.#stopped = true
    this.#tick.cancel()
    this.#silence.cancel()
  }

  /** A message has come. */
  heard(): void {
    this.#heardAt = this.#clock.now()
    this.#received = this.#socket.received
  }

  /** Something of this size was given to the socket. */
  handed(bytes: number): void {
    this.#handed += bytes
  }

  /** When the ping with this number was sent; null where it was never sent, or long ago, or is answered already. */
  answered(number: number): Sent | null {
    if (number < this.#open || number >= this.#next) return null
    this.#open = number + 1
    return this.#sent[number % PINGS_LIMIT] ?? null
  }

  /** True unless nothing at all has come since `since` (a moment of the clock). */
  aliveSince(since: number): boolean {
    this.#look()
    return this.#heardAt > since
  }

  ping(): void {
    const number = this.#next++
    this.#open = Math.max(this.#open, this.#next - PINGS_LIMIT)
    // The time is read before the ping leaves: the peer's promise counts from no later than this.
    this.#sent[number % PINGS_LIMIT] = { sentAt: this.#clock.now(), sentWall: this.#clock.wall() }
    this.#calls.ping(number)
  }

  #beat(): void {
    if (this.#stopped) return
    this.#tick = this.#clock.after(this.#limits.pingMs / 2, () => this.#beat())
    this.#look()
    if (this.#isStuck()) this.#settle(() => this.#isStuck(), 'STUCK')
    this.ping()
  }

  #listen(): void {
    if (this.#stopped) return
    this.#look()
    if (this.#isSilent()) this.#settle(() => this.#isSilent(), 'SILENCE')
    const left = this.#heardAt + this.#limits.silenceMs - this.#clock.now()
    this.#silence = this.#clock.after(Math.max(left, 1), () => this.#listen())
  }

  /** Pieces of a message are signs of life too: on a slow line a large one takes longer than silence may last. */
  #look(): void {
    if (this.#socket.received === this.#received) return
    this.heard()
  }

  #isSilent(): boolean {
    return this.#clock.now() - this.#heardAt >= this.#limits.silenceMs
  }

  #isStuck(): boolean {
    const now = this.#clock.now()
    const buffered = this.#socket.buffered
    const taken = this.#handed - buffered
    if (taken > this.#taken || buffered <= this.#limits.stuckBytes) this.#movedAt = now
    this.#taken = taken
    return now - this.#movedAt >= this.#limits.silenceMs
  }

  /**
   * It may be ourselves who stood still (frozen, or busy for long): what has come meanwhile lies in the socket and is
   * read before the timers' next turn. Only who is silent then is silent.
   */
  #settle(still: () => boolean, name: 'SILENCE' | 'STUCK'): void {
    this.#clock.soon(() => {
      if (this.#stopped) return
      this.#look()
      if (!still()) return
      const ms = this.#limits.silenceMs
      this.#calls.dead(channelError(name, { ms, bytes: this.#socket.buffered }))
    })
  }
}
