// What the LockFile says of a store, who begins, whether a promise binds: the pure judgements that the observation's words
// are made of, each with what must not pass.

import assert from 'node:assert/strict'
import { leaseHeld, precedence, quiet, recordWord, relationTo, type Self } from '../../src/ha/judge.ts'
import type { KeeperNews } from '../../src/ha/keeper-link.ts'
import type { RegisterRecord } from '../../src/ha/record.ts'
import type { RoleState } from '../../src/replication/frames.ts'

const self: Self = {
  label: 'secondary',
  storeId: 's2',
  pairId: 'pair',
  known: 5,
  whole: true,
  position: { epoch: 3, sequence: 40, digest: 7 },
}
const record: RegisterRecord = {
  pairId: 'pair',
  seq: 5,
  id: 'r5',
  epoch: 3,
  holder: 'primary',
  inSync: [
    { server: 'primary', store: 's1' },
    { server: 'secondary', store: 's2' },
  ],
  reason: 'join',
  note: '',
  position: { epoch: 3, sequence: 30, digest: 6 },
  wallMs: 0,
}
const alone = [{ server: 'secondary', store: 's2' }] as const
const theirs = [{ server: 'primary', store: 's1' }] as const
const peer: RoleState = {
  role: 'WAITING',
  previous: 'WAITING',
  epoch: 0,
  lock: false,
  share: true,
  recordSeq: 5,
  whole: true,
  position: self.position,
}

describe('what the LockFile says of a store', () => {
  const cases: readonly [string, Partial<RegisterRecord>, Partial<Self>, string, string][] = [
    ['lists both', {}, {}, 'both', 'both'],
    ['lists it alone', { inSync: alone }, {}, 'self', 'self'],
    ['lists the peer alone', { inSync: theirs }, {}, 'peer', 'peer'],
    ['lists another disk under its label', {}, { storeId: 's9' }, 'peer', 'peer'],
    ['lists its disk under the other label', { inSync: [{ server: 'primary', store: 's2' }] }, {}, 'peer', 'peer'],
    ['is newer than what it knows', { seq: 6 }, {}, 'both', 'both'],
    ['is older than what it knows', { seq: 4 }, {}, 'behind', 'unknown'],
    ['is of another pair', { pairId: 'other' }, {}, 'foreign', 'unknown'],
    ['is there before the store belongs to a pair', {}, { pairId: '', known: 0 }, 'both', 'both'],
    [
      'names a position that it does not have',
      { position: { epoch: 3, sequence: 41, digest: 8 } },
      {},
      'short',
      'peer',
    ],
    ['names a position of a later epoch', { position: { epoch: 4, sequence: 40, digest: 8 } }, {}, 'short', 'peer'],
  ]
  for (const [what, r, s, relation, word] of cases)
    it(`${what}: ${relation}`, () => {
      const found = relationTo({ record: { ...record, ...r }, recordKnown: true }, { ...self, ...s })
      assert.equal(found, relation)
      assert.equal(recordWord(found), word)
    })

  it('says nothing where it was not read, and is behind where it is empty and once was not', () => {
    assert.equal(relationTo({ record: null, recordKnown: false }, self), 'unknown')
    assert.equal(relationTo({ record: null, recordKnown: true }, self), 'behind')
    assert.equal(relationTo({ record: null, recordKnown: true }, { ...self, known: 0 }), 'empty')
  })
})

describe('which of two waiting servers begins', () => {
  const later = { epoch: 3, sequence: 41, digest: 9 }
  const cases: readonly [string, Partial<Self>, Parameters<typeof precedence>[1], Partial<RoleState>, string][] = [
    ['the one solely listed, whatever its position', {}, 'self', { position: later }, 'self'],
    ['not the one that is not listed, whatever its position', { position: later }, 'peer', {}, 'peer'],
    ['not a store that is shorter than the record', { position: later }, 'short', {}, 'peer'],
    ['the later position', { position: later }, 'both', {}, 'self'],
    ['the whole copy before the later position', { position: later, whole: false }, 'both', {}, 'peer'],
    ['the primary where all is equal', { label: 'primary' }, 'empty', {}, 'self'],
    ['not the secondary where all is equal', {}, 'empty', {}, 'peer'],
  ]
  for (const [what, s, relation, p, who] of cases)
    it(what, () => assert.equal(precedence({ ...self, ...s }, relation, { ...peer, ...p }), who))
})

describe('whether somebody may lean on our promise', () => {
  const promise = { until: 1000, releasedEpoch: 0 }
  it('until its time is over', () => {
    assert.equal(quiet(999, promise, record, 'secondary'), false)
    assert.equal(quiet(1000, promise, record, 'secondary'), true)
    assert.equal(quiet(999, promise, null, 'secondary'), false)
  })
  it('not after the mark or goodbye of this very reign, but of a former one it says nothing', () => {
    assert.equal(quiet(0, { ...promise, releasedEpoch: 3 }, record, 'secondary'), true)
    assert.equal(quiet(0, { ...promise, releasedEpoch: 2 }, record, 'secondary'), false)
  })
  it('not where the newest reign is our own', () => assert.equal(quiet(0, promise, record, 'primary'), true))
})

describe('the lease as the rules see it', () => {
  const news = { held: true, deadline: 3000, renewedAt: 1000, renewedWall: 50_000 } as KeeperNews
  it('is held until its deadline', () => {
    assert.equal(leaseHeld(news, 2999, 51_999, 250), true)
    assert.equal(leaseHeld(news, 3000, 52_000, 250), false)
    assert.equal(leaseHeld({ ...news, held: false }, 2000, 51_000, 250), false)
    assert.equal(leaseHeld(null, 2000, 51_000, 250), false)
  })
  it('is over where the machine has slept since the renewal', () => {
    assert.equal(leaseHeld(news, 2000, 51_250, 250), true)
    assert.equal(leaseHeld(news, 2000, 51_251, 250), false)
  })
})
