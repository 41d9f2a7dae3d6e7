// What a keeper need not tell again: news that says the same, field by field.

import assert from 'node:assert/strict'
import { sameNews, type KeeperNews } from '../../src/ha/keeper-link.ts'
import type { RegisterRecord } from '../../src/ha/record.ts'

const record = { seq: 3, id: 'a' } as RegisterRecord
const news: KeeperNews = {
  type: 'news',
  held: true,
  deadline: 100,
  renewedAt: 50,
  renewedWall: 1000,
  record,
  recordKnown: true,
  releasedEpoch: 2,
  foreignToken: '',
  foreignSince: -1,
  token: 't',
  fault: { code: 'A', line: 'A: b' },
}
/** The compiler keeps it complete. */
const others: { readonly [Field in Exclude<keyof KeeperNews, 'type'>]: readonly KeeperNews[Field][] } = {
  held: [false],
  deadline: [101],
  renewedAt: [51],
  renewedWall: [1001],
  record: [null, { ...record, seq: 4 }, { ...record, id: 'b' }],
  recordKnown: [false],
  releasedEpoch: [3],
  foreignToken: ['x'],
  foreignSince: [5],
  token: [''],
  fault: [null, { code: 'B', line: 'A: b' }, { code: 'A', line: 'A: c' }],
}

describe('news of a keeper', () => {
  it('is the same where every field says the same, though the objects are others', () => {
    assert.ok(sameNews(news, structuredClone(news)))
  })

  for (const [field, values] of Object.entries(others))
    it(`is other news with another ${field}`, () => {
      for (const value of values as readonly unknown[]) {
        assert.ok(!sameNews(news, { ...news, [field]: value }))
        assert.ok(!sameNews({ ...news, [field]: value } as KeeperNews, news))
      }
    })
})
