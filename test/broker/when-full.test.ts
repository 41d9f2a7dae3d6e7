// What is settled for a queue that is at its limit: the producer is slowed, the oldest message gives way, or goes where dead
// letters go. Bounded in every case, and across failovers.

import fc from 'fast-check'
import assert from 'node:assert/strict'
import type { Log } from '../../src/base/ports.ts'
import type { WhenFull } from '../../src/broker/address-settings.ts'
import { SLOWED_BYTES } from '../../src/broker/limits.ts'
import { Bench, sure } from './ground.ts'
import { conclude, pass, put, settleAddress, textsOf, waiting } from './policy-ground.ts'
import { agree, begin, commit, send, successor } from './transaction-ground.ts'

function limited(whenFull: WhenFull, more: object = {}, say?: Log): Bench {
  const bench = new Bench({}, say === undefined ? {} : { say }).serve()
  settleAddress(bench, 'queue/q', { maxMessages: 3, whenFull, ...more })
  for (const text of ['a', 'b', 'c']) put(bench, text)
  bench.settle()
  return bench
}

describe('a queue whose oldest message gives way', () => {
  it('warns of nothing as long as it does, and of a refusal where none can', () => {
    const said: string[] = []
    const bench = limited('drop-oldest', {}, (_, line) => void said.push(line))
    for (const text of ['d', 'e', 'f', 'g', 'h']) put(bench, text)
    bench.settle()
    assert.deepEqual([textsOf(waiting(bench)), said], [['f', 'g', 'h'], []])
    bench.taker('q', 3)
    bench.settle()
    assert.deepEqual(put(bench, 'i'), ['queue-full'])
    assert.match(said.join(), /^Messages for q are refused: the queue q holds 3 messages/)
  })

  it('takes a new one for it, in the same turn too, and is never beyond its limit', () => {
    const bench = limited('drop-oldest')
    const told = ['d', 'e'].flatMap(text => put(bench, text))
    bench.settle()
    const more = put(bench, 'f')
    bench.settle()
    assert.deepEqual([told, more, textsOf(waiting(bench))], [[], [null], ['d', 'e', 'f']])
    assert.equal(bench.broker.status().upkeep.discarded, 3)
    agree(bench)
    assert.deepEqual(textsOf(waiting(successor(bench))), ['d', 'e', 'f'])
  })

  it('makes room for the bytes that come, by as many as it takes', () => {
    const bench = new Bench().serve()
    settleAddress(bench, 'queue/q', { maxBytes: 2048, whenFull: 'drop-oldest' })
    for (let i = 0; i < 10; i++) put(bench, `${i}`)
    put(bench, 'x'.repeat(1000))
    bench.settle()
    assert.ok((bench.broker.status().queues[0]?.bytes ?? 0) <= 2048)
    assert.equal(textsOf(waiting(bench)).at(-1)?.length, 1000)
    put(bench, 'x'.repeat(3000))
    bench.settle()
    assert.equal(textsOf(waiting(bench)).at(-1)?.length, 1000, 'what would never fit is refused')
    agree(bench)
  })

  it('leaves what a consumer has, and refuses where consumers have all', () => {
    const bench = limited('drop-oldest')
    const taker = bench.taker('q', 2)
    bench.settle()
    put(bench, 'd')
    bench.settle()
    assert.deepEqual(textsOf(waiting(bench)), ['d'])
    taker.subscription.credit(1, false)
    bench.settle()
    assert.deepEqual(put(bench, 'e'), ['queue-full'])
    taker.subscription.settle(taker.got[0]?.sequence as number, 'released')
    put(bench, 'f')
    bench.settle()
    assert.deepEqual([taker.texts, textsOf(waiting(bench))], [['a', 'b', 'd'], ['f']])
    agree(bench)
  })

  it('gives way where it is paged out', () => {
    const bench = new Bench({ memoryBytes: 1 << 20, pageOutBytes: 1 << 18 }).serve()
    settleAddress(bench, 'queue/q', { maxMessages: 3000, whenFull: 'drop-oldest' })
    for (let i = 0; i < 7000; i++) {
      put(bench, `${i}`.padEnd(300))
      if (i % 50 === 0) bench.settle()
    }
    bench.settle()
    assert.ok(bench.broker.status().pagedMessages > 1000)
    assert.ok(bench.broker.status().residentBytes < 1.1 * (1 << 20))
    assert.equal(bench.broker.status().messages, 3000)
    agree(bench)
    const taker = bench.taker('q', 1)
    bench.settle()
    assert.equal(Number(taker.texts[0]), 4000)
  })

  it('gives way in a transaction, and to dead letters', () => {
    const bench = limited('drop-oldest')
    settleAddress(bench, 'queue/p', { deadLetter: 'q' })
    put(bench, 'p', {}, 'p')
    const taker = bench.taker('p', 1)
    bench.settle()
    conclude(taker, 'rejected', 'p')
    bench.settle()
    assert.deepEqual(textsOf(waiting(bench)), ['b', 'c', 'p'])
    const transaction = begin(bench)
    send(bench, transaction, 'q', '1', '2')
    const told = commit(transaction)
    bench.settle()
    assert.deepEqual([told, textsOf(waiting(bench))], [[null], ['p', '1', '2']])
    agree(bench)
  })

  it('is a durable subscription, too', () => {
    const bench = new Bench().serve()
    settleAddress(bench, 'topic/#', { maxMessages: 2, whenFull: 'drop-oldest' })
    const wish = { filter: 't', durable: 'd', shared: false, group: '', selector: null, notFrom: 0 }
    const taker = bench.taker('q')
    taker.subscription = sure(bench.broker.subscribeTopic(wish, taker, () => {}))
    for (const text of ['a', 'b', 'c', 'd']) {
      bench.publish('topic://t', text)
      bench.settle()
    }
    taker.subscription.credit(5, false)
    bench.settle()
    assert.deepEqual([taker.texts, bench.broker.status().topics.overflowed], [['c', 'd'], 0])
    agree(bench)
  })
})

describe('a queue whose oldest message goes where dead letters go', () => {
  it('loses none of them, whatever fails', () => {
    const bench = limited('dead-letter', { deadLetter: 'dead' })
    const before = bench.log.last
    put(bench, 'd')
    for (let records = before; records <= bench.log.last; records++) {
      const next = successor(bench, records)
      const found = [...textsOf(waiting(next, 'dead')), ...textsOf(waiting(next))]
      assert.deepEqual(found.slice(0, 3), ['a', 'b', 'c'])
      agree(next)
    }
    bench.settle()
    const dead = waiting(bench, 'dead')
    assert.deepEqual([textsOf(dead), textsOf(waiting(bench))], [['a'], ['b', 'c', 'd']])
    assert.equal(dead[0]?.envelope.death?.reason, 'length')
    agree(bench)
  })

  it('refuses where they have no room, and does not go round', () => {
    const bench = limited('dead-letter', { deadLetter: 'p' })
    settleAddress(bench, 'queue/p', { maxMessages: 1, whenFull: 'dead-letter', deadLetter: 'q' })
    put(bench, 'x', {}, 'p')
    bench.settle()
    assert.deepEqual(put(bench, 'd'), ['queue-full'])
    bench.settle()
    assert.deepEqual([textsOf(waiting(bench)), textsOf(waiting(bench, 'p'))], [['a', 'b', 'c'], ['x']])
    agree(bench)
  })
})

describe('a queue whose producers are slowed', () => {
  it('answers when there is room, in order, and gives no credit meanwhile', () => {
    const bench = limited('slow')
    const told = ['d', 'e', 'f'].map(text => put(bench, text))
    bench.settle()
    assert.deepEqual(told, [[], [], []])
    assert.deepEqual([bench.broker.status().upkeep.held, bench.target('q').room()], [3, 0])
    const taker = bench.taker('q', 100)
    bench.settle()
    conclude(taker, 'accepted', 'a', 'b')
    bench.settle()
    assert.deepEqual(told, [[null], [null], []])
    assert.deepEqual(textsOf(waiting(successor(bench))), ['c', 'd', 'e'], 'what has no answer is not there')
    conclude(taker, 'accepted', 'c', 'd', 'e')
    bench.settle()
    assert.deepEqual([told[2], bench.broker.status().upkeep.held], [[null], 0])
    conclude(taker, 'accepted', 'f')
    bench.settle()
    assert.equal(bench.target('q').room(), 3)
    agree(bench)
  })

  it('lets nothing overtake what is held, knows it by its identifier, and takes it when its limit is raised', () => {
    const bench = limited('slow')
    const first = put(bench, 'x'.repeat(500), { duplicateId: 'x' })
    const second = put(bench, 'e')
    const again = put(bench, 'x'.repeat(500), { duplicateId: 'x' })
    settleAddress(bench, 'queue/q', { maxMessages: 10, whenFull: 'slow' })
    bench.settle()
    assert.deepEqual([first, second, again], [[null], [null], [null]])
    assert.deepEqual(textsOf(waiting(bench)).slice(3).map(text => text[0]), ['x', 'e']) // prettier-ignore
    agree(bench)
  })

  it('lets a small one not overtake a large one that has no room', () => {
    const bench = new Bench().serve()
    settleAddress(bench, 'queue/q', { maxBytes: 2048, whenFull: 'slow' })
    const told = ['x'.repeat(1500), 'y'.repeat(500), 'z'].map(text => put(bench, text))
    bench.settle()
    assert.deepEqual(told, [[null], [], []])
  })

  it('holds no more than is bounded, and nothing beyond its reign', () => {
    const bench = limited('slow')
    const told: (string | null)[] = []
    for (let i = 0; i <= SLOWED_BYTES / 1_000_000 + 1; i++) told.push(...put(bench, 'x'.repeat(1_000_000)))
    assert.deepEqual(told.slice(-1), ['queue-full'])
    bench.broker.stopServing()
    bench.serve()
    assert.equal(bench.broker.status().upkeep.held, 0)
    pass(bench, 10)
    assert.deepEqual(textsOf(waiting(bench)), ['a', 'b', 'c'])
    agree(bench)
  })

  it('refuses transactions, which cannot wait', () => {
    const bench = limited('slow')
    const transaction = begin(bench)
    send(bench, transaction, 'q', '1')
    assert.deepEqual(commit(transaction), ['queue-full'])
  })
})

describe('queues at their limits', () => {
  it('are never beyond them, and agree, in any mixture of messages, consumers and failovers', () => {
    const step = fc.oneof(fc.nat(400), fc.constantFrom('take', 'accept', 'reject', 'settle', 'fail over'))
    const whenFull = fc.constantFrom<WhenFull>('refuse', 'slow', 'drop-oldest', 'dead-letter')
    const property = fc.property(whenFull, fc.array(step, { maxLength: 50 }), (when, steps) => {
      let bench = new Bench({ memoryBytes: 1 << 14, pageOutBytes: 1 << 11 }).serve()
      settleAddress(bench, 'queue/q', { maxMessages: 4, maxBytes: 2000, whenFull: when, deadLetter: 'dead' })
      settleAddress(bench, 'queue/dead', { maxMessages: 6, whenFull: 'drop-oldest' })
      let taker = bench.taker('q')
      let number = 0
      for (const step of steps) {
        const [first] = taker.got
        if (typeof step === 'number') put(bench, `${number++}`.padEnd(step))
        else if (step === 'take') taker.subscription.credit(1, false)
        else if (step === 'settle') bench.settle()
        else if (step === 'fail over') {
          bench.settle()
          bench = successor(bench)
          taker = bench.taker('q')
        } else if (first !== undefined) {
          taker.got.shift()
          taker.subscription.settle(first.sequence, step === 'accept' ? 'accepted' : 'rejected')
        }
        bench.clock.rest()
        for (const { name, messages, bytes } of bench.broker.status().queues) {
          assert.ok(messages <= (name === 'q' ? 4 : 6), `${name} holds ${messages}`)
          if (name === 'q') assert.ok(bytes <= 2000)
        }
      }
      bench.settle()
      agree(bench)
    })
    fc.assert(property, { seed: 3, numRuns: 200 })
  })
})
