// The way out of one connection: what a turn says leaves in one write, what may not leave yet is tried again soon, and a
// client that never reads is given up.

import type { Clock, Timer } from '../../base/ports.ts'
import { Output, type OutputSocket } from '../output.ts'
import type { MqttLimits } from './limits.ts'

/** How soon to try again to send what is held back while this server cannot prove that it serves. */
const HELD_MS = 10

export class Outlet extends Output {
  readonly #clock: Clock
  readonly #limits: MqttLimits
  /** So many bytes wait for a client that does not read. */
  readonly #tooMuch: (bytes: number) => void
  #turnDue = false
  #holding: Timer | null = null
  #stopped = false

  constructor(
    socket: OutputSocket,
    willing: () => boolean,
    clock: Clock,
    limits: MqttLimits,
    tooMuch: (bytes: number) => void,
  ) {
    super(socket, willing, () => this.#schedule())
    this.#clock = clock
    this.#limits = limits
    this.#tooMuch = tooMuch
  }

  /** QoS 0 messages are to be dropped. */
  get congested(): boolean {
    return this.blocked && this.overdue > this.#limits.outputBytes
  }

  stop(): void {
    this.#stopped = true
    this.#holding?.cancel()
  }

  #schedule(): void {
    if (this.#turnDue || this.#stopped) return
    this.#turnDue = true
    this.#clock.soon(this.#turn)
  }

  readonly #turn = (): void => {
    this.#turnDue = false
    if (this.#stopped) return
    this.flush()
    if (this.holding && this.#holding === null) {
      this.#holding = this.#clock.after(HELD_MS, () => {
        this.#holding = null
        this.#turn()
      })
    }
    // The packet during which the socket became full goes out whole.
    const { outputBytes, packetBytes } = this.#limits
    if (this.blocked && this.overdue > 2 * outputBytes + packetBytes) this.#tooMuch(this.overdue)
  }
}
