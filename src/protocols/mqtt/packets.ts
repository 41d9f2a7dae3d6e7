// The control packets of MQTT with the flags that their first byte must have, and the reading of numbers and strings out of
// a receive buffer in place.

import { isUtf8 } from 'node:buffer'
import { malformed } from './errors.ts'

// prettier-ignore
export const packets = {
  CONNECT: 1, CONNACK: 2, PUBLISH: 3, PUBACK: 4, PUBREC: 5, PUBREL: 6, PUBCOMP: 7,
  SUBSCRIBE: 8, SUBACK: 9, UNSUBSCRIBE: 10, UNSUBACK: 11, PINGREQ: 12, PINGRESP: 13, DISCONNECT: 14, AUTH: 15,
} as const

/** The low four bits that a client's packet of each type must have [MQTT-2.1.3-1]; PUBLISH has its own meaning there. */
export const flagsOf = (type: number): number =>
  type === packets.PUBREL || type === packets.SUBSCRIBE || type === packets.UNSUBSCRIBE ? 2 : 0

/** A place in a packet's bytes. Everything that reads beyond the packet's end is malformed. */
export class Cursor {
  bytes: Buffer = Buffer.alloc(0)
  at = 0
  end = 0

  set(bytes: Buffer, at: number, end: number): this {
    this.bytes = bytes
    this.at = at
    this.end = end
    return this
  }

  get left(): number {
    return this.end - this.at
  }

  u8(): number {
    if (this.at >= this.end) throw malformed('it ends too early')
    return this.bytes[this.at++] as number
  }

  u16(): number {
    if (this.at + 2 > this.end) throw malformed('it ends too early')
    const value = ((this.bytes[this.at] as number) << 8) | (this.bytes[this.at + 1] as number)
    this.at += 2
    return value
  }

  u32(): number {
    return this.u16() * 0x1_0000 + this.u16()
  }

  /** Variable byte integer [MQTT-1.5.5-1]. */
  varint(): number {
    let value = 0
    for (let shift = 0; ; shift += 7) {
      if (shift > 21) throw malformed('a variable byte integer is longer than four bytes')
      const byte = this.u8()
      value |= (byte & 127) << shift
      if (byte < 128) {
        if (byte === 0 && shift > 0) throw malformed('a variable byte integer is written too long')
        return value
      }
    }
  }

  /** Bytes with their length before them, in place: they hold as long as the packet does. */
  binary(): Buffer {
    const length = this.u16()
    if (this.at + length > this.end) throw malformed('a string goes beyond its packet')
    this.at += length
    return this.bytes.subarray(this.at - length, this.at)
  }

  /** A UTF-8 string without U+0000 [MQTT-1.5.4-1, MQTT-1.5.4-2]. */
  text(): string {
    const bytes = this.binary()
    checkText(bytes)
    return bytes.toString('utf8')
  }

  skipText(): void {
    checkText(this.binary())
  }
}

export function checkText(bytes: Uint8Array): void {
  if (bytes.length === 0) return
  if (!isUtf8(bytes)) throw malformed('a string is not UTF-8')
  if (bytes.includes(0)) throw malformed('a string holds U+0000')
}

export const varintBytes = (value: number): number => (value < 128 ? 1 : value < 16_384 ? 2 : value < 2_097_152 ? 3 : 4)

/** Writes a variable byte integer; returns the place after it. */
export function putVarint(page: Uint8Array, place: number, number: number): number {
  let at = place
  let value = number
  while (value > 127) {
    page[at++] = (value & 127) | 128
    value >>>= 7
  }
  page[at++] = value
  return at
}
