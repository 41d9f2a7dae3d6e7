// What clients see of the broker, one story to a test: answers, order, credit, outcomes, limits and changes of role.

import assert from 'node:assert/strict'
import { brokerError } from '../../src/broker/errors.ts'
import { CodedError } from '../../src/base/errors.ts'
import { SHUNNED_PER_SUBSCRIPTION, MESSAGE_OVERHEAD_BYTES } from '../../src/broker/limits.ts'
import type { Refusal } from '../../src/broker/api.ts'
import { Bench, foldOf, snapshotOf } from './ground.ts'

describe('the broker', () => {
  it('answers a producer when the commit is known, in order, and delivers only then', () => {
    const bench = new Bench().serve()
    const answers: number[] = []
    const target = bench.target('q')
    const taker = bench.taker('q', 10)
    for (let tag = 0; tag < 3; tag++) {
      target.publish(
        Buffer.from(`m${tag}`),
        { published: (t, refusal) => answers.push(refusal === null ? t : -1) },
        tag,
      )
    }
    bench.clock.rest()
    assert.deepEqual([answers, taker.texts], [[], []])
    bench.broker.committed(3)
    bench.clock.rest()
    assert.deepEqual(
      [answers, taker.texts],
      [
        [0, 1],
        ['m0', 'm1'],
      ],
    )
    bench.settle()
    assert.deepEqual(
      [answers, taker.texts],
      [
        [0, 1, 2],
        ['m0', 'm1', 'm2'],
      ],
    )
    assert.ok(taker.got.every(message => message.firstAcquirer && message.deliveryCount === 0))
  })

  it('keeps the old place of what comes back: released, failed, and when a connection is lost', () => {
    const bench = new Bench().serve()
    bench.publish('q', 'a', 'b', 'c', 'd', 'e')
    const first = bench.taker('q', 4)
    bench.settle()
    const [a, b, c] = first.got.map(message => message.sequence) as [number, number, number]
    first.subscription.settle(c, 'modified')
    first.subscription.settle(b, 'accepted')
    first.subscription.settle(a, 'released')
    assert.deepEqual(first.confirmed, [a], 'released needs no record')
    first.subscription.close(true)
    bench.settle()
    const second = bench.taker('q', 10)
    bench.settle()
    assert.deepEqual(second.texts, ['a', 'c', 'd', 'e'])
    assert.deepEqual(
      second.got.map(m => m.deliveryCount),
      [0, 1, 1, 0],
    )
    assert.deepEqual(
      second.got.map(m => m.firstAcquirer),
      [false, false, false, true],
    )
  })

  it('makes one record of what is settled in a turn, as ranges over what others settled', () => {
    const bench = new Bench().serve()
    bench.publish('q', ...Array.from({ length: 2000 }, (_, i) => `m${i}`))
    const left = bench.taker('q', 1000)
    const right = bench.taker('q', 1000)
    bench.settle()
    assert.equal(left.got.length, 1000)
    assert.equal(left.texts[1], 'm2', 'they take turns')
    const before = bench.log.last
    for (const { sequence } of left.got) left.subscription.settle(sequence, 'accepted')
    for (const { sequence } of right.got) right.subscription.settle(sequence, 'rejected')
    bench.clock.rest()
    assert.equal(bench.log.last, before + 1)
    assert.ok((bench.log.records.at(-1)?.body.length ?? 0) < 12, 'one range')
    assert.equal(left.confirmed.length, 0)
    bench.settle()
    assert.equal(left.confirmed.length + right.confirmed.length, 2000)
    assert.equal(bench.broker.status().messages, 0)
  })

  it('shares fairly between consumers with credit and ends a drain', () => {
    const bench = new Bench().serve()
    bench.publish('q', 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h')
    const takers = [bench.taker('q', 100), bench.taker('q', 2), bench.taker('q', 100)]
    takers[1]?.subscription.credit(2, true)
    takers[2]?.subscription.credit(100, true)
    bench.settle()
    assert.deepEqual(
      takers.map(taker => taker.got.length),
      [3, 2, 3],
    )
    assert.deepEqual(
      takers.map(taker => taker.drains),
      [0, 1, 1],
    )
    bench.publish('q', 'late', 'later')
    bench.settle()
    assert.deepEqual(
      takers.map(taker => taker.got.length),
      [5, 2, 3],
      'a drain takes the credit',
    )
  })

  it('delivers, acknowledges and confirms nothing while it cannot prove that it may, and goes on when woken', () => {
    const bench = new Bench().serve()
    const answers: number[] = []
    const taker = bench.taker('q', 1)
    bench.publish('q', 'a')
    bench.settle()
    taker.subscription.settle(taker.got[0]?.sequence ?? 0, 'accepted')
    bench.target('q').publish(Buffer.from('b'), { published: tag => answers.push(tag) }, 7)
    bench.clock.rest()
    bench.log.proof = false
    taker.subscription.credit(5, true)
    bench.settle()
    assert.deepEqual([answers, taker.texts, taker.confirmed, taker.drains], [[], ['a'], [], 0])
    bench.log.proof = true
    bench.broker.wake()
    bench.clock.rest()
    assert.deepEqual([answers, taker.texts, taker.confirmed.length, taker.drains], [[7], ['a', 'b'], 1, 1])
  })

  it('does not offer a message again where it is undeliverable, and ends a subscription that finds too many so', () => {
    const bench = new Bench().serve()
    bench.publish('q', 'bad', 'good')
    const picky = bench.taker('q', 1)
    bench.settle()
    picky.subscription.settle(picky.got[0]?.sequence ?? 0, 'modified', true)
    picky.subscription.credit(10, true)
    bench.settle()
    assert.deepEqual(picky.texts, ['bad', 'good'])
    assert.equal(picky.drains, 1)
    const other = bench.taker('q', 10)
    bench.settle()
    assert.deepEqual(other.texts, ['bad'])
    other.subscription.settle(other.got[0]?.sequence ?? 0, 'released', true)
    other.subscription.close(false)
    picky.subscription.close(false)
    const third = bench.taker('q', 10)
    bench.settle()
    assert.deepEqual(third.texts, ['bad', 'good'], 'who comes later is asked anew')
    third.subscription.close(false)

    bench.publish('q', ...Array.from({ length: SHUNNED_PER_SUBSCRIPTION }, (_, i) => `m${i}`))
    const hopeless = bench.taker('q', 1000)
    bench.settle()
    for (const { sequence } of hopeless.got) hopeless.subscription.settle(sequence, 'released', true)
    assert.equal(hopeless.end?.refused, 'limit')
    const last = bench.taker('q', 1000)
    bench.settle()
    assert.equal(last.got.length, SHUNNED_PER_SUBSCRIPTION + 2)
    assert.deepEqual(last.texts.slice(0, 3), ['bad', 'good', 'm0'])
  })

  it('refuses beyond each limit and tells who waits when there is room', () => {
    const warned: string[] = []
    const bench = new Bench(
      { queueMessages: 2, messageBytes: 100, queues: 2, storeBytes: 3 * (MESSAGE_OVERHEAD_BYTES + 10) },
      { say: (_level, line) => warned.push(line) },
    ).serve()
    const refusals: (string | null)[] = []
    const producer = { published: (_tag: number, refusal: Refusal | null) => refusals.push(refusal?.refused ?? null) }
    const target = bench.target('q')
    const ten = Buffer.alloc(10)
    target.publish(Buffer.alloc(101), producer, 0)
    assert.equal(target.room(), 2)
    target.publish(ten, producer, 1)
    target.publish(ten, producer, 2)
    assert.equal(target.room(), 0, 'what is on its way in counts')
    target.publish(ten, producer, 3)
    target.publish(ten, producer, 4)
    const other = bench.target('other')
    other.publish(ten, producer, 5)
    other.publish(ten, producer, 6)
    assert.deepEqual(refusals, ['too-large', 'queue-full', 'queue-full', 'queue-full'])
    assert.equal(warned.length, 2, 'once per queue')
    assert.equal((bench.broker.target('third') as Refusal).refused, 'limit')
    assert.equal((bench.broker.target('a\nb') as Refusal).refused, 'not-allowed')
    assert.equal((bench.broker.target('\ud800') as Refusal).refused, 'not-allowed')
    assert.equal((bench.broker.target('x'.repeat(1001)) as Refusal).refused, 'not-allowed')
    assert.equal((bench.broker.target('') as Refusal).refused, 'not-allowed')

    const woken: string[] = []
    target.onRoom(() => woken.push('q'))
    target.onRoom(() => woken.push('forgotten'))()
    other.onRoom(() => woken.push('other'))
    bench.settle()
    assert.equal(woken.length, 0)
    const taker = bench.taker('q', 1)
    bench.settle()
    taker.subscription.settle(taker.got[0]?.sequence ?? 0, 'accepted')
    bench.settle()
    assert.deepEqual(woken.sort(), ['other', 'q'], 'memory that one queue frees is room in all')
    other.onRoom(() => woken.push('again'))
    bench.clock.rest()
    assert.deepEqual(woken, ['other', 'q', 'again'])
  })

  it('lets clients make queues only where the profile does, and counts connections', () => {
    const { broker } = new Bench({ createOnUse: false }).serve()
    assert.equal((broker.target('q') as Refusal).refused, 'not-found')
    assert.equal(broker.declare('q'), null)
    assert.ok('publish' in broker.target('q'))
    for (let i = 0; i < 3; i++) assert.equal(broker.admitConnection(), null)
    assert.equal(broker.admitConnection()?.refused, 'limit')
    broker.connectionClosed()
    assert.equal(broker.admitConnection(), null)
    broker.stopServing()
    assert.equal(broker.admitConnection()?.refused, 'not-serving')
    assert.equal((broker.target('q') as Refusal).refused, 'not-serving')
  })

  it('is silent towards producers when it stops serving, and lets appended records still take effect', () => {
    const bench = new Bench().serve()
    const answers: unknown[] = []
    bench.publish('q', 'a', 'b', 'c')
    const taker = bench.taker('q', 3)
    bench.settle()
    const [a, b] = taker.got.map(message => message.sequence) as [number, number]
    taker.subscription.settle(a, 'accepted')
    bench.clock.rest()
    taker.subscription.settle(b, 'accepted') // no record of this one is made any more
    const target = bench.target('q')
    target.publish(Buffer.from('d'), { published: (...answer) => answers.push(answer) }, 1)
    bench.broker.stopServing()
    assert.equal(taker.end?.refused, 'not-serving')
    target.publish(Buffer.from('e'), { published: (_tag, refusal) => answers.push(refusal?.refused) }, 2)
    taker.subscription.settle(b, 'accepted')
    taker.subscription.credit(10, false)
    bench.clock.rest()
    assert.deepEqual(answers, ['not-serving'])

    bench.serve()
    const next = bench.taker('q', 10)
    bench.clock.rest()
    assert.deepEqual(next.texts, ['b', 'c'], 'a may be settled: its record is on its way')
    bench.settle()
    assert.deepEqual(next.texts, ['b', 'c', 'd'])
    assert.deepEqual(
      next.got.map(message => message.firstAcquirer),
      [false, false, false],
    )
    assert.deepEqual(answers, ['not-serving'])
    assert.deepEqual(taker.confirmed, [])
    assert.ok(snapshotOf(bench.broker).equals(snapshotOf(foldOf(bench.log.records))))
  })

  it('follows another server without a reset, replacing its own records that were cut off', () => {
    const bench = new Bench().serve()
    bench.publish('q', 'a', 'b')
    const taker = bench.taker('q', 2)
    bench.settle()
    taker.subscription.settle(taker.got[0]?.sequence ?? 0, 'accepted')
    bench.clock.rest()
    const common = bench.log.last
    bench.publish('q', 'lost')
    bench.target('lost queue')
    bench.broker.stopServing()
    const other = new Bench()
    for (const record of bench.log.records.slice(0, common)) {
      other.log.records.push(record)
      other.broker.apply(record)
    }
    other.serve().publish('q', 'new')
    other.settle()
    for (const record of other.log.records.slice(common)) bench.broker.apply(record)
    assert.ok(snapshotOf(bench.broker).equals(snapshotOf(other.broker)))
    assert.deepEqual(bench.broker.status(), { ...other.broker.status(), serving: false })
  })

  it('refuses on a journal that has failed, once said, and loses no message by it', () => {
    const said: string[] = []
    const bench = new Bench({}, { say: (_level, line) => said.push(line) }).serve()
    bench.publish('q', 'a')
    const taker = bench.taker('q', 1)
    bench.settle()
    bench.log.fault = new CodedError('JOURNAL-CLOSED', { what: 'It is closed.', remedy: '' })
    taker.subscription.settle(taker.got[0]?.sequence ?? 0, 'accepted')
    const answers: unknown[] = []
    bench.target('q').publish(Buffer.from('b'), { published: (_tag, refusal) => answers.push(refusal?.refused) }, 1)
    bench.clock.rest()
    assert.deepEqual(answers, ['not-serving'])
    assert.equal(said.filter(line => line.startsWith('BROKER-CLOSED')).length, 1)
    assert.equal(said.length, 1)
    assert.match(said[0] ?? '', /: It is closed\. The server stops/)
    bench.broker.stopServing()
    assert.equal(bench.broker.status().messages, 1)
    assert.ok(brokerError('CLOSED', { why: '' }).remedy.length > 0)
  })
})
