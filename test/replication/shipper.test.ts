// The shipper against a follower that the test plays by hand, and against a real one that is slow, silent or wrong.

import assert from 'node:assert/strict'

import { journalError } from '../../src/journal/errors.ts'
import type { Position } from '../../src/journal/position.ts'
import { encodeRecord, RECORD_HEADER_BYTES, RecordWalk, viewOf } from '../../src/journal/record.ts'
import type { RecordBatch } from '../../src/journal/types.ts'
import type { Frame, FrameFields } from '../../src/replication/frames.ts'
import { JournalTaps } from '../../src/replication/journal-taps.ts'
import { DEFAULT_LIMITS } from '../../src/replication/limits.ts'
import type { ReplicationLimits } from '../../src/replication/limits.ts'
import { Shipper } from '../../src/replication/shipper.ts'
import { FakeImage, FakeJournal } from '../support/fake-journal.ts'
import { FakeJournals } from '../support/fake-journals.ts'
import { PairWorld } from '../support/pair-world.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

type Records = FrameFields['RECORDS'] & { name: 'RECORDS' }

const setUp = (change: Partial<ReplicationLimits> = {}, records = 0) => {
  const clock = new VirtualClock()
  const journal = new FakeJournal(clock.host, new FakeImage())
  const write = (count: number, size = 80) => {
    for (let n = 0; n < count; n += 1) journal.append(16, new Uint8Array(0), Buffer.alloc(size, n))
  }
  journal.beginEpoch(3)
  write(records)
  clock.advance(10)
  const frames: Frame[] = []
  const faults: Error[] = []
  const confirmed: number[] = []
  const batches: RecordBatch[] = []
  const taps = new JournalTaps(journal)
  taps.onBatch(batch => void batches.push(batch))
  const shipper = new Shipper({
    taps,
    send: frame => void frames.push(frame),
    clock: clock.host,
    limits: { ...DEFAULT_LIMITS, ...change },
    epoch: 3,
    recordSeq: 4,
    pairId: 'pair',
    plan: { how: 'tail', sequence: 0 },
    committed: 0,
    makeSnapshot: () => {},
    onConfirmed: position => void confirmed.push(position.sequence),
    onPrepared: () => {},
    onFailed: error => void faults.push(error),
  })
  const ready = () => {
    shipper.start()
    const [begin] = frames as [FrameFields['SYNC_BEGIN'] & { name: 'SYNC_BEGIN' }]
    assert.equal(begin.name, 'SYNC_BEGIN')
    shipper.receive({ name: 'SYNC_READY', epoch: 3, from: begin.common })
  }
  const sent = () => frames.filter((frame): frame is Records => frame.name === 'RECORDS')
  const confirm = (position: Position | null, epoch = 3) => {
    assert(position !== null)
    shipper.receive({ name: 'CONFIRM', epoch, position })
  }
  const codes = () => faults.map(fault => (fault as Error & { code: string }).code)
  return { batches, clock, codes, confirm, confirmed, frames, journal, ready, sent, shipper, write }
}

const endOf = (journal: FakeJournal, { bytes, first }: Records): Position | null => {
  const walk = new RecordWalk(bytes, 0, bytes.length, { epoch: 0, sequence: first - 1, digest: 0 })
  while (walk.step(false));
  return journal.positionOf(walk.sequence)
}

describe('shipper', () => {
  it('ships live batches as they are, without a copy and without reading', () => {
    const { batches, clock, journal, ready, sent, write } = setUp()
    ready()
    for (let n = 0; n < 5; n += 1) {
      write(3)
      clock.advance(3)
    }
    assert.equal(sent().length, 5)
    sent().forEach((frame, n) => assert.equal(frame.bytes, batches[n]?.bytes))
    assert.equal(journal.reads, 0)
  })

  it('keeps the window, holds nothing back in memory, and goes from disk to live without gap or duplicate', () => {
    const limits = { windowBytes: 2000, windowBatches: 4, chunkBytes: 700 }
    const { clock, confirm, confirmed, journal, ready, sent, shipper, write } = setUp(limits, 40)
    ready()
    let next = 1
    let answered = 0
    for (let round = 0; round < 200; round += 1) {
      if (round < 60) write(1 + (round % 3))
      clock.advance(1 + (round % 4))
      assert(shipper.inFlightBytes <= limits.windowBytes)
      const frames = sent()
      assert(frames.length - answered <= limits.windowBatches)
      if (round % 3 > 0 && answered < frames.length) {
        // Sometimes the follower flushes several batches at once and confirms the last one.
        answered = round % 5 === 0 ? frames.length : answered + 1
        confirm(endOf(journal, frames[answered - 1] as Records))
      }
    }
    for (const frame of sent()) {
      assert.equal(frame.first, next)
      next = (endOf(journal, frame)?.sequence ?? 0) + 1
    }
    assert.equal(next, journal.last.sequence + 1)
    assert.deepEqual([shipper.lag.records, shipper.caughtUp(0)], [0, true])
    assert.equal(confirmed.at(-1), journal.last.sequence)
    // At the tail again: the next one is live.
    const { reads } = journal
    write(1)
    clock.advance(3)
    assert.equal(sent().at(-1)?.first, next)
    assert.equal(journal.reads, reads)
  })

  it('sends a record that is larger than the window when nothing else is under way', () => {
    const { clock, confirm, journal, ready, sent, write } = setUp({ windowBytes: 1000, chunkBytes: 500 })
    ready()
    write(1)
    clock.advance(3)
    write(1, 5000)
    clock.advance(9)
    assert.equal(sent().length, 1)
    confirm(endOf(journal, sent()[0] as Records))
    clock.advance(9)
    assert.equal(sent().length, 2)
    assert(journal.reads < 4, 'it is not read again and again')
  })

  it('drops a follower that is silent with something under way, and only then', () => {
    const { clock, codes, confirm, journal, ready, sent, write } = setUp({ silenceMs: 500 })
    ready()
    clock.advance(5000)
    assert.deepEqual(codes(), [])
    for (let n = 0; n < 10; n += 1) {
      write(1)
      clock.advance(400)
      confirm(endOf(journal, sent().at(-1) as Records))
    }
    clock.advance(5000)
    assert.deepEqual(codes(), [])
    write(1)
    clock.advance(400)
    write(1)
    clock.advance(99)
    assert.deepEqual(codes(), [])
    clock.advance(5)
    assert.deepEqual(codes(), ['REPLICATION-STALLED'])
    write(1)
    clock.advance(5)
    assert.equal(sent().length, 12, 'nothing is sent any more')
  })

  it('drops a follower that does not answer SYNC_BEGIN', () => {
    const { clock, codes, shipper } = setUp({ silenceMs: 500 })
    shipper.start()
    clock.advance(510)
    assert.deepEqual(codes(), ['REPLICATION-STALLED'])
  })

  it('does not blame the follower for a stall of its own process', () => {
    const { clock, codes, confirm, journal, ready, sent, write } = setUp({ silenceMs: 500 })
    ready()
    write(1)
    clock.advance(3)
    clock.host.frozen = true
    clock.host.arrive(100, () => confirm(endOf(journal, sent()[0] as Records)))
    clock.advance(3000)
    clock.host.frozen = false
    clock.advance(3000)
    assert.deepEqual(codes(), [])
  })

  it('judges confirmations: epoch, place, digest', () => {
    const play = (change: (position: Position) => Position, epoch = 3) => {
      const { clock, codes, confirm, confirmed, journal, ready, sent, write } = setUp()
      ready()
      write(4)
      clock.advance(3)
      confirm(change(endOf(journal, sent()[0] as Records) as Position), epoch)
      return [...codes(), ...confirmed]
    }
    assert.deepEqual(
      play(position => position),
      [0, 4],
    )
    assert.deepEqual(
      play(position => position, 2),
      [0],
      'of an older following: not counted',
    )
    assert.deepEqual(
      play(position => ({ ...position, digest: position.digest + 1 })),
      ['REPLICATION-DIVERGED', 0],
    )
    assert.deepEqual(
      play(position => ({ ...position, epoch: 2 })),
      ['REPLICATION-DIVERGED', 0],
    )
    assert.deepEqual(
      play(position => ({ ...position, sequence: 3 })),
      ['REPLICATION-PROTOCOL', 0],
    )
    assert.deepEqual(
      play(position => ({ ...position, sequence: 5 })),
      ['REPLICATION-PROTOCOL', 0],
    )
  })

  it('says so when the records it needs are gone', () => {
    const { clock, codes, journal, ready } = setUp({}, 10)
    journal.read = (sequence, _, done) => done(journalError('GONE', { sequence, from: 9, to: 10 }), null)
    ready()
    clock.advance(3)
    assert.deepEqual(codes(), ['REPLICATION-GONE'])
  })

  it('asks the follower to join only when everything that was acknowledged is on its way', () => {
    const { clock, frames, journal, ready, shipper, write } = setUp({ windowBytes: 400, chunkBytes: 200 }, 10)
    const asked = () => frames.filter(frame => frame.name === 'JOIN_PREPARE')
    ready()
    shipper.prepareJoin(journal.flushed.sequence)
    clock.advance(10)
    assert.equal(asked().length, 0, 'the window is full, and the follower far')
    const confirmAll = () => {
      for (const frame of frames) {
        if (frame.name !== 'RECORDS') continue
        shipper.receive({ name: 'CONFIRM', epoch: 3, position: endOf(journal, frame) as Position })
      }
    }
    for (let n = 0; n < 10; n += 1) {
      confirmAll()
      write(1)
      clock.advance(5)
    }
    const [one] = asked()
    assert(one?.name === 'JOIN_PREPARE' && asked().length === 1)
    assert(one.position.sequence >= 10)
  })

  it('ships a snapshot where the follower cannot cut back, and holds the records after it until they are sent', () => {
    const limits = { windowBytes: 400, chunkBytes: 200, snapshotWindowBytes: 1000 }
    const { clock, confirm, frames, journal, sent, shipper, write } = setUp(limits, 10)
    const chunks = Array.from({ length: 8 }, (_, n) => Buffer.alloc(600, n))
    let open = 0
    const openSnapshot = journal.openSnapshot.bind(journal)
    journal.openSnapshot = () => {
      const reader = openSnapshot()
      open += 1
      return { ...reader, close: () => void (open -= 1) }
    }
    shipper.start()
    journal.writeSnapshot(journal.positionOf(4) as Position, chunks, () => {})
    clock.advance(5)
    shipper.receive({ name: 'SYNC_REFUSED', epoch: 3, code: 'REPLICATION-GONE', text: 'my snapshot is beyond' })
    const begin = frames.at(-1)
    assert(begin?.name === 'SYNC_BEGIN' && begin.how === 'snapshot')
    assert.deepEqual([begin.common.sequence, begin.bytes], [4, 4800])
    shipper.receive({ name: 'SYNC_READY', epoch: 3, from: begin.common })
    const pieces = () => frames.filter(frame => frame.name === 'SNAPSHOT_CHUNK').length
    for (let n = 1; n <= chunks.length; n += 1) {
      clock.advance(5)
      assert(pieces() - n + 1 <= 2, 'the window is kept')
      shipper.receive({ name: 'SNAPSHOT_MORE', epoch: 3, received: 600 * n })
      write(1)
    }
    clock.advance(5)
    assert.deepEqual([pieces(), frames.at(-1)?.name, sent().length], [8, 'SNAPSHOT_END', 0])
    confirm(begin.common)
    assert.equal(open, 1, 'still held')
    for (let n = 0; shipper.lag.records > 0; n += 1) {
      assert(n < 50)
      clock.advance(5)
      const end = endOf(journal, sent().at(-1) as Records) as Position
      assert.equal(open, end.sequence < journal.last.sequence ? 1 : 0, `held up to the last record: ${end.sequence}`)
      confirm(end)
    }
    assert.equal(sent()[0]?.first, 5)
  })

  it('tells the commit point with the next records', () => {
    const { clock, confirm, journal, ready, sent, shipper, write } = setUp()
    ready()
    write(1)
    clock.advance(3)
    shipper.committed(1)
    confirm(endOf(journal, sent()[0] as Records))
    write(1)
    clock.advance(100)
    assert.equal(sent()[1]?.committed, 1)
  })
})

describe('shipper and receiver', () => {
  const joined = (limits: Partial<ReplicationLimits> = {}) => {
    const source = new FakeJournals()
    const world = new PairWorld(source, limits)
    const { primary, secondary } = world.servers
    primary.takeOver()
    world.connect()
    world.run(60)
    assert.equal(primary.gate.mode, 'both')
    const codes = () => world.faults.map(fault => (fault as Error & { code: string }).code)
    return { world, source, primary, secondary, codes }
  }

  it('a slow follower slows commits, not memory', () => {
    const limits = { windowBytes: 20_000, chunkBytes: 5000, unappliedBytes: 10_000, uncommittedBytes: 200_000 }
    const { world, source, primary, secondary } = joined({ ...limits, silenceMs: 100_000 })
    ;(source.now.secondary as { flushMs: number | null }).flushMs = 40
    let refused = 0
    for (let n = 0; n < 300; n += 1) {
      for (let k = 0; k < 20; k += 1) if (!primary.write(100)) refused += 1
      world.run(1)
      assert(secondary.receiver.unflushedBytes <= limits.windowBytes)
      assert(secondary.receiver.unappliedBytes <= limits.unappliedBytes)
      assert(primary.gate.uncommittedBytes <= limits.uncommittedBytes + 200)
    }
    assert(refused > 1000, 'clients were refused at the bound')
    world.run(2000)
    assert.equal(world.acked.length, primary.journal.last.sequence)
    assert.deepEqual(secondary.sink.bodies, primary.sink.bodies)
  })

  it('a byte that is changed on its way is caught by the checksum', () => {
    const { world, primary, codes } = joined()
    world.tamper = frame => {
      if (frame.name !== 'RECORDS') return frame
      const bytes = Buffer.from(frame.bytes)
      bytes[bytes.length - 1] = (bytes.at(-1) as number) ^ 1
      return { ...frame, bytes }
    }
    const before = world.acked.length
    primary.write()
    world.run(50)
    assert.deepEqual(codes(), ['JOURNAL-BATCH'])
    assert.equal(world.acked.length, before)
  })

  it('another record with a right checksum is caught by the digest, and never counted as confirmed', () => {
    const { world, primary, codes } = joined()
    world.tamper = frame => (frame.name === 'RECORDS' ? { ...frame, bytes: forge(frame.bytes) } : frame)
    const before = world.acked.length
    primary.write()
    world.run(50)
    assert.deepEqual(codes(), ['REPLICATION-DIVERGED'])
    assert.equal(world.acked.length, before)
    // Synchronization finds the same place, with another digest on top of it: refused for good, not papered over.
    world.tamper = frame => frame
    world.connect()
    world.run(50)
    assert.deepEqual(codes(), ['REPLICATION-DIVERGED', 'REPLICATION-DIVERGED'])
  })
})

/** The first record with another body, of the same length, under a checksum of its own. */
function forge(bytes: Uint8Array): Uint8Array {
  const forged = Buffer.from(bytes)
  const view = viewOf(forged)
  const length = view.getUint32(4, true)
  const body = Buffer.from(forged.subarray(RECORD_HEADER_BYTES, RECORD_HEADER_BYTES + length)).fill(0x78)
  const [sequence, kind, epoch] = [view.getUint32(8, true), view.getUint8(14), view.getUint32(16, true)]
  encodeRecord(forged, view, 0, sequence, kind, epoch, new Uint8Array(0), body)
  return forged
}
