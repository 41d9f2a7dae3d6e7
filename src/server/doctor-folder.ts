// The doctor's jobs in the LockFile's folder, each done by a process of its own (doctor-jobs.ts): a look that changes
// nothing, a probe of everything that the lock does there under names of our own, and cleaning up after it. What the facts
// mean is judged in src/doctor/folder.ts.

import fs from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { FolderFacts, ProbeFacts } from '../doctor/folder.ts'
import type { Step } from './doctor-jobs.ts'

/** All names that the doctor makes in a folder begin so; no file of the lock does. */
export const DOCTOR_PREFIX = '.lockstep-doctor-'
const STICKY_BIT = 0o1000
/** Left by a doctor that was killed. */
const LEFT_BEHIND_MS = 3_600_000
const RENAMES = 40

/**
 * The shipped profiles have their LockFile below the product's own folder; a folder that is shared is never made here:
 * where it is missing, it is not mounted.
 */
export function makeOwnLockFolder({ lockFile, root }: { readonly lockFile: string; readonly root: string }): void {
  if (lockFile.startsWith(`${root}/`)) fs.mkdirSync(dirname(lockFile), { recursive: true })
}

export interface LookJob {
  readonly job: 'look'
  readonly lockFile: string
}

const NOTHING: FolderFacts = {
  realFolder: '',
  failure: null,
  silentIn: '',
  sticky: false,
  owner: 0,
  user: 0,
  foreign: null,
  lockFileIsFolder: false,
}

export async function lookJob({ lockFile }: LookJob, step: Step): Promise<FolderFacts> {
  const folder = dirname(lockFile)
  const base = basename(lockFile)
  const user = process.geteuid?.() ?? 0
  let facts: FolderFacts = { ...NOTHING, user }
  step('realpath', facts)
  facts = { ...facts, realFolder: fs.realpathSync.native(folder) }
  step('stat', facts)
  const { mode, uid } = fs.statSync(folder)
  facts = { ...facts, sticky: (mode & STICKY_BIT) !== 0, owner: uid }
  // Listing says whether it is a folder at all; `access` knows of read-only mounts.
  step('readdir', facts)
  const names = fs.readdirSync(folder)
  const mine = names.filter(name => name === base || name.startsWith(`${base}.`))
  step('stat of the files of the lock', facts)
  for (const name of facts.sticky ? mine : []) {
    const found = fs.lstatSync(join(folder, name), { throwIfNoEntry: false })
    if (found !== undefined && found.uid !== user) facts = { ...facts, foreign: { file: name, owner: found.uid } }
  }
  facts = { ...facts, lockFileIsFolder: fs.statSync(lockFile, { throwIfNoEntry: false })?.isDirectory() ?? false }
  step('access', facts)
  fs.accessSync(folder, fs.constants.R_OK | fs.constants.W_OK | fs.constants.X_OK)
  return facts
}

export interface ProbeJob {
  readonly job: 'probe'
  /** The folder of the LockFile. */
  readonly folder: string
  /** What to make in it. */
  readonly name: string
}

/** Leaves its own folder there: the races go on in it. */
export async function probeJob({ folder, name }: ProbeJob, step: Step): Promise<ProbeFacts> {
  let facts: ProbeFacts = {
    failure: null,
    silentIn: '',
    linkless: '',
    fsyncFailure: '',
    rmdirDestroys: false,
    listings: { rounds: 0, stale: 0 },
    operationsMs: [],
    races: [],
  }
  step('readdir', facts)
  sweep(folder)
  const own = join(folder, name)
  step('mkdir')
  fs.mkdirSync(own)
  step('exclusive create')
  const fd = fs.openSync(join(own, 'file'), 'wx')
  try {
    step('write')
    fs.writeSync(fd, 'written by lockstep doctor\n')
    step('fsync')
    facts = { ...facts, fsyncFailure: codeOf(() => fs.fsyncSync(fd)) }
  } finally {
    fs.closeSync(fd)
  }
  step('rename', facts)
  facts = { ...facts, ...renames(own) }
  step('link', facts)
  const linkless = codeOf(() => fs.linkSync(join(own, 'file'), join(own, 'linked')))
  facts = { ...facts, linkless }
  step('unlink', facts)
  if (linkless === '') fs.unlinkSync(join(own, 'linked'))
  step('rmdir')
  fs.mkdirSync(join(own, 'full'))
  fs.closeSync(fs.openSync(join(own, 'full', 'inside'), 'wx'))
  if (codeOf(() => fs.rmdirSync(join(own, 'full'))) === '') facts = { ...facts, rmdirDestroys: true }
  else {
    fs.unlinkSync(join(own, 'full', 'inside'))
    fs.rmdirSync(join(own, 'full'))
  }
  return facts
}

/** Renames as a renewal does it; each must be in the very next listing. */
function renames(own: string): Pick<ProbeFacts, 'operationsMs' | 'listings'> {
  const operationsMs: number[] = []
  let stale = 0
  fs.closeSync(fs.openSync(join(own, 't.0'), 'wx'))
  for (let i = 1; i <= RENAMES; i++) {
    const from = process.hrtime.bigint()
    fs.renameSync(join(own, `t.${i - 1}`), join(own, `t.${i}`))
    operationsMs.push(Number(process.hrtime.bigint() - from) / 1e6)
    if (!fs.readdirSync(own).includes(`t.${i}`)) stale++
  }
  fs.unlinkSync(join(own, `t.${RENAMES}`))
  return { operationsMs, listings: { rounds: RENAMES, stale } }
}

const codeOf = (operation: () => void): string => {
  try {
    operation()
    return ''
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'EUNKNOWN'
  }
}

export interface CleanJob {
  readonly job: 'clean'
  readonly folder: string
  readonly name: string
}

export async function cleanJob({ folder, name }: CleanJob, step: Step): Promise<null> {
  step('cleaning up')
  // Only what has our prefix, whoever asks.
  if (name.startsWith(DOCTOR_PREFIX)) fs.rmSync(join(folder, name), { recursive: true, force: true })
  return null
}

/** What a doctor that was killed has left: its names end in the time when they were made. */
function sweep(folder: string): void {
  const old = Date.now() - LEFT_BEHIND_MS
  for (const name of fs.readdirSync(folder)) {
    const made = name.startsWith(DOCTOR_PREFIX) ? Number(/\.(\d{13})$/.exec(name)?.[1] ?? Infinity) : Infinity
    if (made < old) fs.rmSync(join(folder, name), { recursive: true, force: true })
  }
}
