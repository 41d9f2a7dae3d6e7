// Judges what was found of this machine and of what it can reach: gateway, peer, ports, the disk of the data directory,
// clock and stalls. Pure; measured in src/server/doctor-host.ts.

import { finding, type Finding, type FindingName } from './finding.ts'
import { VOLATILE_TYPES } from './mount.ts'
import { inMs, spread } from './spread.ts'

export interface Reached {
  readonly address: string
  /** Time until the connection stood; null where it did not come about. */
  readonly ms: number | null
  readonly problem: string
}

export interface PortFacts {
  readonly purpose: string
  readonly key: string
  readonly address: string
  /** ours: a server of this profile is running. */
  readonly state: 'free' | 'ours' | 'taken' | 'refused'
  readonly problem: string
}

export interface DiskFacts {
  readonly directory: string
  readonly type: string
  readonly problem: string
  readonly flushesMs: readonly number[]
  readonly freeBytes: number | null
  /** What the journal may come to need. */
  readonly needBytes: number
}

export interface ClockFacts {
  readonly source: string
  /** What says that it is kept in time; '' for nothing. */
  readonly sync: string
}

export interface HostFacts {
  readonly gateway: Reached
  readonly peerChannel: Reached
  readonly peerAdmin: Reached
  readonly ports: readonly PortFacts[]
  readonly disk: DiskFacts
  readonly clock: ClockFacts
  /** The longest that a waiting process was held up, and for how long it waited. */
  readonly stall: { readonly maxMs: number; readonly seconds: number }
}

export interface HostSubject {
  readonly marginMs: number
  readonly peerSilenceMs: number
  readonly yaml: string
}

const NETWORK_TYPES = new Set(['nfs', 'nfs4', 'cifs', 'smb3', '9p', 'fuse.sshfs', 'afs', 'davfs'])
const COARSE = new Set(['jiffies', 'refined-jiffies', 'pit'])
const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB']

export function showBytes(bytes: number): string {
  let [value, unit] = [bytes, 0]
  while (value >= 1024 && unit < UNITS.length - 1) [value, unit] = [value / 1024, unit + 1]
  return `${unit === 0 ? value : value.toFixed(1)} ${UNITS[unit]}`
}

export function judgeHost(facts: HostFacts, subject: HostSubject): Finding[] {
  const { stall, clock } = facts
  const { marginMs, yaml } = subject
  const coarse = COARSE.has(clock.source)
  const stallDetails = { maxMs: inMs(stall.maxMs), seconds: stall.seconds, marginMs, yaml }
  return [
    judgeReached(facts.gateway, 'GATEWAY', 'GATEWAY-DOWN'),
    judgeReached(facts.peerChannel, 'PEER', 'PEER-DOWN', 'back channel', 'backupHAIPAddress and backupHAPort'),
    judgeReached(facts.peerAdmin, 'PEER', 'PEER-DOWN', 'admin port', 'backupHAIPAddress and backupRMIServerPort'),
    ...facts.ports.map(judgePort),
    ...judgeDisk(facts.disk, subject.peerSilenceMs / 2),
    finding(coarse ? 'CLOCK-COARSE' : clock.sync === '' ? 'CLOCK-NO-SYNC' : 'CLOCK', { ...clock }),
    finding(stall.maxMs > marginMs / 2 ? 'STALLS-LONG' : 'STALLS', stallDetails),
  ]
}

function judgeReached(reached: Reached, good: FindingName, bad: FindingName, purpose = '', keys = ''): Finding {
  const { address, ms, problem } = reached
  return ms === null
    ? finding(bad, { address, problem, purpose, keys })
    : finding(good, { address, ms: inMs(ms), purpose })
}

function judgePort(port: PortFacts): Finding {
  const { purpose, key, address, problem } = port
  switch (port.state) {
    case 'free':
      return finding('PORT', { purpose, address, state: 'free' })
    case 'ours':
      return finding('PORT', { purpose, address, state: 'in use by this server, which is running' })
    case 'taken':
      return finding('PORT-TAKEN', { purpose, address, key })
    case 'refused':
      return finding('PORT-NOT-HERE', { purpose, address, key, problem })
  }
}

function judgeDisk(disk: DiskFacts, limitMs: number): Finding[] {
  const { directory, type, problem } = disk
  if (problem !== '') return [finding('DISK-FAILS', { directory, problem })]
  const findings: Finding[] = []
  const times = spread(disk.flushesMs)
  if (times !== null) {
    const details = { directory, p50Ms: inMs(times.median), p99Ms: inMs(times.p99), maxMs: inMs(times.max), limitMs }
    findings.push(finding(times.p99 > limitMs ? 'DISK-SLOW' : 'DISK', details))
  }
  if (NETWORK_TYPES.has(type)) findings.push(finding('DISK-NETWORK', { directory, type }))
  if (VOLATILE_TYPES.has(type)) findings.push(finding('DISK-VOLATILE', { directory, type }))
  if (disk.freeBytes !== null) {
    const details = { directory, free: showBytes(disk.freeBytes), need: showBytes(disk.needBytes) }
    findings.push(finding(disk.freeBytes < disk.needBytes ? 'SPACE-SHORT' : 'SPACE', details))
  }
  return findings
}
