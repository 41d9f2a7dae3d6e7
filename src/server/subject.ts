// What the admin API sees of this server: its parts, put into the words of a status report. Reads; what it is asked to do
// it passes on to the conductor.

import type { AddressDesk } from '../access/address-desk.ts'
import type { ContentDesk } from '../access/content-desk.ts'
import type { Desk } from '../access/desk.ts'
import type { AdminSubject, Answer, Counters, EventEntry, QuarantineReader, StatusReport } from '../admin/subject.ts'
import type { BrokerCore } from '../broker/broker.ts'
import type { TopicStatus } from '../broker/status.ts'
import type { Conductor } from '../ha/conductor.ts'
import { blockedBy, unprotectedBy, type Circumstances } from '../ha/explain.ts'
import type { Parts } from '../ha/parts.ts'
import type { Disk } from '../journal/disk.ts'
import { openQuarantineFile } from '../journal/quarantine.ts'
import type { QuarantineInfo } from '../journal/types.ts'
import type { Profile } from '../profiles/profile.ts'
import type { ClientPorts } from './client-ports.ts'
import type { BrokerVitals } from './broker-vitals.ts'
import { QuarantineLines } from './quarantine-lines.ts'
import type { Drops, Tally } from './tally.ts'

export interface SubjectParts {
  readonly profile: Profile
  readonly desk: Desk
  readonly addresses: AddressDesk
  readonly content: ContentDesk
  readonly conductor: Conductor
  readonly parts: Parts
  readonly broker: BrokerCore
  readonly ports: ClientPorts
  readonly tally: Tally
  readonly drops: Drops
  readonly vitals: BrokerVitals
  readonly disk: Disk
  readonly version: string
}

const topicsOf = (
  { sessions, subscriptions, retainedMessages, overflowed }: TopicStatus,
  dropped: number,
): StatusReport['topics'] => ({ sessions, subscriptions, retained: retainedMessages, dropped: overflowed + dropped })

export class Subject implements AdminSubject {
  readonly #of: SubjectParts

  readonly access: Desk
  readonly addresses: AddressDesk
  readonly content: ContentDesk

  constructor(of: SubjectParts) {
    this.#of = of
    this.access = of.desk
    this.addresses = of.addresses
    this.content = of.content
  }

  status(): StatusReport {
    const { profile, conductor, parts, broker, ports, vitals, version, drops } = this.#of
    const { role, observation, peer, sensors, leader } = conductor
    const { journal, store, gate, receiver, channel, clock, grounds } = parts
    const { news } = sensors
    const broken = broker.status()
    const known: Circumstances = {
      shareFault: news.fault?.code ?? null,
      keeperSilent: sensors.keeperFault !== null,
      peerSeen: peer.seen,
      handover: conductor.handover.blocks,
    }
    const unprotected = unprotectedBy(role, observation, known)
    const { confirmed, lag } = leader
    return {
      server: profile.server,
      kind: profile.kind,
      pairId: store.pairId,
      role,
      previous: conductor.acts.previous,
      sinceWallMs: conductor.acts.sinceWallMs,
      because: conductor.acts.because,
      serving: this.serving(),
      peer: {
        role: peer.role,
        previous: peer.state?.previous ?? 'DEAD',
        seen: peer.seen,
        address: `${profile.backupHAIPAddress}:${profile.backupHAPort}`,
        connected: channel.isUp,
        roundTripMs: conductor.roundTripMs,
      },
      epoch: grounds.epoch || receiver.following || (news.record?.epoch ?? 0),
      lock: {
        path: profile.lockFile,
        held: observation.lock === 'held',
        leaseLeftMs: news.held ? Math.max(0, Math.round(news.deadline - clock.now())) : null,
        record: news.record && {
          seq: news.record.seq,
          epoch: news.record.epoch,
          holder: news.record.holder,
          inSync: news.record.inSync.map(member => member.server),
          reason: news.record.reason,
          wallMs: news.record.wallMs,
        },
        fault: sensors.keeperFault?.line() ?? news.fault?.line ?? null,
      },
      gateway: {
        address: `${profile.gatewayServerIPAddress}:${profile.gatewayServerPort}`,
        reachable: sensors.gatewayUp,
      },
      protected: unprotected.length === 0,
      unprotected,
      position: { epoch: journal.last.epoch, sequence: journal.last.sequence },
      committed: grounds.epoch > 0 ? gate.committed : receiver.committed,
      peerPosition: confirmed
        ? { epoch: confirmed.epoch, sequence: confirmed.sequence, ageMs: null }
        : peer.where(receiver.following, clock.now()),
      lagRecords: lag.records,
      lagBytes: lag.bytes,
      sync: leader.progress,
      clients: { connections: ports.connections, queues: broken.queues.length, messages: broken.messages },
      topics: topicsOf(broken.topics, drops.total),
      upkeep: broken.upkeep,
      blocked: blockedBy(role, observation, sensors.relation, known),
      quarantines: journal.quarantines().length,
      vitals: vitals.report(),
      version,
      pid: process.pid,
    }
  }

  serving(): boolean {
    return this.#of.ports.isOpen && this.#of.parts.gate.mayServe()
  }

  events(): readonly EventEntry[] {
    return this.#of.conductor.notes.events
      .list()
      .map(({ wallMs, kind, text, code }) => ({ wallMs, kind, line: text, code }))
  }

  counters(): Counters {
    const { broker, ports, tally, conductor, drops } = this.#of
    const { messages, bytes, residentBytes, pagedMessages, pagingTrouble, queues, topics, upkeep } = broker.status()
    return {
      connections: ports.connections,
      queues: queues.length,
      queued_messages: messages,
      queued_bytes: bytes,
      queued_memory_bytes: residentBytes,
      paged_messages: pagedMessages,
      delayed_messages: upkeep.delayed,
      expired_messages_total: upkeep.expired,
      dead_letters_total: upkeep.deadLettered,
      discarded_messages_total: upkeep.discarded,
      held_messages: upkeep.held,
      paging_trouble: pagingTrouble === '' ? 0 : 1,
      mqtt_sessions: topics.sessions,
      subscriptions: topics.subscriptions,
      retained_messages: topics.retainedMessages,
      retained_bytes: topics.retainedBytes,
      overflowed_messages_total: topics.overflowed,
      mqtt_dropped_slow_total: drops.counts.slow,
      mqtt_dropped_too_large_total: drops.counts['too-large'],
      mqtt_dropped_refused_total: drops.counts.refused,
      role_changes_total: conductor.acts.roleChanges,
      lock_losses_total: conductor.lock.losses,
      resident_bytes: process.memoryUsage.rss(),
      loop_delay_ms: tally.longestStallMs(),
    }
  }

  switchover(done: Answer): void {
    this.#of.conductor.switchover(done)
  }

  stop(anyway: boolean, done: Answer): void {
    this.#of.conductor.departure.stop(done, anyway)
  }

  forceActive(reason: string, done: Answer): void {
    done(this.#of.conductor.forceActive(reason))
  }

  quarantines(): readonly QuarantineInfo[] {
    return this.#of.parts.journal.quarantines()
  }

  openQuarantine(name: string): QuarantineReader | null {
    const { disk, broker } = this.#of
    const file = openQuarantineFile(disk, name)
    if (file === null) return null
    // What is there now and began later has only the number in common.
    const isBefore = ([id]: readonly [number, unknown]): boolean => id < file.info.from
    const { inventory } = broker.operations
    const lines = new QuarantineLines(inventory.names().filter(isBefore), inventory.sessionNames().filter(isBefore))
    return {
      next: done => file.next(done),
      line: record => lines.line(record),
      close: () => file.close(),
    }
  }
}
