// The short packets that answer others, written in place into the page that goes out: PUBACK, PUBREC, PUBREL, PUBCOMP,
// and the longer SUBACK, UNSUBACK, CONNACK and DISCONNECT.

import type { Output } from '../output.ts'
import { packets, putVarint, varintBytes } from './packets.ts'
import { properties, PropertyWriter } from './properties.ts'

/** The whole answer to a publish, or to its answer; the reason is told in MQTT 5 where it is not success. */
export function writeAnswer(out: Output, type: number, id: number, reason: number, text: string | null): void {
  const first = (type << 4) | (type === packets.PUBREL ? 2 : 0)
  if (reason === 0) {
    out.reserve(4)
    const { page } = out
    let { at } = out
    page[at++] = first
    page[at++] = 2
    page[at++] = id >> 8
    page[at++] = id & 255
    out.at = at
    return
  }
  const list = text === null ? null : new PropertyWriter().text(properties.reasonString, text).bytes
  const body = Buffer.alloc(3)
  body.writeUInt16BE(id)
  body[2] = reason
  writePacket(out, first, list === null ? body : Buffer.concat([body, list]))
}

export function writePacket(out: Output, first: number, body: Uint8Array): void {
  out.reserve(1 + varintBytes(body.length) + body.length)
  out.page[out.at] = first
  out.at = putVarint(out.page, out.at + 1, body.length)
  out.page.set(body, out.at)
  out.at += body.length
}
