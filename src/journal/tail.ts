// The newest batches, kept in memory so that the shipper need not read what was just written. Batches that are not
// durable yet are always here, whatever the limit; what has left is read from the files (reading.ts).

import { RecordWalk } from './record.ts'
import type { SealedBatch } from './batch-builder.ts'
import type { RecordBatch } from './types.ts'
import type { Position } from './position.ts'

/** Small batches are handed out together up to this size; above it a copy costs more than another call. */
const GATHER_BYTES = 64 << 10

export class Tail {
  private batches: SealedBatch[] = []
  private head = 0
  private bytes = 0
  private readonly limit: number

  constructor(limitBytes: number) {
    this.limit = limitBytes
  }

  push(batch: SealedBatch): void {
    this.batches.push(batch)
    this.bytes += batch.frame.length
  }

  /** Lets go of the oldest batches above the limit, as far as they are durable. */
  trim(flushedThrough: number): void {
    while (this.bytes > this.limit && this.head < this.batches.length) {
      const oldest = this.batches[this.head] as SealedBatch
      if (oldest.last.sequence > flushedThrough) break
      this.bytes -= oldest.frame.length
      this.head += 1
    }
    // The slots in front are given back in one go, so that letting go costs no moving of the whole array each time.
    if (this.head > 64 && this.head * 2 > this.batches.length) {
      this.batches = this.batches.slice(this.head)
      this.head = 0
    }
  }

  clear(): void {
    this.batches = []
    this.head = 0
    this.bytes = 0
  }

  /** Records from `from` on, or null where that one is not here. */
  read(from: number, maxBytes: number): RecordBatch | null {
    let index = this.find(from)
    if (index < 0) return null
    const batch = this.batches[index] as SealedBatch
    if (batch.first < from || batch.records.length > maxBytes) return part(batch, from, maxBytes)
    const pieces = [batch.records]
    let { last } = batch
    let bytes = batch.records.length
    while (++index < this.batches.length) {
      const next = this.batches[index] as SealedBatch
      bytes += next.records.length
      if (bytes > Math.min(maxBytes, GATHER_BYTES)) break
      pieces.push(next.records)
      last = next.last
    }
    return { bytes: pieces.length === 1 ? batch.records : Buffer.concat(pieces), first: from, last }
  }

  /** Position of a record that is here, or null. */
  positionOf(sequence: number): Position | null {
    const index = this.find(sequence)
    if (index < 0) return null
    const batch = this.batches[index] as SealedBatch
    if (batch.last.sequence === sequence) return batch.last
    const walk = new RecordWalk(batch.records, 0, batch.records.length, batch.before)
    while (walk.sequence < sequence && walk.step(false));
    return walk.position()
  }

  private find(sequence: number): number {
    let low = this.head
    let high = this.batches.length - 1
    while (low <= high) {
      const middle = (low + high) >> 1
      const batch = this.batches[middle] as SealedBatch
      if (sequence < batch.first) high = middle - 1
      else if (sequence > batch.last.sequence) low = middle + 1
      else return middle
    }
    return -1
  }
}

function part(batch: SealedBatch, from: number, maxBytes: number): RecordBatch {
  const walk = new RecordWalk(batch.records, 0, batch.records.length, batch.before)
  while (walk.sequence < from - 1 && walk.step(false));
  const start = walk.at
  walk.step(false)
  while (walk.at < batch.records.length && walk.at - start + walk.nextBytes() <= maxBytes) walk.step(false)
  return { bytes: batch.records.subarray(start, walk.at), first: from, last: walk.position() }
}
