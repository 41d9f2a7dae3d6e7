// Two keepers over a share in memory, on a virtual clock: what they do for their brokers, what they say of a share that
// fails in every way, and that they never both hold the lock.

import assert from 'node:assert/strict'
import type { FromKeeper, KeeperNews, ToKeeper } from '../../src/ha/keeper-link.ts'
import { Keeper } from '../../src/ha/keeper.ts'
import type { Left } from '../../src/ha/keeper.ts'
import { Lease } from '../../src/ha/lease.ts'
import { directLock } from '../../src/ha/lock-port.ts'
import type { RegisterRecord, ServerLabel } from '../../src/ha/record.ts'
import { Register } from '../../src/ha/register.ts'
import { ORIGIN } from '../../src/journal/position.ts'
import { deriveIntervals } from '../../src/profiles/intervals.ts'
import { MemoryDriver, MemoryShare } from '../support/memory-share.ts'
import { VirtualClock, VirtualHost } from '../support/virtual-clock.ts'

const chosen = { pingInterval: 500, activeLockReacquisitionInterval: 1000, passiveLockAcquisitionInterval: 3000 }
const intervals = deriveIntervals(chosen)
const LOCK_FILE = '/share/LockFile'

class Server {
  readonly host: VirtualHost
  readonly driver: MemoryDriver
  readonly lease: Lease
  readonly keeper: Keeper
  readonly lines: string[] = []
  readonly messages: FromKeeper[] = []
  left: Left | null = null
  news!: KeeperNews

  constructor(share: MemoryShare, clock: VirtualClock, label: ServerLabel, instance: string, leaseMs = 3000) {
    this.host = new VirtualHost(clock)
    this.driver = new MemoryDriver(share, this.host)
    const { marginMs, operationMs } = intervals
    this.lease = new Lease({ folder: `${LOCK_FILE}.lock`, node: label, instance, leaseMs, marginMs }, this.host)
    this.keeper = new Keeper(
      { label, lockFile: LOCK_FILE, instance, intervals: { ...intervals, leaseMs } },
      {
        clock: this.host,
        log: (level, line) => this.lines.push(`${level} ${line.split(':')[0]}`),
        driver: this.driver.lane(),
        lock: directLock(this.lease, this.driver.lane(), operationMs),
        register: new Register(LOCK_FILE, instance),
        send: message => {
          this.messages.push(message)
          if (message.type === 'news') this.news = message
        },
        onLeft: left => {
          this.left = left
        },
      },
    )
    this.keeper.start()
  }

  send(message: ToKeeper): void {
    this.keeper.receive(message)
  }

  want(lock: boolean, freedToken = '', hot = false): void {
    this.send({ type: 'want', lock, freedToken, hot })
  }

  get outcome(): string {
    return this.messages.findLast(message => message.type === 'appended')?.outcome ?? 'none'
  }
}

const record = (seq: number, holder: ServerLabel): RegisterRecord => ({
  pairId: 'pair',
  seq,
  id: `${holder}${seq}`,
  epoch: seq,
  holder,
  inSync: [],
  reason: 'take over',
  note: '',
  position: ORIGIN,
  wallMs: 0,
})

describe('lock: the keeper', () => {
  let share: MemoryShare
  let clock: VirtualClock
  let a: Server
  let b: Server
  beforeEach(() => {
    share = new MemoryShare()
    share.nodes.set('/share', null)
    clock = new VirtualClock()
    a = new Server(share, clock, 'primary', 'aa')
    b = new Server(share, clock, 'secondary', 'bb')
  })
  const until = (what: string, condition: () => boolean, limitMs = 60_000): number => {
    const from = clock.now
    const never = (): void => assert.ok(!(a.lease.valid() && b.lease.valid()), 'two holders')
    const checked = clock.until(() => {
      never()
      return condition()
    }, limitMs)
    assert.ok(checked, `${what} within ${limitMs} ms`)
    return clock.now - from
  }
  const holds = (server: Server): boolean =>
    server.news !== null && server.news.held && server.news.deadline > clock.now
  const reign = (server: Server, label: ServerLabel): void => {
    server.want(true)
    until('held', () => holds(server))
    server.send({ type: 'append', request: 1, record: record(1, label) })
    until('appended', () => server.outcome === 'won')
    server.send({ type: 'reign', epoch: 1 })
    until('seen', () => b.news.record?.seq === 1 && b.news.foreignToken === a.news.token)
  }

  it('holds the lock as long as it is wanted, renews every R, and keeps the other out', () => {
    reign(a, 'primary')
    b.want(true)
    const renewals = new Set<number>()
    for (let i = 0; i < 600; i++) {
      clock.advance(100)
      assert.ok(holds(a) && !holds(b))
      renewals.add(a.news.renewedAt)
    }
    assert.ok(Math.abs(renewals.size - 60) <= 2, `${renewals.size} renewals in a minute`)
    assert.equal(b.news.foreignToken, a.news.token)
  })

  it('a lock that is not wanted any more is the other one’s within a look', () => {
    reign(a, 'primary')
    b.want(true)
    a.want(false)
    assert.equal(a.news.held, false)
    assert.ok(until('taken', () => holds(b)) <= intervals.lookMs + 20)
  })

  it('a token that the peer named in its goodbye is taken without waiting for its silence', () => {
    reign(a, 'primary')
    const token = a.news.token
    // Its keeper does not come to releasing it; its broker has said that it does not act any more.
    a.host.frozen = true
    b.want(true, token, true)
    const from = clock.now
    assert.ok(clock.until(() => holds(b)))
    assert.ok(clock.now - from <= 100)
  })

  it('the token of another hold is not: a goodbye is good for the hold it names only', () => {
    reign(a, 'primary')
    const old = a.news.token
    a.want(false)
    until('released', () => a.news.token === '' && !share.names('/share').includes('LockFile.lock'))
    a.want(true)
    until('held again', () => holds(a))
    b.want(true, old, true)
    clock.advance(20_000)
    assert.ok(holds(a) && !holds(b))
  })

  it('a frozen holder’s lock is taken after the lease, not before, and it learns so when it thaws', () => {
    reign(a, 'primary')
    b.want(true)
    clock.advance(500)
    const { deadline } = a.news
    a.host.frozen = true
    const ms = until('taken', () => holds(b))
    assert.ok(clock.now > deadline + intervals.marginMs - 10, 'not before the lease has run out')
    assert.ok(ms <= 3000 + intervals.lookMs + 20, `${ms} ms`)
    a.host.frozen = false
    until('known', () => !a.news.held)
    assert.ok(holds(b))
  })

  it('a dead broker: first the mark, then the release, in milliseconds', () => {
    reign(a, 'primary')
    b.want(true, '', true)
    clock.advance(1)
    a.driver.requests.length = 0
    a.keeper.leave()
    const ms = until('taken', () => holds(b) && b.news.releasedEpoch === 1)
    assert.ok(ms <= 60, `${ms} ms`)
    const done = a.driver.requests.map(r => `${r.op} ${r.path}`)
    const mark = done.indexOf(`create ${LOCK_FILE}.released-1`)
    const release = done.findIndex(r => r.startsWith('unlink'))
    assert.ok(mark >= 0 && release > mark, done.join())
    assert.deepEqual(a.left, { marked: true, released: true })
  })

  it('a broker that dies before it reigns leaves no mark, and the lock is free at once', () => {
    a.want(true)
    until('held', () => holds(a))
    clock.advance(100)
    b.want(true, '', true)
    a.keeper.leave()
    assert.ok(until('taken', () => holds(b)) <= 60)
    assert.deepEqual(a.left, { marked: true, released: true })
    assert.deepEqual(share.names('/share'), ['LockFile.lock'])
  })

  it('a broker that dies right after its record was won is marked with that epoch, though it never said that it reigns', () => {
    a.want(true)
    until('held', () => holds(a))
    a.send({ type: 'append', request: 1, record: record(1, 'primary') })
    until('won', () => a.outcome === 'won')
    a.keeper.leave()
    until('seen', () => b.news.releasedEpoch === 1)
  })

  it('a broker whose record lost leaves no mark on the winner’s epoch', () => {
    reign(a, 'primary')
    b.send({ type: 'append', request: 1, record: record(1, 'secondary') })
    until('lost', () => b.outcome === 'lost')
    b.keeper.leave()
    until('left', () => b.left !== null)
    assert.deepEqual(
      share.names('/share').filter(name => name.includes('released')),
      [],
    )
  })

  it('leaving on a share that hangs ends in bounded time and says so', () => {
    reign(a, 'primary')
    a.driver.hung = true
    a.keeper.leave()
    assert.ok(until('left', () => a.left !== null) <= intervals.leaveMs)
    assert.deepEqual(a.left, { marked: false, released: false })
    assert.equal(a.lines.filter(line => line.startsWith('warn')).length, 1)
    b.want(true)
    until('taken', () => holds(b))
    // What hung is executed now: it must not touch the new holder.
    a.driver.heal()
    clock.advance(10_000)
    assert.ok(holds(b))
  })

  it('a share that hangs: reported once, at most two operations on their way, no holder after the deadline, and it recovers', () => {
    reign(a, 'primary')
    b.want(true)
    const { deadline } = a.news
    a.driver.hung = true
    a.driver.requests.length = 0
    until('reported', () => a.news.fault?.code === 'LOCK-UNREACHABLE')
    assert.ok(clock.now < deadline, 'before the lock runs out')
    until('taken', () => holds(b))
    assert.ok(clock.now >= deadline)
    clock.advance(60_000)
    assert.equal(a.driver.requests.length, 2)
    assert.deepEqual(a.lines, ['error LOCK-UNREACHABLE'])
    a.driver.heal()
    until('recovered', () => a.news.fault === null && !a.news.held)
    assert.ok(holds(b))
    assert.equal(a.lines.length, 2)
    clock.advance(10_000)
    until('seen', () => holds(b) && a.news.foreignToken === b.news.token, 500)
  })

  it('a renewal that was executed though its answer was lost keeps the lock, counted from its start', () => {
    reign(a, 'primary')
    const { deadline } = a.news
    until('renewing soon', () => clock.now > a.news.renewedAt + 980)
    a.driver.hung = true
    clock.advance(intervals.operationMs / 2)
    a.driver.latencyMs = 2 * intervals.operationMs
    a.driver.heal()
    clock.advance(1)
    a.driver.latencyMs = 1
    until('counted', () => a.news.deadline > deadline, 3000)
    assert.ok(holds(a) && a.news.deadline < deadline + 1100)
  })

  const kinds = {
    EACCES: 'LOCK-DENIED',
    EROFS: 'LOCK-READ-ONLY',
    ENOSPC: 'LOCK-FULL',
    EIO: 'LOCK-UNREACHABLE',
    ESTALE: 'LOCK-STALE-HANDLE',
    ENOTDIR: 'LOCK-FOLDER-MISSING',
    EWEIRD: 'LOCK-FAILED',
  }
  for (const [errno, code] of Object.entries(kinds)) {
    it(`${errno} is ${code}: said once, the lock runs out, and all is well after it`, () => {
      reign(a, 'primary')
      a.driver.broken = errno
      until('reported', () => a.news.fault?.code === code)
      until('run out', () => !holds(a))
      clock.advance(30_000)
      assert.deepEqual(a.lines, [`error ${code}`])
      assert.ok(a.driver.requests.length < 2000)
      a.driver.broken = ''
      until('held again', () => holds(a) && a.news.fault === null)
      assert.equal(a.lines.length, 2)
    })
  }

  it('a folder that vanishes is a missing folder, not a free lock', () => {
    reign(a, 'primary')
    const before = new Map(share.nodes)
    share.nodes.clear()
    share.nodes.set('/', null)
    b.want(true)
    until(
      'reported',
      () => a.news.fault?.code === 'LOCK-FOLDER-MISSING' && b.news.fault?.code === 'LOCK-FOLDER-MISSING',
    )
    clock.advance(10_000)
    assert.ok(!holds(a) && !holds(b))
    for (const [path, text] of before) share.nodes.set(path, text)
    until('one holds it again', () => holds(a) || holds(b))
    clock.advance(100)
    assert.equal(a.news.fault ?? b.news.fault, null)
  })

  it('an append on a share that hangs is unknown; asking again with the same record finds out', () => {
    reign(a, 'primary')
    a.driver.hung = true
    a.send({ type: 'append', request: 2, record: record(2, 'primary') })
    until('answered', () => a.outcome === 'unknown')
    a.driver.heal()
    clock.advance(2000)
    a.send({ type: 'append', request: 3, record: record(2, 'primary') })
    until('won', () => a.outcome === 'won')
    until('seen', () => b.news.record?.seq === 2)
  })

  it('says whether a record could be appended just now, and leaves nothing behind', () => {
    reign(a, 'primary')
    const names = share.names('/share').join()
    const answer = (after: number): string | null => {
      b.messages.length = 0
      b.send({ type: 'probe', after })
      until('answered', () => b.messages.some(message => message.type === 'probed'), 3 * intervals.operationMs)
      return b.messages.flatMap(message => (message.type === 'probed' ? [message.fault] : []))[0] ?? null
    }
    assert.equal(answer(1), null)
    assert.ok(
      b.driver.requests.some(({ op, path }) => op === 'create' && path.includes('.tmp-')),
      'by writing',
    )
    assert.match(answer(2) ?? '', /number 1, not 2/)
    b.driver.hung = true
    assert.match(answer(1) ?? '', /^LOCK-UNREACHABLE/)
    b.driver.heal()
    clock.advance(2000)
    b.driver.broken = 'ENOSPC'
    b.send({ type: 'probe', after: 2 })
    assert.match(answer(1) ?? '', /ENOSPC/)
    clock.advance(2000)
    assert.equal(b.messages.filter(message => message.type === 'probed').length, 1, 'only the newest is answered')
    b.driver.heal()
    assert.equal(answer(1), null)
    clock.advance(1000)
    assert.equal(
      share
        .names('/share')
        .filter(name => !name.includes('.lock'))
        .join(),
      names
        .split(',')
        .filter(name => !name.includes('.lock'))
        .join(),
    )
  })

  it('says that another server with its label is alive', () => {
    reign(a, 'primary')
    const twin = new Server(share, clock, 'primary', 'cc')
    twin.want(true)
    until('reported', () => twin.news.fault?.code === 'LOCK-SAME-LABEL')
    assert.ok(holds(a))
  })

  it('says that the other server’s lease is of another length, and waits for the longer one', () => {
    reign(a, 'primary')
    const other = new Server(share, clock, 'secondary', 'dd', 1000)
    other.want(true)
    until('reported', () => other.news.fault?.code === 'LOCK-LEASE-DIFFERS')
    a.host.frozen = true
    const { deadline } = a.news
    until('taken', () => holds(other))
    assert.ok(clock.now > deadline)
  })

  it('a restarted keeper of a dead server takes the lock after the lease, like anybody', () => {
    reign(a, 'primary')
    a.host.frozen = true
    const again = new Server(share, clock, 'primary', 'ee')
    again.want(true)
    const ms = until('taken', () => holds(again))
    assert.ok(ms >= 3000 - 1 && ms <= 3400, `${ms} ms`)
    assert.equal(again.news.fault, null)
  })

  it('a share that flickers makes a few lines, not a flood', () => {
    reign(a, 'primary')
    for (let i = 0; i < 300; i++) {
      a.driver.broken = ['EIO', '', 'EACCES'][i % 3]!
      clock.advance(300)
    }
    assert.ok(a.lines.length <= 16, `${a.lines.length} lines in a minute and a half`)
  })
})
