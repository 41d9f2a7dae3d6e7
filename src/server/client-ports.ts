// The client ports as one service: opened and closed together as the role says. Here sockets, protocol engines and broker
// meet; none of them knows the others' ways.

import type { BrokerCore } from '../broker/broker.ts'
import type { Service } from '../ha/parts.ts'
import type { Listener } from './listener.ts'

export interface ClientPortsParts {
  readonly broker: BrokerCore
  readonly listeners: readonly Pick<Listener, 'probe' | 'open' | 'close' | 'pause' | 'connections'>[]
  /** Queues that the profile wants to be there from the beginning. */
  readonly declared: readonly string[]
  readonly warn: (line: string) => void
}

export class ClientPorts implements Service {
  readonly #parts: ClientPortsParts
  #isOpen = false

  constructor(parts: ClientPortsParts) {
    this.#parts = parts
  }

  get isOpen(): boolean {
    return this.#isOpen
  }

  get connections(): number {
    return this.#parts.listeners.reduce((sum, listener) => sum + listener.connections, 0)
  }

  /** Throws where another program has a port that this server will need to serve: a follower would notice it too late. */
  async mustBeFree(): Promise<void> {
    for (const listener of this.#parts.listeners) {
      const taken = await listener.probe()
      if (taken !== null) throw taken
    }
  }

  open(): void {
    if (this.#isOpen) return
    this.#isOpen = true
    const { broker, declared, listeners, warn } = this.#parts
    broker.startServing()
    for (const name of declared) {
      const refusal = broker.declare(name)
      if (refusal) warn(`The queue ${name} of the profile could not be made: ${refusal.text}`)
    }
    for (const listener of listeners) listener.open()
  }

  pause(paused: boolean): void {
    for (const listener of this.#parts.listeners) listener.pause(paused)
  }

  close(reason: string): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    for (const listener of this.#parts.listeners) listener.close(reason)
    this.#parts.broker.stopServing()
  }
}
