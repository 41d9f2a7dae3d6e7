// The whole examination: what `lockstep doctor` does, in order, each part with a time limit. It measures and hands over to
// the judges in src/doctor; nothing is decided here.

import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Finding } from '../doctor/finding.ts'
import { judgeProbes, type ProbeFacts } from '../doctor/folder.ts'
import { judgeHost, type DiskFacts } from '../doctor/host.ts'
import { mountOf, parseMounts } from '../doctor/mountinfo.ts'
import { judgeOutlook, yamlOf, fittingIntervals, type Measured, type Outlook } from '../doctor/outlook.ts'
import { judgeMeeting, type ClockReading, type MeetingFacts } from '../doctor/peer.ts'
import { spread } from '../doctor/spread.ts'
import { deriveIntervals, SHARE_VISIBILITY_MS, type Intervals } from '../profiles/intervals.ts'
import type { Profile } from '../profiles/profile.ts'
import { realChance as chance } from './chance.ts'
import { realClock as clock } from './clock.ts'
import { answerCalls, call, type Heard } from './doctor-call.ts'
import type { DiskJob, DiskMeasured, StallJob } from './doctor-disk.ts'
import { DOCTOR_PREFIX, makeOwnLockFolder, type CleanJob, type ProbeJob } from './doctor-folder.ts'
import { clockFacts, isHereAfterAsking, judgeOwnPorts, mountinfo, reach, whoAmI } from './doctor-host.ts'
import { runJob, startJob } from './doctor-jobs.ts'
import { LOOKING, type MeetJob, type Met } from './doctor-meeting.ts'
import { runRaces } from './doctor-races.ts'
import { quickPart, type QuickPart } from './doctor-start.ts'

export interface Examination {
  readonly findings: readonly Finding[]
  /** Null where too little could be measured. */
  readonly outlook: Outlook | null
}

export interface ExaminationOptions {
  /** How long to wait for the doctor of the other host; 0: do not. */
  readonly peerWaitMs: number
  /** Told what is being done. */
  readonly onStep: (what: string) => void
}

const CONTENDERS = 4
const ROUNDS = 25
const LOOK_LIMIT_MS = 5000
const PROBE_LIMIT_MS = 20_000
const RACES_LIMIT_MS = 45_000
const DISK_LIMIT_MS = 20_000
const NETWORK_LIMIT_MS = 3000
const MEETING_LIMIT_MS = 150_000
const CALL_EVERY_MS = 500
/** Both look for each other for so long; who is not found in the folder then is in another one. */
const HEARD_PATIENCE_MS = 15_000
const STALL_SECONDS = 1.5
const OPEN = new Set(['DOCTOR-FOLDER', 'DOCTOR-STICKY', 'DOCTOR-STICKY-RISK'])

export async function examine(profile: Profile, options: ExaminationOptions): Promise<Examination> {
  const i = deriveIntervals(profile)
  const { onStep } = options
  onStep('the mount and the folder of the LockFile')
  makeOwnLockFolder(profile)
  const peerHere = await isHereAfterAsking(profile.backupHAIPAddress, NETWORK_LIMIT_MS)
  const quick = await quickPart(subjectOf(profile), LOOK_LIMIT_MS, peerHere)
  // Where not even looking works, no more is asked of the share.
  const usable = quick.findings.some(f => OPEN.has(f.code))
  onStep('punctuality of this machine')
  const stall = (
    await runJob<{ maxMs: number; seconds: number }>({ job: 'stall', seconds: STALL_SECONDS } as StallJob, 10_000)
  ).value ?? { maxMs: 10_000, seconds: STALL_SECONDS }
  onStep('gateway, peer, ports, disk')
  const [gateway, peerChannel, peerAdmin, ports] = await Promise.all([
    reach(profile.gatewayServerIPAddress, profile.gatewayServerPort, NETWORK_LIMIT_MS),
    reach(profile.backupHAIPAddress, profile.backupHAPort, NETWORK_LIMIT_MS),
    reach(profile.backupHAIPAddress, profile.backupRMIServerPort, NETWORK_LIMIT_MS),
    judgeOwnPorts(profile, NETWORK_LIMIT_MS),
  ])
  const disk = await measureDisk(profile)
  onStep('operations and races in the folder of the LockFile')
  const probes = usable ? await probe(profile) : null
  const meeting = usable && options.peerWaitMs > 0 ? await meet(profile, i, options, probes?.linkless === '') : null

  const measured = together(i, quick, {
    operationMs: spread(probes?.operationsMs ?? [])?.max ?? 0,
    stallMs: stall.maxMs,
    flushMs: spread(disk.flushesMs)?.p99 ?? 0,
    roundTripMs: peerChannel.ms,
    seen: [...(meeting?.seenHereMs ?? []), ...(meeting?.seenThereMs ?? [])],
  })
  const yaml = yamlOf(fittingIntervals(measured)).join(', ')
  const { fstab } = quick
  const folder = dirname(profile.lockFile)
  const common = { lockFile: profile.lockFile, folder, fstab, export: quick.export, limitMs: PROBE_LIMIT_MS }
  const outlook = probes === null ? null : judgeOutlook(profile, measured)
  return {
    findings: [
      ...quick.findings,
      ...(probes === null
        ? []
        : judgeProbes(probes, {
            ...common,
            user: quick.facts.user,
            contenders: `${CONTENDERS} processes`,
            operationMs: i.operationMs,
            yaml,
          })),
      ...(meeting === null
        ? []
        : judgeMeeting(meeting, {
            folder,
            sticky: quick.facts.sticky,
            peerAddress: `${profile.backupHAIPAddress}:${profile.backupHAPort}`,
            leaseMs: i.leaseMs,
            renewMs: i.renewMs,
            marginMs: i.marginMs,
            expectedVisibilityMs: SHARE_VISIBILITY_MS,
            fstab,
            yaml,
          })),
      ...judgeHost(
        { gateway, peerChannel, peerAdmin, ports, disk, clock: clockFacts(), stall },
        { marginMs: i.marginMs, peerSilenceMs: i.peerSilenceMs, yaml },
      ),
      ...(outlook?.findings ?? []),
    ],
    outlook,
  }
}

export const subjectOf = (profile: Profile) => ({
  lockFile: profile.lockFile,
  gateway: profile.gatewayServerIPAddress,
  peer: profile.backupHAIPAddress,
  singleHost: profile.singleHost,
  leaseMs: profile.passiveLockAcquisitionInterval,
})

function together(
  i: Intervals,
  quick: QuickPart,
  m: Omit<Measured, 'visibilityMs' | 'visibilityMeasured'> & { readonly seen: readonly number[] },
): Measured {
  const seen = spread(m.seen)
  const assumed = quick.judgement.kind === 'local' ? i.hotLookMs : SHARE_VISIBILITY_MS
  return { ...m, visibilityMs: Math.max(0, seen?.max ?? assumed), visibilityMeasured: seen !== null }
}

const doctorName = (): string => `${DOCTOR_PREFIX}${chance.id()}.${Date.now()}`

async function probe(profile: Profile): Promise<ProbeFacts> {
  const folder = dirname(profile.lockFile)
  const name = doctorName()
  const job: ProbeJob = { job: 'probe', folder, name }
  const done = await runJob<ProbeFacts>(job, PROBE_LIMIT_MS)
  const nothing: ProbeFacts = {
    failure: null,
    silentIn: '',
    linkless: '',
    fsyncFailure: '',
    rmdirDestroys: false,
    listings: { rounds: 0, stale: 0 },
    operationsMs: [],
    races: [],
  }
  let facts: ProbeFacts = {
    ...nothing,
    ...(done.value ?? done.soFar),
    failure: done.failure,
    silentIn: done.silent,
  }
  if (done.value !== null) {
    const races = await runRaces(join(folder, name), CONTENDERS, ROUNDS, RACES_LIMIT_MS, facts.linkless === '')
    facts = {
      ...facts,
      races: races.results,
      failure: races.trouble?.failure ?? null,
      silentIn: races.trouble?.silent ?? '',
    }
  }
  const clean: CleanJob = { job: 'clean', folder, name }
  if (facts.silentIn === '') await runJob<null>(clean, PROBE_LIMIT_MS)
  return facts
}

async function measureDisk(profile: Profile): Promise<DiskFacts> {
  const { dataDirectory: directory, limits } = profile
  const job: DiskJob = { job: 'disk', directory, name: doctorName() }
  const done = await runJob<DiskMeasured>(job, DISK_LIMIT_MS)
  const facts = done.value ?? done.soFar
  const mount = mountOf(facts?.realDirectory ?? directory, parseMounts(mountinfo() ?? ''))
  const { failure, silent } = done
  return {
    directory,
    type: mount?.type ?? 'unknown',
    problem:
      silent !== ''
        ? `no answer within ${DISK_LIMIT_MS} ms in ${silent}`
        : failure === null
          ? ''
          : `${failure.code} in ${failure.step}, ${failure.message}`,
    flushesMs: facts?.flushesMs ?? [],
    freeBytes: facts?.freeBytes ?? null,
    // Two snapshots' worth of journal, and segments allocated ahead.
    needBytes: 2 * limits.snapshotEveryBytes + 4 * limits.journalSegmentBytes + limits.memoryBytes,
  }
}

async function meet(
  profile: Profile,
  i: Intervals,
  { peerWaitMs, onStep }: ExaminationOptions,
  withLinks: boolean,
): Promise<MeetingFacts> {
  onStep(`waiting up to ${Math.round(peerWaitMs / 1000)} s for the doctor of the other server`)
  const identity = whoAmI(profile, chance.id(), i.leaseMs)
  const { pairSecret } = profile.security
  const from = clock.now()
  const patienceMs = Math.min(HEARD_PATIENCE_MS, peerWaitMs / 2)
  const job: MeetJob = { job: 'meet', folder: dirname(profile.lockFile), identity, waitMs: peerWaitMs, withLinks }
  const meeting = startJob<Met>(job, peerWaitMs + MEETING_LIMIT_MS)
  let looks = false
  meeting.onStep = step => (looks = step === LOOKING)
  const server = await answerCalls(profile.host, profile.port, pairSecret, () => ({ identity, looks }))
  let over = false
  const done = meeting.done.finally(() => (over = true))
  let heard: Heard | null = null
  let bothFrom: number | null = null
  let bothLookedMs = 0
  const clockReadings: ClockReading[] = []
  while (!over) {
    const answer = await call(profile.backupHAIPAddress, profile.backupHAPort, pairSecret, NETWORK_LIMIT_MS)
    if (answer !== null && answer.identity.session !== identity.session) {
      heard ??= answer
      clockReadings.push(answer.reading)
      if (answer.looks && looks && bothFrom === null) {
        bothFrom = clock.now()
        meeting.send({ patienceMs })
      } else if (answer.looks && bothFrom !== null) bothLookedMs = answer.reading.at - bothFrom
    }
    await Promise.race([done, sleep(CALL_EVERY_MS)])
  }
  const { value, soFar, silent, failure } = await done
  server?.close()
  server?.closeAllConnections()
  const met = value ?? soFar
  const waited = { waitedMs: clock.now() - from, broken: met?.broken || silent || (failure?.message ?? '') }
  const known = { heard: heard?.identity ?? null, bothLookedMs }
  return { mine: identity, ...known, ...waited, ...inOurTime(met, clockReadings) }
}

/** Takes the offset between the two hosts' clocks out of what was seen, by the best reading that there is. */
function inOurTime(met: Met | null, readings: readonly ClockReading[]) {
  const { theirs = null, races = [], seenHereMs: here = [], seenThereMs: there = [] } = met ?? {}
  const clockReadings = [...readings]
  if (here.length > 0 && there.length > 0) {
    // The quickest ways there and back: their difference is twice the offset, give or take their sum.
    const [fromThem, fromUs] = [Math.min(...here), Math.min(...there)]
    clockReadings.push({ at: clock.now(), offsetMs: (fromUs - fromThem) / 2, errorMs: (fromUs + fromThem) / 2 })
  }
  const offset = clockReadings.toSorted((a, b) => a.errorMs - b.errorMs)[0]?.offsetMs ?? 0
  return {
    theirs,
    races,
    clock: clockReadings,
    seenHereMs: here.map(ms => Math.max(0, ms + offset)),
    seenThereMs: there.map(ms => Math.max(0, ms - offset)),
  }
}
