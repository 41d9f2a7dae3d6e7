// The real disk makes durable what it says: no test can pull the plug, so the calls are looked at, and the flags of the
// files. What a disk must do is in test/journal/conformance.ts; this is about what only a power cut would show.

import assert from 'node:assert/strict'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openDisk } from '../../src/server/disk.ts'

const O_DSYNC = fs.constants.O_DSYNC

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

  it('writes through a descriptor on which every write is durable', async function () {
    if (process.platform !== 'linux') this.skip()
    const file = openDisk(folder).createSync('segment', 4096)
    await new Promise<void>((resolve, reject) =>
      file.writeThrough(Buffer.from('x'), 0, error => (error ? reject(error) : resolve())),
    )
    const flags = fs
      .readdirSync('/proc/self/fd')
      .filter(fd => linkOf(fd) === join(fs.realpathSync(folder), 'segment'))
      .map(fd => /^flags:\s*([0-7]+)$/m.exec(fs.readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1] ?? '0')
    file.close()
    assert.ok(
      flags.some(octal => (Number.parseInt(octal, 8) & O_DSYNC) === O_DSYNC),
      `flags ${flags.join(' ')}`,
    )
  })
})

const linkOf = (fd: string): string => {
  try {
    return fs.readlinkSync(`/proc/self/fd/${fd}`)
  } catch {
    return '' // closed since the folder was read
  }
}
