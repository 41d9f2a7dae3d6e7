// Messages whose time is over, in queues that nobody consumes: they leave by records, a bounded part at a time, whether they
// are in memory or paged out, and what may be with a client already stays.

import fc from 'fast-check'
import assert from 'node:assert/strict'
import { DEFAULT_ENVELOPE, type Envelope } from '../../src/broker/api.ts'
import { brokerError } from '../../src/broker/errors.ts'
import { SEEN_PER_TURN } from '../../src/broker/limits.ts'
import { decodeRanges, RECEIVED, SETTLED } from '../../src/broker/records.ts'
import { Bench, selecting, sure } from './ground.ts'
import { agree, successor, texts } from './transaction-ground.ts'

const SWEEP_MS = 1000

function put(bench: Bench, text: string, envelope: Partial<Envelope>, address = 'q'): void {
  bench.target(address).publish(Buffer.from(text), null, 0, { ...DEFAULT_ENVELOPE, ...envelope })
}

function pass(bench: Bench, ms: number): void {
  bench.settle()
  bench.clock.advance(ms)
  bench.settle()
}

/** Most of 6,000 messages in a queue that nobody has consumed. */
function pagedOut(envelopeOf: (i: number) => Partial<Envelope>): Bench {
  const bench = new Bench({ memoryBytes: 1 << 20, pageOutBytes: 1 << 19 }).serve()
  for (let i = 0; i < 6000; i++) {
    put(bench, `n=${i}`.padEnd(300), envelopeOf(i))
    if (i % 100 === 0) bench.settle()
  }
  bench.settle()
  assert.ok(bench.broker.status().pagedMessages > 3000)
  return bench
}

const removed = (bench: Bench): number =>
  bench.log.records
    .filter(({ kind }) => kind === SETTLED)
    .map(record => decodeRanges(record).count)
    .reduce((sum, count) => sum + count, 0)

describe('messages whose time is over, where nobody asks for them', () => {
  it('leave by a record within a second, and no failover brings them back', () => {
    const bench = new Bench().serve()
    put(bench, 'a', { expiresAt: 100 })
    put(bench, 'b', {})
    put(bench, 'c', { expiresAt: 5000 })
    put(bench, 'd', { expiresAt: 200 })
    pass(bench, 50)
    assert.equal(bench.broker.status().messages, 4)
    pass(bench, 200 + SWEEP_MS)
    assert.deepEqual([bench.broker.status().messages, removed(bench)], [2, 2])
    agree(bench)
    const next = successor(bench)
    assert.deepEqual(texts(next), ['b', 'c'])
    next.clock.time = 6000
    pass(next, SWEEP_MS)
    assert.deepEqual([next.broker.status().messages, removed(next)], [1, 3])
    agree(next)
  })

  it('leave after a failover, whatever the server before knew of its queues', () => {
    const bench = new Bench().serve()
    for (let i = 0; i < 10; i++) put(bench, `${i}`, { expiresAt: i % 2 === 0 ? 100 : 0 })
    bench.settle()
    const next = successor(bench)
    next.clock.time = 100
    pass(next, SWEEP_MS)
    assert.equal(next.broker.status().messages, 5)
    agree(next)
  })

  it('are found though their queue has a consumer that wants others, and in the middle of priorities', () => {
    const bench = new Bench().serve()
    put(bench, 'n=1', { expiresAt: 100, priority: 7 })
    put(bench, 'n=2', { expiresAt: 100, priority: 2 })
    put(bench, 'n=3', { priority: 5 })
    const taker = bench.taker('q', 5, selecting('n = 4'))
    pass(bench, 100 + SWEEP_MS)
    assert.deepEqual([taker.texts, bench.broker.status().messages], [[], 1])
    const plain = bench.taker('q', 1)
    bench.settle()
    assert.deepEqual(plain.texts, ['n=3'])
  })

  it('stay with the consumer that has them, and go once it gives them back', () => {
    const bench = new Bench().serve()
    put(bench, 'a', { expiresAt: 100 })
    const taker = bench.taker('q', 1)
    pass(bench, 100 + SWEEP_MS)
    assert.deepEqual([taker.texts, bench.broker.status().messages], [['a'], 1])
    taker.subscription.settle(taker.got[0]?.sequence as number, 'released')
    pass(bench, SWEEP_MS)
    assert.equal(bench.broker.status().messages, 0)
    agree(bench)
  })

  it('are looked for a bounded part at a time, and never delivered while their record is on its way', () => {
    const bench = new Bench().serve()
    const count = 3 * SEEN_PER_TURN
    for (let i = 0; i < count; i++) put(bench, `${i}`, { expiresAt: 100 })
    bench.settle()
    const before = bench.log.last
    bench.clock.advance(100 + SWEEP_MS)
    for (let turn = 1; bench.clock.turn(); turn++) {
      const counts = bench.log.records.slice(before).map(record => decodeRanges(record).count)
      assert.ok(counts.every(one => one <= SEEN_PER_TURN))
    }
    assert.equal(bench.log.last - before, 3)
    const taker = bench.taker('q', 10)
    bench.clock.rest()
    assert.deepEqual(taker.texts, [])
    bench.settle()
    assert.equal(bench.broker.status().messages, 0)
    agree(bench)
  })

  it('leave where they are paged out, and what has nothing to lose is not read', () => {
    const bench = new Bench({ memoryBytes: 1 << 20, pageOutBytes: 1 << 19 }).serve()
    const count = 6000
    for (let i = 0; i < count; i++) {
      put(bench, `${i}`.padEnd(300), { expiresAt: i < 4000 ? 0 : i % 2 === 0 ? 100 : 1_000_000 })
      if (i % 100 === 0) bench.settle()
    }
    bench.settle()
    assert.ok(bench.broker.status().pagedMessages > count / 2)
    pass(bench, 100 + SWEEP_MS)
    assert.equal(bench.broker.status().messages, count - 1000)
    assert.ok(bench.broker.status().residentBytes < 1.1 * (1 << 20))
    agree(bench)
    const { reads } = bench.spill
    pass(bench, 10 * SWEEP_MS)
    assert.equal(bench.spill.reads, reads)
    assert.equal(texts(bench).length, 1000)
  })

  it('leave where they are paged out though the log took no record at first', () => {
    const bench = pagedOut(i => ({ expiresAt: i >= 4000 && i % 2 === 0 ? 100 : 0 }))
    bench.log.fault = brokerError('CLOSED', { why: 'full' })
    for (let i = 0; i < 30; i++) {
      bench.clock.advance(100)
      bench.rest()
    }
    assert.equal(bench.broker.status().messages, 6000)
    bench.log.fault = null
    pass(bench, 2 * SWEEP_MS)
    assert.equal(bench.broker.status().messages, 5000)
    agree(bench)
  })

  it('leave where they are paged out and the consumer that did not want them has gone', () => {
    const bench = pagedOut(i => ({ expiresAt: i === 5000 ? 5000 : i === 5001 ? 100 : 0 }))
    const taker = bench.taker('q', 1, selecting('n = 5000'))
    bench.settle()
    taker.subscription.settle(taker.got[0]?.sequence as number, 'modified', true)
    pass(bench, 100 + SWEEP_MS)
    assert.equal(bench.broker.status().messages, 5999)
    taker.subscription.close(false)
    pass(bench, 5000 + SWEEP_MS)
    assert.equal(bench.broker.status().messages, 5998)
    agree(bench)
  })

  it('leave durable subscriptions, also when it is their turn', () => {
    const bench = new Bench().serve()
    const wish = { filter: 't', durable: 'd', shared: false, group: '', selector: null, notFrom: 0 }
    const taker = bench.taker('q')
    taker.subscription = sure(bench.broker.subscribeTopic(wish, taker, () => {}))
    bench.settle()
    put(bench, 'a', { expiresAt: 100 }, 'topic://t')
    put(bench, 'b', { expiresAt: 300 }, 'topic://t')
    pass(bench, 100 + SWEEP_MS)
    assert.equal(bench.broker.status().messages, 0)
    put(bench, 'c', { expiresAt: bench.clock.time + 10 }, 'topic://t')
    put(bench, 'd', {}, 'topic://t')
    bench.settle()
    bench.clock.time += 10
    taker.subscription.credit(5, false)
    bench.settle()
    assert.deepEqual(taker.texts, ['d'])
    agree(bench)
  })

  it('leave the queue of a session only where its client cannot know them', () => {
    const bench = new Bench().serve()
    const owner = { opened() {}, deliver: (m: { body: Uint8Array }) => void got.push(Buffer.from(m.body).toString()), taken() {}, released() {}, received() {}, takenOver() {}, ended() {} } // prettier-ignore
    const got: string[] = []
    const request = { clientId: 'c', user: '', clean: false, keepMs: Infinity, will: null }
    const session = sure(bench.broker.sessions.open(request, owner))
    const options = { qos: 1, noLocal: false, retainAsPublished: false, id: 0 } as const
    session.subscribe('#', options, () => {})
    bench.settle()
    put(bench, 'a', { expiresAt: 100 }, 'topic://t')
    put(bench, 'b', { expiresAt: 100 }, 'topic://t')
    session.window(1)
    bench.settle()
    assert.deepEqual(got, ['a'])
    session.leave('gone', null)
    pass(bench, 100 + SWEEP_MS)
    assert.equal(bench.broker.status().messages, 1, 'the one that the client may know')
    const next = successor(bench)
    pass(next, 10 * SWEEP_MS)
    assert.equal(next.broker.status().messages, 1, 'the other server knows no better')
    assert.ok(!next.log.records.some(({ kind }) => kind === RECEIVED))
    agree(next)
  })

  it('stay while the server cannot prove that it serves, or the log takes no record', () => {
    const bench = new Bench().serve()
    put(bench, 'a', { expiresAt: 100 })
    bench.settle()
    const before = bench.log.last
    bench.log.proof = false
    pass(bench, 10 * SWEEP_MS)
    assert.equal(bench.log.last, before)
    bench.log.proof = true
    bench.log.fault = null
    pass(bench, 10 * SWEEP_MS)
    assert.equal(bench.broker.status().messages, 0)
  })

  it('are gone, and nothing else is, in any mixture of times, consumers and failovers', () => {
    const step = fc.oneof(fc.nat(60), fc.constantFrom('pass', 'take', 'give back', 'fail over'))
    const property = fc.property(fc.array(step, { maxLength: 40 }), steps => {
      let bench = new Bench({ memoryBytes: 1 << 15, pageOutBytes: 1 << 11 }).serve()
      bench.target('q')
      let here: { text: string; expiresAt: number }[] = []
      let number = 0
      for (const step of steps) {
        const { time } = bench.clock
        if (typeof step === 'number') {
          for (let i = 0; i < 5; i++) {
            const one = { text: `${number++}`.padEnd(100), expiresAt: step < 20 ? 0 : time + 100 * step }
            put(bench, one.text, one)
            here.push(one)
          }
        } else if (step === 'pass') pass(bench, 3 * SWEEP_MS)
        else if (step === 'fail over') {
          bench.settle()
          bench = successor(bench)
          bench.clock.time = time
        } else {
          bench.settle()
          const taker = bench.taker('q', 3)
          bench.settle()
          const due = here.filter(one => one.expiresAt === 0 || one.expiresAt > time).slice(0, 3)
          assert.deepEqual(taker.texts, due.map(one => one.text)) // prettier-ignore
          const outcome = step === 'take' ? 'accepted' : 'released'
          for (const { sequence } of taker.got) taker.subscription.settle(sequence, outcome)
          if (step === 'take') here = here.filter(one => !due.includes(one))
          bench.settle()
          taker.subscription.close(false)
        }
        bench.settle()
        here = here.filter(one => one.expiresAt === 0 || one.expiresAt > bench.clock.time)
        if (step === 'pass') bench.clock.advance(SWEEP_MS)
      }
      pass(bench, 2 * SWEEP_MS)
      here = here.filter(one => one.expiresAt === 0 || one.expiresAt > bench.clock.time)
      bench.settle()
      assert.deepEqual(texts(bench), here.map(one => one.text)) // prettier-ignore
      agree(bench)
    })
    fc.assert(property, { seed: 5, numRuns: 150 })
  })
})
