// Subscriptions to topics that are consumed like queues: which messages they get, and which of them are there after the
// consumer, the server or its peer was gone.

import assert from 'node:assert/strict'
import { DEFAULT_ENVELOPE, type Refusal, type TopicWish } from '../../src/broker/api.ts'
import { Bench, foldOf, restoredFrom, selecting, snapshotOf, sure, Taker } from './ground.ts'

const wish = (filter: string, more: Partial<TopicWish> = {}): TopicWish => ({
  filter,
  durable: '',
  shared: false,
  group: '',
  selector: null,
  notFrom: 0,
  ...more,
})

const subscribe = (bench: Bench, of: TopicWish, credit = 100): Taker & { ready: (Refusal | null)[] } => {
  const taker = Object.assign(new Taker(), { ready: [] as (Refusal | null)[] })
  taker.subscription = sure(bench.broker.subscribeTopic(of, taker, refusal => taker.ready.push(refusal)))
  if (credit > 0) taker.subscription.credit(credit, false)
  return taker
}
const publish = (bench: Bench, topic: string, ...texts: string[]): (Refusal | null)[] => {
  const answers: (Refusal | null)[] = []
  const target = sure(bench.broker.target(`topic://${topic}`))
  for (const text of texts) target.publish(Buffer.from(text), { published: (_, refusal) => answers.push(refusal) }, 0)
  return answers
}

describe('subscriptions to topics', () => {
  it('that are not durable make no record, get what is published from then on, in order, and are gone with their consumer', () => {
    const bench = new Bench().serve()
    publish(bench, 'a/b', 'before')
    const exact = subscribe(bench, wish('a/b'))
    const wild = subscribe(bench, wish('a/#'))
    const other = subscribe(bench, wish('c/+'))
    assert.deepEqual(
      publish(bench, 'a/b', '1', '2', '3'),
      [null, null, null],
      'answered at once: nobody durable wants it',
    )
    bench.settle()
    assert.deepEqual([exact.texts, wild.texts, other.texts], [['1', '2', '3'], ['1', '2', '3'], []])
    assert.ok(exact.got.every(message => message.firstAcquirer))
    for (const { sequence } of exact.got) exact.subscription.settle(sequence, 'accepted')
    bench.settle()
    assert.equal(exact.confirmed.length, 3)
    assert.equal(bench.log.last, 0, 'no record at all')
    exact.subscription.close(false)
    wild.subscription.close(false)
    bench.settle()
    assert.deepEqual([bench.broker.status().messages, bench.broker.status().bytes], [0, 0], 'nothing is left of them')
  })

  it('give back what was released, in its old place, without a record', () => {
    const bench = new Bench().serve()
    const taker = subscribe(bench, wish('t'), 2)
    publish(bench, 't', '1', '2', '3')
    bench.settle()
    taker.subscription.settle(taker.got[1]?.sequence as number, 'modified')
    taker.subscription.settle(taker.got[0]?.sequence as number, 'released')
    taker.subscription.credit(10, false)
    bench.settle()
    assert.deepEqual(taker.texts, ['1', '2', '1', '2', '3'])
    assert.deepEqual(
      taker.got.map(message => message.deliveryCount),
      [0, 0, 0, 1, 0],
    )
    assert.equal(bench.log.last, 0)
  })

  it('of one group share: each message goes to one of them', () => {
    const bench = new Bench().serve()
    const [one, two] = [subscribe(bench, wish('t', { group: 'g' })), subscribe(bench, wish('t', { group: 'g' }))]
    publish(bench, 't', '1', '2', '3', '4')
    bench.settle()
    assert.deepEqual([...one.texts, ...two.texts].sort(), ['1', '2', '3', '4'])
    assert.ok(one.texts.length === 2 && two.texts.length === 2)
  })

  it('that are full lose what comes, and hold nobody up', () => {
    const bench = new Bench({ queueMessages: 2 }).serve()
    const slow = subscribe(bench, wish('t'), 0)
    assert.deepEqual(publish(bench, 't', '1', '2', '3'), [null, null, null])
    slow.subscription.credit(10, false)
    bench.settle()
    assert.deepEqual(slow.texts, ['1', '2'])
  })

  it('that are durable are there when that is safe, and keep what comes while nobody consumes', () => {
    const bench = new Bench().serve()
    const first = subscribe(bench, wish('a/+', { durable: 'client/sub' }))
    assert.deepEqual(first.ready, [], 'not safe yet')
    bench.settle()
    assert.deepEqual(first.ready, [null])
    first.subscription.close(false)
    const answers = publish(bench, 'a/b', '1', '2')
    assert.deepEqual(answers, [], 'answered when the record is safe')
    bench.settle()
    assert.deepEqual(answers, [null, null])
    const again = subscribe(bench, wish('a/+', { durable: 'client/sub' }))
    assert.deepEqual(again.ready, [null])
    bench.settle()
    assert.deepEqual(again.texts, ['1', '2'])
    assert.equal(bench.broker.durableFilter('client/sub'), 'a/+')
  })

  it('that are durable are the same on the other server, after a restart, and out of a snapshot', () => {
    const bench = new Bench().serve()
    subscribe(bench, wish('a/#', { durable: 'c/s' })).subscription.close(false)
    bench.settle()
    publish(bench, 'a/b', '1', '2')
    bench.settle()
    for (const broker of [foldOf(bench.log.records), restoredFrom(bench.chunks())]) {
      broker.startServing()
      assert.equal(broker.durableFilter('c/s'), 'a/#')
      assert.equal(broker.status().messages, 2)
      assert.equal(
        broker.unsubscribeTopic('nobody/none', () => {}),
        true,
      )
      assert.equal(broker.durableFilter('c/s'), 'a/#')
    }
  })

  it('that are durable have one consumer, the newest, unless they are shared', () => {
    const bench = new Bench().serve()
    const older = subscribe(bench, wish('t', { durable: 'c/s' }))
    const newer = subscribe(bench, wish('t', { durable: 'c/s' }))
    assert.equal(older.end?.refused, 'stolen')
    assert.equal(newer.end, null)
    const both = [1, 2].map(() => subscribe(bench, wish('t', { durable: 'c/shared', shared: true })))
    bench.settle()
    publish(bench, 't', '1', '2', '3', '4')
    bench.settle()
    assert.deepEqual(
      both.map(taker => taker.texts.length),
      [2, 2],
    )
    assert.deepEqual(newer.texts, ['1', '2', '3', '4'])
  })

  it('are taken away with all in them, and another topic under the same name is another subscription', () => {
    const bench = new Bench().serve()
    subscribe(bench, wish('old', { durable: 'c/s' })).subscription.close(false)
    publish(bench, 'old', '1')
    bench.settle()
    const moved = subscribe(bench, wish('new', { durable: 'c/s' }))
    publish(bench, 'old', '2')
    publish(bench, 'new', '3')
    bench.settle()
    assert.deepEqual(moved.texts, ['3'])
    let done = false
    assert.ok(bench.broker.unsubscribeTopic('c/s', () => (done = true)))
    assert.ok(!done, 'not safe yet')
    bench.settle()
    assert.ok(done)
    assert.deepEqual([bench.broker.durableFilter('c/s'), bench.broker.status().messages], [null, 0])
    assert.equal(bench.broker.status().queues.length, 0)
    const follower = foldOf(bench.log.records)
    assert.equal(follower.status().queues.length, 0)
  })

  it('that select keep only what they want, on both servers, and are new ones when they want something else', () => {
    const bench = new Bench().serve()
    const { selector } = selecting("color = 'red'")
    const red = wish('t/+', { durable: 'c/s', selector })
    subscribe(bench, red).subscription.close(false)
    subscribe(bench, wish('t/#', { durable: 'c/own', notFrom: 7 })).subscription.close(false)
    const now = subscribe(bench, wish('t/a', { selector }))
    const publishAs = (on: Bench, publisher: number, ...texts: string[]): void => {
      for (const text of texts) {
        const envelope = { ...DEFAULT_ENVELOPE, publisher }
        sure(on.broker.target('topic://t/a')).publish(Buffer.from(text), null, 0, envelope)
      }
      on.settle()
    }
    publishAs(bench, 7, 'color=red 1', 'color=blue 2')
    assert.deepEqual(now.texts, ['color=red 1'])
    // The other server has it from records or from a snapshot, and judges as the first one did.
    for (const broker of [foldOf(bench.log.records), restoredFrom(bench.chunks())]) {
      assert.ok(snapshotOf(broker).equals(snapshotOf(bench.broker)))
      const next = Bench.of(broker)
      next.log.records.push(...bench.log.records)
      next.serve()
      publishAs(next, 8, 'color=red 3', 'color=blue 4')
      publishAs(next, 7, 'color=red 5')
      const taker = subscribe(next, red)
      const own = subscribe(next, wish('t/#', { durable: 'c/own', notFrom: 7 }))
      next.settle()
      assert.deepEqual(taker.texts, ['color=red 1', 'color=red 3', 'color=red 5'])
      assert.deepEqual(own.texts, ['color=red 3', 'color=blue 4'])
      const changed = subscribe(next, wish('t/+', { durable: 'c/s' }))
      assert.equal(taker.end?.refused, 'not-found')
      publishAs(next, 7, 'color=blue 6')
      assert.deepEqual(changed.texts, ['color=blue 6'])
    }
  })

  it('that are shared are not changed under their consumers', () => {
    const bench = new Bench().serve()
    const shared = wish('t', { durable: '/s', shared: true })
    const one = subscribe(bench, shared)
    bench.settle()
    const other = { ...shared, selector: selecting('n = 1').selector }
    const refusal = bench.broker.subscribeTopic(other, new Taker(), () => {})
    assert.ok('refused' in refusal && refusal.refused === 'not-allowed')
    publish(bench, 't', '1')
    one.subscription.close(false)
    bench.settle()
    const changed = subscribe(bench, other)
    publish(bench, 't', 'n=1', 'n=2')
    bench.settle()
    assert.deepEqual(changed.texts, ['n=1'])
    // Those that do not last share what they all want.
    const group = wish('t', { group: 'g' })
    const [plain, choosy] = [subscribe(bench, group), subscribe(bench, { ...group, selector: other.selector })]
    publish(bench, 't', 'n=2', 'n=1')
    bench.settle()
    assert.deepEqual([plain.texts, choosy.texts], [['n=2', 'n=1'], ['n=1']])
  })

  it('refuse filters that are none', () => {
    const bench = new Bench().serve()
    for (const filter of ['', 'a+', 'a/#/b', '#a', 'a\0'])
      assert.ok('refused' in bench.broker.subscribeTopic(wish(filter), new Taker(), () => {}), filter)
  })
})

describe('temporary queues', () => {
  it('carry messages without records while they are held, and refuse them afterwards', () => {
    const bench = new Bench().serve()
    const queue = sure(bench.broker.temporary('temporary:x'))
    const taker = bench.taker('temporary:x', 10)
    const target = bench.target('temporary:x')
    const answers: (string | null)[] = []
    const send = (text: string): void =>
      target.publish(Buffer.from(text), { published: (_, refusal) => answers.push(refusal && refusal.refused) }, 0)
    send('1')
    bench.settle()
    assert.deepEqual([taker.texts, answers, bench.log.last], [['1'], [null], 0])
    queue.close()
    send('2')
    assert.deepEqual(answers, [null, 'not-found'])
    assert.equal(bench.broker.has('temporary:x'), false)
    assert.equal(bench.broker.status().bytes, 0)
    assert.equal(taker.end?.refused, 'not-found', 'who consumes it is told')
    // A late reply makes no queue that nobody knows.
    assert.equal((bench.broker.target('temporary:x') as Refusal).refused, 'not-found')
    assert.equal((bench.broker.subscribe('temporary:x', taker) as Refusal).refused, 'not-found')
    assert.equal(bench.log.last, 0)
  })

  it('tell nobody twice when the reign ends first', () => {
    const bench = new Bench().serve()
    const queue = sure(bench.broker.temporary('temporary:x'))
    const told: string[] = []
    const consumer = Object.assign(new Taker(), { detached: ({ refused }: { refused: string }) => told.push(refused) })
    sure(bench.broker.subscribe('temporary:x', consumer))
    bench.broker.stopServing()
    queue.close()
    assert.deepEqual(told, ['not-serving'])
  })
})
