// Simulated clients of messages that do more than wait in a queue (journeys.ts): a producer that names what it sends, so that
// what it sends again comes in once, delays some, gives some a time to live, and sends some in transactions; and consumers that
// move what they get on by transactions, or let it fail. An operator's settings say what becomes of the failed.

import type { Outcome } from '../broker/api.ts'
import { Client, type Address } from './clients.ts'
import type { ClientEnd, ClientPort } from './client-port.ts'
import type { Dice } from './dice.ts'
import { ErrandConnection, type Errand } from './errand-port.ts'
import type { Journeys, Place } from './journeys.ts'
import { MESSAGE_BYTES, type Setting } from './setting.ts'
import type { Process, Timeline } from './timeline.ts'

const WINDOW = 6
const AGAIN_MS = 200
/** Held where it lies by both brokers. */
const LARGE = 4096
/** In one transaction at most. */
const MOST = 4

abstract class ErrandClient extends Client<ErrandConnection> {
  protected override make(port: ClientPort, client: ClientEnd, timeline: Timeline, dice: Dice): ErrandConnection {
    return new ErrandConnection(port, client, timeline, dice)
  }
}

/** Without an answer. */
interface Sending {
  readonly errands: readonly Errand[]
  /** In one transaction. */
  readonly together: boolean
}

export class ErrandProducer extends ErrandClient {
  /** Set to end: what is not acknowledged is still sent, nothing new. */
  stopped = false
  readonly #journeys: Journeys
  readonly #redeliveryMs: number
  readonly #unanswered = new Map<number, Sending>()
  #tag = 0

  constructor(
    process: Process,
    timeline: Timeline,
    addresses: readonly Address[],
    dice: Dice,
    setting: Setting,
    journeys: Journeys,
  ) {
    super(process, timeline, addresses, dice, setting)
    this.#journeys = journeys
    journeys.maxDeliveries = dice.whole(2, 4)
    this.#redeliveryMs = dice.likely(0.4) ? dice.whole(100, 2000) : 0
    this.#next()
  }

  get idle(): boolean {
    return this.#unanswered.size === 0
  }

  protected connected(connection: ErrandConnection): void {
    for (const [tag, sending] of this.#unanswered) {
      // What became of a transaction whose answer did not come is not known: some try again, some never.
      if (sending.together && this.dice.likely(0.5)) this.#unanswered.delete(tag)
      else this.#send(connection, tag, sending)
    }
  }

  protected lost(): void {}

  override acknowledged(tag: number): void {
    this.heard()
    this.#unanswered.delete(tag)
  }

  override refused(tag: number): void {
    this.heard()
    const sending = this.#unanswered.get(tag)
    if (sending !== undefined) this.later(AGAIN_MS, connection => this.#send(connection, tag, sending))
  }

  #send(connection: ErrandConnection, tag: number, { errands, together }: Sending): void {
    if (together) return connection.sendAll(tag, errands, this.dice.stretch(0.5, 400))
    for (const errand of errands) connection.send(tag, errand)
  }

  #next(): void {
    this.process.after(this.setting.errands * 2 * this.dice.next(), () => {
      if (!this.#journeys.configured) this.#configure()
      else if (!this.stopped && this.#unanswered.size < WINDOW) this.#begin()
      this.#next()
    })
  }

  #configure(): void {
    const { maxDeliveries } = this.#journeys
    const settings = { deadLetter: 'dead', expiry: 'dead', maxDeliveries }
    const slowly = this.#redeliveryMs > 0 ? { redeliveryDelayMs: this.#redeliveryMs } : {}
    this.connection?.configure('work', { ...settings, ...slowly })
  }

  #begin(): void {
    const together = this.dice.likely(0.25)
    const errands = Array.from({ length: together ? this.dice.whole(2, MOST) : 1 }, () => this.#errand(together))
    const sending = { errands, together }
    const tag = ++this.#tag
    if (together) this.#journeys.group(errands.map(({ id }) => id))
    this.#unanswered.set(tag, sending)
    if (this.connection !== null) this.#send(this.connection, tag, sending)
  }

  #errand(together: boolean): Errand {
    const { dice } = this
    const usual = Math.round(this.setting.bodyBytes * (0.2 + dice.next()))
    return {
      id: this.#journeys.begin(),
      bytes: !together && dice.likely(0.2) ? dice.whole(LARGE, MESSAGE_BYTES) : Math.min(MESSAGE_BYTES / MOST, usual),
      delayMs: dice.likely(0.4) ? Math.round(dice.stretch(50, 8000)) : 0,
      ttlMs: dice.likely(0.4) ? Math.round(dice.stretch(50, 10_000)) : 0,
    }
  }
}

export class ErrandConsumer extends ErrandClient {
  readonly #place: Place
  #owned = new Set<number>()
  /** What is moved, by the transaction's tag. */
  #moving = new Map<number, { readonly id: number; readonly sequence: number }>()
  #tag = 0
  /** Takes everything as it is, at once: to empty the queues at the end. */
  thorough = false

  constructor(
    process: Process,
    timeline: Timeline,
    addresses: readonly Address[],
    dice: Dice,
    setting: Setting,
    place: Place,
  ) {
    super(process, timeline, addresses, dice, setting)
    this.#place = place
  }

  protected connected(connection: ErrandConnection): void {
    connection.consume(this.#place, this.setting.credit)
  }

  protected lost(): void {
    this.#owned = new Set()
    this.#moving = new Map()
  }

  override delivered(id: number, sequence: number): void {
    this.heard()
    this.#owned.add(sequence)
    this.later(this.thorough ? 0 : this.dice.stretch(0.5, this.setting.thinkMs), connection => {
      const fate = this.#fate()
      if (fate !== 'moved') return this.#conclude(connection, id, sequence, fate)
      this.#moving.set(++this.#tag, { id, sequence })
      connection.move(this.#tag, id, sequence, this.dice.stretch(0.5, 400))
    })
  }

  /** A transaction is safe. */
  override acknowledged(tag: number): void {
    this.heard()
    const moved = this.#taken(tag)
    if (moved !== undefined) this.#over(moved.sequence)
  }

  /** It was rolled back: the message is as before. */
  override refused(tag: number): void {
    this.heard()
    const moved = this.#taken(tag)
    if (moved !== undefined && this.connection !== null)
      this.#conclude(this.connection, moved.id, moved.sequence, 'released')
  }

  #taken(tag: number): { readonly id: number; readonly sequence: number } | undefined {
    const moved = this.#moving.get(tag)
    this.#moving.delete(tag)
    return moved
  }

  #conclude(connection: ErrandConnection, id: number, sequence: number, outcome: Outcome): void {
    connection.conclude(id, sequence, outcome)
    this.#over(sequence)
  }

  #over(sequence: number): void {
    this.#owned.delete(sequence)
    this.connection?.credit(this.setting.credit - this.#owned.size)
  }

  #fate(): Outcome | 'moved' {
    const fate = this.dice.next()
    if (this.thorough) return 'accepted'
    if (this.#place !== 'work') return fate < 0.9 ? 'accepted' : 'released'
    if (fate < 0.4) return 'moved'
    if (fate < 0.6) return 'accepted'
    return fate < 0.72 ? 'rejected' : fate < 0.8 ? 'released' : 'modified'
  }
}
