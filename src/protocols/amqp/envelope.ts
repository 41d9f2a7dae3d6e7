// What of an AMQP message the broker itself must know. A message that says nothing special costs no look at its contents:
// where its sections lie is known from checking them.

import type { Envelope } from '../../broker/envelope.ts'
import { Cursor } from './in-place.ts'
import { groupOf, type Sections } from './message.ts'

/** The application property by which a producer names a message, so that it comes in once (as in ActiveMQ Artemis). */
const DUPLICATE_ID = Buffer.from('_AMQ_DUPL_ID')

const NULL = 0x40
const STRING_8 = 0xa1
const STRING_32 = 0xb1

const cursor = new Cursor()

/**
 * The bytes passed `checkSections`, which found the sections; `usual`: of a message that says nothing special. Throws a fault
 * where what is looked at cannot be read.
 */
export function envelopeOf(bytes: Buffer, sections: Sections, usual: Envelope): Envelope {
  if (sections.propertiesAt === 0 && sections.applicationAt === 0) return usual
  const group = groupOf(bytes, sections)
  const duplicateId = duplicateIdOf(bytes, sections)
  return group === '' && duplicateId === '' ? usual : { ...usual, group, duplicateId }
}

function duplicateIdOf(bytes: Buffer, { applicationAt, applicationEnd }: Sections): string {
  if (applicationAt === 0 || !bytes.subarray(applicationAt, applicationEnd).includes(DUPLICATE_ID)) return ''
  cursor.set(bytes, applicationAt, applicationEnd)
  return propertyOf(cursor, DUPLICATE_ID)
}

/** A string as it is, anything else by its encoding; '': it is not there. */
function propertyOf(c: Cursor, name: Buffer): string {
  for (let left = c.map(); left > 0; left -= 2) {
    const key = c.at
    c.skip()
    const isIt = c.bytes.subarray(c.at - name.length, c.at).equals(name) && isString(c.bytes, key, name.length)
    const from = c.at
    c.skip()
    if (isIt) return valueOf(c.bytes, from, c.at)
  }
  return ''
}

function isString(bytes: Buffer, at: number, length: number): boolean {
  if (bytes[at] === STRING_8) return bytes[at + 1] === length
  return bytes[at] === STRING_32 && bytes.readUInt32BE(at + 1) === length
}

function valueOf(bytes: Buffer, from: number, to: number): string {
  const code = bytes[from]
  if (code === NULL) return ''
  if (code === STRING_8) return bytes.toString('utf8', from + 2, to)
  if (code === STRING_32) return bytes.toString('utf8', from + 5, to)
  return `0x${bytes.toString('hex', from, to)}`
}
