// Every metric, one row to a metric: GET /metrics and docs/admin.md are printed from here. Rows in `measured` are
// counted by the server; rows in `derived` are read off the status.

import type { VitalReport } from '../doctor/self-test.ts'
import { ROLES } from '../states/roles.ts'
import type { Counters, StatusReport } from './subject.ts'

type MetricType = 'gauge' | 'counter'

// prettier-ignore
export const measured = {
  connections:                { type: 'gauge',   help: 'client connections' },
  queues:                     { type: 'gauge',   help: 'queues' },
  queued_messages:            { type: 'gauge',   help: 'messages in all queues' },
  queued_bytes:               { type: 'gauge',   help: 'bytes of messages in all queues' },
  queued_memory_bytes:        { type: 'gauge',   help: 'of these bytes what is in memory, as limits.memoryBytes counts it' },
  paged_messages:             { type: 'gauge',   help: 'messages that are not in memory but in the page file' },
  delayed_messages:           { type: 'gauge',   help: 'messages that are not to be delivered yet' },
  expired_messages_total:     { type: 'counter', help: 'messages whose time was over before a consumer took them' },
  dead_letters_total:         { type: 'counter', help: 'messages that were put where dead letters, or those whose time is over, go' },
  discarded_messages_total:   { type: 'counter', help: 'messages that are gone because their queue was at a limit (drop-oldest)' },
  held_messages:              { type: 'gauge',   help: 'messages without an answer, of producers that are slowed because a queue is at a limit' },
  paging_trouble:             { type: 'gauge',   help: '1 while messages cannot be paged out' },
  mqtt_sessions:              { type: 'gauge',   help: 'MQTT sessions that outlive their connections or have a will' },
  subscriptions:              { type: 'gauge',   help: 'subscriptions to topics that outlive their connections' },
  retained_messages:          { type: 'gauge',   help: 'retained messages' },
  retained_bytes:             { type: 'gauge',   help: 'bytes of retained messages' },
  overflowed_messages_total:  { type: 'counter', help: 'messages that did not go into the full queue of a subscriber' },
  mqtt_dropped_slow_total:    { type: 'counter', help: 'messages dropped for MQTT clients that do not read fast enough' },
  mqtt_dropped_too_large_total: { type: 'counter', help: 'messages not sent to MQTT clients that do not take their size' },
  mqtt_dropped_refused_total: { type: 'counter', help: 'messages of QoS 0 from MQTT clients that were refused' },
  role_changes_total:         { type: 'counter', help: 'changes of role' },
  lock_losses_total:          { type: 'counter', help: 'times the lock was lost' },
  resident_bytes:             { type: 'gauge',   help: 'memory of the broker process' },
  loop_delay_ms:              { type: 'gauge',   help: 'longest stall of the event loop lately, in ms' },
} as const satisfies Record<keyof Counters, { type: MetricType; help: string }>

const yes = (flag: boolean | null): number => (flag === true ? 1 : 0)

interface DerivedMetric {
  readonly help: string
  readonly value: (status: StatusReport) => number
}

// prettier-ignore
export const derived: Readonly<Record<string, DerivedMetric>> = {
  serving:             { help: '1 while this server serves clients', value: s => yes(s.serving) },
  protected:           { help: '1 while one more fault would not end the service', value: s => yes(s.protected) },
  lock_held:           { help: '1 while this server holds the lock', value: s => yes(s.lock.held) },
  lock_fault:          { help: '1 while the share does not answer as it should', value: s => yes(s.lock.fault !== null) },
  peer_connected:      { help: '1 while the back channel is up', value: s => yes(s.peer.connected) },
  gateway_reachable:   { help: '1 while the gateway answers', value: s => yes(s.gateway.reachable) },
  in_sync_servers:     { help: 'servers that the LockFile lists as in sync', value: s => s.lock.record?.inSync.length ?? 0 },
  epoch:               { help: 'the epoch this server acts in or follows', value: s => s.epoch },
  journal_sequence:    { help: 'sequence of the last record', value: s => s.position.sequence },
  committed_sequence:  { help: 'sequence up to which everything is safe', value: s => s.committed },
  replication_lag_records: { help: 'records the follower is behind', value: s => s.lagRecords },
  replication_lag_bytes:   { help: 'bytes the follower is behind', value: s => s.lagBytes },
  quarantines:         { help: 'quarantine files that wait for an operator', value: s => s.quarantines },
}

/** One line to a vital sign (label `vital`; docs/doctor.md lists them). */
// prettier-ignore
export const perVital: Readonly<Record<string, { readonly help: string; readonly value: (vital: VitalReport) => number }>> = {
  vital_ms:       { help: 'the worst of a vital sign in the last minute, in ms', value: v => v.worstMs },
  vital_limit_ms: { help: 'above it the server warns, in ms', value: v => v.limitMs },
  vital_ill:      { help: '1 while a vital sign has been over its limit within the last minute', value: v => yes(v.ill) },
}

const finite = (n: number): string => (Number.isFinite(n) ? String(n) : '0')

/** Prometheus text format, version 0.0.4. */
export function metricsText(status: StatusReport, counters: Counters): string {
  const labels = `{server="${status.server}",kind="${status.kind}"}`
  const lines: string[] = []
  const put = (name: string, type: MetricType, help: string, value: number) =>
    lines.push(
      `# HELP lockstep_${name} ${help}`,
      `# TYPE lockstep_${name} ${type}`,
      `lockstep_${name}${labels} ${finite(value)}`,
    )
  for (const [name, row] of Object.entries(derived)) put(name, 'gauge', row.help, row.value(status))
  for (const [name, row] of Object.entries(measured)) put(name, row.type, row.help, counters[name as keyof Counters])
  lines.push('# HELP lockstep_role 1 for the role this server is in', '# TYPE lockstep_role gauge')
  for (const role of ROLES)
    lines.push(
      `lockstep_role{server="${status.server}",kind="${status.kind}",role="${role}"} ${yes(role === status.role)}`,
    )
  for (const [name, row] of Object.entries(perVital)) {
    if (status.vitals.length > 0) lines.push(`# HELP lockstep_${name} ${row.help}`, `# TYPE lockstep_${name} gauge`)
    for (const vital of status.vitals)
      lines.push(
        `lockstep_${name}{server="${status.server}",kind="${status.kind}",vital="${vital.name}"} ${finite(row.value(vital))}`,
      )
  }
  return `${lines.join('\n')}\n`
}
