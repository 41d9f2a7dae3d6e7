// A client's connection for messages that do more than wait in a queue (journeys.ts): the same as that for plain ones, with the
// other half of what a protocol engine asks of the broker. Envelopes are made at the server, by its clock, as engines do.

import { isRefusal, type Consumer, type Outcome, type Producer, type QueuedMessage } from '../broker/api.ts'
import type { Refusal, Transaction } from '../broker/api.ts'
import type { AddressSettings } from '../broker/address-settings.ts'
import { DEFAULT_ENVELOPE, type Envelope } from '../broker/envelope.ts'
import { Connection, idOf, messageOf } from './client-port.ts'
import type { Journeys, Place } from './journeys.ts'

/** A message as its producer wants it; 0: at once, for ever. */
export interface Errand {
  readonly id: number
  readonly bytes: number
  readonly delayMs: number
  readonly ttlMs: number
}

export class ErrandConnection extends Connection {
  #place: Place = 'work'
  readonly #said = new Map<number, { readonly id: number; readonly outcome: Outcome }>()
  readonly #open = new Map<number, Transaction>()

  get #journeys(): Journeys {
    return this.port.parts.account.journeys
  }

  // From the client

  /** Settings of an address. */
  configure(queue: string, settings: AddressSettings): void {
    this.toServer(() => {
      const { parts } = this.port
      parts.settings.set(`address/queue/${queue}`, JSON.stringify(settings), refusal => {
        if (refusal !== null) return
        parts.acts(`confirms the settings of ${queue}`)
        this.#journeys.configured = true
      })
    })
  }

  /** A single message to `work`: `tag` is answered. */
  send(tag: number, errand: Errand): void {
    this.toServer(() => {
      const target = this.port.parts.broker.target('work')
      if (isRefusal(target)) return this.#sender.published(tag, target)
      this.#sent.set(tag, [errand.id])
      target.publish(messageOf(errand.id, errand.bytes), this.#sender, tag, this.#envelope(errand))
    })
  }

  /** Messages to `work`, all or none. */
  sendAll(tag: number, errands: readonly Errand[], thinkMs: number): void {
    this.#begin(tag, transaction => {
      const target = this.port.parts.broker.target('work')
      if (isRefusal(target)) return target
      for (const errand of errands) {
        const refusal = transaction.publish(target, messageOf(errand.id, errand.bytes), this.#envelope(errand))
        if (refusal !== null) return refusal
      }
      this.#sent.set(
        tag,
        errands.map(({ id }) => id),
      )
      return null
    })
    this.#commit(tag, thinkMs, () => this.#acknowledge(tag))
  }

  consume(place: Place, credit: number): void {
    this.#place = place
    this.toServer(() => {
      const subscription = this.port.parts.broker.subscribe(place, this.#receiver)
      if (isRefusal(subscription)) return this.end(subscription.text)
      this.subscription = subscription
      subscription.credit(credit, false)
    })
  }

  credit(messages: number): void {
    this.toServer(() => this.subscription?.credit(messages, false))
  }

  conclude(id: number, sequence: number, outcome: Outcome): void {
    if (outcome === 'accepted') this.#journeys.accepted(id)
    if (outcome === 'rejected') this.#journeys.rejected(id)
    if (outcome === 'modified') this.#journeys.failed(id)
    this.toServer(() => {
      this.#said.set(sequence, { id, outcome })
      this.subscription?.settle(sequence, outcome)
    })
  }

  /** Settles a message of `work` and sends it to `done`, both or neither. */
  move(tag: number, id: number, sequence: number, thinkMs: number): void {
    this.#journeys.asked(id)
    this.#begin(tag, transaction => {
      const target = this.port.parts.broker.target('done')
      if (this.subscription === null) return { refused: 'not-found', text: 'nothing is consumed' }
      if (isRefusal(target)) return target
      const refusal = transaction.settle(this.subscription, sequence, 'accepted', false)
      return refusal ?? transaction.publish(target, messageOf(id, 64), DEFAULT_ENVELOPE)
    })
    this.#commit(tag, thinkMs, () => this.#journeys.moved(id))
  }

  // At the server

  readonly #sent = new Map<number, readonly number[]>()

  #envelope({ id, delayMs, ttlMs }: Errand): Envelope {
    const now = Math.floor(this.port.parts.process.wall())
    const [deliverAt, expiresAt] = [delayMs === 0 ? 0 : now + delayMs, ttlMs === 0 ? 0 : now + ttlMs]
    const envelope = { ...DEFAULT_ENVELOPE, duplicateId: `message ${id}`, deliverAt, expiresAt }
    this.#journeys.attempt(id, envelope)
    return envelope
  }

  #begin(tag: number, work: (transaction: Transaction) => Refusal | null): void {
    this.toServer(() => {
      const transaction = this.port.parts.broker.begin()
      if (isRefusal(transaction)) return
      if (work(transaction) === null) this.#open.set(tag, transaction)
      else transaction.rollback()
    })
  }

  #commit(tag: number, thinkMs: number, done: () => void): void {
    this.client.process.after(thinkMs, () =>
      this.toServer(() => {
        const transaction = this.#open.get(tag)
        this.#open.delete(tag)
        if (transaction === undefined) return this.toClient(() => this.client.refused(tag))
        transaction.commit(refusal => {
          if (refusal !== null) return this.toClient(() => this.client.refused(tag))
          this.port.parts.acts(`confirms the transaction ${tag}`)
          done()
          this.toClient(() => this.client.acknowledged(tag))
        })
      }),
    )
  }

  #acknowledge(tag: number): void {
    for (const id of this.#sent.get(tag) ?? []) this.#journeys.acknowledge(id)
    this.#sent.delete(tag)
  }

  readonly #sender: Producer = {
    published: (tag: number, refusal: Refusal | null) => {
      if (refusal !== null) return this.toClient(() => this.client.refused(tag))
      this.port.parts.acts(`acknowledges the sending ${tag}`)
      this.#acknowledge(tag)
      this.toClient(() => this.client.acknowledged(tag))
    },
  }

  readonly #receiver: Consumer = {
    deliver: (message: QueuedMessage) => {
      const id = idOf(message.body)
      const { sequence } = message
      const { acts, process } = this.port.parts
      acts(`delivers message ${id} from ${this.#place}`)
      this.#journeys.delivered(this.#place, id, message, process.clock)
      this.toClient(() => this.client.delivered(id, sequence))
    },
    drained: () => {},
    detached: () => this.end('detached'),
    settled: (sequence: number) => {
      const { id, outcome } = this.#said.get(sequence) ?? { id: 0, outcome: 'released' }
      this.#said.delete(sequence)
      if (outcome !== 'released') {
        this.port.parts.acts(`confirms the settlement of record ${sequence}`)
        this.#journeys.settled(this.#place, id, outcome)
      }
      this.toClient(() => this.client.settled(sequence))
    },
  }

  override end(why: string): void {
    super.end(why)
    for (const transaction of this.#open.values()) transaction.rollback()
    this.#open.clear()
  }
}
