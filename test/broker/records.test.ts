// The bytes of the broker's records and snapshots: what older journals hold, and what damage is refused.

import fc from 'fast-check'
import assert from 'node:assert/strict'
import { CodedError } from '../../src/base/errors.ts'
import { encodeMessageHead } from '../../src/broker/message-record.ts'
import { brokerRecords, encodeQueue, encodeRanges, NumberReader, NumberWriter } from '../../src/broker/records.ts'
import { encodeSetting } from '../../src/broker/settings.ts'
import { Bench, chunksFrom, foldOf, restoredFrom, snapshotOf } from './ground.ts'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const code = (wanted: string) => (error: unknown) => error instanceof CodedError && error.code === wanted

const record = (sequence: number, kind: number, bytes: string) => ({
  sequence,
  epoch: 1,
  kind,
  body: Buffer.from(bytes, 'hex'),
})

describe('records of the broker', () => {
  it('have the bytes that older journals hold', () => {
    assert.equal(hex(encodeQueue('aé')), '0061c3a9')
    assert.equal(hex(encodeMessageHead(1)), '0100')
    assert.equal(hex(encodeMessageHead(300)), 'ac0200')
    assert.equal(hex(encodeSetting({ key: 'a', value: 'é' })), '0161c3a9')
    assert.equal(hex(encodeRanges(1, 5, [10, 12, 200, 201])), '0105020a02bc0101')
    assert.deepEqual(
      Object.values(brokerRecords).map(entry => entry.kind),
      [...Array.from({ length: 15 }, (_, i) => 16 + i), 34, 40, 41],
    )
  })

  it('carry any number below 2^48', () => {
    const number = fc.maxSafeInteger().map(n => Math.abs(n) % 2 ** 48)
    fc.assert(
      fc.property(fc.array(number, { maxLength: 300 }), numbers => {
        const writer = new NumberWriter()
        writer.begin()
        for (const n of numbers) writer.put(n)
        const reader = new NumberReader().begin(writer.done(), why => new Error(why))
        assert.deepEqual(
          numbers.map(() => reader.take()),
          numbers,
        )
        assert.equal(reader.left, 0)
      }),
      { seed: 1, numRuns: 200 },
    )
  })

  it('that cannot be folded are refused by code and leave the state as it was', () => {
    const bench = new Bench().serve()
    bench.publish('q', 'a', 'b', 'c')
    bench.settle()
    const broker = foldOf(bench.log.records)
    const before = snapshotOf(broker)
    for (const [kind, bytes] of [
      [20, ''],
      [63, '00'],
      [16, ''],
      [16, '0071'],
      [16, '0171'],
      [16, '00ff'],
      [17, '0200'],
      [17, '0101'],
      [17, '81'],
      [17, '8100'],
      [17, 'ffffffffffffffff'],
      [18, '0101'],
      [18, '01010102'],
      [18, '0102010200'],
      [18, '010101020000'],
      [18, '01010200000000'],
      [18, '0101010263'],
      [18, '0104010210'],
      [18, '0101ffffffff0f'],
      [19, '0100010200'],
    ] as const) {
      assert.throws(() => broker.apply(record(9, kind, bytes)), code('BROKER-RECORD'), `${kind} ${bytes}`)
    }
    assert.ok(snapshotOf(broker).equals(before))
    fc.assert(
      fc.property(fc.integer({ min: 16, max: 63 }), fc.uint8Array({ maxLength: 20 }), (kind, body) => {
        const fresh = foldOf(bench.log.records)
        try {
          fresh.apply({ sequence: 9, epoch: 1, kind, body })
        } catch (error) {
          assert.ok(code('BROKER-RECORD')(error), String(error))
        }
      }),
      { seed: 3, numRuns: 3000 },
    )
  })

  it('of others are passed over', () => {
    const broker = foldOf([record(1, 1, ''), record(2, 15, 'ff'), record(3, 64, ''), record(9, 95, '')])
    assert.equal(broker.status().sequence, 9)
    assert.throws(() => broker.apply(record(9, 1, '')), /in order/)
  })
})

describe('a snapshot of the broker', () => {
  const filled = (): Bench => {
    const bench = new Bench({ messageBytes: 4 << 20 }).serve()
    bench.publish('q', 'a', 'b', 'c')
    bench.publish('empty')
    bench.publish('big', 'x'.repeat(3_500_000), 'y', 'z'.repeat(1_048_555), '', 'z'.repeat(1_500_000))
    bench.settle()
    const taker = bench.taker('q', 2)
    bench.settle()
    taker.subscription.settle(taker.got[1]?.sequence ?? 0, 'modified')
    bench.settle()
    return bench
  }

  it('goes in bounded chunks and gives the same state, delivery counts too', () => {
    const bench = filled()
    const chunks = chunksFrom(bench.broker)
    assert.ok(chunks.length > 5)
    assert.ok(chunks.every(chunk => chunk.length <= 1 << 20))
    const restored = restoredFrom(chunks)
    assert.ok(snapshotOf(restored).equals(Buffer.concat(chunks)))
    assert.equal(restored.stateBytes(), bench.broker.stateBytes())
    const said = restored.status()
    assert.deepEqual(
      said.queues.map(queue => [queue.name, queue.messages]),
      [
        ['q', 3],
        ['empty', 0],
        ['big', 5],
      ],
    )
    assert.ok(Math.abs(restored.stateBytes() / Buffer.concat(chunks).length - 1) < 0.01)
  })

  it('speaks of the moment of the call while the state changes', () => {
    const bench = filled()
    const wanted = snapshotOf(bench.broker)
    const chunks = bench.broker.snapshot()[Symbol.iterator]() as Iterator<Uint8Array>
    const got: Uint8Array[] = []
    for (let i = 0; ; i++) {
      // Between any two chunks messages come, are settled and returned, and the memory of bodies is moved.
      bench.publish('q', `new ${i}`)
      const taker = bench.taker(i % 2 === 0 ? 'q' : 'big', 100)
      bench.settle()
      for (const { sequence } of taker.got.slice(0, -1))
        taker.subscription.settle(sequence, i > 2 ? 'accepted' : 'modified')
      taker.subscription.close(true)
      bench.settle()
      const next = chunks.next()
      if (next.done === true) break
      got.push(next.value)
    }
    assert.ok(Buffer.concat(got).equals(wanted))
  })

  it('that is damaged anywhere is refused by code', () => {
    const bench = new Bench().serve()
    bench.publish('q', 'a', 'b')
    bench.publish('r', 'c')
    bench.settle()
    const [whole] = chunksFrom(bench.broker) as [Uint8Array]
    for (let at = 0; at < whole.length; at++) {
      const damaged = Uint8Array.from(whole)
      damaged[at] = (damaged[at] as number) ^ (1 << (at % 8))
      assert.throws(() => restoredFrom([damaged]), code('BROKER-SNAPSHOT'), `byte ${at}`)
      assert.throws(() => restoredFrom([whole.subarray(0, at)]), code('BROKER-SNAPSHOT'), `cut at ${at}`)
    }
    assert.throws(() => restoredFrom([]), code('BROKER-SNAPSHOT'))
    assert.throws(() => restoredFrom([whole, whole]), code('BROKER-SNAPSHOT'))
    const chunks = chunksFrom(filled().broker)
    for (let at = 0; at < chunks.length; at++) {
      assert.throws(() => restoredFrom(chunks.toSpliced(at, 1)), code('BROKER-SNAPSHOT'), `without chunk ${at}`)
    }
    assert.throws(() => restoredFrom(chunks.toReversed()), code('BROKER-SNAPSHOT'))
  })

  it('that was refused leaves a broker that can be reset and filled again', () => {
    const chunks = chunksFrom(filled().broker)
    const { broker } = new Bench()
    broker.restore(chunks[0] as Uint8Array)
    assert.throws(() => broker.startServing(), /half a snapshot/)
    assert.throws(() => broker.restored(), code('BROKER-SNAPSHOT'))
    broker.reset()
    for (const chunk of chunks) broker.restore(chunk)
    broker.restored()
    assert.ok(snapshotOf(broker).equals(Buffer.concat(chunks)))
  })
})
