// Clients of AMQP that do as they please, several things in one write, while records are not safe yet, the log refuses them,
// and servers fail over: whatever comes of it, fold, snapshot and the active server's own state are one, bytes are those that
// were published, what was accepted is not lost and what was settled does not come again, and when all have left for good
// nothing is left of them.

import fc from 'fast-check'
import assert from 'node:assert/strict'
import { CodedError } from '../../../src/base/errors.ts'
import type { AddressSettings } from '../../../src/broker/address-settings.ts'
import { Recovery } from '../../../src/protocols/amqp/front-end.ts'
import { encodePerformative, performatives as p } from '../../../src/protocols/amqp/performatives.ts'
import { bool, described, list, NULL, str, ubyte, uint } from '../../../src/protocols/amqp/types.ts'
import { propertyReader, readdress } from '../../../src/server/formats.ts'
import { plainDoor } from '../../support/sign-in.ts'
import { House } from '../mqtt/house.ts'
import { Book, Choice, QUEUES } from './wild-book.ts'
import { WildClient } from './wild-client.ts'
import { AMQP, client, condition, frame, num, truth, wire, type Wire } from './wire.ts'

const NAMES = ['c0', 'c1'] as const
const crowded = new CodedError('REPLICATION-BACKLOG', { what: 'too much', remedy: '' })
const LONG_MS = 2_000_000
const isQueue = (name: string): boolean => (QUEUES as readonly string[]).includes(name)
const SETTINGS: AddressSettings = {
  deadLetter: 'dead', expiry: 'old', maxDeliveries: 2, redeliveryDelayMs: 700, maxMessages: 12,
} // prettier-ignore

class Wild {
  readonly house = new House({}, { properties: propertyReader(), readdress })
  readonly book = new Book()
  #recovery = new Recovery()
  readonly clients = NAMES.map(name => new WildClient(this.house, this.book, name, () => this.#recovery))

  constructor() {
    const { house } = this
    house.broker.settings.set('address/queue/q', JSON.stringify(SETTINGS), () => {})
    house.rest()
    house.safe = house.log.last
    house.prompt = false
  }

  /** All that was said is done and answered. */
  calm(): void {
    for (let n = 0; n < 6; n++) this.#go()
    for (const { name, unsettled } of this.house.broker.status().queues) {
      if (!isQueue(name)) continue
      const has = this.clients.map(one => one.has(name))
      const sure = has.reduce((sum, [n]) => sum + n, 0)
      const most = has.reduce((sum, [, n]) => sum + n, sure)
      const fits = unsettled >= sure && unsettled <= most
      assert.ok(fits, `clients have ${sure} to ${most} of ${name}, and the broker says ${unsettled}`)
    }
  }

  step(kind: number, number: number): void {
    const { house, clients } = this
    const choice = new Choice(number)
    const one = choice.of(clients)
    const flushes = choice.below(2) === 0
    if (!one.isThere) one.connect(choice)
    else if (kind < 1) one.lose()
    else if (kind < 2) one.close()
    else if (kind < 4) one.end(choice.below(2))
    else if (kind < 6) this.#failover(choice)
    else if (kind < 10) this.calm()
    else if (kind < 12) house.log.fault = crowded
    else if (kind < 20) one.attach(choice)
    else if (kind < 30) one.detach(choice)
    else if (kind < 45) one.flow(choice)
    else if (kind < 95) one.send(choice)
    else if (kind < 110) one.declare(choice)
    else if (kind < 120) one.discharge(choice)
    else if (kind < 180) one.settle(choice)
    else if (kind < 190) house.turn()
    else if (kind < 200) house.commit(choice.of([1, 3, Infinity]))
    else if (kind < 206) house.clock.advance(choice.of([1, 100, 1000, 3000, 20_000]))
    else this.#go()
    if (flushes) one.flush()
    one.read()
  }

  #go(): void {
    this.house.log.fault = null
    for (const one of this.clients) one.flush()
    this.house.turn()
    this.house.commit(Infinity)
    this.house.turn()
    for (const one of this.clients) one.read()
  }

  #failover(choice: Choice): void {
    const { house, clients } = this
    house.failover(Math.min(house.log.last, house.safe + choice.below(4)))
    this.#recovery = new Recovery()
    for (const one of clients) one.lose()
    this.book.failover()
  }

  #wire(name: string): Wire {
    const { broker, clock } = this.house
    const w = wire({}, undefined, { signIn: plainDoor(broker), clock })
    w.connection.receive(Buffer.concat([AMQP, frame(0, encodePerformative(p.open, [str(name)])), client.begin()]))
    this.house.rest()
    return w
  }

  #do(w: Wire, bytes: Buffer): void {
    w.connection.receive(bytes)
    this.house.rest()
  }

  /** All leave; somebody takes what is in the queues, and their durable subscriptions away. */
  leave(): void {
    const { house, clients, book } = this
    for (const one of clients) one.lose()
    this.calm()
    house.prompt = true
    house.advance(LONG_MS)
    const found = new Set<string>()
    const w = this.#wire('cleaner')
    let next = 0
    QUEUES.forEach((name, handle) => this.#do(w, client.attachReceiver(handle, name, { settled: true })))
    for (let round = 0; round < 4; round++) {
      QUEUES.forEach((_, handle) => this.#do(w, client.flow({ next, handle, count: 0, credit: 2000 })))
      house.advance(1000)
    }
    const parts: Buffer[] = []
    for (const f of w.seen(p.transfer)) {
      next++
      parts.push(f.payload)
      if (truth(f, 5)) continue
      const number = book.judge(Buffer.concat(parts.splice(0)))
      found.add(number)
    }
    this.#do(w, client.close())
    w.connection.closed()
    book.audit(found)
    for (const name of NAMES) this.#unsubscribe(name)
    house.advance(LONG_MS)
  }

  #unsubscribe(container: string): void {
    const w = this.#wire(container)
    let handle = 0
    for (const name of ['d0topica', 'd1topica', 'd0topica/b', 'd1topica/b'])
      for (let again = 0; again < 4; again++, handle++) {
        const fields = [str(name), uint(handle), bool(true), ubyte(2), ubyte(0), NULL, described(0x29, list([]))]
        this.#do(w, frame(0, encodePerformative(p.attach, fields)))
        this.#do(w, client.detach(handle))
      }
    const wrong = w.seen(p.detach).map(f => condition(f.fields[2])).filter(told => told !== null && told !== 'amqp:not-found') // prettier-ignore
    assert.deepEqual([wrong, num(w.frames().at(-1), 0)], [[], handle - 1])
    w.connection.closed()
    this.house.rest()
  }
}

/** Without bias: small numbers are no rare things here. */
const step = fc.noBias(fc.tuple(fc.nat(259), fc.nat(0x7fffffff)))
const steps = fc.array(step, { minLength: 100, maxLength: 500, size: 'max' })

describe('AMQP clients that do as they please', function () {
  this.timeout(900_000)

  it('leave one state on both servers, lose nothing, and leave nothing when they have gone', () => {
    let got = 0
    let sent = 0
    let failovers = 0
    let committed = 0
    let rolledBack = 0
    fc.assert(
      fc.property(steps, all => {
        const wild = new Wild()
        const { house } = wild
        for (const [kind, number] of all) wild.step(kind, number)
        wild.calm()
        house.check()
        for (const one of wild.clients) got += one.got
        wild.leave()
        house.check()
        const { queues, messages, topics, upkeep } = house.broker.status()
        for (const { name, pending, unsettled, consumers } of queues)
          assert.deepEqual([isQueue(name), pending, unsettled, consumers], [true, 0, 0, 0], name)
        assert.deepEqual([messages, upkeep.held, upkeep.delayed], [0, 0, 0])
        const { sessions, subscriptions, listeners, delayed } = topics
        assert.deepEqual([sessions, subscriptions, listeners, delayed], [0, 0, 0, 0])
        sent += wild.book.count
        committed += wild.book.committed
        rolledBack += wild.book.rolledBack
        failovers += house.failovers
      }),
      {
        numRuns: Number(process.env['WILD_RUNS'] ?? 80),
        seed: Number(process.env['WILD_SEED'] ?? 3),

        // To shorten a story takes minutes.
        endOnFailure: process.env['WILD_SHRINK'] === undefined,
      },
    )
    const seen = { got, sent, failovers, committed, rolledBack }
    const enough = got > 500 && sent > 1000 && failovers > 50 && committed > 30 && rolledBack > 30
    assert.ok(enough, `too little happened: ${JSON.stringify(seen)}`)
  })
})
