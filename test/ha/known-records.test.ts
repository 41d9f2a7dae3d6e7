// What the peer has told of the LockFile counts where the share has forgotten it: a server that slept through a takeover
// wakes beside a share that went back, hears of the later reign, and must not write its record into the gap.

import assert from 'node:assert/strict'
import { World } from '../../src/simulation/world.ts'

const UP_MS = 8000
const ASLEEP_MS = 8000

describe('a share that went back while a server slept', function () {
  this.timeout(60_000)

  for (const seed of ['slept 1', 'slept 2', 'slept 3', 'slept 4'])
    it(`has no record of that server where its peer knew one (${seed})`, () => {
      const world = new World(seed, true)
      const { timeline, machines } = world
      const run = (ms: number): void => timeline.run(timeline.now + ms, () => world.failure !== null)
      const roles = (): string => machines.map(({ server }) => server?.conductor.role).join('/')
      world.start()
      run(UP_MS)
      const active = machines.find(({ server }) => server?.conductor.role === 'ACTIVE')
      const passive = machines.find(({ server }) => server?.conductor.role === 'PASSIVE')
      assert.ok(active && passive, roles())
      const before = world.newestThere()?.seq ?? 0
      active.sleep()
      run(ASLEEP_MS)
      assert.equal(passive.server?.conductor.role, 'STANDALONE')
      const known = passive.server.store.mk
      assert.ok(known > before)
      active.wake()
      world.rollBack(ASLEEP_MS)
      assert.equal(world.newestThere()?.seq, before)
      for (let n = 0; n < 4000 && world.failure === null; n++) {
        run(1)
        const record = world.newestThere()
        if ((record?.seq ?? 0) > before)
          assert.notEqual(record?.holder, active.label, world.lines.slice(-30).join('\n'))
      }
      assert.ifError(world.failure)
    })
})
