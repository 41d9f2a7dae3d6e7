// Delayed messages where something is in their way: a log that takes no record, another reason to leave, a topic that cannot
// have them, and what they take in memory meanwhile.

import fc from 'fast-check'
import assert from 'node:assert/strict'
import { DEFAULT_ENVELOPE, type Envelope, type Refusal } from '../../src/broker/api.ts'
import { DueLine } from '../../src/broker/due-line.ts'
import { brokerError } from '../../src/broker/errors.ts'
import type { BrokerLimits } from '../../src/broker/limits.ts'
import { encodeRanges, GROUP } from '../../src/broker/records.ts'
import { Bench, foldOf, sure, type Taker } from './ground.ts'
import { agree, texts } from './transaction-ground.ts'

const full = () => brokerError('CLOSED', { why: 'full' })

function put(bench: Bench, text: string | Buffer, envelope: Partial<Envelope>, address = 'q'): (string | null)[] {
  const told: (string | null)[] = []
  const producer = { published: (_: number, refusal: Refusal | null) => void told.push(refusal?.refused ?? null) }
  bench.target(address).publish(Buffer.from(text as string), producer, 0, { ...DEFAULT_ENVELOPE, ...envelope })
  return told
}

function pass(bench: Bench, ms: number): void {
  bench.settle()
  bench.clock.advance(ms)
  bench.settle()
}

/** The last record was lost with its reign; it is the beginning again. */
function loseLast(bench: Bench, reign: number): void {
  bench.broker.stopServing()
  bench.log.records.length--
  bench.broker.apply({ sequence: bench.log.last + 1, epoch: reign, kind: 1, body: Buffer.from('{}') })
  bench.log.append(1, Buffer.from('{}'), Buffer.alloc(0))
  bench.clock.time = 0
  bench.serve()
}

/** A durable subscription of its own name. */
function durable(bench: Bench, name: string, filter: string): Taker {
  const wish = { filter, durable: name, shared: false, group: '', selector: null, notFrom: 0 }
  const taker = bench.taker(`for ${name}`)
  taker.subscription = sure(bench.broker.subscribeTopic(wish, taker, () => {}))
  taker.subscription.credit(50, false)
  bench.settle()
  return taker
}

const residentOf = (bench: Bench): number => bench.broker.status().residentBytes

describe('a delayed message that expires, too', () => {
  it('leaves once, by whichever record comes first, though the log took no record before', () => {
    const bench = new Bench().serve()
    put(bench, 'm', { deliverAt: 1060, expiresAt: 900 })
    put(bench, 'n', { deliverAt: 1060 })
    bench.settle()
    bench.clock.advance(990)
    bench.log.fault = full()
    bench.clock.advance(60) // it was to leave at 1000, and at 1050
    bench.log.fault = null
    bench.clock.advance(15)
    bench.settle()
    foldOf(bench.log.records)
    assert.equal(bench.broker.status().upkeep.delayed, 0)
    agree(bench)
    assert.deepEqual(texts(bench), ['n'])
  })

  it('leaves once where the record of its expiry was lost with the reign', () => {
    const bench = new Bench().serve()
    put(bench, 'm', { deliverAt: 1060, expiresAt: 900 })
    put(bench, 'n', { deliverAt: 1060 })
    bench.settle()
    for (let reign = 2; reign < 5; reign++) {
      bench.clock.advance(1010)
      loseLast(bench, reign)
    }
    bench.log.fault = full()
    bench.clock.advance(1055)
    bench.log.fault = null
    bench.clock.advance(10)
    bench.settle()
    assert.equal(bench.broker.status().upkeep.delayed, 0)
    agree(bench)
    assert.deepEqual(texts(bench), ['n'])
  })

  it('is due again where its time came while it was on its way out, and that record was lost', () => {
    const bench = new Bench().serve()
    put(bench, 'm', { deliverAt: 1060, expiresAt: 900 })
    bench.settle()
    bench.clock.advance(1100)
    loseLast(bench, 2)
    bench.log.fault = full()
    bench.clock.advance(1055)
    bench.log.fault = null
    const before = bench.log.last
    bench.clock.advance(10)
    assert.equal(bench.log.records[before]?.kind, GROUP)
    pass(bench, 2000)
    assert.equal(bench.broker.status().messages, 0)
    agree(bench)
  })

  it('takes no more memory each time that the log does not take its record', () => {
    const bench = new Bench().serve()
    for (let i = 0; i < 2000; i++) put(bench, 'm', { deliverAt: 1e9, expiresAt: 900 })
    bench.settle()
    bench.clock.advance(990)
    const before = residentOf(bench)
    bench.log.fault = full()
    bench.clock.advance(10_000)
    assert.equal(residentOf(bench), before)
  })
})

describe('records of settlements', () => {
  it('that speak of a message twice are never made', () => {
    for (const bounds of [
      [5, 5, 5, 5],
      [5, 6, 6, 7],
      [0, 1],
      [7, 6],
      [9, 9, 3, 3],
    ])
      // prettier-ignore
      assert.throws(() => encodeRanges(1, 2, bounds), /twice/)
  })
})

describe('a delayed message that its topic cannot have', () => {
  it('is none for the length of its name', () => {
    const bench = new Bench().serve()
    const taker = durable(bench, 'd', '#')
    const told = put(bench, Buffer.alloc(1 << 20), { deliverAt: 100 }, `topic://${'t'.repeat(55_000)}`)
    pass(bench, 100)
    assert.deepEqual([told, taker.got.map(({ body }) => body.length)], [[null], [1 << 20]])
    assert.ok(bench.log.records.every(({ body }) => body.length <= (1 << 20) + (64 << 10)))
    agree(bench)
  })

  it('holds up no other, is tried again, and that is said once', () => {
    const said: string[] = []
    const limits: Partial<BrokerLimits> = { storeBytes: 12_000 }
    const bench = new Bench(limits, { say: (_, line) => void said.push(line) }).serve()
    const [one] = ['one', 'two'].map(name => durable(bench, name, 'large'))
    const other = durable(bench, 'other', 'small')
    put(bench, 'x'.repeat(4000), { deliverAt: 100 }, 'topic://large')
    for (let i = 0; i < 3; i++) put(bench, `${i}`, { deliverAt: 200 + i }, 'topic://small')
    pass(bench, 300)
    assert.deepEqual([one?.texts, other.texts], [[], ['0', '1', '2']])
    const before = bench.log.last
    for (let i = 0; i < 300; i++) pass(bench, 1000)
    assert.deepEqual([bench.log.last, bench.broker.status().topics.delayed], [before, 1])
    const about = said.filter(line => line.includes('delayed message to the topic large is due'))
    assert.ok(about.length >= 1 && about.length <= 6, `${about.length}`)
    bench.broker.unsubscribeTopic('two', () => {})
    for (let i = 0; i < 61; i++) pass(bench, 1000)
    assert.deepEqual(one?.texts.map(text => text.length), [4000]) // prettier-ignore
    agree(bench)
  })
})

describe('what is known of when messages are due', () => {
  it('is in order, whatever left meanwhile', () => {
    const step = fc.oneof(fc.nat(30), fc.constantFrom('shift', 'leave', 'tidy'))
    const property = fc.property(fc.array(step, { maxLength: 300 }), steps => {
      const line = new DueLine()
      const gone = new Set<number>()
      let model: [number, number][] = []
      let sequence = 0
      for (const step of steps) {
        if (typeof step === 'number') {
          line.push(step, ++sequence)
          model.push([step, sequence])
          model.sort(([a, x], [b, y]) => a - b || x - y)
        } else if (step === 'shift' && line.length > 0) {
          assert.deepEqual([line.first, line.firstSequence], model.shift())
          line.shift()
        } else if (step === 'leave') gone.add(model[sequence % model.length]?.[1] ?? 0)
        else if (step === 'tidy') {
          // What moves meanwhile is passed over, but not when nothing does.
          for (let before = -1; before !== line.length;) {
            before = line.length
            line.tidy(before, one => !gone.has(one))
          }
          model = model.filter(([, one]) => !gone.has(one))
        }
        assert.equal(line.length, model.length)
        assert.equal(line.first, model[0]?.[0] ?? Infinity)
      }
      while (line.length > 0) {
        assert.deepEqual([line.first, line.firstSequence], model.shift())
        line.shift()
      }
      assert.ok(line.bytes <= 16 * 64)
    })
    fc.assert(property, { seed: 3, numRuns: 300 })
  })

  it('takes little on both servers when most left before their time, in any order', () => {
    for (const after of ['expiresAt', 'deliverAt'] as const) {
      const bench = new Bench().serve()
      for (let i = 0; i < 5000; i++) {
        const early = 100 + ((i * 7919) % 5000)
        put(bench, `${i}`, after === 'deliverAt' ? { deliverAt: early } : { deliverAt: 1e9 + i, expiresAt: early })
      }
      bench.settle()
      const follower = new Bench()
      for (let followed = 0; bench.clock.time < 8000;) {
        pass(bench, 500)
        const taker = bench.taker('q', 5000)
        bench.settle()
        for (const { sequence } of taker.got) taker.subscription.settle(sequence, 'accepted')
        taker.subscription.close(false)
        bench.settle()
        while (followed < bench.log.last) follower.broker.apply(bench.log.records[followed++]!)
        for (const { broker } of [bench, follower]) {
          const { messages, residentBytes, bytes } = broker.status()
          assert.ok(residentBytes - bytes <= 16 * (8 * messages + 64), `${messages}: ${residentBytes - bytes}`)
        }
      }
      assert.equal(bench.broker.status().messages, 0)
    }
  })
})
