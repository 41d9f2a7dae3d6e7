// Random histories of a pair of brokers against a model that is too simple to be wrong (model.ts).

import fc from 'fast-check'
import assert from 'node:assert/strict'
import { TransactionalPair } from './model-transactions.ts'
import { type How, noStats } from './model-taker.ts'

type Step = (pair: TransactionalPair) => void

/** Something that may happen, how often, and with which chosen values. */
const may = <T>(weight: number, chosen: fc.Arbitrary<T>, act: (pair: TransactionalPair, chosen: T) => void) => ({
  weight,
  arbitrary: chosen.map(
    (values): Step =>
      pair =>
        act(pair, values),
  ),
})

const at = fc.nat(5)
const some = fc.nat(12)
const seldom = fc.nat(4).map(n => n === 0)
const nothing = fc.constant(null)
const how = fc.constantFrom<How[]>('all', 'all', 'all', 'all', 'all', 0, 1, 2, 'browse', 'browse 1')
const outcome = fc.constantFrom('accepted', 'accepted', 'rejected', 'released', 'modified')

// prettier-ignore
const step: fc.Arbitrary<Step> = fc.oneof(
  may(12, fc.tuple(at, fc.integer({ min: 8, max: 200 }), fc.boolean()), (pair, [queue, bytes, silent]) => pair.publish(queue, bytes, silent)),
  may(3, fc.tuple(at, how), (pair, [queue, how]) => pair.subscribe(queue, how)),
  may(6, fc.tuple(at, some, seldom), (pair, [taker, credit, drain]) => pair.credit(taker, credit, drain)),
  may(10, fc.tuple(at, fc.nat(20), outcome, seldom), (pair, [taker, which, what, here]) => pair.settle(taker, which, what, here)),
  may(1, fc.tuple(at, fc.boolean()), (pair, [taker, failed]) => pair.close(taker, failed)),
  may(8, nothing, pair => pair.flow()),
  may(5, nothing, pair => pair.turn()),
  may(6, some, (pair, operations) => pair.disk(operations)),
  may(5, some, (pair, records) => pair.ship(records)),
  may(3, some, (pair, records) => pair.follow(records)),
  may(5, some, (pair, records) => pair.commit(records)),
  may(2, fc.boolean(), (pair, proof) => pair.proof(proof)),
  may(1, fc.boolean(), (pair, crowded) => pair.crowd(crowded)),
  may(1, fc.constantFrom('whole', 'cut', 'replay', 'snapshot'), (pair, how) => pair.failover(how)),
  may(1, nothing, pair => pair.resume()),
  may(1, nothing, pair => pair.check()),
  may(3, nothing, pair => pair.begin()),
  may(6, fc.tuple(at, at, fc.integer({ min: 8, max: 90 })), (pair, [transaction, queue, bytes]) => pair.sendIn(transaction, queue, bytes)),
  may(6, fc.tuple(at, at, some, outcome, seldom), (pair, [transaction, taker, which, what, here]) => pair.settleIn(transaction, taker, which, what, here)),
  may(3, at, (pair, transaction) => pair.commitIn(transaction)),
  may(1, at, (pair, transaction) => pair.rollbackIn(transaction)),
)

/** What happens seldom: at least so often. */
const FEW: Record<string, number> = { wholeGroups: 200, refusedCommits: 200, lostGroups: 10 }

describe('a pair of brokers under random work and failovers', function () {
  this.timeout(300_000) // eight seconds of CPU; a busy machine gives them when it can
  it('loses nothing acknowledged, repeats nothing settled, keeps order, limits and one state', () => {
    const total: Record<string, number> = noStats()
    fc.assert(
      fc.property(fc.array(step, { minLength: 60, maxLength: 300, size: 'max' }), steps => {
        const pair = new TransactionalPair()
        for (const one of steps) one(pair)
        pair.heal()
        for (const [what, count] of Object.entries({ ...pair.stats, ...pair.counts })) {
          total[what] = (total[what] ?? 0) + count
        }
      }),
      { seed: 20240611, numRuns: 1000 },
    )
    // The work must reach what it is meant to try.
    for (const [what, count] of Object.entries(total)) assert.ok(count > (FEW[what] ?? 300), `${what}: ${count}`)
  })
})
