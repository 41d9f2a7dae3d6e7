// A receiver with everything around it in memory; the test plays the active server by hand.

import assert from 'node:assert/strict'

import type { Position } from '../../src/journal/position.ts'
import { encodeRecord, RECORD_HEADER_BYTES, RecordWalk, viewOf } from '../../src/journal/record.ts'
import type { Frame, FrameFields } from '../../src/replication/frames.ts'
import { JournalTaps } from '../../src/replication/journal-taps.ts'
import { DEFAULT_LIMITS } from '../../src/replication/limits.ts'
import type { ReplicationLimits } from '../../src/replication/limits.ts'
import { Receiver } from '../../src/replication/receiver.ts'
import { StoreState } from '../../src/replication/store-state.ts'
import { seededChance } from './chance.ts'
import { FakeImage, FakeJournal } from './fake-journal.ts'
import { ListSink, smallDisk } from './list-sink.ts'
import { VirtualClock } from './virtual-clock.ts'

export const none = new Uint8Array(0)

/** Encoded records after a position, and the position of the last. */
export const records = (after: Position, epoch: number, count: number, size = 20, fill = 'r') => {
  const pieces: Buffer[] = []
  for (let n = 1; n <= count; n += 1) {
    const piece = Buffer.alloc(RECORD_HEADER_BYTES + size)
    encodeRecord(piece, viewOf(piece), 0, after.sequence + n, 16, epoch, none, Buffer.alloc(size, `${fill}${n}`))
    pieces.push(piece)
  }
  const bytes = Buffer.concat(pieces)
  const walk = new RecordWalk(bytes, 0, bytes.length, after)
  while (walk.step(true));
  assert.equal(walk.fault, null)
  return { bytes, first: after.sequence + 1, end: walk.position() }
}

/** A receiver of one secondary server, and everything that it is told and says. */
export const setUp = (change: Partial<ReplicationLimits> = {}, own = 0) => {
  const clock = new VirtualClock()
  const journal = new FakeJournal(clock.host, new FakeImage())
  journal.beginEpoch(2)
  for (let n = 0; n < own; n += 1) journal.append(16, none, Buffer.from(`own ${n}`))
  clock.advance(5)
  const store = new StoreState(smallDisk(), seededChance('s'), 'secondary')
  store.belongTo('pair')
  store.knew(4)
  const sink = new ListSink(
    () => {},
    () => {},
  )
  const sent: Frame[] = []
  const faults: Error[] = []
  const trace: string[] = []
  const given = { listed: false }
  const receiver = new Receiver({
    taps: new JournalTaps(journal),
    sink,
    send: frame => {
      sent.push(frame)
      trace.push(`${frame.name} ${store.dirty ? 'dirty' : 'whole'}`)
    },
    clock: clock.host,
    limits: { ...DEFAULT_LIMITS, ...change },
    store,
    listed: () => given.listed,
    onFollowing: () => {},
    onQuarantined: name => void trace.push(`${name} ${store.dirty ? 'dirty' : 'whole'}`),
    onJoined: seq => void trace.push(`joined ${seq} mk ${store.mk}`),
    onFailed: error => void faults.push(error),
  })
  const begin = (part: Partial<FrameFields['SYNC_BEGIN']> = {}) => {
    const tail = { how: 'tail' as const, common: journal.last, epochs: [], bytes: 0 }
    receiver.receive({ name: 'SYNC_BEGIN', epoch: 5, recordSeq: 6, pairId: 'pair', ...tail, ...part })
  }
  const ship = ({ bytes, first }: { bytes: Uint8Array; first: number }, committed = 0, epoch = 5) =>
    void receiver.receive({ name: 'RECORDS', epoch, first, committed, bytes })
  const codes = () => faults.map(fault => (fault as Error & { code: string }).code)
  const confirmed = () => sent.flatMap(frame => (frame.name === 'CONFIRM' ? [frame.position.sequence] : []))
  return { begin, clock, codes, confirmed, given, journal, receiver, sent, ship, sink, store, trace }
}
