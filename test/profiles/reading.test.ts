// The shipped profiles are clean, names and values are read as promised, and no text whatever breaks the reader.

import assert from 'node:assert/strict'
import fc from 'fast-check'
import { checkPair } from '../../src/profiles/pair.ts'
import { keyNames, keys } from '../../src/profiles/keys.ts'
import { editDistance, nearest } from '../../src/profiles/nearest.ts'
import { isLoopback, sameListener } from '../../src/profiles/network.ts'
import { readProfileFolder } from '../../src/server/profile-files.ts'
import { fileURLToPath } from 'node:url'
import { codes, shippedText, vary } from './world.ts'

const PAIRS = ['haprofile1/*/FES', 'haprofile1/*/FPS', 'haprofile2/*/FPS'].map(
  place => [place.replace('*', 'primary'), place.replace('*', 'secondary')] as const,
)

describe('profiles: the shipped ones', () => {
  // As in design: folder, AMQP, MQTT, back channel, admin.
  // prettier-ignore
  const table = [
    ['haprofile1/primary/FES', 5672, 1883, 7100, 8100],
    ['haprofile1/secondary/FES', 5673, 1884, 7101, 8101],
    ['haprofile1/primary/FPS', 5682, 1893, 7110, 8110],
    ['haprofile1/secondary/FPS', 5683, 1894, 7111, 8111],
    ['haprofile2/primary/FPS', 5692, 1903, 7120, 8120],
    ['haprofile2/secondary/FPS', 5693, 1904, 7121, 8121],
  ] as const
  for (const [place, amqp, mqtt, channel, admin] of table)
    it(`${place} is clean and has its ports`, () => {
      const { list, profile } = vary({ text: shippedText(place), place })
      assert.deepEqual(codes({ list }), [])
      assert.ok(profile)
      assert.deepEqual(
        [profile.listeners.amqp.port, profile.listeners.mqtt.port, profile.port, profile.rmiServerPort],
        [amqp, mqtt, channel, admin],
      )
      assert.equal(profile.dataDirectory, `/p/var/${place}`)
      assert.equal(profile.startupGrace, 5000)
      assert.ok(profile.security.secretIsShipped)
    })

  it('fit together as pairs, and all six run on one machine', () => {
    for (const [a, b] of PAIRS)
      assert.deepEqual(
        codes({ list: checkPair(vary({ text: shippedText(a), place: a }), vary({ text: shippedText(b), place: b })) }),
        [],
      )
    const numbers = table.flatMap(row => row.slice(1))
    assert.equal(new Set(numbers).size, numbers.length)
  })

  it('are found on the disk, and reading leaves no trace', () => {
    const folder = fileURLToPath(new URL('../../profiles/haprofile1/primary/FES', import.meta.url))
    assert.ok(readProfileFolder(folder).profile)
    const { list } = readProfileFolder('/nowhere')
    assert.deepEqual(codes({ list }), ['PROFILE-NO-FILE'])
  })
})

describe('profiles: names and values', () => {
  it('takes every alias for its key', () => {
    for (const name of keyNames)
      for (const alias of keys[name].aliases) {
        const reading = vary({ change: { [name]: undefined, [alias]: [] } })
        const told = reading.list.all.filter(f => f.key === name)
        // The value is wrong for all but lists; what counts is that it is judged as that key, and nothing is missing.
        assert.ok(!codes(reading).includes('PROFILE-UNKNOWN'), alias)
        assert.ok(
          told.every(f => f.error.code !== 'PROFILE-MISSING'),
          alias,
        )
      }
  })

  it("reads a file in Fiorano's own words, misspelt ones too", () => {
    const { profile, list } = vary({
      change: {
        activeLockReacquisitionInterval: undefined,
        passiveLockAcquisitionInterval: undefined,
        lockFile: undefined,
        ActiveLockReAcquistionInterval: 1000,
        PassiveLockAcquistionInterval: 4000,
        LockFile: '/mnt/share/LockFile',
      },
    })
    assert.deepEqual(codes({ list }), [])
    assert.equal(profile?.activeLockReacquisitionInterval, 1000)
    assert.equal(profile?.passiveLockAcquisitionInterval, 4000)
    assert.equal(profile?.lockFile, '/mnt/share/LockFile')
  })

  it('overrides the file, by any name, with units, nested keys and users', () => {
    const { profile, list } = vary({
      sets: [
        'PingInterval=1 s',
        'activeLockReacquisitionInterval=1000',
        'passiveLockAcquisitionInterval=5 s',
        'limits.messageBytes=64 KiB',
        'listeners.mqtt.port=1999',
        'queues.declared=[a, b]',
        'queues.createOnUse=false',
        'security.pairSecret=1234567890123456',
        'security.users.ann=secret=with=equals',
        'security.users.bob=12345678',
        'startupGrace=forever',
        'dataDirectory=/elsewhere',
      ],
    })
    assert.deepEqual(codes({ list }), [])
    assert.ok(profile)
    assert.equal(profile.pingInterval, 1000)
    assert.equal(profile.passiveLockAcquisitionInterval, 5000)
    assert.equal(profile.limits.messageBytes, 65536)
    assert.equal(profile.listeners.mqtt.port, 1999)
    assert.deepEqual(profile.queues, { createOnUse: false, declared: ['a', 'b'] })
    assert.equal(profile.security.pairSecret, '1234567890123456')
    assert.deepEqual(
      [...profile.security.users],
      [
        ['ann', 'secret=with=equals'],
        ['bob', '12345678'],
      ],
    )
    assert.equal(profile.startupGrace, 'forever')
    assert.equal(profile.appRepositoryPath, '/elsewhere/repository/applications')
  })

  it('mends a fault of the file by an override, and names the option for a fault of its own', () => {
    assert.deepEqual(codes(vary({ change: { port: 'x' }, sets: ['port=7100'] })), [])
    const { list } = vary({ sets: ['port=x'] })
    assert.match(list.all[0]?.error.line() ?? '', /^PROFILE-TYPE: --set port=x: port is "x"/)
  })

  it('starts relative paths above `profiles`', () => {
    assert.equal(vary({}).profile?.lockFile, '/p/var/lock/haprofile1/FES/LockFile')
  })

  it('takes the secret from a file', () => {
    const { profile } = vary({ change: { 'security.pairSecretFile': '/s' }, files: { '/s': '0123456789abcdef\n' } })
    assert.equal(profile?.security.pairSecret, '0123456789abcdef')
    assert.equal(profile?.security.secretIsShipped, false)
  })

  it('finds the nearest key', () => {
    assert.equal(nearest('pingIntervall', keyNames), 'pingInterval')
    assert.equal(nearest('activeLockReaquisitionIntervall', keyNames), 'activeLockReacquisitionInterval')
    assert.equal(nearest('somethingElseAltogether', keyNames), null)
    assert.equal(editDistance('ab', 'ba'), 1)
    fc.assert(
      fc.property(fc.string({ maxLength: 12 }), fc.string({ maxLength: 12 }), (a, b) => {
        const distance = editDistance(a, b)
        assert.equal(distance, editDistance(b, a))
        assert.equal(distance === 0, a === b)
        assert.ok(distance <= Math.max(a.length, b.length))
      }),
      { seed: 1 },
    )
  })

  it('knows loopback and colliding listeners', () => {
    for (const host of ['127.0.0.1', '127.8.9.1', 'localhost', '::1', '::ffff:127.0.0.1'])
      assert.ok(isLoopback(host), host)
    for (const host of ['0.0.0.0', '::', '10.0.0.1', 'example.org', '128.0.0.1']) assert.ok(!isLoopback(host), host)
    assert.ok(sameListener('0.0.0.0', '10.0.0.1') && sameListener('localhost', '127.0.0.1'))
    assert.ok(!sameListener('127.0.0.1', '127.0.0.2'))
  })
})

describe('profiles: any text', () => {
  const value = fc.oneof(
    fc.constantFrom(...keyNames, 'server', 'x', '- ', ': ', '\n', '&a ', '*a', '{', '[', '!!binary x', '<<: '),
    fc.string(),
  )
  it('never breaks the reader', () => {
    fc.assert(
      fc.property(fc.array(value, { maxLength: 30 }), parts => {
        const { profile, list } = vary({ text: parts.join('') })
        assert.equal(profile, null)
        assert.ok(list.faults.length > 0)
      }),
      { seed: 2, numRuns: 300 },
    )
  })
  it('nor any value of any key', () => {
    fc.assert(
      fc.property(fc.constantFrom(...keyNames), fc.jsonValue({ maxDepth: 2 }), (name, json) => {
        const { profile, list } = vary({ change: { [name]: json } })
        assert.equal(profile === null, list.faults.length > 0)
      }),
      { seed: 3, numRuns: 500 },
    )
  })
  it('nor any override', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.tuple(fc.constantFrom(...keyNames), fc.string()).map(p => p.join('=')),
        ),
        set => {
          const { profile, list } = vary({ sets: [set] })
          assert.equal(profile === null, list.faults.length > 0)
        },
      ),
      { seed: 4, numRuns: 500 },
    )
  })
  it('bounds what anchors can blow up', () => {
    const bomb = [
      'a: &a [x,x,x,x,x,x,x,x,x]',
      ...'bcdefgh'.split('').map((n, i) => `${n}: &${n} [${Array(9).fill(`*${'abcdefgh'[i]}`).join(',')}]`),
    ]
    const { list } = vary({ text: `${bomb.join('\n')}\nqueues:\n  declared: *h\n` })
    assert.ok(codes({ list }).includes('PROFILE-YAML'))
  })
})
