// What P7 puts aside: records that this server had and the pair does not, in a file of their own before they are cut off
// the journal. Nothing here decides what is put aside.

import { crc32 } from 'node:zlib'
import { getU48, RecordWalk, setU48, viewOf } from './record.ts'
import { SECTOR_BYTES } from './batch.ts'
import { decodePosition, encodePosition, FORMAT_VERSION } from './segment.ts'
import { causeText, journalError } from './errors.ts'
import type { Disk, DiskFile } from './disk.ts'
import type { Position } from './position.ts'
import type { QuarantineInfo } from './types.ts'
import type { RecordView } from './commit.ts'

// file := head (512 bytes), records as they lay in the journal
// head := magic "LOCKSTPQ" | version u32 | crc u32 of the rest of the head | from u48 | to u48 | bytes of records u48
//         | wall clock ms u48 | before: position (24 bytes) | last: position (24 bytes)
//         | reasonBytes u16 | reason, UTF-8, cut to what fits

const MAGIC = Buffer.from('LOCKSTPQ')
const HEAD_BYTES = SECTOR_BYTES
const REASON_AT = 90
const TEMPORARY = 'temp-quarantine'

interface QuarantineHead extends QuarantineInfo {
  readonly before: Position
  readonly last: Position
}

const STATE_PREFIX = 'quarantine-state-'
const WINDOW_BYTES = 1 << 20

const isStateName = (name: string): boolean => name.startsWith(STATE_PREFIX)
const isQuarantineName = (name: string): boolean => name.startsWith('quarantine-')

export interface QuarantineOrder {
  readonly before: Position
  readonly last: Position
  readonly reason: string
  readonly wallMs: number
  /** The records after `before` up to `last`, in pieces. */
  readonly pieces: Iterable<Uint8Array>
}

/** Writes the file durably, one piece per step, and gives its name. What is there already is not written again. */
export function* putAside(disk: Disk, order: QuarantineOrder): Generator<void, string> {
  const { before, last } = order
  const plain = `quarantine-${before.sequence + 1}-${last.sequence}`
  let name = plain
  for (let n = 2; disk.list().includes(name); n += 1) {
    const there = readHead(disk, name)
    // The same digest at the same place: a rewinding that a crash broke off and that is done again.
    if (there.last.digest === last.digest && there.last.epoch === last.epoch) return name
    name = `${plain}-${n}`
  }
  disk.remove(TEMPORARY)
  const file = disk.createSync(TEMPORARY, 0)
  let bytes = 0
  try {
    for (const piece of order.pieces) {
      file.writeSync(piece, HEAD_BYTES + bytes)
      bytes += piece.length
      yield
    }
    file.writeSync(encodeHead(order, bytes), 0)
    file.flushSync()
  } finally {
    file.close()
  }
  disk.rename(TEMPORARY, name)
  return name
}

function encodeHead(order: QuarantineOrder, bytes: number): Buffer {
  const head = Buffer.alloc(HEAD_BYTES)
  const view = viewOf(head)
  head.set(MAGIC, 0)
  view.setUint32(8, FORMAT_VERSION, true)
  setU48(view, 16, order.before.sequence + 1)
  setU48(view, 22, order.last.sequence)
  setU48(view, 28, bytes)
  setU48(view, 34, Math.max(0, Math.trunc(order.wallMs)))
  encodePosition(view, 40, order.before)
  encodePosition(view, 64, order.last)
  const { written } = new TextEncoder().encodeInto(order.reason, head.subarray(REASON_AT))
  view.setUint16(88, written, true)
  view.setUint32(12, crc32(head.subarray(16)), true)
  return head
}

function readHead(disk: Disk, name: string): QuarantineHead {
  const file = disk.open(name)
  try {
    const head = file.readSync(0, HEAD_BYTES)
    const sound = head.length === HEAD_BYTES && MAGIC.equals(head.subarray(0, 8))
    const view = viewOf(head)
    if (!sound || crc32(head.subarray(16)) !== view.getUint32(12, true)) throw new Error('its head is damaged')
    const from = getU48(view, 16)
    const to = getU48(view, 22)
    const reason = new TextDecoder().decode(head.subarray(REASON_AT, REASON_AT + view.getUint16(88, true)))
    const figures = { from, to, records: to - from + 1, bytes: getU48(view, 28), wallMs: getU48(view, 34) }
    return { name, ...figures, reason, before: decodePosition(view, 40), last: decodePosition(view, 64) }
  } catch (error) {
    throw journalError('QUARANTINE', { name, why: causeText(error) }, error)
  } finally {
    file.close()
  }
}

/** The state of a copy that the peer's replaced, as a snapshot file under another name. */
export function putStateAside(disk: Disk, snapshot: string): string {
  let name = `${STATE_PREFIX}${snapshot}`
  for (let n = 2; disk.list().includes(name); n += 1) name = `${STATE_PREFIX}${snapshot}-${n}`
  disk.rename(snapshot, name)
  return name
}

/** Everything put aside so far, by name. A file that cannot be read is listed with its fault as the reason. */
export function listQuarantines(disk: Disk): QuarantineInfo[] {
  return disk
    .list()
    .filter(isQuarantineName)
    .map(name => {
      if (isStateName(name)) {
        const reason = 'the state of a copy that was replaced by the one of the peer'
        const to = Number.parseInt(name.slice(STATE_PREFIX.length + 'snapshot-'.length), 10)
        return { name, from: 1, to, records: 0, bytes: disk.size(name), reason, wallMs: 0 }
      }
      try {
        const { from, to, records, bytes, reason, wallMs } = readHead(disk, name)
        return { name, from, to, records, bytes, reason, wallMs }
      } catch (error) {
        return { name, from: 0, to: 0, records: 0, bytes: disk.size(name), reason: causeText(error), wallMs: 0 }
      }
    })
}

/** One quarantine file being read, some records at a time. */
class QuarantineFile {
  readonly info: QuarantineInfo
  private readonly file: DiskFile
  private readonly head: QuarantineHead
  private at = HEAD_BYTES
  private windowBytes = WINDOW_BYTES
  private position: Position
  private open = true

  constructor(disk: Disk, head: QuarantineHead) {
    const { name, from, to, records, bytes, reason, wallMs, before } = head
    this.info = { name, from, to, records, bytes, reason, wallMs }
    this.head = head
    this.position = before
    this.file = disk.open(name)
  }

  /** The next records; null after the last. Error JOURNAL-QUARANTINE where the file is damaged. */
  next(done: (error: Error | null, records: readonly RecordView[] | null) => void): void {
    const length = this.wanted()
    if (!this.open || length === 0) return done(null, null)
    this.file.read(this.at, length, (error, bytes) => {
      let records: readonly RecordView[] | null
      try {
        if (error !== null) throw this.damage(causeText(error))
        records = this.take(bytes, length)
      } catch (fault) {
        return done(fault as Error, null)
      }
      if (records.length === 0) this.next(done)
      else done(null, records)
    })
  }

  /** The same at once. */
  nextSync(): readonly RecordView[] | null {
    for (;;) {
      const length = this.wanted()
      if (!this.open || length === 0) return null
      const records = this.take(this.file.readSync(this.at, length), length)
      if (records.length > 0) return records
    }
  }

  close(): void {
    if (this.open) this.file.close()
    this.open = false
  }

  private wanted(): number {
    return Math.min(this.windowBytes, HEAD_BYTES + this.head.bytes - this.at)
  }

  private take(bytes: Uint8Array, asked: number): readonly RecordView[] {
    if (bytes.length < asked) throw this.damage('it ends early')
    const walk = new RecordWalk(bytes, 0, bytes.length, this.position)
    const records: RecordView[] = []
    while (walk.step(true)) records.push(walk.record())
    const rest = HEAD_BYTES + this.head.bytes - this.at
    // The last record of a window is usually cut short; where not even one was whole, a larger window is needed.
    if (records.length === 0 && asked === rest) throw this.damage(walk.fault ?? 'it ends early')
    if (records.length === 0) this.windowBytes *= 2
    else this.position = walk.position()
    this.at += walk.at
    if (walk.at === rest && this.position.digest !== this.head.last.digest) throw this.damage('its digest is wrong')
    return records
  }

  private damage(why: string): Error {
    return journalError('QUARANTINE', { name: this.head.name, why })
  }
}

/** Opens a quarantine file; null where there is none of that name with records in it. */
export function openQuarantineFile(disk: Disk, name: string): QuarantineFile | null {
  if (!isQuarantineName(name) || isStateName(name) || !disk.list().includes(name)) return null
  return new QuarantineFile(disk, readHead(disk, name))
}

/** Hands every record of a quarantine file to `visit`, in order, at once. Throws JOURNAL-QUARANTINE. */
export function readQuarantine(disk: Disk, name: string, visit: (record: RecordView) => void): QuarantineInfo {
  const file = openQuarantineFile(disk, name)
  if (file === null) throw journalError('QUARANTINE', { name, why: 'there is no such file with records' })
  try {
    for (let records = file.nextSync(); records !== null; records = file.nextSync()) records.forEach(visit)
  } finally {
    file.close()
  }
  return file.info
}
