// The exploration within short bounds: nothing is broken, every way heals, and every guard that is taken out is missed.
// `npm run explore` goes much further.

import assert from 'node:assert/strict'
import { Rows } from '../../src/simulation/explore/decide.ts'
import { choices, Events } from '../../src/simulation/explore/events.ts'
import { explorations, mutants } from '../../src/simulation/explore/explorations.ts'
import { startOf, STARTS } from '../../src/simulation/explore/healing.ts'
import { copyOf } from '../../src/simulation/explore/model.ts'
import { run } from '../../src/simulation/explore/run.ts'
import { Worlds } from '../../src/simulation/explore/search.ts'

const noTime = () => 0
const SHORT = { states: 1500, healed: 150 }
/** Far enough for the story of clients who waited for a peer that had dropped out while it was being listed. */
const LONGER = { states: 8000, healed: 150 }
/** Those whose stories are long are left to `npm run explore`. */
const LONG = 20_000

describe('exploration', function () {
  this.timeout(60_000)

  for (const exploration of explorations)
    it(`finds nothing wrong: ${exploration.name}, from ${exploration.from}`, () => {
      const { explored, story } = run(exploration, exploration.from === 'joining' ? LONGER : SHORT, noTime)
      assert.equal(story.join('\n'), '')
      assert.ok(explored.states > 1000, `${explored.states} states`)
    })

  for (const mutant of mutants.filter(({ states }) => states <= LONG))
    it(`finds what is wrong without the guard "${mutant.without}"`, () => {
      const { story, explored } = run(mutant.exploration, { states: mutant.states, healed: 2000 }, noTime, mutant)
      assert.ok(story.length > 3, `nothing found in ${explored.states} states`)
    })

  it('begins where it says, and the same event in the same state leads to the same state', () => {
    for (const start of STARTS) {
      const bounds = { ...explorations[1]!.bounds, clocks: 'none' } as const
      const world = startOf(start, bounds)
      const worlds = new Worlds(1000)
      const events = new Events(bounds, null, new Rows())
      const next = choices(world, bounds)
      assert.ok(next.length > 0)
      const before = worlds.add(copyOf(world))
      const once = next.map(choice => worlds.add(events.after(world, choice)!.world))
      const again = next.toReversed().map(choice => worlds.add(events.after(world, choice)!.world))
      assert.deepEqual(again.toReversed(), once)
      assert.equal(worlds.add(world), before, 'a state is not changed by what follows from it')
    }
  })
})
