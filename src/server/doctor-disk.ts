// The doctor's jobs on this machine that may take their time and so have a process of their own: flushing the disk of the
// data directory, and waiting, to see how punctual a waiting process is. Judged in src/doctor/host.ts.

import fs from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Step } from './doctor-jobs.ts'

export interface DiskJob {
  readonly job: 'disk'
  readonly directory: string
  readonly name: string
}

export interface DiskMeasured {
  readonly flushesMs: readonly number[]
  readonly freeBytes: number | null
  readonly realDirectory: string
}

const FLUSHES = 60
const BLOCK = Buffer.alloc(4096, 1)

const monotonic = (): number => Number(process.hrtime.bigint() / 1000n) / 1000

/** As the journal does it: into a file that is allocated already, then fdatasync. */
export async function diskJob({ directory, name }: DiskJob, step: Step): Promise<DiskMeasured> {
  let there = directory
  step('stat of the data directory')
  // A data directory is made at the first start: until then the folder that it will lie in speaks for it.
  while (fs.statSync(there, { throwIfNoEntry: false }) === undefined && dirname(there) !== there) there = dirname(there)
  const realDirectory = fs.realpathSync.native(there)
  const { bavail, bsize } = fs.statfsSync(there)
  const freeBytes = bavail * bsize
  const file = join(there, name)
  const flushesMs: number[] = []
  step('creating a file', { flushesMs, freeBytes, realDirectory })
  const fd = fs.openSync(file, 'wx')
  try {
    for (let at = 0; at < FLUSHES; at++) fs.writeSync(fd, BLOCK, 0, BLOCK.length, at * BLOCK.length)
    fs.fsyncSync(fd)
    step('flushing')
    for (let at = 0; at < FLUSHES; at++) {
      fs.writeSync(fd, BLOCK, 0, BLOCK.length, at * BLOCK.length)
      const from = monotonic()
      fs.fdatasyncSync(fd)
      flushesMs.push(monotonic() - from)
    }
  } finally {
    fs.closeSync(fd)
    fs.unlinkSync(file)
  }
  return { flushesMs, freeBytes, realDirectory }
}

export interface StallJob {
  readonly job: 'stall'
  readonly seconds: number
}

const TICK_MS = 5
/** A process that has just begun is busy with itself. */
const WARM_UP_MS = 200

export async function stallJob({ seconds }: StallJob, step: Step): Promise<{ maxMs: number; seconds: number }> {
  step('waiting')
  await sleep(WARM_UP_MS)
  const end = monotonic() + seconds * 1000
  let maxMs = 0
  for (let due = monotonic() + TICK_MS; due < end; due = monotonic() + TICK_MS) {
    await sleep(TICK_MS)
    maxMs = Math.max(maxMs, monotonic() - due)
  }
  return { maxMs, seconds }
}
