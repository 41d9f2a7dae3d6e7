// Deliveries that fail: how often, until the message goes where dead letters go, and how long it waits in between; across
// failovers.

import assert from 'node:assert/strict'
import { Bench } from './ground.ts'
import { conclude, deathOf, pass, put, settleAddress, started, textsOf, waiting } from './policy-ground.ts'
import { agree, successor } from './transaction-ground.ts'

describe('a message that failed too often', () => {
  it('goes to the address for dead letters instead of being delivered again', () => {
    const { bench, taker } = started({ deadLetter: 'dead', maxDeliveries: 2 }, 'a', 'b')
    conclude(taker, 'modified', 'a')
    bench.settle()
    conclude(taker, 'modified', 'a')
    conclude(taker, 'released', 'b')
    bench.settle()
    assert.deepEqual(taker.texts, ['a', 'b', 'a', 'b'])
    assert.deepEqual(waiting(bench, 'dead').map(deathOf), [['deliveries', 'q', 1, 0]]) // prettier-ignore
    assert.equal(taker.confirmed.length, 3)
    agree(bench)
  })

  it('is counted across a failover', () => {
    const { bench, taker } = started({ deadLetter: 'dead', maxDeliveries: 2 }, 'a')
    conclude(taker, 'modified', 'a')
    bench.settle()
    const next = successor(bench)
    const other = next.taker('q', 1)
    next.settle()
    conclude(other, 'modified', 'a')
    next.settle()
    assert.deepEqual([textsOf(waiting(next)), textsOf(waiting(next, 'dead'))], [[], ['a']])
    agree(next)
  })

  it('holds up its group no longer', () => {
    const bench = new Bench().serve()
    settleAddress(bench, 'queue/q', { deadLetter: 'dead', maxDeliveries: 1 })
    for (const text of ['a', 'b']) put(bench, text, { group: 'g' })
    const taker = bench.taker('q', 1)
    bench.settle()
    conclude(taker, 'modified', 'a')
    taker.subscription.credit(1, false)
    bench.settle()
    assert.deepEqual(taker.texts, ['a', 'b'])
  })

  it('goes on being delivered where nothing is settled', () => {
    const { bench, taker } = started({}, 'a')
    for (let i = 0; i < 20; i++) {
      conclude(taker, 'modified', 'a')
      bench.settle()
    }
    assert.equal(taker.got.at(-1)?.deliveryCount, 20)
  })
})

describe('a consumer whose delivery failed', () => {
  it('has nothing before that is safe, so that what it gives back with it comes in order; others go on', () => {
    const { bench, taker } = started({}, 'a', 'b', 'c')
    taker.subscription.credit(10, false)
    conclude(taker, 'modified', 'a')
    for (const text of ['b', 'c']) conclude(taker, 'released', text)
    taker.subscription.credit(10, false)
    bench.clock.rest()
    assert.deepEqual(taker.texts, ['a', 'b', 'c'])
    const other = bench.taker('q', 1)
    bench.clock.rest()
    assert.deepEqual(other.texts, ['b'])
    bench.settle()
    assert.deepEqual(taker.texts, ['a', 'b', 'c', 'a', 'c'])
    agree(bench)
  })

  it('is drained when it has what came back', () => {
    const { bench, taker } = started({}, 'a')
    conclude(taker, 'modified', 'a')
    taker.subscription.credit(5, true)
    bench.clock.rest()
    assert.deepEqual([taker.texts, taker.drains], [['a'], 0])
    bench.settle()
    assert.deepEqual([taker.texts, taker.drains], [['a', 'a'], 1])
  })

  it('goes on while the message waits for its redelivery', () => {
    const { bench, taker } = started({ redeliveryDelayMs: 100 }, 'a', 'b')
    taker.subscription.credit(10, false)
    conclude(taker, 'modified', 'a')
    conclude(taker, 'released', 'b')
    bench.settle()
    assert.deepEqual(taker.texts, ['a', 'b', 'b'])
  })
})

describe('a message that waits after a failed delivery', () => {
  it('comes again after its delay, which grows to a limit, in its old place, and nobody else gets it meanwhile', () => {
    const { bench, taker } = started({ redeliveryDelayMs: 100, redeliveryMultiplier: 3, maxRedeliveryDelayMs: 250 }, 'a', 'b') // prettier-ignore
    const other = bench.taker('q', 5)
    for (const ms of [100, 250, 250]) {
      conclude(taker, 'modified', 'a')
      bench.settle()
      const { length } = taker.texts
      pass(bench, ms - 1)
      assert.deepEqual([taker.texts.length, other.texts], [length, []])
      other.subscription.credit(0, false)
      pass(bench, 1)
      assert.equal(taker.texts.at(-1), 'a')
      assert.equal(taker.texts.length, length + 1)
      other.subscription.credit(5, false)
    }
    assert.equal(bench.broker.status().messages, 2)
    agree(bench)
  })

  it('may come at once after a failover, and with the end of the reign is in its queue', () => {
    const { bench, taker } = started({ redeliveryDelayMs: 1000 }, 'a')
    conclude(taker, 'modified', 'a')
    bench.settle()
    assert.deepEqual(textsOf(waiting(bench)), [])
    assert.deepEqual(textsOf(waiting(successor(bench))), ['a'])
    bench.broker.stopServing()
    bench.serve()
    assert.deepEqual(textsOf(waiting(bench)), ['a'])
    agree(bench)
  })
})
