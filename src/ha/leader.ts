// The active server's work for its follower, over one channel: bring it up to date while clients are served, let
// acknowledgements wait for it, have it listed, and go on shipping. The shipper does the shipping; roles and records are
// the conductor's.

import { findCommon, type SyncPlan } from '../replication/negotiation.ts'
import type { Frame } from '../replication/frames.ts'
import { Shipper } from '../replication/shipper.ts'
import { showPosition, type Position } from '../journal/position.ts'
import type { Timer } from '../base/ports.ts'
import type { Greeting, Parts } from './parts.ts'
import type { Reigning } from './reign.ts'

export interface LeaderCalls {
  /** The follower's copy is whole, and acknowledgements wait for it: append the record that lists both. */
  join(position: Position): void
  failed(error: Error): void
}

export interface SyncProgress {
  readonly how: 'tail' | 'snapshot'
  readonly doneBytes: number
  readonly totalBytes: number
}

const PROGRESS_MS = 2000
const PATIENCE_MS = 5000

export class Leader {
  readonly #parts: Parts
  readonly #calls: LeaderCalls
  #shipper: Shipper | null = null
  #how: SyncPlan['how'] = 'tail'
  #joining = false
  #together = false
  /** The record that lists the follower, while it has not been told. */
  #listedIn = 0
  #startedLag = 0
  #startedAt = 0
  #progress: Timer | null = null

  constructor(parts: Parts, calls: LeaderCalls) {
    this.#parts = parts
    this.#calls = calls
  }

  get confirmed(): Position | null {
    return this.#shipper?.confirmed ?? null
  }

  get lag(): { readonly records: number; readonly bytes: number } {
    return this.#shipper?.lag ?? { records: 0, bytes: 0 }
  }

  /** A runtime synchronization under way, or null. */
  get progress(): SyncProgress | null {
    const shipper = this.#shipper
    if (!shipper || this.#together) return null
    const snapshot = shipper.snapshotProgress
    if (snapshot) return { how: 'snapshot', doneBytes: snapshot.sent, totalBytes: snapshot.bytes }
    const { bytes } = shipper.lag
    this.#startedLag = Math.max(this.#startedLag, bytes)
    return { how: 'tail', doneBytes: this.#startedLag - bytes, totalBytes: this.#startedLag }
  }

  /** Begins runtime synchronization of the peer that sent this greeting; nothing where it is under way. */
  begin(reign: Reigning, greeting: Greeting): void {
    if (this.#shipper) return
    const { journal, say } = this.#parts
    const plan = this.#plan(greeting)
    this.#together = false
    this.#start(reign, plan)
    const from = plan.how === 'tail' ? `from record ${plan.sequence + 1} on` : 'by snapshot'
    say(
      'info',
      `Synchronizing the peer ${from} (it is at ${showPosition(greeting.state.position)}, this server at ${showPosition(journal.last)})`,
    )
    this.#tellProgress()
  }

  /** After a handover: the former active follows from the position at which it froze. */
  goOn(reign: Reigning, sequence: number): void {
    this.stop()
    this.#together = true
    this.#start(reign, { how: 'tail', sequence })
  }

  /** The peer is listed: ships from where it stands, unless that is under way. After a short break of the channel. */
  keepUp(reign: Reigning, greeting: Greeting): void {
    if (this.#shipper) return
    this.#together = true
    this.#start(reign, this.#plan(greeting))
  }

  /** The record that lists both is there. */
  listed(recordSeq: number): void {
    const { gate, say } = this.#parts
    this.#listedIn = recordSeq
    this.#together = true
    this.#progress?.cancel()
    say('info', `The peer has everything up to record ${gate.committed}`)
  }

  /** After this server has told that it is ACTIVE: a follower may not be PASSIVE to one that is not. */
  tellListed(): void {
    const { channel, grounds } = this.#parts
    if (this.#listedIn > 0) channel.send({ name: 'JOINED', epoch: grounds.epoch, recordSeq: this.#listedIn })
    this.#listedIn = 0
  }

  receive(frame: Frame): void {
    this.#shipper?.receive(frame)
  }

  committed(sequence: number): void {
    this.#shipper?.committed(sequence)
  }

  stop(): void {
    this.#progress?.cancel()
    this.#shipper?.stop()
    this.#shipper = null
    this.#joining = false
    this.#together = false
    this.#listedIn = 0
    this.#startedLag = 0
    this.#parts.gate.peerLost()
  }

  #plan(greeting: Greeting): SyncPlan {
    const { journal } = this.#parts
    return findCommon(
      { epochs: journal.epochs, start: journal.start.sequence, last: journal.last.sequence },
      { epochs: greeting.epochs, start: greeting.start.sequence, last: greeting.state.position.sequence },
    )
  }

  #start(reign: Reigning, plan: SyncPlan): void {
    const { taps, channel, clock, limits, gate, makeSnapshot } = this.#parts
    this.#how = plan.how
    this.#startedAt = clock.now()
    this.#shipper = new Shipper({
      taps,
      send: frame => channel.send(frame),
      clock,
      limits,
      epoch: reign.epoch,
      recordSeq: reign.record.seq,
      pairId: reign.record.pairId,
      plan,
      committed: gate.committed,
      makeSnapshot,
      onConfirmed: position => this.#confirmed(position),
      onPrepared: position => this.#calls.join(position),
      onFailed: error => {
        this.stop()
        this.#calls.failed(error)
      },
    })
    this.#shipper.start()
  }

  #confirmed(position: Position): void {
    const { gate } = this.#parts
    gate.peerConfirmed(position.sequence)
    if (this.#together || this.#joining || !this.#shipper?.caughtUp(this.#nearBytes())) return
    // From here on nothing is acknowledged that the peer lacks, so that it can be listed.
    this.#joining = true
    gate.setMode('joining')
    this.#shipper.prepareJoin(gate.committed)
  }

  /**
   * How near is near enough to let clients wait for the rest. Under a load that the follower only just keeps up with, it
   * would never come within one piece; so the wait that is accepted grows with the time that it takes.
   */
  #nearBytes(): number {
    const { clock, limits } = this.#parts
    return limits.chunkBytes * 2 ** Math.floor((clock.now() - this.#startedAt) / PATIENCE_MS)
  }

  #tellProgress(): void {
    this.#progress = this.#parts.clock.after(PROGRESS_MS, () => {
      const { progress } = this
      if (!progress) return
      const { doneBytes, totalBytes } = progress
      const percent = totalBytes > 0 ? Math.floor((100 * doneBytes) / totalBytes) : 0
      this.#parts.say('info', `Synchronizing the peer by ${this.#how}: ${percent} % of ${mib(totalBytes)} MiB`)
      this.#tellProgress()
    })
  }
}

const mib = (bytes: number): string => (bytes / 1024 / 1024).toFixed(1)
