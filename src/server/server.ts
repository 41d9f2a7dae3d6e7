// One server, put together: real clock, disk, network and log behind the ports, and the parts that know nothing of each
// other introduced to one another. It decides nothing; the conductor does.

import { createRequire } from 'node:module'
import { join } from 'node:path'
import { CodedError } from '../base/errors.ts'
import type { Log } from '../base/ports.ts'
import { createBroker } from '../broker/broker.ts'
import { RECORD_OVERHEAD_BYTES } from '../broker/limits.ts'
import { Conductor } from '../ha/conductor.ts'
import { GatewaySensor } from '../ha/gateway.ts'
import type { Parts } from '../ha/parts.ts'
import { openJournal } from '../journal/journal.ts'
import { deriveIntervals } from '../profiles/intervals.ts'
import type { Profile } from '../profiles/profile.ts'
import { BackChannel } from '../replication/back-channel.ts'
import { CommitGate } from '../replication/commit-gate.ts'
import { noGrounds } from '../replication/commit-rule.ts'
import { JournalTaps } from '../replication/journal-taps.ts'
import { DEFAULT_LIMITS, type ReplicationLimits } from '../replication/limits.ts'
import { Receiver } from '../replication/receiver.ts'
import { StoreState } from '../replication/store-state.ts'
import { openAckLog } from './ack-log.ts'
import { openAuditLog } from './audit-log.ts'
import { openAdminPort } from './admin-http.ts'
import { BrokerVitals } from './broker-vitals.ts'
import { amqpListeners } from './amqp-ports.ts'
import { realChance as chance } from './chance.ts'
import { ClientPorts } from './client-ports.ts'
import { realClock as clock } from './clock.ts'
import { inDataDirectory, lockDataDirectory } from './data-lock.ts'
import { openDisk } from './disk.ts'
import { propertyReader, readdress } from './formats.ts'
import { mqttListeners } from './mqtt-ports.ts'
import { openHouseDoor } from './house-door.ts'
import { type KeeperPipe, START_REFUSED } from './keeper-pipe.ts'
import { Snapshots } from './snapshots.ts'
import { openSpill } from './spill-file.ts'
import { Subject } from './subject.ts'
import { Drops, Tally } from './tally.ts'
import { TcpPing } from './tcp-ping.ts'
import { WsTransport } from './ws-transport.ts'

const { version } = createRequire(import.meta.url)('../../package.json') as { version: string }

/** Runs one server until it ends; resolves with the exit code. Throws a coded error where it cannot start. */
export async function runServer(profile: Profile, keeper: KeeperPipe, log: Log): Promise<number> {
  const { dataDirectory, limits, security, server: label } = profile
  const intervals = deriveIntervals(profile)
  await lockDataDirectory(dataDirectory, clock, log)
  const vitals = new BrokerVitals(clock, log, intervals)
  const disk = inDataDirectory(dataDirectory, () => openDisk(join(dataDirectory, 'journal'), vitals.flushed))
  const store = inDataDirectory(dataDirectory, () => new StoreState(disk, chance, label))
  const journal = inDataDirectory(dataDirectory, () =>
    openJournal(disk, clock, {
      segmentBytes: limits.journalSegmentBytes,
      recordBytes: limits.messageBytes + RECORD_OVERHEAD_BYTES,
      tailBytes: limits.journalTailBytes,
      snapshotEveryBytes: limits.snapshotEveryBytes,
    }),
  )
  if (journal.recovered.cut) {
    const { bytes, segment, offset } = journal.recovered.cut
    log('warn', `The journal ended in ${bytes} bytes that were never durable; cut from ${segment} at ${offset}`)
  }
  journal.onWarning = error => log('warn', error instanceof CodedError ? error.line() : error.message)
  const taps = new JournalTaps(journal)
  const grounds = noGrounds(intervals.leaseMs, intervals.marginMs)
  const bounds: ReplicationLimits = {
    ...DEFAULT_LIMITS,
    windowBytes: limits.replicationWindowBytes,
    silenceMs: intervals.peerSilenceMs,
  }
  const acknowledged = openAckLog(profile.diagnostics.ackLog, label)
  const tally = new Tally(clock)
  const drops = new Drops(clock, log)

  let end: (code: number) => void = () => {}
  const ended = new Promise<number>(resolve => {
    end = resolve
  })
  const failed = (error: CodedError): void => {
    log('error', error.line())
    end(1)
  }
  const gate: CommitGate = new CommitGate({
    taps,
    sink: { committed: sequence => broker.committed(sequence) },
    clock,
    limits: bounds,
    grounds,
    onCommitted: (sequence, judgedAt) => {
      acknowledged(judgedAt, grounds.epoch, sequence)
      conductor.committed(sequence)
    },
  })
  const broker = createBroker({
    log: gate,
    clock,
    limits: {
      connections: limits.connections,
      messageBytes: limits.messageBytes,
      queues: limits.queues,
      queueMessages: limits.queueMessages,
      queueBytes: limits.queueBytes,
      storeBytes: limits.storeBytes,
      memoryBytes: limits.memoryBytes,
      pageOutBytes: limits.memoryBytes / 2,
      createOnUse: profile.queues.createOnUse,
      topics: {
        retainedMessages: limits.retainedMessages,
        retainedBytes: limits.retainedBytes,
        sessions: limits.mqttSessions,
        subscriptions: limits.subscriptions,
      },
    },
    say: log,
    properties: propertyReader(),
    readdress,
    spill: inDataDirectory(dataDirectory, () => openSpill(dataDirectory)),
    failed,
  })
  const audit = openAuditLog({ file: security.auditLog, bytes: limits.auditBytes, server: label, clock, log })
  const {
    door: signIn,
    desk,
    addresses,
    content,
  } = openHouseDoor({ profile, broker, audit: audit.write, clock, chance })
  const clients = {
    profile,
    signIn,
    clock,
    log,
    epoch: () => grounds.epoch,
    mayServe: () => gate.mayServe(),
    failed,
  }
  const ports = new ClientPorts({
    broker,
    declared: profile.queues.declared,
    warn: line => log('warn', line),
    listeners: [...amqpListeners({ ...clients, version, chance }), ...mqttListeners({ ...clients, chance, drops })],
  })
  await ports.mustBeFree()
  const transport = new WsTransport(transportOptions(profile, bounds))
  await transport.open()
  const channel = new BackChannel(
    {
      label,
      instance: chance.id(),
      secret: security.pairSecret,
      pingMs: intervals.pingMs,
      silenceMs: intervals.peerSilenceMs,
      stuckBytes: bounds.chunkBytes,
      bufferedBytes: bounds.windowBytes + bounds.snapshotWindowBytes + 2 * bounds.chunkBytes,
    },
    { transport, clock, chance, log },
  )
  const receiver = new Receiver({
    taps,
    sink: broker,
    send: frame => channel.send(frame),
    clock,
    limits: bounds,
    store,
    listed: () => conductor.listed,
    onFollowing: () => conductor.evaluate(),
    onQuarantined: name =>
      log('warn', `Records that the peer does not have were put aside as ${name}; see lockstep quarantine`),
    onJoined: recordSeq => conductor.joined(recordSeq),
    onFailed: error => conductor.peerFailed(error),
  })
  const snapshots = new Snapshots({
    journal,
    broker,
    clock,
    say: log,
    folded: () => (grounds.epoch > 0 ? gate.committed : receiver.applied),
    mayDrop: () => conductor.leader.progress === null,
  })
  const parts: Parts = {
    label,
    kind: profile.kind,
    lockFile: profile.lockFile,
    intervals: {
      ...intervals,
      graceMs: profile.startupGrace === 'forever' ? Infinity : profile.startupGrace,
    },
    clock,
    chance,
    say: log,
    keeper: vitals.listen(keeper),
    channel,
    store,
    journal,
    taps,
    limits: bounds,
    gate,
    grounds,
    receiver,
    makeSnapshot: done => snapshots.make(done),
    wake: () => broker.wake(),
    service: ports,
  }
  const conductor: Conductor = new Conductor(parts)
  conductor.onEnd = error => end(error ? 1 : 0)
  channel.onUp = () => conductor.channelUp()
  channel.onDown = why => conductor.channelDown(why)
  channel.onFrame = frame => conductor.frame(frame)
  channel.onAnswered = () => {
    if (channel.lastAnswered) vitals.answered(channel.lastAnswered.sentAt)
    conductor.answered()
  }
  channel.following = () => receiver.following
  channel.committed = () => (grounds.epoch > 0 ? gate.committed : 0)

  const subject = new Subject({
    profile,
    desk,
    addresses,
    content,
    conductor,
    parts,
    broker,
    ports,
    tally,
    drops,
    vitals,
    disk,
    version,
  })
  openAdminPort(
    { host: profile.admin.host, port: profile.rmiServerPort, token: security.adminToken, subject, log },
    error => {
      if (error === null) return
      log('error', error.line())
      end(START_REFUSED)
    },
  )
  channel.start()
  const gateway = new GatewaySensor({
    ping: new TcpPing({ host: profile.gatewayServerIPAddress, port: profile.gatewayServerPort }),
    clock,
    intervalMs: intervals.pingMs,
    onChange: up => conductor.gateway(up),
  })
  gateway.start()
  log(
    'info',
    `${label === 'primary' ? 'Primary' : 'Secondary'} Server switched to WAITING (just started, store ${store.storeId})`,
  )
  vitals.start(() => {
    const { record, recordKnown } = conductor.sensors.news
    return { heard: recordKnown ? store.mk : 0, seen: record?.seq ?? 0 }
  })
  conductor.evaluate()
  return ended
}

function transportOptions(profile: Profile, bounds: ReplicationLimits) {
  const { security } = profile
  return {
    host: profile.host,
    port: profile.port,
    peerHost: profile.backupHAIPAddress,
    peerPort: profile.backupHAPort,
    messageBytes: 2 * bounds.chunkBytes + profile.limits.messageBytes,
    tls: security.backChannelTls
      ? { certFile: security.certFile ?? '', keyFile: security.keyFile ?? '', caFile: security.caFile }
      : null,
  }
}
