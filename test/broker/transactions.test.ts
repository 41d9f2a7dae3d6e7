// Transactions: all that one does is there or nothing is, whatever is lost, and until its record is safe nobody sees any of
// it.

import assert from 'node:assert/strict'
import { DEFAULT_ENVELOPE, type Transaction } from '../../src/broker/api.ts'
import { GROUP, PLACE } from '../../src/broker/records.ts'
import { Bench, snapshotOf, sure } from './ground.ts'
import { agree, begin, commit, send, settle, started, successor, texts } from './transaction-ground.ts'

describe('a transaction', () => {
  it('does nothing before its commit is safe, and then everything, by one record', () => {
    const { bench, taker } = started('a', 'b', 'c')
    bench.target('p')
    bench.settle()
    const before = bench.log.last
    const state = snapshotOf(bench.broker)
    const transaction = begin(bench)
    send(bench, transaction, 'p', '1', '2')
    send(bench, transaction, 'q', '3')
    settle(transaction, taker, 'accepted', ['a', 'c'])
    bench.settle()
    assert.equal(bench.log.last, before)
    const told = commit(transaction)
    bench.clock.rest()
    assert.deepEqual(told, [])
    assert.ok(snapshotOf(bench.broker).equals(state))
    const kinds = bench.log.records.slice(before).map(({ kind }) => kind)
    assert.deepEqual(kinds, [PLACE, PLACE, GROUP])
    bench.settle()
    assert.deepEqual(told, [null])
    taker.subscription.close(false)
    assert.deepEqual([texts(bench), texts(bench, 'p')], [['b', '3'], ['1', '2']]) // prettier-ignore
    agree(bench)
  })

  it('is there or not after a failover at any record, never in part', () => {
    const { bench, taker } = started('a', 'b')
    bench.target('p')
    bench.settle()
    const before = bench.log.last
    const transaction = begin(bench)
    send(bench, transaction, 'p', '1', '2', '3', '4')
    settle(transaction, taker, 'accepted', ['a'])
    settle(transaction, taker, 'modified', ['b'])
    commit(transaction)
    for (let records = before; records <= bench.log.last; records++) {
      const next = successor(bench, records)
      const isThere = records === bench.log.last
      const [q, p] = [isThere ? ['b'] : ['a', 'b'], isThere ? ['1', '2', '3', '4'] : []]
      assert.deepEqual([texts(next), texts(next, 'p')], [q, p], `${records - before} records`)
      agree(next)
    }
  })

  it('takes effect once its record is found to be safe after the reign, and tells nobody', () => {
    const { bench, taker } = started('a')
    const transaction = begin(bench)
    send(bench, transaction, 'q', '1', '2')
    settle(transaction, taker, 'accepted', ['a'])
    const told = commit(transaction)
    bench.broker.stopServing()
    const [last] = bench.log.records.slice(-1)
    bench.broker.apply({ sequence: (last?.sequence ?? 0) + 1, epoch: 2, kind: 1, body: Buffer.from('{}') })
    bench.log.append(1, Buffer.from('{}'), Buffer.alloc(0))
    agree(bench)
    bench.serve()
    assert.deepEqual([told, texts(bench)], [[], ['1', '2']])
  })

  it('is as if it had never been where its record was replaced', () => {
    const { bench, taker } = started('a', 'b')
    const before = bench.log.last
    const transaction = begin(bench)
    send(bench, transaction, 'q', '1', '2')
    settle(transaction, taker, 'accepted', ['a'])
    settle(transaction, taker, 'modified', ['b'])
    const told = commit(transaction)
    bench.broker.stopServing()
    bench.log.records.length = before
    bench.broker.apply({ sequence: before + 1, epoch: 2, kind: 1, body: Buffer.from('{}') })
    bench.log.append(1, Buffer.from('{}'), Buffer.alloc(0))
    agree(bench)
    bench.serve()
    assert.deepEqual([told, texts(bench)], [[], ['a', 'b']])
  })

  it('says nothing while the server cannot prove that it serves', () => {
    const { bench } = started()
    const transaction = begin(bench)
    send(bench, transaction, 'q', '1')
    const told = commit(transaction)
    bench.log.proof = false
    bench.settle()
    assert.deepEqual(told, [])
    bench.log.proof = true
    bench.broker.wake()
    assert.deepEqual(told, [null])
  })

  it('that is rolled back leaves messages with who has them, and nothing of what was sent', () => {
    const { bench, taker } = started('a', 'b')
    const before = bench.log.last
    const transaction = begin(bench)
    send(bench, transaction, 'q', '1')
    settle(transaction, taker, 'accepted', ['a', 'b'])
    const { sequence } = taker.got[0] as { sequence: number }
    taker.subscription.settle(sequence, 'accepted') // it is the transaction's: ignored
    bench.settle()
    transaction.rollback()
    bench.settle()
    assert.deepEqual([bench.log.last, taker.texts], [before, ['a', 'b']])
    taker.subscription.settle(sequence, 'accepted')
    taker.subscription.close(false)
    bench.settle()
    assert.deepEqual(texts(bench), ['b'])
    assert.deepEqual(commit(transaction), ['not-serving'], 'it is over')
  })

  it('gives messages back to their queue, in their old place, where their consumer is gone', () => {
    const { bench, taker } = started('a', 'b', 'c')
    const transaction = begin(bench)
    settle(transaction, taker, 'accepted', ['b'])
    taker.subscription.close(false)
    bench.settle()
    const other = bench.taker('q', 2)
    bench.settle()
    assert.deepEqual(other.texts, ['a', 'c'], 'nobody else gets it meanwhile')
    other.subscription.close(false)
    transaction.rollback()
    bench.settle()
    assert.deepEqual(texts(bench), ['a', 'b', 'c'])
  })

  it('settles what its consumer had when it left', () => {
    const { bench, taker } = started('a', 'b', 'c')
    const transaction = begin(bench)
    settle(transaction, taker, 'accepted', ['a'])
    settle(transaction, taker, 'modified', ['b'])
    settle(transaction, taker, 'released', ['c'])
    taker.subscription.close(false)
    assert.deepEqual(commit(transaction), [])
    bench.settle()
    const other = bench.taker('q', 5)
    bench.settle()
    assert.deepEqual(other.got.map(m => [Buffer.from(m.body).toString(), m.deliveryCount]), [['b', 1], ['c', 0]]) // prettier-ignore
    agree(bench)
  })

  it('ends with the reign as if it had never been', () => {
    const { bench, taker } = started('a')
    const transaction = begin(bench)
    send(bench, transaction, 'q', '1')
    settle(transaction, taker, 'accepted', ['a'])
    const target = bench.target('q')
    bench.broker.stopServing()
    assert.equal(transaction.publish(target, Buffer.from('2'), DEFAULT_ENVELOPE)?.refused, 'not-serving')
    bench.serve()
    assert.deepEqual([commit(transaction), texts(bench)], [['not-serving'], ['a']])
    transaction.rollback()
    assert.deepEqual(texts(bench), ['a'])
  })

  it('settles in any outcome, also beside settlements whose record is not made yet', () => {
    const { bench, taker } = started('a', 'b', 'c', 'd', 'e')
    const transaction = begin(bench)
    settle(transaction, taker, 'accepted', ['a', 'e'])
    settle(transaction, taker, 'rejected', ['c'])
    for (const at of [1, 3]) taker.subscription.settle(taker.got[at]?.sequence as number, 'accepted')
    commit(transaction)
    bench.settle()
    assert.equal(bench.broker.status().messages, 0)
    agree(bench)
  })

  it('leaves what its queue is dropped with', () => {
    const bench = new Bench().serve()
    const wish = { filter: 't', durable: 'd', shared: false, group: '', selector: null, notFrom: 0 }
    const taker = bench.taker('q')
    taker.subscription = sure(bench.broker.subscribeTopic(wish, taker, () => {}))
    bench.settle()
    bench.publish('topic://t', 'a', 'b')
    taker.subscription.credit(5, false)
    bench.settle()
    assert.deepEqual(taker.texts, ['a', 'b'])
    const transaction = begin(bench)
    settle(transaction, taker, 'accepted', ['a'])
    settle(transaction, taker, 'modified', ['b'])
    send(bench, transaction, 'q', '1')
    bench.broker.unsubscribeTopic('d', () => {})
    const told = commit(transaction)
    bench.settle()
    assert.deepEqual([told, texts(bench)], [[null], ['1']])
    agree(bench)
  })
})

describe('transactions and topics', () => {
  it('put messages into durable subscriptions, and tell listeners when they are safe', () => {
    const bench = new Bench().serve()
    const wish = { filter: 't', durable: 'd', shared: false, group: '', selector: null, notFrom: 0 }
    const taker = bench.taker('q')
    taker.subscription = sure(bench.broker.subscribeTopic(wish, taker, () => {}))
    const heard: string[] = []
    bench.broker.listen('#', { published: body => void heard.push(Buffer.from(body).toString()) }, '')
    bench.settle()
    const transaction = begin(bench)
    send(bench, transaction, 'topic://t', '1', '2')
    send(bench, transaction, 'topic://nobody', '3')
    const told = commit(transaction)
    bench.clock.rest()
    assert.deepEqual(heard, [])
    taker.subscription.credit(5, false)
    bench.settle()
    assert.deepEqual([told, heard, taker.texts], [[null], ['1', '2', '3'], ['1', '2']])
    agree(bench)
  })

  it('need no record for queues that have none', () => {
    const bench = new Bench().serve()
    sure(bench.broker.temporary('temporary'))
    bench.publish('temporary', 'a', 'b')
    const taker = bench.taker('temporary', 2)
    bench.settle()
    const before = bench.log.last
    const transaction = begin(bench)
    send(bench, transaction, 'temporary', '1')
    settle(transaction, taker, 'accepted', ['a'])
    settle(transaction, taker, 'modified', ['b'])
    assert.deepEqual(commit(transaction), [null])
    taker.subscription.credit(5, false)
    bench.settle()
    assert.deepEqual([bench.log.last, taker.texts], [before, ['a', 'b', 'b', '1']])
  })
})

describe('a transaction with named messages', () => {
  const publish = (bench: Bench, transaction: Transaction, duplicateId: string, address = 'q'): void => {
    const envelope = { ...DEFAULT_ENVELOPE, duplicateId }
    assert.equal(transaction.publish(bench.target(address), Buffer.from(duplicateId), envelope), null)
  }

  it('leaves out what came before, and is known by its messages when it is sent again after a failover', () => {
    const bench = new Bench().serve()
    bench.target('q').publish(Buffer.from('a'), null, 0, { ...DEFAULT_ENVELOPE, duplicateId: 'a' })
    const all = (on: Bench): (string | null)[] => {
      const transaction = begin(on)
      for (const id of ['a', 'b', 'c', 'b']) publish(on, transaction, id)
      publish(on, transaction, 'b', 'topic://t')
      return commit(transaction)
    }
    const told = all(bench)
    for (const from of [1, 2]) {
      const next = successor(bench, from === 1 ? bench.log.last : 2)
      const again = all(next)
      next.settle()
      assert.deepEqual([again, texts(next)], [[null], ['a', 'b', 'c']])
      agree(next)
    }
    bench.settle()
    assert.deepEqual([told, texts(bench)], [[null], ['a', 'b', 'c']])
    agree(bench)
  })

  it('that leaves out all of it waits for the records that brought it in', () => {
    const bench = new Bench().serve()
    bench.target('q').publish(Buffer.from('a'), null, 0, { ...DEFAULT_ENVELOPE, duplicateId: 'a' })
    const transaction = begin(bench)
    publish(bench, transaction, 'a')
    const told = commit(transaction)
    assert.deepEqual([told, bench.log.last], [[], 2])
    bench.settle()
    assert.deepEqual([told, texts(bench)], [[null], ['a']])
  })
})
