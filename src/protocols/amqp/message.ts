// What little the server must know of an encoded message: that it is a row of sections (so that no consumer chokes on
// it), and how to replace its header section for a redelivery. Nothing else of a message is ever decoded.

import { undecodable } from './decode.ts'
import { AmqpFault } from './errors.ts'
import { Cursor } from './in-place.ts'

export const HEADER = 0x70
const ANNOTATIONS = 0x72
const PROPERTIES = 0x73
const APPLICATION = 0x74
const DATA = 0x75
const SEQUENCE = 0x76
const FOOTER = 0x78

/** Reads a section's descriptor; the cursor then stands at its value. */
export const section = (c: Cursor): number => {
  if (c.u8() !== 0) throw undecodable('a message is not made of sections')
  const form = c.u8()
  if (form === 0x53) return c.u8()
  if (form !== 0x80) throw undecodable('a section of a message has no number')
  const at = c.take(8)
  return c.bytes.readUInt32BE(at) === 0 ? c.bytes.readUInt32BE(at + 4) : 0
}

const walk = new Cursor()

/** Where sections lie in the bytes: the values, without their descriptors. */
export interface Sections {
  /** The header, which is a list; 0: none. */
  readonly headerAt: number
  readonly headerEnd: number
  /** Message annotations, which are a map; 0: none. */
  readonly annotationsAt: number
  readonly annotationsEnd: number
  /** Properties, which are a list; 0: none. */
  readonly propertiesAt: number
  readonly propertiesEnd: number
  /** Application properties, which are a map; 0: none. */
  readonly applicationAt: number
  readonly applicationEnd: number
}

const found = {
  headerAt: 0,
  headerEnd: 0,
  annotationsAt: 0,
  annotationsEnd: 0,
  propertiesAt: 0,
  propertiesEnd: 0,
  applicationAt: 0,
  applicationEnd: 0,
}

/**
 * Throws a fault unless the bytes are known sections in their order, each as long as it says. What it found is used again
 * by the next call.
 */
export const checkSections = (bytes: Buffer, at: number, end: number): Sections => {
  walk.set(bytes, at, end)
  found.headerAt = found.annotationsAt = found.propertiesAt = found.applicationAt = 0
  let last = 0
  while (walk.at < end) {
    const code = section(walk)
    if (code < HEADER || code > FOOTER) throw undecodable('a message has an unknown section')
    if (code < last || (code === last && code !== DATA && code !== SEQUENCE)) {
      throw undecodable('the sections of a message are out of order')
    }
    last = code
    const from = walk.at
    walk.skip()
    if (code === HEADER) {
      found.headerAt = from
      found.headerEnd = walk.at
    } else if (code === ANNOTATIONS) {
      found.annotationsAt = from
      found.annotationsEnd = walk.at
    } else if (code === PROPERTIES) {
      found.propertiesAt = from
      found.propertiesEnd = walk.at
    } else if (code === APPLICATION) {
      found.applicationAt = from
      found.applicationEnd = walk.at
    }
  }
  if (last === 0) throw undecodable('a message is empty')
  return found
}

export interface Redelivery {
  /** The new header section ... */
  readonly header: Buffer
  /** ... which takes the place of everything before this offset. */
  readonly from: number
}

const NOTHING_KEPT: Uint8Array = Buffer.of(0x40, 0x40, 0x40)

/** The encoded durable, priority and ttl of the header whose list is at the cursor, or nulls where it is no header. */
const keptFields = (c: Cursor): Uint8Array => {
  c.list()
  const start = c.at
  let missing = 3
  for (; missing > 0 && c.fields > 0; missing--, c.fields--) c.skip()
  // They take 2 + 2 + 5 bytes at most; anything longer is no header worth keeping.
  if (c.at > c.listEnd || c.at - start > 9) return NOTHING_KEPT
  return Buffer.concat([c.bytes.subarray(start, c.at), Buffer.alloc(missing, 0x40)])
}

/**
 * A header with this delivery-count and first-acquirer=false; durable, priority and ttl stay as the sender gave them.
 * Takes any bytes: what is no header is left in its place, behind the new one.
 */
export const redeliveryHeader = (bytes: Buffer, deliveryCount: number): Redelivery => {
  let kept = NOTHING_KEPT
  let from = 0
  const c = new Cursor()
  c.set(bytes, 0, bytes.length)
  try {
    if (section(c) === HEADER) {
      const value = c.at
      c.skip()
      from = c.at
      c.set(bytes, value, from)
      kept = keptFields(c)
    }
  } catch (error) {
    if (!(error instanceof AmqpFault)) throw error
  }
  const header = Buffer.alloc(6 + kept.length + 6)
  header.set([0, 0x53, HEADER, 0xc0, kept.length + 7, 5])
  header.set(kept, 6)
  header[6 + kept.length] = 0x42
  header[7 + kept.length] = 0x70
  header.writeUInt32BE(Math.min(deliveryCount, 0xffffffff), 8 + kept.length)
  return { header, from }
}

/** Place of `to` in the properties section (section 3.2.4). */
const TO = 2
const EXPIRY = 8
const GROUP_ID = 10

/** The address in the properties of a message, or null. The bytes passed `checkSections`. */
export const toOf = (bytes: Buffer): string | null => {
  const { propertiesAt, propertiesEnd } = checkSections(bytes, 0, bytes.length)
  return propertiesAt === 0 ? null : textAt(bytes, propertiesAt, propertiesEnd, TO)
}

/** The group that a message belongs to, or ''. */
export const groupOf = (bytes: Buffer, { propertiesAt, propertiesEnd }: Sections): string =>
  propertiesAt === 0 ? '' : (textAt(bytes, propertiesAt, propertiesEnd, GROUP_ID) ?? '')

/** The time from which on a message is not to be delivered, wall ms; null: there is none. */
export const expiryOf = (bytes: Buffer, { propertiesAt, propertiesEnd }: Sections): number | null => {
  const c = propertiesAt === 0 ? null : fieldAt(bytes, propertiesAt, propertiesEnd, EXPIRY)
  return c === null ? null : c.whole('absolute-expiry-time')
}

const looked = new Cursor()

/** The cursor at a field of a list; null: the list is shorter. */
const fieldAt = (bytes: Buffer, at: number, end: number, place: number): Cursor | null => {
  const c = looked
  c.set(bytes, at, end)
  c.list()
  if (c.fields <= place) return null
  for (let i = 0; i < place; i++, c.fields--) c.skip()
  return c
}

const textAt = (bytes: Buffer, at: number, end: number, place: number): string | null =>
  fieldAt(bytes, at, end, place)?.text() ?? null
