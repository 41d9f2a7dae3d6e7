// The active side: brings one follower up to date and keeps it there (call replication and runtime synchronization).
// Records go out as the journal hands them to the disk, the same bytes; a follower that is behind is fed from the journal
// while clients go on. Says what the follower has confirmed; what that makes safe is decided in commit-gate.ts.

import { assert } from '../base/assert.ts'
import { CodedError } from '../base/errors.ts'
import { samePosition, showPosition } from '../journal/position.ts'
import type { Position } from '../journal/position.ts'
import type { RecordBatch } from '../journal/types.ts'
import { replicationError } from './errors.ts'
import type { Frame, FrameFields } from './frames.ts'
import type { Untap } from './journal-taps.ts'
import type { Lag, ShipperParts } from './parts.ts'
import { Silence } from './silence.ts'
import { SnapshotShipment } from './snapshot-shipment.ts'
import { Window } from './window.ts'

/** making: our snapshot. offered: SYNC_BEGIN is out. settling: the snapshot is out, the follower makes it its own. */
type Phase = 'making' | 'offered' | 'snapshot' | 'settling' | 'records' | 'stopped'

/**
 * One per following: made when the follower's greeting is known, `start`ed once, `stop`ped when the channel breaks or the
 * reign ends. Until `lag` is small the journal must keep what the follower needs: write no new snapshot meanwhile.
 */
export class Shipper {
  readonly #parts: ShipperParts
  readonly #silence: Silence
  readonly #untaps: Untap[] = []
  #phase: Phase = 'making'
  #common: Position | null = null
  #shipment: SnapshotShipment | null = null
  #window: Window
  /** The last record sent. */
  #sent: Position = { epoch: 0, sequence: 0, digest: 0 }
  /** The last record known to have been handed to the disk: what the journal can be asked for. */
  #written: number
  #reading = false
  /** A piece was read that did not fit: read no more before the window is empty. */
  #tooLarge = false
  #pumping = false
  #committed: number
  #sentRecords = 0
  #sentBytes = 0
  #prepareFrom = -1
  #prepared: Position | null = null

  constructor(parts: ShipperParts) {
    this.#parts = parts
    const { clock, limits, taps } = parts
    this.#committed = parts.committed
    this.#written = taps.journal.flushed.sequence
    this.#window = new Window(this.#sent, limits.windowBytes, limits.windowBatches)
    this.#silence = new Silence(clock, limits.silenceMs, () => {
      this.#fail(replicationError('STALLED', { ms: this.#silence.ms, bytes: this.#window.bytes }))
    })
  }

  /** The last position the follower confirmed; null before it has accepted. */
  get confirmed(): Position | null {
    return this.#phase === 'records' ? this.#window.confirmed : null
  }

  get inFlightBytes(): number {
    return this.#window.bytes
  }

  /** How far the follower's durable copy is behind our journal. */
  get lag(): Lag {
    const records = this.#parts.taps.journal.last.sequence - this.#window.confirmed.sequence
    const unsent = this.#parts.taps.journal.last.sequence - this.#sent.sequence
    const mean = this.#sentRecords === 0 ? 256 : this.#sentBytes / this.#sentRecords
    return { records, bytes: Math.round(this.#window.bytes + unsent * mean) }
  }

  /** For the progress line: bytes of the snapshot sent and in all, or null while none is shipped. */
  get snapshotProgress(): { readonly sent: number; readonly bytes: number } | null {
    return this.#phase === 'snapshot' || this.#phase === 'settling' ? this.#shipment : null
  }

  /** The follower is near enough that waiting for it costs clients no more than about `bytes` on the wire. */
  caughtUp(bytes: number): boolean {
    return this.#phase === 'records' && !this.#reading && this.lag.bytes <= bytes
  }

  start(): void {
    const { plan, taps } = this.#parts
    assert(this.#phase === 'making' && this.#untaps.length === 0, 'a shipper is started once')
    this.#untaps.push(
      taps.onBatch(batch => this.#batch(batch)),
      taps.onFlushed(position => this.#flushed(position)),
    )
    const common = plan.how === 'tail' ? taps.journal.positionOf(plan.sequence) : null
    if (common === null) this.#startSnapshot()
    else this.#offer('tail', common, null)
  }

  stop(): void {
    if (this.#phase === 'stopped') return
    this.#phase = 'stopped'
    for (const untap of this.#untaps) untap()
    this.#silence.stop()
    this.#closeShipment()
  }

  /** Takes a frame of the follower; false where it is none of replication's. */
  receive(frame: Frame): boolean {
    switch (frame.name) {
      case 'SYNC_READY':
        if (this.#isMine(frame)) this.#ready(frame.from)
        return true
      case 'SYNC_REFUSED':
        if (this.#isMine(frame)) this.#refused(frame)
        return true
      case 'SNAPSHOT_MORE':
        if (this.#isMine(frame)) this.#more(frame)
        return true
      case 'CONFIRM':
        if (this.#isMine(frame)) this.#confirm(frame.position)
        return true
      case 'JOIN_PREPARED':
        if (this.#isMine(frame)) this.#joinPrepared(frame.position)
        return true
      default:
        return false
    }
  }

  /** The commit point has grown (CommitGate.onCommitted): told with the next records. Pings carry it, too. */
  committed(sequence: number): void {
    this.#committed = sequence
  }

  /**
   * Acknowledgements wait for the follower from now on (mode 'joining'): sends JOIN_PREPARE as soon as it was sent
   * everything up to `committed`, the commit point at that moment. Then the follower holds all that was acknowledged.
   */
  prepareJoin(committed: number): void {
    this.#prepareFrom = committed
    this.#prepare()
  }

  /** Frames of an earlier following that were still under way are no fault of the peer. */
  #isMine(frame: { readonly epoch: number }): boolean {
    return this.#phase !== 'stopped' && this.#phase !== 'making' && frame.epoch === this.#parts.epoch
  }

  #startSnapshot(): void {
    const { makeSnapshot, taps } = this.#parts
    if (taps.journal.snapshot !== null) {
      this.#offerSnapshot()
      return
    }
    makeSnapshot(error => {
      if (this.#phase !== 'making') return
      if (error) this.#fail(error)
      else this.#offerSnapshot()
    })
  }

  #offerSnapshot(): void {
    const { epoch, limits, send, taps } = this.#parts
    this.#shipment = new SnapshotShipment({
      reader: taps.journal.openSnapshot(),
      limits,
      epoch,
      send,
      onSent: () => {
        this.#phase = 'settling'
        this.#silence.ms = limits.settleMs
      },
      onFailed: error => this.#fail(error),
    })
    this.#offer('snapshot', this.#shipment.info.position, this.#shipment)
  }

  #offer(how: 'tail' | 'snapshot', common: Position, shipment: SnapshotShipment | null): void {
    const { epoch, pairId, recordSeq, send } = this.#parts
    this.#phase = 'offered'
    this.#common = common
    this.#silence.owed()
    const epochs = shipment === null ? [] : [...shipment.info.epochs]
    const bytes = shipment === null ? 0 : shipment.info.bytes
    send({ name: 'SYNC_BEGIN', epoch, recordSeq, pairId, how, common, epochs, bytes })
  }

  #ready(from: Position): void {
    if (this.#phase !== 'offered' || this.#common === null || !samePosition(from, this.#common)) {
      this.#fail(replicationError('PROTOCOL', { frame: 'SYNC_READY', detail: showPosition(from) }))
      return
    }
    if (this.#shipment === null) {
      this.#ship(from)
      return
    }
    this.#phase = 'snapshot'
    this.#silence.progress(true)
    this.#shipment.start()
  }

  #refused(frame: FrameFields['SYNC_REFUSED']): void {
    if (frame.code === 'REPLICATION-GONE' && this.#phase === 'offered' && this.#shipment === null) {
      // The follower cannot cut back that far: its own snapshot is beyond.
      this.#phase = 'making'
      this.#silence.progress(false)
      this.#startSnapshot()
      return
    }
    this.#fail(new CodedError(frame.code, { what: frame.text, remedy: 'See the console of the peer.' }))
  }

  #more(frame: FrameFields['SNAPSHOT_MORE']): void {
    if (this.#phase !== 'snapshot' && this.#phase !== 'settling') return
    this.#silence.progress(true)
    this.#shipment?.written(frame.received)
  }

  /** From here on records go out. */
  #ship(from: Position): void {
    const { limits, onConfirmed } = this.#parts
    this.#phase = 'records'
    this.#sent = from
    this.#window = new Window(from, limits.windowBytes, limits.windowBatches)
    this.#silence.ms = limits.silenceMs
    this.#silence.progress(false)
    onConfirmed(from)
    this.#pump()
    this.#prepare()
  }

  #confirm(position: Position): void {
    if (this.#phase === 'settling' && this.#common !== null && samePosition(position, this.#common)) {
      this.#ship(position)
      return
    }
    if (this.#phase !== 'records') {
      this.#fail(replicationError('PROTOCOL', { frame: 'CONFIRM', detail: `while ${this.#phase}` }))
      return
    }
    const confirmation = this.#window.confirm(position)
    switch (confirmation) {
      case 'old':
        return
      case 'unknown':
        this.#fail(
          replicationError('PROTOCOL', { frame: 'CONFIRM', detail: `no batch ends at ${showPosition(position)}` }),
        )
        return
      case 'differs':
        this.#fail(replicationError('DIVERGED', { position: showPosition(position), detail: 'the digests differ' }))
        return
      case 'progress':
        this.#silence.progress(this.#window.batches > 0)
        this.#parts.onConfirmed(position)
        if (this.#window.batches === 0) this.#tooLarge = false
        this.#pump()
    }
  }

  #flushed(position: Position): void {
    if (position.sequence <= this.#written) return
    this.#written = position.sequence
    this.#pump()
  }

  /** A batch is on its way to our disk. To a follower that is up to date it goes from memory, else it is read later. */
  #batch(batch: RecordBatch): void {
    this.#written = Math.max(this.#written, batch.last.sequence)
    if (this.#phase !== 'records') return
    const live = !this.#reading && batch.first === this.#sent.sequence + 1
    if (live && batch.bytes.length <= this.#parts.limits.chunkBytes && this.#window.hasRoom(batch.bytes.length)) {
      this.#send(batch)
    } else {
      this.#pump()
    }
  }

  /** Reads and sends what the follower lacks, as far as the window goes. */
  #pump(): void {
    if (this.#pumping) return
    this.#pumping = true
    while (this.#wantsToRead()) this.#read()
    this.#pumping = false
    if (this.#phase === 'records' && this.#sent.sequence >= this.#written) this.#closeShipment()
  }

  #wantsToRead(): boolean {
    if (this.#phase !== 'records' || this.#reading || this.#tooLarge) return false
    return this.#sent.sequence < this.#written && this.#window.hasRoom(this.#pieceBytes())
  }

  #pieceBytes(): number {
    return Math.min(this.#parts.limits.chunkBytes, this.#parts.limits.windowBytes)
  }

  #read(): void {
    this.#reading = true
    this.#parts.taps.journal.read(this.#sent.sequence + 1, this.#pieceBytes(), (error, batch) => {
      this.#reading = false
      if (this.#phase !== 'records') return
      if (error || batch === null) {
        this.#readFailed(error ?? new Error('nothing was read'))
        return
      }
      // A single record may be larger than a piece.
      if (this.#window.hasRoom(batch.bytes.length)) this.#send(batch)
      else this.#tooLarge = true
      this.#pump()
    })
  }

  /** From here on the journal need not keep for us what follows the snapshot. */
  #closeShipment(): void {
    this.#shipment?.close()
    this.#shipment = null
  }

  #readFailed(error: Error): void {
    const gone = error instanceof CodedError && error.code === 'JOURNAL-GONE'
    this.#fail(gone ? replicationError('GONE', { from: this.#sent.sequence + 1 }, error) : error)
  }

  #send(batch: RecordBatch): void {
    const { epoch, send } = this.#parts
    assert(batch.first === this.#sent.sequence + 1, 'records are shipped without gap or duplicate')
    this.#sent = batch.last
    this.#sentBytes += batch.bytes.length
    this.#sentRecords += batch.last.sequence - batch.first + 1
    this.#window.sent(batch.last, batch.bytes.length)
    this.#silence.owed()
    send({ name: 'RECORDS', epoch, first: batch.first, committed: this.#committed, bytes: batch.bytes })
    this.#prepare()
  }

  #prepare(): void {
    if (this.#prepareFrom < 0 || this.#phase !== 'records' || this.#sent.sequence < this.#prepareFrom) return
    this.#prepareFrom = -1
    this.#prepared = this.#sent
    this.#parts.send({ name: 'JOIN_PREPARE', epoch: this.#parts.epoch, position: this.#sent })
  }

  #joinPrepared(position: Position): void {
    const asked = this.#prepared
    if (this.#phase !== 'records' || asked === null || !samePosition(position, asked)) {
      this.#fail(replicationError('PROTOCOL', { frame: 'JOIN_PREPARED', detail: showPosition(position) }))
      return
    }
    this.#prepared = null
    this.#parts.onPrepared(position)
  }

  #fail(error: Error): void {
    if (this.#phase === 'stopped') return
    this.stop()
    this.#parts.onFailed(error)
  }
}
