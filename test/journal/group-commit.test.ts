// When a batch begins: soon, together with what else a turn appends; at once where a turn appends much; late where nobody
// waits for it.

import assert from 'node:assert/strict'
import { openJournal, type FileJournal } from '../../src/journal/journal.ts'
import { BrokenPromise } from '../../src/base/assert.ts'
import type { RecordBatch } from '../../src/journal/types.ts'
import { MemoryDisk } from '../../src/simulation/disk.ts'
import { VirtualClock } from '../support/virtual-clock.ts'
import { bodyOf, diceOf, KIND, NOTHING } from './world.ts'

const limits = { segmentBytes: 1 << 20, recordBytes: 64 << 10, tailBytes: 1 << 20, snapshotEveryBytes: 8 << 20 }

describe('group commit', () => {
  let time: VirtualClock
  let journal: FileJournal
  let batches: RecordBatch[]
  let flushed: number[]

  beforeEach(() => {
    time = new VirtualClock()
    const clock = time.host
    journal = openJournal(new MemoryDisk(fn => clock.soon(fn), diceOf(1)), clock, limits)
    batches = []
    flushed = []
    journal.onBatch = batch => batches.push(batch)
    journal.onFlushed = ({ sequence }) => flushed.push(sequence)
    journal.beginEpoch(1)
    append()
    time.advance(0)
    assert.deepEqual(flushed, [1])
    batches = []
    flushed = []
  })

  const append = (bytes = 100, patient = false): number =>
    journal.append(KIND, NOTHING, bodyOf(`${journal.last.sequence + 1}`, bytes), patient)
  const ranges = (): number[][] => batches.map(({ first, last }) => [first, last.sequence])

  it('one batch for all that a turn appends', () => {
    for (let i = 0; i < 100; i++) append()
    assert.equal(batches.length, 0, 'not before the turn is over')
    time.advance(0)
    assert.deepEqual(ranges(), [[2, 101]])
    assert.deepEqual(flushed, [101])
  })

  it('begins within the turn where it appends much, and what follows is the next batch', () => {
    while (batches.length === 0) {
      append(10_000)
      assert.ok(journal.last.sequence < 20, 'after 128 KiB it has begun')
    }
    const { sequence } = journal.last
    append()
    append()
    assert.deepEqual(ranges(), [[2, sequence]])
    time.advance(0)
    assert.deepEqual(ranges(), [[2, sequence], [sequence + 1, sequence + 2]]) // prettier-ignore
    assert.deepEqual(flushed, [sequence, sequence + 2])
  })

  it('ends a batch where its memory ends, rather than moving all of it', () => {
    const roomy = { ...limits, segmentBytes: 32 << 20 }
    journal = openJournal(new MemoryDisk(fn => time.host.soon(fn), diceOf(1)), time.host, roomy)
    journal.onBatch = batch => batches.push(batch)
    journal.beginEpoch(1)
    const bodies: [number, Uint8Array][] = []
    for (let i = 0; i < 500; i++) {
      const sequence = append(10_000)
      bodies.push([sequence, journal.laid(sequence, 10_000)])
    }
    time.advance(0)
    assert.equal(batches.at(-1)?.last.sequence, 500)
    for (const { bytes } of batches) assert.ok(bytes.length < 1 << 20, `${bytes.length}`)
    const memories = new Set(batches.map(({ bytes }) => bytes.buffer))
    for (const [sequence, laid] of bodies) {
      assert.ok(memories.has(laid.buffer as ArrayBuffer), 'no body was moved')
      assert.deepEqual(Buffer.from(laid), Buffer.from(bodyOf(`${sequence}`, 10_000)))
    }
    assert.throws(() => journal.laid(499, 10_000), BrokenPromise, 'of the last record only')
  })

  it('a record that nobody waits for goes with the next one that somebody waits for', () => {
    append(100, true)
    time.advance(1)
    assert.deepEqual(ranges(), [])
    append()
    time.advance(0)
    assert.deepEqual(ranges(), [[2, 3]])
    time.advance(20)
    assert.deepEqual(flushed, [3])
  })

  it('and alone a few milliseconds later where none comes', () => {
    append(100, true)
    time.advance(4)
    assert.deepEqual(ranges(), [])
    time.advance(2)
    assert.deepEqual(flushed, [2])
  })

  it('and also where it came while a batch was under way', () => {
    append()
    assert.ok(time.until(() => batches.length === 1))
    append(100, true)
    time.advance(1)
    assert.deepEqual(ranges(), [[2, 2]])
    time.advance(5)
    assert.deepEqual(flushed, [2, 3])
  })

  it('closing waits for it', () => {
    let closed = false
    append(100, true)
    journal.close(() => {
      closed = true
    })
    time.advance(6)
    assert.ok(closed)
    assert.deepEqual(flushed, [2])
  })
})
