// Who may do what: patterns of names and of topics, and whose rows count.

import assert from 'node:assert/strict'
import { mayDo, type Action, type Grant, type GrantTable } from '../../src/access/permissions.ts'

const everything: readonly Action[] = ['send', 'receive', 'create']
const table = (rows: Record<string, readonly Grant[]>): GrantTable => new Map(Object.entries(rows))
const grant = (kind: 'queue' | 'topic', pattern: string, actions = everything): Grant => ({ kind, pattern, actions })
const alice = { user: 'alice', groups: ['ops'] }

describe('permissions', () => {
  it('everything is allowed while nothing is granted; with the first grant, only what is', () => {
    assert.equal(mayDo(new Map(), alice, 'send', { kind: 'queue', name: 'orders' }), true)
    const some = table({ 'user:bob': [grant('queue', '*')] })
    assert.equal(mayDo(some, alice, 'send', { kind: 'queue', name: 'orders' }), false)
    assert.equal(mayDo(some, { user: 'bob', groups: [] }, 'send', { kind: 'queue', name: 'orders' }), true)
  })

  it('come by name, by group, or to everyone, for the actions and the kind that the row names', () => {
    const rows = table({
      everyone: [grant('queue', 'public', ['send'])],
      'group:ops': [grant('queue', 'orders', ['receive'])],
      'user:alice': [grant('topic', 'a/b', ['send'])],
    })
    const may = (action: Action, kind: 'queue' | 'topic', name: string) => mayDo(rows, alice, action, { kind, name })
    assert.equal(may('send', 'queue', 'public'), true)
    assert.equal(may('receive', 'queue', 'public'), false)
    assert.equal(may('receive', 'queue', 'orders'), true)
    assert.equal(may('send', 'topic', 'a/b'), true)
    assert.equal(may('send', 'queue', 'a/b'), false)
  })

  // prettier-ignore
  const names: readonly [pattern: string, name: string, covered: boolean][] = [
    ['orders', 'orders', true], ['orders', 'orders2', false], ['*', 'anything', true], ['orders.*', 'orders.eu', true],
    ['orders.*', 'orders', false], ['*.eu', 'orders.eu', true], ['*.eu', 'orders.eu.old', false], ['a*b*c', 'abc', true],
    ['a*b*c', 'aXbYc', true], ['a*b*c', 'acb', false], ['a*a', 'a', false], ['a*a', 'aa', true], ['{user}.*', 'alice.in', true],
    ['{user}.*', 'bob.in', false], ['', '', true], ['', 'x', false], ['a.c', 'abc', false],
  ]
  for (const [pattern, name, covered] of names)
    it(`queue pattern "${pattern}" ${covered ? 'covers' : 'does not cover'} "${name}"`, () => {
      const rows = table({ everyone: [grant('queue', pattern)] })
      assert.equal(mayDo(rows, alice, 'send', { kind: 'queue', name }), covered)
    })

  // prettier-ignore
  const filters: readonly [pattern: string, asked: string, covered: boolean][] = [
    ['a/b', 'a/b', true], ['a/b', 'a/b/c', false], ['a/+', 'a/b', true], ['a/+', 'a/+', true], ['a/+', 'a/#', false],
    ['a/+', 'a', false], ['a/#', 'a', true], ['a/#', 'a/b/c', true], ['a/#', 'a/+/c', true], ['a/#', 'a/#', true],
    ['a/b', 'a/+', false], ['#', 'anything/at/all', true], ['#', '#', true], ['#', '$SYS/x', false], ['+/x', '$SYS/x', false],
    ['$SYS/#', '$SYS/x', true], ['u/{user}/#', 'u/alice/in', true], ['u/{user}/#', 'u/bob/in', false], ['+/+', 'a/b/c', false],
  ]
  for (const [pattern, asked, covered] of filters)
    it(`topic pattern "${pattern}" ${covered ? 'covers' : 'does not cover'} "${asked}"`, () => {
      const rows = table({ everyone: [grant('topic', pattern)] })
      assert.equal(mayDo(rows, alice, 'receive', { kind: 'topic', name: asked }), covered)
    })

  it("a user's name widens nothing, whatever is in it", () => {
    const rows = table({ everyone: [grant('topic', 'u/{user}'), grant('queue', 'q.{user}')] })
    const may = (user: string, kind: 'queue' | 'topic', name: string) =>
      mayDo(rows, { user, groups: [] }, 'send', { kind, name })
    assert.equal(may('#', 'topic', 'u/secret'), false)
    assert.equal(may('+', 'topic', 'u/secret'), false)
    assert.equal(may('a/b', 'topic', 'u/a/b'), false)
    assert.equal(may('*', 'queue', 'q.secret'), false)
    assert.equal(may('*', 'queue', 'q.*'), true)
  })
})
