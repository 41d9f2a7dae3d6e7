// What every disk must do, and what a journal does on any disk. Run against the real one and the one in memory.

import assert from 'node:assert/strict'
import { openJournal, type FileJournal } from '../../src/journal/journal.ts'
import { readQuarantine } from '../../src/journal/quarantine.ts'
import { bodyOf, Book, KIND, NOTHING, smallLimits, snapshotText, stateChunks, stateText } from './world.ts'
import type { Clock } from '../../src/base/ports.ts'
import type { Disk, DiskFile } from '../../src/journal/disk.ts'
import type { RecordBatch } from '../../src/journal/types.ts'

const clock: Clock = {
  now: () => 0,
  wall: () => 1_700_000_000_000,
  after: () => assert.fail('the journal uses no timers'),
  soon: fn => void setImmediate(fn),
}

const answer = <T>(ask: (done: (error: Error | null, value?: T | null) => void) => void): Promise<T> =>
  new Promise((give, refuse) => ask((error, value) => (error === null ? give(value as T) : refuse(error))))

export interface Place {
  readonly disk: Disk
  /** What another program finds there. */
  again(): Disk
  remove(): void
}

export function conformance(kind: string, place: () => Place): void {
  let at: Place
  beforeEach(() => {
    at = place()
  })
  afterEach(() => at.remove())

  describe(`${kind}: files`, () => {
    const made = (name: string, size: number): Promise<DiskFile> => answer(done => at.disk.create(name, size, done))

    it('makes, writes, reads, cuts and lists them', async () => {
      const { disk } = at
      const file = await made('b', 3 << 20)
      assert.equal(disk.size('b'), 3 << 20)
      assert.ok(Buffer.alloc(1000).equals(file.readSync((3 << 20) - 1000, 5000)))
      await answer(done => file.write(Buffer.from('hello'), 2_000_000, done))
      await answer(done => file.flush(done))
      const read = await answer<Uint8Array>(done => file.read(1_999_999, 7, done))
      assert.equal(Buffer.from(read).toString(), '\0hello\0')
      await answer(done => file.writeThrough(Buffer.from('through'), 2_500_000, done))
      assert.equal(Buffer.from(file.readSync(2_500_000, 7)).toString(), 'through')
      file.writeSync(Buffer.from('more'), 0)
      file.flushSync()
      assert.equal(Buffer.from(at.again().open('b').readSync(0, 4)).toString(), 'more')
      file.truncateSync(2, 1000)
      assert.equal(disk.size('b'), 1000)
      assert.equal(Buffer.from(file.readSync(0, 4)).toString('latin1'), 'mo\0\0')
      file.close()
      disk.createSync('a', 10).close()
      assert.deepEqual(disk.list(), ['a', 'b'])
    })

    it('recycles and discards in the background', async () => {
      const { disk } = at
      const old = await made('old', 100)
      old.writeSync(Buffer.from('kept'), 0)
      old.flushSync()
      old.close()
      const file = await answer<DiskFile | null>(done => disk.recycle('old', 'new', done))
      assert.ok(file !== null)
      await answer(done => file.writeThrough(Buffer.from('!'), 4, done))
      file.close()
      assert.equal(Buffer.from(disk.open('new').readSync(0, 5)).toString(), 'kept!')
      assert.deepEqual(disk.list(), ['new'])
      await assert.rejects(answer(done => disk.recycle('old', 'newer', done)))
      await answer(done => disk.discard('new', done))
      await answer(done => disk.discard('new', done))
      assert.deepEqual(at.again().list(), [])
    })

    it('replaces, renames and removes small ones durably', () => {
      const { disk } = at
      assert.equal(disk.read('x'), null)
      disk.replace('x', Buffer.from('one'))
      disk.replace('x', Buffer.from('two'))
      disk.rename('x', 'y')
      assert.equal(disk.read('x'), null)
      assert.equal(Buffer.from(disk.read('y') ?? NOTHING).toString(), 'two')
      disk.replace('z', Buffer.from('z'))
      disk.rename('z', 'y')
      assert.deepEqual([at.again().list(), Buffer.from(disk.read('y') ?? NOTHING).toString()], [['y'], 'z'])
      disk.remove('y')
      disk.remove('y')
      assert.deepEqual(disk.list(), [])
      assert.throws(() => disk.open('y'))
    })

    it('replaces a left-over file by one of zeros, and closes one while work is under way', async () => {
      at.disk.replace('a', Buffer.from('left over'))
      const file = await made('a', 100)
      assert.ok(Buffer.alloc(100).equals(file.readSync(0, 200)))
      const writing = answer(done => file.write(Buffer.alloc(1 << 20, 1), 0, done))
      file.close()
      await writing
    })
  })

  describe(`${kind}: journal`, () => {
    let journal: FileJournal
    let book: Book

    const open = (disk: Disk): void => {
      journal = openJournal(disk, clock, smallLimits)
      journal.onFailed = error => assert.fail(error)
    }
    const durable = (): Promise<void> =>
      new Promise(done => {
        const look = (): void => (journal.flushed.sequence === journal.last.sequence ? done() : void setImmediate(look))
        look()
      })
    const append = async (count: number, bytes: number): Promise<void> => {
      for (let n = 0; n < count; n += 1) {
        const body = bodyOf(`r${book.entries.length + 1}`, bytes)
        book.add(1, body)
        journal.append(KIND, NOTHING, body)
        if (n % 7 === 0) await durable()
      }
      await durable()
    }
    const closed = (): Promise<void> => new Promise(done => journal.close(done))
    const snapshot = (sequence: number): Promise<null> => {
      const position = book.position(sequence)
      return answer(done => journal.writeSnapshot(position, stateChunks(position), done))
    }

    beforeEach(() => {
      open(at.disk)
      book = new Book()
      journal.beginEpoch(1)
    })

    it('is found again as it was', async () => {
      await append(100, 700)
      book.mustMatch(journal, 100)
      await closed()
      open(at.again())
      book.mustMatch(journal, 100)
      await append(5, 100)
      await closed()
      open(at.again())
      book.mustMatch(journal, 105)
      assert.equal(journal.recovered.cut, null)
      await closed()
    })

    it('gives every record to a reader, from memory and disk, in pieces of any size', async () => {
      await append(150, 400)
      const follower = openJournal(place().disk, clock, { ...smallLimits, segmentBytes: 24 << 10 })
      for (const maxBytes of [1, 500, 3000, 60_000]) {
        for (let from = 1; from <= 150;) {
          const batch = await answer<RecordBatch>(done => journal.read(from, maxBytes, done))
          assert.equal(batch.first, from)
          assert.ok(batch.last.sequence === from || batch.bytes.length <= Math.max(maxBytes, 64 << 10))
          assert.deepEqual(batch.last, book.position(batch.last.sequence))
          if (maxBytes === 500) {
            const seen: number[] = []
            assert.deepEqual(
              follower.appendBatch(batch.bytes, ({ sequence }) => seen.push(sequence)),
              batch.last,
            )
            assert.equal(seen.length, batch.last.sequence - from + 1)
          }
          from = batch.last.sequence + 1
        }
      }
      assert.deepEqual(follower.last, journal.last)
      for (let sequence = 0; sequence <= 150; sequence += 1) {
        assert.deepEqual(journal.positionOf(sequence), book.position(sequence))
      }
      assert.equal(journal.positionOf(151), null)
      await assert.rejects(
        answer(done => journal.read(0, 10, done)),
        { code: 'JOURNAL-GONE' },
      )
      await assert.rejects(
        answer(done => journal.read(151, 10, done)),
        { code: 'JOURNAL-GONE' },
      )
      await new Promise<void>(done => follower.close(done))
      await closed()
    })

    it('begins with a snapshot, whose reader nothing disturbs', async () => {
      await append(60, 700)
      await snapshot(50)
      assert.equal(journal.start.sequence > 0, true)
      const reader = journal.openSnapshot()
      await append(60, 700)
      await snapshot(115)
      assert.equal(snapshotText(journal), stateText(book.position(115)))
      // What follows the snapshot that is being read is still there.
      assert.ok(journal.start.sequence <= 50)
      let text = ''
      for (;;) {
        const chunk = await answer<Uint8Array | null>(done => reader.next(done))
        if (chunk === null) break
        text += Buffer.from(chunk).toString()
      }
      assert.equal(text, stateText(book.position(50)))
      reader.close()
      assert.ok(journal.start.sequence > 80)
      await closed()
      open(at.again())
      book.mustMatch(journal, 120)
      assert.deepEqual(
        at.disk.list().filter(name => name.startsWith('snapshot')),
        ['snapshot-000000000000115'],
      )
      await closed()
    })

    it('is cut back, and keeps what was cut', async () => {
      await append(60, 700)
      const old = book
      const name = journal.rewind(book.position(20), 'no reason') as string
      assert.deepEqual(journal.quarantines(), [
        { name, from: 21, to: 60, records: 40, bytes: 40 * 720, reason: 'no reason', wallMs: clock.wall() },
      ])
      let next = 20
      readQuarantine(at.disk, name, ({ sequence, body }) => {
        assert.equal(sequence, ++next)
        assert.ok(old.entries[sequence - 1]?.body.equals(body))
      })
      assert.equal(next, 60)
      book = book.through(20)
      book.mustMatch(journal, 20)
      assert.equal(journal.rewind(book.position(20), 'again'), null)
      await closed()
      open(at.again())
      book.mustMatch(journal, 20)
      await closed()
    })

    it('is replaced by a snapshot', async () => {
      await append(40, 700)
      const peer = new Book()
      for (let n = 0; n < 500; n += 1) peer.add(3, Buffer.from(`peer ${n}`))
      const info = { position: peer.position(500), epochs: [{ epoch: 3, sequence: 1 }], bytes: 0 }
      const writer = journal.installSnapshot(info, 'diverged')
      for (const chunk of stateChunks(info.position)) await answer(done => writer.write(chunk, done))
      await answer(done => writer.finish(done))
      assert.deepEqual([journal.last, journal.start, journal.flushed], Array(3).fill(info.position))
      assert.equal(journal.quarantines().length, 1)
      peer.mustMatch(journal, 500)
      await closed()
      open(at.again())
      peer.mustMatch(journal, 500)
      await closed()
    })
  })
}
