// What operators see of the broker's content and may do to it: lists, emptying a queue, and taking away what a client left.

import assert from 'node:assert/strict'
import type { Refusal, TopicWish } from '../../src/broker/api.ts'
import type { Session, SessionOwner } from '../../src/broker/session-api.ts'
import { journalError } from '../../src/journal/errors.ts'
import { Bench, foldOf, nobody, sure, Taker } from './ground.ts'

const wish = (filter: string, durable: string): TopicWish => ({
  filter,
  durable,
  shared: true,
  group: '',
  selector: null,
  notFrom: 0,
})
const options = { qos: 1, noLocal: false, retainAsPublished: false, id: 0 } as const

const open = (bench: Bench, clientId: string, owner: SessionOwner = nobody, keepMs = Infinity): Session =>
  sure(bench.broker.sessions.open({ clientId, user: 'ann', clean: false, keepMs, will: null }, owner))

/** What became of a wish; null: nothing yet. */
function purged(bench: Bench, name: string): { refusal: Refusal | null; messages: number }[] {
  const answers: { refusal: Refusal | null; messages: number }[] = []
  bench.broker.operations.purge(name, (refusal, messages) => void answers.push({ refusal, messages }))
  return answers
}

const answersOf = (ask: (done: (refusal: Refusal | null) => void) => void): (string | null)[] => {
  const answers: (string | null)[] = []
  ask(refusal => void answers.push(refusal?.refused ?? null))
  return answers
}

describe('what operators see', () => {
  it('queues, subscriptions and sessions one by one, the same on the follower but for who is there', () => {
    const bench = new Bench().serve()
    for (const body of ['a', 'bb']) bench.publish('orders', body)
    const taker = new Taker()
    taker.subscription = sure(bench.broker.subscribe('orders', taker))
    taker.subscription.credit(1, false)
    sure(bench.broker.temporary('reply-1'))
    sure(bench.broker.subscribeTopic(wish('prices/#', 'app/all'), new Taker(), () => {}))
    const session = open(bench, 'sensor', nobody, 60_000)
    session.subscribe('prices/eu', options, () => {})
    bench.settle()
    bench.publish('topic://prices/eu', 'ccc')
    bench.clock.advance(7)
    session.leave('gone', null)
    bench.clock.advance(1)
    bench.settle()
    const held = { messages: 1, unsettled: 0 }
    const check = ({ operations: { inventory } }: typeof bench.broker, consumers: number): void => {
      const [queue, temporary] = inventory.queues()
      assert.deepEqual(
        [queue?.name, queue?.messages, queue?.unsettled, queue?.consumers, queue?.temporary],
        ['orders', 2, consumers, consumers, false],
      )
      assert.deepEqual(
        [temporary?.name, temporary?.temporary],
        consumers > 0 ? ['reply-1', true] : [undefined, undefined],
      )
      const [subscription] = inventory.subscriptions()
      const { bytes, ...rest } = subscription!
      assert.deepEqual(rest, { name: 'app/all', filter: 'prices/#', selector: '', consumers, ...held })
      assert.ok(bytes > 0)
      const queues = new Map(inventory.names())
      const named = inventory.sessionNames().map(([, { client, queue }]) => [client, queues.get(queue)])
      assert.deepEqual(named, [['sensor', 'session:sensor']])
      const [entry] = inventory.sessions()
      assert.deepEqual(
        { ...entry, bytes: 0 },
        {
          client: 'sensor',
          user: 'ann',
          filters: ['prices/eu'],
          awaySince: 7,
          keepMs: 60_000,
          will: false,
          bytes: 0,
          ...held,
        },
      )
    }
    check(bench.broker, 1)
    check(foldOf(bench.log.records), 0)
  })
})

describe('emptying a queue', () => {
  it('takes what nobody has, and leaves what comes meanwhile and what a consumer has', () => {
    const bench = new Bench().serve()
    for (let i = 0; i < 5000; i++) bench.publish('q', String(i))
    bench.settle()
    const taker = new Taker()
    taker.subscription = sure(bench.broker.subscribe('q', taker))
    taker.subscription.credit(2, false)
    bench.settle()
    const answers = purged(bench, 'q')
    bench.publish('q', 'later')
    assert.deepEqual(answers, [], 'nothing is said before it is safe')
    bench.settle()
    assert.deepEqual(answers, [{ refusal: null, messages: 4998 }])
    assert.deepEqual(taker.texts, ['0', '1'])
    assert.equal(foldOf(bench.log.records).status().messages, 3)
    taker.subscription.credit(10, false)
    bench.settle()
    assert.deepEqual(taker.texts, ['0', '1', 'later'])
    for (const { sequence } of taker.got) taker.subscription.settle(sequence, 'accepted')
    bench.settle()
    assert.equal(bench.broker.status().messages, 0)
  })

  it('does so with messages that are paged out, and memory stays bounded', () => {
    const few = { memoryBytes: 1 << 20, pageOutBytes: 1 << 19 }
    const bench = new Bench(few).serve()
    for (let i = 0; i < 8000; i++) {
      bench.publish('q', 'x'.repeat(1000))
      if (i % 100 === 0) bench.settle()
    }
    bench.settle()
    while (bench.disk()) bench.settle()
    assert.ok(bench.broker.status().pagedMessages > 6000)
    const answers = purged(bench, 'q')
    bench.settle()
    assert.deepEqual(answers, [{ refusal: null, messages: 8000 }])
    const { messages, bytes, residentBytes, pagedMessages } = bench.broker.status()
    assert.deepEqual([messages, bytes, residentBytes, pagedMessages], [0, 0, 0, 0])
    assert.equal(foldOf(bench.log.records).status().messages, 0)
  })

  it('goes on where the log took no record for a while, and says so where serving ends', () => {
    const bench = new Bench().serve()
    for (let i = 0; i < 10; i++) bench.publish('q', String(i))
    bench.settle()
    bench.log.fault = journalError('BUSY', { why: 'a test' })
    const answers = purged(bench, 'q')
    bench.settle()
    assert.deepEqual(answers, [])
    assert.equal(bench.broker.status().messages, 10)
    bench.log.fault = null
    bench.clock.advance(50)
    bench.settle()
    assert.deepEqual(answers, [{ refusal: null, messages: 10 }])
    for (let i = 0; i < 10; i++) bench.publish('q', String(i))
    bench.settle()
    const cut = purged(bench, 'q')
    bench.broker.stopServing()
    assert.deepEqual(
      cut.map(({ refusal }) => refusal?.refused),
      ['not-serving'],
    )
    bench.settle()
    assert.equal(cut.length, 1, 'one answer')
  })

  it('makes no record any more when serving ended between two parts', () => {
    const bench = new Bench().serve()
    for (let i = 0; i < 5000; i++) bench.publish('q', String(i))
    bench.settle()
    const answers = purged(bench, 'q')
    bench.broker.committed(bench.log.last)
    bench.broker.stopServing()
    const { last } = bench.log
    bench.settle()
    assert.equal(bench.log.last, last)
    assert.deepEqual(
      answers.map(({ refusal }) => refusal?.refused),
      ['not-serving'],
    )
  })

  it('knows no other queues than those with a name', () => {
    const bench = new Bench().serve()
    open(bench, 'sensor')
    bench.settle()
    for (const name of ['nothing', 'session:sensor'])
      assert.deepEqual(
        purged(bench, name).map(({ refusal }) => refusal?.refused),
        ['not-found'],
      )
  })
})

describe('taking away what a client left', () => {
  it('a durable subscription goes with all in it, and its consumers are told', () => {
    const bench = new Bench().serve()
    const taker = new Taker()
    sure(bench.broker.subscribeTopic(wish('a', 'app/a'), taker, () => {}))
    bench.settle()
    bench.publish('topic://a', 'x')
    bench.settle()
    const { operations } = bench.broker
    assert.deepEqual(
      answersOf(done => operations.removeSubscription('app/b', done)),
      ['not-found'],
    )
    const answers = answersOf(done => operations.removeSubscription('app/a', done))
    assert.deepEqual(answers, [])
    bench.settle()
    assert.deepEqual(answers, [null])
    assert.equal(taker.end?.refused, 'not-found')
    for (const broker of [bench.broker, foldOf(bench.log.records)]) {
      assert.deepEqual(broker.operations.inventory.subscriptions(), [])
      assert.equal(broker.status().messages, 0)
    }
  })

  it('a session ends, whether its client is there or not', () => {
    const bench = new Bench().serve()
    const ended: string[] = []
    let session: Session | null = null
    const owner = {
      ...nobody,
      ended: (refusal: Refusal) => {
        ended.push(refusal.text)
        session?.leave('gone', null)
      },
    }
    session = open(bench, 'here', owner)
    open(bench, 'away').leave('gone', null)
    bench.settle()
    const { operations } = bench.broker
    for (const client of ['here', 'away']) {
      const answers = answersOf(done => operations.endSession(client, done))
      assert.deepEqual(answers, [])
      bench.settle()
      assert.deepEqual(answers, [null], client)
    }
    assert.deepEqual(ended, ['an operator ended it'])
    assert.deepEqual(
      answersOf(done => operations.endSession('here', done)),
      ['not-found'],
    )
    for (const broker of [bench.broker, foldOf(bench.log.records)])
      assert.deepEqual(broker.operations.inventory.sessions(), [])
  })

  it('is refused where no record is taken, and by a server that does not serve', () => {
    const bench = new Bench().serve()
    sure(bench.broker.subscribeTopic(wish('a', 'app/a'), new Taker(), () => {}))
    open(bench, 'away').leave('gone', null)
    bench.settle()
    const { operations } = bench.broker
    const all = (): (string | null)[] => [
      ...answersOf(done => operations.removeSubscription('app/a', done)),
      ...answersOf(done => operations.endSession('away', done)),
    ]
    bench.log.fault = journalError('BUSY', { why: 'a test' })
    assert.deepEqual(all(), ['limit', 'limit'])
    bench.log.fault = null
    bench.broker.stopServing()
    assert.deepEqual(all(), ['not-serving', 'not-serving'])
    assert.equal(operations.inventory.sessions().length, 1)
  })
})
