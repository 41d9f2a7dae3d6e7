// What operators do to the broker's content is told to the audit log when it is safe, and refused with a code.

import assert from 'node:assert/strict'
import type { AuditEntry } from '../../src/access/audit.ts'
import { ContentDesk } from '../../src/access/content-desk.ts'
import { Bench, nobody, sure, Taker } from '../broker/ground.ts'

describe('access: what is in the broker', () => {
  const audits: AuditEntry[] = []
  const bench = new Bench().serve()
  const desk = new ContentDesk(bench.broker.operations, entry => void audits.push(entry))
  const codes: (string | null)[] = []
  const done = (error: { readonly code: string } | null): void => void codes.push(error?.code ?? null)

  it('each change once, when it is safe', () => {
    bench.publish('q', 'a', 'b')
    sure(bench.broker.sessions.open({ clientId: 'c', user: '', clean: false, keepMs: 1, will: null }, nobody))
    const wish = { filter: 'a', durable: 'app/a', shared: true, group: '', selector: null, notFrom: 0 }
    sure(bench.broker.subscribeTopic(wish, new Taker(), () => {}))
    bench.settle()
    assert.deepEqual([desk.queues().length, desk.subscriptions().length, desk.sessions().length], [1, 1, 1])
    desk.purge('q', done)
    desk.removeSubscription('app/a', done)
    desk.endSession('c', done)
    assert.deepEqual(audits, [])
    bench.settle()
    assert.deepEqual(codes.splice(0), [null, null, null])
    const told = audits.splice(0).map(({ event, who, details }) => [event, who, details])
    assert.deepEqual(told, [
      ['queue-purged', 'operator', { name: 'q', messages: 2 }],
      ['subscription-removed', 'operator', { name: 'app/a' }],
      ['session-ended', 'operator', { name: 'c' }],
    ])
  })

  it('nothing where nothing was done', () => {
    desk.purge('r', done)
    desk.removeSubscription('app/a', done)
    desk.endSession('c', done)
    assert.deepEqual(codes.splice(0), Array(3).fill('ACCESS-NOT-THERE'))
    bench.broker.stopServing()
    desk.purge('q', done)
    assert.deepEqual(codes, ['ACCESS-CONTENT'])
    assert.deepEqual(audits, [])
  })
})
