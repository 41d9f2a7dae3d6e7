// The body of an encoded message for people: what an export of a quarantine shows. Not on any message's way to a consumer.

import { isUtf8 } from 'node:buffer'
import { AmqpFault } from './errors.ts'
import { Cursor } from './in-place.ts'

const DATA = 0x75
const VALUE = 0x77

export interface ReadableBody {
  /** The bytes of all data sections together, or of the string or binary that the message's value is. */
  readonly bytes: Buffer
  /** Null where they are no text. */
  readonly text: string | null
}

/** Null where the body is something else (a number, a map, a sequence), or the bytes are no message. */
export function readableBody(encoded: Uint8Array): ReadableBody | null {
  const bytes = Buffer.from(encoded.buffer, encoded.byteOffset, encoded.length)
  const c = new Cursor()
  c.set(bytes, 0, bytes.length)
  const found: Buffer[] = []
  try {
    while (c.at < c.end) {
      c.u8()
      const code = c.u8() === 0x53 ? c.u8() : 0
      if (code === 0) return null
      const at = c.at
      c.skip()
      if (code === DATA || code === VALUE) {
        const content = contentOf(bytes.subarray(at, c.at))
        if (content === null) return null
        found.push(content)
      }
    }
  } catch (error) {
    if (error instanceof AmqpFault) return null
    throw error
  }
  if (found.length === 0) return null
  const all = Buffer.concat(found)
  return { bytes: all, text: isUtf8(all) ? all.toString('utf8') : null }
}

/** Of a binary (0xa0, 0xb0) or a string (0xa1, 0xb1). */
function contentOf(value: Buffer): Buffer | null {
  if (value[0] === 0xa0 || value[0] === 0xa1) return value.subarray(2)
  if (value[0] === 0xb0 || value[0] === 0xb1) return value.subarray(5)
  return null
}
