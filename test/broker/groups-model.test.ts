// Random histories of message groups: with transactions, priorities, exclusive consumers, consumers that leave, failed
// deliveries that wait, and failovers. What must hold is in groups-model.ts.

import fc from 'fast-check'
import assert from 'node:assert/strict'
import type { Outcome } from '../../src/broker/api.ts'
import { GroupHistory } from './groups-model.ts'

type Step = (history: GroupHistory) => void
const may = <T>(weight: number, chosen: fc.Arbitrary<T>, act: (history: GroupHistory, chosen: T) => void) => ({
  weight,
  arbitrary: chosen.map((values): Step => history => act(history, values)), // prettier-ignore
})
const at = fc.nat(5)
const some = fc.nat(9)
const seldom = fc.nat(4).map(n => n === 0)
const group = fc.constantFrom('a', 'a', 'b', 'c', '.')
const priority = fc.constantFrom(4, 4, 4, 4, 4, 1, 7)
const outcome = fc.constantFrom<Outcome[]>('accepted', 'accepted', 'rejected', 'released', 'modified', 'modified')

// prettier-ignore
const step: fc.Arbitrary<Step> = fc.oneof(
  may(12, fc.tuple(group, priority), (history, [of, its]) => history.publish(of, its)),
  may(3, seldom, (history, exclusive) => history.join(exclusive)),
  may(6, fc.tuple(at, some), (history, [taker, credit]) => history.credit(taker, credit)),
  may(10, fc.tuple(at, some, outcome), (history, [taker, which, what]) => history.settle(taker, which, what)),
  may(3, fc.tuple(at, fc.boolean()), (history, [taker, failed]) => history.leave(taker, failed)),
  may(2, fc.constant(null), history => history.begin()),
  may(3, fc.tuple(at, group, priority), (history, [which, of, its]) => history.sendIn(which, of, its)),
  may(8, fc.tuple(at, at, some, outcome), (history, [which, taker, message, what]) => history.settleIn(which, taker, message, what)),
  may(2, fc.tuple(at, fc.boolean()), (history, [which, commits]) => history.end(which, commits)),
  may(8, fc.constant(null), history => history.commit(Infinity)),
  may(4, some, (history, records) => history.commit(records)),
  may(6, fc.constant(null), history => history.work()),
  may(3, fc.constantFrom(10, 30, 50, 100), (history, ms) => history.pass(ms)),
  may(1, seldom, (history, crowded) => history.crowd(crowded)),
  may(1, fc.tuple(some, fc.boolean(), some), (history, [unsafe, isSame, credit]) => history.failOver(unsafe, isSame, credit)),
)

describe('message groups under random work, transactions and failovers', function () {
  this.timeout(120_000) // seconds of CPU; a busy machine gives them when it can
  const steps = fc.array(step, { minLength: 60, maxLength: 240, size: 'max' })

  it('keep their order, one consumer has one at a time, and all of it comes', () => {
    const total: Record<string, number> = {}
    const property = fc.property(fc.boolean(), fc.boolean(), steps, (delays, leaves, all) => {
      const history = new GroupHistory(delays, false)
      for (const one of all) one(history)
      history.heal(leaves)
      for (const [what, count] of Object.entries(history.counts)) total[what] = (total[what] ?? 0) + count
    })
    fc.assert(property, { seed: 20261201, numRuns: 600 })
    // The work must reach what it is meant to try.
    for (const [what, count] of Object.entries(total)) assert.ok(count > 200, `${what}: ${count}`)
  })

  it('end now and then, and all of it comes to who is there', () => {
    const property = fc.property(fc.boolean(), steps, (delays, all) => {
      const history = new GroupHistory(delays, true)
      for (const one of all) one(history)
      history.heal(false)
    })
    fc.assert(property, { seed: 20261201, numRuns: 300 })
  })
})
