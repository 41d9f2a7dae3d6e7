// The receiver, with the active server played by hand: whom it follows, what it takes, what it confirms and applies, and
// that nothing is destroyed before that is known to be right.

import assert from 'node:assert/strict'

import { journalError } from '../../src/journal/errors.ts'
import { ORIGIN, samePosition } from '../../src/journal/position.ts'
import type { Position } from '../../src/journal/position.ts'
import { RECORD_HEADER_BYTES } from '../../src/journal/record.ts'

import type { FrameFields } from '../../src/replication/frames.ts'
import { none, records, setUp } from '../support/receiver-bench.ts'

describe('receiver: whom it follows', () => {
  // prettier-ignore
  const refusals: [string, Partial<FrameFields['SYNC_BEGIN']>, string][] = [
    ['a leader that knows an older record', { recordSeq: 3, epoch: 3 }, 'REPLICATION-STALE-LEADER'],
    ['a leader of another pair', { pairId: 'other' }, 'REPLICATION-FOREIGN-PAIR'],
    ['an epoch below one in our journal', { epoch: 1 }, 'REPLICATION-OLD-EPOCH'],
    ['an epoch above the record known', { epoch: 7 }, 'REPLICATION-OLD-EPOCH'],
    ['a common position with another digest', { common: { epoch: 2, sequence: 3, digest: 1 } }, 'REPLICATION-DIVERGED'],
    ['a common position of another epoch', { common: { epoch: 1, sequence: 3, digest: 1 } }, 'REPLICATION-DIVERGED'],
    ['a common position that we do not have', { common: { epoch: 2, sequence: 9, digest: 1 } }, 'REPLICATION-DIVERGED'],
  ]
  for (const [what, part, code] of refusals) {
    it(`refuses ${what}, and nothing is changed`, () => {
      const { begin, clock, codes, journal, receiver, sent, store } = setUp({}, 5)
      begin(part)
      clock.advance(5)
      assert.deepEqual(codes(), [code])
      assert.deepEqual(
        sent.map(frame => [frame.name, 'epoch' in frame && frame.epoch]),
        [['SYNC_REFUSED', part.epoch ?? 5]],
      )
      assert.deepEqual([journal.last.sequence, store.dirty, receiver.following], [5, false, 0])
    })
  }

  it('refuses to have a listed copy replaced, and sets nothing dirty', () => {
    const { begin, codes, given, journal, store } = setUp({}, 5)
    given.listed = true
    begin({ how: 'snapshot', common: { epoch: 5, sequence: 90, digest: 7 } })
    assert.deepEqual(codes(), ['REPLICATION-LISTED'])
    assert.deepEqual([journal.last.sequence, store.dirty], [5, false])
  })

  it('remembers the record it was led with, before it follows', () => {
    const { begin, store, trace } = setUp({}, 5)
    begin()
    assert.equal(store.mk, 6)
    assert.deepEqual(trace, ['SYNC_READY whole'])
  })

  it('cuts what the leader does not have into quarantine, marked dirty before that, unless it is listed', () => {
    for (const listed of [false, true]) {
      const { begin, given, journal, trace } = setUp({}, 5)
      given.listed = listed
      begin({ common: journal.positionOf(3) as Position })
      const state = listed ? 'whole' : 'dirty'
      assert.deepEqual(trace, [`quarantine-0 ${state}`, `SYNC_READY ${state}`])
      assert.equal(journal.last.sequence, 3)
      assert.deepEqual([journal.quarantines()[0]?.from, journal.quarantines()[0]?.to], [4, 5])
    }
  })

  it('does not cut a listed copy below what it was told is safe', () => {
    const { begin, clock, codes, given, journal, receiver, ship } = setUp()
    begin({ common: ORIGIN })
    const safe = records(ORIGIN, 5, 5)
    ship(safe, 4)
    clock.advance(5)
    given.listed = true
    const common = journal.positionOf(3) as Position
    begin({ common })
    assert.deepEqual([codes(), journal.last.sequence], [['REPLICATION-DIVERGED'], 5])
    // One that is not listed may have been passed over by an operator: it goes to quarantine.
    given.listed = false
    begin({ common })
    assert.deepEqual([receiver.following, journal.last.sequence], [5, 3])
  })

  it('tries again where the journal is busy, and asks for a snapshot where it cannot be cut that far', () => {
    const { begin, clock, codes, journal, receiver, sent } = setUp({}, 5)
    const rewind = journal.rewind.bind(journal)
    let busy = 3
    journal.rewind = (position, reason) => {
      if (busy-- > 0) throw journalError('BUSY', { why: 'a test says so' })
      return rewind(position, reason)
    }
    begin({ common: journal.positionOf(3) as Position })
    clock.advance(100)
    assert.deepEqual([receiver.following, journal.last.sequence, codes()], [5, 3, []])
    journal.rewind = () => {
      throw journalError('GONE', { sequence: 2, from: 3, to: 3 })
    }
    begin({ common: journal.positionOf(2) as Position })
    const answer = sent.at(-1)
    assert(answer?.name === 'SYNC_REFUSED')
    assert.deepEqual([answer.code, answer.epoch, receiver.following, codes()], ['REPLICATION-GONE', 5, 0, []])
  })

  it('waits for its own flush before it cuts', () => {
    const { begin, clock, journal, receiver, sent } = setUp({}, 5)
    const common = journal.last
    journal.append(16, none, none)
    begin({ common })
    assert.deepEqual([sent.length, receiver.following], [0, 0])
    clock.advance(5)
    assert.deepEqual([sent[0]?.name, receiver.following, journal.last.sequence], ['SYNC_READY', 5, 5])
  })
})

describe('receiver: records', () => {
  it('ends the following where a record does not fold, and builds the state anew when it follows again', () => {
    const { begin, clock, codes, journal, receiver, ship, sink } = setUp()
    begin({ common: ORIGIN })
    const apply = sink.apply.bind(sink)
    sink.apply = record => {
      if (record.sequence === 3) throw journalError('BUSY', { why: 'a test says so' })
      apply(record)
    }
    ship(records(ORIGIN, 5, 5), 2)
    clock.advance(5)
    assert.deepEqual([receiver.applied, codes()], [2, []])
    receiver.told(5)
    assert.deepEqual([receiver.following, receiver.applied, codes()], [0, -1, ['JOURNAL-BUSY']])
    sink.apply = apply
    begin({ common: journal.last })
    receiver.told(5)
    clock.advance(50)
    assert.deepEqual([receiver.following, receiver.applied, sink.bodies.length, codes().length], [5, 5, 5, 1])
  })

  it('confirms only ends of batches, and only when they are flushed', () => {
    const { begin, clock, confirmed, journal, ship } = setUp()
    journal.flushMs = 10
    begin({ common: ORIGIN })
    const a = records(ORIGIN, 5, 3)
    const b = records(a.end, 5, 4)
    const c = records(b.end, 5, 2)
    ship(a)
    clock.advance(5)
    ship(b)
    ship(c)
    assert.deepEqual(confirmed(), [])
    clock.advance(6)
    assert.deepEqual(confirmed(), [3])
    clock.advance(11)
    assert.deepEqual(confirmed(), [3, 9])
    assert(samePosition(journal.flushed, c.end))
  })

  it('takes nothing of another epoch, and nothing after a gap', () => {
    for (const [epoch, skip, code] of [
      [4, 0, 'REPLICATION-OLD-EPOCH'],
      [6, 0, 'REPLICATION-OLD-EPOCH'],
      [5, 1, 'REPLICATION-GAP'],
    ] as const) {
      const { begin, codes, journal, ship } = setUp()
      begin({ common: ORIGIN })
      ship(records({ ...ORIGIN, sequence: skip }, 5, 2), 0, epoch)
      assert.deepEqual([codes(), journal.last.sequence], [[code], 0])
    }
  })

  it('takes each record once where batches overlap', () => {
    const { begin, clock, codes, journal, ship, sink } = setUp()
    begin({ common: ORIGIN })
    const all = records(ORIGIN, 5, 6)
    ship(records(ORIGIN, 5, 4))
    ship(records(ORIGIN, 5, 2))
    ship(all, 6)
    clock.advance(10)
    assert.deepEqual([codes(), journal.flushed, sink.bodies.length], [[], all.end, 6])
  })

  it('applies what is safe and flushed, never more', () => {
    const { begin, clock, journal, receiver, ship, sink } = setUp()
    journal.flushMs = 10
    begin({ common: ORIGIN })
    const a = records(ORIGIN, 5, 5)
    ship(a, 3)
    clock.advance(5)
    assert.equal(sink.bodies.length, 0, 'safe, but not flushed here')
    clock.advance(10)
    assert.equal(sink.bodies.length, 3)
    receiver.told(99)
    clock.advance(5)
    assert.deepEqual([sink.bodies.length, receiver.applied], [5, 5])
  })

  it('reads back from the journal what it did not keep in memory, in order, and ends up live again', () => {
    const { begin, clock, journal, receiver, ship, sink } = setUp({ unappliedBytes: 300, chunkBytes: 200 })
    begin({ common: ORIGIN })
    let at = ORIGIN
    for (let n = 0; n < 40; n += 1) {
      const piece = records(at, 5, 3)
      at = piece.end
      ship(piece, n === 20 ? 50 : 0)
      clock.advance(3)
      assert(receiver.unappliedBytes <= 300)
    }
    assert(journal.reads > 3)
    receiver.told(at.sequence)
    clock.advance(100)
    assert.equal(sink.bodies.length, at.sequence)
    const { reads } = journal
    const more = records(at, 5, 2)
    ship(more, more.end.sequence)
    clock.advance(10)
    assert.deepEqual([sink.bodies.length, journal.reads], [more.end.sequence, reads])
  })

  it('drops a sender that knows no window', () => {
    const { begin, codes, journal, ship } = setUp({ unflushedBytes: 1000 })
    journal.flushMs = null
    begin({ common: ORIGIN })
    let at = ORIGIN
    for (let n = 0; n < 100; n += 1) {
      const piece = records(at, 5, 3)
      at = piece.end
      ship(piece)
    }
    assert.deepEqual(codes(), ['REPLICATION-FLOOD'])
    assert(journal.last.sequence * (RECORD_HEADER_BYTES + 20) <= 1000)
  })

  it('ignores what was under way when it stopped', () => {
    const { begin, clock, codes, journal, receiver, ship } = setUp()
    begin({ common: ORIGIN })
    receiver.stop()
    ship(records(ORIGIN, 5, 3))
    clock.advance(5)
    assert.deepEqual([codes(), journal.last.sequence, receiver.following], [[], 0, 0])
  })
})

describe('receiver: joining, taking over', () => {
  it('declares its copy whole only when exactly that position is flushed, dirty cleared before it says so', () => {
    const { begin, clock, journal, receiver, ship, store, trace } = setUp({}, 5)
    begin({ common: journal.positionOf(3) as Position })
    const more = records(journal.last, 5, 2)
    ship(more)
    receiver.receive({ name: 'JOIN_PREPARE', epoch: 5, position: more.end })
    assert.equal(store.dirty, true)
    clock.advance(5)
    assert.deepEqual(trace.slice(2), ['CONFIRM dirty', 'JOIN_PREPARED whole'])
    receiver.receive({ name: 'JOINED', epoch: 5, recordSeq: 7 })
    assert.equal(trace.at(-1), 'joined 7 mk 7')
  })

  it('refuses to join where the digest differs', () => {
    const { begin, clock, codes, journal, receiver, store } = setUp({}, 5)
    begin({ common: journal.positionOf(3) as Position })
    const position = { ...journal.last, digest: journal.last.digest + 1 }
    receiver.receive({ name: 'JOIN_PREPARE', epoch: 5, position })
    clock.advance(5)
    assert.deepEqual([codes(), store.dirty], [['REPLICATION-DIVERGED'], true])
  })

  it('adopts everything that it received, once it is flushed', () => {
    const { begin, clock, journal, receiver, ship, sink } = setUp()
    journal.flushMs = 10
    begin({ common: ORIGIN })
    ship(records(ORIGIN, 5, 5), 1)
    let adopted = 0
    receiver.adoptAll(applied => {
      adopted = applied
    })
    clock.advance(5)
    assert.equal(adopted, 0)
    clock.advance(10)
    assert.deepEqual([adopted, sink.bodies.length], [5, 5])
  })

  it('gives up an adoption when it follows somebody instead', () => {
    const { begin, clock, journal, receiver, ship, sink } = setUp()
    journal.flushMs = 10
    begin({ common: ORIGIN })
    const a = records(ORIGIN, 5, 5)
    ship(a, 1)
    receiver.adoptAll(() => assert.fail('given up'))
    begin({ common: a.end, recordSeq: 7 })
    clock.advance(50)
    assert.equal(receiver.following, 5)
    assert.equal(sink.bodies.length, 1, 'no more than was told to be safe')
    receiver.told(2)
    clock.advance(50)
    assert.equal(sink.bodies.length, 2)
  })

  it('builds its state anew where it had gone beyond the common position', () => {
    const { begin, clock, journal, receiver, ship, sink } = setUp({}, 5)
    receiver.adoptAll(() => {})
    clock.advance(5)
    assert.equal(sink.bodies.length, 5)
    begin({ common: journal.positionOf(3) as Position })
    const more = records(journal.last, 5, 2)
    ship(more, 5)
    clock.advance(20)
    assert.deepEqual(sink.bodies.slice(0, 3), ['own 0', 'own 1', 'own 2'])
    assert.deepEqual([sink.bodies.length, sink.bodies[3]?.slice(0, 4)], [5, 'r1r1'])
  })

  it('rebuilds after a reign that left records which never became safe', () => {
    const { begin, clock, journal, receiver, sink } = setUp({}, 5)
    receiver.adoptAll(() => {})
    clock.advance(5)
    receiver.afterReign({ committed: 4, pending: true })
    assert.equal(receiver.applied, -1)
    begin({ common: journal.last })
    receiver.told(5)
    clock.advance(20)
    assert.deepEqual([receiver.applied, sink.bodies.length], [5, 5])
  })
})

describe('receiver: snapshots', () => {
  const chunks = [Buffer.from('["a","b",'), Buffer.from('"c","d","e","f"]')]
  const bytes = chunks.reduce((sum, chunk) => sum + chunk.length, 0)
  const position = { epoch: 5, sequence: 6, digest: 77 }
  const epochs = [{ epoch: 5, sequence: 1 }]
  const crc = 0x7d7a0d1c

  const started = () => {
    const rig = setUp({}, 5)
    rig.begin({ how: 'snapshot', common: position, epochs, bytes })
    return rig
  }
  const feed = ({ receiver, clock }: ReturnType<typeof setUp>, pieces = chunks) => {
    for (const piece of pieces) receiver.receive({ name: 'SNAPSHOT_CHUNK', epoch: 5, bytes: piece })
    clock.advance(5)
  }
  const end = ({ receiver, clock }: ReturnType<typeof setUp>, sum: number) => {
    receiver.receive({ name: 'SNAPSHOT_END', epoch: 5, position, bytes, crc: sum })
    clock.advance(5)
  }

  it('replaces journal and state, dirty all the while, and goes on with records', async () => {
    const { crc32 } = await import('node:zlib')
    const rig = started()
    assert.deepEqual(rig.trace, ['SYNC_READY dirty'])
    feed(rig)
    end(rig, crc32(Buffer.concat(chunks)))
    assert.deepEqual(rig.trace.slice(1, 3), ['SNAPSHOT_MORE dirty', 'SNAPSHOT_MORE dirty'])
    assert.deepEqual(rig.trace.slice(3), ['quarantine-0 dirty', 'CONFIRM dirty'])
    assert.deepEqual(rig.sink.bodies, ['a', 'b', 'c', 'd', 'e', 'f'])
    assert.deepEqual([rig.journal.start, rig.receiver.applied, rig.confirmed()], [position, 6, [6]])
    rig.ship(records(position, 5, 2), 8)
    rig.clock.advance(5)
    assert.deepEqual([rig.confirmed(), rig.sink.bodies.length], [[6, 8], 8])
  })

  it('refuses a snapshot that is not what was announced', () => {
    const wrong = started()
    feed(wrong)
    end(wrong, crc)
    assert.deepEqual(wrong.codes(), ['REPLICATION-SNAPSHOT'])
    const long = started()
    feed(long, [...chunks, Buffer.from('x')])
    assert.deepEqual(long.codes(), ['REPLICATION-SNAPSHOT'])
    const garbage = started()
    feed(garbage, [Buffer.alloc(bytes, '[')])
    assert.equal(garbage.codes().length, 0)
    assert.deepEqual([garbage.store.dirty, garbage.receiver.applied], [true, -1])
  })

  it('stays dirty where it broke off, and then cannot take over', () => {
    const rig = started()
    feed(rig, chunks.slice(0, 1))
    rig.receiver.stop()
    assert.deepEqual([rig.store.dirty, rig.receiver.applied], [true, -1])
    assert.throws(() => rig.receiver.adoptAll(() => {}), { code: 'REPLICATION-NOT-WHOLE' })
    rig.receiver.receive({ name: 'JOINED', epoch: 5, recordSeq: 9 })
    assert.equal(rig.store.dirty, true)
  })
})
