// The continuous self-test: warns once before a margin is eaten, says once when it is over, and listens in without
// changing what it listens to.

import assert from 'node:assert/strict'
import { SelfTest, type KeeperVitals } from '../../src/doctor/self-test.ts'
import { vitals, type VitalName } from '../../src/doctor/vitals.ts'
import type { KeeperNews } from '../../src/ha/keeper-link.ts'
import type { KeeperPipe } from '../../src/server/keeper-pipe.ts'
import { share, type ShareDriver, type ShareOutcome, type ShareSteps } from '../../src/ha/share.ts'
import { deriveIntervals } from '../../src/profiles/intervals.ts'
import { BrokerVitals } from '../../src/server/broker-vitals.ts'
import { timedShare } from '../../src/server/timed-share.ts'
import { VirtualClock, type VirtualHost } from '../support/virtual-clock.ts'

const intervals = deriveIntervals({
  pingInterval: 500,
  activeLockReacquisitionInterval: 500,
  passiveLockAcquisitionInterval: 3000,
})

describe('self-test', () => {
  let time: VirtualClock
  let clock: VirtualHost
  let lines: string[]
  const log = (level: string, line: string): void => void lines.push(`${level} ${line}`)
  beforeEach(() => {
    time = new VirtualClock()
    clock = time.host
    lines = []
  })
  const pass = (ms: number): void => time.advance(ms)

  it('every limit comes before what it warns of', () => {
    for (const [name, vital] of Object.entries(vitals))
      if (name !== 'listing') assert.ok(vital.limit(intervals) < vital.bound(intervals), name)
    // A renewal begun at the warning, and one more, still fit into the lease.
    const { operationMs, renewMs, leaseMs, marginMs } = intervals
    assert.ok(renewMs + vitals.renewal.limit(intervals) + operationMs <= leaseMs - marginMs)
  })

  it('one line at the beginning, one at the end, none between, however it flickers', () => {
    const test = new SelfTest('broker', clock, log, intervals)
    test.watch('stall')
    for (let i = 0; i < 100; i++) {
      test.measured('flush', i % 2 === 0 ? 900 : 1)
      pass(1000)
    }
    assert.deepEqual(
      lines.map(line => line.split(':')[0]),
      ['warn SELFTEST-FLUSH-SLOW'],
    )
    assert.match(lines[0] ?? '', /took 900 ms.*1000 ms/)
    assert.equal(test.report().find(v => v.name === 'flush')?.ill, true)
    pass(62_000)
    assert.equal(lines.length, 2)
    assert.match(lines[1] ?? '', /^info SELFTEST-FLUSH-SLOW is over/)
    assert.deepEqual(
      test.report().find(v => v.name === 'flush'),
      { name: 'flush', worstMs: 0, limitMs: 500, ill: false },
    )
    test.stop()
  })

  it('each of the broker’s and keeper’s signs is said with its own code, and no other process says it', () => {
    for (const [name, vital] of Object.entries(vitals)) {
      lines = []
      for (const by of ['keeper', 'broker'] as const)
        new SelfTest(by, clock, log, intervals).measured(name as VitalName, vital.bound(intervals) + 1)
      assert.deepEqual(
        lines.map(line => line.split(':')[0]),
        [`warn SELFTEST-${vital.error}`],
      )
    }
  })

  it('near the margin once is in the status only, twice within a minute is said, with how often', () => {
    const test = new SelfTest('broker', clock, log, intervals)
    test.watch('stall')
    test.measured('flush', 900)
    assert.equal(test.report().find(v => v.name === 'flush')?.ill, true)
    pass(62_000)
    assert.equal(test.report().find(v => v.name === 'flush')?.ill, false)
    test.measured('flush', 900)
    assert.deepEqual(lines, [], 'the one of a minute ago counts no more')
    pass(50_000)
    test.measured('flush', 600)
    assert.match(lines[0] ?? '', /^warn SELFTEST-FLUSH-SLOW: .*600 ms.*\(2 times so far\.\)/)
    pass(62_000)
    assert.match(lines[1] ?? '', /^info SELFTEST-FLUSH-SLOW is over: .* 2 times, at worst 900 ms\./)
    assert.equal(lines.length, 2)
    test.stop()
  })

  it('what eats the margin is said at once, also after a warning that it is near', () => {
    const test = new SelfTest('broker', clock, log, intervals)
    test.measured('flush', 1000)
    assert.match(lines[0] ?? '', /^warn SELFTEST-FLUSH-SLOW: .* 1000 ms/)
    test.measured('flush', 3000)
    assert.equal(lines.length, 1, 'once')
    const other = new SelfTest('broker', clock, log, intervals)
    for (const ms of [900, 900, 900, 1200, 1300]) other.measured('flush', ms)
    assert.equal(lines.length, 3)
    assert.match(lines[2] ?? '', /1200 ms.*\(4 times so far\.\)/)
  })

  it('a stall of the process and a jump of the time of day', () => {
    let [stall, jump] = [0, 0]
    const late = {
      now: () => clock.now() + stall,
      wall: () => clock.wall() + stall + jump,
      after: (ms: number, fn: () => void) => clock.after(ms, fn),
      soon: (fn: () => void) => clock.soon(fn),
    }
    const watching = new SelfTest('broker', late, log, intervals)
    watching.watch('stall')
    pass(1000)
    assert.deepEqual(lines, [])
    stall += 300
    pass(1000)
    assert.match(lines.join(), /^warn SELFTEST-BROKER-STALL: .* held up for 3\d\d ms/)
    jump -= 5000
    pass(1000)
    assert.match(lines[1] ?? '', /^warn SELFTEST-CLOCK-JUMP: .* moved by 5000 ms/)
    pass(30_000)
    assert.equal(lines.length, 2)
    watching.stop()
  })

  it('listens in on the keeper: late renewals of the other server, late records, and the keeper’s own signs', () => {
    const watch = new BrokerVitals(clock, log, intervals)
    const passed: string[] = []
    const raw: KeeperPipe = {
      send: () => {},
      onVitals: () => {},
      onMessage: () => {},
      onGone: () => {},
      kill: () => {},
    }
    const link = watch.listen(raw)
    link.onMessage = message => void passed.push(message.type)
    const news = (count: number, foreignSince: number, hold = 'a-1'): KeeperNews =>
      ({ type: 'news', foreignToken: `t.primary.${hold}-q3000.${count}`, foreignSince }) as KeeperNews
    for (const [count, at] of [
      [1, 100],
      [2, 600],
      [3, 1150],
    ] as const)
      raw.onMessage(news(count, at))
    raw.onMessage(news(0, 9000, 'b-1'))
    assert.deepEqual(lines, [])
    raw.onMessage(news(1, 12_000, 'b-1'))
    assert.match(lines[0] ?? '', /^warn SELFTEST-TOKEN-LATE: .* 3000 ms after .* after 3000 ms/)
    const own: KeeperVitals = { type: 'vitals', vitals: [{ name: 'renewal', worstMs: 1, limitMs: 562, ill: false }] }
    raw.onVitals(own)
    assert.deepEqual([passed.length, new Set(passed).size], [5, 1])
    assert.deepEqual(
      watch.report().map(v => v.name),
      ['renewal', 'token'],
    )

    let seen = 4
    watch.start(() => ({ heard: 5, seen }))
    pass(1000)
    seen = 5
    pass(1000)
    assert.equal(lines.length, 1)
    seen = 4
    pass(1700)
    assert.match(lines[1] ?? '', /^warn SELFTEST-RECORD-LATE/)
  })

  it('listens in on the share: each operation is timed, and now and then a listing must show the renewal', () => {
    const measured: [string, number][] = []
    const asked: string[] = []
    let stale = false
    const tookMs = { value: 5 }
    // A driver that answers at once, and lets time go by.
    const driver: ShareDriver = {
      run(steps, _limitMs, done) {
        let step = steps.next()
        while (step.done !== true) {
          asked.push(step.value.op)
          time.advance(tookMs.value)
          const outcome: ShareOutcome = { ok: true, names: stale ? [] : ['t.2'], text: '' }
          step = steps.next(outcome)
        }
        done(null, step.value)
      },
    }
    const timed = timedShare(driver, { measured: (name, ms) => measured.push([name, ms]) }, clock, '/s/L.lock', 1125)
    function* renewal(): ShareSteps<string> {
      yield* share({ op: 'rename', path: '/s/L.lock/t.1', to: '/s/L.lock/t.2' })
      return 'renewed'
    }
    const renew = (): string => {
      let result = ''
      timed.run(renewal(), 1125, (_error, value) => (result = value ?? ''))
      return result
    }
    assert.equal(renew(), 'renewed')
    assert.deepEqual([asked, measured], [['rename'], [['renewal', 5]]])
    time.advance(10_001)
    renew()
    renew()
    assert.deepEqual(asked, ['rename', 'rename', 'readdir', 'rename'])
    assert.deepEqual(measured.at(-2), ['listing', 0])
    time.advance(10_001)
    tookMs.value = 400
    renew()
    assert.equal(asked.length, 5, 'none after a slow renewal: its time is used up')
    tookMs.value = 1
    stale = true
    renew()
    assert.deepEqual(measured.at(-1), ['listing', 1])
  })
})
