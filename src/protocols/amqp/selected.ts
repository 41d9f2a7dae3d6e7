// What selectors see of an AMQP message: application properties by their names, and the headers and properties of JMS by
// theirs, as the mapping of JMS to AMQP has them (JMSType is the subject). Nothing is decoded but what is asked for: the
// sections are walked once, and a name is looked for where it would stand.

import type { Envelope } from '../../broker/envelope.ts'
import type { PropertyGetter, SelectorValue } from '../../broker/selector/selector.ts'
import { Decoder } from './decode.ts'
import { AmqpFault } from './errors.ts'
import { Cursor } from './in-place.ts'
import { defaultAmqpLimits } from './limits.ts'
import { HEADER, section } from './message.ts'
import type { Value } from './types.ts'
import { asBuffer } from './types.ts'

const PROPERTIES = 0x73
const APPLICATION = 0x74

/** Fields of the header (section 3.2.1) and of the properties (section 3.2.4), by their places. */
const DURABLE = 0
const PRIORITY = 1
const MESSAGE_ID = 0
const USER_ID = 1
const SUBJECT = 3
const CORRELATION_ID = 5
const CREATION_TIME = 9
const GROUP_ID = 10
const GROUP_SEQUENCE = 11

const USUAL_PRIORITY = 4n

const c = new Cursor()
/** Where the values of the sections begin; -1: there is no such section. */
const at = { header: -1, properties: -1, application: -1, end: 0 }

/** Holds until the next call. Bytes that are no message have no properties. */
export function selectedOf(body: Uint8Array, _envelope?: Envelope): PropertyGetter {
  const bytes = asBuffer(body)
  at.header = at.properties = at.application = -1
  at.end = bytes.length
  c.set(bytes, 0, bytes.length)
  guarded(() => {
    while (c.at < at.end) {
      const code = section(c)
      if (code === HEADER) at.header = c.at
      else if (code === PROPERTIES) at.properties = c.at
      else if (code === APPLICATION) at.application = c.at
      if (code >= APPLICATION) return null
      c.skip()
    }
    return null
  })
  return name => guarded(() => read(bytes, name))
}

/** What cannot be read is no property. */
const guarded = (read: () => SelectorValue): SelectorValue => {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof AmqpFault)) throw error
    return null
  }
}

function read(bytes: Buffer, name: string): SelectorValue {
  if (name.startsWith('JMS')) {
    const known = jms(bytes, name)
    if (known !== undefined) return known
  }
  return at.application < 0 ? null : named(bytes, name)
}

// prettier-ignore
function jms(bytes: Buffer, name: string): SelectorValue | undefined {
  switch (name) {
    case 'JMSDeliveryMode': return field(bytes, at.header, DURABLE) === true ? 'PERSISTENT' : 'NON_PERSISTENT'
    case 'JMSPriority': return field(bytes, at.header, PRIORITY) ?? USUAL_PRIORITY
    case 'JMSMessageID': return field(bytes, at.properties, MESSAGE_ID)
    case 'JMSCorrelationID': return field(bytes, at.properties, CORRELATION_ID)
    case 'JMSTimestamp': return field(bytes, at.properties, CREATION_TIME)
    case 'JMSType': return field(bytes, at.properties, SUBJECT)
    case 'JMSXUserID': return field(bytes, at.properties, USER_ID)
    case 'JMSXGroupID': return field(bytes, at.properties, GROUP_ID)
    case 'JMSXGroupSeq': return groupSequence(field(bytes, at.properties, GROUP_SEQUENCE))
    default: return undefined
  }
}

/** JMS has an int where AMQP has a uint. */
const groupSequence = (value: SelectorValue): SelectorValue =>
  typeof value === 'bigint' ? BigInt.asIntN(32, value) : value

function field(bytes: Buffer, from: number, place: number): SelectorValue {
  if (from < 0) return null
  c.set(bytes, from, at.end)
  c.list()
  if (c.fields <= place) return null
  for (let i = 0; i < place; i++) c.skip()
  return valueAt(bytes)
}

function named(bytes: Buffer, name: string): SelectorValue {
  c.set(bytes, at.application, at.end)
  const code = c.u8()
  if (code !== 0xc1 && code !== 0xd1) return null
  if (code === 0xc1) c.u8()
  else c.take(4)
  const count = code === 0xc1 ? c.u8() : bytes.readUInt32BE(c.take(4))
  const length = Buffer.byteLength(name)
  for (let i = 0; i + 1 < count; i += 2) {
    const form = c.u8()
    const size = form === 0xa1 || form === 0xa3 ? c.u8() : bytes.readUInt32BE(c.take(4))
    const key = c.take(size)
    if (size === length && bytes.toString('utf8', key, key + size) === name) return valueAt(bytes)
    c.skip()
  }
  return null
}

function valueAt(bytes: Buffer): SelectorValue {
  const start = c.at
  c.skip()
  return plain(new Decoder(bytes, start, c.at, defaultAmqpLimits).value())
}

/** Exact numbers and times as bigint, approximate ones as number; identifiers that are bytes as they are printed. */
function plain(value: Value): SelectorValue {
  switch (value.type) {
    case 'boolean':
    case 'string':
    case 'symbol':
    case 'float':
    case 'double':
    case 'long':
    case 'timestamp':
    case 'ulong':
      return value.value
    case 'ubyte':
    case 'ushort':
    case 'uint':
    case 'byte':
    case 'short':
    case 'int':
      return BigInt(value.value)
    case 'char':
      return String.fromCodePoint(value.value)
    case 'uuid':
      return Buffer.from(value.value)
        .toString('hex')
        .replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
    case 'binary':
      return Buffer.from(value.value).toString('hex')
    default:
      return null
  }
}
