// A journal in memory with the promises of src/journal/types.ts, on virtual time: flushes and reads take as long as the
// test says, a crash keeps what was flushed. For tests of those who use a journal; the real one has its own.

import { CodedError } from '../../src/base/errors.ts'
import { assert } from '../../src/base/assert.ts'
import type { RecordView } from '../../src/journal/commit.ts'
import { journalError } from '../../src/journal/errors.ts'
import { ORIGIN } from '../../src/journal/position.ts'
import type { EpochStart, Position } from '../../src/journal/position.ts'
import { encodeRecord, RECORD_HEADER_BYTES, RecordWalk, viewOf } from '../../src/journal/record.ts'
import type {
  Journal,
  QuarantineInfo,
  RecordBatch,
  SnapshotInfo,
  SnapshotReader,
  SnapshotWriter,
} from '../../src/journal/types.ts'
import type { VirtualHost } from './virtual-clock.ts'

interface Held {
  readonly bytes: Uint8Array
  readonly end: Position
}

interface HeldSnapshot {
  readonly info: SnapshotInfo
  readonly chunks: readonly Uint8Array[]
}

/** What survives a crash. */
export class FakeImage {
  start: Position = ORIGIN
  /** Epochs up to `start`. */
  before: readonly EpochStart[] = []
  records: Held[] = []
  snapshot: HeldSnapshot | null = null
  quarantined: { info: QuarantineInfo; records: readonly Held[] }[] = []
}

export class FakeJournal implements Journal {
  readonly image: FakeImage
  /** Virtual ms that a flush and a read take; `null` flushes never end. */
  flushMs: number | null = 1
  readMs = 1
  /** Largest batch handed to the disk at once. */
  batchBytes = 1 << 20
  reads = 0
  crashed = false
  onFlushed: (position: Position) => void = () => {}
  onBatch: (batch: RecordBatch) => void = () => {}
  onFailed: (error: Error) => void = () => {}
  readonly #host: VirtualHost
  #epoch: number
  /** Not flushed: the first #handed of them are on their way to the disk. */
  #waiting: Held[] = []
  #handed = 0
  #awake = false

  constructor(host: VirtualHost, image: FakeImage) {
    this.#host = host
    this.image = image
    this.#epoch = this.last.epoch
  }

  get flushed(): Position {
    return this.image.records.at(-1)?.end ?? this.image.start
  }

  get last(): Position {
    return this.#waiting.at(-1)?.end ?? this.flushed
  }

  get start(): Position {
    return this.image.start
  }

  get snapshot(): SnapshotInfo | null {
    return this.image.snapshot?.info ?? null
  }

  get epochs(): readonly EpochStart[] {
    const epochs = [...this.image.before]
    for (const { end } of this.#all()) {
      if (end.epoch !== epochs.at(-1)?.epoch) epochs.push({ epoch: end.epoch, sequence: end.sequence })
    }
    return epochs
  }

  beginEpoch(epoch: number): void {
    if (epoch <= this.last.epoch) throw new Error(`epoch ${epoch} is not above ${this.last.epoch}`)
    this.#epoch = epoch
  }

  append(kind: number, head: Uint8Array, body: Uint8Array): number {
    const bytes = Buffer.alloc(RECORD_HEADER_BYTES + head.length + body.length)
    const sequence = this.last.sequence + 1
    encodeRecord(bytes, viewOf(bytes), 0, sequence, kind, this.#epoch, head, body)
    const walk = new RecordWalk(bytes, 0, bytes.length, this.last)
    walk.step(true)
    this.#push({ bytes, end: walk.position() })
    return sequence
  }

  laid(sequence: number, bytes: number): Uint8Array {
    assert(sequence === this.last.sequence, 'of the last record only')
    const all = (this.#waiting.at(-1) as Held).bytes
    return all.subarray(all.length - bytes)
  }

  appendBatch(bytes: Uint8Array, visit?: (record: RecordView) => void): Position {
    const check = new RecordWalk(bytes, 0, bytes.length, this.last)
    while (check.step(true));
    if (check.fault !== null) throw journalError('BATCH', { after: this.last.sequence, why: check.fault })
    const walk = new RecordWalk(bytes, 0, bytes.length, this.last)
    while (walk.step(false)) {
      visit?.(walk.record())
      this.#push({ bytes: Buffer.from(bytes.subarray(walk.from, walk.at)), end: walk.position() })
    }
    return this.last
  }

  read(from: number, maxBytes: number, done: (error: Error | null, batch: RecordBatch | null) => void): void {
    this.reads += 1
    if (from <= this.start.sequence) {
      const error = journalError('GONE', { sequence: from, from: this.start.sequence + 1, to: this.last.sequence })
      this.#host.arrive(this.readMs, () => this.crashed || done(error, null))
      return
    }
    const all = this.#all(this.#handed)
    const pieces: Held[] = []
    let size = 0
    for (let i = from - this.start.sequence - 1; i < all.length; i += 1) {
      const held = all[i] as Held
      if (pieces.length > 0 && size + held.bytes.length > maxBytes) break
      pieces.push(held)
      size += held.bytes.length
    }
    const last = pieces.at(-1)
    if (last === undefined) throw new Error(`record ${from} was not handed to the disk`)
    const bytes = Buffer.concat(pieces.map(piece => piece.bytes))
    this.#host.arrive(this.readMs, () => this.crashed || done(null, { bytes, first: from, last: last.end }))
  }

  positionOf(sequence: number): Position | null {
    if (sequence === this.start.sequence) return this.start
    return this.#all()[sequence - this.start.sequence - 1]?.end ?? null
  }

  replay(visit: (record: RecordView) => void, after = 0): void {
    for (const { bytes, end } of this.#all()) if (end.sequence > after) visit(recordOf(bytes, end))
  }

  rewind(position: Position, reason: string): string | null {
    if (this.#waiting.length > 0) throw journalError('BUSY', { why: 'records are not flushed' })
    const keep = position.sequence - this.start.sequence
    const cut = this.image.records.splice(keep)
    return cut.length === 0 ? null : this.#quarantine(cut, reason)
  }

  writeSnapshot(position: Position, chunks: Iterable<Uint8Array>, done: (error: Error | null) => void): void {
    const held = [...chunks].map(chunk => Buffer.from(chunk))
    const epochs = this.epochs.filter(epoch => epoch.sequence <= position.sequence)
    this.#host.arrive(1, () => {
      if (this.crashed) return
      this.image.records = this.image.records.slice(position.sequence - this.start.sequence)
      this.#begin({ info: { position, epochs, bytes: sum(held) }, chunks: held })
      done(null)
    })
  }

  readSnapshot(visit: (chunk: Uint8Array) => void): void {
    for (const chunk of this.image.snapshot?.chunks ?? []) visit(chunk)
  }

  openSnapshot(): SnapshotReader {
    const { snapshot } = this.image
    if (snapshot === null) throw new Error('there is no snapshot')
    let at = 0
    return {
      info: snapshot.info,
      next: done => this.#host.arrive(this.readMs, () => this.crashed || done(null, snapshot.chunks[at++] ?? null)),
      close: () => {},
    }
  }

  installSnapshot(info: SnapshotInfo, reason: string): SnapshotWriter {
    const cut = this.image.records
    if (cut.length > 0) this.#quarantine(cut, reason)
    this.image.records = []
    this.image.start = ORIGIN
    this.image.before = []
    this.image.snapshot = null
    const chunks: Uint8Array[] = []
    let aborted = false
    const later = (fn: () => void) => this.#host.arrive(this.flushMs ?? 1, () => aborted || this.crashed || fn())
    return {
      write: (chunk, done) => {
        chunks.push(Buffer.from(chunk))
        later(() => done(null))
      },
      finish: done =>
        later(() => {
          this.#begin({ info, chunks })
          done(null)
        }),
      abort: () => {
        aborted = true
      },
    }
  }

  wantsSnapshot(): boolean {
    return false
  }

  quarantines(): QuarantineInfo[] {
    return this.image.quarantined.map(({ info }) => info)
  }

  close(done: () => void): void {
    this.crashed = true
    done()
  }

  /** The process dies: what was not flushed is lost, nothing is called any more. */
  crash(): FakeImage {
    this.crashed = true
    return this.image
  }

  #all(waiting = this.#waiting.length): Held[] {
    return [...this.image.records, ...this.#waiting.slice(0, waiting)]
  }

  #begin(snapshot: HeldSnapshot): void {
    this.image.snapshot = snapshot
    this.image.start = snapshot.info.position
    this.image.before = snapshot.info.epochs
  }

  #quarantine(cut: readonly Held[], reason: string): string {
    const [first] = cut as [Held]
    const to = (cut.at(-1) as Held).end.sequence
    const name = `quarantine-${this.image.quarantined.length}`
    const bytes = sum(cut.map(held => held.bytes))
    const info = { name, from: first.end.sequence, to, records: cut.length, bytes, reason, wallMs: this.#host.wall() }
    this.image.quarantined.push({ info, records: cut })
    return name
  }

  #push(held: Held): void {
    if (this.crashed) throw new CodedError('JOURNAL-CLOSED', { what: 'closed', remedy: '' })
    this.#waiting.push(held)
    if (this.#awake) return
    this.#awake = true
    this.#host.soon(() => this.#hand())
  }

  #hand(): void {
    if (this.crashed) return
    let size = 0
    for (this.#handed = 0; this.#handed < this.#waiting.length; this.#handed += 1) {
      size += (this.#waiting[this.#handed] as Held).bytes.length
      if (size > this.batchBytes && this.#handed > 0) break
    }
    const batch = this.#waiting.slice(0, this.#handed)
    const last = (batch.at(-1) as Held).end
    this.onBatch({
      bytes: Buffer.concat(batch.map(held => held.bytes)),
      first: (batch[0] as Held).end.sequence,
      last,
    })
    if (this.flushMs !== null) this.#host.arrive(this.flushMs, () => this.#settled())
  }

  #settled(): void {
    if (this.crashed) return
    this.image.records.push(...this.#waiting.splice(0, this.#handed))
    this.#handed = 0
    this.#awake = this.#waiting.length > 0
    if (this.#awake) this.#host.soon(() => this.#hand())
    this.onFlushed(this.flushed)
  }
}

const sum = (pieces: readonly Uint8Array[]): number => pieces.reduce((total, piece) => total + piece.length, 0)

const recordOf = (bytes: Uint8Array, end: Position): RecordView => {
  const walk = new RecordWalk(bytes, 0, bytes.length, { ...end, sequence: end.sequence - 1 })
  walk.step(false)
  return walk.record()
}
