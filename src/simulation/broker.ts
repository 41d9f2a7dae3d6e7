// A broker's process in the simulation: the same parts as in src/server/server.ts, put together in the same way, with the
// simulated disk, network, clock, keeper pipe and client port in the places of the real ones. Keep the two alike.

import type { CodedError } from '../base/errors.ts'
import type { Chance, Log } from '../base/ports.ts'
import { createBroker, type BrokerCore } from '../broker/broker.ts'
import { defaultTopicLimits } from '../broker/limits.ts'
import type { Spill } from '../broker/spill.ts'
import { Conductor } from '../ha/conductor.ts'
import { GatewaySensor, type PingPort } from '../ha/gateway.ts'
import type { KeeperLink } from '../ha/keeper-link.ts'
import type { Parts } from '../ha/parts.ts'
import type { ServerLabel } from '../ha/record.ts'
import { openJournal, type FileJournal } from '../journal/journal.ts'
import { BackChannel } from '../replication/back-channel.ts'
import { CommitGate } from '../replication/commit-gate.ts'
import { noGrounds, type ServingGrounds } from '../replication/commit-rule.ts'
import { JournalTaps } from '../replication/journal-taps.ts'
import { Receiver } from '../replication/receiver.ts'
import { StoreState } from '../replication/store-state.ts'
import type { Transport } from '../replication/transport.ts'
import { ClientPorts } from '../server/client-ports.ts'
import { Snapshots } from '../server/snapshots.ts'
import type { Account } from './account.ts'
import { ClientPort } from './client-port.ts'
import type { MemoryDisk } from './disk.ts'
import { MESSAGE_BYTES, RECORD_BYTES, type Setting } from './setting.ts'
import type { Process } from './timeline.ts'
import type { Watch } from './watch.ts'

export interface BrokerWorld {
  readonly label: ServerLabel
  readonly setting: Setting
  readonly process: Process
  readonly disk: MemoryDisk
  readonly spill: Spill
  readonly chance: Chance
  readonly keeper: KeeperLink
  readonly transport: Transport
  readonly ping: PingPort
  readonly log: Log
  readonly watch: Watch
  readonly account: Account
  readonly onEnd: (code: number) => void
}

export interface SimulatedBroker {
  readonly instance: string
  readonly conductor: Conductor
  readonly port: ClientPort
  readonly journal: FileJournal
  readonly store: StoreState
  readonly receiver: Receiver
  readonly gate: CommitGate
  readonly grounds: ServingGrounds
  readonly core: BrokerCore
}

export const LOCK_FILE = '/LockFile'

/** Throws a coded error where the server cannot start. */
export function startBroker(world: BrokerWorld): SimulatedBroker {
  const { label, setting, process: clock, disk, chance, keeper, log, watch, account } = world
  const { intervals, limits: bounds } = setting
  const store = new StoreState(disk, chance, label)
  const journal = openJournal(disk, clock, {
    segmentBytes: setting.segmentBytes,
    recordBytes: RECORD_BYTES,
    tailBytes: setting.tailBytes,
    snapshotEveryBytes: setting.snapshotEveryBytes,
  })
  journal.onWarning = error => log('warn', error.message)
  const taps = new JournalTaps(journal)
  if (disk.damaged) watch.damaged(store.storeId)
  watch.opened(label, store.storeId, journal, () => journal.quarantines())
  const grounds = noGrounds(intervals.leaseMs, intervals.marginMs)
  const instance = chance.id()

  const gate: CommitGate = new CommitGate({
    taps,
    // The checkers are asked before the first answer of this commit goes out.
    sink: {
      committed: sequence => {
        watch.act(label, instance, grounds.epoch, `makes record ${sequence} known as safe`)
        watch.committed(label, store.storeId, sequence)
        broker.committed(sequence)
      },
    },
    clock,
    limits: bounds,
    grounds,
    onCommitted: sequence => conductor.committed(sequence),
  })
  const broker = createBroker({
    log: gate,
    clock,
    limits: {
      connections: 64,
      messageBytes: MESSAGE_BYTES,
      queues: 16,
      queueMessages: setting.queueMessages,
      queueBytes: 1 << 20,
      storeBytes: 1 << 21,
      memoryBytes: setting.memoryBytes,
      pageOutBytes: setting.memoryBytes / 2,
      createOnUse: true,
      topics: defaultTopicLimits,
    },
    say: log,
    spill: world.spill,
    failed: error => {
      log('error', error.line())
      world.onEnd(1)
    },
  })
  const channel = new BackChannel(
    {
      label,
      instance,
      secret: 'the secret of the pair',
      pingMs: intervals.pingMs,
      silenceMs: intervals.peerSilenceMs,
      stuckBytes: bounds.chunkBytes,
      bufferedBytes: bounds.windowBytes + bounds.snapshotWindowBytes + 2 * bounds.chunkBytes,
    },
    { transport: world.transport, clock, chance, log },
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
    onQuarantined: name => log('warn', `Records that the peer does not have were put aside as ${name}`),
    onJoined: recordSeq => conductor.joined(recordSeq),
    onFailed: error => conductor.peerFailed(error),
  })
  const port = new ClientPort({
    process: clock,
    broker,
    settings: broker.settings,
    acts: what => watch.act(label, instance, grounds.epoch, what),
    account,
  })
  const ports = new ClientPorts({
    broker,
    declared: ['q0'],
    warn: line => log('warn', line),
    listeners: [port],
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
    kind: 'FES',
    lockFile: LOCK_FILE,
    intervals: { ...intervals, graceMs: setting.graceMs },
    clock,
    chance,
    say: log,
    keeper,
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
  conductor.onEnd = (error: CodedError | null) => world.onEnd(error ? 1 : 0)
  channel.onUp = () => conductor.channelUp()
  channel.onDown = why => conductor.channelDown(why)
  channel.onFrame = frame => conductor.frame(frame)
  channel.onAnswered = () => conductor.answered()
  channel.following = () => receiver.following
  channel.committed = () => (grounds.epoch > 0 ? gate.committed : 0)
  channel.start()
  new GatewaySensor({
    ping: world.ping,
    clock,
    intervalMs: intervals.pingMs,
    onChange: up => conductor.gateway(up),
  }).start()
  conductor.evaluate()
  return { instance, conductor, port, journal, store, receiver, gate, grounds, core: broker }
}
