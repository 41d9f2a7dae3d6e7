// Bytes that change on the disk, files that go: refused with a coded error, or, where only the batch that was being
// written is touched, cut. Never records that were not appended, never fewer than are proven.

import assert from 'node:assert/strict'
import { crc32 } from 'node:zlib'
import { BATCH_HEADER_BYTES, decodeBatchHead, SECTOR_BYTES } from '../../src/journal/batch.ts'
import { Book, codeOf, diceOf, memoryDisk, Run, smallLimits, Turns } from './world.ts'
import { openJournal } from '../../src/journal/journal.ts'
import type { MemoryDisk } from '../../src/simulation/disk.ts'

/** Three segments of batches of three records; `marked` where the program ended in good order. */
function written(marked: boolean): { disk: MemoryDisk; book: Book } {
  const { turns, disk } = memoryDisk()
  const run = new Run(turns, disk, new Book())
  run.settle(54, 600)
  if (marked) run.close()
  const rest = disk.restart(turns.soon)
  // Spares are no part of what is damaged here.
  for (const name of rest.list()) if (decodeHeads(rest, name).length === 0) rest.remove(name)
  return { disk: rest, book: run.book }
}

const decodeHeads = (disk: MemoryDisk, name: string): number[] => {
  const offsets: number[] = []
  for (let at = 0; at < disk.size(name); at += SECTOR_BYTES) {
    if (decodeBatchHead(disk.bytes(name), at) !== null) offsets.push(at)
  }
  return offsets
}

interface Place {
  readonly name: string
  readonly at: number
  readonly part: 'head of file' | 'batch' | 'last batch' | 'behind'
}

function places(disk: MemoryDisk): Place[] {
  const names = disk.list()
  return names.flatMap(name => {
    const heads = decodeHeads(disk, name)
    const last = heads.at(-1) as number
    const lastLength = decodeBatchHead(disk.bytes(name), last)?.length ?? 0
    const found: Place[] = []
    for (let at = 0; at < disk.size(name); at += 1) {
      const inLast = at >= last
      const behind = at >= last + BATCH_HEADER_BYTES + lastLength
      const start = heads.findLast(offset => offset <= at) ?? 0
      // Every byte of the heads, and some of the bodies.
      if (at - start > 72 && at % 61 !== 0) continue
      const isLast = name === names.at(-1) && inLast
      found.push({ name, at, part: behind ? 'behind' : at < 66 ? 'head of file' : isLast ? 'last batch' : 'batch' })
    }
    return found.filter(({ at }) => at < 66 || at >= (heads[0] as number))
  })
}

const fresh = (disk: MemoryDisk, book: Book): Run => {
  const turns = new Turns()
  return new Run(turns, disk.clone(turns.soon), book)
}

describe('journal: damage', () => {
  for (const marked of [true, false]) {
    it(`is refused anywhere but in the last batch (${marked ? 'closed in good order' : 'killed'})`, () => {
      const { disk, book } = written(marked)
      assert.equal(disk.list().length, 3)
      const codes = new Map<string, number>()
      for (const { name, at, part } of places(disk)) {
        disk.flip(name, at, 1 << (at % 8))
        const where = `${name} at ${at} (${part})`
        const code = codeOf(() => {
          const run = fresh(disk, book)
          const least = part === 'last batch' && !marked ? 51 : 54
          run.book.mustMatch(run.journal, least)
          // What opens has either lost nothing, or the one batch that nothing proves; then it says so.
          const { cut } = run.journal.recovered
          if (run.journal.last.sequence < 54) assert.deepEqual([cut?.segment, cut?.from], [name, 52])
          // What is flipped is either noticed, or padding and other bytes that mean nothing.
          if (part === 'batch' || part === 'head of file') return assertHarmless(disk, name, at, where)
        })
        assert.match(code, /^(none|JOURNAL-DAMAGED)$/, where)
        codes.set(`${part} ${code}`, (codes.get(`${part} ${code}`) ?? 0) + 1)
        disk.flip(name, at, 1 << (at % 8))
      }
      assert.ok((codes.get('batch JOURNAL-DAMAGED') ?? 0) > 500, JSON.stringify([...codes]))
      assert.ok((codes.get('head of file JOURNAL-DAMAGED') ?? 0) > 100)
    })
  }

  /** Zeros between batches and between a head and the first batch are no part of anything. */
  function assertHarmless(disk: MemoryDisk, name: string, at: number, where: string): void {
    const heads = decodeHeads(disk, name)
    const start = heads.findLast(offset => offset <= at)
    const end =
      start === undefined ? 66 : start + BATCH_HEADER_BYTES + (decodeBatchHead(disk.bytes(name), start)?.length ?? 0)
    assert.ok(at >= end, `a changed byte was not noticed: ${where}`)
  }

  it('names segment, offset and record', () => {
    const { disk, book } = written(true)
    const [, middle] = disk.list() as [string, string]
    const offset = decodeHeads(disk, middle)[2] as number
    disk.flip(middle, offset + 200)
    try {
      fresh(disk, book)
      assert.fail('opened')
    } catch (error) {
      const { details } = error as { details: Record<string, unknown> }
      assert.deepEqual([details['segment'], details['offset']], [middle, offset])
      assert.match((error as Error).message, /checksum/)
    }
  })

  it('refuses when a segment is missing', () => {
    const { disk, book } = written(true)
    const [first, middle] = disk.list() as [string, string]
    for (const name of [first, middle]) {
      const without = disk.clone()
      without.remove(name)
      assert.equal(
        codeOf(() => fresh(without, book)),
        'JOURNAL-GAP',
      )
    }
  })

  it('refuses a snapshot with a changed byte, and a journal whose snapshot is gone', () => {
    const { turns, disk } = memoryDisk()
    const run = new Run(turns, disk, new Book())
    run.settle(60, 700)
    assert.equal(run.snapshot(54), null)
    run.close()
    const name = disk.list().find(file => file.startsWith('snapshot-')) as string
    for (let at = 0; at < disk.size(name); at += at < 600 ? 1 : 13) {
      // Between the head and the first chunk nothing means anything, but it is part of the checked head.
      disk.flip(name, at)
      assert.match(
        codeOf(() => fresh(disk, run.book)),
        /^JOURNAL-DAMAGED$/,
        `at ${at}`,
      )
      disk.flip(name, at)
    }
    fresh(disk, run.book)
    disk.remove(name)
    assert.equal(
      codeOf(() => fresh(disk, run.book)),
      'JOURNAL-GAP',
    )
  })

  it('refuses a snapshot that speaks of another history', () => {
    const [one, other] = ['one', 'other'].map(name => {
      const { turns, disk } = memoryDisk()
      const run = new Run(turns, disk, new Book())
      run.settle(60, 700, name)
      assert.equal(run.snapshot(54), null)
      run.close()
      return { disk, book: run.book }
    }) as [{ disk: MemoryDisk; book: Book }, { disk: MemoryDisk; book: Book }]
    const name = one.disk.list().find(file => file.startsWith('snapshot-')) as string
    one.disk.replace(name, other.disk.read(name) as Uint8Array)
    assert.equal(
      codeOf(() => fresh(one.disk, one.book)),
      'JOURNAL-DAMAGED',
    )
  })

  it('takes nothing for a record that an earlier use of the file left, wherever the new one breaks off', () => {
    const { turns, disk } = memoryDisk()
    const run = new Run(turns, disk, new Book())
    for (let round = 0; round < 5; round += 1) {
      run.settle(50, 600)
      assert.equal(run.snapshot(run.book.entries.length - 1), null)
    }
    run.settle(9, 600)
    const recycled = disk.list().filter(name => disk.bytes(name).readUInt16LE(28) === 1)
    assert.ok(recycled.length > 0, 'files were recycled')
    for (let seed = 0; seed < 200; seed += 1) {
      const turnsNow = new Turns()
      const copy = disk.restart(turnsNow.soon)
      Object.assign(copy, { dice: diceOf(seed) })
      const next = new Run(turnsNow, copy, run.book.through(run.book.entries.length))
      next.append(7, 600 + (seed % 40), 'x')
      turnsNow.run(seed % 5)
      const crashed = copy.crash()
      const after = new Run(turnsNow, crashed, next.book)
      next.book.mustMatch(after.journal, next.flushed)
      after.book = next.book.through(after.journal.last.sequence)
      after.settle(6, 500, 'y')
      after.book.mustMatch(new Run(turnsNow, crashed.crash(), after.book).journal, after.flushed)
    }
  })

  it('takes nothing of a batch that was cut for a part of a later one that was torn', () => {
    const { turns, disk } = memoryDisk()
    const run = new Run(turns, disk, new Book())
    run.settle(3, 300)
    const name = 'journal-0000000001'
    const at = (decodeHeads(disk, name).at(-1) as number) + 1024
    const kept = run.book.through(3)
    // Four records of 512 bytes each, of which everything came to the disk but the head of their batch.
    run.append(4, 492, 'lost')
    turns.run()
    assert.equal(decodeHeads(disk, name).at(-1), at)
    disk.bytes(name).fill(0, at, at + BATCH_HEADER_BYTES)
    const second = new Run(turns, disk.restart(), kept)
    assert.equal(second.journal.last.sequence, 3)
    assert.deepEqual(second.journal.recovered.cut?.from, 4)
    // Two others in their place, so that the third lost one would lie where the next batch puts its first.
    second.append(2, 280, 'new')
    turns.run()
    const copy = (second.disk as MemoryDisk).bytes(name)
    const body = at + 1024 + BATCH_HEADER_BYTES
    const before = Buffer.from(copy.subarray(body, body + 1024))
    second.append(2, 492, 'torn')
    turns.run()
    const torn = (second.disk as MemoryDisk).restart()
    assert.equal(decodeHeads(torn, name).at(-1), at + 1024)
    torn.bytes(name).set(before, body)
    const third = new Run(turns, torn, second.book)
    second.book.through(5).mustMatch(third.journal, 5)
    assert.deepEqual(third.journal.recovered.cut?.from, 6)
  })

  it('refuses a foreign version and segments too small for a record', () => {
    const { disk, book } = written(true)
    const [name] = disk.list() as [string]
    const head = disk.bytes(name)
    head.writeUInt32LE(2, 8)
    head.writeUInt32LE(crc32(head.subarray(16, head.readUInt32LE(16)), 2), 12)
    assert.equal(
      codeOf(() => fresh(disk, book)),
      'JOURNAL-VERSION',
    )
    const { turns, disk: empty } = memoryDisk()
    assert.equal(
      codeOf(() => openJournal(empty, turns.clock, { ...smallLimits, recordBytes: 8000 })),
      'JOURNAL-LIMITS',
    )
  })
})
