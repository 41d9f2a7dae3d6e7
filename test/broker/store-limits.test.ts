// What all queues together may hold, and what of it in memory: each limit by itself, to the byte.

import assert from 'node:assert/strict'
import { storeFault } from '../../src/broker/intake.ts'
import { limits as usual } from './ground.ts'

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
