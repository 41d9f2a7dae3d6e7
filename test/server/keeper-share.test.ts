// The real share: it answers as the share in memory does (on which the protocol is explored), gives up in time, keeps at
// most two operations on their way, and comes through proper-lockfile with its edges taken off.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { closeSync, existsSync, mkdtempSync, openSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { Lease } from '../../src/ha/lease.ts'
import { share as ask } from '../../src/ha/share.ts'
import type { ShareOutcome, ShareRequest, ShareSteps } from '../../src/ha/share.ts'
import { realClock as clock } from '../../src/server/clock.ts'
import { ProperLock } from '../../src/server/lockfile.ts'
import { FolderShare, runSteps } from '../../src/server/share.ts'
import type { ShareFs } from '../../src/server/share.ts'
import { MemoryShare } from '../support/memory-share.ts'
import { patient } from '../support/patience.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'share-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function* raw(request: ShareRequest): ShareSteps<ShareOutcome> {
  return yield request
}
const codeOf = async (promise: Promise<unknown>): Promise<string> => {
  const error = await promise.then(
    () => null,
    (e: unknown) => e as { code?: string },
  )
  return error?.code ?? 'none'
}

describe('keeper: the real share', () => {
  it('answers as the share in memory does', async () => {
    const place = fc.constantFrom('/a', '/b', '/c', '/a/x', '/a/y', '/b/x')
    const request: fc.Arbitrary<ShareRequest> = fc.oneof(
      fc.record({ op: fc.constantFrom('rmdir', 'readdir', 'unlink', 'read', 'syncdir'), path: place }),
      // Folders and files have names of their own in the protocol: neither is ever asked for as the other.
      fc.record({ op: fc.constant('mkdir'), path: fc.constantFrom('/a', '/b') }),
      fc.record({ op: fc.constant('create'), path: fc.constantFrom('/c', '/a/x', '/a/y', '/b/x'), text: fc.string() }),
      fc.record({
        op: fc.constantFrom('rename', 'link'),
        path: fc.constantFrom('/c', '/a/x'),
        to: fc.constantFrom('/a/y', '/b/x'),
      }),
    ) as fc.Arbitrary<ShareRequest>
    const isFolder = (path: string): boolean => path === '/a' || path === '/b'
    const sane = (r: ShareRequest): boolean => {
      const forFolders = ['mkdir', 'rmdir', 'readdir', 'syncdir'].includes(r.op)
      return forFolders === isFolder(r.path)
    }
    await fc.assert(
      fc.asyncProperty(fc.array(request.filter(sane), { maxLength: 25 }), async requests => {
        const memory = new MemoryShare()
        const root = mkdtempSync(join(folder, 'run-'))
        const real = new FolderShare(clock).lane()
        for (const r of requests) {
          // link() and rename() differ only where both names are one file already: the protocol never asks for that.
          if (r.op === 'rename' && memory.nodes.has(r.to)) continue
          const there = 'to' in r ? { ...r, path: root + r.path, to: root + r.to } : { ...r, path: root + r.path }
          const expected = memory.apply(r)
          const outcome = await runSteps(real, raw(there), 5000)
          const show = (o: ShareOutcome): unknown => (o.ok ? [[...o.names].toSorted(), o.text] : o.code)
          assert.deepEqual(show(outcome), show(expected), JSON.stringify(r))
        }
      }),
      { numRuns: 60 },
    )
  })

  it('gives up in time; a lane whose operation hangs refuses at once, others go on, and it works again afterwards', async () => {
    const pipe = join(folder, 'pipe')
    execFileSync('mkfifo', [pipe])
    const real = new FolderShare(clock)
    const [one, two] = [real.lane(), real.lane()]
    const list = ask({ op: 'readdir', path: folder })
    const from = clock.now()
    assert.equal(await codeOf(runSteps(one, ask({ op: 'read', path: pipe }), 150)), 'ETIMEDOUT')
    assert.ok(clock.now() - from < patient(400))
    const again = clock.now()
    assert.equal(await codeOf(runSteps(one, list, 5000)), 'ETIMEDOUT')
    assert.ok(clock.now() - again < patient(100))
    assert.deepEqual((await runSteps(two, ask({ op: 'readdir', path: folder }), 5000)).names, ['pipe'])
    assert.equal(real.onTheirWay, 1)
    closeSync(openSync(pipe, 'r+'))
    while (real.onTheirWay > 0) await new Promise<void>(resolve => void clock.after(5, resolve))
    assert.deepEqual((await runSteps(one, ask({ op: 'readdir', path: folder }), 5000)).names, ['pipe'])
  })

  it('knows a stale handle that Node has no name for', async () => {
    const failing = {
      readdir: () => Promise.reject(Object.assign(new Error('Unknown system error -116'), { errno: -116 })),
    }
    const real = new FolderShare(clock, failing as unknown as ShareFs).lane()
    assert.equal(await codeOf(runSteps(real, ask({ op: 'readdir', path: folder }), 1000)), 'ESTALE')
  })
})

describe('keeper: the lock through proper-lockfile', () => {
  const make = (lockFile: string, instance: string, leaseMs = 3000): ProperLock => {
    const lease = new Lease({ folder: `${lockFile}.lock`, node: 'primary', instance, leaseMs, marginMs: 250 }, clock)
    return new ProperLock(lease, lockFile, new FolderShare(clock).lane(), 1000)
  }
  const did = <T>(call: (done: (error: Error | null, value: T | undefined) => void) => void): Promise<T | undefined> =>
    new Promise((resolve, reject) => call((error, value) => (error === null ? resolve(value) : reject(error))))

  it('acquires, renews, releases, and does so again', async () => {
    const lock = make(join(folder, 'LockFile'), 'a1')
    for (let i = 0; i < 5; i++) {
      assert.equal(await did<boolean>(done => lock.acquire('', done)), true)
      assert.ok(lock.lease.valid())
      const { token } = lock.lease
      assert.deepEqual(readdirSync(join(folder, 'LockFile.lock')), [token])
      assert.equal(await did<boolean>(done => lock.renew(done)), true)
      assert.notEqual(lock.lease.token, token)
      await did<void>(done => lock.release(done))
      assert.deepEqual(readdirSync(folder), [])
    }
  })

  it('is refused while another holds it, and never judges by a file’s time', async () => {
    const holder = make(join(folder, 'LockFile'), 'a1')
    await did<boolean>(done => holder.acquire('', done))
    execFileSync('touch', [
      '-d',
      '2001-01-01',
      join(folder, 'LockFile.lock'),
      join(folder, 'LockFile.lock', holder.lease.token),
    ])
    const other = make(join(folder, '.', 'LockFile'), 'b1')
    assert.equal(await did<boolean>(done => other.acquire('', done)), false)
    assert.equal(await did<boolean>(done => holder.renew(done)), true)
    await did<void>(done => holder.release(done))
  })

  it('notices a lost lock at the renewal, tells the library, and can begin anew', async () => {
    const lockFolder = join(folder, 'LockFile.lock')
    const lock = make(join(folder, 'LockFile'), 'a1')
    await did<boolean>(done => lock.acquire('', done))
    renameSync(join(lockFolder, lock.lease.token), join(lockFolder, 't.secondary.bb-1-q3000.0'))
    assert.equal(await did<boolean>(done => lock.renew(done)), false)
    assert.equal(lock.lease.held, false)
    assert.deepEqual(readdirSync(lockFolder), ['t.secondary.bb-1-q3000.0'])
    assert.equal(await did<boolean>(done => lock.acquire('', done)), false)
    assert.equal(await did<boolean>(done => lock.acquire('t.secondary.bb-1-q3000.7', done)), true)
    await did<void>(done => lock.release(done))
    await did<void>(done => lock.release(done))
    assert.deepEqual(readdirSync(folder), [])
  })

  it('passes faults of the share on, and releases later what it could not release', async () => {
    const lock = make(join(folder, 'LockFile'), 'a1')
    await did<boolean>(done => lock.acquire('', done))
    renameSync(join(folder, 'LockFile.lock'), join(folder, 'aside'))
    execFileSync('touch', [join(folder, 'LockFile.lock')])
    await assert.rejects(
      did<void>(done => lock.release(done)),
      { code: 'ENOTDIR' },
    )
    assert.ok(lock.lease.unreleased && !lock.lease.held)
    rmSync(join(folder, 'LockFile.lock'))
    renameSync(join(folder, 'aside'), join(folder, 'LockFile.lock'))
    await did<void>(done => lock.release(done))
    assert.equal(existsSync(join(folder, 'LockFile.lock')), false)
  })

  it('a process that ends with the lock held removes nothing: the library’s exit hook is disarmed', () => {
    const src = fileURLToPath(new URL('../../src/', import.meta.url))
    const code = `
      const { Lease } = await import('${src}ha/lease.ts')
      const { ProperLock } = await import('${src}server/lockfile.ts')
      const { FolderShare } = await import('${src}server/share.ts')
      const { realClock } = await import('${src}server/clock.ts')
      const lease = new Lease({ folder: '${folder}/LockFile.lock', node: 'primary', instance: 'a1', leaseMs: 3000, marginMs: 250 }, realClock)
      const lock = new ProperLock(lease, '${folder}/LockFile', new FolderShare(realClock).lane(), 1000)
      lock.acquire('', () => process.exit(0))`
    execFileSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', code])
    assert.deepEqual(readdirSync(join(folder, 'LockFile.lock')), ['t.primary.a1-1-q3000.1'])
  })
})
