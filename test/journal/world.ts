// What the journal's tests share: turns of an event loop under the test's control, dice with a seed, and a book that
// knows what every record should be.

import assert from 'node:assert/strict'
import { crc32 } from 'node:zlib'
import { mix } from '../../src/journal/digest.ts'
import { openJournal, type FileJournal } from '../../src/journal/journal.ts'
import { ORIGIN, type Position } from '../../src/journal/position.ts'
import { encodeRecord, RECORD_HEADER_BYTES, viewOf } from '../../src/journal/record.ts'
import { MemoryDisk } from '../../src/simulation/disk.ts'
import type { Clock } from '../../src/base/ports.ts'
import type { Disk } from '../../src/journal/disk.ts'
import type { JournalLimits } from '../../src/journal/types.ts'

export const KIND = 20
export const NOTHING = new Uint8Array(0)

export const smallLimits: JournalLimits = {
  segmentBytes: 16 << 10,
  recordBytes: 3000,
  tailBytes: 4 << 10,
  snapshotEveryBytes: 20 << 10,
}

export class Turns {
  queue: (() => void)[] = []
  readonly soon = (fn: () => void): void => void this.queue.push(fn)
  readonly clock: Clock = {
    now: () => 0,
    wall: () => 1_700_000_000_000,
    after: () => assert.fail('the journal uses no timers'),
    soon: this.soon,
  }

  /** At most so many turns. */
  run(turns = 100_000): void {
    for (let n = 0; n < turns && this.queue.length > 0; n += 1) this.queue.shift()?.()
    if (turns === 100_000) assert.equal(this.queue.length, 0, 'something calls itself for ever')
  }
}

export function diceOf(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

export interface Entry {
  readonly epoch: number
  readonly body: Buffer
  readonly digest: number
}

/** The records as they were appended; entry n has sequence n + 1. Digests are computed here, apart from the journal. */
export class Book {
  readonly entries: Entry[]

  constructor(entries: readonly Entry[] = []) {
    this.entries = [...entries]
  }

  add(epoch: number, body: Buffer): void {
    const bytes = Buffer.alloc(RECORD_HEADER_BYTES + body.length)
    const crc = encodeRecord(bytes, viewOf(bytes), 0, this.entries.length + 1, KIND, epoch, NOTHING, body)
    assert.equal(crc, crc32(bytes.subarray(4)))
    this.entries.push({ epoch, body, digest: mix(this.position(this.entries.length).digest, crc, epoch, body.length) })
  }

  position(sequence: number): Position {
    const entry = this.entries[sequence - 1]
    return entry === undefined ? ORIGIN : { epoch: entry.epoch, sequence, digest: entry.digest }
  }

  through(sequence: number): Book {
    return new Book(this.entries.slice(0, sequence))
  }

  /** The journal holds exactly a beginning of this book, at least up to `least`. */
  mustMatch(journal: FileJournal, least: number): void {
    const { last, start } = journal
    assert.ok(
      last.sequence >= least,
      `record ${least} was reported durable, but the journal ends with ${last.sequence}`,
    )
    assert.ok(last.sequence <= this.entries.length, 'there is no record that was never made')
    assert.deepEqual(last, this.position(last.sequence))
    assert.deepEqual(start, this.position(start.sequence))
    assert.deepEqual(journal.flushed, last)
    let next = start.sequence
    journal.replay(record => {
      next += 1
      const entry = this.entries[next - 1] as Entry
      assert.deepEqual([record.sequence, record.epoch, record.kind], [next, entry.epoch, KIND])
      assert.ok(entry.body.equals(record.body), `record ${next} is what was appended`)
    }, start.sequence)
    assert.equal(next, last.sequence)
    if (start.sequence > 0) assert.ok((journal.snapshot?.position.sequence ?? -1) >= start.sequence)
    if (journal.snapshot !== null) {
      const { position } = journal.snapshot
      assert.deepEqual(position, this.position(position.sequence))
      assert.equal(snapshotText(journal), stateText(position))
    }
    const starts = new Map<number, number>()
    this.entries.slice(0, last.sequence).forEach(({ epoch }, n) => starts.set(epoch, starts.get(epoch) ?? n + 1))
    assert.deepEqual(
      journal.epochs,
      [...starts].map(([epoch, sequence]) => ({ epoch, sequence })),
    )
  }
}

/** What the tests write as the state at a position. */
export const stateText = (position: Position): string => `state at ${position.epoch}/${position.sequence} `.repeat(40)

export function* stateChunks(position: Position): Generator<Uint8Array> {
  const text = Buffer.from(stateText(position))
  for (let at = 0; at < text.length; at += 100) yield text.subarray(at, at + 100)
}

export function snapshotText(journal: FileJournal): string {
  const chunks: Uint8Array[] = []
  journal.readSnapshot(chunk => chunks.push(Uint8Array.from(chunk)))
  return Buffer.concat(chunks).toString()
}

export const bodyOf = (name: string, bytes: number): Buffer => Buffer.alloc(bytes, `${name} `)

/** One program run on a disk: a journal, and what it was heard to say. */
export class Run {
  readonly turns: Turns
  readonly disk: Disk
  readonly journal: FileJournal
  book: Book
  /** Highest sequence reported durable. */
  flushed = 0
  failure: Error | null = null
  readonly warnings: Error[] = []

  constructor(turns: Turns, disk: Disk, book: Book, limits = smallLimits) {
    this.turns = turns
    this.disk = disk
    this.journal = openJournal(disk, turns.clock, limits)
    const { journal } = this
    this.book = book
    this.flushed = journal.flushed.sequence
    journal.onFlushed = position => {
      assert.ok(position.sequence > this.flushed, 'positions only grow')
      assert.deepEqual(position, this.book.position(position.sequence))
      this.flushed = position.sequence
    }
    journal.onFailed = error => {
      assert.equal(this.failure, null, 'said once')
      this.failure = error
    }
    journal.onWarning = error => void this.warnings.push(error)
  }

  append(count: number, bytes: number, name = 'r'): void {
    const { journal, book } = this
    for (let n = 0; n < count; n += 1) {
      const epoch = Math.max(1, journal.last.epoch)
      if (this.epoch === null && journal.last.sequence === 0) this.begin(1)
      const body = bodyOf(`${name}${book.entries.length + 1}`, bytes)
      book.add(this.epoch ?? epoch, body)
      assert.equal(journal.append(KIND, body.subarray(0, 5), body.subarray(5)), book.entries.length)
    }
  }

  /** The epoch begun last, once one was. */
  epoch: number | null = null

  begin(epoch: number): void {
    if (this.epoch === epoch) return
    this.epoch = epoch
    this.journal.beginEpoch(epoch)
  }

  /** Appends and sees it durable, in batches of a few records. */
  settle(count: number, bytes: number, name = 'r', batch = 3): void {
    for (let n = 0; n < count; n += batch) {
      this.append(Math.min(batch, count - n), bytes, name)
      this.turns.run()
    }
  }

  snapshot(sequence: number): Error | null | undefined {
    let answer: Error | null | undefined
    const position = this.book.position(sequence)
    this.journal.writeSnapshot(position, stateChunks(position), error => void (answer = error))
    this.turns.run()
    return answer
  }

  close(): void {
    let closed = false
    this.journal.close(() => void (closed = true))
    this.turns.run()
    assert.ok(closed, 'close answers')
  }
}

export function memoryDisk(seed = 1): { readonly turns: Turns; readonly disk: MemoryDisk } {
  const turns = new Turns()
  return { turns, disk: new MemoryDisk(turns.soon, diceOf(seed)) }
}

/** Runs `story` until it ends or the machine stops in it: what it says or throws from then on nobody hears. */
export function untilStop(disk: MemoryDisk, story: () => void): void {
  try {
    story()
  } catch (error) {
    if (!disk.stopped) throw error
  }
}

export const codeOf = (run: () => unknown): string => {
  try {
    run()
  } catch (error) {
    return (error as { code?: string }).code ?? String(error)
  }
  return 'none'
}
