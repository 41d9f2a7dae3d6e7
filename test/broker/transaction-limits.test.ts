// What bounds transactions, and what is refused of their records: nothing of such a one happens.

import assert from 'node:assert/strict'
import { CodedError } from '../../src/base/errors.ts'
import { DEFAULT_ENVELOPE, type Refusal } from '../../src/broker/api.ts'
import { encodeGroup, type Part } from '../../src/broker/group-records.ts'
import { TRANSACTION_STEPS, TRANSACTIONS, TRANSACTIONS_BYTES } from '../../src/broker/limits.ts'
import { encodeMessageHead } from '../../src/broker/message-record.ts'
import { encodeRanges, GROUP, MESSAGE, RETURNED, SETTLED, SETTING } from '../../src/broker/records.ts'
import { type ArrayLog, Bench, foldOf, snapshotOf } from './ground.ts'
import { agree, begin, commit, send, settle, started, texts } from './transaction-ground.ts'

describe('what a transaction may not', () => {
  it('be committed where a queue would exceed its limits: nothing of it happens', () => {
    for (const limits of [{ queueMessages: 3 }, { queueBytes: 1000 }, { storeBytes: 1000 }]) {
      const bench = new Bench(limits).serve()
      bench.publish('q', 'a')
      bench.target('p')
      bench.settle()
      const taker = bench.taker('q', 1)
      bench.settle()
      const before = bench.log.last
      const transaction = begin(bench)
      settle(transaction, taker, 'accepted', ['a'])
      send(bench, transaction, 'p', '1')
      send(bench, transaction, 'q', '1', '2', '3')
      assert.deepEqual([commit(transaction), bench.log.last], [['queue-full'], before])
      assert.equal(taker.subscription.settle(taker.got[0]?.sequence as number, 'released'), undefined)
      taker.subscription.close(false)
      assert.deepEqual([texts(bench), texts(bench, 'p')], [['a'], []])
      bench.settle()
      agree(bench)
    }
  })

  it('be longer or larger than the limits, and then only be rolled back', () => {
    const { bench } = started()
    const many = begin(bench)
    for (let i = 0; i < TRANSACTION_STEPS; i++) send(bench, many, 'q', '')
    assert.equal(many.publish(bench.target('q'), Buffer.from('x'), DEFAULT_ENVELOPE)?.refused, 'limit')
    const large = begin(bench)
    send(bench, large, 'q', 'x'.repeat(1 << 19), 'x'.repeat(1 << 19))
    assert.equal(large.publish(bench.target('q'), Buffer.from('x'), DEFAULT_ENVELOPE)?.refused, 'limit')
    const before = bench.log.last
    assert.deepEqual([commit(many), commit(large), bench.log.last], [['limit'], ['limit'], before])
    // What surrounds the messages counts when the record is made.
    const small = new Bench({ messageBytes: 1024 }).serve()
    const heads = begin(small)
    for (let i = 0; i < TRANSACTION_STEPS; i++) send(small, heads, 'q', '')
    assert.deepEqual([commit(heads), texts(small)], [['too-large'], []])
  })

  it('be one of too many, nor hold more than all together may', () => {
    const bench = new Bench().serve()
    const all = Array.from({ length: TRANSACTIONS }, () => begin(bench))
    assert.equal((bench.broker.begin() as Refusal).refused, 'limit')
    const [body, target] = [Buffer.alloc(1 << 20), bench.target('q')]
    const most = TRANSACTIONS_BYTES / body.length
    for (let i = 0; i < most; i++) assert.equal(all[i]?.publish(target, body, DEFAULT_ENVELOPE), null)
    assert.equal(all[most]?.publish(target, body, DEFAULT_ENVELOPE)?.refused, 'limit')
    for (const one of all) one.rollback()
    assert.equal(begin(bench).publish(target, body, DEFAULT_ENVELOPE), null)
  })

  it('settle what is not there: it can only be rolled back', () => {
    const { bench, taker } = started('a')
    const transaction = begin(bench)
    assert.equal(transaction.settle(taker.subscription, 999, 'accepted', false)?.refused, 'not-found')
    send(bench, transaction, 'q', '1')
    assert.deepEqual(commit(transaction), ['not-found'])
  })

  it('be committed while the log takes no records, also where it stops in the middle', () => {
    for (const after of [0, 1, 2]) {
      const { bench, taker } = started('a')
      const transaction = begin(bench)
      send(bench, transaction, 'q', '1', '2', '3')
      settle(transaction, taker, 'accepted', ['a'])
      const { log } = bench
      const append = log.append.bind(log)
      let left = after
      log.append = (...record: Parameters<ArrayLog['append']>) => {
        if (left-- === 0) throw new CodedError('REPLICATION-BACKLOG', { what: 'too much', remedy: '' })
        return append(...record)
      }
      assert.deepEqual(commit(transaction), ['limit'])
      log.append = append
      taker.subscription.close(false)
      bench.settle()
      assert.deepEqual(texts(bench), ['a'])
      agree(bench)
    }
  })
})

describe('the record of a transaction', () => {
  const bench = new Bench().serve()
  bench.publish('q', 'a', 'b', 'c')
  bench.settle()
  const queue = bench.log.records[0]?.sequence as number
  const nothing = new Uint8Array(0)
  const settled = (kind: number, ...bounds: number[]): Part => {
    const count = bounds.reduce((sum, bound, i) => (i % 2 === 0 ? sum - bound + 1 : sum + bound), 0)
    return { kind, head: Uint8Array.from(encodeRanges(queue, count, bounds)), body: nothing }
  }
  const message = (to: number): Part => ({
    kind: MESSAGE,
    head: Uint8Array.from(encodeMessageHead(to)),
    body: Buffer.from('x'),
  })

  it('that cannot be folded changes nothing, whichever of its parts is wrong', () => {
    const wrong: [string, Buffer][] = [
      ['a queue that is not there', encodeGroup([settled(SETTLED, 2, 2), message(99)])],
      ['messages that are not there', encodeGroup([settled(SETTLED, 2, 2), settled(RETURNED, 3, 5)])],
      ['a message settled twice', encodeGroup([settled(SETTLED, 2, 3), settled(RETURNED, 3, 3)])],
      ['no places for its messages', encodeGroup([message(queue), message(queue)])],
      ['more messages than there were records', encodeGroup(Array.from({ length: 9 }, () => message(queue)))],
      [
        'a kind that is no part',
        encodeGroup([settled(SETTLED, 2, 2), { kind: SETTING, head: nothing, body: nothing }]),
      ],
      ['an end too early', encodeGroup([settled(SETTLED, 2, 2), message(queue)]).subarray(0, -1)],
      ['more than it says', Buffer.concat([encodeGroup([settled(SETTLED, 2, 2)]), Buffer.from([0])])],
      ['more parts than bytes', Buffer.from([200, 1])],
    ]
    for (const [what, body] of wrong) {
      const broker = foldOf(bench.log.records)
      const before = snapshotOf(broker)
      assert.throws(
        () => broker.apply({ sequence: 5, epoch: 1, kind: GROUP, body }),
        (error: unknown) => error instanceof CodedError && error.code === 'BROKER-RECORD',
        what,
      )
      assert.ok(snapshotOf(broker).equals(before), what)
    }
  })

  it('has the bytes that journals hold', () => {
    const bytes = encodeGroup([settled(SETTLED, 2, 3), message(queue)])
    assert.equal(bytes.toString('hex'), '0212050102010201' + '1103010078')
  })
})
