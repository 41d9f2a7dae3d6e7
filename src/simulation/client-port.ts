// A server's client port in the simulation: stands where a protocol engine stands and uses the broker through the same
// interface. Every answer to a client goes past the checkers first.

import {
  isRefusal,
  type Broker,
  type Consumer,
  type Outcome,
  type Producer,
  type QueuedMessage,
} from '../broker/api.ts'
import type { PublishTarget, Refusal, Subscription } from '../broker/api.ts'
import type { SettingsFace } from '../broker/settings-desk.ts'
import type { Account } from './account.ts'
import { assert } from '../base/assert.ts'
import { MESSAGE_BYTES } from './setting.ts'
import type { Process, Timeline } from './timeline.ts'
import type { Dice } from './dice.ts'

export interface ClientPortParts {
  /** The broker's process. */
  readonly process: Process
  readonly broker: Broker
  readonly settings: SettingsFace
  /** This server acknowledges or delivers at this moment. */
  readonly acts: (what: string) => void
  readonly account: Account
}

/** What a client hears. */
export interface ClientEnd {
  readonly process: Process
  acknowledged(id: number): void
  refused(id: number): void
  delivered(id: number, sequence: number): void
  settled(sequence: number): void
  heard(): void
  closed(why: string): void
}

/** A body begins with a number, and where there is room ends with it. Who gets one copies it before he returns. */
const memory = new Uint8Array(MESSAGE_BYTES)
const view = new DataView(memory.buffer)
export const messageOf = (id: number, bytes: number): Uint8Array => {
  const length = Math.max(4, bytes)
  view.setUint32(0, id, true)
  if (length >= 8) view.setUint32(length - 4, id, true)
  return memory.subarray(0, length)
}
const byteOf = (body: Uint8Array, at: number): number => body[at] as number
const numberAt = (body: Uint8Array, at: number): number =>
  byteOf(body, at) | (byteOf(body, at + 1) << 8) | (byteOf(body, at + 2) << 16) | (byteOf(body, at + 3) << 24)

/** The number of a body; throws where it is not one of those. */
export function idOf(body: Uint8Array): number {
  const id = numberAt(body, 0)
  assert(body.length < 8 || numberAt(body, body.length - 4) === id, 'a body ends as it was sent')
  return id
}

export class ClientPort {
  readonly parts: ClientPortParts
  isOpen = false
  paused = false
  readonly taken = new Set<Connection>()

  constructor(parts: ClientPortParts) {
    this.parts = parts
  }

  get connections(): number {
    return this.taken.size
  }

  probe(): Promise<null> {
    return Promise.resolve(null)
  }

  open(): void {
    this.isOpen = true
  }

  pause(paused: boolean): void {
    this.paused = paused
    if (!paused) for (const connection of this.taken) connection.resume()
  }

  close(reason: string): void {
    this.isOpen = false
    this.paused = false
    for (const connection of this.taken) connection.end(reason)
  }
}

/** One client's connection: both directions in order, with a delay. */
export class Connection {
  protected readonly port: ClientPort
  protected readonly client: ClientEnd
  readonly #timeline: Timeline
  readonly #dice: Dice
  readonly #targets = new Map<string, PublishTarget>()
  protected subscription: Subscription | null = null
  readonly #outcomes = new Map<number, Outcome>()
  readonly #waiting: (() => void)[] = []
  #over = false
  #toServerAt = 0
  #toClientAt = 0

  constructor(port: ClientPort, client: ClientEnd, timeline: Timeline, dice: Dice) {
    this.port = port
    this.client = client
    this.#timeline = timeline
    this.#dice = dice
  }

  open(): void {
    this.toServer(() => {
      const { isOpen, parts, taken } = this.port
      if (!isOpen || parts.broker.admitConnection() !== null) return this.end('refused')
      taken.add(this)
    }, true)
  }

  // From the client

  publish(queue: string, id: number, bytes: number): void {
    this.toServer(() => {
      const target = this.#targets.get(queue) ?? this.port.parts.broker.target(queue)
      if (isRefusal(target)) return this.#producer.published(id, target)
      this.#targets.set(queue, target)
      target.publish(messageOf(id, bytes), this.#producer, id)
    })
  }

  subscribe(queue: string, credit: number): void {
    this.toServer(() => {
      const subscription = this.port.parts.broker.subscribe(queue, this.#consumer)
      if (isRefusal(subscription)) return this.end(subscription.text)
      this.subscription = subscription
      subscription.credit(credit, false)
    })
  }

  settle(id: number, sequence: number, outcome: Outcome, credit: number): void {
    if (outcome === 'accepted' || outcome === 'rejected') this.port.parts.account.consumed(id)
    this.toServer(() => {
      this.#outcomes.set(sequence, outcome)
      this.subscription?.settle(sequence, outcome)
      this.subscription?.credit(credit, false)
    })
  }

  ping(): void {
    this.toServer(() => this.toClient(() => this.client.heard()))
  }

  /** The client closes, or its kernel finds the server gone. */
  drop(): void {
    this.toServer(() => this.end('dropped by the client'))
  }

  // To the client

  readonly #producer: Producer = {
    published: (id: number, refusal: Refusal | null) => {
      if (refusal !== null) return this.toClient(() => this.client.refused(id))
      this.port.parts.acts(`acknowledges message ${id}`)
      this.port.parts.account.acknowledge(id)
      this.toClient(() => this.client.acknowledged(id))
    },
  }

  readonly #consumer: Consumer = {
    deliver: (message: QueuedMessage) => {
      const id = idOf(message.body)
      const { sequence } = message
      this.port.parts.acts(`delivers message ${id}`)
      this.port.parts.account.delivered(id, sequence)
      this.toClient(() => this.client.delivered(id, sequence))
    },
    drained: () => {},
    detached: () => this.end('detached'),
    settled: (sequence: number) => {
      const outcome = this.#outcomes.get(sequence)
      this.#outcomes.delete(sequence)
      if (outcome === 'accepted' || outcome === 'rejected') {
        this.port.parts.acts(`confirms the settlement of record ${sequence}`)
        this.port.parts.account.settled(sequence)
      }
      this.toClient(() => this.client.settled(sequence))
    },
  }

  /** At the server. */
  end(why: string): void {
    if (this.#over) return
    this.#over = true
    this.#waiting.length = 0
    this.subscription?.close(false)
    this.subscription = null
    if (this.port.taken.delete(this)) this.port.parts.broker.connectionClosed()
    this.#toClientLast(() => this.client.closed(why))
  }

  /** The server's machine is gone without a word, or (with one) only its process. */
  lost(machineToo: boolean): void {
    if (this.#over) return
    this.#over = true
    if (!machineToo) this.#toClientLast(() => this.client.closed('the server is gone'))
  }

  resume(): void {
    for (const request of this.#waiting.splice(0)) request()
  }

  /** `kernel`: done also while the port reads nothing. */
  protected toServer(fn: () => void, kernel = false): void {
    const { process } = this.port.parts
    const at = Math.max(this.#toServerAt + 0.001, this.#timeline.now + 0.1 + this.#dice.next() * 0.5)
    this.#toServerAt = at
    process.arrive(at - this.#timeline.now, () => {
      if (this.#over) return
      if (this.port.paused && !kernel) this.#waiting.push(fn)
      else fn()
    })
  }

  protected toClient(fn: () => void): void {
    if (this.port.parts.process.alive) this.#toClientLast(fn)
  }

  #toClientLast(fn: () => void): void {
    const at = Math.max(this.#toClientAt + 0.001, this.#timeline.now + 0.1 + this.#dice.next() * 0.5)
    this.#toClientAt = at
    this.client.process.arrive(at - this.#timeline.now, fn)
  }
}
