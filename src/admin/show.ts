// The status of a server as a person reads it: what `lockstep status` prints. Pure text, from a report that may have come
// over the network.

import type { StatusReport } from './subject.ts'

const capital = (word: string): string => word.charAt(0).toUpperCase() + word.slice(1)

function showAge(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000))
  if (seconds < 120) return `${seconds} s`
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min`
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)} h`
  return `${Math.floor(seconds / 86_400)} d`
}

export function showBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let value = bytes
  let unit = 0
  while (value >= 1024 && unit < units.length - 1) [value, unit] = [value / 1024, unit + 1]
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`
}

const lockLine = ({ lock }: StatusReport): string => {
  const held = lock.held
    ? `held, ${lock.leaseLeftMs === null ? 'lease unknown' : `lease good for ${Math.max(0, Math.round(lock.leaseLeftMs))} ms`}`
    : 'not held here'
  return `${held}  (${lock.path})${lock.fault === null ? '' : `  ${lock.fault}`}`
}

const inSyncLine = ({ lock }: StatusReport): string => {
  if (lock.record === null) return 'not known: the LockFile has not been read'
  const { inSync, seq, reason, holder, epoch } = lock.record
  return `${inSync.join(' and ') || 'nobody'}  (record ${seq}, ${reason}, holder ${holder}, epoch ${epoch})`
}

const peerLine = ({ peer }: StatusReport): string => {
  const trip = peer.roundTripMs === null ? '' : `, ping ${peer.roundTripMs.toFixed(1)} ms`
  // A server of an older version does not say it.
  const before = 'seen' in peer && !peer.seen ? 'not seen since this server started' : `was ${peer.previous}`
  return `${peer.role}  (${before}; back channel ${peer.connected ? 'up' : 'down'} to ${peer.address}${trip})`
}

const lagLine = (s: StatusReport): string => {
  const at = s.peerPosition
  // A server of an older version says no age.
  const age = at === null || typeof at.ageMs !== 'number' ? '' : ` ${(at.ageMs / 1000).toFixed(1)} s ago`
  const peer = at === null ? 'peer unknown' : `peer ${at.epoch}/${at.sequence}${age}`
  return `${s.position.epoch}/${s.position.sequence}  (safe up to ${s.committed}; ${peer}; lag ${s.lagRecords} records, ${showBytes(s.lagBytes)})`
}

const gatewayLine = ({ gateway }: StatusReport): string =>
  `${gateway.reachable === null ? 'not asked yet' : gateway.reachable ? 'reachable' : 'NOT reachable'}  (${gateway.address})`

const vitalsLine = ({ vitals }: StatusReport): string => {
  const ill = vitals.filter(v => v.ill)
  const shown = (ill.length > 0 ? ill : vitals).map(v => `${v.name} ${v.worstMs} of ${v.limitMs}`)
  return `${ill.length > 0 ? 'NEAR THE MARGIN' : 'well'}  (worst of the last minute, ms: ${shown.join(', ') || 'nothing yet'})`
}

/** A table of two columns; with `why`, what blocks this server as well. */
const topicsLine = ({ topics: { sessions, subscriptions, retained, dropped } }: StatusReport): string =>
  `${sessions} MQTT sessions, ${subscriptions} lasting subscriptions, ${retained} retained messages, ${dropped} dropped`

const upkeepLine = ({ upkeep: { delayed, held, expired, deadLettered, discarded } }: StatusReport): string =>
  `${delayed} messages delayed, ${held} held, ${expired} expired, ${deadLettered} dead-lettered, ${discarded} discarded`

export function showStatus(s: StatusReport, wallMs: number, why: boolean): string {
  const rows: [string, string][] = [
    [
      'server',
      `${capital(s.server)} ${s.kind}, version ${s.version}, pair ${s.pairId === '' ? '(not founded yet)' : s.pairId}`,
    ],
    ['role', `${s.role} for ${showAge(wallMs - s.sinceWallMs)}  (was ${s.previous}; ${s.because})`],
    ['serving', s.serving ? 'yes' : 'no'],
    ['peer', peerLine(s)],
    ['epoch', String(s.epoch)],
    ['lock', lockLine(s)],
    ['in sync', inSyncLine(s)],
    ['gateway', gatewayLine(s)],
    ['protected', s.protected ? 'yes' : `NO: ${s.unprotected.join('; ') || 'reason unknown'}`],
    ['position', lagLine(s)],
    ['clients', `${s.clients.connections} connections, ${s.clients.queues} queues, ${s.clients.messages} messages`],
  ]
  // A server of an older version has none of these.
  if (s.upkeep !== undefined) rows.push(['upkeep', upkeepLine(s)])
  if (s.topics !== undefined) rows.push(['topics', topicsLine(s)])
  if (s.vitals !== undefined) rows.push(['vitals', vitalsLine(s)])
  if (s.sync !== null)
    rows.push(['sync', `by ${s.sync.how}, ${showBytes(s.sync.doneBytes)} of ${showBytes(s.sync.totalBytes)}`])
  if (s.quarantines > 0)
    rows.push(['quarantine', `${s.quarantines} put aside: lockstep quarantine <profile-folder> list`])
  const lines = rows.map(([name, text]) => `${name.padEnd(10)}  ${text}`)
  if (why) {
    lines.push('', 'why:')
    const reasons = s.blocked.length > 0 ? s.blocked : ['nothing blocks this server']
    lines.push(...reasons.map(reason => `  - ${reason}`))
  }
  return `${lines.join('\n')}\n`
}
