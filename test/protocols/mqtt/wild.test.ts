// Clients that do as they please, several things in one write, while records are not safe yet, the log refuses them, and
// servers fail over: whatever comes of it, fold, snapshot and the active server's own state are one, bytes are those that were
// published, and when all have left for good nothing is left of them.

import fc from 'fast-check'
import assert from 'node:assert/strict'
import { CodedError } from '../../../src/base/errors.ts'
import { House } from './house.ts'
import { Choice, Sent, TOPICS, WildClient } from './wild-client.ts'

const NAMES = ['c0', 'c1', 'c2'] as const
const crowded = new CodedError('REPLICATION-BACKLOG', { what: 'too much', remedy: '' })
/** Longer than any will is delayed, and than any expiry but the longest. */
const LONG_MS = 2_000_000

class Wild {
  readonly house = new House({ queueMessages: 8 })
  readonly sent = new Sent()
  readonly clients = NAMES.map(name => new WildClient(this.house, this.sent, name))

  constructor() {
    this.house.prompt = false
  }

  calm(): void {
    this.house.log.fault = null
    for (let n = 0; n < 6; n++) {
      this.house.commit(Infinity)
      this.house.turn()
    }
  }

  step(kind: number, number: number): void {
    const { house, clients } = this
    const choice = new Choice(number)
    const client = choice.of(clients)
    const flushes = choice.below(2) === 0
    // Whom nobody knows can do nothing else.
    if (!client.isThere || kind === 0) client.connect(choice)
    else if (kind < 2) client.lose()
    else if (kind < 4) client.disconnect(choice)
    else if (kind < 9) client.subscribe(choice)
    else if (kind < 10) client.unsubscribe(choice)
    else if (kind < 20) client.publish(choice)
    else if (kind < 24) client.answer(choice.of([Infinity, 1]))
    else if (kind < 26) house.turn()
    else if (kind < 30) house.commit(choice.of([1, 3, Infinity]))
    else if (kind < 32) house.clock.advance(choice.of([100, 1000, 3000, 61_000]))
    else if (kind < 33) house.log.fault = house.log.fault === null ? crowded : null
    else if (kind < 34) this.#failover(choice)
    else this.#go()
    if (flushes) client.flush()
  }

  /** What was said arrives, is safe, and is answered. */
  #go(): void {
    const { house, clients } = this
    for (const client of clients) client.flush()
    house.turn()
    house.commit(Infinity)
    house.turn()
    for (const client of clients) client.answer(Infinity)
  }

  #failover(choice: Choice): void {
    const { house, clients } = this
    house.failover(Math.min(house.log.last, house.safe + choice.below(4)))
    for (const client of clients) client.lose()
  }

  /** Everybody comes once more and leaves for good; topics forget what they keep. */
  leave(): void {
    const { house, clients } = this
    for (const client of clients) client.lose()
    this.calm()
    house.prompt = true
    for (const clientId of NAMES) house.do(house.wire(4, { clientId, clean: true }), 'disconnect', {})
    house.advance(LONG_MS)
    const cleaner = house.wire(5, { clientId: 'cleaner' })
    for (const topic of TOPICS) house.publish(cleaner, topic, '', 1, 1, { retain: true })
    house.do(cleaner, 'disconnect', {})
    house.advance(LONG_MS)
  }
}

const steps = fc.array(fc.tuple(fc.nat(38), fc.nat(0x7fffffff)), { minLength: 20, maxLength: 150, size: 'max' })

describe('MQTT clients that do as they please', function () {
  this.timeout(120_000)

  it('leave one state on both servers, and nothing when they have gone', () => {
    let got = 0
    let sent = 0
    let failovers = 0
    fc.assert(
      fc.property(steps, all => {
        const wild = new Wild()
        const { house } = wild
        for (const [kind, number] of all) wild.step(kind, number)
        wild.calm()
        house.check()
        for (const client of wild.clients) got += client.got
        wild.leave()
        house.check()
        const { queues, messages, topics, upkeep } = house.broker.status()
        assert.deepEqual([queues.length, messages, upkeep.held, upkeep.delayed], [0, 0, 0, 0])
        const { sessions, subscriptions, retainedMessages, retainedBytes, listeners, delayed } = topics
        assert.deepEqual(
          [sessions, subscriptions, retainedMessages, retainedBytes, listeners, delayed],
          [0, 0, 0, 0, 0, 0],
        )
        sent += wild.sent.count
        failovers += house.failovers
      }),
      { numRuns: Number(process.env['WILD_RUNS'] ?? 150), seed: Number(process.env['WILD_SEED'] ?? 20261201) },
    )
    assert.ok(got > 500 && sent > 2000 && failovers > 100, `${got} got of ${sent}, ${failovers} failovers`)
  })
})
