// Every way in which a profile can be wrong, one row to a case: it yields exactly its code, and nothing else.

import assert from 'node:assert/strict'
import { profileErrors, WARNINGS, type ProfileErrorName } from '../../src/profiles/errors.ts'
import { checkPair } from '../../src/profiles/pair.ts'
import { codes, shippedText, vary, type Variation } from './world.ts'

const OWN_SECRET = 'a secret of our own, long enough'
const apart = {
  host: '10.0.0.1',
  backupHAIPAddress: '10.0.0.2',
  backupServerIp: '10.0.0.2',
  gatewayServerIPAddress: '10.0.0.3',
  'security.pairSecret': OWN_SECRET,
}
const PEM = '-----BEGIN CERTIFICATE-----'

type Case = readonly [ProfileErrorName, string, Variation]

// prettier-ignore
const alone: readonly Case[] = [
  ['NO-FILE', 'no such file', { text: '', files: {}, place: 'haprofile1/primary/FES' }],
  ['YAML', 'no YAML', { text: 'server: [primary\nkind: FES' }],
  ['YAML', 'a second document', { text: `${shippedText('haprofile1/primary/FES')}---\nserver: secondary\n` }],
  ['YAML', 'a list', { text: '- server\n- kind\n' }],
  ['YAML', 'a key twice under one name', { text: `${shippedText('haprofile1/primary/FES')}\nserver: secondary\n` }],
  ['OVERRIDE', 'an override without =', { sets: ['pingInterval'] }],
  ['UNKNOWN', 'a misspelt mandatory key is told once', { change: { lockFile: undefined, lockFiel: '/x/y' } }],
  ['UNKNOWN', 'a misspelt key in a section', { change: { 'limits.messageByte': 5000 } }],
  ['UNKNOWN', 'an unknown key in an override', { sets: ['wholly.unlike.anything=1'] }],
  ['TWICE', 'a key under its name and an alias', { change: { LockFile: '/x/y' } }],
  ['TWICE', 'a secret and a file for it', { change: { 'security.pairSecret': OWN_SECRET, 'security.pairSecretFile': '/s' }, files: { '/s': OWN_SECRET } }],
  ['MISSING', 'server', { change: { server: undefined } }],
  ['MISSING', 'lockFile', { change: { lockFile: undefined } }],
  ['MISSING', 'pingInterval', { change: { pingInterval: undefined } }],
  ['MISSING', 'primaryURL of a peer server', { change: { primaryURL: undefined }, place: 'haprofile1/primary/FPS' }],
  ['TYPE', 'a port that is a word', { change: { port: 'seven' } }],
  ['TYPE', 'a port with a unit', { change: { port: '7100 ms' } }],
  ['TYPE', 'a port that is a list', { change: { port: [1] } }],
  ['TYPE', 'half a millisecond', { change: { pingInterval: 500.5 } }],
  ['TYPE', 'a section that is a value', { change: { queues: 5 } }],
  ['TYPE', 'yes is no boolean', { change: { 'queues.createOnUse': 'yes' } }],
  ['TYPE', 'a number as secret', { change: { 'security.pairSecret': 1234567890123456 } }],
  ['TYPE', 'a value that is missing', { change: { startupGrace: null } }],
  ['TYPE', 'a word as duration', { change: { startupGrace: 'never' } }],
  ['UNIT', 'a unit of another kind', { change: { pingInterval: '1 MiB' } }],
  ['UNIT', 'an unknown unit', { change: { 'limits.messageBytes': '512 KB' } }],
  ['UNIT', 'a name of every object', { change: { pingInterval: '1 constructor' } }],
  ['RANGE', 'a port beyond the last', { change: { port: 65536 } }],
  ['RANGE', 'port 0', { sets: ['port=0'] }],
  ['RANGE', 'a third server', { change: { server: 'tertiary' } }],
  ['RANGE', 'a sync type', { change: { applicationSyncType: 3 } }],
  ['RANGE', 'no address', { change: { gatewayServerIPAddress: '300.1.1.1' } }],
  ['RANGE', 'no host name', { change: { backupServerIp: 'a b' } }],
  ['RANGE', 'a short secret', { change: { 'security.pairSecret': 'short' } }],
  ['RANGE', 'a token with a blank', { change: { 'security.adminToken': 'a token of 16 and more' } }],
  ['RANGE', 'no URL', { change: { primaryURL: 'server:1' }, place: 'haprofile1/primary/FPS' }],
  ['RANGE', 'a password of 7 characters', { change: { 'security.users': { ann: '1234567' } } }],
  ['RANGE', 'a broken password hash', { change: { 'security.users': { ann: 'scrypt:nonsense' } } }],
  ['RANGE', 'an empty path', { change: { lockFile: '' } }],
  ['KIND', 'a key of peer servers', { change: { backupURLs: [] } }],
  ['KIND', 'a key of enterprise servers', { change: { applicationSyncType: 0 }, place: 'haprofile1/primary/FPS' }],
  ['LEASE-RATIO', 'Q = 2R', { change: { activeLockReacquisitionInterval: 1500 } }],
  ['LEASE-MARGIN', 'Q < R + M + 400', { change: { pingInterval: 200, activeLockReacquisitionInterval: 300, passiveLockAcquisitionInterval: 940 } }],
  ['LEASE-TIGHT', 'Q < 3R', { change: { activeLockReacquisitionInterval: 1250 } }],
  ['MULTIPLE', 'R is no multiple of P/2', { change: { activeLockReacquisitionInterval: 600 } }],
  ['GRACE', 'shorter than the lease', { change: { startupGrace: 2999 } }],
  ['PORTS', 'two listeners', { change: { rmiServerPort: 5672 } }],
  ['PORTS', 'a listener and the gateway', { change: { gatewayServerPort: 1883 } }],
  ['PORTS', 'a listener and the other server', { change: { rmiServerPort: 7101 } }],
  ['PORTS', 'one port on all addresses', { change: { 'listeners.amqp.port': 8100, 'admin.host': '127.0.0.1', 'listeners.amqp.host': 'localhost' } }],
  ['PATHS', 'the LockFile in the data directory', { change: { lockFile: '/d/LockFile', dataDirectory: '/d' } }],
  ['PATHS', 'data among profiles', { change: { dataDirectory: 'profiles/haprofile1/primary/FES/data' } }],
  ['PATHS', 'the LockFile among profiles', { change: { lockFile: 'profiles/LockFile' } }],
  ['PATHS', 'data in a file', { change: { dataDirectory: '/d' }, files: { '/d': '' } }],
  ['PATHS', 'two repositories in one', { change: { appRepositoryPath: '/r', componentRepositoryPath: '/r/c' } }],
  ['SECRET', 'the shipped secret on a network', { change: { ...apart, 'security.pairSecret': undefined } }],
  ['SECRET', 'the shipped secret, written out', { change: { ...apart, 'security.pairSecret': 'shipped-with-lockstep-for-one-machine-only' } }],
  ['SECRET-FILE', 'no such file', { change: { 'security.pairSecretFile': '/none' } }],
  ['SECRET-FILE', 'too short', { change: { 'security.pairSecretFile': '/s' }, files: { '/s': 'short\n' } }],
  ['TOKEN', 'an open admin port', { change: { ...apart, 'admin.host': '10.0.0.1' } }],
  ['USERS', 'nobody may come in', { change: { 'security.anonymous': false } }],
  ['TLS', 'a port without certificate', { change: { 'listeners.amqp.tls': { port: 5671, keyFile: '/k' } }, files: { '/k': PEM } }],
  ['TLS', 'a certificate that is none', { change: { 'listeners.amqp.tls': { port: 5671, keyFile: '/k', certFile: '/c' } }, files: { '/k': PEM, '/c': 'x' } }],
  ['TLS', 'a certificate that is not there', { change: { 'security.backChannelTls': true, 'security.certFile': '/c', 'security.keyFile': '/k' }, files: { '/k': PEM } }],
  ['TLS', 'certificates required of clients, and nobody to sign them', { change: { 'listeners.amqp.tls': { port: 5671, keyFile: '/k', certFile: '/c', clientCertificate: 'required' } }, files: { '/k': PEM, '/c': PEM } }],
  ['LIMITS', 'a segment too small', { change: { 'limits.messageBytes': '2 MiB', 'limits.journalSegmentBytes': '3 MiB' } }],
  ['NO-LISTENER', 'no client port', { change: { 'listeners.amqp.port': undefined, 'listeners.mqtt.port': undefined } }],
  ['SAME-PLACE', 'its own peer', { change: { backupHAPort: 7100 } }],
  ['OPEN', 'anonymous on a network', { change: { ...apart, 'listeners.amqp.host': '0.0.0.0', 'security.anonymous': 'always' } }],
  ['GATEWAY', 'the gateway is this machine', { change: { ...apart, gatewayServerIPAddress: '127.0.0.1' } }],
]

type PairCase = readonly [ProfileErrorName, string, Variation, Variation]
const secondary = { place: 'haprofile1/secondary/FES' }

// prettier-ignore
const together: readonly PairCase[] = [
  ['PAIR-LABELS', 'two primaries', {}, { ...secondary, change: { server: 'primary' } }],
  ['PAIR-KIND', 'FES and FPS', {}, { ...secondary, change: { kind: 'FPS', primaryURL: 'amqp://h:1', applicationSyncType: undefined, componentSyncType: undefined } }],
  ['PAIR-CROSS', 'the back channel of somebody else', {}, { ...secondary, change: { backupHAPort: 7199 } }],
  ['PAIR-CROSS', 'the clients of somebody else', { change: { backupServerPort: 5699 } }, secondary],
  ['PAIR-CROSS', 'the MQTT clients of somebody else', { change: { backupServerMqttPort: 1899 } }, secondary],
  ['PAIR-CROSS', 'the admin port of somebody else', { change: { backupRMIServerPort: 8199 } }, secondary],
  ['PAIR-CROSS', 'another address', { change: { ...apart } }, { ...secondary, change: { ...apart, host: '10.0.0.9', backupHAIPAddress: '10.0.0.1', 'listeners.amqp.host': '0.0.0.0', 'security.anonymous': false, 'security.users': { ann: 'password' } } }],
  ['PAIR-LOCKFILE', 'two LockFiles', { change: { lockFile: '/a/LockFile' } }, secondary],
  ['PAIR-INTERVALS', 'two leases', { change: { passiveLockAcquisitionInterval: 4000 } }, secondary],
  ['PAIR-SECRET', 'two secrets', { change: { 'security.pairSecret': OWN_SECRET } }, secondary],
  ['PAIR-TLS', 'TLS on one side', { change: { security: { backChannelTls: true, certFile: '/c', keyFile: '/c' } }, files: { '/c': PEM } }, secondary],
  ['PAIR-LIMITS', 'two sizes', { change: { 'limits.messageBytes': 4096 } }, secondary],
  ['PAIR-PORTS', 'one port twice', { change: { 'listeners.mqtt.ws.port': 1884 } }, secondary],
  ['PAIR-DATA', 'one data directory', { change: { dataDirectory: '/d' } }, { ...secondary, change: { dataDirectory: '/d' } }],
  ['PAIR-GATEWAY', 'two gateways', { change: { gatewayServerPort: 7191 } }, secondary],
]

const unique = (list: readonly string[]): string[] => [...new Set(list)]

describe('profiles: rules of one profile', () => {
  for (const [name, title, variation] of alone)
    it(`PROFILE-${name}: ${title}`, () => {
      const reading = vary(name === 'NO-FILE' ? { text: 'x'.repeat(2_000_000) } : variation)
      assert.deepEqual(
        unique(codes(reading)),
        [`PROFILE-${name}`],
        reading.list.all.map(f => f.error.line()).join('\n'),
      )
      assert.equal(reading.profile === null, !WARNINGS.has(name), 'a fault leaves no profile, a warning does')
      for (const { error } of reading.list.all)
        assert.doesNotMatch(error.line(), /\{\w+\}|undefined|\[object/, 'every word of the sentence is filled in')
    })

  it('a key that is there twice hides no other fault, is told once, and never starts', () => {
    const text = `${shippedText('haprofile1/primary/FES')}\nserver: secondary\nnonsense: 1\npingIntervall: 4\n`
    const { list, profile } = vary({ text })
    assert.equal(profile, null)
    assert.deepEqual(codes({ list }), ['PROFILE-YAML', 'PROFILE-UNKNOWN', 'PROFILE-UNKNOWN'])
    assert.match(list.all[0]?.error.line() ?? '', /profile\.yaml:\d+: .*the key server is there twice/)
    for (const twice of ['limits:\n  queues: 4\nlimits:\n  connections: 4\n', 'security:\n  users: {a: x, a: y}\n'])
      assert.ok(codes(vary({ text: twice })).includes('PROFILE-YAML'), twice)
  })

  it('tells all faults of a file at once, with file and line', () => {
    const text = 'server: primary\nkind: FES\nport: x\nbackupHAPort: 99999\nlimits:\n  messageByte: 1\n'
    const { list, profile } = vary({ text })
    assert.equal(profile, null)
    const lines = list.all.map(f => f.error.line())
    assert.ok(
      lines.some(l => l.includes('profiles/haprofile1/primary/FES/profile.yaml:3: port is "x"')),
      lines.join('\n'),
    )
    assert.ok(lines.some(l => l.includes('profile.yaml:4: backupHAPort is 99999')))
    assert.ok(
      lines.some(l =>
        l.includes('profile.yaml:6: there is no key limits.messageByte, but there is limits.messageBytes'),
      ),
    )
    assert.ok(list.all.filter(f => f.error.code === 'PROFILE-MISSING').length >= 10)
  })

  it('never shows a secret', () => {
    const sets = [
      'security.pairSecret=geheim',
      'security.adminToken=geheim',
      'security.user=geheim',
      'security.users.x=scrypt:geheim',
    ]
    const { list } = vary({ change: { 'security.users': { ann: 'scrypt:geheim' } }, sets })
    assert.ok(list.all.length >= 4)
    for (const { error } of list.all) assert.doesNotMatch(error.line(), /geheim/)
  })
})

describe('profiles: rules of a pair', () => {
  for (const [name, title, left, right] of together)
    it(`PROFILE-${name}: ${title}`, () => {
      const list = checkPair(vary(left), vary(right))
      assert.deepEqual(unique(codes({ list })), [`PROFILE-${name}`], list.all.map(f => f.error.line()).join('\n'))
      for (const { error } of list.all) assert.doesNotMatch(error.line(), /\{\w+\}|undefined|\[object/)
    })

  it('every code has a case here', () => {
    const tried = new Set([...alone, ...together].map(([name]) => name))
    assert.deepEqual(
      Object.keys(profileErrors).filter(name => !tried.has(name as ProfileErrorName)),
      [],
    )
  })
})
