// Judges what two doctors found out together, one on each host (src/server/doctor-meeting.ts): is it one folder, are the
// hosts told apart, how late does each see what the other writes, do operations exclude across them, do their clocks
// agree. Pure.

import type { Details } from '../base/errors.ts'
import { finding, type Finding, type FindingName } from './finding.ts'
import { judgeRaces, type RaceResult } from './folder.ts'
import { inMs, spread } from './spread.ts'

/** What each doctor tells the other one of itself. */
export interface Identity {
  readonly label: 'primary' | 'secondary'
  readonly session: string
  readonly hostName: string
  /** machine-id; '' where there is none. */
  readonly machine: string
  /** Of this boot of this kernel: two processes with one boot id are on one machine. '' where unknown. */
  readonly boot: string
  readonly user: number
  readonly leaseMs: number
}

/** One reading of the other host's clock: its wall time minus ours, give or take half of the way there and back. */
export interface ClockReading {
  /** Our monotonic clock. */
  readonly at: number
  readonly offsetMs: number
  readonly errorMs: number
}

export interface MeetingFacts {
  readonly mine: Identity
  /** Null where the other doctor was not met in the folder. */
  readonly theirs: Identity | null
  /** The other doctor answered over the network, with this identity. */
  readonly heard: Identity | null
  /** So long both are known to have looked for each other at the same time, in vain. */
  readonly bothLookedMs: number
  readonly waitedMs: number
  /** What ended the measuring too early; ''. */
  readonly broken: string
  /** From the beginning of the operation until the name was in a listing: of theirs here, of mine there. */
  readonly seenHereMs: readonly number[]
  readonly seenThereMs: readonly number[]
  readonly races: readonly RaceResult[]
  readonly clock: readonly ClockReading[]
}

export interface MeetingSubject {
  readonly folder: string
  readonly sticky: boolean
  readonly peerAddress: string
  readonly leaseMs: number
  readonly renewMs: number
  readonly marginMs: number
  /** Above it a delay is a matter of mount options. */
  readonly expectedVisibilityMs: number
  readonly fstab: string
  readonly yaml: string
}

/** Rates further apart than this eat half of the margin. */
const MOST_DRIFT = 0.01
const APART_MS = 1000
/** Listings show changes at most 1.3 s late; on a busy machine the other one is slow besides. */
const LOOKED_LONG_MS = 4000
/** Shorter than this, the error of the readings is all that is measured. */
const DRIFT_BASE_MS = 1000

export function judgeMeeting(facts: MeetingFacts, subject: MeetingSubject): Finding[] {
  const findings: Finding[] = []
  const { mine, theirs } = facts
  const { folder, fstab, peerAddress: address } = subject
  const say = (name: FindingName, details: Details = {}): void =>
    void findings.push(finding(name, { folder, fstab, address, ...details }))
  const known = theirs ?? facts.heard
  if (theirs !== null) say('MET', { peer: theirs.label, host: theirs.hostName })
  // Who could not look says nothing of what is there.
  else if (facts.heard !== null && facts.broken !== '') say('MEETING-BROKEN', { problem: facts.broken })
  else if (facts.heard !== null && facts.bothLookedMs >= LOOKED_LONG_MS) say('NOT-SAME-FOLDER')
  else say('NOT-MET', { seconds: Math.round(facts.waitedMs / 1000) })
  if (known !== null) judgeIdentities(mine, known, subject, say)
  if (theirs === null) return findings
  if (facts.broken !== '') say('MEETING-BROKEN', { problem: facts.broken })
  judgeVisibility(facts.seenHereMs, theirs.label, 'this host', subject, say)
  judgeVisibility(facts.seenThereMs, 'this host', theirs.label, subject, say)
  findings.push(...judgeRaces(facts.races, { contenders: 'one process on each host', fstab, folder }))
  judgeClocks(facts.clock, say)
  return findings
}

type Say = (name: FindingName, details?: Details) => void

function judgeIdentities(mine: Identity, theirs: Identity, subject: MeetingSubject, say: Say): void {
  // Of an unknown boot one cannot say that it is another machine.
  const otherMachine = mine.boot !== '' && theirs.boot !== '' && mine.boot !== theirs.boot
  if (mine.label === theirs.label)
    say('SAME-LABEL', { label: mine.label, other: mine.label === 'primary' ? 'secondary' : 'primary' })
  if (otherMachine && mine.hostName === theirs.hostName) say('HOSTS', { same: 'host name', value: mine.hostName })
  if (otherMachine && mine.machine !== '' && mine.machine === theirs.machine)
    say('HOSTS', { same: 'machine id', value: mine.machine })
  if (mine.leaseMs !== theirs.leaseMs) say('INTERVALS-DIFFER', { mine: mine.leaseMs, theirs: theirs.leaseMs })
  if (subject.sticky && mine.user !== theirs.user) say('USERS', { mine: mine.user, theirs: theirs.user })
}

function judgeVisibility(delays: readonly number[], from: string, to: string, subject: MeetingSubject, say: Say): void {
  const times = spread(delays)
  if (times === null) return
  const { leaseMs, renewMs, marginMs, expectedVisibilityMs, yaml } = subject
  const tooSlow = times.max > leaseMs - marginMs - renewMs
  const name = tooSlow ? 'VISIBILITY-TOO-SLOW' : times.max > expectedVisibilityMs ? 'VISIBILITY-SLOW' : 'VISIBILITY'
  say(name, {
    from,
    to,
    minMs: inMs(times.min),
    medianMs: inMs(times.median),
    maxMs: inMs(times.max),
    count: times.count,
    leaseMs,
    yaml,
  })
}

function judgeClocks(readings: readonly ClockReading[], say: Say): void {
  const best = readings.toSorted((a, b) => a.errorMs - b.errorMs)[0]
  if (best === undefined) return
  const { least, most } = driftBounds(readings)
  const percent = (rate: number): string => `${(rate * 100).toFixed(3)} %`
  const drift = least === null || most === null ? 'unknown' : `between ${percent(least)} and ${percent(most)}`
  const details = { offsetMs: inMs(best.offsetMs), errorMs: inMs(best.errorMs), drift }
  if (least !== null && most !== null && (least > MOST_DRIFT || most < -MOST_DRIFT)) say('CLOCKS-DRIFT', details)
  if (Math.abs(best.offsetMs) - best.errorMs > APART_MS) say('CLOCKS-APART', details)
  else say('CLOCKS', details)
}

/** What the readings prove of the rate: each true offset lies within its error. */
export function driftBounds(readings: readonly ClockReading[]): { least: number | null; most: number | null } {
  let [least, most]: [number | null, number | null] = [null, null]
  for (const a of readings)
    for (const b of readings) {
      const ms = b.at - a.at
      if (ms < DRIFT_BASE_MS) continue
      const [change, error] = [b.offsetMs - a.offsetMs, a.errorMs + b.errorMs]
      least = Math.max(least ?? -Infinity, (change - error) / ms)
      most = Math.min(most ?? Infinity, (change + error) / ms)
    }
  return { least, most }
}
