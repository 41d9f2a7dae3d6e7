// The real disk and the one in memory, under the same suite.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openDisk } from '../../src/server/disk.ts'
import { MemoryDisk } from '../../src/simulation/disk.ts'
import { conformance } from './conformance.ts'
import { diceOf } from './world.ts'

const folders: string[] = []
after(() => folders.forEach(folder => rmSync(folder, { recursive: true, force: true })))

conformance('the real disk', () => {
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-journal-'))
  folders.push(folder)
  return { disk: openDisk(folder), again: () => openDisk(folder), remove: () => {} }
})

conformance('the disk in memory', () => {
  let disk = new MemoryDisk(fn => void setImmediate(fn), diceOf(1))
  return {
    get disk() {
      return disk
    },
    again: () => (disk = disk.clone()),
    remove: () => {},
  }
})
