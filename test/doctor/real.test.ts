// The doctor on real mounts, good ones and deliberately bad ones, made here where root can: each planted fault is named.
// What needs two machines has two processes here; NFS and SMB are in the lab.

import assert from 'node:assert/strict'
import { execFile, execFileSync, spawn, type ChildProcess } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Finding } from '../../src/doctor/finding.ts'
import { judgeStart, quickPart } from '../../src/server/doctor-start.ts'
import { freePorts } from '../support/free-ports.ts'
import { PRODUCT, type Ended } from '../cli/run.ts'
import { patient } from '../support/patience.ts'

/** As built: the doctor starts a dozen processes, and reading the sources anew in each takes longer than its work. */
const MAIN = join(process.env['LOCKSTEP_DIST'] ?? join(PRODUCT, 'dist'), 'cli', 'main.js')
const lockstep = (args: readonly string[]): Promise<Ended> =>
  new Promise(resolve =>
    execFile(process.execPath, [MAIN, ...args], { cwd: PRODUCT }, (error, out, err) =>
      resolve({ code: error === null ? 0 : Number(error.code), out, err }),
    ),
  )

const isRoot = process.getuid?.() === 0
const can = (command: string, ...args: string[]): boolean => {
  try {
    execFileSync(command, args, { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
/** Tests that run beside others on a busy machine are slow at times; that is not what was planted. */
const TIMES = /-TOO-SLOW$/
const planted = (findings: readonly Finding[]): string[] =>
  codes(findings.filter(f => f.severity === 'refuse')).filter(code => !TIMES.test(code))
const codes = (findings: readonly Finding[]): string[] => findings.map(f => f.code.replace('DOCTOR-', ''))
const subject = (lockFile: string, peer = '127.0.0.1') => ({
  lockFile,
  gateway: '127.0.0.1',
  peer,
  singleHost: false,
  leaseMs: 3000,
})
/** Starting a process takes its time where others work too. */
const LIMIT_MS = 40_000

describe('doctor: real folders', function () {
  this.timeout(300_000)
  let folder: string
  let mounted: string[]
  let children: ChildProcess[]
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'doctor-'))
    mounted = []
    children = []
  })
  afterEach(async () => {
    for (const child of children) child.kill('SIGCONT')
    for (const place of mounted.toReversed()) can('umount', '-l', place)
    for (const child of children) child.kill('SIGKILL')
    chmodSync(folder, 0o700)
    rmSync(folder, { recursive: true, force: true, maxRetries: 10 })
  })
  const mount = (...args: string[]): string => {
    const place = args.at(-1) as string
    mkdirSync(place, { recursive: true })
    execFileSync('mount', args)
    mounted.push(place)
    return place
  }
  const found = async (lockFile: string, peer?: string, limitMs = LIMIT_MS): Promise<string[]> =>
    codes((await quickPart(subject(lockFile, peer), limitMs)).findings)

  it('a good one, on one machine; refused where the other server is on another', async () => {
    const lockFile = join(folder, 'LockFile')
    assert.deepEqual(
      (await found(lockFile)).filter(code => !code.startsWith('MOUNT')),
      ['FOLDER'],
    )
    assert.equal((await judgeStart(subject(lockFile), LIMIT_MS)).refusal, null)
    const { refusal } = await judgeStart(subject(lockFile, '203.0.113.7'), LIMIT_MS)
    assert.equal(refusal?.code, 'DOCTOR-MOUNT-LOCAL-TWO-HOSTS')
    assert.match(refusal.line(), /203\.0\.113\.7.*\/srv\/lockstep .* nfs4 vers=4\.2/)
    const single = { ...subject(lockFile, '203.0.113.7'), singleHost: true }
    assert.equal((await judgeStart(single, LIMIT_MS)).refusal, null)
    assert.deepEqual(readdirSync(folder), [])
  })

  it('missing; a part of the path is a file; the LockFile is a folder', async () => {
    writeFileSync(join(folder, 'file'), '')
    mkdirSync(join(folder, 'LockFile'))
    const names = ['none/LockFile', 'file/LockFile', 'LockFile'].map(name => join(folder, name))
    const all = await Promise.all(names.map(async name => (await judgeStart(subject(name), LIMIT_MS)).refusal?.code))
    assert.deepEqual(all, ['DOCTOR-FOLDER-MISSING', 'DOCTOR-FOLDER-MISSING', 'DOCTOR-LOCKFILE-IS-FOLDER'])
  })

  it('denied, and sticky with files of another user', async function () {
    if (!isRoot) return this.skip()
    writeFileSync(join(folder, 'LockFile.r0000000001'), '')
    const scripts = mkdtempSync(join(tmpdir(), 'doctor-'))
    chmodSync(scripts, 0o755)
    const module = fileURLToPath(new URL('../../src/server/doctor-start.ts', import.meta.url))
    const code = `
      const { judgeStart } = await import('${module}')
      const subject = ${JSON.stringify(subject(join(folder, 'LockFile')))}
      console.log((await judgeStart(subject, ${LIMIT_MS})).refusal?.code)`
    const script = join(scripts, 'judge.mts')
    writeFileSync(script, code)
    const asNobody = (mode: number): string => {
      chmodSync(folder, mode)
      return execFileSync(process.execPath, ['--import', 'tsx', script], { uid: 65534, encoding: 'utf8' }).trim()
    }
    assert.equal(asNobody(0o755), 'DOCTOR-FOLDER-DENIED')
    assert.equal(asNobody(0o1777), 'DOCTOR-STICKY')
    assert.equal(asNobody(0o777), 'undefined')
    chmodSync(folder, 0o1777)
    assert.ok((await found(join(folder, 'LockFile'))).includes('STICKY-RISK'))
    rmSync(scripts, { recursive: true })
  })

  it('a bind mount that is read-only, a tmpfs, a FUSE file system', async function () {
    if (!isRoot || !can('unshare', '-m', 'true')) return this.skip()
    const bound = mount('--bind', folder, join(folder, 'bound'))
    execFileSync('mount', ['-o', 'remount,bind,ro', bound])
    const readOnly = await found(join(bound, 'LockFile'))
    assert.ok(readOnly.includes('MOUNT-READ-ONLY') && readOnly.includes('FOLDER-READ-ONLY'), readOnly.join())
    assert.equal((await judgeStart(subject(join(bound, 'LockFile')), LIMIT_MS)).refusal?.code, 'DOCTOR-MOUNT-READ-ONLY')

    const memory = mount('-t', 'tmpfs', 'tmpfs', join(folder, 'with blank'))
    assert.deepEqual((await found(join(memory, 'LockFile'))).slice(1), [
      'MOUNT-LOCAL',
      'MOUNT-VOLATILE',
      'FOLDER',
      'STICKY-RISK',
    ])
  })

  it('a FUSE file system: never tried; and one that hangs: silent, in time, and no reason not to start', async function () {
    if (!isRoot || !existsSync('/dev/fuse') || !can('bindfs', '--version')) return this.skip()
    const [from, to] = [join(folder, 'from'), join(folder, 'to')]
    mkdirSync(from)
    mkdirSync(to)
    const bindfs = spawn('bindfs', ['-f', from, to], { stdio: 'ignore' })
    children.push(bindfs)
    mounted.push(to)
    for (let i = 0; i < 2000 && !readFileSync('/proc/self/mountinfo', 'utf8').includes(to); i++)
      await new Promise(resolve => setTimeout(resolve, 20))
    const lockFile = join(to, 'LockFile')
    const healthy = await found(lockFile)
    assert.ok(healthy.includes('MOUNT-UNTRIED') && healthy.includes('FOLDER'), healthy.join())
    bindfs.kill('SIGSTOP')
    const at = Date.now()
    const { refusal, lines } = await judgeStart(subject(lockFile), 2500)
    assert.ok(Date.now() - at < patient(12_000), `${Date.now() - at} ms`)
    assert.equal(refusal, null)
    assert.ok(lines.some(({ code }) => code === 'DOCTOR-SHARE-SILENT'))
    assert.ok(lines.some(({ code }) => code === 'DOCTOR-MOUNT-UNTRIED'))
    bindfs.kill('SIGCONT')
  })
})

describe('doctor: the whole examination', function () {
  this.timeout(300_000)
  let folder: string
  let ports: number[]
  let mounted: string[]
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'doctor-'))
    mkdirSync(join(folder, 'share'))
    ports = await freePorts(6)
    mounted = []
  })
  afterEach(() => {
    for (const place of mounted) can('umount', '-l', place)
    rmSync(folder, { recursive: true, force: true, maxRetries: 10 })
  })
  const sets = (label: 'primary' | 'secondary', lockFile: string, more: Record<string, string | number> = {}) => {
    const [mine, theirs] = (label === 'primary' ? ports.slice(0, 2) : ports.slice(0, 2).toReversed()) as [
      number,
      number,
    ]
    const values: Record<string, string | number> = {
      port: mine,
      backupHAPort: theirs,
      rmiServerPort: label === 'primary' ? (ports[2] as number) : (ports[3] as number),
      backupRMIServerPort: label === 'primary' ? (ports[3] as number) : (ports[2] as number),
      'listeners.amqp.port': label === 'primary' ? (ports[4] as number) : (ports[5] as number),
      gatewayServerPort: gatewayPort,
      dataDirectory: join(folder, `data-${label}`),
      lockFile,
      ...more,
    }
    return Object.entries(values).flatMap(([key, value]) => ['--set', `${key}=${value}`])
  }
  let gatewayPort = 1
  const gateway = createServer(socket => socket.destroy())
  before(
    () =>
      new Promise<void>(resolve =>
        gateway.listen(0, '127.0.0.1', () => {
          gatewayPort = (gateway.address() as { port: number }).port
          resolve()
        }),
      ),
  )
  after(() => new Promise(resolve => gateway.close(resolve)))
  const doctor = (label: 'primary' | 'secondary', args: string[]): Promise<Ended> =>
    lockstep(['doctor', `profiles/haprofile1/${label}/FES`, '--json', ...args])
  const report = ({ out, err }: Ended): { fit: boolean; findings: Finding[]; outlook: unknown } => {
    assert.ok(out.startsWith('{'), out + err)
    return JSON.parse(out) as { fit: boolean; findings: Finding[]; outlook: unknown }
  }

  it('fit: exit code 0, everything looked at, intervals named, nothing left behind', async () => {
    const lockFile = join(folder, 'share', 'LockFile')
    const ended = await doctor('primary', sets('primary', lockFile))
    const { fit, findings, outlook } = report(ended)
    assert.deepEqual([planted(findings), ended.code], [[], fit ? 0 : 1], ended.out)
    const seen = codes(findings)
    for (const code of ['MOUNT', 'FOLDER', 'EXCLUSION', 'GATEWAY', 'PEER-DOWN', 'PORT', 'DISK', 'SPACE', 'OUTLOOK'])
      assert.ok(seen.includes(code), code)
    assert.equal(seen.filter(code => code === 'EXCLUSION').length, 4)
    assert.ok(outlook !== null)
    assert.deepEqual([readdirSync(join(folder, 'share')), existsSync(join(folder, 'data-primary'))], [[], false])
    assert.deepEqual(
      readdirSync(folder).filter(name => name !== 'share'),
      [],
    )
  })

  it('gateway down, a port taken by another program, a folder that is missing: exit code 1, each named', async () => {
    const taken = createServer()
    await new Promise<void>(resolve => taken.listen(ports[4], '127.0.0.1', resolve))
    const [spare = 0] = await freePorts(1)
    const more = { gatewayServerPort: spare }
    const [a, b] = await Promise.all([
      doctor('primary', sets('primary', join(folder, 'share', 'LockFile'), more)),
      doctor('primary', sets('primary', join(folder, 'none', 'LockFile'))),
    ])
    await new Promise(resolve => taken.close(resolve))
    assert.deepEqual([a.code, b.code], [1, 1])
    const refused = (ended: Ended) => planted(report(ended).findings)
    assert.deepEqual(refused(a), ['GATEWAY-DOWN', 'PORT-TAKEN'])
    assert.deepEqual(refused(b), ['FOLDER-MISSING', 'PORT-TAKEN'])
    assert.ok(!existsSync(join(folder, 'none')))
  })

  it('a full disk', async function () {
    if (!isRoot || !can('unshare', '-m', 'true')) return this.skip()
    const share = join(folder, 'share')
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', share])
    mounted.push(share)
    try {
      writeFileSync(join(share, 'filler'), Buffer.alloc(1 << 20))
    } catch {
      // That was the purpose.
    }
    const { findings } = report(await doctor('primary', sets('primary', join(share, 'LockFile'))))
    assert.ok(codes(findings).includes('FOLDER-FULL'), codes(findings).join())
    assert.deepEqual(readdirSync(share), ['filler'])
  })

  it('both doctors at once: they meet, measure both ways, race, and compare clocks', async () => {
    const lockFile = join(folder, 'share', 'LockFile')
    const both = await Promise.all([
      doctor('primary', [...sets('primary', lockFile), '--with-peer', '--wait', '30']),
      doctor('secondary', [...sets('secondary', lockFile), '--with-peer', '--wait', '30']),
    ])
    for (const ended of both) {
      const { findings } = report(ended)
      const seen = codes(findings)
      assert.deepEqual(planted(findings), [], ended.out)
      assert.ok(seen.includes('MET') && seen.includes('CLOCKS'), seen.join())
      assert.equal(seen.filter(code => code.startsWith('VISIBILITY')).length, 2, seen.join())
      const across = findings.filter(f => String(f.details['contenders']).includes('each host'))
      assert.equal(across.length, 4)
      for (const f of across) assert.ok(['DOCTOR-EXCLUSION', 'DOCTOR-EXCLUSION-NOBODY'].includes(f.code), f.what)
      const clocks = findings.find(f => f.code === 'DOCTOR-CLOCKS')
      assert.ok(Math.abs(Number(clocks?.details['offsetMs'])) <= 5 + Number(clocks?.details['errorMs']), clocks?.what)
    }
    assert.deepEqual(readdirSync(join(folder, 'share')), [])
  })

  it('both doctors at once in two folders: refused, and it is said that the other one is there', async () => {
    mkdirSync(join(folder, 'other'))
    const [a, b] = await Promise.all([
      doctor('primary', [...sets('primary', join(folder, 'share', 'LockFile')), '--with-peer', '--wait', '12']),
      doctor('secondary', [...sets('secondary', join(folder, 'other', 'LockFile')), '--with-peer', '--wait', '12']),
    ])
    for (const ended of [a, b]) {
      assert.equal(ended.code, 1)
      assert.ok(codes(report(ended).findings).includes('NOT-SAME-FOLDER'), codes(report(ended).findings).join())
    }
    assert.deepEqual([...readdirSync(join(folder, 'share')), ...readdirSync(join(folder, 'other'))], [])
  })

  it('start: a share that must be refused is refused, with exit code 1 and nothing opened or made', async () => {
    const args = sets('primary', join(folder, 'none', 'LockFile'))
    const { code, err } = await lockstep(['start', 'profiles/haprofile1/primary/FES', ...args])
    assert.equal(code, 1)
    assert.match(err, /^DOCTOR-FOLDER-MISSING: /)
    assert.deepEqual(readdirSync(folder), ['share'])
  })
})
