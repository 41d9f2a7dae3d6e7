// A client of MQTT that does as it pleases, within what the standard allows: it comes and goes with other versions, wills and
// expiries, says several things at once, and answers late. What it gets must be what somebody published.

import assert from 'node:assert/strict'
import type { House } from './house.ts'
import { connect, make, Wire, type Version } from './wire.ts'

export const TOPICS = ['a', 'b', 'a/b'] as const
const FILTERS = ['a', 'b', 'a/#', '+', '$share/g/a', '$share/g/#', '$share/h/a'] as const
const EXPIRIES = [0, 2, 1000, 0xffffffff] as const
/** What a client that keeps to the standard is never told: malformed, protocol error, identifier in use, not its fault. */
const BLAME: ReadonlySet<unknown> = new Set([0x80, 0x81, 0x82, 0x83, 0x91, 0x92])

/** The parts of one number, so that one number decides what is done. */
export class Choice {
  #left: number
  constructor(number: number) {
    this.#left = number
  }
  below(limit: number): number {
    const part = this.#left % limit
    this.#left = Math.floor(this.#left / limit)
    return part
  }
  of<T>(all: readonly T[]): T {
    return all[this.below(all.length)] as T
  }
}

/** All that was published, by its number. */
export class Sent {
  readonly #payloads: string[] = []

  payload(topic: string, choice: Choice): string {
    const size = choice.of([0, 10, 3000, 20_000])
    const text = `${topic}|${this.#payloads.length}|`
    const payload = text + String.fromCharCode(97 + (this.#payloads.length % 26)).repeat(size)
    this.#payloads.push(payload)
    return payload
  }

  /** What comes was published so. */
  judge(topic: string, payload: string): void {
    const [said, number] = payload.split('|', 2)
    assert.equal(said, topic, 'it comes on its topic')
    assert.ok(payload === this.#payloads[Number(number)], 'its bytes are those that were published')
  }

  get count(): number {
    return this.#payloads.length
  }
}

export class WildClient {
  readonly #house: House
  readonly #sent: Sent
  readonly #name: string
  #wire: Wire | null = null
  #version: Version = 5
  #read = 0
  #lasts = false
  #packetId = 0
  #said: Buffer[] = []
  /** Of QoS 2, not answered to the end: the packet, or null once PUBREC came. */
  readonly #out = new Map<number, Record<string, unknown> | null>()
  #answers: (() => void)[] = []
  got = 0

  constructor(house: House, sent: Sent, name: string) {
    this.#house = house
    this.#sent = sent
    this.#name = name
  }

  get isThere(): boolean {
    return this.#wire !== null
  }

  #say(cmd: string, fields: Record<string, unknown>): void {
    if (this.#wire !== null) this.#said.push(make(this.#version, cmd, fields))
  }

  /** Everything that was said since the last time goes in one piece. */
  flush(): void {
    const { connection } = this.#wire ?? {}
    if (connection !== undefined && this.#said.length > 0) connection.receive(Buffer.concat(this.#said))
    this.#said = []
  }

  #id(): number {
    this.#packetId = (this.#packetId % 60_000) + 1
    return this.#packetId
  }

  /** Also where a connection of this name is there: that one is taken over. */
  connect(choice: Choice, clean = choice.below(4) === 0): void {
    this.#said = []
    this.#version = choice.below(3) === 0 ? 4 : 5
    this.#wire = new Wire(this.#version, {}, { broker: this.#house.broker, clock: this.#house.clock })
    this.#read = 0
    this.#answers = []
    const isFive = this.#version === 5
    const topic = choice.of(TOPICS)
    const will = {
      topic,
      payload: Buffer.from(this.#sent.payload(topic, new Choice(1))),
      qos: choice.below(3),
      retain: choice.below(2) === 0,
      ...(isFive ? { properties: { willDelayInterval: choice.of([0, 1, 5]) } } : {}),
    }
    const properties = { sessionExpiryInterval: choice.of(EXPIRIES), receiveMaximum: choice.of([1, 2, 100]) }
    this.#lasts = properties.sessionExpiryInterval > 0
    const hasWill = choice.below(3) === 0
    this.#said.push(
      connect(this.#version, {
        clientId: this.#name,
        clean,
        ...(isFive ? { properties } : {}),
        ...(hasWill ? { will } : {}),
      }),
    )
  }

  lose(): void {
    this.#wire?.connection.closed()
    this.#wire = null
    this.#said = []
    this.#answers = []
  }

  disconnect(choice: Choice): void {
    // A session that was to end with its connection cannot be made to last [MQTT-3.1.2.11.2].
    const expiry = choice.of(this.#lasts ? [undefined, 0, 1, 500] : [undefined, 0])
    const properties = expiry === undefined ? {} : { sessionExpiryInterval: expiry }
    this.#say('disconnect', this.#version === 5 ? { reasonCode: choice.of([0, 4]), properties } : {})
  }

  subscribe(choice: Choice): void {
    const topic = choice.of(FILTERS)
    const options = { rap: choice.below(2) === 0, rh: choice.below(3), nl: choice.below(3) === 0 && topic[0] !== '$' }
    const more = this.#version === 5 ? options : {}
    this.#say('subscribe', { messageId: this.#id(), subscriptions: [{ topic, qos: choice.below(3), ...more }] })
  }

  unsubscribe(choice: Choice): void {
    this.#say('unsubscribe', { messageId: this.#id(), unsubscriptions: [choice.of(FILTERS)] })
  }

  publish(choice: Choice): void {
    const topic = choice.of(TOPICS)
    const qos = choice.below(3)
    const retain = choice.below(2) === 0
    const forgets = retain && choice.below(4) === 0
    const expiry = choice.of([0, 0, 1, 3])
    const packet = {
      topic,
      payload: forgets ? '' : this.#sent.payload(topic, choice),
      qos,
      retain,
      ...(qos > 0 ? { messageId: this.#id() } : {}),
      ...(this.#version === 5 && expiry > 0 ? { properties: { messageExpiryInterval: expiry } } : {}),
    }
    if (qos === 2 && this.#wire !== null) this.#out.set(this.#packetId, packet)
    this.#say('publish', packet)
  }

  /** Reads what came; at most so many of what is owed for it is answered, in order. */
  answer(most: number): void {
    const wire = this.#wire
    if (wire === null) return
    const seen = wire.seen()
    for (const packet of seen.slice(this.#read)) this.#take(packet.cmd, packet)
    this.#read = seen.length
    if (wire.socket.ended || wire.socket.destroyed) return this.lose()
    for (const answer of this.#answers.splice(0, most)) answer()
  }

  #take(cmd: string, packet: Record<string, unknown>): void {
    const messageId = packet['messageId'] as number
    const owe = (answer: string) => void this.#answers.push(() => this.#say(answer, { messageId }))
    switch (cmd) {
      case 'connack':
        if (packet['sessionPresent'] !== true) return this.#out.clear()
        for (const [id, sent] of this.#out)
          if (sent === null) this.#say('pubrel', { messageId: id })
          else this.#say('publish', { ...sent, dup: true, properties: {} })
        return
      case 'publish': {
        const payload = String(packet['payload'])
        this.got++
        if (payload !== '') this.#sent.judge(String(packet['topic']), payload)
        if (packet['qos'] === 1) owe('puback')
        if (packet['qos'] === 2) owe('pubrec')
        return
      }
      case 'pubrel':
        return owe('pubcomp')
      case 'pubrec': {
        if (!this.#out.has(messageId)) return
        // A refusal ends the exchange [MQTT-4.3.3].
        if (Number(packet['reasonCode'] ?? 0) >= 0x80) return void this.#out.delete(messageId)
        this.#out.set(messageId, null)
        return owe('pubrel')
      }
      case 'pubcomp':
        return void this.#out.delete(messageId)
      case 'disconnect':
        assert.ok(
          !BLAME.has(packet['reasonCode']),
          `${this.#name} is told ${String(packet['reasonCode'])}: ${this.#wire?.log.join('\n')}`,
        )
    }
  }
}
