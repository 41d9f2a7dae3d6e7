// What one client is subscribed to: SUBSCRIBE and UNSUBSCRIBE with their answers, retained messages, and the way of each
// message that matches. Messages of QoS 0, and all of a client without a lasting session, come straight from the
// publisher's turn; the others come through the session's queue.

import {
  type Broker,
  type Envelope,
  isRefusal,
  type Listening,
  type Refusal,
  type TopicListener,
} from '../../broker/api.ts'
import type { BindingOptions } from '../../broker/binding.ts'
import { Fifo } from '../../broker/fifo.ts'
import type { Converter } from '../../broker/neutral.ts'
import type { Session, SessionMessage } from '../../broker/session-api.ts'
import { fault, malformed, protocolError, refusals } from './errors.ts'
import type { Host } from './host.ts'
import type { Manner, Outgoing } from './outgoing.ts'
import { type Cursor, packets } from './packets.ts'
import { places, Properties } from './properties.ts'
import { reasons } from './reasons.ts'
import { type Filter, readFilter } from './topics.ts'
import type { Valve } from './valve.ts'

export interface SubscriberHost extends Host {
  /** The client does not read fast enough: what may be dropped is. */
  readonly congested: boolean
  readonly valve: Pick<Valve, 'set'>
  writePacket(first: number, body: Uint8Array): void
}

interface Asked {
  readonly filter: Filter | null
  readonly options: BindingOptions
  /** Retain Handling: 0 send, 1 send where it is new, 2 do not. */
  readonly retained: number
}

const properties = new Properties()
const NO_IDS: readonly number[] = []

class Subscription implements TopicListener {
  readonly #subscriptions: Subscriptions
  readonly session: number
  options: BindingOptions
  ids: readonly number[] = NO_IDS
  listening: Listening | null = null

  constructor(subscriptions: Subscriptions, session: number, options: BindingOptions) {
    this.#subscriptions = subscriptions
    this.session = session
    this.options = options
    this.set(options)
  }

  set(options: BindingOptions): void {
    this.options = options
    this.ids = options.id > 0 ? [options.id] : NO_IDS
  }

  get client(): Subscriptions {
    return this.#subscriptions
  }

  published(body: Uint8Array, envelope: Envelope): void {
    this.#subscriptions.published(this, body, envelope)
  }
}

/** Subscriptions of one client that overlap: one message, with the best of each and the identifiers of all. */
class Overlap implements TopicListener {
  readonly #subscriptions: Subscriptions
  readonly #parts: readonly Subscription[]

  constructor(subscriptions: Subscriptions, parts: readonly Subscription[]) {
    this.#subscriptions = subscriptions
    this.#parts = parts
  }

  published(body: Uint8Array, envelope: Envelope): void {
    const own = this.#subscriptions.isOwn(envelope)
    let qos = 0
    let retainAsPublished = false
    const ids: number[] = []
    let parts = 0
    for (const { options, ids: its } of this.#parts) {
      if (own && options.noLocal) continue
      parts++
      qos = Math.max(qos, options.qos)
      retainAsPublished ||= options.retainAsPublished
      ids.push(...its)
    }
    const options = { qos: qos as 0 | 1 | 2, retainAsPublished, noLocal: false, id: 0 }
    if (parts > 0) this.#subscriptions.published({ options, ids }, body, envelope)
  }
}

export class Subscriptions {
  readonly #host: SubscriberHost
  readonly #session: Session
  readonly #outgoing: Outgoing
  readonly #all = new Map<string, Subscription>()
  /** Subscriptions that were granted, and for which what is retained is not looked through yet. */
  readonly #asking = new Fifo<Asked>()
  #looking = false
  readonly #convert: Converter

  /** `convert`: bodies of other protocols become ours. */
  constructor(host: SubscriberHost, session: Session, outgoing: Outgoing, convert: Converter) {
    this.#convert = convert
    this.#host = host
    this.#session = session
    this.#outgoing = outgoing
  }

  get count(): number {
    return this.#all.size
  }

  /** What the session was subscribed to before. */
  resume(): void {
    for (const [text, options] of this.#session.subscriptions) {
      const filter = readFilter(Buffer.from(text), Infinity)
      // What is not allowed any more is not gone on with.
      if (filter === null || this.#listen(filter, options) !== null) this.#session.unsubscribe(text, () => {})
    }
  }

  close(): void {
    for (const { listening } of this.#all.values()) listening?.close()
    this.#all.clear()
    this.#asking.clear()
  }

  // ---- messages

  joined(of: readonly TopicListener[]): TopicListener {
    return new Overlap(this, of as readonly Subscription[])
  }

  isOwn(envelope: Envelope): boolean {
    return envelope.publisher === this.#session.publisher
  }

  published({ options, ids }: Pick<Subscription, 'options' | 'ids'>, stored: Uint8Array, envelope: Envelope): void {
    if (options.noLocal && this.isOwn(envelope)) return // [MQTT-3.8.3-3]
    const body = this.#convert(stored, envelope)
    const session = this.#session
    const qos = envelope.qos < options.qos ? envelope.qos : options.qos
    const retain = options.retainAsPublished && envelope.retain
    if (qos === 0) this.#sendAtMostOnce(body, retain, ids, envelope.expiresAt)
    // What has a lasting session gets it through its queue.
    else if (session.id === 0) this.#send(body, { qos, retain, ids, expiresAt: envelope.expiresAt, done: null })
  }

  #sendAtMostOnce(body: Uint8Array, retain: boolean, ids: readonly number[], expiresAt: number): void {
    const host = this.#host
    if (host.congested) return host.dropped('slow')
    const seconds = expiresAt === 0 ? -1 : Math.ceil((expiresAt - host.wall()) / 1000)
    if (expiresAt !== 0 && seconds <= 0) return
    const extras = ids.length > 0 || seconds >= 0 ? { ids, expirySeconds: seconds } : null
    if (!host.sender.publish(body, 0, retain, false, 0, extras)) host.dropped('too-large')
  }

  #send(body: Uint8Array, manner: Manner): void {
    this.#outgoing.send(body, manner)
  }

  /** From the session's queue. */
  deliver({ packetId, body, qos, retain, again, envelope, filters }: SessionMessage): void {
    const host = this.#host
    const { expiresAt } = envelope
    const seconds = expiresAt === 0 ? -1 : Math.max(1, Math.ceil((expiresAt - host.wall()) / 1000))
    const ids: number[] = []
    for (const filter of filters) {
      const id = this.#all.get(filter)?.options.id ?? 0
      if (id > 0) ids.push(id)
    }
    const extras = ids.length > 0 || seconds >= 0 ? { ids, expirySeconds: seconds } : null
    if (host.sender.publish(this.#convert(body, envelope), qos, retain, again, packetId, extras)) return
    // [MQTT-3.1.2-25]: as if it had been sent.
    host.dropped('too-large')
    this.#session.acknowledge(packetId)
  }

  // ---- SUBSCRIBE

  subscribe(packet: Cursor): void {
    const id = packet.u16()
    if (id === 0) throw protocolError('a packet identifier is 0') // [MQTT-2.2.1-3]
    let identifier = 0
    if (this.#host.version === 5) {
      properties.read(packet, places.SUBSCRIBE)
      identifier = Math.max(0, properties.subscriptionId)
    }
    const asked: Asked[] = []
    while (packet.left > 0) asked.push(this.#readOne(packet, identifier))
    if (asked.length === 0) throw protocolError('SUBSCRIBE without a topic filter') // [MQTT-3.8.3-2]
    const answer = new Answer(asked.length, codes => {
      this.#answer(packets.SUBACK << 4, id, codes)
      asked.forEach((one, i) => {
        if ((codes[i] as number) < 0x80 && one.retained === 0) this.#asking.push(one)
      })
      if (!this.#looking) this.#look()
    })
    asked.forEach((one, i) => this.#subscribeOne(one, code => answer.set(i, code)))
  }

  #readOne(packet: Cursor, identifier: number): Asked & { retained: number } {
    const filter = readFilter(packet.binary(), this.#host.limits.topicLevels)
    const bits = packet.u8()
    const qos = bits & 3
    const five = this.#host.version === 5
    const retained = (bits >> 4) & 3
    // [MQTT-3.8.3-5], of 3.1.1: [MQTT-3-8.3-4]
    if (qos === 3 || (bits & (five ? 0xc0 : 0xfc)) !== 0) throw malformed('reserved bits of a subscription are set')
    if (retained === 3) throw protocolError('Retain Handling is 3')
    const noLocal = (bits & 4) !== 0
    // [MQTT-3.8.3-4]
    if (noLocal && filter !== null && filter.share !== '') throw protocolError('No Local for a shared subscription')
    const options = { qos: qos as 0 | 1 | 2, noLocal, retainAsPublished: (bits & 8) !== 0, id: identifier }
    return { filter, options, retained }
  }

  #subscribeOne(asked: Asked, done: (code: number) => void): void {
    const { filter, options } = asked
    if (filter === null) return done(this.#host.version === 5 ? reasons.TOPIC_FILTER : reasons.UNSPECIFIED)
    const before = this.#all.get(filter.text)
    if (before === undefined && this.#all.size >= this.#host.limits.subscriptions) return done(this.#code('limit'))
    const { retained } = asked
    const wanted = filter.share === '' && (retained === 0 || (retained === 1 && before === undefined))
    ;(asked as { retained: number }).retained = wanted ? 0 : 2
    const optionsBefore = before?.options
    const refused = this.#listen(filter, options)
    if (refused !== null) return done(this.#code(refused.refused))
    const session = this.#session
    if (session.id === 0) return done(options.qos)
    session.subscribe(filter.text, options, refusal => {
      if (refusal === null) return done(options.qos)
      if (optionsBefore === undefined) this.#forget(filter.text)
      else before?.set(optionsBefore)
      done(this.#code(refusal.refused))
    })
  }

  #code(refused: Refusal['refused']): number {
    return this.#host.version === 5 ? refusals[refused] : reasons.UNSPECIFIED
  }

  #listen(filter: Filter, options: BindingOptions): Refusal | null {
    const known = this.#all.get(filter.text)
    if (known !== undefined) {
      known.set(options)
      return null
    }
    const subscription = new Subscription(this, this.#session.id, options)
    const listening = this.#host.broker.listen(filter.filter, subscription, filter.share)
    if (isRefusal(listening)) return listening
    subscription.listening = listening
    this.#all.set(filter.text, subscription)
    return null
  }

  #forget(text: string): boolean {
    const subscription = this.#all.get(text)
    if (subscription === undefined) return false
    subscription.listening?.close()
    return this.#all.delete(text)
  }

  /** Sends what is retained, as far as that may be looked through in this turn. */
  readonly #look = (): void => {
    const { broker, valve } = this.#host
    this.#looking = false
    for (let asked = this.#asking.peek(); asked !== undefined; asked = this.#asking.peek()) {
      if (!this.#sendRetained(asked, broker)) {
        this.#looking = true
        return valve.set('looking', true)
      }
      this.#asking.shift()
    }
    valve.set('looking', false)
  }

  #sendRetained({ filter, options }: Asked, broker: Broker): boolean {
    if (filter === null) return true
    const ids = options.id > 0 ? [options.id] : NO_IDS
    const visit = (body: Uint8Array, envelope: Envelope): void => {
      const qos = Math.min(envelope.qos, options.qos)
      const { expiresAt } = envelope
      if (qos === 0) this.#sendAtMostOnce(body, true, ids, expiresAt)
      else if (this.#session.id > 0) this.#session.put(body, qos as 1 | 2, true, expiresAt)
      else this.#send(body, { qos, retain: true, ids, expiresAt, done: null })
    }
    return broker.retained(filter.filter, visit, this.#look)
  }

  // ---- UNSUBSCRIBE

  unsubscribe(packet: Cursor): void {
    const id = packet.u16()
    if (id === 0) throw protocolError('a packet identifier is 0')
    if (this.#host.version === 5) properties.read(packet, places.UNSUBSCRIBE)
    const filters: (Filter | null)[] = []
    while (packet.left > 0) filters.push(readFilter(packet.binary(), this.#host.limits.topicLevels))
    if (filters.length === 0) throw protocolError('UNSUBSCRIBE without a topic filter') // [MQTT-3.10.3-2]
    const answer = new Answer(filters.length, codes =>
      // MQTT 3.1.1 has no codes here.
      this.#answer(packets.UNSUBACK << 4, id, this.#host.version === 5 ? codes : []),
    )
    filters.forEach((filter, i) => {
      if (filter === null) return answer.set(i, reasons.TOPIC_FILTER)
      const known = this.#all.get(filter.text)
      if (known === undefined) return answer.set(i, reasons.NO_SUBSCRIPTION)
      this.#forget(filter.text)
      if (this.#session.id === 0) return answer.set(i, reasons.SUCCESS)
      this.#session.unsubscribe(filter.text, refusal => {
        if (refusal === null) return answer.set(i, reasons.SUCCESS)
        // It stays, and can be taken away later; MQTT 3.1.1 cannot say so, and UNSUBACK has no code for a quota.
        this.#listen(filter, known.options)
        if (this.#host.version === 4) this.#host.fail(fault('QUOTA', { why: refusal.text }))
        answer.set(i, reasons.IMPLEMENTATION)
      })
    })
  }

  #answer(first: number, id: number, codes: readonly number[]): void {
    const five = this.#host.version === 5
    const body = Buffer.alloc((five ? 3 : 2) + codes.length)
    body.writeUInt16BE(id)
    body.set(codes, five ? 3 : 2)
    this.#host.writePacket(first, body)
  }
}

/** Waits until all is known of what one packet asked for. */
class Answer {
  readonly #codes: number[]
  #open: number
  readonly #done: (codes: readonly number[]) => void

  constructor(count: number, done: (codes: readonly number[]) => void) {
    this.#codes = Array.from({ length: count }, () => 0)
    this.#open = count
    this.#done = done
  }

  set(at: number, code: number): void {
    this.#codes[at] = code
    if (--this.#open === 0) this.#done(this.#codes)
  }
}
