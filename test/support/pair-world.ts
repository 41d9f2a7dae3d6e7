// Two servers with the real gate, shipper and receiver, over journals in memory, a pipe that loses and delays, and a
// register as simple as that of the model in lockfile.md: the conductor is the test. No leases: safety of the data must
// not need them.

import assert from 'node:assert/strict'

import { RecordKind } from '../../src/journal/commit.ts'
import type { Disk } from '../../src/journal/disk.ts'
import type { Journal } from '../../src/journal/types.ts'
import { decode, encode } from '../../src/replication/codec.ts'
import { CommitGate } from '../../src/replication/commit-gate.ts'
import { noGrounds } from '../../src/replication/commit-rule.ts'
import type { ServingGrounds } from '../../src/replication/commit-rule.ts'
import type { Frame, ServerLabel } from '../../src/replication/frames.ts'
import { JournalTaps } from '../../src/replication/journal-taps.ts'
import { DEFAULT_LIMITS } from '../../src/replication/limits.ts'
import type { ReplicationLimits } from '../../src/replication/limits.ts'
import { findCommon } from '../../src/replication/negotiation.ts'
import { Receiver } from '../../src/replication/receiver.ts'
import { Shipper } from '../../src/replication/shipper.ts'
import { StoreState } from '../../src/replication/store-state.ts'
import { seededChance } from './chance.ts'
import { ListSink, smallDisk } from './list-sink.ts'
import { VirtualClock, VirtualHost } from './virtual-clock.ts'

/** The journals under test; the fake one and the real one over a disk in memory. */
export interface JournalSource {
  /** Opens the journal of a server, as its former life left it. */
  open(label: ServerLabel, host: VirtualHost): Journal
  /** The process of that server dies: what was not flushed may be lost. */
  crash(label: ServerLabel): void
}

const pieceBytes = (n: number): Uint8Array => new Uint8Array(n)
const KIND = 16
const PING_MS = 20

export interface Record {
  readonly holder: ServerLabel
  readonly epoch: number
  readonly inSync: readonly ServerLabel[]
}

export class Server {
  readonly world: PairWorld
  readonly label: ServerLabel
  readonly host: VirtualHost
  readonly journal: Journal
  readonly taps: JournalTaps
  readonly store: StoreState
  readonly sink: ListSink
  readonly gate: CommitGate
  readonly grounds: ServingGrounds
  readonly receiver: Receiver
  shipper: Shipper | null = null
  /** The record of our reign that we know to be the newest; null while we do not lead. */
  reign: { epoch: number; seq: number } | null = null
  adopting = false
  joined = false
  readonly faults: Error[] = []
  readonly quarantines: string[] = []

  constructor(world: PairWorld, label: ServerLabel, disk: Disk) {
    this.world = world
    this.label = label
    this.host = new VirtualHost(world.clock)
    this.journal = world.source.open(label, this.host)
    this.taps = new JournalTaps(this.journal)
    this.store = new StoreState(disk, seededChance(label), label)
    this.sink = new ListSink(
      (sequence, body) => world.applied(this, sequence, body),
      (sequence, body) => world.acknowledged(this, sequence, body),
    )
    this.grounds = { ...noGrounds(3000, 250), leaseDeadline: Infinity, leaseRenewedWall: this.host.wall() }
    this.grounds.leaseRenewedAt = this.host.now()
    this.gate = new CommitGate({
      taps: this.taps,
      sink: this.sink,
      clock: this.host,
      limits: world.limits,
      grounds: this.grounds,
      onCommitted: sequence => this.shipper?.committed(sequence),
    })
    this.receiver = new Receiver({
      taps: this.taps,
      sink: this.sink,
      send: frame => this.world.pipe?.send(this, frame),
      clock: this.host,
      limits: world.limits,
      store: this.store,
      listed: () => world.lists(label),
      onFollowing: () => {},
      onQuarantined: name => this.quarantines.push(name),
      onJoined: () => {
        this.joined = true
      },
      onFailed: error => this.failed(error),
    })
  }

  get peer(): Server {
    return this.world.servers[this.label === 'primary' ? 'secondary' : 'primary']
  }

  failed(error: Error): void {
    this.faults.push(error)
    this.world.faults.push(error)
    this.world.breakPipe()
  }

  write(size = 20): boolean {
    if (this.reign === null || this.gate.mode === 'frozen' || !this.gate.room) return false
    const body = `${this.label[0]}${this.world.made++}${'.'.repeat(size)}`
    const sequence = this.gate.append(KIND, pieceBytes(0), Buffer.from(body))
    this.sink.made(sequence, body)
    return true
  }

  takeOver(): boolean {
    const { world } = this
    if (this.reign !== null || this.adopting || !world.lists(this.label) || this.store.dirty) return false
    if (world.register.length < this.store.mk) return false
    world.breakPipe()
    world.register.push({ holder: this.label, epoch: world.register.length + 1, inSync: [this.label] })
    const epoch = world.register.length
    this.store.knew(epoch)
    this.adopting = true
    this.receiver.adoptAll(applied => {
      this.adopting = false
      if (world.register.length !== epoch) return
      this.reign = { epoch, seq: epoch }
      // What lies in the journal of the one who takes over counts, acknowledged before or not.
      this.sink.bodies.forEach((body, n) => world.acknowledged(this, n + 1, body))
      this.gate.beginReign(epoch, applied)
      this.journal.beginEpoch(epoch)
      const body = `epoch ${epoch}`
      this.sink.made(this.gate.append(RecordKind.EPOCH, Buffer.from(body), pieceBytes(0)), body)
      this.gate.setMode('alone')
    })
    return true
  }

  /** One conditional append; the leader that loses it steps down. */
  record(inSync: readonly ServerLabel[]): boolean {
    const { reign, world } = this
    if (reign === null || world.register.length !== reign.seq) {
      this.stepDown()
      return false
    }
    world.register.push({ holder: this.label, epoch: reign.epoch, inSync })
    reign.seq += 1
    this.store.knew(reign.seq)
    return true
  }

  goSolo(): void {
    if (this.gate.mode !== 'both' || !this.record([this.label])) return
    this.world.breakPipe()
    this.gate.setMode('alone')
  }

  stepDown(): void {
    this.world.breakPipe()
    if (this.reign === null) return
    this.reign = null
    this.receiver.afterReign(this.gate.endReign())
  }

  /** The pipe is new: the leader brings the other one up to date. */
  lead(): void {
    const { peer, world, reign } = this
    if (reign === null || peer.reign !== null || peer.adopting) return
    const outline = (journal: Journal) => ({
      epochs: journal.epochs,
      start: journal.start.sequence,
      last: journal.last.sequence,
    })
    const plan = findCommon(outline(this.journal), outline(peer.journal))
    if (plan.how === 'snapshot' && world.lists(peer.label)) {
      this.goSolo()
      return
    }
    const shipper = new Shipper({
      taps: this.taps,
      send: frame => this.world.pipe?.send(this, frame),
      clock: this.host,
      limits: world.limits,
      epoch: reign.epoch,
      recordSeq: reign.seq,
      pairId: 'pair',
      plan,
      committed: this.gate.committed,
      makeSnapshot: done => this.writeSnapshot(done),
      onConfirmed: position => this.gate.peerConfirmed(position.sequence),
      onPrepared: () => this.join(),
      onFailed: error => this.failed(error),
    })
    this.shipper = shipper
    shipper.start()
    this.#beat(shipper)
  }

  /** As the back channel's pings, which say what is safe. */
  #beat(shipper: Shipper): void {
    if (this.shipper !== shipper) return
    this.world.pipe?.send(this, { name: 'PING', number: 1, committed: this.gate.committed })
    this.host.after(PING_MS, () => this.#beat(shipper))
  }

  /** Called again and again: begins to join when the follower is near. */
  strive(): void {
    if (this.shipper?.caughtUp(2000) !== true || this.gate.mode !== 'alone') return
    this.gate.setMode('joining')
    this.shipper.prepareJoin(this.gate.committed)
  }

  join(): void {
    if (this.gate.mode === 'both' || !this.record(['primary', 'secondary'])) return
    this.gate.setMode('both')
    this.world.pipe?.send(this, { name: 'JOINED', epoch: this.reign?.epoch ?? 0, recordSeq: this.reign?.seq ?? 0 })
  }

  writeSnapshot(done: (error: Error | null) => void = () => {}): void {
    const at = this.reign === null ? this.receiver.applied : this.gate.committed
    if (this.adopting || at <= this.journal.start.sequence || at > this.journal.flushed.sequence) return
    if (this.reign === null && at > this.receiver.committed) return
    const position = this.journal.positionOf(at)
    assert(position !== null && this.sink.bodies.length === at)
    this.journal.writeSnapshot(position, this.sink.snapshot(), done)
  }

  pipeBroken(): void {
    this.shipper?.stop()
    this.shipper = null
    this.gate.peerLost()
    if (!this.adopting) this.receiver.stop()
    if (this.gate.mode === 'joining') this.gate.setMode('alone')
  }
}

export class Pipe {
  readonly world: PairWorld
  readonly #arrival = { primary: 0, secondary: 0 }
  broken = false
  latency: () => number

  constructor(world: PairWorld, latency: () => number) {
    this.world = world
    this.latency = latency
  }

  send(from: Server, frame: Frame): void {
    const { world } = this
    if (this.broken || world.servers[from.label] !== from) return
    world.sending(from, frame)
    const message = Buffer.concat(encode(frame))
    const to = from.peer
    const now = world.clock.now
    const at = Math.max(now + this.latency(), this.#arrival[to.label])
    this.#arrival[to.label] = at
    to.host.arrive(at - now, () => {
      if (this.broken) return
      const arrived = world.tamper(decode(message))
      if (arrived.name === 'PING') to.receiver.told(arrived.committed)
      else if (to.shipper?.receive(arrived) !== true) to.receiver.receive(arrived)
    })
  }
}

export class PairWorld {
  readonly clock = new VirtualClock()
  readonly source: JournalSource
  readonly limits: ReplicationLimits
  readonly register: Record[] = [{ holder: 'primary', epoch: 1, inSync: ['primary', 'secondary'] }]
  readonly disks = { primary: smallDisk(), secondary: smallDisk() }
  readonly servers: { primary: Server; secondary: Server }
  readonly up = { primary: true, secondary: true }
  readonly faults: Error[] = []
  /** Bodies of acknowledged records by sequence. */
  readonly acked: string[] = []
  pipe: Pipe | null = null
  made = 0
  latency: () => number = () => 1
  tamper: (frame: Frame) => Frame = frame => frame
  onSending: (from: Server, frame: Frame) => void = () => {}

  constructor(source: JournalSource, limits: Partial<ReplicationLimits> = {}) {
    this.source = source
    this.limits = { ...DEFAULT_LIMITS, ...limits }
    this.servers = {
      primary: new Server(this, 'primary', this.disks.primary),
      secondary: new Server(this, 'secondary', this.disks.secondary),
    }
  }

  get leader(): Server | null {
    const { primary, secondary } = this.servers
    const newest = [primary, secondary].filter(server => server.reign !== null)
    return newest.sort((a, b) => (b.reign?.epoch ?? 0) - (a.reign?.epoch ?? 0))[0] ?? null
  }

  lists(label: ServerLabel): boolean {
    return this.register.at(-1)?.inSync.includes(label) ?? false
  }

  crash(label: ServerLabel): void {
    if (!this.up[label]) return
    this.breakPipe()
    this.up[label] = false
    this.servers[label].host.frozen = true
    this.servers[label].reign = null
    this.source.crash(label)
  }

  restart(label: ServerLabel): void {
    if (this.up[label]) return
    this.up[label] = true
    this.servers[label] = new Server(this, label, this.disks[label])
  }

  breakPipe(): void {
    if (this.pipe === null) return
    this.pipe.broken = true
    this.pipe = null
    for (const label of ['primary', 'secondary'] as const) if (this.up[label]) this.servers[label].pipeBroken()
  }

  connect(): void {
    if (this.pipe !== null || !this.up.primary || !this.up.secondary) return
    // The greeting tells a deposed leader of the newer record.
    if (this.leader?.peer.reign) this.leader.peer.stepDown()
    this.pipe = new Pipe(this, this.latency)
    this.leader?.lead()
  }

  run(ms: number): void {
    for (let n = 0; n < ms; n += 1) {
      this.clock.advance(1)
      for (const label of ['primary', 'secondary'] as const) if (this.up[label]) this.servers[label].strive()
      this.check()
    }
  }

  /** Restarts what is down, and lets the pair come together again; then both must be equal. */
  heal(): void {
    this.tamper = frame => frame
    for (const label of ['primary', 'secondary'] as const) this.restart(label)
    for (let round = 0; round < 30 && !this.settled(); round += 1) {
      const { leader } = this
      const newest = this.register.at(-1)?.epoch
      if (leader === null || leader.reign?.epoch !== newest) {
        for (const label of ['primary', 'secondary'] as const) this.servers[label].takeOver()
      } else if (this.pipe === null || leader.shipper === null) {
        this.breakPipe()
        leader.goSolo()
        this.connect()
      }
      this.run(60)
    }
    assert(this.settled(), `the pair comes together again: ${this.faults.map(fault => fault.message).join('; ')}`)
  }

  settled(): boolean {
    const { leader, pipe } = this
    if (leader === null || pipe === null || leader.gate.mode !== 'both') return false
    return leader.peer.receiver.applied === leader.journal.last.sequence
  }

  acknowledged(server: Server, sequence: number, body: string): void {
    assert(this.up[server.label], 'a dead server acknowledges nothing')
    assert(
      this.acked[sequence - 1] === undefined || this.acked[sequence - 1] === body,
      `record ${sequence} is acknowledged once`,
    )
    this.acked[sequence - 1] = body
  }

  applied(server: Server, sequence: number, body: string): void {
    if (server.adopting) return
    assert.equal(body, this.acked[sequence - 1], `${server.label} applies record ${sequence} only when it is safe`)
  }

  /** The invariant: what was acknowledged lies, durably, on every server that the register lists. */
  check(): void {
    for (const label of this.register.at(-1)?.inSync ?? []) {
      const { journal } = this.servers[label]
      assert(
        journal.flushed.sequence >= this.acked.length,
        `${label} is listed and lacks acknowledged records (${journal.flushed.sequence} of ${this.acked.length})`,
      )
    }
  }

  sending(from: Server, frame: Frame): void {
    if (frame.name === 'CONFIRM') {
      assert(from.journal.flushed.sequence >= frame.position.sequence, 'confirmed is flushed')
    }
    this.onSending(from, frame)
  }
}
