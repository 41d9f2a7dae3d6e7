// Who is let in: by password, certificate or name, and what a guesser can not do; and the book of accounts behind it.

import assert from 'node:assert/strict'
import { scryptSync } from 'node:crypto'
import {
  type Account,
  readAccount,
  readScrypt,
  type ScryptHash,
  writeAccount,
  writeScrypt,
} from '../../src/access/accounts.ts'
import type { AuditEntry } from '../../src/access/audit.ts'
import {
  ACCOUNT_PREFIX,
  Book,
  GRANT_PREFIX,
  readGrants,
  type SettingsView,
  subjectFault,
} from '../../src/access/book.ts'
import { Door, type DoorParts } from '../../src/access/door.ts'
import { scramKeys } from '../../src/access/scram.ts'
import type { Guest, Visitor } from '../../src/broker/access.ts'
import type { Broker } from '../../src/broker/api.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

const local: Visitor = { remote: '127.0.0.1:1', local: true, certified: null }
const far: Visitor = { remote: '192.0.2.1:2', local: false, certified: null }
const SALT = Buffer.alloc(16, 7)

const account = (name: string, password: string, groups: readonly string[] = []): Account => {
  const how = { cost: 16, blockSize: 1, parallelism: 1, salt: SALT, hash: Buffer.alloc(32) }
  return { name, groups, password: writeScrypt({ ...how, hash: hashed(password, how) }), scram: null }
}
const hashed = (password: string, { cost, blockSize, parallelism, salt, hash }: ScryptHash): Buffer =>
  scryptSync(password, salt, hash.length, { N: cost, r: blockSize, p: parallelism })

class Settings implements SettingsView {
  readonly #values = new Map<string, string>()
  readonly #watchers: [string, (key: string) => void][] = []
  get(key: string): string | null {
    return this.#values.get(key) ?? null
  }
  keys(prefix: string): string[] {
    return [...this.#values.keys()].filter(key => key.startsWith(prefix))
  }
  watch(prefix: string, changed: (key: string) => void): void {
    this.#watchers.push([prefix, changed])
  }
  set(key: string, value: string | null): void {
    if (value === null) this.#values.delete(key)
    else this.#values.set(key, value)
    for (const [prefix, changed] of this.#watchers) if (key.startsWith(prefix)) changed(key)
  }
  put(...accounts: Account[]): void {
    for (const each of accounts) this.set(ACCOUNT_PREFIX + each.name, writeAccount(each))
  }
}

function house(more: Partial<DoorParts> & { profile?: ReadonlyMap<string, string> } = {}) {
  const settings = new Settings()
  const book = new Book(settings, more.profile ?? new Map())
  const clock = new VirtualClock()
  const audits: AuditEntry[] = []
  /** Slow checks that wait to be answered. */
  const hashing: (() => void)[] = []
  const guarded: string[] = []
  const door = new Door({
    book,
    anonymous: 'loopback',
    hash: (password, how, done) => hashing.push(() => done(hashed(password, how))),
    guard: ({ user, groups }) => {
      guarded.push(`${user} ${groups.join(',')}`)
      return {} as Broker
    },
    audit: entry => audits.push(entry),
    clock: clock.host,
    chance: { bytes: n => Buffer.alloc(n, 3), id: () => '0' },
    ...more,
  })
  const answers: (string | null)[] = []
  const ask = (user: string, password: string, from = far): void =>
    door.password(from, user, password, (guest: Guest | null) => answers.push(guest && guest.user))
  const work = (): void => {
    for (let next = hashing.shift(); next !== undefined; next = hashing.shift()) next()
  }
  return { settings, book, clock, audits, hashing, guarded, door, answers, ask, work }
}

describe('the door', () => {
  it('lets nobody in without a name from elsewhere, unless the profile says so', () => {
    const { door } = house()
    assert.deepEqual(door.mechanisms(local), ['ANONYMOUS'])
    assert.deepEqual(door.mechanisms(far), [])
    assert.equal(door.anonymous(far), null)
    assert.equal(door.anonymous(local)?.user, 'anonymous')
    assert.equal(house({ anonymous: 'never' }).door.anonymous(local), null)
    assert.equal(house({ anonymous: 'always' }).door.anonymous(far)?.user, 'anonymous')
  })

  it('offers what there are accounts for', () => {
    const { door, settings } = house()
    settings.put(account('alice', 'a'))
    assert.deepEqual(door.mechanisms(far), ['PLAIN'])
    settings.put({ ...account('bob', 'b'), scram: scramKeys('b', SALT, 4096) })
    assert.deepEqual(door.mechanisms({ ...far, certified: 'carol' }), ['EXTERNAL', 'SCRAM-SHA-256', 'PLAIN'])
  })

  it('checks a password, remembers it, and forgets it when it is changed', () => {
    const { ask, answers, work, hashing, settings, guarded } = house()
    settings.put(account('alice', 'right', ['ops']))
    ask('alice', 'right')
    assert.deepEqual(answers, [], 'the slow check is under way')
    work()
    ask('alice', 'right')
    assert.deepEqual(answers, ['alice', 'alice'])
    assert.equal(hashing.length, 0, 'the second one was remembered')
    assert.deepEqual(guarded, ['alice ops', 'alice ops'])
    settings.put(account('alice', 'other'))
    ask('alice', 'right')
    work()
    assert.deepEqual(answers, ['alice', 'alice', null])
  })

  it('a password that is changed while its check is under way lets nobody in, then or later', () => {
    const { ask, answers, work, settings } = house()
    settings.put(account('alice', 'old'))
    ask('alice', 'old')
    settings.put(account('alice', 'new'))
    work()
    ask('alice', 'old')
    work()
    assert.deepEqual(answers, [null, null])
  })

  it('checks the same password of the same user once, however many clients come back at once', () => {
    const { ask, answers, work, hashing, settings } = house()
    settings.put(account('alice', 'right'))
    for (let n = 0; n < 500; n++) ask('alice', 'right')
    assert.equal(hashing.length, 1)
    work()
    assert.equal(answers.filter(user => user === 'alice').length, 500)
  })

  it('a few checks at once; who guesses gets slow, and who has the right password elsewhere does not', () => {
    const { ask, answers, work, hashing, settings, clock } = house()
    settings.put(account('alice', 'right'))
    for (let n = 0; n < 100; n++) ask('alice', `guess ${n}`)
    assert.equal(hashing.length, 2)
    assert.equal(answers.length, 90, 'all but ten are turned away unchecked')
    work()
    ask('alice', 'right')
    assert.deepEqual(answers.slice(-1), [null], 'from there, not even the right one for a while')
    ask('alice', 'right', { ...far, remote: '192.0.2.9:7' })
    work()
    assert.deepEqual(answers.slice(-1), ['alice'])
    clock.advance(1000)
    ask('alice', 'guess 100')
    assert.equal(hashing.length, 1)
    work()
  })

  it('takes plain and hashed passwords of the profile; an account in the store goes first', () => {
    const profile = new Map([
      ['plain', 'secret'],
      ['hashed', account('', 'secret').password],
    ])
    const { ask, answers, work, settings } = house({ profile })
    ask('plain', 'secret')
    ask('plain', 'other')
    ask('hashed', 'secret')
    work()
    assert.deepEqual(answers, ['plain', null, 'hashed'])
    settings.put(account('plain', 'kept'))
    ask('plain', 'secret')
    work()
    assert.deepEqual(answers.slice(-1), [null])
  })

  it('tells the audit log who came and who did not, and no password', () => {
    const { ask, work, audits, settings, door } = house()
    settings.put(account('alice', 'right'))
    ask('alice', 'right')
    work()
    ask('mallory', 'guess')
    door.anonymous(far)
    const told = audits.map(({ event, who, remote }) => `${event} ${who} ${remote}`)
    assert.deepEqual(told, [
      'signed-in alice 192.0.2.1:2',
      'turned-away mallory 192.0.2.1:2',
      'turned-away  192.0.2.1:2',
    ])
    assert.doesNotMatch(JSON.stringify(audits), /right|guess/)
  })

  it('tells the audit log, and no client, of passwords that nobody looked at', () => {
    const { ask, work, audits, settings, answers } = house()
    settings.put(account('alice', 'right'))
    for (let n = 0; n < 12; n++) ask('alice', `guess ${n}`)
    work()
    assert.deepEqual(new Set(answers), new Set([null]))
    const why = audits.map(({ details }) => details['why'] ?? '')
    assert.deepEqual(why.filter(text => text === '').length, 10)
    assert.deepEqual(why.filter(text => text === 'not checked: too many wrong ones').length, 2)
  })
})

describe('the book of accounts and permissions', () => {
  it('an account and a hash read back as they were written', () => {
    const written = { ...account('alice', 'x', ['a', 'b']), scram: scramKeys('x', SALT, 4096) }
    assert.deepEqual(readAccount('alice', JSON.parse(writeAccount(written))), written)
    const parts = readScrypt(written.password)
    assert.equal(parts && writeScrypt(parts), written.password)
  })

  it('refuses accounts that could exhaust the server or let everybody in', () => {
    for (const value of [
      null,
      {},
      { password: 'plain' },
      { password: 'scrypt::' },
      { password: `scrypt:${2 ** 24}:8:1:${'A'.repeat(24)}:${'A'.repeat(44)}` },
      { ...(JSON.parse(writeAccount(account('a', 'b'))) as object), groups: [1] },
      { ...(JSON.parse(writeAccount(account('a', 'b'))) as object), scram: { rounds: 1 } },
    ])
      assert.equal(typeof readAccount('alice', value), 'string', JSON.stringify(value))
    assert.equal(typeof readAccount('', JSON.parse(writeAccount(account('a', 'b')))), 'string')
  })

  it('follows the settings; rows that cannot be read grant nothing and keep permissions in force', () => {
    const { settings, book } = house()
    const rows = [{ actions: ['send', 'send'], kind: 'topic', pattern: 'a/#' }]
    settings.set(`${GRANT_PREFIX}user:alice`, JSON.stringify(rows))
    assert.deepEqual(book.grants.get('user:alice'), [{ actions: ['send'], kind: 'topic', pattern: 'a/#' }])
    settings.set(`${GRANT_PREFIX}user:alice`, '[{"actions":["fly"]}]')
    assert.deepEqual(book.grants.get('user:alice'), [])
    settings.set(`${GRANT_PREFIX}user:alice`, null)
    assert.equal(book.grants.size, 0)
  })

  it('reads grants strictly', () => {
    const row = { actions: ['send'], kind: 'topic', pattern: 'a/+/#' }
    assert.ok(Array.isArray(readGrants([row])))
    for (const wrong of [
      {},
      [{}],
      [{ ...row, actions: [] }],
      [{ ...row, kind: 'exchange' }],
      [{ ...row, pattern: '' }],
      [{ ...row, pattern: 'a/#/b' }],
      [{ ...row, pattern: 'a+/b' }],
      Array.from({ length: 257 }, () => row),
    ])
      assert.equal(typeof readGrants(wrong), 'string', JSON.stringify(wrong).slice(0, 80))
    assert.equal(subjectFault('everyone'), null)
    assert.equal(subjectFault('group:ops'), null)
    for (const wrong of ['', 'alice', 'user:', 'group:\n']) assert.notEqual(subjectFault(wrong), null)
  })
})
