// Two servers under writes, cuts of the channel, crashes, take-overs and snapshots in any order: whatever was acknowledged
// is on every server that the register lists, and the pair comes together again with equal journals and states.

import assert from 'node:assert/strict'

import fc from 'fast-check'

import type { ReplicationLimits } from '../../src/replication/limits.ts'
import { samePosition } from '../../src/journal/position.ts'
import { FakeJournals } from '../support/fake-journals.ts'
import { FileJournals, SMALL } from '../support/file-journals.ts'
import { PairWorld } from '../support/pair-world.ts'
import type { JournalSource } from '../support/pair-world.ts'

type Side = 'primary' | 'secondary'
type Act =
  | { readonly do: 'write'; readonly count: number; readonly size: number }
  | { readonly do: 'run'; readonly ms: number }
  | { readonly do: 'cut' | 'connect' | 'solo' | 'outgrow' }
  | { readonly do: 'crash' | 'restart' | 'take over' | 'snapshot' | 'step down'; readonly side: Side }

const side = fc.constantFrom<Side[]>('primary', 'secondary')
const act: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('write' as const),
      count: fc.integer({ min: 1, max: 30 }),
      size: fc.integer({ min: 0, max: 400 }),
    }),
  },
  { weight: 10, arbitrary: fc.record({ do: fc.constant('run' as const), ms: fc.integer({ min: 1, max: 30 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('cut' as const) }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('connect' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('outgrow' as const) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('solo' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('crash' as const), side }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('restart' as const), side }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('take over' as const), side }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('snapshot' as const), side }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('step down' as const), side }) },
)

const perform = (world: PairWorld, act: Act): void => {
  switch (act.do) {
    case 'write':
      for (let n = 0; n < act.count; n += 1) world.leader?.write(act.size)
      return
    case 'run':
      return world.run(act.ms)
    case 'cut':
      return world.breakPipe()
    case 'connect':
      return world.connect()
    case 'solo':
      return void (world.pipe === null && world.leader?.goSolo())
    case 'outgrow':
      // The leader goes on alone until its journal no longer reaches back to the other one.
      world.breakPipe()
      world.leader?.goSolo()
      for (let n = 0; n < 20; n += 1) world.leader?.write(300)
      world.run(15)
      return world.leader?.writeSnapshot()
    case 'crash':
      return world.crash(act.side)
    case 'restart':
      return world.restart(act.side)
    case 'take over':
      return void (world.up[act.side] && world.servers[act.side].takeOver())
    case 'snapshot':
      return void (world.up[act.side] && world.servers[act.side].writeSnapshot())
    case 'step down':
      return void (world.up[act.side] && world.servers[act.side].stepDown())
  }
}

const tight: Partial<ReplicationLimits> = {
  windowBytes: 4000,
  windowBatches: 8,
  chunkBytes: 1500,
  snapshotWindowBytes: 2500,
  unappliedBytes: 3000,
  commitRecords: 5,
  silenceMs: 400,
}

/** Both servers hold the same, and everything that was acknowledged. */
const checkEnd = (world: PairWorld): void => {
  const { primary, secondary } = world.servers
  assert(samePosition(primary.journal.last, secondary.journal.last), 'the journals agree at the end')
  assert.deepEqual(primary.sink.bodies, secondary.sink.bodies)
  assert.deepEqual(primary.sink.bodies, world.acked)
}

/** Plays one history on the journals given, heals, and judges. */
const play = (source: JournalSource, acts: readonly Act[], seen: Record<string, number>): void => {
  const world = new PairWorld(source, tight)
  let n = 0
  world.latency = () => (n++ * 7) % 5
  const count = (what: string, more = 1) => {
    seen[what] = (seen[what] ?? 0) + more
  }
  world.onSending = (_, frame) => {
    if (frame.name === 'SNAPSHOT_END') count('snapshots')
    if (frame.name === 'JOINED') count('joins')
  }
  world.servers.primary.takeOver()
  world.connect()
  world.run(30)
  for (const one of acts) {
    perform(world, one)
    world.check()
  }
  world.heal()
  checkEnd(world)
  count('acknowledged', world.acked.length)
  count('reigns', new Set(world.register.map(record => record.epoch)).size)
  for (const { journal } of Object.values(world.servers)) count('quarantines', journal.quarantines().length)
}

const histories = fc.array(act, { minLength: 5, maxLength: 60 })

/** A property says something only where all of this happened. */
const happened = (seen: Record<string, number>): void => {
  assert.deepEqual(Object.keys(seen).sort(), ['acknowledged', 'joins', 'quarantines', 'reigns', 'snapshots'])
  for (const [what, count] of Object.entries(seen)) assert(count > 3, `${what}: ${count}`)
}

describe('replication: two servers', () => {
  it('lose nothing acknowledged and come together again, whatever happens', () => {
    const seen = {}
    const property = fc.property(histories, fc.integer({ min: 0, max: 5 }), (acts, flushMs) => {
      const source = new FakeJournals()
      source.flushMs = () => flushMs
      source.batchBytes = 1000
      play(source, acts, seen)
    })
    fc.assert(property, { numRuns: 400 })
    happened(seen)
  })

  it('the same over the real journal, on disks that tear what was not flushed', () => {
    const seen = {}
    const property = fc.property(histories, fc.integer({ min: 0, max: 2 }), fc.nat(), (acts, operationMs, seed) => {
      let state = seed + 1
      const dice = () => {
        state = (Math.imul(state, 48271) >>> 0) % 0x7fffffff
        return state / 0x7fffffff
      }
      const source = new FileJournals(SMALL, dice)
      source.operationMs = operationMs
      play(source, acts, seen)
    })
    fc.assert(property, { numRuns: 200 })
    happened(seen)
  })
})
