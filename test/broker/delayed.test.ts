// Messages that are to be delivered later: where they wait, when they come, and that no failover loses or doubles one.

import fc from 'fast-check'
import assert from 'node:assert/strict'
import { DEFAULT_ENVELOPE, type Envelope, type Refusal } from '../../src/broker/api.ts'
import { GROUP, PLACE } from '../../src/broker/records.ts'
import { Bench, restoredFrom, selecting, sure } from './ground.ts'
import { agree, begin, commit, successor, texts } from './transaction-ground.ts'

function put(bench: Bench, text: string, envelope: Partial<Envelope>, address = 'q'): (string | null)[] {
  const told: (string | null)[] = []
  const producer = { published: (_: number, refusal: Refusal | null) => void told.push(refusal?.refused ?? null) }
  bench.target(address).publish(Buffer.from(text), producer, 0, { ...DEFAULT_ENVELOPE, ...envelope })
  return told
}

/** Time goes on, with all that it brings. */
function pass(bench: Bench, ms: number): void {
  bench.settle()
  bench.clock.advance(ms)
  bench.settle()
}

const statusOf = (bench: Bench, name = 'q') => {
  const { messages, delayed, pending } = bench.broker.status().queues.find(queue => queue.name === name) as {
    messages: number
    delayed: number
    pending: number
  }
  return { messages, delayed, pending }
}

describe('messages with a delivery time', () => {
  it('are acknowledged when they are safe, and come at the end of their queue when their time has come', () => {
    const bench = new Bench().serve()
    const told = put(bench, 'late', { deliverAt: 100 })
    put(bench, 'later', { deliverAt: 200 })
    assert.deepEqual(told, [])
    bench.publish('q', 'a')
    bench.settle()
    assert.deepEqual([told, statusOf(bench)], [[null], { messages: 1, delayed: 2, pending: 0 }])
    const taker = bench.taker('q', 10)
    bench.settle()
    assert.deepEqual(taker.texts, ['a'])
    pass(bench, 99)
    bench.publish('q', 'b')
    bench.settle()
    assert.deepEqual(taker.texts, ['a', 'b'])
    pass(bench, 1)
    assert.deepEqual(taker.texts, ['a', 'b', 'late'])
    assert.deepEqual(statusOf(bench), { messages: 3, delayed: 1, pending: 0 })
    agree(bench)
    pass(bench, 100)
    assert.deepEqual(taker.texts, ['a', 'b', 'late', 'later'])
    agree(bench)
  })

  it('whose time is over when they come are like any others', () => {
    const bench = new Bench().serve()
    bench.clock.time = 1000
    put(bench, 'a', { deliverAt: 1000 })
    bench.settle()
    assert.deepEqual([texts(bench), bench.broker.status().queues.length], [['a'], 1])
  })

  it('come in the order of their times, whatever the order in which they were sent', () => {
    const bench = new Bench().serve()
    const times = [70, 20, 90, 20, 50, 10]
    for (const [i, deliverAt] of times.entries()) put(bench, `${deliverAt}-${i}`, { deliverAt })
    pass(bench, 1000)
    assert.deepEqual(texts(bench), ['10-5', '20-1', '20-3', '50-4', '70-0', '90-2'])
  })

  it('keep what else is said of them: priority, group, expiry, a selector finds them', () => {
    const bench = new Bench().serve()
    put(bench, 'n=1', { deliverAt: 10, priority: 7, group: 'g', expiresAt: 5000 })
    put(bench, 'n=2', { deliverAt: 10, expiresAt: 5 })
    pass(bench, 20)
    const taker = bench.taker('q', 5, selecting('n > 0'))
    bench.settle()
    assert.deepEqual(taker.texts, ['n=1'])
    const { priority, group, expiresAt, deliverAt } = taker.got[0]?.envelope ?? DEFAULT_ENVELOPE
    assert.deepEqual([priority, group, expiresAt, deliverAt], [7, 'g', 5000, 0])
  })

  it('move by one record, and a failover at any record finds each of them once', () => {
    const bench = new Bench().serve()
    for (let i = 0; i < 5; i++) put(bench, `m${i}`, { deliverAt: 100 })
    bench.settle()
    const before = bench.log.last
    bench.clock.advance(100)
    const kinds = bench.log.records.slice(before).map(({ kind }) => kind)
    assert.deepEqual(kinds, [PLACE, PLACE, PLACE, PLACE, GROUP])
    assert.deepEqual(statusOf(bench), { messages: 0, delayed: 0, pending: 5 }, 'counted once on the way')
    for (let records = 1; records <= bench.log.last; records++) {
      const next = successor(bench, records)
      next.clock.time = 50
      pass(next, 51)
      const sent = Math.min(5, Math.max(0, records - 2))
      assert.deepEqual(texts(next), ['m0', 'm1', 'm2', 'm3', 'm4'].slice(0, sent), `${records} records`)
      assert.equal(statusOf(next).delayed, 0)
      agree(next)
    }
    bench.settle()
    agree(bench)
  })

  it('that were on their way when the reign ended are there once, whatever became of the record', () => {
    for (const isSafe of [true, false]) {
      const bench = new Bench().serve()
      put(bench, 'a', { deliverAt: 100 })
      put(bench, 'b', { deliverAt: 100 })
      bench.settle()
      const before = bench.log.last
      bench.clock.advance(100)
      bench.broker.stopServing()
      if (!isSafe) bench.log.records.length = before
      bench.broker.apply({ sequence: bench.log.last + 1, epoch: 2, kind: 1, body: Buffer.from('{}') })
      bench.log.append(1, Buffer.from('{}'), Buffer.alloc(0))
      agree(bench)
      bench.serve()
      pass(bench, 100)
      assert.deepEqual([texts(bench), statusOf(bench).delayed], [['a', 'b'], 0])
      agree(bench)
    }
  })

  it('wait while the server cannot prove that it serves, or the log takes no record', () => {
    const bench = new Bench().serve()
    put(bench, 'a', { deliverAt: 100 })
    bench.settle()
    const before = bench.log.last
    bench.log.proof = false
    bench.clock.advance(200)
    assert.equal(bench.log.last, before)
    bench.log.proof = true
    bench.clock.advance(200)
    assert.ok(bench.log.last > before)
    pass(bench, 1)
    assert.deepEqual(texts(bench), ['a'])
  })

  it('count for the limits of their queue', () => {
    const bench = new Bench({ queueMessages: 3 }).serve()
    for (let i = 0; i < 2; i++) assert.deepEqual(put(bench, `${i}`, { deliverAt: 100 }), [])
    bench.publish('q', 'a')
    assert.equal(bench.target('q').room(), 0)
    assert.deepEqual(put(bench, 'b', {}), ['queue-full'])
    assert.deepEqual(put(bench, 'c', { deliverAt: 100 }), ['queue-full'])
    pass(bench, 100)
    assert.deepEqual(put(bench, 'd', {}), ['queue-full'], 'they still count, once')
    assert.deepEqual(texts(bench).length, 3)
    const taker = bench.taker('q', 1)
    bench.settle()
    taker.subscription.settle(taker.got[0]?.sequence as number, 'accepted')
    bench.settle()
    assert.equal(bench.target('q').room(), 1)
  })

  it('are paged out by the thousand, and come in their order', () => {
    const bench = new Bench({ memoryBytes: 1 << 20, pageOutBytes: 1 << 19 }).serve()
    const count = 6000
    for (let i = 0; i < count; i++) {
      put(bench, `${i}`.padEnd(300), { deliverAt: 1000 + ((i * 7919) % count) })
      if (i % 100 === 0) bench.settle()
    }
    bench.settle()
    const status = bench.broker.status()
    assert.ok(status.pagedMessages > count / 2, `${status.pagedMessages} are paged out`)
    assert.ok(status.residentBytes < 1.1 * (1 << 20))
    const restored = restoredFrom(bench.chunks())
    assert.equal(restored.status().queues[0]?.delayed, count)
    const next = successor(bench)
    const got: number[] = []
    const taker = next.taker('q', 10)
    while (got.length < count) {
      next.clock.advance(100)
      next.settle()
      got.push(...taker.texts.splice(0).map(text => (Number(text) * 7919) % count))
      for (const { sequence } of taker.got.splice(0)) taker.subscription.settle(sequence, 'accepted')
      taker.subscription.credit(500, false)
      next.settle()
    }
    assert.ok(got.every((due, i) => i === 0 || due > (got[i - 1] as number)))
    assert.deepEqual(next.broker.status().messages, 0)
    agree(next)
  })

  it('leave their places in the follower’s memory, too', () => {
    const bench = new Bench().serve()
    const follower = new Bench()
    let followed = 0
    for (let i = 0; i < 5000; i++) {
      put(bench, `${i}`, { deliverAt: bench.clock.time + 10 })
      pass(bench, 10)
      while (followed < bench.log.last) follower.broker.apply(bench.log.records[followed++]!)
      const taker = bench.taker('q', 5)
      bench.settle()
      for (const { sequence } of taker.got) taker.subscription.settle(sequence, 'accepted')
      taker.subscription.close(false)
    }
    bench.settle()
    assert.ok(follower.broker.status().residentBytes < 40_000, `${follower.broker.status().residentBytes}`)
  })

  it('are known by their identifiers', () => {
    const bench = new Bench().serve()
    put(bench, 'a', { deliverAt: 100, duplicateId: 'x' })
    bench.settle()
    const next = successor(bench)
    for (const deliverAt of [0, 100]) put(next, 'a', { deliverAt, duplicateId: 'x' })
    pass(next, 100)
    put(next, 'a', { duplicateId: 'x' })
    next.settle()
    assert.deepEqual(texts(next), ['a'])
    agree(next)
  })

  it('are sent in transactions', () => {
    const bench = new Bench().serve()
    const transaction = begin(bench)
    for (const deliverAt of [0, 100])
      transaction.publish(bench.target('q'), Buffer.from(`${deliverAt}`), { ...DEFAULT_ENVELOPE, deliverAt })
    const told = commit(transaction)
    bench.settle()
    assert.deepEqual([told, texts(bench)], [[null], ['0']])
    agree(bench)
    const next = successor(bench)
    pass(next, 100)
    assert.deepEqual(texts(next), ['0', '100'])
  })

  it('are not taken by temporary queues', () => {
    const bench = new Bench().serve()
    sure(bench.broker.temporary('temporary'))
    assert.deepEqual(put(bench, 'a', { deliverAt: 100 }, 'temporary'), ['not-allowed'])
    assert.deepEqual(put(bench, 'b', { deliverAt: 0 }, 'temporary'), [null])
  })

  it('are published to their topic when their time has come, after a failover too', () => {
    const bench = new Bench().serve()
    const wish = { filter: 't', durable: 'd', shared: false, group: '', selector: null, notFrom: 0 }
    const told = put(bench, 'a', { deliverAt: 100 }, 'topic://t')
    bench.settle()
    assert.deepEqual([told, bench.broker.status().topics.delayed], [[null], 1])
    const next = successor(bench)
    const heard: string[] = []
    next.broker.listen('#', { published: body => void heard.push(Buffer.from(body).toString()) }, '')
    const taker = next.taker('q')
    taker.subscription = sure(next.broker.subscribeTopic(wish, taker, () => {}))
    taker.subscription.credit(5, false)
    pass(next, 99)
    assert.deepEqual([heard, taker.texts], [[], []])
    pass(next, 1)
    assert.deepEqual([heard, taker.texts, next.broker.status().topics.delayed], [['a'], ['a'], 0])
    assert.equal(taker.got[0]?.envelope.topic, 't')
    agree(next)
  })

  it('are there once in any mixture of delays, failovers and consumers', () => {
    const step = fc.oneof(fc.nat(60), fc.constantFrom('pass', 'take', 'fail over', 'fail over at once'))
    const property = fc.property(fc.array(step, { maxLength: 40 }), steps => {
      let bench = new Bench().serve()
      bench.target('q')
      bench.settle()
      let number = 0
      let safe = bench.log.last
      const open = new Set<string>()
      for (const step of steps) {
        if (typeof step === 'number') {
          put(bench, `${number}`, { deliverAt: step < 10 ? 0 : bench.clock.time + step })
          open.add(`${number++}`)
          bench.settle()
        } else if (step === 'pass') {
          bench.settle()
          safe = bench.log.last
          bench.clock.advance(25)
        } else if (step === 'take') {
          bench.settle()
          const taker = bench.taker('q', 2)
          bench.settle()
          for (const [i, { sequence }] of taker.got.entries()) {
            assert.ok(open.delete(taker.texts[i] as string), 'each comes once')
            taker.subscription.settle(sequence, 'accepted')
          }
          bench.settle()
          taker.subscription.close(false)
        } else {
          // What was not safe may be lost with the server: that something was moved, but not by halves.
          const records = step === 'fail over' ? bench.log.last : safe + (number % (bench.log.last - safe + 1))
          const { time } = bench.clock
          bench = successor(bench, records)
          bench.clock.time = time
          bench.settle()
        }
        if (step !== 'pass') safe = bench.log.last
        const { messages, delayed, pending } = statusOf(bench)
        assert.equal(messages + delayed + pending, open.size)
      }
      pass(bench, 200)
      assert.deepEqual(texts(bench).toSorted(), [...open].toSorted())
      agree(bench)
    })
    fc.assert(property, { seed: 11, numRuns: 200 })
  })
})
