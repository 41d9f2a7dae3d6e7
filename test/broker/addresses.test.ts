// What operators settle for addresses: which pattern counts, within which bounds, and that it is in force on the server that
// serves, whoever that is.

import assert from 'node:assert/strict'
import { DEFAULT_ENVELOPE, type Envelope, type Refusal } from '../../src/broker/api.ts'
import {
  AddressBook,
  type AddressEntry,
  addressRows,
  type AddressSettings,
  readAddress,
  readPattern,
} from '../../src/broker/address-settings.ts'
import { policyOf, redeliveryMs } from '../../src/broker/policy.ts'
import { Bench, sure, Taker } from './ground.ts'
import { agree, successor, texts } from './transaction-ground.ts'

export function settle(bench: Bench, name: string, settings: AddressSettings | null): void {
  bench.broker.settings.set(`address/${name}`, settings === null ? null : JSON.stringify(settings), refusal =>
    assert.equal(refusal, null),
  )
  bench.settle()
}

function put(bench: Bench, text: string, envelope: Partial<Envelope> = {}, address = 'q'): (string | null)[] {
  const told: (string | null)[] = []
  const producer = { published: (_: number, refusal: Refusal | null) => void told.push(refusal?.refused ?? null) }
  bench.target(address).publish(Buffer.from(text), producer, 0, { ...DEFAULT_ENVELOPE, ...envelope })
  bench.settle()
  return told
}

/** How often it is asked what counts for an address. */
function lookUpsIn(work: () => void): number {
  const plain = Object.getOwnPropertyDescriptor(AddressBook.prototype, 'find') as TypedPropertyDescriptor<
    AddressBook['find']
  >
  let count = 0
  Object.defineProperty(AddressBook.prototype, 'find', {
    ...plain,
    value(this: AddressBook, ...given: Parameters<AddressBook['find']>) {
      count++
      return plain.value?.apply(this, given)
    },
  })
  work()
  Object.defineProperty(AddressBook.prototype, 'find', plain)
  return count
}

describe('the pattern that counts for an address', () => {
  const entry = (name: string): AddressEntry => {
    const read = readPattern(name)
    assert.ok(typeof read !== 'string', String(read))
    return { ...read, settings: {} }
  }
  const best = (name: string, kind: 'queue' | 'topic', ...names: string[]): string | undefined =>
    [names, names.toReversed()]
      .map(list => new AddressBook(list.map(entry)).find(kind, name)?.pattern)
      .reduce((a, b) => (a === b ? a : 'by their order'))

  it('is the most exact one, whatever the order', () => {
    assert.equal(best('orders.eu', 'queue', 'queue/*', 'queue/orders.*', 'queue/*.eu', 'topic/orders.eu'), 'orders.*')
    assert.equal(best('orders.eu', 'queue', 'queue/*', 'queue/orders.*', 'queue/orders.eu'), 'orders.eu')
    assert.equal(best('ab', 'queue', 'queue/a*', 'queue/*b'), '*b')
    assert.equal(best('other', 'queue', 'queue/orders.*'), undefined)
    assert.equal(best('a/b', 'topic', 'topic/#', 'topic/a/+', 'topic/+/b', 'queue/a/b'), '+/b')
    assert.equal(best('a/b', 'topic', 'topic/a/#', 'topic/a/b'), 'a/b')
    assert.equal(best('a/+', 'topic', 'topic/a/b', 'topic/a/#'), 'a/#', 'a subscription’s filter must be covered')
  })

  it('is one that can be read', () => {
    for (const wrong of ['orders', 'place/x', 'queue/', `queue/${'x'.repeat(1001)}`, 'topic/a#', 'queue/{user}'])
      assert.equal(typeof readPattern(wrong), 'string', wrong)
  })
})

describe('settings of an address', () => {
  it('are taken within their bounds, each of them', () => {
    const others = { deadLetter: 'd', redeliveryDelayMs: 0 }
    for (const [key, row] of Object.entries(addressRows)) {
      const good = row.form === 'number' ? [row.from, row.to] : row.form === 'word' ? row.words : ['q', 'topic://a/b']
      for (const value of good)
        assert.equal(typeof readAddress({ ...others, [key]: value }), 'object', `${key} ${value}`)
      const bad =
        row.form === 'number' ? [row.from - 1, row.to * 1.01 + 1, NaN, null, '5'] : ['', 'topic://', 'topic://a/#', 7]
      for (const value of bad)
        assert.equal(typeof readAddress({ ...others, [key]: value }), 'string', `${key} ${value}`)
    }
    assert.match(readAddress({ maxMesages: 1 }) as string, /unknown/)
    assert.match(readAddress([]) as string, /object/)
    assert.match(readAddress({ maxMessages: 1.5 }) as string, /whole/)
  })

  it('make sense together', () => {
    for (const wrong of [
      { maxDeliveries: 1 },
      { whenFull: 'dead-letter' },
      { redeliveryMultiplier: 2 },
      { redeliveryDelayMs: 10, maxRedeliveryDelayMs: 9 },
      { defaultTimeToLiveMs: 2, maxTimeToLiveMs: 1 },
    ])
      assert.equal(typeof readAddress(wrong), 'string', JSON.stringify(wrong))
  })

  it('never exceed the limits of the profile', () => {
    const limits = { queueMessages: 10, queueBytes: 1000 }
    const { messages, bytes } = policyOf(limits, { maxMessages: 20, maxBytes: 500 })
    assert.deepEqual([messages, bytes], [10, 500])
  })

  it('say how long a message waits after each failure', () => {
    const settings = { redeliveryDelayMs: 100, redeliveryMultiplier: 2, maxRedeliveryDelayMs: 1000 }
    const { redelivery } = policyOf({ queueMessages: 1, queueBytes: 1 }, settings)
    assert.ok(redelivery !== null)
    assert.deepEqual([1, 2, 3, 4, 5, 2000].map(failed => redeliveryMs(redelivery, failed)), [100, 200, 400, 800, 1000, 1000]) // prettier-ignore
  })

  it('are in force from the moment they are safe, on queues that are there and on new ones, and after a failover', () => {
    const bench = new Bench().serve()
    put(bench, 'a')
    settle(bench, 'queue/q', { maxMessages: 2 })
    settle(bench, 'queue/*', { maxBytes: 1500 })
    assert.deepEqual([put(bench, 'b'), put(bench, 'c')], [[null], ['queue-full']])
    assert.equal(bench.target('q').room(), 0)
    const next = successor(bench)
    assert.deepEqual(put(next, 'c'), ['queue-full'])
    assert.deepEqual(put(next, 'x'.repeat(2000)), ['queue-full'])
    assert.deepEqual(put(next, 'x'.repeat(1500), {}, 'new'), ['queue-full'], 'of another pattern')
    assert.deepEqual(put(next, 'x'.repeat(1000), {}, 'new'), [null])
    settle(next, 'queue/q', null)
    assert.deepEqual(put(next, 'c'), [null], 'the wider pattern counts now')
    settle(next, 'queue/*', null)
    assert.deepEqual(put(next, 'x'.repeat(2000)), [null])
    agree(next)
  })

  it('that cannot be read are not in force, and said so', () => {
    const said: string[] = []
    const bench = new Bench({}, { say: (level, line) => void said.push(`${level} ${line}`) }).serve()
    bench.broker.settings.set('address/queue/q', '{"fromTheFuture":1}', () => {})
    bench.broker.settings.set('address/queue/r', 'x', () => {})
    bench.settle()
    assert.equal(said.filter(line => /^warn .*not in force/.test(line)).length, 2, 'each once')
    assert.deepEqual(put(bench, 'a'), [null])
  })

  it('bound durable subscriptions, whose filter they cover', () => {
    const bench = new Bench().serve()
    settle(bench, 'topic/a/#', { maxMessages: 1 })
    const wish = { filter: 'a/+', durable: 'd', shared: false, group: '', selector: null, notFrom: 0 }
    const taker = bench.taker('q')
    taker.subscription = sure(bench.broker.subscribeTopic(wish, taker, () => {}))
    bench.publish('topic://a/b', '1')
    bench.publish('topic://a/b', '2')
    bench.settle()
    assert.deepEqual([bench.broker.status().messages, bench.broker.status().topics.overflowed], [1, 1])
    const next = successor(bench)
    next.publish('topic://a/b', '3')
    next.settle()
    assert.deepEqual([next.broker.status().messages, next.broker.status().topics.overflowed], [1, 1])
  })

  it('bound a durable subscription that is not safe yet when others are changed', () => {
    const bench = new Bench().serve()
    settle(bench, 'topic/a/#', { maxMessages: 1 })
    bench.broker.settings.set('address/queue/other', '{"maxMessages":7}', () => {})
    const changed = bench.log.last
    const wish = { filter: 'a/+', durable: 'd', shared: false, group: '', selector: null, notFrom: 0 }
    sure(bench.broker.subscribeTopic(wish, new Taker(), () => {}))
    bench.broker.committed(changed)
    bench.publish('topic://a/b', '1')
    bench.publish('topic://a/b', '2')
    bench.settle()
    assert.deepEqual([bench.broker.status().messages, bench.broker.status().topics.overflowed], [1, 1])
  })

  it('are looked up for a queue when it is used, and not for all when they change', () => {
    const bench = new Bench({ queues: 1000 }).serve()
    settle(bench, 'queue/or*ers.*', { maxMessages: 5 })
    for (let i = 0; i < 500; i++) bench.publish(`orders.${i}`, 'x')
    const next = successor(bench)
    const changed = lookUpsIn(() => {
      settle(next, 'queue/zz', { maxMessages: 5 })
      next.broker.stopServing()
      next.serve()
    })
    assert.equal(changed, 0)
    const told: (string | null)[] = []
    const used = lookUpsIn(() => {
      for (let i = 0; i < 5; i++) told.push(...put(next, 'y', {}, 'orders.17'))
    })
    assert.deepEqual([told, used], [[null, null, null, null, 'queue-full'], 1])
  })

  it('give times to live, and cut longer ones', () => {
    const bench = new Bench().serve()
    bench.clock.time = 1000
    settle(bench, 'queue/q', { defaultTimeToLiveMs: 100, maxTimeToLiveMs: 300 })
    const ends = (envelope: Partial<Envelope>, address = 'q'): number => {
      put(bench, 'a', envelope, address)
      const taker = bench.taker(address, 1)
      bench.settle()
      taker.subscription.settle(taker.got[0]?.sequence as number, 'accepted')
      taker.subscription.close(false)
      return taker.got[0]?.envelope.expiresAt ?? -1
    }
    assert.deepEqual(
      [ends({}), ends({ expiresAt: 1200 }), ends({ expiresAt: 9000 }), ends({}, 'other')],
      [1100, 1200, 1300, 0],
    )
    put(bench, 'late', { deliverAt: 2000 })
    bench.clock.advance(1050)
    bench.settle()
    assert.deepEqual(texts(bench), ['late'], 'it lives from its delivery time on')
  })

  it('give times to live to what is published to a topic', () => {
    const bench = new Bench().serve()
    bench.publish('topic://a', 'before')
    settle(bench, 'topic/a', { defaultTimeToLiveMs: 100 })
    const heard: number[] = []
    bench.broker.listen('#', { published: (_, { expiresAt }) => void heard.push(expiresAt) }, '')
    bench.publish('topic://a', '1')
    bench.publish('topic://b', '2')
    settle(bench, 'topic/a', null)
    bench.publish('topic://a', '3')
    assert.deepEqual(heard, [100, 0, 0])
  })
})
