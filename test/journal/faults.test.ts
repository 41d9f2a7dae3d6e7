// What the world does to a running journal: failing disks, full disks, wrong bytes from a peer; and what it must never
// do itself.

import assert from 'node:assert/strict'
import { Book, codeOf, KIND, memoryDisk, NOTHING, Run, smallLimits, stateChunks, Turns } from './world.ts'
import type { RecordBatch } from '../../src/journal/types.ts'

const fresh = (limits = smallLimits): { run: Run; turns: Turns; disk: ReturnType<typeof memoryDisk>['disk'] } => {
  const { turns, disk } = memoryDisk()
  return { run: new Run(turns, disk, new Book(), limits), turns, disk }
}

describe('journal: faults', () => {
  for (const broken of ['write', 'flush'] as const) {
    it(`stops for good at the first failed ${broken}, and never flushes again`, () => {
      const { run, turns, disk } = fresh()
      run.settle(9, 100)
      let after = 0
      let fails = true
      disk.fault = operation => {
        if (run.failure !== null && operation !== 'create') after += 1
        if (operation !== broken || !fails) return null
        fails = false
        return new Error('EIO: broken')
      }
      run.append(3, 100)
      turns.run(1)
      run.append(3, 100)
      turns.run()
      assert.match(run.failure?.message ?? '', /EIO: broken/)
      assert.equal((run.failure as { code?: string }).code, 'JOURNAL-FAILED')
      assert.equal(after, 0, 'nothing is written or flushed after it')
      assert.equal(run.flushed, 9)
      assert.equal(
        codeOf(() => run.append(1, 10)),
        'JOURNAL-CLOSED',
      )
      assert.equal(
        codeOf(() => run.journal.appendBatch(NOTHING, () => {})),
        'JOURNAL-CLOSED',
      )
      run.close()
    })
  }

  it('does not take for durable, after a restart of the program, what a failed flush left in memory', () => {
    const { run, turns, disk } = fresh()
    run.settle(9, 100)
    disk.fault = operation => (operation === 'flush' ? new Error('EIO') : null)
    run.append(3, 100)
    turns.run()
    const again = disk.restart()
    const next = new Run(turns, again, run.book)
    assert.equal(next.journal.flushed.sequence, 12)
    run.book.mustMatch(new Run(turns, again.crash(), run.book).journal, 12)
  })

  it('warns while the disk has no room for a spare, goes on when there is, and fails only without', () => {
    const { run, turns, disk } = fresh()
    run.settle(3, 900)
    disk.capacity = 2 * smallLimits.segmentBytes
    run.settle(24, 900)
    assert.deepEqual(
      run.warnings.map(error => (error as { code?: string }).code),
      ['JOURNAL-SPARE'],
    )
    assert.equal(run.failure, null)
    disk.capacity = 3 * smallLimits.segmentBytes
    run.settle(15, 900)
    assert.equal(run.failure, null)
    assert.equal(run.flushed, 42)
    run.append(60, 900)
    turns.run()
    assert.equal((run.failure as { code?: string } | null)?.code, 'JOURNAL-FULL')
    run.close()
    disk.capacity = Infinity
    run.book.mustMatch(new Run(new Turns(), disk.crash(), run.book).journal, run.flushed)
  })

  it('keeps the journal and its segments when a snapshot cannot be written', () => {
    const { run, disk } = fresh()
    run.settle(60, 700)
    const { start } = run.journal
    disk.fault = (_, name) => (name === 'temp-snapshot' ? new Error('ENOSPC') : null)
    assert.equal((run.snapshot(50) as { code?: string }).code, 'JOURNAL-SNAPSHOT')
    disk.fault = () => null
    assert.deepEqual([run.journal.start, run.journal.snapshot], [start, null])
    run.settle(3, 100)
    assert.equal(run.snapshot(63), null)
    assert.ok(run.journal.start.sequence > 50)
    run.close()
  })

  it('flushes one batch at a time, and all that arrives meanwhile with the next', () => {
    const { run, turns, disk } = fresh()
    turns.run()
    const batches: RecordBatch[] = []
    run.journal.onBatch = batch => batches.push(batch)
    run.append(1, 100)
    run.append(1, 100)
    for (let n = 0; batches.length === 0; n += 1) turns.run(1)
    run.append(5, 100)
    const before = disk.operations
    turns.run()
    assert.deepEqual(
      batches.map(({ first, last }) => [first, last.sequence]),
      [
        [1, 2],
        [3, 7],
      ],
    )
    assert.ok(disk.operations - before <= 6)
    // What was handed out stays what it was.
    const copies = batches.map(({ bytes }) => Buffer.from(bytes))
    run.settle(300, 300)
    batches.slice(0, 2).forEach(({ bytes }, n) => assert.ok(copies[n]?.equals(bytes)))
    run.close()
  })

  it('takes batches of any size from a peer, and refuses wrong ones as a whole', () => {
    const peer = fresh({ ...smallLimits, segmentBytes: 1 << 20, tailBytes: 1 << 20 })
    const batches: RecordBatch[] = []
    peer.run.journal.onBatch = batch => batches.push(batch)
    peer.run.append(200, 800)
    peer.turns.run()
    peer.run.begin(7)
    peer.run.settle(9, 50)
    assert.ok((batches[0]?.bytes.length ?? 0) > 5 * smallLimits.segmentBytes)
    const { run, turns, disk } = fresh()
    run.book = peer.run.book
    const { journal } = run
    for (const { bytes, last } of batches) {
      for (const at of [0, 5, 9, 14, 15, 17, 30]) {
        const wrong = Buffer.from(bytes)
        wrong[at] = (wrong[at] as number) ^ 1
        const { last: lastBefore } = journal
        assert.equal(
          codeOf(() => journal.appendBatch(wrong, () => assert.fail('visited'))),
          'JOURNAL-BATCH',
        )
        assert.equal(
          codeOf(() => journal.appendBatch(bytes.subarray(0, bytes.length - 1))),
          'JOURNAL-BATCH',
        )
        assert.deepEqual(journal.last, lastBefore)
      }
      assert.deepEqual(journal.appendBatch(bytes), last)
      assert.equal(
        codeOf(() => journal.appendBatch(bytes)),
        'JOURNAL-BATCH',
      )
      turns.run()
    }
    assert.deepEqual(journal.last, peer.run.journal.last)
    peer.run.book.mustMatch(journal, 209)
    run.close()
    peer.run.book.mustMatch(new Run(turns, disk.restart(), run.book).journal, 209)
    // Larger than this one's limit, or of an older reign.
    const strict = fresh({ ...smallLimits, recordBytes: 700 }).run.journal
    assert.equal(
      codeOf(() => strict.appendBatch(batches[0]?.bytes ?? NOTHING, () => {})),
      'JOURNAL-BATCH',
    )
    const newer = fresh().run.journal
    newer.beginEpoch(3)
    assert.equal(
      codeOf(() => newer.appendBatch(batches[0]?.bytes ?? NOTHING, () => {})),
      'JOURNAL-BATCH',
    )
  })

  it('refuses what needs quiet while records are under way', () => {
    const { run, turns } = fresh()
    run.settle(9, 100)
    run.append(1, 100)
    assert.equal(
      codeOf(() => run.journal.rewind(run.book.position(3), '')),
      'JOURNAL-BUSY',
    )
    turns.run()
    const off = { ...run.book.position(3), digest: 1 }
    assert.equal(
      codeOf(() => run.journal.rewind(off, '')),
      'JOURNAL-GONE',
    )
    const info = { position: run.book.position(5), epochs: [], bytes: 0 }
    const writer = run.journal.installSnapshot(info, '')
    assert.equal(
      codeOf(() => run.journal.rewind(run.book.position(3), '')),
      'JOURNAL-BUSY',
    )
    run.append(1, 100)
    turns.run()
    let answer: Error | null = null
    writer.finish(error => (answer = error))
    turns.run()
    assert.equal((answer as { code?: string } | null)?.code, 'JOURNAL-BUSY')
    run.close()
  })

  it('writes a snapshot one chunk a turn, and only when the disk has caught up with the state', () => {
    const { run, turns, disk } = fresh()
    run.settle(30, 700)
    let pulled = 0
    function* slowly(): Generator<Uint8Array> {
      for (const chunk of stateChunks(run.book.position(31))) {
        pulled += 1
        yield chunk
      }
    }
    run.append(1, 100)
    let stuck = true
    disk.stuck = (operation, name) => stuck && operation === 'flush' && name.startsWith('journal')
    let answer: Error | null | undefined
    run.journal.writeSnapshot(run.journal.last, slowly(), error => void (answer = error))
    for (let n = 0; n < 5000; n += 1) {
      const before = pulled
      turns.run(1)
      assert.ok(pulled - before <= 1)
    }
    assert.ok(pulled > 5)
    assert.deepEqual([answer, run.journal.snapshot], [undefined, null])
    stuck = false
    turns.run()
    assert.equal(answer, null)
    assert.equal(run.journal.snapshot?.position.sequence, 31)
    run.close()
  })

  it('never writes to a spare that a newer segment has overtaken', () => {
    const { run, turns, disk } = fresh()
    run.settle(45, 700)
    // The next spare is under way and does not come, while old segments are recycled and taken into use.
    let stuck = true
    disk.stuck = operation => stuck && operation === 'create'
    const some = (count: number): void => {
      for (let n = 0; n < count; n += 1) {
        run.append(1, 700)
        turns.run(60)
      }
    }
    some(25)
    const position = run.journal.flushed
    run.journal.writeSnapshot(position, stateChunks(position), () => {})
    turns.run(2000)
    some(25)
    assert.ok(run.flushed > position.sequence + 15, 'a recycled file is written')
    stuck = false
    some(60)
    turns.run()
    assert.equal(run.flushed, run.book.entries.length)
    run.book.mustMatch(new Run(turns, disk.crash(), run.book).journal, run.flushed)
  })

  it('says when a snapshot is worth its while', () => {
    const { run } = fresh()
    assert.equal(run.journal.wantsSnapshot(0), false)
    run.settle(60, 900)
    assert.equal(run.journal.wantsSnapshot(1000), true)
    assert.equal(run.journal.wantsSnapshot(100_000), false)
    assert.equal(run.snapshot(60), null)
    assert.equal(run.journal.wantsSnapshot(0), false)
    run.close()
  })

  it('has records that cannot be mistaken for one another by digest alone', () => {
    const digests = new Set<number>()
    const book = new Book()
    for (let n = 0; n < 20_000; n += 1) {
      book.add(1 + (n >> 12), Buffer.from([n & 3]))
      digests.add(book.position(n + 1).digest)
    }
    assert.equal(digests.size, 20_000)
    for (const digest of digests) assert.ok(Number.isSafeInteger(digest) && digest >= 0 && digest < 2 ** 52)
    assert.equal(KIND, 20)
  })
})
