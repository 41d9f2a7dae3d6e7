// The admin API as a table: who may ask, what is answered, and what becomes of nonsense.

import assert from 'node:assert/strict'
import fc from 'fast-check'
import { answerAdmin, routes, type AdminReply, type AdminRequest } from '../../src/admin/api.ts'
import { derived, measured, metricsText } from '../../src/admin/metrics.ts'
import { showStatus } from '../../src/admin/show.ts'
import { defineErrors } from '../../src/base/errors.ts'
import { FakeSubject, refuse, report } from './subject.ts'

const TOKEN = 'a-token-of-16-and-more'
const local: AdminRequest = {
  method: 'GET',
  target: '/status',
  authorization: '',
  origin: '',
  host: '127.0.0.1:8100',
  fromLoopback: true,
  body: new Uint8Array(),
}

function ask(subject: FakeSubject, request: Partial<AdminRequest>, token: string | null = TOKEN): AdminReply {
  const replies: AdminReply[] = []
  answerAdmin(subject, { ...local, ...request }, token, reply => replies.push(reply))
  assert.equal(replies.length, 1, 'exactly one answer')
  return replies[0] as AdminReply
}
const codeOf = (reply: AdminReply): string => (JSON.parse(reply.body) as { code: string }).code

describe('admin: the table', () => {
  it('says live, ready and active apart', () => {
    const subject = new FakeSubject()
    const states = (): number[] =>
      ['live', 'ready', 'active'].map(word => ask(subject, { target: `/health/${word}` }).status)
    assert.deepEqual(states(), [200, 200, 200])
    subject.report = { ...report, role: 'PASSIVE', serving: false }
    assert.deepEqual(states(), [200, 200, 503])
    subject.report = { ...report, role: 'WAITING', serving: false }
    assert.deepEqual(states(), [200, 503, 503])
    subject.report = { ...report, serving: false }
    assert.deepEqual(states(), [200, 503, 503], 'a role alone is no proof of serving')
  })

  it('answers HEAD, which load balancers ask, as GET', () => {
    const subject = new FakeSubject()
    const states = (): number[] =>
      ['live', 'ready', 'active'].map(word => ask(subject, { method: 'HEAD', target: `/health/${word}` }).status)
    assert.deepEqual(states(), [200, 200, 200])
    subject.report = { ...report, role: 'WAITING', serving: false }
    assert.deepEqual(states(), [200, 503, 503])
    assert.equal(codeOf(ask(subject, { method: 'HEAD', target: '/stop' })), 'ADMIN-METHOD')
  })

  it('gives status, events, quarantine and metrics', () => {
    const subject = new FakeSubject()
    assert.deepEqual(JSON.parse(ask(subject, {}).body), report)
    assert.match(ask(subject, { target: '/events' }).body, /Primary Server switched to ACTIVE/)
    assert.match(ask(subject, { target: '/quarantine' }).body, /"name":"q 1"/)
    const { body, type } = ask(subject, { target: '/metrics?x=1' })
    assert.match(type, /^text\/plain; version=0\.0\.4/)
    assert.match(body, /^lockstep_serving\{server="primary",kind="FES"\} 1$/m)
    assert.match(body, /^lockstep_role\{server="primary",kind="FES",role="ACTIVE"\} 1$/m)
  })

  it('prints every metric once, in the format of Prometheus', () => {
    const text = metricsText(report, new FakeSubject().counters())
    for (const name of [...Object.keys(derived), ...Object.keys(measured)])
      assert.equal(text.split('\n').filter(line => line.startsWith(`lockstep_${name}{`)).length, 1, name)
    for (const line of text.trimEnd().split('\n'))
      assert.match(line, /^(# (HELP|TYPE) lockstep_\w+ .+|lockstep_\w+\{\w+="[^"]*"(,\w+="[^"]*")*\} -?\d+(\.\d+)?)$/)
  })

  it('hands wishes on, and refusals with their codes back', () => {
    const subject = new FakeSubject()
    assert.equal(ask(subject, { method: 'POST', target: '/switchover' }).status, 200)
    assert.equal(ask(subject, { method: 'POST', target: '/stop' }).status, 200)
    assert.equal(ask(subject, { method: 'POST', target: '/stop?anyway' }).status, 200)
    const error = defineErrors('TESTADMIN', { NO: { what: 'no', remedy: 'none' } })('NO')
    subject.answerWith = refuse(error)
    const refused = ask(subject, { method: 'POST', target: '/switchover' })
    assert.deepEqual([refused.status, codeOf(refused)], [409, 'TESTADMIN-NO'])
    assert.deepEqual(subject.calls, ['switchover', 'stop', 'stop anyway', 'switchover'])
  })

  it('answers a wish once, even where the server answers twice', () => {
    const subject = new FakeSubject()
    subject.answerWith = done => {
      done(null)
      done(null)
    }
    ask(subject, { method: 'POST', target: '/stop' })
  })

  it('forces nothing without acceptLoss and a reason', () => {
    const subject = new FakeSubject()
    const force = (body: unknown) =>
      ask(subject, {
        method: 'POST',
        target: '/force-active',
        body: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)),
      })
    const reason = 'the disk of the other one burnt'
    for (const body of [
      '',
      'x',
      '[]',
      'null',
      '5',
      {},
      { reason },
      { acceptLoss: 'true', reason },
      { acceptLoss: true },
      { acceptLoss: true, reason: '  ' },
      { acceptLoss: true, reason: 'x'.repeat(2000) },
    ])
      assert.equal(force(body).status, 400, JSON.stringify(body))
    assert.deepEqual(subject.calls, [])
    assert.equal(force({ acceptLoss: true, reason }).status, 200)
    assert.deepEqual(subject.calls, [`force ${reason}`])
  })

  it('lists what is in the broker, the fullest first, and as much as is asked for', () => {
    const names = (target: string): unknown => {
      const { total, entries } = JSON.parse(ask(new FakeSubject(), { target }).body) as {
        total: number
        entries: { name?: string; client?: string }[]
      }
      return [total, ...entries.map(({ name, client }) => name ?? client)]
    }
    assert.deepEqual(names('/queues'), [3, 'orders.us', 'orders.eu', 'bills'])
    assert.deepEqual(names('/queues?match=orders.*&limit=1'), [2, 'orders.us'])
    assert.deepEqual(names('/queues?limit=0'), [3])
    assert.deepEqual(names('/subscriptions'), [1, 'app/all'])
    assert.deepEqual(names('/sessions?match=sensor%201'), [1, 'sensor 1'])
    for (const limit of ['-1', 'x', '1.5', '100001'])
      assert.equal(codeOf(ask(new FakeSubject(), { target: `/queues?limit=${limit}` })), 'ADMIN-QUERY')
  })

  it('empties and takes away what is named, and hands refusals back', () => {
    const subject = new FakeSubject()
    const purge = ask(subject, { method: 'POST', target: '/purge/orders%2Feu' })
    assert.deepEqual([purge.status, JSON.parse(purge.body)], [200, { done: true, messages: 5 }])
    assert.equal(ask(subject, { method: 'DELETE', target: '/subscriptions/app%2Fall' }).status, 200)
    assert.equal(ask(subject, { method: 'DELETE', target: '/sessions/sensor%201' }).status, 200)
    subject.answerWith = refuse(defineErrors('TESTPURGE', { NO: { what: 'no', remedy: 'none' } })('NO'))
    assert.equal(codeOf(ask(subject, { method: 'POST', target: '/purge/q' })), 'TESTPURGE-NO')
    assert.deepEqual(subject.calls, ['purge orders/eu', 'no subscription app/all', 'no session sensor 1', 'purge q'])
  })

  it('opens only quarantines that the server lists', () => {
    const subject = new FakeSubject()
    for (const name of ['../etc/passwd', '..%2fetc%2fpasswd', 'q', '%', '%00', 'q%201/..'])
      assert.equal(ask(subject, { target: `/quarantine/${name}` }).status, 404, name)
    assert.deepEqual(subject.calls, [])
    assert.equal(ask(subject, { target: '/quarantine/q%201?form=binary' }).download?.form, 'binary')
  })
})

describe('admin: who may ask', () => {
  const bearer = `Bearer ${TOKEN}`
  // prettier-ignore
  const cases: [string, Partial<AdminRequest>, string | null, number][] = [
    ['this machine without a token',        {}, TOKEN, 200],
    ['this machine by name',                { host: 'localhost:8100' }, null, 200],
    ['this machine with a wrong token',     { authorization: 'Bearer wrong' }, TOKEN, 401],
    ['another machine without a token',     { fromLoopback: false }, TOKEN, 401],
    ['another machine with it',             { fromLoopback: false, authorization: bearer, host: 'a.example' }, TOKEN, 200],
    ['another machine, wrong',              { fromLoopback: false, authorization: `${bearer}x` }, TOKEN, 401],
    ['another machine, none is set',        { fromLoopback: false, authorization: 'Bearer null' }, null, 401],
    ['another machine, empty',              { fromLoopback: false, authorization: 'Bearer ' }, null, 401],
    ['health from another machine',         { fromLoopback: false, target: '/health/active' }, TOKEN, 401],
    ['a page in a browser here',            { origin: 'http://evil.example' }, TOKEN, 403],
    ['a page, even with the token',         { origin: 'http://evil.example', authorization: bearer }, TOKEN, 403],
    ['a name bent to point here',           { host: 'evil.example:8100' }, TOKEN, 403],
  ]
  for (const [title, request, token, status] of cases)
    it(`${title}: ${status}`, () => {
      assert.equal(ask(new FakeSubject(), request, token).status, status)
      const subject = new FakeSubject()
      ask(subject, { ...request, method: 'POST', target: '/stop' }, token)
      assert.equal(subject.calls.length, status === 200 ? 1 : 0, 'nothing is done for a stranger')
    })
})

describe('admin: a wrong token', () => {
  it('is called wrong, also on the machine itself, where none would be needed', () => {
    for (const fromLoopback of [true, false]) {
      const told = ask(new FakeSubject(), { fromLoopback, authorization: 'Bearer wrong' })
      assert.equal(codeOf(told), 'ADMIN-WRONG-TOKEN')
      assert.match(told.body, /leave it out/)
    }
    assert.equal(codeOf(ask(new FakeSubject(), { fromLoopback: false })), 'ADMIN-TOKEN')
  })
})

describe('admin: nonsense', () => {
  it('is answered with a coded error, and does nothing', () => {
    assert.equal(codeOf(ask(new FakeSubject(), { target: '/nothing' })), 'ADMIN-NO-SUCH-PATH')
    assert.equal(codeOf(ask(new FakeSubject(), { method: 'DELETE' })), 'ADMIN-METHOD')
    assert.equal(codeOf(ask(new FakeSubject(), { target: '/stop' })), 'ADMIN-METHOD')
    const method = fc.constantFrom('GET', 'POST', 'PUT', '', 'get')
    const target = fc.oneof(
      fc.string(),
      fc.constantFrom(...routes.map(r => r.path)),
      fc.string().map(s => `/quarantine/${s}`),
    )
    fc.assert(
      fc.property(method, target, fc.string(), fc.uint8Array({ maxLength: 50 }), (m, t, authorization, body) => {
        const subject = new FakeSubject()
        const reply = ask(subject, { method: m, target: t, authorization, body })
        assert.ok(reply.status >= 200 && reply.status < 600)
        assert.ok(!subject.calls.some(call => call.startsWith('force')))
      }),
      { seed: 1, numRuns: 500 },
    )
  })
})

describe('admin: status for people', () => {
  it('says everything that counts', () => {
    const text = showStatus(report, 1_030_000, false)
    assert.match(text, /^role +ACTIVE for 30 s {2}\(was ACTIVE SYNC; runtime synchronization is complete\)$/m)
    assert.match(text, /^peer +PASSIVE /m)
    assert.match(text, /^in sync +primary and secondary {2}\(record 9, join, holder primary, epoch 7\)$/m)
    assert.match(text, /^protected +yes$/m)
    assert.match(text, /lag 4 records, 4\.0 KiB/)
    assert.doesNotMatch(text, /why/)
  })
  it('does not call a peer lost that never came', () => {
    const gone = { ...report.peer, role: 'DEAD', previous: 'DEAD', connected: false, roundTripMs: null } as const
    const peerLine = (seen: boolean): string | undefined =>
      /^peer +(.*?;)/m.exec(showStatus({ ...report, peer: { ...gone, seen } }, 0, false))?.[1]
    assert.equal(peerLine(false), 'DEAD  (not seen since this server started;')
    assert.equal(peerLine(true), 'DEAD  (was DEAD;')
  })
  it('--why says what blocks, and an unprotected server says so', () => {
    const blocked = ['the LockFile lists only the secondary as in sync']
    const text = showStatus(
      {
        ...report,
        protected: false,
        unprotected: ['no lock'],
        blocked,
        lock: { ...report.lock, record: null, leaseLeftMs: null, held: false, fault: 'LOCK-X: gone' },
      },
      0,
      true,
    )
    assert.match(text, /protected +NO: no lock/)
    assert.match(text, / {2}- the LockFile lists only the secondary/)
    assert.match(text, /not held here .*LOCK-X/)
    assert.doesNotMatch(text, /undefined|NaN|null/)
  })
})
