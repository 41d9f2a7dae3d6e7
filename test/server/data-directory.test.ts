// The data directory: made for its owner alone, closed to others where it was open, and refused with its code, in time, where
// it cannot be made or written to.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { CodedError } from '../../src/base/errors.ts'
import { realClock as clock } from '../../src/server/clock.ts'
import { inDataDirectory, lockDataDirectory } from '../../src/server/data-lock.ts'
import { openDisk } from '../../src/server/disk.ts'
import { openSpill } from '../../src/server/spill-file.ts'

const isRoot = process.getuid?.() === 0

describe('the data directory', () => {
  let folder: string
  const said: string[] = []
  const lock = (directory: string) =>
    lockDataDirectory(directory, clock, (level, line) => void said.push(`${level} ${line}`))
  const modeOf = (path: string) => (statSync(path).mode & 0o777).toString(8)
  const refused = (directory: string, reason: RegExp) =>
    assert.rejects(lock(directory), (error: CodedError) => {
      assert.equal(error.code, 'SERVER-DATA-DIRECTORY')
      assert.match(error.message, reason)
      return true
    })

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'lockstep-data-'))
    said.length = 0
  })
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  it('is made with its parents, for its owner alone', async () => {
    const directory = join(folder, 'a', 'b')
    await lock(directory)
    assert.deepEqual([modeOf(directory), modeOf(join(folder, 'a')), said.length], ['700', '700', 0])
  })

  it('is closed to others where it was open to them, and said so once; its group is left alone', async () => {
    const directory = join(folder, 'open')
    mkdirSync(directory)
    chmodSync(directory, 0o755)
    await lock(directory)
    assert.equal(modeOf(directory), '750')
    assert.match(said.join(), /^info The data directory .* is closed to other users/)
  })

  it('is refused below a file, and where a file system makes no folders', async () => {
    writeFileSync(join(folder, 'file'), '')
    await refused(join(folder, 'file', 'data'), /ENOTDIR/)
    await refused(join(folder, 'file'), /EEXIST/)
    if (process.platform === 'linux') await refused('/proc/lockstep/data', /ENOENT/)
  })

  it('is refused by the same code where something in it cannot be opened, and no other error is taken for that', () => {
    writeFileSync(join(folder, 'journal'), '')
    mkdirSync(join(folder, 'pages'))
    const opening = (open: () => unknown, reason: RegExp) =>
      assert.throws(
        () => inDataDirectory(folder, open),
        (error: CodedError) => error.code === 'SERVER-DATA-DIRECTORY' && reason.test(error.message),
      )
    opening(() => openDisk(join(folder, 'journal')), /EEXIST.*journal/)
    opening(() => openSpill(folder), /pages/)
    const own = new TypeError('of our own making')
    assert.throws(
      () =>
        inDataDirectory(folder, () => {
          throw own
        }),
      own,
    )
  })

  it('is refused where it is there and cannot be written to', async function () {
    const directory = join(folder, 'fixed')
    mkdirSync(directory)
    if (!isRoot) {
      chmodSync(directory, 0o500)
      return refused(directory, /EACCES/)
    }
    const run = (command: string, ...args: string[]) => spawnSync(command, [...args, directory]).status === 0
    if (!run('mount', '--bind', directory)) return this.skip()
    try {
      assert.ok(run('mount', '-o', 'remount,bind,ro'))
      await refused(directory, /EROFS/)
    } finally {
      run('umount', '-l')
    }
  })
})
