// Exactly once, whatever happens: clients that do as the standard says, messages of QoS 2 from one to the other, and at
// random moments lost connections, failovers to a server that lacks the last records, and records that are not safe yet.

import assert from 'node:assert/strict'
import fc from 'fast-check'
import { House } from './house.ts'
import { connect, make, Wire, type Version } from './wire.ts'

/** A client with a session, as section 4.3.3 wants it. Everything it must remember, it remembers. */
class Client {
  readonly house: House
  readonly version: Version
  readonly id: string
  wire: Wire | null = null
  #read = 0
  /** What it published and what of that was not answered to the end: text, or null once PUBREC came. */
  readonly out = new Map<number, string | null>()
  readonly done: string[] = []
  #next = 0
  /** Identifiers of messages that it passed on and whose PUBREL has not come. */
  readonly taken = new Set<number>()
  readonly got: string[] = []
  /** All that was ever sent to it. */
  readonly #seen = new Set<string>()
  subscribed = false

  constructor(house: House, version: Version, id: string) {
    this.house = house
    this.version = version
    this.id = id
  }

  send(cmd: string, fields: Record<string, unknown>): void {
    this.wire?.connection.receive(make(this.version, cmd, fields))
  }

  connect(): void {
    if (this.wire !== null) return
    this.wire = new Wire(this.version, {}, { broker: this.house.broker, clock: this.house.clock })
    this.#read = 0
    const properties = this.version === 5 ? { sessionExpiryInterval: 0xffffffff } : {}
    this.wire.connection.receive(connect(this.version, { clientId: this.id, clean: false, properties }))
  }

  lose(): void {
    this.wire?.connection.closed()
    this.wire = null
  }

  publish(): void {
    const id = (this.#next++ % 20) + 1
    if (this.wire === null || !this.wire.connection.isOpen || this.out.has(id)) return
    // Between them messages of QoS 1, which may come again: the records of both run through one queue.
    if (this.#next % 3 === 0)
      this.send('publish', { topic: 'a', payload: `least${this.#next}`, qos: 1, messageId: 1000 + this.#next })
    const text = `m${this.#next}`
    this.out.set(id, text)
    this.send('publish', { topic: 'a', payload: text, qos: 2, messageId: id })
  }

  /** Reads what came since the last time. */
  turn(): void {
    const { wire } = this
    if (wire === null) return
    if (wire.socket.ended || wire.socket.destroyed) return this.lose()
    const seen = wire.seen()
    const fresh = seen.slice(this.#read)
    this.#read = seen.length
    for (const packet of fresh) this.#take(packet.cmd, packet as Record<string, unknown>)
  }

  #take(cmd: string, packet: Record<string, unknown>): void {
    const messageId = packet['messageId'] as number
    switch (cmd) {
      case 'connack':
        if (!this.subscribed) this.send('subscribe', { messageId: 99, subscriptions: [{ topic: 'a', qos: 2 }] })
        // Nothing may be forgotten by a server that says it knows the session.
        if (packet['sessionPresent'] === true) for (const [id, text] of this.out) this.#again(id, text)
        return
      case 'suback':
        this.subscribed = true
        return
      case 'publish':
        // What comes again says so [MQTT-3.3.1-1], also from a server that has not sent it before.
        if (this.#seen.has(String(packet['payload']))) assert.equal(packet['dup'], true)
        this.#seen.add(String(packet['payload']))
        if (packet['qos'] === 1) return this.send('puback', { messageId })
        if (!this.taken.has(messageId)) this.got.push(String(packet['payload']))
        this.taken.add(messageId)
        return this.send('pubrec', { messageId })
      case 'pubrel':
        this.taken.delete(messageId)
        return this.send('pubcomp', { messageId })
      case 'pubrec':
        if (this.out.has(messageId)) {
          const text = this.out.get(messageId)
          if (typeof text === 'string') this.done.push(text)
          this.out.set(messageId, null)
        }
        return this.send('pubrel', { messageId })
      case 'pubcomp':
        this.out.delete(messageId)
    }
  }

  #again(messageId: number, text: string | null): void {
    if (text === null) this.send('pubrel', { messageId })
    else this.send('publish', { topic: 'a', payload: text, qos: 2, messageId, dup: true })
  }
}

type Step = (house: House, giver: Client, taker: Client) => void

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 10, arbitrary: fc.constant<Step>((_, giver) => giver.publish()) },
  {
    weight: 14,
    arbitrary: fc.constant<Step>((house, giver, taker) => {
      for (const client of [giver, taker]) client.connect()
      house.turn()
      for (const client of [giver, taker]) client.turn()
    }),
  },
  { weight: 5, arbitrary: fc.constant<Step>(house => house.turn()) },
  {
    weight: 8,
    arbitrary: fc.nat(6).map(
      (some): Step =>
        house =>
          house.commit(some),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.boolean().map(
      (which): Step =>
        (_, giver, taker) =>
          (which ? giver : taker).lose(),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.nat(3).map((more): Step => (house, giver, taker) => {
      house.failover(Math.min(house.log.last, house.safe + more))
      giver.lose()
      taker.lose()
    }),
  },
)

describe('MQTT QoS 2 under failovers', () => {
  for (const version of [4, 5] as const)
    it(`is exactly once in both directions, version ${version}`, () => {
      let failovers = 0
      let messages = 0
      fc.assert(
        fc.property(fc.array(step, { minLength: 40, maxLength: 160, size: 'max' }), steps => {
          const house = new House()
          house.prompt = false
          const giver = new Client(house, version, 'giver')
          const taker = new Client(house, version, 'taker')
          const calm = (turns: number): void => {
            house.advance(1)
            for (let i = 0; i < turns; i++) {
              for (const client of [giver, taker]) client.connect()
              house.turn()
              house.commit(Infinity)
              for (const client of [giver, taker]) client.turn()
            }
          }
          calm(6)
          assert.ok(taker.subscribed)
          for (const one of steps) one(house, giver, taker)
          calm(40)
          assert.equal(giver.out.size, 0, 'everything was answered in the end')
          const forTaker = taker.got
          assert.equal(new Set(forTaker).size, forTaker.length, 'nothing came twice')
          for (const text of giver.done) assert.ok(forTaker.includes(text), `${text} was answered and is lost`)
          house.check()
          failovers += house.failovers
          messages += forTaker.length
        }),
        { seed: 20261127, numRuns: 60, endOnFailure: true },
      )
      assert.ok(failovers > 100, `${failovers} failovers`)
      assert.ok(messages > 300, `${messages} messages`)
    })
})
