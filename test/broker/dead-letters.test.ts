// Dead letters: what is rejected, over, or failed too often goes where that is settled, whole or not at all, across failovers;
// and nothing goes round, or is lost, where that place is full, missing or the queue itself.

import assert from 'node:assert/strict'
import { DEFAULT_ENVELOPE } from '../../src/broker/api.ts'
import { MQTT_ENVELOPE, MQTT_FORMAT } from '../../src/broker/envelope.ts'
import { GROUP, SETTLED } from '../../src/broker/records.ts'
import { Bench, limits, restoredFrom, sure } from './ground.ts'
import { conclude, deathOf, pass, put, settleAddress, started, textsOf, waiting } from './policy-ground.ts'
import { agree, begin, commit, settle, successor } from './transaction-ground.ts'

describe('a rejected message', () => {
  it('goes to the address for dead letters, with why, whence and when, by one record; its consumer is told then', () => {
    const { bench, taker } = started({ deadLetter: 'dead' }, 'a', 'b', 'c')
    bench.clock.time = 77
    const before = bench.log.last
    conclude(taker, 'rejected', 'a', 'c')
    conclude(taker, 'accepted', 'b')
    bench.clock.rest()
    assert.deepEqual(taker.confirmed, [])
    assert.equal(bench.log.records.slice(before).filter(({ kind }) => kind === GROUP).length, 1)
    bench.settle()
    assert.equal(taker.confirmed.length, 3)
    const dead = waiting(bench, 'dead')
    assert.deepEqual([textsOf(dead), dead.map(deathOf)], [['a', 'c'], Array(2).fill(['rejected', 'q', 1, 77])])
    assert.deepEqual(dead.map(m => m.deliveryCount), [0, 0]) // prettier-ignore
    assert.deepEqual([textsOf(waiting(bench)), bench.broker.status().upkeep.deadLettered], [[], 2])
    agree(bench)
    assert.deepEqual(waiting(successor(bench), 'dead').map(deathOf), dead.map(deathOf))
  })

  it('is in its queue or at the address after a failover at any record, never in both', () => {
    const { bench, taker } = started({ deadLetter: 'dead' }, 'a', 'b')
    const before = bench.log.last
    conclude(taker, 'rejected', 'a', 'b')
    bench.clock.rest()
    for (let records = before; records <= bench.log.last; records++) {
      const next = successor(bench, records)
      const isThere = records === bench.log.last
      assert.deepEqual(textsOf(waiting(next)), isThere ? [] : ['a', 'b'])
      assert.deepEqual(textsOf(waiting(next, 'dead')), isThere ? ['a', 'b'] : [])
      agree(next)
    }
  })

  it('is gone where no address is settled, as before', () => {
    const { bench, taker } = started({ expiry: 'old' }, 'a')
    conclude(taker, 'rejected', 'a')
    bench.settle()
    assert.deepEqual([bench.broker.status().messages, taker.confirmed.length], [0, 1])
    assert.equal(bench.log.records.at(-1)?.kind, SETTLED)
    agree(bench)
  })

  it('waits, out of reach, while the address is full, and loses nothing; with the reign it is in its queue again', () => {
    const { bench, taker } = started({ deadLetter: 'dead' }, 'a', 'b', 'c')
    settleAddress(bench, 'queue/dead', { maxMessages: 1 })
    conclude(taker, 'rejected', 'a', 'b', 'c')
    pass(bench, 10)
    assert.deepEqual(textsOf(waiting(bench, 'dead')), ['a'])
    assert.deepEqual([textsOf(waiting(bench)), taker.confirmed.length], [[], 1])
    assert.deepEqual(textsOf(waiting(successor(bench))), ['b', 'c'], 'a failover delivers them again')
    settleAddress(bench, 'queue/dead', null)
    pass(bench, 1000)
    assert.deepEqual([textsOf(waiting(bench, 'dead')), taker.confirmed.length], [['a', 'b', 'c'], 3])
    agree(bench)
    conclude(taker, 'rejected', 'a')
    bench.broker.stopServing()
    bench.serve()
    agree(bench)
  })

  it('waits while its queue may not be made', () => {
    const bench = new Bench({ createOnUse: false }).serve()
    bench.broker.declare('q')
    settleAddress(bench, 'queue/q', { deadLetter: 'dead' })
    put(bench, 'a')
    const taker = bench.taker('q', 1)
    bench.settle()
    conclude(taker, 'rejected', 'a')
    pass(bench, 5000)
    assert.deepEqual([taker.confirmed, bench.broker.status().messages], [[], 1])
    bench.broker.declare('dead')
    pass(bench, 1000)
    assert.deepEqual([taker.confirmed.length, textsOf(waiting(bench, 'dead'))], [1, ['a']])
    agree(bench)
  })

  it('does not go round: at the address itself it is gone, and what failed there too often stays', () => {
    const bench = new Bench().serve()
    settleAddress(bench, 'queue/*', { deadLetter: 'dead', expiry: 'dead', maxDeliveries: 1 })
    put(bench, 'a', {}, 'dead')
    put(bench, 'b', {}, 'dead')
    put(bench, 'c', { expiresAt: 50 }, 'dead')
    const taker = bench.taker('dead', 2)
    bench.settle()
    conclude(taker, 'rejected', 'a')
    conclude(taker, 'modified', 'b')
    pass(bench, 2000)
    assert.deepEqual(textsOf(waiting(bench, 'dead')), ['b'])
    agree(bench)
  })

  it('does not go round between two queues without end', () => {
    const bench = new Bench().serve()
    settleAddress(bench, 'queue/a', { deadLetter: 'b' })
    settleAddress(bench, 'queue/b', { deadLetter: 'a' })
    put(bench, 'm', {}, 'a')
    const takers = ['a', 'b'].map(name => bench.taker(name, 100))
    bench.settle()
    for (let round = 0; round < 40; round++) {
      for (const taker of takers)
        for (const { sequence } of taker.got.splice(0)) taker.subscription.settle(sequence, 'rejected')
      bench.settle()
    }
    assert.deepEqual([bench.broker.status().messages, bench.broker.status().upkeep.deadLettered], [0, 16])
    agree(bench)
  })

  it('goes to a topic, and a message of a subscription goes where that is settled for its topic', () => {
    const bench = new Bench().serve()
    settleAddress(bench, 'topic/a/#', { deadLetter: 'topic://dead/a' })
    const wish = { durable: 'd', shared: false, group: '', selector: null, notFrom: 0 }
    const taker = bench.taker('q')
    taker.subscription = sure(bench.broker.subscribeTopic({ ...wish, filter: 'a/+' }, taker, () => {}))
    const other = bench.taker('q')
    other.subscription = sure(bench.broker.subscribeTopic({ ...wish, durable: 'e', filter: '#' }, other, () => {}))
    put(bench, 'x', {}, 'topic://a/b')
    for (const one of [taker, other]) one.subscription.credit(5, false)
    bench.settle()
    conclude(taker, 'rejected', 'x')
    bench.settle()
    assert.deepEqual([taker.texts, other.texts], [['x'], ['x', 'x']])
    const [, dead] = other.got
    assert.deepEqual(dead && [...deathOf(dead), dead.envelope.topic], ['rejected', 'topic://a/b', 1, 0, 'dead/a'])
    agree(bench)
  })

  it('that came by MQTT gets the new topic into its bytes, by who knows how', () => {
    const bench = new Bench().serve()
    settleAddress(bench, 'queue/q', { deadLetter: 'topic://t' })
    const heard: string[] = []
    bench.broker.listen('#', { published: body => void heard.push(Buffer.from(body).toString()) }, '')
    put(bench, '\0\x01xrest', { format: MQTT_FORMAT })
    const taker = bench.taker('q', 1)
    bench.settle()
    conclude(taker, 'rejected', '\0\x01xrest')
    bench.settle()
    assert.deepEqual(heard, ['t: \0\x01xrest'])
  })

  it('of a former link is one, too', () => {
    const bench = new Bench().serve()
    settleAddress(bench, 'queue/q', { deadLetter: 'dead' })
    put(bench, 'a')
    bench.settle()
    const taker = bench.taker('q')
    taker.subscription.recover(bench.log.last, 'rejected')
    bench.settle()
    assert.deepEqual(textsOf(waiting(bench, 'dead')), ['a'])
    agree(bench)
  })
})

describe('a message whose time is over', () => {
  it('goes to the address for that, at its turn and where nobody asks, and stays there', () => {
    const bench = new Bench().serve()
    settleAddress(bench, 'queue/q', { expiry: 'old' })
    put(bench, 'a', { expiresAt: 100, priority: 7 })
    put(bench, 'b', { expiresAt: 5000 })
    put(bench, 'c', { expiresAt: 200 })
    bench.settle()
    bench.clock.time = 100
    const taker = bench.taker('q', 1)
    bench.settle()
    assert.deepEqual(taker.texts, ['b'])
    pass(bench, 1200)
    const old = waiting(bench, 'old')
    assert.deepEqual([textsOf(old), bench.broker.status().upkeep.expired], [['a', 'c'], 2])
    assert.deepEqual(old.map(({ envelope }) => [envelope.expiresAt, envelope.priority, envelope.death?.reason]), [[0, 7, 'expired'], [0, 4, 'expired']]) // prettier-ignore
    pass(bench, 10_000)
    assert.equal(waiting(bench, 'old').length, 2)
    agree(bench)
    agree(successor(bench))
  })

  it('goes there from where it is paged out, and from where it waits for its delivery time', () => {
    const bench = new Bench({ memoryBytes: 1 << 20, pageOutBytes: 1 << 19 }).serve()
    settleAddress(bench, 'queue/q', { expiry: 'old' })
    for (let i = 0; i < 4000; i++) {
      put(bench, `${i}`.padEnd(300), { expiresAt: i % 4 === 0 ? 100 : 0 })
      if (i % 100 === 0) bench.settle()
    }
    put(bench, 'late', { expiresAt: 100, deliverAt: 9000 })
    bench.settle()
    assert.ok(bench.broker.status().pagedMessages > 2000)
    pass(bench, 100)
    for (let round = 0; round < 20; round++) pass(bench, 1000)
    const { queues } = bench.broker.status()
    assert.deepEqual(queues.map(({ name, messages, delayed }) => [name, messages, delayed]), [['q', 3000, 0], ['old', 1001, 0]]) // prettier-ignore
    agree(bench)
  })

  it('stays where it is while the address is full', () => {
    const bench = new Bench().serve()
    settleAddress(bench, 'queue/q', { expiry: 'old' })
    settleAddress(bench, 'queue/old', { maxMessages: 1 })
    put(bench, 'a', { expiresAt: 100 })
    put(bench, 'b', { expiresAt: 100 })
    pass(bench, 3000)
    assert.deepEqual(bench.broker.status().queues.map(({ messages }) => messages), [1, 1]) // prettier-ignore
    assert.deepEqual(textsOf(waiting(bench)), [], 'and nobody gets it')
    settleAddress(bench, 'queue/old', null)
    pass(bench, 3000)
    assert.deepEqual(textsOf(waiting(bench, 'old')), ['a', 'b'])
    agree(bench)
  })

  it('does not keep those of other queues while its own address is full', () => {
    const bench = new Bench().serve()
    settleAddress(bench, 'queue/q', { expiry: 'old' })
    settleAddress(bench, 'queue/old', { maxMessages: 1 })
    put(bench, 'full', {}, 'old')
    for (const name of ['before', 'q', 'after']) put(bench, name, { expiresAt: bench.clock.time + 500 }, name)
    pass(bench, 1100)
    assert.deepEqual(
      bench.broker.status().queues.map(({ name, messages }) => [name, messages]),
      [['old', 1], ['before', 0], ['q', 1], ['after', 0]], // prettier-ignore
    )
    settleAddress(bench, 'queue/old', null)
    pass(bench, 1000)
    assert.equal(waiting(bench, 'old').length, 2)
    agree(bench)
  })

  it('goes there from a session, by its topic', () => {
    const bench = new Bench().serve()
    settleAddress(bench, 'topic/a', { expiry: 'old' })
    const owner = { opened() {}, deliver() {}, taken() {}, released() {}, received() {}, takenOver() {}, ended() {} }
    const request = { clientId: 'c', user: '', clean: false, keepMs: Infinity, will: null }
    const session = sure(bench.broker.sessions.open(request, owner))
    const options = { qos: 1, noLocal: false, retainAsPublished: false, id: 0 } as const
    session.subscribe('#', options, () => {})
    bench.settle()
    for (const [text, topic] of [['1', 'a'], ['2', 'b'], ['3', 'a']] as const) put(bench, text, { expiresAt: text === '3' ? 3000 : 100 }, `topic://${topic}`) // prettier-ignore
    pass(bench, 1200)
    assert.deepEqual(waiting(bench, 'old').map(deathOf), [['expired', 'topic://a', 1, 1000]]) // prettier-ignore
    bench.settle()
    bench.clock.time = 3000
    session.window(5)
    bench.settle()
    assert.deepEqual(textsOf(waiting(bench, 'old')), ['1', '3'], 'at its turn')
    assert.equal(bench.broker.status().messages, 2)
    agree(bench)
  })

  it('goes there whatever the length of its topic; one that no record takes stays, and holds up no other', () => {
    const bench = new Bench().serve()
    settleAddress(bench, 'topic/#', { expiry: 'old' })
    const wish = { filter: '+', durable: 'd', shared: false, group: '', selector: null, notFrom: 0 }
    const taker = bench.taker('q')
    taker.subscription = sure(bench.broker.subscribeTopic(wish, taker, () => {}))
    const send = (topic: string, bytes: number): void => {
      const body = Buffer.concat([
        Buffer.of(topic.length >> 8, topic.length & 255),
        Buffer.from(topic),
        Buffer.alloc(1),
      ])
      const all = Buffer.concat([body, Buffer.alloc(bytes - body.length)])
      bench.target(`topic://${topic}`).publish(all, null, 0, { ...MQTT_ENVELOPE, expiresAt: 100 })
    }
    send('x'.repeat(65_000), limits.messageBytes)
    for (let i = 0; i < 250; i++) send('y'.repeat(600), 4100)
    pass(bench, 1200)
    assert.equal(bench.broker.status().queues.find(({ name }) => name === 'old')?.messages, 250)
    taker.subscription.close(false)
    agree(bench)
  })

  it('is not spoken of when its session’s end is on its way', () => {
    const bench = new Bench().serve()
    const owner = { opened() {}, deliver() {}, taken() {}, released() {}, received() {}, takenOver() {}, ended() {} }
    const request = { clientId: 'c', user: '', clean: false, keepMs: Infinity, will: null }
    const session = sure(bench.broker.sessions.open(request, owner))
    session.subscribe('#', { qos: 1, noLocal: false, retainAsPublished: false, id: 0 }, () => {})
    bench.settle()
    put(bench, '1', { expiresAt: 100 }, 'topic://a')
    bench.settle()
    session.leave('goodbye', 0)
    bench.clock.rest()
    bench.clock.advance(3000)
    bench.clock.rest()
    bench.settle()
    agree(bench)
  })
})

describe('a transaction', () => {
  it('puts dead letters where they go by its own record: all of it or nothing', () => {
    const { bench, taker } = started({ deadLetter: 'dead', maxDeliveries: 1 }, 'a', 'b', 'c')
    bench.target('p')
    bench.target('dead')
    bench.settle()
    const before = bench.log.last
    const transaction = begin(bench)
    settle(transaction, taker, 'rejected', ['a'])
    settle(transaction, taker, 'modified', ['b'])
    settle(transaction, taker, 'released', ['c'])
    transaction.publish(bench.target('p'), Buffer.from('1'), DEFAULT_ENVELOPE)
    const told = commit(transaction)
    taker.subscription.close(false)
    for (let records = before; records <= bench.log.last; records++) {
      const next = successor(bench, records)
      const isThere = records === bench.log.last
      const found = ['q', 'dead', 'p'].map(name => textsOf(waiting(next, name)))
      assert.deepEqual(found, isThere ? [['c'], ['a', 'b'], ['1']] : [['a', 'b', 'c'], [], []])
      agree(next)
    }
    bench.settle()
    assert.deepEqual(told, [null])
    const deaths = waiting(bench, 'dead').map(({ envelope }) => envelope.death?.reason)
    assert.deepEqual(deaths, ['rejected', 'deliveries'])
    agree(bench)
  })

  it('is rolled back where the address for dead letters is full', () => {
    const { bench, taker } = started({ deadLetter: 'dead' }, 'a', 'b')
    settleAddress(bench, 'queue/dead', { maxMessages: 1 })
    put(bench, 'x', {}, 'dead')
    bench.settle()
    const transaction = begin(bench)
    settle(transaction, taker, 'rejected', ['a'])
    settle(transaction, taker, 'accepted', ['b'])
    assert.deepEqual(commit(transaction), ['queue-full'])
    taker.subscription.close(false)
    assert.deepEqual(textsOf(waiting(bench)), ['a', 'b'])
    agree(bench)
  })
})

describe('why a message is dead', () => {
  it('is part of its record, and of snapshots', () => {
    const { bench, taker } = started({ deadLetter: 'dead' }, 'a')
    conclude(taker, 'rejected', 'a')
    bench.settle()
    const restored = Bench.of(restoredFrom(bench.chunks())).serve()
    assert.deepEqual(waiting(restored, 'dead').map(deathOf), [['rejected', 'q', 1, 0]]) // prettier-ignore
  })
})
