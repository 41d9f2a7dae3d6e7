// Snapshot files: format, writing, reading. What the chunks mean only the broker and the repository know. When a
// snapshot is written and what may be dropped afterwards is decided in journal.ts and snapshot-work.ts.

import { crc32 } from 'node:zlib'
import { getU48, setU48, viewOf } from './record.ts'
import { toSectors } from './batch.ts'
import { decodeEpochs, decodePosition, encodeEpochs, encodePosition, FORMAT_VERSION } from './segment.ts'
import { journalError } from './errors.ts'
import type { Disk, DiskFile, Done } from './disk.ts'
import type { EpochStart, Position } from './position.ts'
import type { SnapshotInfo } from './types.ts'

// snapshot := head, chunks, end
// head  := magic "LOCKSTPS" | version u32 | crc u32 of the rest of the head, begun with the version | headBytes u32 (a multiple of 512)
//          | floor u32: segments with a smaller ordinal are no part of this journal (it came from the peer in whole)
//          | epochs u32: how many | position (24 bytes) | epochs times: epoch u32, first sequence u48
// chunk := length u32 (at most 4 MiB) | crc u32 of the bytes, begun with the length | bytes
// end   := 0xffffffff u32 | crc u32 of the rest | chunks u48 | bytes of all chunks u48

const MAGIC = Buffer.from('LOCKSTPS')
const FIXED_BYTES = 52
const CHUNK_HEAD_BYTES = 8
const END = 0xffffffff
const END_BYTES = 20
const CHUNK_LIMIT_BYTES = 4 << 20
const WINDOW_BYTES = 1 << 20
/** So much is written between two flushes, so that the last flush does not hold up the journal's own. */
const FLUSH_BYTES = 8 << 20

export interface SnapshotOnDisk extends SnapshotInfo {
  readonly name: string
  readonly floor: number
  readonly headBytes: number
}

export const snapshotName = (sequence: number): string => `snapshot-${String(sequence).padStart(15, '0')}`
export const isSnapshotName = (name: string): boolean => /^snapshot-\d{15}$/.test(name)

export function encodeSnapshotHead(position: Position, epochs: readonly EpochStart[], floor: number): Buffer {
  const bytes = Buffer.alloc(toSectors(FIXED_BYTES + epochs.length * 10))
  const view = viewOf(bytes)
  bytes.set(MAGIC, 0)
  view.setUint32(8, FORMAT_VERSION, true)
  view.setUint32(16, bytes.length, true)
  view.setUint32(20, floor, true)
  view.setUint32(24, epochs.length, true)
  encodePosition(view, 28, position)
  encodeEpochs(view, FIXED_BYTES, epochs)
  view.setUint32(12, crc32(bytes.subarray(16), FORMAT_VERSION), true)
  return bytes
}

const damaged = (segment: string, offset: number, sequence: number, why: string) =>
  journalError('DAMAGED', { segment, offset, sequence, why })

/** Head and end of a snapshot file; its chunks are not looked at. */
export function inspectSnapshot(disk: Disk, name: string): SnapshotOnDisk {
  const size = disk.size(name)
  const file = disk.open(name)
  try {
    const bytes = file.readSync(0, Math.min(size, 1 << 16))
    const bad = (why: string) => damaged(name, 0, 0, why)
    if (bytes.length < FIXED_BYTES || !MAGIC.equals(bytes.subarray(0, 8))) throw bad('it is no snapshot')
    const view = viewOf(bytes)
    const headBytes = view.getUint32(16, true)
    const version = view.getUint32(8, true)
    const sound = headBytes >= FIXED_BYTES && headBytes + END_BYTES <= size && headBytes <= bytes.length
    if (!sound || crc32(bytes.subarray(16, headBytes), version) !== view.getUint32(12, true)) {
      throw bad('the head is damaged')
    }
    if (version !== FORMAT_VERSION) {
      throw journalError('VERSION', { segment: name, found: version, known: FORMAT_VERSION })
    }
    const position = decodePosition(view, 28)
    const end = viewOf(file.readSync(size - END_BYTES, END_BYTES))
    if (end.getUint32(0, true) !== END) throw damaged(name, size - END_BYTES, position.sequence, 'the end is missing')
    return {
      name,
      position,
      epochs: decodeEpochs(view, FIXED_BYTES, view.getUint32(24, true)),
      bytes: getU48(end, 14),
      floor: view.getUint32(20, true),
      headBytes,
    }
  } finally {
    file.close()
  }
}

/** Takes chunks out of a file's bytes, which whoever uses it reads as they are asked for: at once, or in the background. */
export class ChunkWindow {
  /** Where the next chunk lies in the file. */
  offset: number
  private window: Uint8Array = new Uint8Array(0)
  private at = 0
  private chunks = 0
  private bytes = 0
  private readonly info: SnapshotOnDisk

  constructor(info: SnapshotOnDisk) {
    this.info = info
    this.offset = info.headBytes
  }

  /** How many bytes must be read at `offset` and handed to `fill` before `take`; 0 where none. */
  lacking(): number {
    const left = this.window.length - this.at
    if (left < CHUNK_HEAD_BYTES) return WINDOW_BYTES
    const length = viewOf(this.window).getUint32(this.at, true)
    if (length !== END && length > CHUNK_LIMIT_BYTES) throw this.damage(`a chunk of ${length} bytes`)
    const need = length === END ? END_BYTES : CHUNK_HEAD_BYTES + length
    return left < need ? Math.max(need, WINDOW_BYTES) : 0
  }

  fill(bytes: Uint8Array): void {
    if (bytes.length <= this.window.length - this.at) throw this.damage('the file ends early')
    this.window = bytes
    this.at = 0
  }

  /** The next chunk, or null at the end. */
  take(): Uint8Array | null {
    const view = viewOf(this.window)
    const length = view.getUint32(this.at, true)
    const crc = view.getUint32(this.at + 4, true)
    const from = this.at + CHUNK_HEAD_BYTES
    if (length === END) {
      const rest = this.window.subarray(from, this.at + END_BYTES)
      const whole = getU48(view, from) === this.chunks && getU48(view, from + 6) === this.bytes
      if (crc32(rest) !== crc || !whole) throw this.damage('the end does not fit the chunks')
      return null
    }
    const chunk = this.window.subarray(from, from + length)
    if (crc32(chunk, length) !== crc) throw this.damage('the checksum of a chunk is wrong')
    this.at = from + length
    this.offset += CHUNK_HEAD_BYTES + length
    this.chunks += 1
    this.bytes += length
    return chunk
  }

  private damage(why: string): Error {
    return damaged(this.info.name, this.offset, this.info.position.sequence, why)
  }
}

/** All chunks of a snapshot, at once. Throws JOURNAL-DAMAGED. */
export function scanSnapshot(disk: Disk, info: SnapshotOnDisk, visit: (chunk: Uint8Array) => void): void {
  const file = disk.open(info.name)
  try {
    const window = new ChunkWindow(info)
    for (;;) {
      const lacking = window.lacking()
      if (lacking > 0) window.fill(file.readSync(window.offset, lacking))
      if (window.lacking() > 0) continue
      const chunk = window.take()
      if (chunk === null) return
      visit(chunk)
    }
  } finally {
    file.close()
  }
}

/** A snapshot being written under a temporary name. One call at a time; after an error only `discard`. */
export class SnapshotFile {
  readonly disk: Disk
  readonly temporary: string
  readonly headBytes: number
  bytes = 0
  private chunks = 0
  private offset: number
  private unflushed = 0
  private file: DiskFile | null

  constructor(disk: Disk, temporary: string, head: Buffer) {
    this.disk = disk
    this.temporary = temporary
    disk.remove(temporary)
    this.file = disk.createSync(temporary, 0)
    this.file.writeSync(head, 0)
    this.headBytes = head.length
    this.offset = head.length
  }

  write(chunk: Uint8Array, done: Done): void {
    const framed = Buffer.allocUnsafe(CHUNK_HEAD_BYTES + chunk.length)
    const view = viewOf(framed)
    view.setUint32(0, chunk.length, true)
    view.setUint32(4, crc32(chunk, chunk.length), true)
    framed.set(chunk, CHUNK_HEAD_BYTES)
    this.chunks += 1
    this.bytes += chunk.length
    this.unflushed += framed.length
    this.put(framed, this.unflushed >= FLUSH_BYTES, done)
  }

  /** Writes the end and makes all of it durable; it is no snapshot before `publish`. */
  seal(done: Done): void {
    const end = Buffer.alloc(END_BYTES)
    const view = viewOf(end)
    view.setUint32(0, END, true)
    setU48(view, 8, this.chunks)
    setU48(view, 14, this.bytes)
    view.setUint32(4, crc32(end.subarray(8)), true)
    this.put(end, true, done)
  }

  /** The moment from which it counts: a durable renaming. */
  publish(name: string): void {
    this.file?.close()
    this.file = null
    this.disk.rename(this.temporary, name)
  }

  discard(): void {
    this.file?.close()
    this.file = null
    this.disk.remove(this.temporary)
  }

  private put(bytes: Uint8Array, flush: boolean, done: Done): void {
    const { file } = this
    if (file === null) return done(journalError('CLOSED', { why: 'the snapshot was given up' }))
    file.write(bytes, this.offset, error => {
      this.offset += bytes.length
      if (error !== null || !flush || this.file === null) return done(error)
      this.unflushed = 0
      file.flush(done)
    })
  }
}
