// The lease step by step: what its deadline counts from, and what it leaves in the folder, in the cases that a search
// over all orders reaches only deep down. The search is lock-explore.test.ts.

import assert from 'node:assert/strict'
import { Lease } from '../../src/ha/lease.ts'
import type { ShareRequest, ShareSteps } from '../../src/ha/share.ts'
import { parseToken } from '../../src/ha/token.ts'
import { MemoryShare, runBroken, runNow } from '../support/memory-share.ts'

const LEASE_MS = 1000
const MARGIN_MS = 100

describe('lock: the lease', () => {
  let now: number
  let share: MemoryShare
  let a: Lease
  let b: Lease
  const make = (node: string, instance: string, leaseMs = LEASE_MS): Lease => {
    const clock = { now: () => now, wall: () => now + 5_000_000, after: () => ({ cancel: () => {} }), soon: () => {} }
    return new Lease({ folder: '/lock', node, instance, leaseMs, marginMs: MARGIN_MS }, clock)
  }
  const run = <T>(steps: ShareSteps<T>): T => runNow(share, steps)
  /** The request is executed, but its caller is told that it was not answered; what follows is answered. */
  const unanswered = <T>(steps: ShareSteps<T>, which: (request: ShareRequest) => boolean, execute = true): T => {
    let step = steps.next()
    while (step.done !== true) {
      const failed = { ok: false, code: 'ETIMEDOUT', message: '' } as const
      const hit = which(step.value)
      const outcome = hit && !execute ? failed : share.apply(step.value)
      step = steps.next(hit ? failed : outcome)
    }
    return step.value
  }
  const renames = (request: ShareRequest): boolean => request.op === 'rename'
  const creates = (request: ShareRequest): boolean => request.op === 'create'
  beforeEach(() => {
    now = 100
    share = new MemoryShare()
    a = make('primary', 'aa')
    b = make('secondary', 'bb')
  })

  it('names who holds it, for how long, and ends a margin before the lease', () => {
    assert.equal(run(a.acquire()), true)
    assert.deepEqual(share.names('/lock'), ['t.primary.aa-1-q1000.0'])
    assert.equal(parseToken(a.token)?.leaseMs, LEASE_MS)
    assert.equal(a.deadline, 100 + LEASE_MS - MARGIN_MS)
    now = a.deadline - 0.01
    assert.ok(a.valid())
    now = a.deadline
    assert.ok(!a.valid() && a.held)
  })

  it('a renewal counts from its start, not from its answer', () => {
    run(a.acquire())
    const steps = a.renew()
    const step = steps.next()
    now = 700
    steps.next(share.apply(step.value as ShareRequest))
    assert.equal(a.deadline, 100 + LEASE_MS - MARGIN_MS)
    assert.equal(a.renewedAt, 100)
  })

  it('a renewal without an answer extends nothing; found executed, it counts from the earliest start', () => {
    run(a.acquire())
    now = 300
    assert.throws(() => unanswered(a.renew(), renames), { code: 'ETIMEDOUT' })
    assert.equal(a.deadline, 1000)
    now = 500
    assert.throws(() => runBroken(a.renew(), 'EIO'), { code: 'EIO' })
    now = 700
    assert.equal(run(a.renew()), true)
    assert.deepEqual([a.deadline, a.renewedAt, a.renewedWall], [1200, 300, 5_000_300])
    now = 800
    assert.equal(run(a.renew()), true)
    assert.equal(a.deadline, 1700)
  })

  it('a renewal that was not executed is done again under the same name, and counts from then', () => {
    run(a.acquire())
    now = 300
    assert.throws(() => unanswered(a.renew(), renames, false), { code: 'ETIMEDOUT' })
    now = 500
    assert.equal(run(a.renew()), true)
    assert.deepEqual([a.token, a.deadline], ['t.primary.aa-1-q1000.1', 1400])
  })

  it('a release after a renewal without an answer leaves the folder free, executed or not, and also if executed later', () => {
    for (const executed of [true, false]) {
      run(a.acquire())
      assert.throws(() => unanswered(a.renew(), renames, executed), { code: 'ETIMEDOUT' })
      const late: ShareRequest = { op: 'rename', path: `/lock/${a.token}`, to: '/lock/late' }
      run(a.release())
      assert.deepEqual(share.names('/'), [])
      assert.equal(share.apply(late).ok, false)
      assert.ok(!a.unreleased)
    }
  })

  it('a release without an answer is done again; a new acquisition needs no silence of its own token', () => {
    run(a.acquire())
    assert.throws(() => runBroken(a.release(), 'EIO'), { code: 'EIO' })
    assert.ok(a.unreleased && !a.held)
    assert.equal(run(b.acquire()), false)
    assert.equal(run(a.acquire()), true)
    assert.ok(!a.unreleased)
    assert.deepEqual(share.names('/lock'), ['t.primary.aa-2-q1000.0'])
  })

  it('strays of operations that were executed late are all taken out of the way, and rubbish with them', () => {
    run(a.acquire())
    share.apply({ op: 'create', path: '/lock/t.primary.ff-9-q1000.0' })
    share.apply({ op: 'create', path: '/lock/t.of another version' })
    assert.equal(run(b.acquire()), false)
    now += LEASE_MS
    assert.equal(run(b.acquire()), true)
    assert.deepEqual(
      share.names('/lock').filter(name => !name.startsWith('d.')),
      [b.token],
    )
    assert.equal(run(a.renew()), false)
    run(b.release())
    assert.deepEqual(share.names('/'), [])
  })

  it('a stray beside a living holder’s token does not make it silent', () => {
    run(a.acquire())
    share.apply({ op: 'create', path: '/lock/t.primary.ff-9-q1000.0' })
    for (let i = 0; i < 10; i++) {
      now += 400
      assert.equal(run(a.renew()), true)
      assert.equal(run(b.acquire()), false)
    }
  })

  it('a goodbye frees the token that it names, not the stray beside it', () => {
    run(a.acquire())
    share.apply({ op: 'create', path: '/lock/t.primary.ff-9-q1000.0' })
    assert.equal(run(b.acquire(a.token)), false)
    share.apply({ op: 'unlink', path: '/lock/t.primary.ff-9-q1000.0' })
    assert.equal(run(b.acquire(a.token)), true)
  })

  it('a take-over that was executed though it was not answered succeeds', () => {
    run(a.acquire())
    run(b.observe())
    now += LEASE_MS
    let first = true
    assert.equal(
      unanswered(b.acquire(), request => renames(request) && first && !(first = false)),
      true,
    )
    assert.deepEqual(share.names('/lock'), [b.token])
  })

  it('a first token that was made though it was not answered is taken back; the folder is free', () => {
    assert.throws(() => unanswered(a.acquire(), creates), { code: 'ETIMEDOUT' })
    assert.deepEqual(share.names('/'), [])
    assert.equal(run(b.acquire()), true)
  })

  it('an empty folder is somebody’s until it has been silent for the lease', () => {
    share.apply({ op: 'mkdir', path: '/lock' })
    assert.equal(run(b.acquire()), false)
    now += LEASE_MS - 1
    assert.equal(run(b.acquire()), false)
    share.apply({ op: 'rmdir', path: '/lock' })
    share.apply({ op: 'mkdir', path: '/lock' })
    now += 1
    assert.equal(run(b.acquire()), false)
    now += LEASE_MS
    assert.equal(run(b.acquire()), true)
  })

  it('given up, it is not valid from that moment on, also where a renewal is under way', () => {
    run(a.acquire())
    const steps = a.renew()
    const step = steps.next()
    a.giveUp()
    assert.ok(!a.valid() && a.token === '')
    assert.equal(steps.next(share.apply(step.value as ShareRequest)).value, false)
    assert.ok(!a.held)
    run(a.release())
    assert.deepEqual(share.names('/'), [])
  })

  it('no name is ever used twice', () => {
    const seen = new Set<string>()
    for (let i = 0; i < 30; i++) {
      const lease = i % 3 === 0 ? b : a
      assert.equal(run(lease.acquire()), true)
      for (let k = 0; k < 3; k++) {
        assert.ok(!seen.has(lease.token))
        seen.add(lease.token)
        run(lease.renew())
      }
      run(lease.release())
    }
  })
})
