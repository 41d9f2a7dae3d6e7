// What of an AMQP message the broker itself must know. A message that says nothing special costs no look at its contents:
// where its sections lie is known from checking them.

import type { Clock } from '../../base/ports.ts'
import type { Envelope } from '../../broker/envelope.ts'
import { wrongField } from './errors.ts'
import { Cursor } from './in-place.ts'
import { expiryOf, groupOf, type Sections } from './message.ts'

/** The application property by which a producer names a message, so that it comes in once (as in ActiveMQ Artemis). */
const DUPLICATE_ID = Buffer.from('_AMQ_DUPL_ID')

/** Message annotations (JMS 2.0 over AMQP): wall ms from which on a message is delivered, or ms from its arrival on. */
const DELIVERY = Buffer.from('x-opt-delivery-')
const DELIVERY_TIME = Buffer.from('x-opt-delivery-time')
const DELIVERY_DELAY = Buffer.from('x-opt-delivery-delay')

const NULL = 0x40
const STRING_8 = 0xa1
const STRING_32 = 0xb1
const SYMBOL_8 = 0xa3
const SYMBOL_32 = 0xb3

const USUAL_PRIORITY = 4
const HIGHEST_PRIORITY = 9
/** A group's name is part of the message's record besides the message itself. */
const GROUP_BYTES = 4096
/** Times beyond this (in the year 10889) are no times: one to expire at is never, one to deliver at is refused. */
const FARTHEST = 2 ** 48

const cursor = new Cursor()

/**
 * The bytes passed `checkSections`, which found the sections; `usual`: of a message that says nothing special. Throws a fault
 * where what is looked at cannot be read.
 */
export function envelopeOf(bytes: Buffer, sections: Sections, usual: Envelope, clock: Pick<Clock, 'wall'>): Envelope {
  const { headerAt, annotationsAt, propertiesAt, applicationAt } = sections
  if (headerAt + annotationsAt + propertiesAt + applicationAt === 0) return usual
  let priority = USUAL_PRIORITY
  let ttl = -1
  if (headerAt > 0) {
    cursor.set(bytes, headerAt, sections.headerEnd)
    cursor.list()
    cursor.flag()
    const given = cursor.ubyte()
    if (given >= 0) priority = Math.min(given, HIGHEST_PRIORITY)
    ttl = cursor.u32()
  }
  const group = groupOf(bytes, sections)
  const expiresAt = expiresAtOf(ttl, expiryOf(bytes, sections), clock)
  const deliverAt = deliverAtOf(bytes, sections, clock)
  const duplicateId = duplicateIdOf(bytes, sections)
  if (priority === USUAL_PRIORITY && expiresAt + deliverAt === 0 && group + duplicateId === '') return usual
  if (Buffer.byteLength(group) > GROUP_BYTES) throw wrongField(`a group-id is longer than ${GROUP_BYTES} bytes`)
  return { ...usual, priority, expiresAt, deliverAt, group, duplicateId }
}

/** Wall ms; 0: never. A `ttl` of 0 is how some clients say that there is none, as a time of 0 is. */
function expiresAtOf(ttl: number, at: number | null, clock: Pick<Clock, 'wall'>): number {
  const byTtl = ttl > 0 ? Math.max(1, Math.floor(clock.wall()) + ttl) : Infinity
  // A time before 1970 is over.
  const byTime = at === null || at === 0 ? Infinity : Math.max(1, at)
  const first = Math.min(byTtl, byTime)
  return first < FARTHEST ? first : 0
}

/** Wall ms; 0: at once. */
function deliverAtOf(bytes: Buffer, { annotationsAt, annotationsEnd }: Sections, clock: Pick<Clock, 'wall'>): number {
  if (annotationsAt === 0 || !bytes.subarray(annotationsAt, annotationsEnd).includes(DELIVERY)) return 0
  const at = numberIn(bytes, annotationsAt, annotationsEnd, DELIVERY_TIME)
  const delay = at === null ? numberIn(bytes, annotationsAt, annotationsEnd, DELIVERY_DELAY) : null
  const now = Math.floor(clock.wall())
  const time = at ?? (delay === null ? 0 : now + delay)
  if (time >= FARTHEST) throw wrongField(`x-opt-delivery-${at === null ? 'delay' : 'time'} is too far away`)
  return time > now ? time : 0
}

/** The number that a map of symbols has under a name. */
function numberIn(bytes: Buffer, at: number, end: number, name: Buffer): number | null {
  cursor.set(bytes, at, end)
  return find(cursor, name, SYMBOL_8, SYMBOL_32) ? cursor.whole(name.toString()) : null
}

function duplicateIdOf(bytes: Buffer, { applicationAt, applicationEnd }: Sections): string {
  if (applicationAt === 0 || !bytes.subarray(applicationAt, applicationEnd).includes(DUPLICATE_ID)) return ''
  cursor.set(bytes, applicationAt, applicationEnd)
  if (!find(cursor, DUPLICATE_ID, STRING_8, STRING_32)) return ''
  const from = cursor.at
  cursor.skip()
  return textOf(bytes, from, cursor.at)
}

/** Goes to the value that the map at the cursor has under this name; the form of its key is one of two. */
function find(c: Cursor, name: Buffer, short: number, long: number): boolean {
  for (let left = c.map(); left > 0; left -= 2) {
    const key = c.at
    c.skip()
    const isIt = c.bytes.subarray(c.at - name.length, c.at).equals(name)
    if (isIt && isName(c.bytes, key, name.length, short, long)) return true
    c.skip()
  }
  return false
}

function isName(bytes: Buffer, at: number, length: number, short: number, long: number): boolean {
  if (bytes[at] === short) return bytes[at + 1] === length
  return bytes[at] === long && bytes.readUInt32BE(at + 1) === length
}

/** A string as it is, anything else by its encoding. */
function textOf(bytes: Buffer, from: number, to: number): string {
  const code = bytes[from]
  if (code === NULL) return ''
  if (code === STRING_8) return bytes.toString('utf8', from + 2, to)
  if (code === STRING_32) return bytes.toString('utf8', from + 5, to)
  return `0x${bytes.toString('hex', from, to)}`
}
