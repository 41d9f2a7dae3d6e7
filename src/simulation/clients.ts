// Simulated producers and consumers. They know both servers, go to the other one when theirs refuses, closes or falls
// silent, send again what was not acknowledged, and settle what they get in all four ways.

import type { Outcome } from '../broker/api.ts'
import { Connection, type ClientEnd, type ClientPort } from './client-port.ts'
import type { Dice } from './dice.ts'
import type { Account } from './account.ts'
import { MESSAGE_BYTES, type Setting } from './setting.ts'
import type { Process, Timeline } from './timeline.ts'

/** Where clients find a server's port, if its machine and process are there (a frozen one still accepts). */
export interface Address {
  readonly port: ClientPort | null
  readonly process: Process | null
}

const PING_MS = 1000
const RETRY_MS = 150

export abstract class Client<C extends Connection = Connection> implements ClientEnd {
  readonly process: Process
  readonly #timeline: Timeline
  readonly #addresses: readonly Address[]
  protected readonly dice: Dice
  protected readonly setting: Setting
  protected connection: C | null = null
  #turn: number
  #connecting = false
  #heardAt = 0

  constructor(process: Process, timeline: Timeline, addresses: readonly Address[], dice: Dice, setting: Setting) {
    this.setting = setting
    this.process = process
    this.#timeline = timeline
    this.#addresses = addresses
    this.dice = dice
    this.#turn = dice.whole(0, 1)
    this.#connect()
    this.#beat()
  }

  protected abstract make(port: ClientPort, client: ClientEnd, timeline: Timeline, dice: Dice): C
  protected abstract connected(connection: C): void
  protected abstract lost(): void

  acknowledged(_id: number): void {
    this.heard()
  }

  refused(_id: number): void {
    this.heard()
  }

  delivered(_id: number, _sequence: number): void {
    this.heard()
  }

  settled(_sequence: number): void {
    this.heard()
  }

  heard(): void {
    this.#heardAt = this.process.now()
  }

  closed(_why: string): void {
    this.#over()
  }

  /** Acts after a while, unless the connection is over or another one by then. */
  protected later(ms: number, act: (connection: C) => void): void {
    const { connection } = this
    this.process.after(ms, () => {
      if (connection !== null && this.connection === connection) act(connection)
    })
  }

  #connect(): void {
    if (this.connection !== null || this.#connecting) return
    this.#connecting = true
    this.process.after(RETRY_MS * (0.3 + this.dice.next()), () => {
      this.#connecting = false
      const { port, process } = this.#addresses[this.#turn] as Address
      if (port === null || process === null || !process.alive || !port.isOpen) {
        this.#turn = 1 - this.#turn
        return this.#connect()
      }
      const end = this.#guard(() => connection)
      const connection: C = this.make(port, end, this.#timeline, this.dice)
      this.connection = connection
      this.heard()
      connection.open()
      this.connected(connection)
    })
  }

  /** What an old connection still says is not heard any more. */
  #guard(mine: () => C): ClientEnd {
    const current = (): boolean => mine() === this.connection
    return {
      process: this.process,
      acknowledged: id => current() && this.acknowledged(id),
      refused: id => current() && this.refused(id),
      delivered: (id, sequence) => current() && this.delivered(id, sequence),
      settled: sequence => current() && this.settled(sequence),
      heard: () => current() && this.heard(),
      closed: why => current() && this.closed(why),
    } as ClientEnd
  }

  #beat(): void {
    this.process.after(PING_MS, () => {
      this.#beat()
      const { connection } = this
      if (connection === null) return
      if (this.process.now() - this.#heardAt <= this.setting.clientSilenceMs) return connection.ping()
      connection.drop()
      this.#over()
    })
  }

  #over(): void {
    if (this.connection === null) return
    this.connection = null
    this.#turn = 1 - this.#turn
    this.lost()
    this.#connect()
  }
}

const WINDOW = 8

/** With plain messages. */
abstract class PlainClient extends Client {
  protected override make(port: ClientPort, client: ClientEnd, timeline: Timeline, dice: Dice): Connection {
    return new Connection(port, client, timeline, dice)
  }
}

export class ProducerClient extends PlainClient {
  /** Set to end: what is not acknowledged is still sent, nothing new. */
  stopped = false
  readonly #account: Account
  /** Messages sent and not acknowledged, with their queue and size. */
  readonly #unacknowledged = new Map<number, { readonly queue: string; readonly bytes: number }>()

  constructor(
    process: Process,
    timeline: Timeline,
    addresses: readonly Address[],
    dice: Dice,
    setting: Setting,
    account: Account,
  ) {
    super(process, timeline, addresses, dice, setting)
    this.#account = account
    this.#next()
  }

  get idle(): boolean {
    return this.#unacknowledged.size === 0
  }

  protected connected(connection: Connection): void {
    for (const [id, { queue, bytes }] of this.#unacknowledged) connection.publish(queue, id, bytes)
  }

  protected lost(): void {}

  override acknowledged(id: number): void {
    this.heard()
    this.#unacknowledged.delete(id)
  }

  /** A full queue: again in a while, as the message is not taken. */
  override refused(id: number): void {
    this.heard()
    const message = this.#unacknowledged.get(id)
    if (message === undefined) return
    this.later(200, connection => connection.publish(message.queue, id, message.bytes))
  }

  #next(): void {
    const { paceMs, queues, bodyBytes } = this.setting
    const burst = this.dice.likely(0.05) ? WINDOW : 1
    this.process.after(paceMs * burst * 2 * this.dice.next(), () => {
      for (let n = 0; n < burst && !this.stopped && this.#unacknowledged.size < WINDOW; n++) {
        const id = this.#account.newMessage()
        const queue = `q${this.dice.whole(0, queues - 1)}`
        const bytes = Math.min(MESSAGE_BYTES, Math.round(bodyBytes * (0.2 + this.dice.next())))
        this.#unacknowledged.set(id, { queue, bytes })
        this.connection?.publish(queue, id, bytes)
      }
      this.#next()
    })
  }
}

export class ConsumerClient extends PlainClient {
  readonly #queue: string
  #owned = new Set<number>()
  /** Says accepted to everything, at once: to empty the queues at the end. */
  thorough = false

  constructor(
    process: Process,
    timeline: Timeline,
    addresses: readonly Address[],
    dice: Dice,
    setting: Setting,
    queue: string,
  ) {
    super(process, timeline, addresses, dice, setting)
    this.#queue = queue
  }

  protected connected(connection: Connection): void {
    connection.subscribe(this.#queue, this.setting.credit)
  }

  protected lost(): void {
    this.#owned = new Set()
  }

  override delivered(id: number, sequence: number): void {
    this.heard()
    this.#owned.add(sequence)
    this.later(this.thorough ? 0 : this.dice.stretch(0.5, this.setting.thinkMs), connection => {
      this.#owned.delete(sequence)
      connection.settle(id, sequence, this.#outcome(), this.setting.credit - this.#owned.size)
    })
  }

  #outcome(): Outcome {
    const fate = this.dice.next()
    if (this.thorough || fate < 0.85) return 'accepted'
    return fate < 0.9 ? 'rejected' : fate < 0.95 ? 'released' : 'modified'
  }
}
