// What the status says of topics, and the limits of what outlives its connection.

import assert from 'node:assert/strict'
import { Bench, foldOf, nobody, sure, Taker } from './ground.ts'
import { defaultTopicLimits } from '../../src/broker/limits.ts'
import type { Refusal, TopicWish } from '../../src/broker/api.ts'
import type { Session } from '../../src/broker/session-api.ts'

const open = (bench: Bench, clientId: string, user = 'ann'): Session | Refusal =>
  bench.broker.sessions.open({ clientId, user, clean: false, keepMs: Infinity, will: null }, nobody)
const options = { qos: 1, noLocal: false, retainAsPublished: false, id: 0 } as const

function subscribed(session: Session, filter: string): string | null {
  let refused: string | null = 'no answer'
  session.subscribe(filter, options, refusal => void (refused = refusal?.refused ?? null))
  return refused
}

const wish = (filter: string): TopicWish => ({
  filter,
  durable: filter,
  shared: true,
  group: '',
  selector: null,
  notFrom: 0,
})

const limited = (topics: Partial<typeof defaultTopicLimits>): Bench =>
  new Bench({ topics: { ...defaultTopicLimits, ...topics } }).serve()

describe('the status of topics', () => {
  it('counts sessions and subscriptions, and lists only queues with a name', () => {
    const bench = new Bench({ queueMessages: 2 }).serve()
    bench.publish('queue', 'x')
    const session = sure(open(bench, 'client'))
    session.subscribe('a', options, () => {})
    session.subscribe('$share/g/b', options, () => {})
    sure(bench.broker.subscribeTopic(wish('c'), new Taker(), () => {}))
    sure(bench.broker.listen('d', { published: () => {} }, ''))
    bench.settle()
    for (let i = 0; i < 5; i++) bench.publish('topic://a', 'x')
    bench.settle()
    const { queues, topics, messages } = bench.broker.status()
    assert.deepEqual(
      queues.map(queue => queue.name),
      ['queue'],
    )
    assert.equal(messages, 3, 'what waits for sessions counts among the messages')
    const kept = { sessions: 1, subscriptions: 3, retainedMessages: 0, retainedBytes: 0, delayed: 0 }
    assert.deepEqual(topics, { ...kept, listeners: 1, overflowed: 3 })
    assert.deepEqual(foldOf(bench.log.records).status().topics, { ...kept, listeners: 0, overflowed: 0 })
    assert.deepEqual(
      bench.broker.operations.inventory.names().map(([, name]) => name),
      ['queue', 'session:client', 'sub:c'],
    )
  })
})

describe('limits of topics', () => {
  it('bound sessions', () => {
    const bench = limited({ sessions: 1 })
    sure(open(bench, 'one'))
    assert.deepEqual((open(bench, 'two') as Refusal).refused, 'limit')
    bench.settle()
    assert.ok('id' in open(bench, 'one'), 'who has one comes back')
  })

  it('a session is for the user who began it', () => {
    const bench = new Bench().serve()
    sure(open(bench, 'client'))
    bench.settle()
    assert.deepEqual((open(bench, 'client', 'bob') as Refusal).refused, 'not-permitted')
    assert.ok('id' in open(bench, 'client'))
  })

  it('bound subscriptions of sessions and durable ones together, shared ones too', () => {
    const bench = limited({ subscriptions: 3 })
    const session = sure(open(bench, 'client'))
    session.subscribe('a', options, () => {})
    session.subscribe('$share/g/b', options, () => {})
    sure(bench.broker.subscribeTopic(wish('c'), new Taker(), () => {}))
    bench.settle()
    assert.equal(subscribed(session, 'd'), 'limit')
    assert.equal((bench.broker.subscribeTopic(wish('d'), new Taker(), () => {}) as Refusal).refused, 'limit')
    session.subscribe('a', { ...options, qos: 2 }, refusal =>
      assert.equal(refusal, null, 'one that is there may change'),
    )
    session.unsubscribe('a', () => {})
    bench.settle()
    session.subscribe('d', options, refusal => assert.equal(refusal, null))
    bench.settle()
    assert.equal(bench.broker.status().topics.subscriptions, 3)
  })
})
