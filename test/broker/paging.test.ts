// Messages that memory has no room for: what stays in memory is bounded, what was paged out comes back in order and whole,
// and no fault of the page file costs a message.

import assert from 'node:assert/strict'
import { Bench, chunksFrom, foldOf, restoredFrom, snapshotOf, sure } from './ground.ts'
import type { Consumer, QueuedMessage, Subscription } from '../../src/broker/api.ts'

const KIB = 1024
const BODY = 1000
const few = { memoryBytes: 1024 * KIB, pageOutBytes: 512 * KIB }

const bodyOf = (number: number): Buffer => {
  const body = Buffer.alloc(BODY, number % 251)
  body.writeUInt32BE(number)
  return body
}

/** Settles each message at once and notes what it was. */
class Drain implements Consumer {
  subscription!: Subscription
  readonly numbers: number[] = []
  deliver({ body, sequence }: QueuedMessage): void {
    const number = Buffer.from(body).readUInt32BE()
    assert.deepEqual(Buffer.from(body), bodyOf(number))
    this.numbers.push(number)
    this.subscription.settle(sequence, 'accepted')
  }
  drains = 0
  drained(): void {
    this.drains++
  }
  detached(): void {}
  settled(): void {}
}

function fill(bench: Bench, from: number, to: number, name = 'q'): void {
  const target = bench.target(name)
  for (let number = from; number < to; number++) {
    target.publish(bodyOf(number), null, 0)
    if (number % 100 === 0) bench.settle()
  }
  bench.settle()
}

function drain(bench: Bench, name = 'q'): Drain {
  const taker = new Drain()
  taker.subscription = sure(bench.broker.subscribe(name, taker))
  taker.subscription.credit(100_000, true)
  bench.settle()
  return taker
}

const numbers = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i)

/** The same in memory and paged out. */
function looksWhole(bench: Bench): void {
  const { messages, bytes, residentBytes, pagedBytes, queues } = bench.broker.status()
  assert.equal(bytes, residentBytes + pagedBytes)
  assert.equal(
    messages,
    queues.reduce((sum, queue) => sum + queue.messages, 0),
  )
}

describe('a broker whose memory is small', () => {
  it('holds many times as much, in bounded memory, and gives all of it back in order', () => {
    const bench = new Bench(few).serve()
    fill(bench, 0, 10_000)
    looksWhole(bench)
    const { bytes, residentBytes, pageBytes, pagedMessages } = bench.broker.status()
    assert.ok(bytes > 10 * few.memoryBytes, `${bytes}`)
    assert.ok(residentBytes < few.memoryBytes, `${residentBytes}`)
    assert.ok(pageBytes < 5 * 1024 * KIB, `${pageBytes}`)
    assert.ok(pagedMessages > 9000, `${pagedMessages}`)
    const taker = drain(bench)
    assert.deepEqual(taker.numbers, numbers(0, 10_000))
    assert.equal(taker.drains, 1)
    assert.equal(bench.broker.status().residentBytes, 0)
    assert.equal(bench.spill.places, 0, 'all of the page file is free again')
  })

  it('goes on in order while producers and consumers work at both ends', () => {
    const bench = new Bench(few).serve()
    fill(bench, 0, 4000)
    const taker = new Drain()
    taker.subscription = sure(bench.broker.subscribe('q', taker))
    for (let number = 4000; number < 12_000; number += 200) {
      fill(bench, number, number + 200)
      taker.subscription.credit(250, false)
      bench.settle()
      looksWhole(bench)
    }
    taker.subscription.credit(100_000, false)
    bench.settle()
    assert.deepEqual(taker.numbers, numbers(0, 12_000))
    assert.equal(bench.spill.places, 0)
  })

  it('serves many short queues as well as one long one', () => {
    const bench = new Bench(few).serve()
    const names = numbers(0, 60).map(number => `q${number}`)
    for (const name of names) fill(bench, 0, 60, name)
    assert.ok(bench.broker.status().residentBytes < few.memoryBytes)
    for (const name of names) assert.deepEqual(drain(bench, name).numbers, numbers(0, 60))
    assert.equal(bench.spill.places, 0)
  })

  it('follows in bounded memory too, removes what it never read again, and serves the rest', () => {
    const bench = new Bench(few).serve()
    fill(bench, 0, 5000)
    const taker = new Drain()
    taker.subscription = sure(bench.broker.subscribe('q', taker))
    taker.subscription.credit(3000, false)
    bench.settle()
    const follower = new Bench(few)
    for (const record of bench.log.records) {
      follower.broker.apply(record)
      if (record.sequence % 64 === 0) follower.disk()
      assert.ok(follower.broker.status().residentBytes <= few.memoryBytes + 2 * KIB)
    }
    assert.equal(follower.spill.reads, 0, 'folding reads nothing')
    assert.ok(snapshotOf(follower.broker).equals(snapshotOf(bench.broker)))
    follower.log.records.push(...bench.log.records)
    follower.serve()
    assert.deepEqual(drain(follower).numbers, numbers(3000, 5000))
    assert.equal(follower.spill.places, 0)
  })

  it('remembers failed deliveries of what its follower has paged out', () => {
    const bench = new Bench(few).serve()
    fill(bench, 0, 8000)
    const taker = bench.taker('q', 1500)
    bench.settle()
    for (const { sequence } of taker.got) if (sequence % 3 === 0) taker.subscription.settle(sequence, 'modified')
    bench.settle()
    const follower = foldOf(bench.log.records, few)
    assert.ok(follower.status().pagedMessages > 1000)
    assert.ok(snapshotOf(follower).equals(snapshotOf(bench.broker)))
    const restored = restoredFrom(chunksFrom(follower), few)
    assert.ok(restored.status().pagedMessages > 1000, 'a snapshot is restored in bounded memory')
    // What is on its way out when memory is full comes on top.
    assert.ok(restored.status().residentBytes <= few.memoryBytes + 10 * 256 * KIB)
    assert.ok(restored.status().bytes > 9 * few.memoryBytes)
    assert.ok(snapshotOf(restored).equals(snapshotOf(bench.broker)))
  })

  it('makes a snapshot of the moment of the call while all that was paged out is taken away', () => {
    const bench = new Bench(few).serve()
    fill(bench, 0, 5000)
    const wanted = snapshotOf(bench.broker)
    const chunks = bench.broker.snapshot()
    assert.equal(drain(bench).numbers.length, 5000)
    assert.ok(bench.spill.places > 0, 'its sheets are held')
    assert.ok(Buffer.concat(bench.chunks(chunks)).equals(wanted))
    assert.equal(bench.spill.places, 0, 'and given back')
    fill(bench, 0, 5000)
    const given = bench.broker.snapshot()[Symbol.iterator]()
    drain(bench)
    given.return?.()
    assert.equal(bench.spill.places, 0, 'also by a snapshot that nobody took')
  })

  it('gives its page file back when its state is forgotten', () => {
    const bench = new Bench(few).serve()
    fill(bench, 0, 5000)
    bench.publish('q', ...numbers(0, 100).map(String))
    bench.broker.stopServing()
    bench.broker.reset()
    bench.disk()
    assert.equal(bench.spill.places, 0)
  })
})

describe('a page file that fails', () => {
  it('leaves messages in memory, where intake comes to its limit, and is tried again', () => {
    const lines: string[] = []
    const bench = new Bench(few, { say: (level, line) => lines.push(`${level}: ${line}`) }).serve()
    const target = bench.target('q')
    bench.spill.capacity = 300 * KIB
    let refused = 0
    for (let number = 0; number < 2000; number++) {
      target.publish(bodyOf(number), { published: (_, refusal) => void (refused += refusal === null ? 0 : 1) }, number)
      if (number % 50 === 0) bench.settle()
    }
    bench.settle()
    const taken = 2000 - refused
    assert.ok(refused > 500 && taken > 500, `${refused} refused`)
    assert.equal(target.room(), 0)
    assert.ok(bench.broker.status().residentBytes <= few.memoryBytes)
    assert.match(bench.broker.status().pagingTrouble, /ENOSPC/)
    assert.equal(lines.filter(line => /cannot be paged out.*ENOSPC/.test(line)).length, 1, 'said once')
    let room = 0
    target.onRoom(() => void room++)
    bench.settle()
    assert.equal(room, 0)
    bench.spill.capacity = Infinity
    bench.clock.advance(1000)
    bench.settle()
    assert.equal(bench.broker.status().pagingTrouble, '')
    assert.equal(room, 1, 'who waits for room is told')
    assert.deepEqual(drain(bench).numbers, numbers(0, taken))
    assert.deepEqual(bench.failures, [])
  })

  it('never gives a wrong body: this server ends, by code', () => {
    for (const how of ['damaged', 'failed'] as const) {
      const bench = new Bench(few).serve()
      fill(bench, 0, 5000)
      if (how === 'damaged') bench.spill.damages = () => true
      else bench.spill.fault = operation => (operation === 'read' ? new Error('EIO: i/o error, read') : null)
      const taker = drain(bench)
      assert.ok(taker.numbers.length < 5000 && taker.drains === 0)
      assert.deepEqual(taker.numbers, numbers(0, taker.numbers.length))
      assert.equal(bench.failures[0]?.code, 'BROKER-PAGE')
      assert.throws(() => bench.chunks(), { code: 'BROKER-PAGE' })
    }
  })
})
