// How two profiles must fit together as a pair: crosswise addresses and ports, one LockFile, the same intervals and
// secret, one primary and one secondary, no port twice on one machine.

import type { ProfileErrorName } from './errors.ts'
import { FaultList, type Source } from './faults.ts'
import type { KeyName } from './keys.ts'
import { isAnyAddress, isLoopback, sameListener, sameMachine } from './network.ts'
import type { ProfileReading } from './read.ts'
import { ports } from './rules.ts'

/** Both servers must agree on these. */
const ALIKE: readonly (readonly [KeyName, ProfileErrorName])[] = [
  ['kind', 'PAIR-KIND'],
  ['lockFile', 'PAIR-LOCKFILE'],
  ['pingInterval', 'PAIR-INTERVALS'],
  ['activeLockReacquisitionInterval', 'PAIR-INTERVALS'],
  ['passiveLockAcquisitionInterval', 'PAIR-INTERVALS'],
  ['security.backChannelTls', 'PAIR-TLS'],
  ['limits.messageBytes', 'PAIR-LIMITS'],
  ['limits.queueMessages', 'PAIR-LIMITS'],
  ['limits.queueBytes', 'PAIR-LIMITS'],
  ['limits.queues', 'PAIR-LIMITS'],
  ['limits.storeBytes', 'PAIR-LIMITS'],
  ['limits.memoryBytes', 'PAIR-LIMITS'],
  ['limits.retainedMessages', 'PAIR-LIMITS'],
  ['limits.retainedBytes', 'PAIR-LIMITS'],
  ['limits.mqttSessions', 'PAIR-LIMITS'],
  ['limits.subscriptions', 'PAIR-LIMITS'],
  ['limits.journalSegmentBytes', 'PAIR-LIMITS'],
]

/** What one server calls the other's port must be the port that the other has. */
const CROSSWISE: readonly (readonly [KeyName, readonly KeyName[]])[] = [
  ['backupHAPort', ['port']],
  ['backupServerPort', ['listeners.amqp.port', 'listeners.amqp.tls.port']],
  ['backupServerTlsPort', ['listeners.amqp.tls.port']],
  ['backupServerMqttPort', ['listeners.mqtt.port', 'listeners.mqtt.tls.port']],
  ['backupRMIServerPort', ['rmiServerPort']],
]

/** The address by which one server calls the other must not contradict the address the other listens at. */
const ADDRESSES: readonly (readonly [KeyName, KeyName])[] = [
  ['backupHAIPAddress', 'host'],
  ['backupServerIp', 'listeners.amqp.host'],
]

/** The faults of two readings as a pair; faults of each alone are in its own list. */
export function checkPair(a: ProfileReading, b: ProfileReading): FaultList {
  const list = new FaultList()
  const at = (reading: ProfileReading, key: KeyName): Source =>
    reading.sources.get(key) ?? { file: reading.file, line: 0, option: null }
  const differ = (name: ProfileErrorName, key: KeyName, details: Record<string, string | number>) =>
    list.add(name, at(a, key), { key, there: b.file, ...details })

  if (a.values.server !== undefined && a.values.server === b.values.server)
    differ('PAIR-LABELS', 'server', { value: a.values.server })
  for (const [key, name] of ALIKE) {
    const [value, other] = [a.values[key], b.values[key]]
    if (value !== undefined && other !== undefined && value !== other)
      differ(name, key, { value: String(value), other: String(other) })
  }
  if (a.pairSecret !== null && b.pairSecret !== null && a.pairSecret !== b.pairSecret)
    differ('PAIR-SECRET', a.sources.has('security.pairSecret') ? 'security.pairSecret' : 'security.pairSecretFile', {})
  const gateways = [a, b].map(r => `${r.values.gatewayServerIPAddress}:${r.values.gatewayServerPort}`)
  if (gateways[0] !== gateways[1])
    differ('PAIR-GATEWAY', 'gatewayServerIPAddress', { value: String(gateways[0]), other: String(gateways[1]) })

  for (const [from, to] of [
    [a, b],
    [b, a],
  ] as const)
    crosswise(from, to, at, list)
  if (onOneMachine(a, b)) together(a, b, differ)
  return list
}

type At = (reading: ProfileReading, key: KeyName) => Source

function crosswise(from: ProfileReading, to: ProfileReading, at: At, list: FaultList): void {
  const add = (key: KeyName, value: unknown, theirs: KeyName, other: unknown) =>
    list.add('PAIR-CROSS', at(from, key), {
      key,
      value: String(value),
      rule: theirs,
      there: to.file,
      other: String(other),
    })
  for (const [named, own] of CROSSWISE) {
    const value = from.values[named]
    const theirs = own.map(key => to.values[key])
    if (value === undefined || value === null || theirs.includes(undefined)) continue
    if (!theirs.includes(value)) add(named, value, own[0] as KeyName, theirs[0])
  }
  for (const [named, own] of ADDRESSES) {
    const [value, theirs] = [from.values[named], to.values[own]]
    if (typeof value !== 'string' || typeof theirs !== 'string' || isAnyAddress(theirs)) continue
    // Names are not resolved: only what certainly does not fit is a fault.
    const numeric = (host: string) => /^[\d.]+$|:/.test(host) || isLoopback(host)
    if (numeric(value) && numeric(theirs) && !sameMachine(value, theirs)) add(named, value, own, theirs)
  }
}

/** Each calls the other by a loopback address, or both listen at the same one. */
const onOneMachine = (a: ProfileReading, b: ProfileReading): boolean =>
  [a, b].every(r => isLoopback(r.values.backupHAIPAddress ?? '')) ||
  sameMachine(a.values.host ?? '', b.values.host ?? '-')

function together(
  a: ProfileReading,
  b: ProfileReading,
  differ: (name: ProfileErrorName, key: KeyName, details: Record<string, string | number>) => void,
): void {
  const theirs = ports(b.values).filter(p => p.own)
  for (const mine of ports(a.values).filter(p => p.own)) {
    const clash = theirs.find(p => p.port === mine.port && sameListener(p.host, mine.host))
    if (clash !== undefined) differ('PAIR-PORTS', mine.key, { value: mine.port, other: clash.key })
  }
  if (a.values.dataDirectory !== undefined && a.values.dataDirectory === b.values.dataDirectory)
    differ('PAIR-DATA', 'dataDirectory', { value: a.values.dataDirectory })
}
