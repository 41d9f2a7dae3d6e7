// The doctor's judges on planted faults: each row of the table of findings is named where its fault is there, and not
// where it is not. Facts are made up; real mounts are in real.test.ts.

import assert from 'node:assert/strict'
import fc from 'fast-check'
import { rows, type Finding, type FindingName } from '../../src/doctor/finding.ts'
import { judgeFolder, judgeProbes, type FolderFacts, type ProbeFacts } from '../../src/doctor/folder.ts'
import { judgeHost, type HostFacts } from '../../src/doctor/host.ts'
import { judgeMount, type MountFacts } from '../../src/doctor/mount.ts'
import { mountOf, optionOf, parseMounts } from '../../src/doctor/mountinfo.ts'
import { fittingIntervals, judgeOutlook, type Measured } from '../../src/doctor/outlook.ts'
import { driftBounds, judgeMeeting, type MeetingFacts } from '../../src/doctor/peer.ts'
import { checkIntervals } from '../../src/profiles/intervals.ts'

const NFS_OPTIONS = 'rw,vers=4.2,softerr,timeo=10,retrans=1,noac,lookupcache=none,local_lock=none,addr=10.0.0.9'
const SMB_OPTIONS = 'rw,vers=3.1.1,soft,cache=strict,username=lock,uid=0,echo_interval=1,actimeo=0'
const line = (type: string, options: string, source = 'gw:/srv/lock') =>
  `22 1 8:1 / / rw - ext4 /dev/sda1 rw\n98 22 0:52 / /mnt/lock rw,relatime shared:54 - ${type} ${source} ${options}\n`

const mountFacts = (over: Partial<MountFacts>): MountFacts => ({
  lockFile: '/mnt/lock/LockFile',
  folder: '/mnt/lock',
  realFolder: '/mnt/lock',
  gateway: '10.0.0.9',
  peer: '10.0.0.2',
  mountinfo: line('nfs4', NFS_OPTIONS),
  recoverLostLocks: 'N',
  peerHere: 'no',
  hostName: 'alpha',
  leaseMs: 3000,
  ...over,
})
const nfs = (change: (options: string) => string, over: Partial<MountFacts> = {}, type = 'nfs4') =>
  judgeMount(mountFacts({ mountinfo: line(type, change(NFS_OPTIONS)), ...over })).findings
const smb = (change: (options: string) => string) =>
  judgeMount(mountFacts({ mountinfo: line('cifs', change(SMB_OPTIONS), '//gw/lock') })).findings
const other = (type: string, options = 'rw', over: Partial<MountFacts> = {}) =>
  judgeMount(mountFacts({ mountinfo: line(type, options, 'x'), ...over })).findings

const subject = { lockFile: '/s/LockFile', folder: '/s', fstab: 'FSTAB', export: 'EXPORT', limitMs: 5000 }
const GOOD_FOLDER: FolderFacts = {
  realFolder: '/s',
  failure: null,
  silentIn: '',
  sticky: false,
  owner: 0,
  user: 1000,
  foreign: null,
  lockFileIsFolder: false,
}
const folder = (over: Partial<FolderFacts>) => judgeFolder({ ...GOOD_FOLDER, ...over }, subject)
const failing = (code: string) => folder({ failure: { step: 'stat', code, message: 'no' } })

const race = { op: 'rename' as const, rounds: 25, doubles: 0, nobody: 0 }
const GOOD_PROBES: ProbeFacts = {
  failure: null,
  silentIn: '',
  linkless: '',
  fsyncFailure: '',
  rmdirDestroys: false,
  listings: { rounds: 40, stale: 0 },
  operationsMs: [1, 2, 3],
  races: [race],
}
const probes = (over: Partial<ProbeFacts>) =>
  judgeProbes(
    { ...GOOD_PROBES, ...over },
    { ...subject, user: 1000, contenders: '4 processes', operationMs: 1125, yaml: 'YAML' },
  )

const reached = { address: 'h:1', ms: 1, problem: '' }
const down = { address: 'h:1', ms: null, problem: 'ECONNREFUSED' }
const port = { purpose: 'admin', key: 'rmiServerPort', address: 'h:1', state: 'free' as const, problem: '' }
const disk = { directory: '/d', type: 'ext4', problem: '', flushesMs: [1, 2], freeBytes: 9e12, needBytes: 1e9 }
const GOOD_HOST: HostFacts = {
  gateway: reached,
  peerChannel: reached,
  peerAdmin: reached,
  ports: [port],
  disk,
  clock: { source: 'tsc', sync: 'kept in time by chrony' },
  stall: { maxMs: 3, seconds: 2 },
}
const host = (over: Partial<HostFacts>) =>
  judgeHost({ ...GOOD_HOST, ...over }, { marginMs: 250, peerSilenceMs: 1000, yaml: 'YAML' })

const identity = { hostName: 'alpha', machine: 'm1', boot: 'b1', user: 1000, leaseMs: 3000 }
const mine = { ...identity, label: 'primary' as const, session: 'a' }
const theirs = { ...mine, label: 'secondary' as const, session: 'b', hostName: 'beta', machine: 'm2', boot: 'b2' }
const GOOD_MEETING: MeetingFacts = {
  mine,
  theirs,
  heard: null,
  bothLookedMs: 0,
  waitedMs: 1000,
  broken: '',
  seenHereMs: [5, 9],
  seenThereMs: [6, 8],
  races: [race],
  clock: [
    { at: 0, offsetMs: 12, errorMs: 1 },
    { at: 20_000, offsetMs: 12.1, errorMs: 1 },
  ],
}
const meeting = (over: Partial<MeetingFacts>, sticky = false) =>
  judgeMeeting(
    { ...GOOD_MEETING, ...over },
    {
      folder: '/s',
      sticky,
      peerAddress: 'h:1',
      leaseMs: 3000,
      renewMs: 500,
      marginMs: 250,
      expectedVisibilityMs: 1300,
      fstab: 'FSTAB',
      yaml: 'YAML',
    },
  )
const clocks = (offsetMs: number, later = offsetMs) =>
  meeting({
    clock: [
      { at: 0, offsetMs, errorMs: 2 },
      { at: 20_000, offsetMs: later, errorMs: 2 },
    ],
  })

const SHIPPED = {
  pingInterval: 500,
  activeLockReacquisitionInterval: 500,
  passiveLockAcquisitionInterval: 3000,
}
const QUIET: Measured = {
  visibilityMs: 25,
  visibilityMeasured: true,
  operationMs: 1,
  stallMs: 3,
  flushMs: 2,
  roundTripMs: 0.4,
}
const outlook = (over: Partial<Measured>) => judgeOutlook(SHIPPED, { ...QUIET, ...over }).findings

// One row to a planted fault: the finding that must name it. The type wants every row of the table.
// prettier-ignore
const planted: Readonly<Record<FindingName, () => readonly Finding[]>> = {
  'MOUNT':                 () => nfs(o => o),
  'MOUNT-UNKNOWN':         () => nfs(o => o, { mountinfo: null }),
  'MOUNT-AUTOFS':          () => other('autofs'),
  'MOUNT-READ-ONLY':       () => nfs(o => o.replace('rw', 'ro')),
  'MOUNT-NFS3':            () => nfs(o => o.replace('4.2', '3'), {}, 'nfs'),
  'MOUNT-NFS40':           () => nfs(o => o.replace('4.2', '4.0')),
  'MOUNT-NOLOCK':          () => nfs(o => `${o},nolock`),
  'MOUNT-LOCAL-LOCK':      () => nfs(o => o.replace('local_lock=none', 'local_lock=all')),
  'MOUNT-RECOVER-LOCKS':   () => nfs(o => o, { recoverLostLocks: 'Y\n' }),
  'MOUNT-NFS-CACHED':      () => nfs(o => o.replace('noac,lookupcache=none,', '')),
  'MOUNT-HARD':            () => nfs(o => o.replace('softerr', 'hard')),
  'MOUNT-SLOW-ERRORS':     () => nfs(o => o.replace('timeo=10', 'timeo=600')),
  'MOUNT-SMB1':            () => smb(o => o.replace('3.1.1', '1.0')),
  'MOUNT-SMB2':            () => smb(o => o.replace('3.1.1', '2.1')),
  'MOUNT-NOBRL':           () => smb(o => `${o},nobrl`),
  'MOUNT-SMB-LOOSE':       () => smb(o => o.replace('strict', 'loose')),
  'MOUNT-SMB-NO-SYNC':     () => smb(o => `${o},nostrictsync`),
  'MOUNT-SMB-CACHED':      () => smb(o => o.replace('actimeo=0', 'actimeo=1')),
  'MOUNT-SMB-ECHO':        () => smb(o => o.replace('echo_interval=1', 'echo_interval=60')),
  'MOUNT-NOT-EXCLUDING':   () => other('fuse.sshfs'),
  'MOUNT-UNTRIED':         () => other('fuse.glusterfs'),
  'MOUNT-LOCAL':           () => other('ext4', 'rw', { peerHere: 'yes' }),
  'MOUNT-LOCAL-UNSURE':    () => other('ext4', 'rw', { peerHere: 'unknown' }),
  'MOUNT-LOCAL-TWO-HOSTS': () => other('xfs', 'rw', { peerHere: 'no' }),
  'MOUNT-VOLATILE':        () => other('tmpfs', 'rw', { peerHere: 'yes' }),
  'HOST-NAME':             () => nfs(o => o, { hostName: 'localhost' }),

  'FOLDER':                () => folder({}),
  'FOLDER-MISSING':        () => failing('ENOENT'),
  'FOLDER-DENIED':         () => failing('EACCES'),
  'FOLDER-READ-ONLY':      () => failing('EROFS'),
  'FOLDER-FULL':           () => failing('ENOSPC'),
  'LOCKFILE-IS-FOLDER':    () => folder({ lockFileIsFolder: true }),
  'FOLDER-STALE':          () => failing('ESTALE'),
  'FOLDER-FAILS':          () => failing('EIO'),
  'SHARE-SILENT':          () => folder({ silentIn: 'stat' }),
  'STICKY':                () => folder({ sticky: true, foreign: { file: 'LockFile.r1', owner: 7 } }),
  'STICKY-RISK':           () => folder({ sticky: true }),
  'EXCLUSION':             () => probes({}),
  'EXCLUSION-BROKEN':      () => probes({ races: [{ ...race, doubles: 1 }] }),
  'EXCLUSION-NOBODY':      () => probes({ races: [{ ...race, nobody: 3 }] }),
  'LINK-MISSING':          () => probes({ linkless: 'EPERM' }),
  'RMDIR-DESTROYS':        () => probes({ rmdirDestroys: true }),
  'LISTING-STALE':         () => probes({ listings: { rounds: 40, stale: 1 } }),
  'FSYNC-FAILS':           () => probes({ fsyncFailure: 'EIO' }),
  'OPERATIONS':            () => probes({}),
  'OPERATIONS-SLOW':       () => probes({ operationsMs: [1, 700] }),
  'OPERATIONS-TOO-SLOW':   () => probes({ operationsMs: [1, 1200] }),

  'GATEWAY':               () => host({}),
  'GATEWAY-DOWN':          () => host({ gateway: down }),
  'PEER':                  () => host({}),
  'PEER-DOWN':             () => host({ peerChannel: down }),
  'PORT':                  () => host({}),
  'PORT-TAKEN':            () => host({ ports: [{ ...port, state: 'taken' }] }),
  'PORT-NOT-HERE':         () => host({ ports: [{ ...port, state: 'refused', problem: 'EADDRNOTAVAIL' }] }),
  'DISK':                  () => host({}),
  'DISK-SLOW':             () => host({ disk: { ...disk, flushesMs: [1, 800] } }),
  'DISK-FAILS':            () => host({ disk: { ...disk, problem: 'EROFS in creating a file' } }),
  'DISK-VOLATILE':         () => host({ disk: { ...disk, type: 'tmpfs' } }),
  'DISK-NETWORK':          () => host({ disk: { ...disk, type: 'nfs4' } }),
  'SPACE':                 () => host({}),
  'SPACE-SHORT':           () => host({ disk: { ...disk, freeBytes: 1e8 } }),
  'CLOCK':                 () => host({}),
  'CLOCK-NO-SYNC':         () => host({ clock: { source: 'tsc', sync: '' } }),
  'CLOCK-COARSE':          () => host({ clock: { source: 'jiffies', sync: '' } }),
  'STALLS':                () => host({}),
  'STALLS-LONG':           () => host({ stall: { maxMs: 180, seconds: 2 } }),

  'MET':                   () => meeting({}),
  'NOT-MET':               () => meeting({ theirs: null }),
  'NOT-SAME-FOLDER':       () => meeting({ theirs: null, heard: theirs, bothLookedMs: 4000 }),
  'HOSTS':                 () => meeting({ theirs: { ...theirs, hostName: 'alpha' } }),
  'SAME-LABEL':            () => meeting({ theirs: { ...theirs, label: 'primary' } }),
  'INTERVALS-DIFFER':      () => meeting({ theirs: { ...theirs, leaseMs: 4000 } }),
  'USERS':                 () => meeting({ theirs: { ...theirs, user: 1001 } }, true),
  'VISIBILITY':            () => meeting({}),
  'VISIBILITY-SLOW':       () => meeting({ seenThereMs: [5, 1700] }),
  'VISIBILITY-TOO-SLOW':   () => meeting({ seenHereMs: [5, 2400] }),
  'MEETING-BROKEN':        () => meeting({ broken: 'nothing was seen' }),
  'CLOCKS':                () => clocks(12),
  'CLOCKS-APART':          () => clocks(90_000),
  'CLOCKS-DRIFT':          () => clocks(0, 900),

  'OUTLOOK':               () => outlook({}),
  'INTERVALS-SHORT':       () => outlook({ visibilityMs: 2500 }),
  'INTERVALS':             () => outlook({}),
}

const codes = (findings: readonly Finding[]): string[] => findings.map(f => f.code)
const bad = (findings: readonly Finding[]): string[] => codes(findings.filter(f => f.severity !== 'ok'))

describe('doctor: judges', () => {
  for (const [name, found] of Object.entries(planted))
    it(`${rows[name as FindingName][0].padEnd(7)} ${name}`, () => {
      const findings = found()
      const finding = findings.find(f => f.code === `DOCTOR-${name}`)
      assert.ok(finding, `not named among ${codes(findings).join(' ')}`)
      for (const text of [finding.what, finding.why, finding.remedy]) assert.doesNotMatch(text, /\{\w+\}|undefined/)
    })

  it('good facts have nothing but good findings', () => {
    const good = [nfs(o => o), smb(o => o), folder({}), probes({}), host({}), meeting({}), outlook({})]
    assert.deepEqual(good.flatMap(bad), [])
  })

  it('one fault is one finding: planting it makes no other appear', () => {
    const alone: FindingName[] = ['MOUNT-NOLOCK', 'MOUNT-NOBRL', 'MOUNT-SMB-LOOSE', 'FOLDER-STALE', 'STICKY', 'HOSTS']
    for (const name of [...alone, 'DISK-SLOW', 'GATEWAY-DOWN', 'VISIBILITY-SLOW', 'CLOCKS-APART'] as FindingName[])
      assert.deepEqual(bad(planted[name]()), [`DOCTOR-${name}`])
  })

  it('names the line for fstab, made for the mount that was found', () => {
    const remedy = (findings: readonly Finding[], code: string) => findings.find(f => f.code === code)?.remedy ?? ''
    assert.match(
      remedy(
        nfs(o => `${o},nolock`),
        'DOCTOR-MOUNT-NOLOCK',
      ),
      /gw:\/srv\/lock \/mnt\/lock nfs4 vers=4\.2,softerr,timeo=10,retrans=1,noac,lookupcache=none,_netdev 0 0$/,
    )
    assert.match(
      remedy(
        smb(o => `${o},nobrl`),
        'DOCTOR-MOUNT-NOBRL',
      ),
      /\/\/gw\/lock \/mnt\/lock cifs credentials=\S+,uid=0,vers=3\.1\.1,soft,echo_interval=1,actimeo=0,_netdev 0 0$/,
    )
    assert.match(
      remedy(other('xfs', 'rw', { folder: '/mnt/my lock' }), 'DOCTOR-MOUNT-LOCAL-TWO-HOSTS'),
      /10\.0\.0\.9:\/srv\/lockstep \/mnt\/my\\040lock nfs4/,
    )
  })

  it('equal names or machine ids say nothing of two processes on one machine', () => {
    const here = { ...theirs, hostName: 'alpha', machine: 'm1', boot: 'b1' }
    assert.deepEqual(bad(meeting({ theirs: here })), [])
    assert.deepEqual(bad(meeting({ theirs: { ...theirs, machine: 'm1' } })), ['DOCTOR-HOSTS'])
    assert.deepEqual(bad(meeting({ theirs: { ...here, boot: '' } })), [])
  })
})

describe('doctor: mountinfo', () => {
  const text = [
    '22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro',
    '30 22 0:40 / /mnt rw - autofs systemd-1 rw,fd=49,direct',
    '31 30 0:52 / /mnt rw,relatime shared:54 master:7 - nfs4 gw:/e rw,vers=4.2',
    '32 22 0:53 / /mnt/a\\040b\\134c rw - tmpfs my\\040tmp rw,size=1k',
    '33 22 0:54 / /mntx rw - ext4 /dev/sdb rw',
    'nonsense',
    '34 22 0:54 / /half rw - ',
    '',
  ].join('\n')
  const mounts = parseMounts(text)

  it('finds the mount of a path: the longest, of those on top of each other the last', () => {
    const type = (path: string) => mountOf(path, mounts)?.type
    assert.deepEqual(['/', '/mnt', '/mnt/x/y', '/mnt/a b\\c/d', '/mntx/q', '/mntxy', '/half'].map(type), [
      'ext4',
      'nfs4',
      'nfs4',
      'tmpfs',
      'ext4',
      'ext4',
      'ext4',
    ])
    assert.equal(mountOf('/mnt/a b\\c', mounts)?.source, 'my tmp')
    assert.equal(mountOf('/x', []), null)
  })

  it('reads options of mount and file system together', () => {
    const mount = mountOf('/mnt', mounts)
    assert.ok(mount)
    assert.deepEqual([optionOf(mount, 'vers'), optionOf(mount, 'relatime'), optionOf(mount, 'ver')], ['4.2', '', null])
  })

  it('takes any text', () =>
    fc.assert(
      fc.property(fc.array(fc.constantFrom(' ', '-', '/', '\\04', '\\040', 'a', '\n', ',', '=')), parts => {
        for (const mount of parseMounts(parts.join(''))) assert.ok(mount.mountPoint.startsWith('/'))
      }),
    ))
})

describe('doctor: outlook', () => {
  it('names intervals that no rule of the profile refuses or warns of, and that fit what was measured', () =>
    fc.assert(
      fc.property(
        fc.record({
          visibilityMs: fc.integer({ min: 0, max: 20_000 }),
          visibilityMeasured: fc.boolean(),
          operationMs: fc.integer({ min: 0, max: 2000 }),
          stallMs: fc.integer({ min: 0, max: 3000 }),
          flushMs: fc.integer({ min: 0, max: 1000 }),
          roundTripMs: fc.option(fc.integer({ min: 0, max: 800 })),
        }),
        measured => {
          const fitting = fittingIntervals(measured)
          assert.deepEqual(checkIntervals(fitting), [])
          assert.deepEqual(bad(judgeOutlook(fitting, measured).findings), [])
        },
      ),
      { numRuns: 200 },
    ))

  it('bounds of the drift: what the readings prove, no more', () => {
    const readings = [0, 10_000, 20_000].map(at => ({ at, offsetMs: at * 0.02, errorMs: 5 }))
    const { least, most } = driftBounds(readings)
    assert.ok(least !== null && most !== null && least > 0.0194 && least <= 0.02 && most >= 0.02 && most < 0.0206)
    assert.deepEqual(driftBounds(readings.slice(0, 1)), { least: null, most: null })
  })
})
