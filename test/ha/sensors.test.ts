// Words that change with time: judged on the monotonic clock, and no moment at which one changes is ever missed.
import assert from 'node:assert/strict'
import { quiet } from '../../src/ha/judge.ts'
import type { Parts } from '../../src/ha/parts.ts'
import type { PeerLink } from '../../src/ha/peer-link.ts'
import { Reign } from '../../src/ha/reign.ts'
import { Sensors } from '../../src/ha/sensors.ts'
import { ORIGIN } from '../../src/journal/position.ts'

const LEASE_MS = 3000

type Answered = Parts['channel']['lastAnswered']

/** A clock that moves on with every look at it, as a busy machine's does. */
function busyClock(stepMs: number) {
  let now = 0
  let setBy = 0
  return {
    now: () => (now += stepMs),
    wall: () => now + setBy,
    after: () => ({ cancel() {} }),
    soon: () => {},
    jump: (ms: number) => (now += ms),
    /** The wall clock alone. */
    set: (ms: number) => (setBy += ms),
  }
}

function sensorsOn(clock: ReturnType<typeof busyClock>, dirty = false, answered: Answered = null, epoch = 0): Sensors {
  const parts = {
    label: 'secondary',
    clock,
    intervals: { leaseMs: LEASE_MS, marginMs: 250, graceMs: 5000 },
    store: { storeId: 's', pairId: 'p', mk: 0, dirty },
    journal: { flushed: ORIGIN },
    channel: { lastAnswered: answered },
  } as unknown as Parts
  const peer = { role: 'DEAD', state: null, goodbye: null } as unknown as PeerLink
  const reign = new Reign('secondary', clock, { bytes: () => new Uint8Array(), id: () => 'x' }, 100, () => {})
  if (epoch > 0) reign.now = { epoch, record: { inSync: ['primary', 'secondary'] } as never }
  return new Sensors(parts, peer, reign, () => {})
}

describe('sensors', () => {
  it('names a next change for every word that has not changed yet, whatever goes by between two looks', () => {
    for (let step = 0.5; step < 40; step += 0.5) {
      const clock = busyClock(step)
      const sensors = sensorsOn(clock)
      let looks = 0
      for (;;) {
        const { quiet: word, grace } = sensors.observe()
        if (word === 'yes' && grace === 'over') break
        const next = sensors.nextChange()
        assert.ok(next < Infinity, `with steps of ${step} ms a change was missed (quiet ${word}, grace ${grace})`)
        clock.jump(Math.max(0, next - clock.now() - 2)) // timers may come a little early
        assert.ok(++looks < 10_000)
      }
    }
  })

  it('keeps a promise to an acting peer until its time is over, unless that reign has ended', () => {
    const record = { epoch: 5, holder: 'primary' } as never
    assert.equal(quiet(1000, { until: 2000, releasedEpoch: 0 }, record, 'secondary'), false)
    assert.equal(quiet(2000, { until: 2000, releasedEpoch: 0 }, record, 'secondary'), true)
    assert.equal(quiet(1000, { until: 2000, releasedEpoch: 5 }, record, 'secondary'), true)
    assert.equal(quiet(1000, { until: 2000, releasedEpoch: 4 }, record, 'secondary'), false)
    assert.equal(quiet(1000, { until: 2000, releasedEpoch: 0 }, record, 'primary'), true)
    assert.equal(quiet(1000, { until: 2000, releasedEpoch: 9 }, null, 'primary'), false)
  })

  it('is bound for a lease after its start, whatever it promised in its life before, and by its newest answer since', () => {
    const clock = busyClock(0)
    const sensors = sensorsOn(clock)
    clock.jump(LEASE_MS - 1)
    assert.equal(sensors.observe().quiet, 'no')
    clock.jump(1)
    assert.equal(sensors.observe().quiet, 'yes')
    sensors.boundUntil = LEASE_MS + 500
    clock.jump(499)
    assert.equal(sensors.observe().quiet, 'no')
    clock.jump(1)
    assert.equal(sensors.observe().quiet, 'yes')
  })

  it('takes the peer’s promise for over when the wall clock ran ahead and the lock is gone, but not while it is held', () => {
    const clock = busyClock(0)
    const answered = { sentAt: 0, sentWall: 0, following: 7 } as Answered
    const sensors = sensorsOn(clock, false, answered, 7)
    assert.equal(sensors.observe().promise, 'fresh')
    clock.set(60_000)
    assert.equal(sensors.observe().promise, 'over', 'a machine that slept')
    sensors.news = { ...sensors.news, held: true, deadline: LEASE_MS }
    assert.equal(sensors.observe().promise, 'fresh', 'a wall clock that was set')
  })

  it('says that a dirty copy is partial, unless its loss was accepted', () => {
    const sensors = sensorsOn(busyClock(0), true)
    assert.equal(sensors.observe().copy, 'partial')
    sensors.forced = 'an operator said so'
    assert.equal(sensors.observe().copy, 'whole')
  })
})
