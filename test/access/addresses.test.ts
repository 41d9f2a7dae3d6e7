// The operator's desk for settings of addresses: what is refused, what is written, and what the audit log is told.

import assert from 'node:assert/strict'
import { AddressDesk } from '../../src/access/address-desk.ts'
import type { AuditEntry } from '../../src/access/audit.ts'
import type { CodedError } from '../../src/base/errors.ts'
import { MOST_PATTERNS } from '../../src/broker/address-settings.ts'
import { Bench } from '../broker/ground.ts'

function office() {
  const bench = new Bench().serve()
  const audits: AuditEntry[] = []
  const desk = new AddressDesk(bench.broker.settings, entry => void audits.push(entry))
  const codes: (string | null)[] = []
  const done = (error: CodedError | null): void => void codes.push(error && error.code)
  return { bench, desk, audits, codes, done }
}

describe('the desk for settings of addresses', () => {
  it('sets, replaces and removes them, answers when that is safe, and says so in the audit log', () => {
    const { bench, desk, audits, codes, done } = office()
    desk.set('queue/orders.*', { maxMessages: 5 }, done)
    assert.deepEqual([codes, desk.list()], [[], {}])
    bench.settle()
    assert.deepEqual([codes, desk.list()], [[null], { 'queue/orders.*': { maxMessages: 5 } }])
    desk.set('queue/orders.*', { maxBytes: 5000 }, done)
    desk.set('topic/a/#', { maxTimeToLiveMs: 1 }, done)
    bench.settle()
    assert.deepEqual(desk.list(), { 'queue/orders.*': { maxBytes: 5000 }, 'topic/a/#': { maxTimeToLiveMs: 1 } })
    desk.remove('topic/a/#', done)
    bench.settle()
    assert.deepEqual(Object.keys(desk.list()), ['queue/orders.*'])
    assert.deepEqual(codes, [null, null, null, null])
    assert.deepEqual(
      audits.map(({ event, who, details }) => [event, who, details['name']]),
      [
        ['address-set', 'operator', 'queue/orders.*'],
        ['address-set', 'operator', 'queue/orders.*'],
        ['address-set', 'operator', 'topic/a/#'],
        ['address-removed', 'operator', 'topic/a/#'],
      ],
    )
  })

  it('refuses what makes no sense, and what is not there', () => {
    const { bench, desk, audits, codes, done } = office()
    desk.set('place/x', {}, done)
    desk.set('queue/x', { maxMessages: 0 }, done)
    desk.set('queue/x', null, done)
    desk.set('topic/x', { whenFull: 'slow' }, done)
    desk.remove('queue/x', done)
    bench.broker.stopServing()
    desk.set('queue/x', { maxMessages: 1 }, done)
    const refused = Array.from({ length: 4 }, () => 'ACCESS-ADDRESS')
    assert.deepEqual(codes, [...refused, 'ACCESS-NO-ADDRESS', 'ACCESS-STORE'])
    assert.deepEqual(audits, [])
  })

  it('takes no more patterns than a look-up may cost', () => {
    const { bench, desk, codes, done } = office()
    for (let i = 0; i <= MOST_PATTERNS; i++) {
      desk.set(`queue/${i}`, { maxMessages: 1 }, done)
      bench.settle()
    }
    desk.set('queue/0', { maxMessages: 2 }, done)
    bench.settle()
    assert.deepEqual(codes.slice(-3), [null, 'ACCESS-ADDRESS', null])
  })
})
