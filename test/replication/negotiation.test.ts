// Where two journals part, against brute force over random histories of a pair.

import assert from 'node:assert/strict'

import fc from 'fast-check'

import { findCommon } from '../../src/replication/negotiation.ts'
import type { JournalOutline } from '../../src/replication/negotiation.ts'

/** A journal as the list of its records' epochs; a record is known by its epoch and place. */
type Records = number[]

const outline = (records: Records, start: number): JournalOutline => ({
  epochs: records.flatMap((epoch, n) => (epoch === records[n - 1] ? [] : [{ epoch, sequence: n + 1 }])),
  start,
  last: records.length,
})

const common = (a: Records, b: Records): number => {
  let n = 0
  while (n < a.length && a[n] === b[n]) n += 1
  return n
}

/** One holder per epoch writes on top of what it has; the other sometimes follows it (cut back and copied, in part). */
const history = fc
  .array(
    fc.record({
      holder: fc.boolean(),
      writes: fc.integer({ min: 1, max: 4 }),
      follows: fc.integer({ min: -1, max: 4 }),
    }),
    { maxLength: 12 },
  )
  .map(reigns => {
    const journals: [Records, Records] = [[], []]
    reigns.forEach(({ holder, writes, follows }, n) => {
      const mine = journals[holder ? 1 : 0]
      const other = journals[holder ? 0 : 1]
      for (let k = 0; k < writes; k += 1) mine.push(n + 1)
      if (follows < 0) return
      const from = common(mine, other)
      other.splice(from, Infinity, ...mine.slice(from, from + follows))
    })
    return journals
  })

describe('negotiation', () => {
  it('finds the last record that both have, whatever the histories', () => {
    fc.assert(
      fc.property(history, ([a, b]) => {
        assert.deepEqual(findCommon(outline(a, 0), outline(b, 0)), { how: 'tail', sequence: common(a, b) })
      }),
      { numRuns: 2000 },
    )
  })

  it('asks for a snapshot where either side no longer has the records after that', () => {
    fc.assert(
      fc.property(history, fc.nat(20), fc.nat(20), ([a, b], startA, startB) => {
        const starts = [Math.min(startA, a.length), Math.min(startB, b.length)] as const
        const sequence = common(a, b)
        const readable = sequence >= starts[0] && sequence >= starts[1]
        const plan = findCommon(outline(a, starts[0]), outline(b, starts[1]))
        assert.deepEqual(plan, readable ? { how: 'tail', sequence } : { how: 'snapshot' })
      }),
      { numRuns: 2000 },
    )
  })
})
