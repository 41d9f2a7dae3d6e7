// What an open finds on the disk. It only reads, and either gives the one consistent journal that lies there together
// with what has to be tidied, or refuses with a coded error: it never guesses and never repairs damage.
//
// The rules, each made so that a crash at any operation leaves one answer:
// 1. The snapshot with the highest floor, then position, counts. Segments with an ordinal below its floor are void (the
//    snapshot was received to replace them).
// 2. Of the segments with an intact head, one with a higher ordinal wins: what earlier ones hold beyond its `before` was
//    cut off. Those that begin at or after it are void.
// 3. Up to the last segment everything must be there, without gap, each digest continuing the one before.
// 4. In the last segment the first place where no intact batch follows is the end, unless something proves that the
//    record expected there was durable once (a later batch saying so, or the snapshot): then it is damage.

import { assert } from '../base/assert.ts'
import { BatchScan, remains } from './batch-scan.ts'
import { batchSpan, decodeBatchHead } from './batch.ts'
import { decodeSegmentHead, ordinalOf, Segment, SEGMENT_HEAD_LIMIT } from './segment.ts'
import { inspectSnapshot, isSnapshotName, scanSnapshot } from './snapshot.ts'
import { ORIGIN } from './position.ts'
import { RecordWalk } from './record.ts'
import { journalError } from './errors.ts'
import type { Disk, DiskFile } from './disk.ts'
import type { EpochStart, Position } from './position.ts'
import type { SegmentHead } from './segment.ts'
import type { SnapshotOnDisk } from './snapshot.ts'

/** A batch that was being written at the crash, and was cut off: no record in it was ever reported as durable. */
export interface Cut {
  readonly segment: string
  readonly offset: number
  readonly bytes: number
  /** Sequence of the first record that was cut. */
  readonly from: number
}

export interface Recovered {
  readonly snapshot: SnapshotOnDisk | null
  readonly floor: number
  readonly nextOrdinal: number
  readonly segments: Segment[]
  readonly last: Position
  readonly epochs: EpochStart[]
  /** Bytes in segments after the snapshot. */
  readonly sinceSnapshot: number
  readonly cut: Cut | null
  /** Files that are void or were never used. */
  readonly obsolete: string[]
  /** Snapshots of a life of the journal that is over. */
  readonly replaced: string[]
  /** In the last segment: its head and last batch reach from here to its end, and may not be durable yet. */
  readonly confirmFrom: number
  /** Behind the end of the last segment: bytes that must be zero before anything is written there. */
  readonly wipeBytes: number
}

interface Found {
  readonly name: string
  readonly ordinal: number
  readonly size: number
  /** Null where the file has no intact head of its own: a spare, or damage. */
  readonly head: SegmentHead | null
}

export function recover(disk: Disk): Recovered {
  const names = disk.list()
  const obsolete = names.filter(name => name.startsWith('temp-'))
  const snapshots = names.filter(isSnapshotName).map(name => inspectSnapshot(disk, name))
  snapshots.sort((a, b) => b.floor - a.floor || b.position.sequence - a.position.sequence)
  const snapshot = snapshots[0] ?? null
  // A copy that the peer's replaced is put aside; a snapshot of the same life is merely older.
  const replaced = snapshots.slice(1).filter(older => older.floor < (snapshot?.floor ?? 0))
  obsolete.push(...snapshots.slice(1).flatMap(older => (replaced.includes(older) ? [] : [older.name])))
  if (snapshot !== null) scanSnapshot(disk, snapshot, () => {})
  const floor = snapshot?.floor ?? 0
  const base = snapshot?.position ?? ORIGIN

  const found = names.flatMap(name => find(disk, name))
  const nextOrdinal = found.reduce((next, { ordinal }) => Math.max(next, ordinal + 1), Math.max(1, floor))
  const chain = chainOf(found.filter(({ ordinal, head }) => head !== null && ordinal >= floor))
  const inChain = new Set<string>()
  // What lies wholly before the snapshot has nothing to say any more.
  while (chain.length > 1 && beginOf(chain[1]).sequence <= base.sequence) chain.shift()
  for (const { name } of chain) inChain.add(name)
  obsolete.push(...found.filter(({ name }) => !inChain.has(name)).map(({ name }) => name))

  const headless = found.filter(({ head, ordinal }) => head === null && ordinal >= floor)
  const reading = new ChainReading(disk, base, snapshot, chain, headless)
  for (let index = 0; index < chain.length; index += 1) reading.segment(index)
  reading.checkHeadless()
  const { segments, last, epochs, sinceSnapshot, cut, confirmFrom, wipeBytes } = reading
  return {
    snapshot,
    floor,
    nextOrdinal,
    segments,
    last,
    epochs,
    sinceSnapshot,
    cut,
    obsolete,
    replaced: replaced.map(({ name }) => name),
    confirmFrom,
    wipeBytes,
  }
}

const beginOf = (found: Found | undefined): Position => {
  assert(found?.head, 'a segment in the chain has a head')
  return found.head.before
}

function find(disk: Disk, name: string): Found[] {
  const ordinal = ordinalOf(name)
  if (ordinal === null) return []
  const size = disk.size(name)
  const file = disk.open(name)
  try {
    const head = decodeSegmentHead(file.readSync(0, Math.min(size, SEGMENT_HEAD_LIMIT)), name)
    return [{ name, ordinal, size, head: head?.ordinal === ordinal ? head : null }]
  } finally {
    file.close()
  }
}

function chainOf(found: Found[]): Found[] {
  const chain: Found[] = []
  for (const candidate of found.sort((a, b) => b.ordinal - a.ordinal)) {
    if (chain.length === 0 || beginOf(candidate).sequence < beginOf(chain[0]).sequence) chain.unshift(candidate)
  }
  return chain
}

class ChainReading {
  readonly segments: Segment[] = []
  last: Position
  epochs: EpochStart[]
  sinceSnapshot = 0
  cut: Cut | null = null
  confirmFrom = 0
  wipeBytes = 0
  private readonly disk: Disk
  private readonly base: Position
  private readonly snapshot: SnapshotOnDisk | null
  private readonly chain: readonly Found[]
  private readonly headless: readonly Found[]

  constructor(disk: Disk, base: Position, snapshot: SnapshotOnDisk | null, chain: Found[], headless: Found[]) {
    this.disk = disk
    this.base = base
    this.snapshot = snapshot
    this.chain = chain
    this.headless = headless
    this.last = chain.length === 0 ? base : beginOf(chain[0])
    this.epochs = [...(chain[0]?.head?.epochs ?? snapshot?.epochs ?? [])]
    if (this.last.sequence > base.sequence) this.missing(base.sequence, this.last.sequence, chain[0] as Found)
    if (this.last.sequence === base.sequence) this.checkBase(this.last, chain[0]?.name ?? '', 0)
  }

  /** Reads one segment of the chain; they come in order. */
  segment(index: number): void {
    const found = this.chain[index] as Found
    const next = this.chain[index + 1]
    const through = next === undefined ? Infinity : beginOf(next).sequence
    const segment = new Segment(found.head as SegmentHead, found.size)
    this.segments.push(segment)
    const file = this.disk.open(found.name)
    try {
      const scan = new BatchScan(file, found.size, found.ordinal, segment.end, this.last)
      let fault: string | null = null
      while (fault === null && this.last.sequence < through && scan.step()) fault = this.batch(scan, segment, through)
      fault ??= scan.fault
      if (next === undefined) this.end(found, segment, file, scan, fault)
      else this.mustReach(beginOf(next), found, next, segment, fault, scan.fault === null)
    } finally {
      file.close()
    }
  }

  /** A file without a head is a spare, unless it holds proof that it was in use; then its head was damaged. */
  checkHeadless(): void {
    const newest = this.chain.at(-1)?.ordinal ?? 0
    for (const { name, ordinal, size } of this.headless) {
      if (ordinal < newest) continue
      const file = this.disk.open(name)
      const { provenThrough } = remains(file, size, ordinal, 0)
      file.close()
      if (provenThrough > this.last.sequence) this.damaged(name, 0, 'the head of the file is damaged')
    }
  }

  /** Goes over one batch; what is wrong with it, or null. */
  private batch(scan: BatchScan, segment: Segment, through: number): string | null {
    const { records, head } = scan
    assert(head, 'a batch that was found has a head')
    const walk = new RecordWalk(records, 0, records.length, this.last)
    const starts: EpochStart[] = []
    let { epoch } = this.last
    while (walk.sequence < through && walk.step(true)) {
      if (walk.epoch !== epoch) starts.push({ epoch: (epoch = walk.epoch), sequence: walk.sequence })
      if (walk.sequence === this.base.sequence) this.checkBase(walk.position(), segment.name, scan.offset)
    }
    if (walk.fault !== null) return walk.fault
    const whole = walk.at === records.length
    if (whole && (walk.sequence !== head.last.sequence || walk.digest !== head.last.digest)) {
      return 'the digest of the batch does not fit its records'
    }
    this.epochs.push(...starts)
    this.last = whole ? head.last : walk.position()
    const span = batchSpan(records.length)
    this.confirmFrom = segment.end
    segment.grow(span, this.last)
    if (this.last.sequence > this.base.sequence) this.sinceSnapshot += span
    return null
  }

  private mustReach(
    begin: Position,
    found: Found,
    next: Found,
    segment: Segment,
    fault: string | null,
    inRecords: boolean,
  ): void {
    if (this.last.sequence < begin.sequence) {
      // Where the ordinals have a hole, a file is gone; otherwise the rest of this one is no longer what it was.
      if (next.ordinal !== found.ordinal + 1 && (fault === null || !inRecords))
        this.missing(this.last.sequence, begin.sequence, next)
      this.damaged(found.name, segment.end, fault ?? 'the file ends')
    }
    if (this.last.digest !== begin.digest || this.last.epoch !== begin.epoch) {
      this.damaged(next.name, 0, `it does not continue ${found.name}: the digest differs`)
    }
  }

  private end(found: Found, segment: Segment, file: DiskFile, scan: BatchScan, fault: string | null): void {
    const expected = this.last.sequence + 1
    const rest = remains(file, found.size, found.ordinal, segment.end)
    if (rest.provenThrough >= expected) {
      const proof = `the batch at offset ${rest.provenAt} proves that it was durable`
      this.damaged(found.name, segment.end, `${fault ?? 'the batch is damaged'}; ${proof}`)
    }
    if (this.snapshot !== null && this.snapshot.position.sequence >= expected) {
      this.damaged(
        found.name,
        segment.end,
        `${fault ?? 'the file ends'}; ${this.snapshot.name} proves that it was durable`,
      )
    }
    const { headBytes, maxBatch, recycled } = found.head as SegmentHead
    if (segment.end === headBytes || this.confirmFrom === headBytes) this.confirmFrom = 0
    const head = decodeBatchHead(file.readSync(segment.end, 64), 0)
    const torn = head !== null && head.life === found.ordinal && head.first === expected
    const bytes = torn ? batchSpan(head.length) : recycled ? 0 : rest.lastByte - segment.end
    if (bytes > 0) this.cut = { segment: found.name, offset: segment.end, bytes, from: expected }
    if (rest.lastByte > segment.end) {
      this.wipeBytes = Math.min(Math.max(maxBatch, bytes), rest.lastByte - segment.end)
    }
    assert(scan.next >= segment.end, 'a scan does not go back')
  }

  private checkBase(position: Position, name: string, offset: number): void {
    if (this.snapshot === null) return
    if (position.digest === this.base.digest && position.epoch === this.base.epoch) return
    this.damaged(name, offset, `it does not belong to ${this.snapshot.name}: the digest differs`)
  }

  private missing(after: number, through: number, before: Found): never {
    const lost = this.headless.find(({ ordinal }) => ordinal < before.ordinal)
    if (lost !== undefined) this.damaged(lost.name, 0, 'the head of the file is damaged')
    throw journalError('GAP', { from: after + 1, to: through, segment: before.name })
  }

  private damaged(segment: string, offset: number, why: string): never {
    throw journalError('DAMAGED', { segment, offset, sequence: this.last.sequence + 1, why })
  }
}
