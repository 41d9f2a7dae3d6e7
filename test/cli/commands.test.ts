// The commands as processes: exit codes and what stands on which stream.

import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { roleIn } from '../../src/cli/child.ts'
import { adminPort } from './admin-port.ts'
import { movedPair } from './moved.ts'
import { lockstep, PRODUCT } from './run.ts'

const FES = 'profiles/haprofile1/primary/FES'
const OTHER = 'profiles/haprofile1/secondary/FES'

describe('cli: profiles', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'lockstep-cli-'))
  })
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  it('check: a shipped pair is OK, with its intervals and what they mean', async () => {
    const { code, out, err } = await lockstep(['check', FES, OTHER])
    assert.equal(err, '')
    assert.equal(code, 0)
    assert.match(out, /primary\/FES\/profile\.yaml: OK \(primary, FES\)/)
    assert.match(out, /fit together as a pair/)
    assert.match(out, /lease 3000 ms/)
    assert.match(out, /host lost +\d+\.\d\d s \/ \d+\.\d\d s/)
  })

  it('says what is wrong with a command line that it cannot mean', async () => {
    for (const [words, problem] of [
      [['check', FES, `./${FES}`], /is named twice: a pair is two profiles/],
      [['status', FES, '--watch=3'], /--watch takes no value/],
      [['status', 'http://127.0.0.1:1', '--set', 'a=b'], /--set is for a profile/],
      [['status', '127.0.0.1:8100'], /An admin URL begins with http:\/\/, as http:\/\/127\.0\.0\.1:8100 does/],
    ] as const) {
      const { code, err } = await lockstep([...words])
      assert.match(err, problem)
      assert.equal(code, 2)
    }
  })

  it('check and start: a bad profile is refused with exit code 2, all faults told, and nothing is made', async () => {
    const text = readFileSync(join(PRODUCT, FES, 'profile.yaml'), 'utf8')
    const bad = text
      .replace('port: 7100', 'port: x')
      .replace('passiveLockAcquisitionInterval: 3000', 'passiveLockAcquisitionInterval: 900')
    writeFileSync(join(folder, 'profile.yaml'), `${bad}\nnonsense: 1\n`)
    const [checked, started] = await Promise.all([lockstep(['check', folder]), lockstep(['start', folder])])
    for (const { code, out, err } of [checked, started]) {
      assert.equal(code, 2)
      for (const name of ['PROFILE-TYPE', 'PROFILE-LEASE-RATIO', 'PROFILE-UNKNOWN'])
        assert.ok((out + err).includes(name), name)
    }
    assert.deepEqual(readdirSync(folder), ['profile.yaml'])
  })

  it('pair: a port in use is named, with the key that gives it, and nothing is started', async () => {
    const { amqp } = await movedPair(folder)
    const taken = createServer().unref()
    await new Promise<void>(resolve => taken.listen(amqp[1], '127.0.0.1', resolve))
    const { code, err, out } = await lockstep(['pair', join(folder, 'profiles/haprofile1')])
    await new Promise(resolve => taken.close(resolve))
    assert.deepEqual([code, out], [1, ''])
    assert.match(
      err,
      new RegExp(`^CLI-PORT-TAKEN: Port ${amqp[1]} on 127\\.0\\.0\\.1 .*listeners\\.amqp\\.port of .*secondary/FES`),
    )
    assert.ok(!existsSync(join(folder, 'var')))
  })

  it('pair: profiles that do not fit, or are not there: exit code 2', async () => {
    const [misfit, unknown] = await Promise.all([
      lockstep(['pair', '--set', 'listeners.amqp.port=5700']),
      lockstep(['pair', 'haprofile9']),
    ])
    assert.equal(misfit.code, 2)
    assert.match(misfit.err, /PROFILE-PAIR-PORTS/)
    assert.deepEqual([unknown.code, unknown.err.split(':')[0]], [2, 'CLI-NO-PAIR'])
  })
})

describe('cli: a running server', () => {
  const admin = adminPort()
  const { subject } = admin

  it('status, as a table and as JSON, by profile and by URL', async () => {
    const [table, json] = await Promise.all([
      lockstep(['status', FES, '--set', `rmiServerPort=${new URL(admin.url).port}`, '--why']),
      lockstep(['status', admin.url, '--json']),
    ])
    assert.deepEqual([table.code, table.err, json.code], [0, '', 0])
    assert.match(table.out, /^role +ACTIVE/m)
    assert.match(table.out, /nothing blocks this server/)
    assert.equal((JSON.parse(json.out) as { epoch: number }).epoch, 7)
  })

  it('switchover, force-active and quarantine', async () => {
    const results = await Promise.all([
      lockstep(['switchover', admin.url]),
      lockstep(['force-active', admin.url]),
      lockstep(['force-active', admin.url, '--accept-loss', '--reason', 'a drill']),
      lockstep(['quarantine', admin.url]),
      lockstep(['quarantine', admin.url, 'export']),
    ])
    assert.deepEqual(
      results.map(r => r.code),
      [0, 2, 0, 0, 0],
    )
    assert.deepEqual(subject.calls.filter(call => !call.startsWith('open')).sort(), ['force a drill', 'switchover'])
    assert.match(results[3]?.out ?? '', /^q 1 {2}records 5 to 7 \(3, 6 B\)/)
    assert.equal(results[4]?.out.trimEnd().split('\n').length, 3)
  })
})

describe('cli: accounts and permissions', () => {
  const admin = adminPort()
  const { subject } = admin

  it('user: lists, sets with a password from standard input, and removes; no password leaves the command', async () => {
    const results = await Promise.all([
      lockstep(['user', admin.url]),
      lockstep(['user', admin.url, 'set', 'b/b', '--group', 'x, y', '--group', 'z'], PRODUCT, {}, 'correct horse\n'),
      lockstep(['user', admin.url, 'set', 'cal', '--keep-password', '--group', '']),
      lockstep(['user', admin.url, 'remove', 'dan']),
      lockstep(['user', admin.url, 'set', 'eve'], PRODUCT, {}, 'short\n'),
      lockstep(['user', admin.url, 'set']),
    ])
    assert.deepEqual(
      results.map(r => r.code),
      [0, 0, 0, 0, 2, 2],
      results.map(r => r.err).join('\n'),
    )
    assert.equal(results[0]?.out, 'ann  ops\n')
    const [bob = '', cal, dan] = subject.calls.sort()
    assert.match(bob, /^account b\/b \{"groups":\["x","y","z"\],"password":"scrypt:16384:8:1:[^"]+","scram":\{/)
    assert.deepEqual([cal, dan], ['account cal {"groups":[]}', 'no account dan'])
    assert.doesNotMatch(bob, /horse/)
  })

  it('permission: lists, adds to what a subject has, takes away, and refuses nonsense', async () => {
    subject.calls = []
    const results = await Promise.all([
      lockstep(['permission', admin.url]),
      lockstep(['permission', admin.url, 'grant', 'everyone', 'receive', 'queue', '*']),
      lockstep(['permission', admin.url, 'revoke', 'everyone']),
      lockstep(['permission', admin.url, 'grant', 'everyone', 'fly', 'queue', '*']),
      lockstep(['permission', admin.url, 'grant', 'everyone', 'send']),
      lockstep(['permission', admin.url, 'revoke', 'everyone', 'send', 'queue', 'zzz']),
      lockstep(['permission', admin.url, 'grant', 'everyone', 'send,create', 'topic', 'a/#']),
    ])
    assert.deepEqual(
      results.map(r => r.code),
      [0, 0, 0, 2, 2, 1, 2],
    )
    assert.equal(results[2]?.err, '', 'there are others')
    assert.match(results[6]?.err ?? '', /create means nothing for topics/)
    assert.match(results[5]?.err ?? '', /^CLI-NOT-GRANTED: everyone has no permission to send queue zzz/)
    assert.equal(results[0]?.out, 'everyone  send  queue  *\n')
    assert.deepEqual(subject.calls.sort(), [
      'grants everyone []',
      'grants everyone [{"actions":["send","receive"],"kind":"queue","pattern":"*"}]',
    ])
  })

  it('permission: warns that without the last one everybody may do everything', async () => {
    const { access } = subject
    const grants = access.grants
    for (const words of [['everyone'], ['everyone', 'send', 'queue', '*']]) {
      access.grants = grants
      access.setGrants = (_, __, done) => {
        access.grants = () => ({}) as ReturnType<typeof grants>
        done(null)
      }
      const { code, out, err } = await lockstep(['permission', admin.url, 'revoke', ...words])
      assert.deepEqual([code, out], [0, 'everyone has no permissions.\n'])
      assert.equal(err, 'Warning: There are no permissions: everybody who is let in may do everything.\n')
    }
  })
})

describe('cli: settings of addresses', () => {
  const admin = adminPort()
  const { subject } = admin

  it('address: lists, shows what counts, sets beside what is set, takes away, and refuses nonsense', async () => {
    const results = await Promise.all([
      lockstep(['address', admin.url]),
      lockstep(['address', admin.url, 'show', 'queue', 'orders.eu']),
      lockstep(['address', admin.url, 'show', 'topic', 'orders/eu']),
      lockstep(['address', admin.url, 'set', 'queue', 'orders.*', 'maxMessages=10', 'whenFull=drop-oldest']),
      lockstep(['address', admin.url, 'set', 'queue', 'orders.*', 'maxDeliveries=']),
      lockstep(['address', admin.url, 'remove', 'topic', 'a/#']),
      lockstep(['address', admin.url, 'set', 'queue', 'q']),
      lockstep(['address', admin.url, 'set', 'queue', 'q', 'maxMesages=1']),
      lockstep(['address', admin.url, 'remove', 'queue']),
      lockstep(['address', admin.url, 'set', 'queue', 'orders.*', 'deadLetter=', 'maxDeliveries=']),
    ])
    assert.deepEqual(
      results.map(r => r.code),
      [0, 0, 0, 0, 0, 0, 2, 2, 2, 0],
      results.map(r => r.err).join('\n'),
    )
    assert.equal(results[0]?.out, 'queue  orders.*  deadLetter=dead maxDeliveries=5\n')
    assert.equal(results[1]?.out, 'deadLetter=dead maxDeliveries=5\nby queue orders.*\n')
    assert.equal(results[9]?.out, 'Nothing is settled by queue orders.* any more.\n')
    assert.match(results[2]?.out ?? '', /^Nothing is settled for the topic orders\/eu/)
    assert.deepEqual(subject.calls.sort(), [
      'address queue/orders.* {"deadLetter":"dead"}',
      'address queue/orders.* {"maxDeliveries":5,"deadLetter":"dead","maxMessages":10,"whenFull":"drop-oldest"}',
      'no address queue/orders.*',
      'no address topic/a/#',
    ])
  })
})

describe('cli: usage', () => {
  it('unknown command, missing command, unknown option, nonsense: exit code 2', async () => {
    const results = await Promise.all(
      [['sttaus', FES], [], ['status', FES, '--jsno'], ['pair', '--kind', 'XXX'], ['status']].map(args =>
        lockstep(args),
      ),
    )
    for (const { code, out, err } of results) {
      assert.equal(code, 2, err)
      assert.equal(out, '')
      assert.match(err, /^CLI-USAGE: /)
    }
  })

  it('says in one line which argument is missing or wrong, and how the command is used', async () => {
    const said: [readonly string[], string][] = [
      [['switchover'], '<target> is missing. Usage: lockstep switchover <target>;'],
      [['check'], '<profile-folder..> is missing. Usage: lockstep check <profile-folder..>;'],
      [
        ['user', FES, 'set'],
        'Say whose account to set: [name] is missing. Usage: lockstep user <target> [action] [name];',
      ],
      [['user', FES, 'add', 'x'], 'action can not be "add"; there are list, set, remove. Usage: lockstep user '],
      [
        ['permission', FES, 'grant'],
        'Say whom to grant: user:<name>, group:<name> or everyone. Usage: lockstep permission ',
      ],
      [['address', FES, 'set', 'queue', 'q', 'x'], 'x is not key=value; keys: '],
      [['address', FES, 'set', 'queue', 'q', 'maxMesages=3'], 'There is no key maxMesages; did you mean maxMessages? '],
      [['address', FES, 'set', 'queue'], 'Say which queue to set: a pattern is missing. Usage: lockstep address '],
      [['simulate', '--seeds', '0'], '--seeds needs a whole number above 0. Usage: lockstep simulate;'],
      [['simulate', '--seeds', '1.5'], '--seeds needs a whole number above 0. Usage: lockstep simulate;'],
      [['simulate', '--minutes', '-1'], '--minutes needs a number above 0. Usage: lockstep simulate;'],
      [['status', FES, '--jsno'], 'There is no option --jsno. Usage: lockstep status <target>;'],
      [['--set', 'a=b', 'status'], '<target> is missing. Usage: lockstep status <target>;'],
      [['status', FES, '--no-foo'], 'There is no option --no-foo. Usage: lockstep status <target>;'],
      [['status', FES, 'x'], 'x is one argument too many. Usage: lockstep status <target>;'],
      [['gateway', '--port'], '--port needs a value. Usage: lockstep gateway;'],
      [['sttaus', FES], 'sttaus is no command; did you mean status? Usage: lockstep <command>; more: lockstep --help.'],
      [['xyz'], 'xyz is no command. Usage: lockstep <command>;'],
      [[], 'A command is missing. Usage: lockstep <command>;'],
    ]
    await Promise.all(
      said.map(async ([args, start]) => {
        const { code, err } = await lockstep(args)
        assert.deepEqual([code, err.split('\n').length, err.slice(0, 11 + start.length)], [2, 2, `CLI-USAGE: ${start}`])
      }),
    )
  })

  it('a server that is not there: exit code 3', async () => {
    const free = createServer().unref()
    await new Promise<void>(resolve => free.listen(0, '127.0.0.1', resolve))
    const { port } = free.address() as AddressInfo
    await new Promise(resolve => free.close(resolve))
    const { code, err } = await lockstep(['status', FES, '--set', `rmiServerPort=${port}`])
    assert.equal(code, 3)
    assert.match(err, /^CLI-UNREACHABLE: .*127\.0\.0\.1.*connection refused/)
  })

  it('what should be a number and is none: exit code 2, and nothing runs', async () => {
    const wrong = [
      ['simulate', '--seeds', 'x'],
      ['gateway', '--port', 'x'],
      ['gateway', '--port', '99999'],
    ]
    for (const { code, out, err } of await Promise.all(wrong.map(args => lockstep(args)))) {
      assert.deepEqual([code, out], [2, ''])
      assert.match(err, /^CLI-USAGE: --(seeds|port) must be a/)
    }
  })

  it('help, version and completion: exit code 0', async () => {
    const [help, version, completion] = await Promise.all(
      [['--help'], ['--version'], ['completion']].map(args => lockstep(args)),
    )
    assert.deepEqual([help?.code, version?.code, completion?.code], [0, 0, 0])
    for (const name of [
      'start',
      'pair',
      'gateway',
      'status',
      'switchover',
      'stop',
      'check',
      'force-active',
      'quarantine',
    ])
      assert.match(help?.out ?? '', new RegExp(`lockstep ${name}`))
    assert.match(version?.out ?? '', /^\d+\.\d+\.\d+/)
    assert.match(completion?.out ?? '', /lockstep/)
  })

  it('the gateway listens on this machine alone, unless told otherwise', async () => {
    assert.match((await lockstep(['gateway', '--help'])).out, /--host .*\[default: "127\.0\.0\.1"\]/s)
  })

  it('reads roles off contracted lines', () => {
    assert.equal(
      roleIn('2026-01-01T00:00:00Z INFO  Primary Server switched to ACTIVE SYNC (was WAITING)'),
      'ACTIVE SYNC',
    )
    assert.equal(roleIn('x Secondary Server switched to PASSIVE; epoch 3'), 'PASSIVE')
    assert.equal(roleIn('Backup Server switched to DEAD'), null)
  })
})
