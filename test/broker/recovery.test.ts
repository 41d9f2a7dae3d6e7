// A consumer that comes back and says what became of messages that it had before.

import assert from 'node:assert/strict'
import { ArrayLog, Bench, foldOf, snapshotOf } from './ground.ts'

function successor(bench: Bench): Bench {
  const log = new ArrayLog()
  log.records.push(...bench.log.records)
  const next = new Bench({}, { log })
  for (const record of log.records) next.broker.apply(record)
  return next.serve()
}

describe('what a consumer had before', () => {
  it('is settled by its word after a failover, and does not come again', () => {
    const bench = new Bench().serve()
    bench.publish('q', 'm1', 'm2', 'm3', 'm4')
    bench.settle()
    const taker = bench.taker('q', 3)
    bench.settle()
    const [m1, m2] = taker.got.map(message => message.sequence) as [number, number]
    const next = successor(bench)
    const again = next.taker('q')
    again.subscription.recover(m1, 'accepted')
    again.subscription.recover(m2, 'rejected')
    again.subscription.recover(m1, 'accepted') // said twice
    again.subscription.recover(99, 'accepted') // never there
    again.subscription.credit(10, false)
    next.settle()
    assert.deepEqual(again.texts, ['m3', 'm4'])
    assert.deepEqual(again.confirmed, [], 'nobody waits for it')
    assert.equal(next.broker.status().messages, 2)
    assert.ok(snapshotOf(next.broker).equals(snapshotOf(foldOf(next.log.records))), 'one state')
    assert.equal(successor(next).broker.status().messages, 2, 'and it stays so')
  })

  it('is not taken from whom it was given to meanwhile, nor settled in another queue or by one that only looks', () => {
    const bench = new Bench().serve()
    bench.publish('q', 'm1', 'm2')
    bench.settle()
    const first = bench.taker('q', 2)
    bench.settle()
    const [m1, m2] = first.got.map(message => message.sequence) as [number, number]
    first.subscription.close(false)
    const other = bench.taker('q', 1)
    bench.settle()
    assert.deepEqual(other.texts, ['m1'])
    const back = bench.taker('q')
    back.subscription.recover(m1, 'accepted')
    const elsewhere = bench.taker('other')
    elsewhere.subscription.recover(m2, 'accepted')
    const browser = bench.taker('q', 0, { selector: null, browses: true, exclusive: false })
    browser.subscription.recover(m2, 'accepted')
    bench.settle()
    assert.equal(bench.broker.status().messages, 2)
    other.subscription.settle(m1, 'released')
    back.subscription.credit(10, false)
    bench.settle()
    assert.deepEqual([...other.texts, ...back.texts], ['m1', 'm1', 'm2'])
    back.subscription.recover(m2, 'accepted') // it has it: this is no settlement
    bench.settle()
    assert.equal(bench.broker.status().messages, 2)
    back.subscription.close(false)
    back.subscription.recover(m1, 'accepted')
    bench.settle()
    assert.equal(bench.broker.status().messages, 2, 'who has left says nothing')
  })
})
