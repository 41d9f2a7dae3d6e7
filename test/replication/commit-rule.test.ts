// The commit rule as a table, and the gate that acts on it.

import assert from 'node:assert/strict'

import type { CodedError } from '../../src/base/errors.ts'
import { CommitGate } from '../../src/replication/commit-gate.ts'
import { commitPoint, mayServe, noGrounds } from '../../src/replication/commit-rule.ts'
import type { ServingGrounds } from '../../src/replication/commit-rule.ts'
import { JournalTaps } from '../../src/replication/journal-taps.ts'
import { DEFAULT_LIMITS } from '../../src/replication/limits.ts'
import type { ReplicationLimits } from '../../src/replication/limits.ts'
import { FakeImage, FakeJournal } from '../support/fake-journal.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

describe('commit rule: the commit point', () => {
  // prettier-ignore
  const rows = [
    // mode       own peer committed  point
    ['frozen',    9,  9,   3,         3],
    ['alone',     9,  0,   3,         9],
    ['alone',     2,  0,   3,         3],
    ['joining',   9,  5,   3,         5],
    ['joining',   9,  2,   3,         3],
    ['both',      9,  5,   3,         5],
    ['both',      4,  7,   3,         4],
    ['both',      9,  2,   3,         3],
  ] as const
  for (const [mode, own, peer, committed, point] of rows) {
    it(`${mode}: own ${own}, peer ${peer}, committed ${committed} -> ${point}`, () => {
      assert.equal(commitPoint(mode, own, peer, committed), point)
    })
  }
})

describe('commit rule: the right to serve', () => {
  const WALL = 1_000_000
  const grounds = (change: Partial<ServingGrounds>): ServingGrounds => ({
    ...noGrounds(3000, 250),
    mode: 'alone',
    epoch: 7,
    leaseRenewedAt: 1000,
    leaseRenewedWall: WALL,
    promiseSentAt: 1000,
    promiseSentWall: WALL,
    ...change,
  })
  const lease = { leaseDeadline: 2000 }
  const promise = { promiseFollowing: 7 }
  // prettier-ignore
  const rows: [string, number, number, Partial<ServingGrounds>, boolean][] = [
    // what                                           now   wall ahead by
    ['lease ahead',                                   1500, 0,    lease, true],
    ['lease at its very end',                         1999, 0,    lease, true],
    ['lease over',                                    2000, 0,    lease, false],
    ['no lease',                                      1500, 0,    {}, false],
    ['frozen in spite of the lease',                  1500, 0,    { ...lease, mode: 'frozen' }, false],
    ['machine was suspended',                         1500, 251,  lease, false],
    ['wall clock runs ahead, within the margin',      1500, 250,  lease, true],
    ['wall clock was set back',                       1500, -9e5, lease, true],
    ['promise, in both',                              3749, 0,    { ...promise, mode: 'both' }, true],
    ['promise over: Q - M after the ping',            3750, 0,    { ...promise, mode: 'both' }, false],
    ['promise, but the LockFile lists one',           1500, 0,    promise, false],
    ['promise, but joining',                          1500, 0,    { ...promise, mode: 'joining' }, false],
    ['promise to another epoch',                      1500, 0,    { promiseFollowing: 6, mode: 'both' }, false],
    ['a peer that follows nobody promises nothing',   1500, 0,    { promiseFollowing: 0, epoch: 0, mode: 'both' }, false],
    ['promise, suspended since',                      1500, 251,  { ...promise, mode: 'both' }, false],
    ['lease lost, promise stands',                    2500, 0,    { ...lease, ...promise, mode: 'both' }, true],
  ]
  for (const [what, now, ahead, change, may] of rows) {
    it(`${what} -> ${may}`, () => assert.equal(mayServe(now, WALL + now - 1000 + ahead, grounds(change)), may))
  }
})

describe('commit gate', () => {
  const body = Buffer.alloc(100)
  const none = new Uint8Array(0)
  const setUp = (change: Partial<ReplicationLimits> = {}) => {
    const clock = new VirtualClock()
    const journal = new FakeJournal(clock.host, new FakeImage())
    const told: number[] = []
    const judged: number[] = []
    const hook = { onTold: () => {} }
    const grounds = { ...noGrounds(3000, 250), leaseDeadline: Infinity }
    grounds.leaseRenewedAt = clock.host.now()
    grounds.leaseRenewedWall = clock.host.wall()
    const gate = new CommitGate({
      taps: new JournalTaps(journal),
      sink: {
        committed: sequence => {
          told.push(sequence)
          hook.onTold()
        },
      },
      clock: clock.host,
      limits: { ...DEFAULT_LIMITS, ...change },
      grounds,
      onCommitted: (_, judgedAt) => judged.push(judgedAt),
    })
    const reign = () => {
      gate.beginReign(1, 0)
      journal.beginEpoch(1)
    }
    const code = (act: () => void): string => {
      try {
        act()
      } catch (error) {
        return (error as CodedError).code
      }
      return ''
    }
    return { clock, journal, told, judged, hook, grounds, gate, reign, code }
  }

  it('tells nothing while it may not serve at that moment, and goes on when poked', () => {
    const { clock, gate, grounds, reign, told } = setUp()
    reign()
    gate.setMode('alone')
    grounds.leaseDeadline = clock.now + 1
    gate.append(16, none, body)
    clock.advance(5)
    assert.deepEqual(told, [], 'flushed, but the lease is over')
    gate.poke()
    assert.deepEqual(told, [])
    grounds.leaseDeadline = clock.now + 100
    gate.poke()
    assert.deepEqual(told, [1])
  })

  it('says when it found that it might serve, not when it had acted: it may have been stopped in between', () => {
    const { clock, gate, hook, judged, reign } = setUp()
    reign()
    gate.setMode('alone')
    gate.append(16, none, body)
    hook.onTold = () => clock.advance(7500)
    const before = clock.now
    clock.advance(5)
    assert.ok(judged.length === 1 && judged[0]! <= before + 5, String(judged))
  })

  it('waits for the solo record: a lost follower alone changes nothing', () => {
    const { clock, gate, reign, told } = setUp()
    reign()
    gate.setMode('both')
    gate.append(16, none, body)
    gate.append(16, none, body)
    clock.advance(5)
    gate.peerConfirmed(1)
    assert.deepEqual(told, [1])
    gate.peerLost()
    clock.advance(5)
    assert.deepEqual(told, [1])
    gate.setMode('alone')
    assert.deepEqual(told, [1, 2])
  })

  it('takes nothing of a former follower for a confirmation of the next', () => {
    const { clock, gate, reign, told } = setUp()
    reign()
    gate.setMode('joining')
    gate.peerConfirmed(9)
    gate.peerLost()
    gate.append(16, none, body)
    clock.advance(5)
    assert.deepEqual(told, [])
  })

  it('asks the lease again between portions, and never works long in one turn', () => {
    const { clock, gate, grounds, reign, told } = setUp({ commitRecords: 10 })
    reign()
    for (let n = 0; n < 25; n += 1) gate.append(16, none, body)
    clock.advance(5)
    gate.setMode('alone')
    assert.deepEqual(told, [10])
    grounds.leaseDeadline = -1
    clock.advance(5)
    assert.deepEqual(told, [10])
    grounds.leaseDeadline = Infinity
    gate.poke()
    clock.advance(5)
    assert.deepEqual(told, [10, 20, 25])
  })

  it('refuses at the bound of uncommitted bytes, and takes again when they are safe', () => {
    const { clock, code, gate, reign } = setUp({ uncommittedBytes: 1000 })
    assert.equal(
      code(() => gate.append(16, none, body)),
      'REPLICATION-NOT-ACTIVE',
    )
    reign()
    let taken = 0
    for (; gate.room; taken += 1) gate.append(16, none, body)
    assert(taken > 5 && taken < 12)
    assert.equal(
      code(() => gate.append(16, none, body)),
      'REPLICATION-BACKLOG',
    )
    clock.advance(5)
    assert(!gate.room, 'flushed is not safe')
    gate.setMode('alone')
    assert(gate.room && gate.uncommittedBytes === 0)
    const end = gate.endReign()
    assert.deepEqual(end, { committed: taken, pending: false })
    assert.equal(
      code(() => gate.append(16, none, body)),
      'REPLICATION-NOT-ACTIVE',
    )
  })

  it('does not lose a commit that becomes due while the sink is told of another', () => {
    const { clock, gate, hook, reign, told } = setUp()
    reign()
    gate.setMode('both')
    gate.append(16, none, body)
    clock.advance(5)
    hook.onTold = () => gate.peerConfirmed(2)
    gate.append(16, none, body)
    clock.advance(5)
    gate.peerConfirmed(1)
    assert.deepEqual(told, [1, 2])
  })
})
