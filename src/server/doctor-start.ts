// The quick part of the doctor, before a server starts: the mount that the LockFile's folder is on, its options, and a
// look at the folder. No network is waited for; the look is done by a process of its own with a time limit, so that a
// share that hangs holds up nothing here. Such a share is no reason not to start: the keeper lives with it.

import { hostname } from 'node:os'
import { dirname } from 'node:path'
import type { CodedError } from '../base/errors.ts'
import { refusalOf } from '../doctor/errors.ts'
import type { Finding } from '../doctor/finding.ts'
import { judgeFolder, type FolderFacts } from '../doctor/folder.ts'
import { exportLine, fstabLine } from '../doctor/mount-advice.ts'
import { judgeMount, type MountJudgement } from '../doctor/mount.ts'
import type { LookJob } from './doctor-folder.ts'
import { isHere, mountinfo, recoverLostLocks } from './doctor-host.ts'
import { runJob } from './doctor-jobs.ts'

export interface QuickSubject {
  readonly lockFile: string
  /** gatewayServerIPAddress. */
  readonly gateway: string
  /** backupHAIPAddress. */
  readonly peer: string
  /** The profile says that both servers run on this machine. */
  readonly singleHost: boolean
  readonly leaseMs: number
}

export interface QuickPart {
  readonly findings: readonly Finding[]
  readonly judgement: MountJudgement
  readonly facts: FolderFacts
  readonly fstab: string
  readonly export: string
}

const UNSEEN: FolderFacts = {
  realFolder: '',
  failure: null,
  silentIn: '',
  sticky: false,
  owner: 0,
  user: 0,
  foreign: null,
  lockFileIsFolder: false,
}

export async function quickPart(
  subject: QuickSubject,
  limitMs: number,
  peerHere = isHere(subject.peer),
): Promise<QuickPart> {
  const folder = dirname(subject.lockFile)
  const look: LookJob = { job: 'look', lockFile: subject.lockFile }
  const done = await runJob<FolderFacts>(look, limitMs)
  const facts = {
    ...UNSEEN,
    user: process.geteuid?.() ?? 0,
    ...(done.value ?? done.soFar),
    failure: done.failure,
    silentIn: done.silent,
  }
  const judgement = judgeMount({
    ...subject,
    folder,
    realFolder: facts.realFolder || folder,
    mountinfo: mountinfo(),
    recoverLostLocks: recoverLostLocks(),
    peerHere: subject.singleHost ? 'yes' : peerHere,
    hostName: hostname(),
  })
  const place = { folder, gateway: subject.gateway, peer: subject.peer }
  const lines = { fstab: fstabLine(judgement.mount, place), export: exportLine(judgement.mount, place) }
  const findings = [
    ...judgement.findings,
    ...judgeFolder(facts, { lockFile: subject.lockFile, folder, limitMs, ...lines }),
  ]
  return { findings, judgement, facts, ...lines }
}

/** What is said of every pair that is tried out on one machine is not worth a line at each start. */
const UNSAID = new Set(['DOCTOR-MOUNT-LOCAL', 'DOCTOR-MOUNT-VOLATILE'])
/** A share that is silent, full or failing may be well again in a moment, and the keeper says so of it. */
const KEEPERS = new Set(['DOCTOR-SHARE-SILENT', 'DOCTOR-FOLDER-FULL', 'DOCTOR-FOLDER-FAILS', 'DOCTOR-FOLDER-STALE'])

export interface StartJudgement {
  /** Why not to start; null where nothing forbids it. */
  readonly refusal: CodedError | null
  /** Lines for the console: everything that refuses, then warnings. */
  readonly lines: readonly { readonly level: 'error' | 'warn'; readonly line: string; readonly code: string }[]
}

export async function judgeStart(subject: QuickSubject, limitMs: number): Promise<StartJudgement> {
  const { findings } = await quickPart(subject, limitMs)
  const line = (f: Finding): string => `${f.code}: ${f.what} ${f.why} ${f.remedy}`
  const refused = findings.filter(f => f.severity === 'refuse' && !KEEPERS.has(f.code))
  const warned = findings.filter(
    f => (f.severity === 'warn' && !UNSAID.has(f.code)) || (f.severity === 'refuse' && KEEPERS.has(f.code)),
  )
  return {
    refusal: refused[0] === undefined ? null : refusalOf(refused[0]),
    lines: [
      ...refused.slice(1).map(f => ({ level: 'error' as const, line: line(f), code: f.code })),
      ...warned.map(f => ({ level: 'warn' as const, line: line(f), code: f.code })),
    ],
  }
}
