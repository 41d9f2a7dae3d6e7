// Long queues and large memories: order, holes and bodies at sizes where the structures below must page and shrink.

import assert from 'node:assert/strict'
import { Bodies } from '../../src/broker/bodies.ts'
import type { Consumer, QueuedMessage, Subscription } from '../../src/broker/api.ts'
import { Message, Standing } from '../../src/broker/message.ts'
import { Holdings } from '../../src/broker/holdings.ts'
import { Queue } from '../../src/broker/queue.ts'
import { Bench, foldOf, snapshotOf, sure, Taker } from './ground.ts'

/** Pseudo-random numbers from a seed: xorshift. */
function chanceFrom(seed: number): (below: number) => number {
  let x = seed
  return below => {
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    return (x >>> 0) % below
  }
}

const FREE = 1
const OUT = 2

describe('a long queue', () => {
  it('keeps place, order and bodies through thousands of messages, holes and returns', () => {
    const chance = chanceFrom(7)
    const bench = new Bench().serve()
    const target = bench.target('q')
    const sizes: number[] = []
    const standing: number[] = []
    const returning: number[] = []
    let low = 0
    let delivered = 0

    class Worker implements Consumer {
      subscription!: Subscription
      owned: number[] = []
      deliver(message: QueuedMessage): void {
        const { sequence, body } = message
        assert.equal(standing[sequence], FREE)
        for (; low < sequence; low++) assert.notEqual(standing[low], FREE, `${low} comes before ${sequence}`)
        assert.equal(body.length, sizes[sequence])
        if (body.length > 7) assert.equal(Buffer.from(body).readDoubleBE(), sequence)
        standing[sequence] = OUT
        delivered++
        this.owned.push(sequence)
      }
      drained(): void {}
      detached(): void {}
      settled(): void {}
      settle(sequence: number): void {
        const fate = chance(10)
        if (fate === 0) free(sequence)
        if (fate === 1) returning.push(sequence)
        this.subscription.settle(sequence, fate === 0 ? 'released' : fate === 1 ? 'modified' : 'accepted')
      }
    }
    const free = (sequence: number): void => {
      standing[sequence] = FREE
      low = Math.min(low, sequence)
    }
    const commit = (): void => {
      bench.clock.turn()
      for (const sequence of returning.splice(0)) free(sequence)
      bench.broker.committed(bench.log.last)
      for (let sequence = committed + 1; sequence <= bench.log.last; sequence++) {
        if (sizes[sequence] !== undefined) standing[sequence] = FREE
      }
      committed = bench.log.last
      bench.clock.turn()
    }
    let committed = 0
    let workers: Worker[] = []
    for (let round = 0; round < 150; round++) {
      for (let i = chance(400); i > 0; i--) {
        const size = chance(50) === 0 ? 8000 + chance(20_000) : chance(300)
        const sequence = bench.log.last + 1
        const body = Buffer.alloc(size)
        if (size > 7) body.writeDoubleBE(sequence)
        sizes[sequence] = size
        target.publish(body, null, 0)
      }
      while (workers.length < 3) {
        const worker = new Worker()
        worker.subscription = sure(bench.broker.subscribe('q', worker))
        workers.push(worker)
      }
      for (const worker of workers) worker.subscription.credit(chance(round < 100 ? 130 : 200), false)
      commit()
      for (const worker of workers) {
        const keeps: number[] = []
        for (const sequence of worker.owned) {
          if (chance(4) === 0) keeps.push(sequence)
          else worker.settle(sequence)
        }
        worker.owned = keeps
      }
      if (chance(8) === 0) {
        const leaver = workers.splice(chance(3), 1)[0] as Worker
        const failed = chance(2) === 0
        for (const sequence of leaver.owned) {
          if (failed) returning.push(sequence)
          else free(sequence)
        }
        leaver.subscription.close(failed)
      }
      commit()
    }
    assert.ok(delivered > 15_000, `${delivered}`)
    assert.ok(snapshotOf(bench.broker).equals(snapshotOf(foldOf(bench.log.records))))
    bench.broker.stopServing()
    const { messages, bytes, pageBytes } = bench.broker.status()
    assert.ok(messages > 100, `${messages}`)
    assert.ok(pageBytes < 2 * bytes + 5 * 1024 * 1024, `${pageBytes} for ${bytes}`)
    workers = []
  })
})

describe('the memory of bodies', () => {
  it('stays near what is alive, however few messages keep their pages, and keeps them readable', () => {
    const bodies = new Bodies()
    const queue = new Queue(1, 'q', true, new Holdings())
    const kept: { message: Message; was: Uint8Array; mark: number }[] = []
    const chance = chanceFrom(11)
    for (let sequence = 1; sequence <= 200_000; sequence++) {
      const message = new Message(sequence, queue, Standing.READY, null, 0)
      const body = Buffer.alloc(4 + chance(600))
      body.writeUInt32BE(sequence)
      bodies.keep(message, body)
      // One of a hundred stays: enough to hold every page without emptying.
      if (sequence % 100 === 0) kept.push({ message, was: message.body, mark: sequence })
      else bodies.drop(message)
      assert.ok(bodies.pageBytes < 6 * 1024 * 1024, `${bodies.pageBytes} at ${sequence}`)
    }
    for (const { message, was, mark } of kept) {
      assert.equal(Buffer.from(message.body).readUInt32BE(), mark)
      assert.deepEqual(message.body, was)
    }
    for (const { message } of kept) bodies.drop(message)
    assert.ok(bodies.pageBytes < 4.5 * 1024 * 1024)
  })

  it('holds large bodies where they lie, until few of them keep the memory of many', () => {
    const bodies = new Bodies()
    const queue = new Queue(1, 'q', true, new Holdings())
    const kept: { message: Message; was: Uint8Array; mark: number }[] = []
    const chance = chanceFrom(13)
    let sequence = 0
    for (let batch = 0; batch < 200; batch++) {
      const memory = Buffer.allocUnsafeSlow(1 << 20)
      for (let at = 0, end = 0; ; at = end) {
        end = at + 4096 + chance(20_000)
        if (end > memory.length) break
        const message = new Message(++sequence, queue, Standing.READY, null, 0)
        memory.writeUInt32BE(sequence, at)
        bodies.keep(message, memory.subarray(at, end))
        assert.equal(message.body.buffer, memory.buffer)
        assert.equal(message.body.length, end - at)
        // One of fifty stays: enough to keep every batch.
        if (sequence % 50 === 0) kept.push({ message, was: message.body, mark: sequence })
        else bodies.drop(message)
        const alive = kept.reduce((sum, { was }) => sum + was.length, 0)
        assert.ok(bodies.pageBytes <= 2 * alive + 6 * 1024 * 1024, `${bodies.pageBytes} for ${alive}`)
      }
    }
    const memories = new Set(kept.map(({ message }) => message.body.buffer.byteLength))
    assert.ok(memories.has(1 << 20) && memories.size > 2, 'some are held, and some were copied')
    for (const { message, was, mark } of kept) {
      assert.equal(Buffer.from(message.body).readUInt32BE(), mark)
      assert.deepEqual(message.body, was)
    }
    for (const { message } of kept) bodies.drop(message)
    assert.ok(bodies.pageBytes < 1024 * 1024, `${bodies.pageBytes}`)
  })

  it('keeps no objects of messages that are gone, where many shared a body and one is slow', () => {
    const bodies = new Bodies()
    const queues = Array.from({ length: 200 }, (_, i) => new Queue(1 + i, `q${i}`, true, new Holdings()))
    const memory = Buffer.allocUnsafeSlow(1 << 20)
    const slow: Message[] = []
    for (let at = 0; at + 5000 <= memory.length; at += 5000) {
      const all = queues.map(queue => new Message(1 + at, queue, Standing.READY, null, 0))
      for (const message of all) bodies.keep(message, memory.subarray(at, at + 5000))
      slow.push(all[0]!)
      for (const message of all.slice(1)) bodies.drop(message)
    }
    const { page } = slow[0]!
    assert.ok(page !== null && slow.every(message => message.page === page))
    assert.equal(page.count, slow.length)
    assert.ok(page.messages.length <= memory.length / 128, `${page.messages.length}`)
    for (const message of slow) bodies.drop(message)
    assert.ok(bodies.pageBytes < 1024 * 1024, `${bodies.pageBytes}`)
  })

  it('is not that of the client, which is filled anew', () => {
    const bench = new Bench().serve()
    const { broker } = bench
    sure(broker.temporary('mine'))
    const takers = [bench.taker('q', 10), bench.taker('mine', 10)]
    for (const durable of ['one', 'other']) {
      const taker = new Taker()
      const wish = { filter: 't', durable, shared: false, group: '', selector: null, notFrom: 0 }
      taker.subscription = sure(broker.subscribeTopic(wish, taker, () => {}))
      taker.subscription.credit(10, false)
      takers.push(taker)
    }
    bench.settle()
    const body = Buffer.alloc(10_000, 'first')
    for (const target of [bench.target('q'), bench.target('mine'), bench.target('topic://t')]) {
      target.publish(body, null, 0)
    }
    body.fill('other')
    bench.settle()
    for (const { texts } of takers) assert.equal(texts.join().slice(0, 5), 'first')
  })
})
