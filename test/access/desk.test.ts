// The operator's desk and the guarded broker: what becomes of wishes about accounts and permissions, and that they bind.

import assert from 'node:assert/strict'
import { type Account, writeAccount, writeScrypt } from '../../src/access/accounts.ts'
import type { AuditEntry } from '../../src/access/audit.ts'
import { Book } from '../../src/access/book.ts'
import { Desk } from '../../src/access/desk.ts'
import { GuardedBroker } from '../../src/access/guarded-broker.ts'
import type { CodedError } from '../../src/base/errors.ts'
import type { Refusal } from '../../src/broker/api.ts'
import { Bench, Taker } from '../broker/ground.ts'

const password = writeScrypt({ cost: 16, blockSize: 1, parallelism: 1, salt: Buffer.alloc(16), hash: Buffer.alloc(32) })
const account = (groups: readonly string[] = []): object =>
  JSON.parse(writeAccount({ name: '', groups, password, scram: null } satisfies Account)) as object

function office() {
  const bench = new Bench().serve()
  const audits: AuditEntry[] = []
  const audit = (entry: AuditEntry): void => void audits.push(entry)
  const book = new Book(bench.broker.settings, new Map([['root', 'secret']]))
  const desk = new Desk(bench.broker.settings, book, audit)
  const codes: (string | null)[] = []
  const done = (error: CodedError | null): void => void codes.push(error && error.code)
  const guarded = (user: string, ...groups: string[]): GuardedBroker =>
    new GuardedBroker({
      broker: bench.broker,
      person: { user, groups },
      remote: 'r:1',
      grants: () => book.grants,
      audit,
    })
  return { bench, book, desk, audits, codes, done, guarded }
}
const grant = (pattern: string, ...actions: string[]) => ({ actions, kind: 'queue', pattern })
const may = (answer: object): boolean => !('refused' in answer)

describe('the desk for accounts and permissions', () => {
  it('lists on a follower, whose settings change without a word, what they are now', () => {
    const kept = new Map<string, string>()
    const settings = {
      get: (key: string) => kept.get(key) ?? null,
      keys: (prefix: string) => [...kept.keys()].filter(key => key.startsWith(prefix)),
      watch: () => {},
      set: () => {},
    }
    const desk = new Desk(settings, new Book(settings, new Map()), () => {})
    kept.set('account/ann', writeAccount({ name: '', groups: ['ops'], password, scram: null }))
    kept.set('grant/everyone', JSON.stringify([grant('#', 'read')]))
    assert.deepEqual(
      desk.accounts().map(({ name }) => name),
      ['ann'],
    )
    assert.deepEqual(Object.keys(desk.grants()), ['everyone'])
    kept.clear()
    assert.deepEqual([desk.accounts(), desk.grants()], [[], {}])
  })

  it('makes, changes and removes accounts, and answers when that is safe', () => {
    const { bench, book, desk, codes, done, audits } = office()
    desk.setAccount('ann', account(['ops']), done)
    assert.deepEqual([codes, book.account('ann')], [[], null])
    bench.settle()
    assert.deepEqual(codes, [null])
    assert.deepEqual(book.account('ann')?.groups, ['ops'])
    desk.setAccount('ann', { groups: ['desk'] }, done)
    bench.settle()
    assert.deepEqual([book.account('ann')?.groups, book.account('ann')?.password], [['desk'], password])
    assert.deepEqual(
      desk.accounts().map(a => `${a.name} ${a.from}`),
      ['ann store', 'root profile'],
    )
    desk.removeAccount('ann', done)
    bench.settle()
    desk.removeAccount('ann', done)
    desk.setAccount('bob', { groups: [] }, done) // keeps a password that is not there
    desk.setAccount('bob', { password: 'in the clear' }, done)
    desk.setGrants('nobody', [], done)
    desk.setGrants('everyone', [{}], done)
    assert.deepEqual(codes, [
      null,
      null,
      null,
      'ACCESS-NO-ACCOUNT',
      'ACCESS-NO-ACCOUNT',
      'ACCESS-ACCOUNT',
      'ACCESS-GRANT',
      'ACCESS-GRANT',
    ])
    assert.deepEqual(
      audits.map(entry => entry.event),
      ['account-set', 'account-set', 'account-removed'],
    )
    assert.doesNotMatch(JSON.stringify(audits), /scrypt/)
  })

  it('takes no permission to create topics, which are never made; what an older version took may stay', () => {
    const { bench, book, desk, codes, done } = office()
    const topic = { actions: ['send', 'create'], kind: 'topic', pattern: 'a/#' }
    desk.setGrants('everyone', [topic], done)
    assert.deepEqual(codes, ['ACCESS-GRANT'])
    bench.broker.settings.set('grant/everyone', JSON.stringify([topic]), () => {})
    bench.settle()
    desk.setGrants('everyone', [topic, grant('q', 'create')], done)
    bench.settle()
    desk.setGrants('everyone', [topic, { ...topic, pattern: 'b' }], done)
    assert.deepEqual(codes, ['ACCESS-GRANT', null, 'ACCESS-GRANT'])
    assert.equal(book.grants.get('everyone')?.length, 2)
  })

  it('is told where the store does not take it', () => {
    const { bench, desk, codes, done, audits } = office()
    bench.broker.stopServing()
    desk.setAccount('ann', account(), done)
    assert.deepEqual([codes, audits], [['ACCESS-STORE'], []])
  })
})

describe('the guarded broker', () => {
  it('lets everybody do everything before the first permission, and then only what is granted', () => {
    const { bench, desk, done, guarded, audits } = office()
    assert.ok(may(guarded('ann').target('q')))
    desk.setGrants('group:ops', [grant('q*', 'send')], done)
    bench.settle()
    const ops = guarded('ann', 'ops')
    assert.ok(may(ops.target('q')))
    assert.ok(!may(ops.subscribe('q', new Taker())), 'sending is not receiving')
    assert.ok(!may(ops.target('q2')), 'using what is not there makes it')
    assert.equal(bench.broker.has('q2'), false)
    assert.ok(!may(guarded('bob').target('q')))
    desk.setGrants('group:ops', [grant('q*', 'send', 'create')], done)
    bench.settle()
    assert.ok(may(ops.target('q2')), 'a permission counts from the moment it is given')
    desk.setGrants('group:ops', [], done)
    bench.settle()
    assert.ok(may(guarded('bob').target('q')), 'with the last one gone everything is open again')
    const told = audits.filter(entry => entry.event === 'not-permitted')
    assert.deepEqual(
      told.map(({ who, details }) => `${who} ${details['action'] as string} ${details['name'] as string}`),
      ['ann receive q', 'ann create q2', 'bob send q'],
    )
  })

  it('asks for no permission to make what cannot be made: a temporary queue that is gone', () => {
    const { bench, desk, done, guarded } = office()
    desk.setGrants('everyone', [grant('temporary:*', 'send')], done)
    bench.settle()
    const refusal = guarded('ann').target('temporary:x') as Refusal
    assert.deepEqual([refusal.refused, refusal.text], ['not-found', 'the temporary queue temporary:x is gone'])
  })

  it('is the broker in everything else', () => {
    const { bench, guarded } = office()
    const broker = guarded('ann')
    assert.equal(broker.admitConnection(), null)
    assert.equal(bench.broker.status().connections, 1)
    broker.connectionClosed()
    assert.equal(bench.broker.status().connections, 0)
  })
})
