// What P7 puts aside: records that this server had and the pair does not, in a file of their own before they are cut off
// the journal. Nothing here decides what is put aside.

import { crc32 } from 'node:zlib'
import { getU48, RecordWalk, setU48, viewOf } from './record.ts'
import { SECTOR_BYTES } from './batch.ts'
import { decodePosition, encodePosition, FORMAT_VERSION } from './segment.ts'
import { causeText, journalError } from './errors.ts'
import type { Disk } from './disk.ts'
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
  let name = `quarantine-state-${snapshot}`
  for (let n = 2; disk.list().includes(name); n += 1) name = `quarantine-state-${snapshot}-${n}`
  disk.rename(snapshot, name)
  return name
}

/** Everything put aside so far, by name. A file that cannot be read is listed with its fault as the reason. */
export function listQuarantines(disk: Disk): QuarantineInfo[] {
  return disk
    .list()
    .filter(isQuarantineName)
    .map(name => {
      const state = /^quarantine-state-snapshot-(\d+)/.exec(name)
      if (state !== null) {
        const reason = 'the state of a copy that was replaced by the one of the peer'
        return { name, from: 1, to: Number(state[1]), records: 0, bytes: disk.size(name), reason, wallMs: 0 }
      }
      try {
        const { from, to, records, bytes, reason, wallMs } = readHead(disk, name)
        return { name, from, to, records, bytes, reason, wallMs }
      } catch (error) {
        return { name, from: 0, to: 0, records: 0, bytes: disk.size(name), reason: causeText(error), wallMs: 0 }
      }
    })
}

/** Hands every record of a quarantine file to `visit`, in order. Throws JOURNAL-QUARANTINE where the file is damaged. */
export function readQuarantine(disk: Disk, name: string, visit: (record: RecordView) => void): QuarantineInfo {
  if (!isQuarantineName(name) || !disk.list().includes(name)) {
    throw journalError('QUARANTINE', { name, why: 'there is no such file' })
  }
  const head = readHead(disk, name)
  const file = disk.open(name)
  try {
    let at = HEAD_BYTES
    const end = HEAD_BYTES + head.bytes
    let position = head.before
    let window = 1 << 20
    while (at < end) {
      const bytes = file.readSync(at, Math.min(window, end - at))
      const walk = new RecordWalk(bytes, 0, bytes.length, position)
      while (walk.step(true)) visit(walk.record())
      // The last record of a window is usually cut short; where not even one was whole, a larger window is needed.
      if (walk.at === 0 && window < end - at) window *= 2
      else if (walk.at === 0) throw journalError('QUARANTINE', { name, why: walk.fault ?? 'it ends early' })
      at += walk.at
      position = walk.position()
    }
    if (position.digest !== head.last.digest) throw journalError('QUARANTINE', { name, why: 'its digest is wrong' })
  } finally {
    file.close()
  }
  const { from, to, records, bytes, reason, wallMs } = head
  return { name, from, to, records, bytes, reason, wallMs }
}
