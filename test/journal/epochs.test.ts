// Epochs only grow, also within the records of a peer and from one of them to the next.

import assert from 'node:assert/strict'
import { ORIGIN } from '../../src/journal/position.ts'
import { encodeRecord, RECORD_HEADER_BYTES, RecordWalk, viewOf } from '../../src/journal/record.ts'
import { Book, codeOf, KIND, memoryDisk, NOTHING, Run } from './world.ts'

const BODY = Buffer.from('body')
const SPAN = RECORD_HEADER_BYTES + BODY.length

/** Records of these epochs, sound in every other way. */
function records(first: number, epochs: readonly number[]): Buffer {
  const bytes = Buffer.alloc(epochs.length * SPAN)
  const view = viewOf(bytes)
  epochs.forEach((epoch, n) => encodeRecord(bytes, view, n * SPAN, first + n, KIND, epoch, NOTHING, BODY))
  return bytes
}

describe('journal: epochs', () => {
  it('never fall from one record to the next', () => {
    const bytes = records(1, [3, 3, 5, 4])
    const walk = new RecordWalk(bytes, 0, bytes.length, ORIGIN)
    while (walk.step(true));
    assert.equal(walk.sequence, 3)
    assert.match(walk.fault ?? '', /epoch falls from 5 to 4/)
  })

  it('of a peer’s records are refused whole where one is below what is here, or below one that was begun here', () => {
    const { turns, disk } = memoryDisk()
    const { journal } = new Run(turns, disk, new Book())
    journal.appendBatch(records(1, [3, 3]), () => {})
    const take = (epochs: readonly number[]) => codeOf(() => journal.appendBatch(records(3, epochs), () => {}))
    assert.equal(take([2]), 'JOURNAL-BATCH')
    assert.equal(take([4, 3]), 'JOURNAL-BATCH')
    assert.equal(journal.last.sequence, 2)
    journal.beginEpoch(7)
    assert.equal(take([6]), 'JOURNAL-BATCH')
    journal.appendBatch(records(3, [7]), () => {})
    assert.deepEqual([journal.last.sequence, journal.last.epoch], [3, 7])
  })
})
