// The simulation as part of the tests: seeds that failed once, some fresh ones, and that a seed means one history.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { faultsOf, run } from '../../src/simulation/run.ts'
import { shrink } from '../../src/simulation/shrink.ts'
import { story } from '../../src/simulation/story.ts'
import { failedSeeds } from './failed-seeds.ts'

/** CPU time, so that a busy machine runs fewer seeds and does not take longer. */
const FRESH_MS = 12_000

const mustHold = (seed: string, plain = false): void => {
  const verdict = run(seed, { plain })
  if (verdict.violation === null) return
  const { faults } = shrink(verdict, { plain })
  assert.fail(story(run(seed, { tells: true, faults, plain })).join('\n'))
}

describe('the simulation', function () {
  this.timeout(180_000)

  it('means one history by one seed, and another by another', () => {
    const [first, again, other] = [run('one'), run('one'), run('two')]
    assert.equal(first.hash, again.hash)
    assert.equal(first.events, again.events)
    assert.notEqual(first.hash, other.hash)
    assert.ok(first.events > 1000 && (first.counts['acknowledged'] ?? 0) > 0)
  })

  it('leaves the rest of a run as it is when a trace is kept or a fault left out', () => {
    const { faults } = faultsOf('three')
    assert.equal(run('three').hash, run('three', { tells: true }).hash)
    assert.equal(run('three', { faults }).hash, run('three').hash)
    assert.equal(run('three', { faults: [] }).setting, run('three').setting)
  })

  it('sends messages of every kind where it does not send plain ones only', () => {
    const { counts } = run('errands 7', { faults: [] })
    for (const kind of ['sent', 'early', 'moved', 'dead', 'groups'])
      assert.ok((counts[`errands ${kind}`] ?? 0) > 0, kind)
    assert.equal(run('errands 7', { faults: [], plain: true }).counts['errands sent'], 0)
  })

  it('brings a pair up, serves and comes to rest without any fault', () => {
    for (const seed of ['calm 1', 'calm 2', 'calm 3']) {
      const verdict = run(seed, { faults: [] })
      assert.equal(verdict.violation, null)
      assert.equal(verdict.counts['starts'], 2)
      assert.equal(verdict.counts['records'], 2)
    }
  })

  for (const [seed, found] of failedSeeds)
    it(`seed ${seed}: ${found}`, () => {
      mustHold(seed)
      // As it was when it failed: before there were other messages than plain ones.
      mustHold(seed, true)
    })

  it('holds every promise on fresh seeds', () => {
    const base = randomBytes(4).toString('hex')
    const { user } = process.cpuUsage()
    const begun = performance.now()
    for (let n = 1; n < 1000; n++) {
      mustHold(`${base}-${n}`)
      if (process.cpuUsage().user - user > FRESH_MS * 1000 || performance.now() - begun > 3 * FRESH_MS) break
    }
  })
})
