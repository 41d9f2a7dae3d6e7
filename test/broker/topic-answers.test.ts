// When what is published to a topic is heard and answered: in the order of publishing, whether it has a record or not, and
// nothing while the server cannot prove that it serves (P1).

import assert from 'node:assert/strict'
import { Bench, sure, Taker } from './ground.ts'
import type { Producer, Refusal, TopicListener } from '../../src/broker/api.ts'
import { HELD_MESSAGES } from '../../src/broker/limits.ts'

class Publisher implements Producer {
  readonly told: (number | string)[] = []

  published(tag: number, refusal: Refusal | null): void {
    this.told.push(refusal === null ? tag : `${tag} ${refusal.refused}`)
  }
}

const publish = (bench: Bench, topic: string, producer: Producer | null, tag: number): void =>
  bench.target(`topic://${topic}`).publish(Buffer.from(`${topic} ${tag}`), producer, tag)

const durable = (bench: Bench, filter: string): void =>
  void sure(
    bench.broker.subscribeTopic(
      { filter, durable: filter, shared: true, group: '', selector: null, notFrom: 0 },
      new Taker(),
      () => {},
    ),
  )

function listen(bench: Bench, filter: string): string[] {
  const heard: string[] = []
  const listener: TopicListener = { published: body => void heard.push(Buffer.from(body).toString()) }
  sure(bench.broker.listen(filter, listener, ''))
  return heard
}

describe('answers to what is published to topics', () => {
  it('without a record, wait for those before them that have one', () => {
    const bench = new Bench().serve()
    durable(bench, 'kept')
    bench.settle()
    const producer = new Publisher()
    const other = new Publisher()
    publish(bench, 'kept', producer, 1)
    publish(bench, 'free', producer, 2)
    publish(bench, 'kept', producer, 3)
    publish(bench, 'free', producer, 4)
    publish(bench, 'free', other, 1)
    assert.deepEqual(producer.told, [])
    assert.deepEqual(other.told, [1], 'who waits for nothing is answered at once')
    bench.broker.committed(bench.log.last - 1)
    assert.deepEqual(producer.told, [1, 2])
    bench.broker.committed(bench.log.last)
    assert.deepEqual(producer.told, [1, 2, 3, 4])
    publish(bench, 'free', producer, 5)
    assert.deepEqual(producer.told, [1, 2, 3, 4, 5])
  })

  it('also behind a message to a queue, as the anonymous relay sends it', () => {
    const bench = new Bench().serve()
    const producer = new Publisher()
    bench.target('queue').publish(Buffer.from('x'), producer, 1)
    publish(bench, 'free', producer, 2)
    bench.target('queue').publish(Buffer.from('x'), producer, 3)
    assert.deepEqual(producer.told, [])
    bench.settle()
    assert.deepEqual(producer.told, [1, 2, 3])
  })

  it('keep their order where they are owed, with and without records', () => {
    const bench = new Bench().serve()
    durable(bench, 'kept')
    bench.settle()
    const producer = new Publisher()
    publish(bench, 'kept', producer, 1)
    bench.target('queue').publish(Buffer.from('x'), producer, 2)
    publish(bench, 'kept', producer, 3)
    bench.log.proof = false
    bench.broker.committed(bench.log.last)
    publish(bench, 'free', producer, 4)
    publish(bench, 'kept', producer, 5)
    assert.deepEqual(producer.told, [])
    bench.log.proof = true
    // Nobody has said yet that it may serve again: the next publish finds out.
    publish(bench, 'free', producer, 6)
    assert.deepEqual(producer.told, [1, 2, 3, 4])
    bench.broker.committed(bench.log.last)
    assert.deepEqual(producer.told, [1, 2, 3, 4, 5, 6])
  })

  it('are not given once the reign is over, nor in the next one of the same server', () => {
    const bench = new Bench().serve()
    durable(bench, 'kept')
    bench.settle()
    const producer = new Publisher()
    publish(bench, 'kept', producer, 1)
    publish(bench, 'free', producer, 2)
    bench.broker.stopServing()
    bench.broker.committed(bench.log.last - 1)
    bench.broker.startServing()
    bench.settle()
    assert.deepEqual(producer.told, [])
  })
})

describe('a broker that cannot prove that it serves', () => {
  it('tells no listener, and answers nobody, until it can', () => {
    const bench = new Bench().serve()
    const heard = listen(bench, '#')
    durable(bench, 'kept')
    bench.settle()
    const temporary = new Taker()
    sure(bench.broker.temporary('mine'))
    temporary.subscription = sure(bench.broker.subscribe('mine', temporary))
    temporary.subscription.credit(10, false)
    const producer = new Publisher()
    bench.log.proof = false
    publish(bench, 'a', producer, 1)
    publish(bench, 'kept', producer, 2)
    publish(bench, 'b', null, 3)
    bench.target('mine').publish(Buffer.from('x'), producer, 4)
    bench.rest()
    assert.deepEqual([heard, producer.told, temporary.texts], [[], [], []])
    bench.log.proof = true
    bench.broker.wake()
    bench.settle()
    assert.deepEqual(heard, ['a 1', 'kept 2', 'b 3'])
    assert.deepEqual(producer.told, [1, 2, 4])
    assert.deepEqual(temporary.texts, ['x'])
  })

  it('confirms no settlement of a queue without records', () => {
    const bench = new Bench().serve()
    sure(bench.broker.temporary('mine'))
    const taker = bench.taker('mine', 10)
    bench.publish('mine', 'x')
    bench.settle()
    const [message] = taker.got
    taker.subscription.settle((message as { sequence: number }).sequence, 'accepted')
    bench.log.proof = false
    bench.rest()
    assert.deepEqual(taker.confirmed, [])
    bench.log.proof = true
    bench.broker.wake()
    assert.equal(taker.confirmed.length, 1)
  })

  it('tells what waits before what is new, and nothing of it when the reign ends', () => {
    const bench = new Bench().serve()
    const heard = listen(bench, '#')
    bench.log.proof = false
    publish(bench, 'a', null, 1)
    bench.log.proof = true
    publish(bench, 'a', null, 2)
    assert.deepEqual(heard, ['a 1', 'a 2'])
    bench.log.proof = false
    publish(bench, 'a', null, 3)
    bench.broker.stopServing()
    bench.log.proof = true
    bench.broker.startServing()
    bench.broker.wake()
    assert.deepEqual(heard, ['a 1', 'a 2'])
  })

  it('keeps a bounded number of messages for its listeners, and refuses what is beyond', () => {
    const bench = new Bench().serve()
    const heard = listen(bench, '#')
    const producer = new Publisher()
    bench.log.proof = false
    for (let tag = 1; tag <= HELD_MESSAGES + 1; tag++) publish(bench, 'a', producer, tag)
    assert.deepEqual(producer.told, [`${HELD_MESSAGES + 1} limit`])
    bench.log.proof = true
    bench.broker.wake()
    assert.deepEqual([heard.length, producer.told.length], [HELD_MESSAGES, HELD_MESSAGES + 1])
  })
})
