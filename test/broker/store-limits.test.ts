// What all queues together may hold, and what of it in memory: each limit by itself, to the byte.

import assert from 'node:assert/strict'
import { storeFault } from '../../src/broker/intake.ts'
import { DEFAULT_ENVELOPE, type Refusal } from '../../src/broker/api.ts'
import { Bench, limits as usual } from './ground.ts'

const limits = { ...usual, storeBytes: 1000, memoryBytes: 100 }

describe('what all queues together may hold', () => {
  it('ends at the limit of all, whatever of it is in memory', () => {
    assert.equal(storeFault({ limits, heldBytes: 990, residentBytes: 0 }, 10), null)
    assert.match(storeFault({ limits, heldBytes: 990, residentBytes: 0 }, 11) ?? '', /1000 bytes/)
  })

  it('ends at the limit of memory, however much room there is on disk', () => {
    assert.equal(storeFault({ limits, heldBytes: 500, residentBytes: 90 }, 10), null)
    assert.match(storeFault({ limits, heldBytes: 500, residentBytes: 90 }, 11) ?? '', /in memory .* 100 bytes/)
  })
})

describe('the head of a record', () => {
  it('is bounded, whatever the length of a topic’s name: the journal would not take it', () => {
    const bench = new Bench().serve()
    const topic = 'ü'.repeat(40_000)
    const told: (string | null)[] = []
    const producer = { published: (_: number, refusal: Refusal | null) => void told.push(refusal?.refused ?? null) }
    bench.target(`topic://${topic}`).publish(Buffer.from('a'), producer, 0, { ...DEFAULT_ENVELOPE, duplicateId: 'x' })
    bench.settle()
    assert.deepEqual(told, ['too-large'])
    assert.ok(bench.log.records.every(({ body }) => body.length < 64 * 1024))
  })
})
