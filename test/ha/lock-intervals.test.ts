// The intervals derived from P, R and Q: whatever profile is not refused leaves room for what the lease promises.

import assert from 'node:assert/strict'
import fc from 'fast-check'
import { checkIntervals, deriveIntervals, expectedOutageMs } from '../../src/profiles/intervals.ts'

const milliseconds = fc.integer({ min: 1, max: 120_000 })
const chosen = fc.record({
  pingInterval: milliseconds,
  activeLockReacquisitionInterval: milliseconds,
  passiveLockAcquisitionInterval: milliseconds,
})

describe('lock: intervals', () => {
  it('in a profile that is not refused, a renewal that hangs can be tried again before the lease ends', () => {
    fc.assert(
      fc.property(chosen, values => {
        fc.pre(!checkIntervals(values).some(finding => finding.severity === 'refuse'))
        const i = deriveIntervals(values)
        assert.ok(i.renewMs + 2 * i.operationMs <= i.leaseMs - i.marginMs, JSON.stringify(i))
        assert.ok(i.marginMs >= 250 && i.marginMs >= 0.02 * i.leaseMs)
        assert.ok(i.operationMs >= 200 && i.lookMs <= i.renewMs && i.lookMs <= i.leaseMs / 10)
        assert.ok(i.hotLookMs <= i.lookMs && i.brokerAliveMs * 4 <= i.brokerSilenceMs)
        assert.equal((i.renewMs * 2) % i.pingMs, 0)
      }),
      { numRuns: 2000 },
    )
  })

  it('names each broken relation, and refuses exactly the ones that break the lock', () => {
    const findings = (P: number, R: number, Q: number): string[] =>
      checkIntervals({
        pingInterval: P,
        activeLockReacquisitionInterval: R,
        passiveLockAcquisitionInterval: Q,
      }).map(finding => `${finding.severity} ${finding.key}`)
    assert.deepEqual(findings(500, 1000, 3000), [])
    assert.deepEqual(findings(500, 1000, 2000), ['refuse passiveLockAcquisitionInterval'])
    assert.deepEqual(findings(500, 250, 800), ['refuse passiveLockAcquisitionInterval'])
    assert.deepEqual(findings(500, 1000, 2500), ['warn passiveLockAcquisitionInterval'])
    assert.deepEqual(findings(500, 1100, 4000), ['warn activeLockReacquisitionInterval'])
  })

  it('expects about three seconds for a lost host at the shipped values on a local disk, under half a second for a dead broker', () => {
    const i = deriveIntervals({
      pingInterval: 500,
      activeLockReacquisitionInterval: 1000,
      passiveLockAcquisitionInterval: 3000,
    })
    assert.ok(expectedOutageMs('host lost', i, 0) < 3700)
    assert.ok(expectedOutageMs('broker killed', i, 0) < 500)
    assert.ok(expectedOutageMs('switchover', i, 0) < 250)
    assert.equal(expectedOutageMs('share cut', i), 0)
  })
})
