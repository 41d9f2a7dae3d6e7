// The frames that go out once per message or per batch, laid straight into the output page: transfer, disposition, flow.
//
//   transfer:    handle, delivery-id, delivery-tag (the sequence as 8 bytes), message-format 0, settled, more | payload
//   disposition: role, first, last, settled, state
//   flow:        next-incoming-id, incoming-window, next-outgoing-id, outgoing-window,
//                handle, delivery-count, link-credit, available, drain, echo

import type { Output } from '../output.ts'

/** An upper bound of everything in a transfer frame but the payload. */
export const TRANSFER_OVERHEAD = 48

/** Opens a frame with a list of at most 255 bytes; returns where its size must be written. */
const begin = (page: Buffer, at: number, channel: number, code: number): number => {
  page[at + 4] = 2
  page[at + 5] = 0
  page[at + 6] = channel >> 8
  page[at + 7] = channel & 255
  page[at + 8] = 0
  page[at + 9] = 0x53
  page[at + 10] = code
  page[at + 11] = 0xc0
  return at + 14
}

const u32 = (page: Buffer, at: number, n: number): number => {
  page[at] = 0x70
  page[at + 1] = n >>> 24
  page[at + 2] = n >>> 16
  page[at + 3] = n >>> 8
  page[at + 4] = n
  return at + 5
}

/** Closes the list that began 14 bytes after `start`. */
const closeList = (page: Buffer, start: number, at: number, fields: number): void => {
  page[start + 12] = at - start - 13
  page[start + 13] = fields
}

/**
 * Lays down the head of a transfer frame with room for `payload` bytes behind it and returns where they go; the caller
 * puts them there. `id` -1: this is not the delivery's first frame. The tag is the message's sequence, the same on every
 * server and link: a client that comes back can say by it what it has (unsettled map, section 2.6.13).
 */
export const writeTransfer = (
  out: Output,
  channel: number,
  handle: number,
  id: number,
  sequence: number,
  settled: boolean,
  more: boolean,
  payload: number,
): number => {
  out.reserve(TRANSFER_OVERHEAD + payload)
  const { page, at: start } = out
  let at = begin(page, start, channel, 0x14)
  if (handle < 256) {
    page[at] = 0x52
    page[at + 1] = handle
    at += 2
  } else at = u32(page, at, handle)
  if (id < 0) {
    page[at] = page[at + 1] = page[at + 2] = 0x40
    at += 3
  } else {
    at = u32(page, at, id)
    const high = Math.floor(sequence / 2 ** 32)
    page[at] = 0xa0
    page[at + 1] = 8
    page[at + 2] = high >>> 24
    page[at + 3] = high >>> 16
    page[at + 4] = high >>> 8
    page[at + 5] = high
    page[at + 6] = sequence >>> 24
    page[at + 7] = sequence >>> 16
    page[at + 8] = sequence >>> 8
    page[at + 9] = sequence
    page[at + 10] = 0x43
    at += 11
  }
  page[at] = settled ? 0x41 : 0x42
  page[at + 1] = more ? 0x41 : 0x42
  at += 2
  closeList(page, start, at, 6)
  const end = at + payload
  page.writeUInt32BE(end - start, start)
  out.at = end
  return at
}

/** Ends the deliveries from `first` to `last` with an outcome that has no fields. `receiver`: our role. */
export const writeDisposition = (
  out: Output,
  channel: number,
  receiver: boolean,
  first: number,
  last: number,
  state: number,
): void => {
  out.reserve(40)
  const { page, at: start } = out
  let at = begin(page, start, channel, 0x15)
  page[at++] = receiver ? 0x41 : 0x42
  at = u32(page, at, first)
  if (last === first) page[at++] = 0x40
  else at = u32(page, at, last)
  page[at] = 0x41
  page[at + 1] = 0
  page[at + 2] = 0x53
  page[at + 3] = state
  page[at + 4] = 0x45
  at += 5
  closeList(page, start, at, 5)
  page.writeUInt32BE(at - start, start)
  out.at = at
}

/** The session's part of a flow. */
export interface Windows {
  readonly nextIncomingId: number
  readonly incomingWindow: number
  readonly nextOutgoingId: number
  readonly outgoingWindow: number
}

/** A flow; `handle` -1: of the session alone. */
export const writeFlow = (
  out: Output,
  channel: number,
  windows: Windows,
  handle: number,
  deliveryCount: number,
  credit: number,
  drain: boolean,
): void => {
  out.reserve(80)
  const { page, at: start } = out
  let at = begin(page, start, channel, 0x13)
  at = u32(page, at, windows.nextIncomingId)
  at = u32(page, at, windows.incomingWindow)
  at = u32(page, at, windows.nextOutgoingId)
  at = u32(page, at, windows.outgoingWindow)
  if (handle < 0) closeList(page, start, at, 4)
  else {
    at = u32(page, at, handle)
    at = u32(page, at, deliveryCount)
    at = u32(page, at, credit)
    page[at] = 0x40
    page[at + 1] = drain ? 0x41 : 0x42
    at += 2
    closeList(page, start, at, 9)
  }
  page.writeUInt32BE(at - start, start)
  out.at = at
}
