// The real disk makes durable what it says: no test can pull the plug, so the calls are looked at, and the flags of the
// files. What a disk must do is in test/journal/conformance.ts; this is about what only a power cut would show.

import assert from 'node:assert/strict'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { DiskFile } from '../../src/journal/disk.ts'
import { openDisk } from '../../src/server/disk.ts'

const { O_DIRECT, O_DSYNC } = fs.constants

type WriteDone = (error: Error | null, written: number) => void

describe('the real disk', () => {
  let folder: string

  beforeEach(() => {
    folder = fs.mkdtempSync(join(tmpdir(), 'lockstep-disk-'))
  })
  afterEach(() => fs.rmSync(folder, { recursive: true, force: true }))

  it('replaces a file by one that is flushed before it gets the name, and flushes the name', () => {
    const disk = openDisk(folder)
    const calls: string[] = []
    const originals = { fsyncSync: fs.fsyncSync, renameSync: fs.renameSync }
    fs.fsyncSync = fd => {
      calls.push(fs.fstatSync(fd).isDirectory() ? 'flush folder' : `flush ${fs.fstatSync(fd).size} bytes`)
      originals.fsyncSync(fd)
    }
    fs.renameSync = (from, to) => {
      calls.push('rename')
      originals.renameSync(from, to)
    }
    try {
      disk.replace('store', Buffer.from('four'))
    } finally {
      Object.assign(fs, originals)
    }
    assert.deepEqual(calls, ['flush 4 bytes', 'rename', 'flush folder'])
  })

  const through = (file: DiskFile, bytes: Buffer, offset: number): Promise<void> =>
    new Promise((resolve, reject) => file.writeThrough(bytes, offset, error => (error ? reject(error) : resolve())))

  /** Looks at each fs.write; `instead` may do it in another way and say so. */
  async function watched(
    instead: (fd: number, length: number, done: WriteDone, write: (length: number) => void) => boolean,
    work: () => Promise<void>,
  ): Promise<number[]> {
    const written: number[] = []
    const { write } = fs
    const patched = (fd: number, bytes: Uint8Array, at: number, length: number, offset: number, done: WriteDone) => {
      written.push(flagsOf(fd))
      const really = (n: number): void => write(fd, bytes, at, n, offset, done)
      if (!instead(fd, length, done, really)) really(length)
    }
    Object.assign(fs, { write: patched })
    try {
      await work()
    } finally {
      Object.assign(fs, { write })
    }
    return written
  }

  const sectors = (text: string): Buffer => Buffer.alloc(1024, text)
  const plainly = (): boolean => false

  it('writes through descriptors on which every write is durable', async function () {
    if (process.platform !== 'linux') this.skip()
    const file = openDisk(folder).createSync('segment', 4096)
    const flags = await watched(plainly, async () => {
      await through(file, Buffer.from('x'), 0)
      await through(file, sectors('sectors '), 512)
    })
    file.close()
    assert.equal(flags.length, 2)
    for (const each of flags) assert.equal(each & O_DSYNC, O_DSYNC, each.toString(8))
  })

  it('goes through the page cache, durably, where whole sectors past it are refused', async function () {
    if (process.platform !== 'linux') this.skip()
    const file = openDisk(folder).createSync('segment', 4096)
    const flags = await watched(
      (fd, _, done) => {
        if ((flagsOf(fd) & O_DIRECT) === 0) return false
        setImmediate(() => done(Object.assign(new Error('refused'), { code: 'EINVAL' }), 0))
        return true
      },
      async () => {
        await through(file, sectors('first '), 512)
        await through(file, sectors('second '), 1536)
      },
    )
    const text = Buffer.from(file.readSync(512, 2048)).toString()
    file.close()
    assert.ok(text.startsWith('first ') && text.slice(1024).startsWith('second '))
    const direct = flags.filter(each => (each & O_DIRECT) !== 0)
    assert.ok(direct.length <= 1, 'asked once')
    for (const each of flags) assert.equal(each & O_DSYNC, O_DSYNC, each.toString(8))
  })

  it('passes on any other error of such a write', async function () {
    if (process.platform !== 'linux') this.skip()
    const file = openDisk(folder).createSync('segment', 4096)
    const broken = Object.assign(new Error('broken'), { code: 'EIO' })
    await watched(
      (_fd, _length, done) => {
        setImmediate(() => done(broken, 0))
        return true
      },
      () => assert.rejects(through(file, sectors('x'), 512), broken),
    )
    file.close()
  })

  it('writes the rest where the kernel took less than asked for', async function () {
    if (process.platform !== 'linux') this.skip()
    const file = openDisk(folder).createSync('segment', 4096)
    let short = true
    const flags = await watched(
      (_fd, length, _done, write) => {
        if (!short) return false
        short = false
        write(length / 2)
        return true
      },
      () => through(file, sectors('abcdefgh'), 512),
    )
    const text = Buffer.from(file.readSync(512, 1024)).toString()
    file.close()
    assert.equal(text, 'abcdefgh'.repeat(128))
    for (const each of flags) assert.equal(each & O_DSYNC, O_DSYNC, each.toString(8))
  })
})

const flagsOf = (fd: number): number =>
  Number.parseInt(/^flags:\s*([0-7]+)$/m.exec(fs.readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1] ?? '0', 8)
