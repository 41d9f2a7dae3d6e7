// Judges what a process of its own found in the LockFile's folder (src/server/doctor-folder.ts): is it there, may this
// user do there what the lock needs, do operations exclude, how long do they take. Pure.

import type { Details } from '../base/errors.ts'
import { finding, type Finding, type FindingName } from './finding.ts'
import { inMs, spread } from './spread.ts'

/** What could be seen without changing anything. */
export interface FolderFacts {
  /** Where the folder really is; '' where the share did not say. */
  readonly realFolder: string
  /** The operation that failed and why; null where all went well. */
  readonly failure: Failure | null
  /** The step that had no answer in time; '' where all had. */
  readonly silentIn: string
  readonly sticky: boolean
  readonly owner: number
  readonly user: number
  /** A file of the lock that belongs to somebody else. */
  readonly foreign: { readonly file: string; readonly owner: number } | null
  readonly lockFileIsFolder: boolean
}

export interface Failure {
  readonly step: string
  /** As in ShareOutcome: ENOENT, EACCES, ... */
  readonly code: string
  readonly message: string
}

export interface FolderSubject {
  readonly lockFile: string
  readonly folder: string
  readonly fstab: string
  readonly export: string
  readonly limitMs: number
}

const FAILURES: Readonly<Record<string, FindingName>> = {
  ENOENT: 'FOLDER-MISSING',
  ENOTDIR: 'FOLDER-MISSING',
  EACCES: 'FOLDER-DENIED',
  EPERM: 'FOLDER-DENIED',
  EROFS: 'FOLDER-READ-ONLY',
  ENOSPC: 'FOLDER-FULL',
  EDQUOT: 'FOLDER-FULL',
  ESTALE: 'FOLDER-STALE',
}

export function judgeFolder(facts: FolderFacts, subject: FolderSubject): Finding[] {
  const { foreign, owner, user } = facts
  const findings: Finding[] = []
  const say = (name: FindingName, details: Details = {}): void =>
    void findings.push(finding(name, { ...subject, user, ...details }))
  if (facts.silentIn !== '') say('SHARE-SILENT', { detail: `in ${facts.silentIn}` })
  else if (facts.failure !== null) findings.push(failureOf(facts.failure, subject, user))
  else if (facts.lockFileIsFolder) say('LOCKFILE-IS-FOLDER')
  else say('FOLDER')
  // Root and the owner of the folder may rename everything in it.
  if (facts.sticky && foreign !== null && user !== 0 && owner !== user)
    say('STICKY', { file: foreign.file, owner: foreign.owner })
  else if (facts.sticky) say('STICKY-RISK')
  return findings
}

export const failureOf = (failure: Failure, subject: FolderSubject, user: number): Finding =>
  finding(FAILURES[failure.code] ?? 'FOLDER-FAILS', {
    ...subject,
    user,
    detail: `${failure.code} in ${failure.step}, ${failure.message}`,
  })

export const RACES = ['exclusive create', 'mkdir', 'rename', 'link'] as const
export type RaceOp = (typeof RACES)[number]

/** How often how many contenders believed that they had won. */
export interface RaceResult {
  readonly op: RaceOp
  readonly rounds: number
  readonly doubles: number
  readonly nobody: number
}

/** What was found out by working in the folder, under names of our own. */
export interface ProbeFacts {
  readonly failure: Failure | null
  readonly silentIn: string
  /** The error code of link() where a share makes none; ''. */
  readonly linkless: string
  readonly fsyncFailure: string
  readonly rmdirDestroys: boolean
  readonly listings: { readonly rounds: number; readonly stale: number }
  /** Of renames. */
  readonly operationsMs: readonly number[]
  readonly races: readonly RaceResult[]
}

export interface ProbeSubject extends FolderSubject {
  readonly user: number
  readonly contenders: string
  /** T. */
  readonly operationMs: number
  /** Lines for the profile. */
  readonly yaml: string
}

export function judgeProbes(facts: ProbeFacts, subject: ProbeSubject): Finding[] {
  const { operationMs, fstab, yaml, folder } = subject
  const findings: Finding[] = []
  const say = (name: FindingName, details: Details = {}): void =>
    void findings.push(finding(name, { ...subject, ...details }))
  if (facts.silentIn !== '') say('SHARE-SILENT', { detail: `in ${facts.silentIn}` })
  else if (facts.failure !== null) findings.push(failureOf(facts.failure, subject, subject.user))
  if (facts.linkless !== '') say('LINK-MISSING', { detail: facts.linkless })
  if (facts.fsyncFailure !== '') say('FSYNC-FAILS', { detail: facts.fsyncFailure })
  if (facts.rmdirDestroys) say('RMDIR-DESTROYS')
  if (facts.listings.stale > 0) say('LISTING-STALE', { ...facts.listings })
  findings.push(...judgeRaces(facts.races, { contenders: subject.contenders, fstab, folder }))
  const times = spread(facts.operationsMs)
  if (times !== null) {
    const slow =
      times.max > operationMs ? 'OPERATIONS-TOO-SLOW' : times.max > operationMs / 2 ? 'OPERATIONS-SLOW' : null
    say(slow ?? 'OPERATIONS', {
      medianMs: inMs(times.median),
      maxMs: inMs(times.max),
      count: times.count,
      limitMs: operationMs,
      yaml,
    })
  }
  return findings
}

/** Here and between two hosts (peer.ts). */
export const judgeRaces = (races: readonly RaceResult[], details: Details): Finding[] =>
  races
    .filter(race => race.rounds > 0)
    .map(race => {
      const name = race.doubles > 0 ? 'EXCLUSION-BROKEN' : race.nobody > 0 ? 'EXCLUSION-NOBODY' : 'EXCLUSION'
      return finding(name, { ...details, ...race })
    })
