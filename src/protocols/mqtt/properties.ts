// The properties of MQTT 5 as a table: number, form, and the packets they belong to; reading them into one object that is
// used again, and writing them. Those of a PUBLISH stay bytes: they are only looked through.

import { Cursor, checkText, putVarint, varintBytes } from './packets.ts'
import { malformed, protocolError } from './errors.ts'

/** Where properties stand, as bits. Of what a server only sends nothing is read. */
// prettier-ignore
export const places = {
  CONNECT: 1, WILL: 2, PUBLISH: 4, ACK: 8, SUBSCRIBE: 16, UNSUBSCRIBE: 32, DISCONNECT: 64, AUTH: 128,
} as const

type Form = 'u8' | 'u16' | 'u32' | 'varint' | 'text' | 'binary' | 'pair'
interface Row {
  readonly id: number
  readonly form: Form
  /** In which of the packets that a client sends it may stand. */
  readonly may: number
}

const { CONNECT, WILL, PUBLISH, ACK, SUBSCRIBE, UNSUBSCRIBE, DISCONNECT, AUTH } = places

// prettier-ignore
export const properties = {
  payloadFormat:        { id: 0x01, form: 'u8',     may: PUBLISH | WILL },
  messageExpiry:        { id: 0x02, form: 'u32',    may: PUBLISH | WILL },
  contentType:          { id: 0x03, form: 'text',   may: PUBLISH | WILL },
  responseTopic:        { id: 0x08, form: 'text',   may: PUBLISH | WILL },
  correlationData:      { id: 0x09, form: 'binary', may: PUBLISH | WILL },
  // A client may not send it in PUBLISH [MQTT-3.3.4-6].
  subscriptionId:       { id: 0x0b, form: 'varint', may: SUBSCRIBE },
  sessionExpiry:        { id: 0x11, form: 'u32',    may: CONNECT | DISCONNECT },
  assignedClientId:     { id: 0x12, form: 'text',   may: 0 },
  serverKeepAlive:      { id: 0x13, form: 'u16',    may: 0 },
  authMethod:           { id: 0x15, form: 'text',   may: CONNECT | AUTH },
  authData:             { id: 0x16, form: 'binary', may: CONNECT | AUTH },
  requestProblem:       { id: 0x17, form: 'u8',     may: CONNECT },
  willDelay:            { id: 0x18, form: 'u32',    may: WILL },
  requestResponse:      { id: 0x19, form: 'u8',     may: CONNECT },
  responseInformation:  { id: 0x1a, form: 'text',   may: 0 },
  // Only a server sends it [MQTT-3.14.2-2].
  serverReference:      { id: 0x1c, form: 'text',   may: 0 },
  reasonString:         { id: 0x1f, form: 'text',   may: ACK | DISCONNECT | AUTH },
  receiveMaximum:       { id: 0x21, form: 'u16',    may: CONNECT },
  topicAliasMaximum:    { id: 0x22, form: 'u16',    may: CONNECT },
  topicAlias:           { id: 0x23, form: 'u16',    may: PUBLISH },
  maximumQos:           { id: 0x24, form: 'u8',     may: 0 },
  retainAvailable:      { id: 0x25, form: 'u8',     may: 0 },
  userProperty:         { id: 0x26, form: 'pair',   may: CONNECT | WILL | PUBLISH | ACK | SUBSCRIBE | UNSUBSCRIBE | DISCONNECT | AUTH },
  maximumPacketSize:    { id: 0x27, form: 'u32',    may: CONNECT },
  wildcardAvailable:    { id: 0x28, form: 'u8',     may: 0 },
  subscriptionIdsAvail: { id: 0x29, form: 'u8',     may: 0 },
  sharedAvailable:      { id: 0x2a, form: 'u8',     may: 0 },
} as const satisfies Record<string, Row>

const byId: (Row | undefined)[] = []
const nameOf: string[] = []
for (const [name, row] of Object.entries(properties)) {
  byId[row.id] = row
  nameOf[row.id] = name
}
const FLAGS = new Set<number>([
  properties.payloadFormat.id,
  properties.requestProblem.id,
  properties.requestResponse.id,
])
/** What may not be zero, where it stands. */
const POSITIVE = new Set<number>([
  properties.receiveMaximum.id,
  properties.maximumPacketSize.id,
  properties.subscriptionId.id,
])
/** What concerns only this hop: left out of the message that is passed on. */
const OF_THIS_HOP = new Set<number>([
  properties.topicAlias.id,
  properties.messageExpiry.id,
  properties.willDelay.id,
  properties.subscriptionId.id,
])

/** The same name as that of AMQP's application property. */
const DUPLICATE_ID = Buffer.from('_AMQ_DUPL_ID')

/** What was read last; -1 where a number was not there. */
export class Properties {
  payloadFormat = -1
  messageExpiry = -1
  sessionExpiry = -1
  receiveMaximum = -1
  maximumPacketSize = -1
  topicAliasMaximum = -1
  topicAlias = -1
  subscriptionId = -1
  requestProblem = -1
  requestResponse = -1
  willDelay = -1
  authMethod: string | null = null
  /** The user property by which a publisher names a message, so that it comes in once; ''. */
  duplicateId = ''
  /** Where the properties lie, their length before them included: `from` to `to`. */
  from = 0
  to = 0
  /** Something of this hop is among them. */
  mixed = false
  #seen = 0
  #seenHigh = 0

  /** Reads the properties at the cursor, judged for where they stand [MQTT-2.2.2.2]. */
  read(cursor: Cursor, place: number): this {
    this.#forget()
    this.from = cursor.at
    const length = cursor.varint()
    const { end } = cursor
    const stop = cursor.at + length
    if (stop > end) throw malformed('its properties go beyond its end')
    cursor.end = stop
    while (cursor.at < stop) this.#one(cursor, place)
    cursor.end = end
    this.to = stop
    return this
  }

  #forget(): void {
    this.payloadFormat = this.messageExpiry = this.sessionExpiry = this.receiveMaximum = -1
    this.maximumPacketSize = this.topicAliasMaximum = this.topicAlias = this.subscriptionId = -1
    this.requestProblem = this.requestResponse = this.willDelay = -1
    this.authMethod = null
    this.duplicateId = ''
    this.mixed = false
    this.#seen = this.#seenHigh = 0
  }

  #one(cursor: Cursor, place: number): void {
    const id = cursor.varint()
    const row = byId[id]
    if (row === undefined) throw malformed(`there is no property ${id}`)
    if ((row.may & place) === 0) throw protocolError(`the property ${nameOf[id]} does not belong here`)
    if (row.form !== 'pair') this.#once(id)
    if (OF_THIS_HOP.has(id)) this.mixed = true
    switch (row.form) {
      case 'u8':
        return this.#number(id, cursor.u8())
      case 'u16':
        return this.#number(id, cursor.u16())
      case 'u32':
        return this.#number(id, cursor.u32())
      case 'varint':
        return this.#number(id, cursor.varint())
      case 'binary':
        cursor.binary()
        return
      case 'pair':
        return this.#pair(cursor)
      case 'text':
        return this.#text(id, cursor.binary())
    }
  }

  #pair(cursor: Cursor): void {
    const from = cursor.at
    cursor.skipText()
    const middle = cursor.at
    cursor.skipText()
    const { bytes, at } = cursor
    if (middle - from === 2 + DUPLICATE_ID.length && bytes.subarray(from + 2, middle).equals(DUPLICATE_ID))
      this.duplicateId = bytes.toString('utf8', middle + 2, at)
  }

  #text(id: number, bytes: Buffer): void {
    checkText(bytes)
    if (id === properties.authMethod.id) this.authMethod = bytes.toString('utf8')
    // [MQTT-3.3.2-14]
    if (id === properties.responseTopic.id && (bytes.length === 0 || bytes.includes(0x2b) || bytes.includes(0x23)))
      throw protocolError('the response topic is no topic name')
  }

  #number(id: number, value: number): void {
    if (FLAGS.has(id) && value > 1) throw protocolError(`the property ${nameOf[id]} is neither 0 nor 1`)
    if (value === 0 && POSITIVE.has(id)) throw protocolError(`the property ${nameOf[id]} is 0`)
    ;(this as unknown as Record<string, number>)[nameOf[id] as string] = value
  }

  #once(id: number): void {
    const bit = 1 << (id & 31)
    const before = id < 32 ? this.#seen : this.#seenHigh
    if ((before & bit) !== 0) throw protocolError(`the property ${nameOf[id]} stands there twice`)
    if (id < 32) this.#seen |= bit
    else this.#seenHigh |= bit
  }
}

/** Copies the properties from `from` to `to` (their length first) without those of this hop into `page`. */
export function copyLasting(bytes: Buffer, from: number, to: number, page: Buffer, place: number): number {
  const cursor = new Cursor().set(bytes, from, to)
  cursor.varint()
  const kept: number[] = []
  let length = 0
  while (cursor.left > 0) {
    const start = cursor.at
    const id = cursor.varint()
    skip(cursor, (byId[id] as Row).form)
    if (OF_THIS_HOP.has(id)) continue
    kept.push(start, cursor.at)
    length += cursor.at - start
  }
  let at = putVarint(page, place, length)
  for (let i = 0; i < kept.length; i += 2) at += bytes.copy(page, at, kept[i] as number, kept[i + 1] as number)
  return at
}

function skip(cursor: Cursor, form: Form): void {
  if (form === 'varint') cursor.varint()
  else if (form === 'text' || form === 'binary') cursor.binary()
  else if (form === 'pair') {
    cursor.binary()
    cursor.binary()
  } else cursor.at += form === 'u8' ? 1 : form === 'u16' ? 2 : 4
}

/** Collects properties to be sent; `bytes` has their length first. */
export class PropertyWriter {
  #parts: Buffer[] = []
  #length = 0

  #put(part: Buffer): this {
    this.#parts.push(part)
    this.#length += part.length
    return this
  }

  number(row: { readonly id: number; readonly form: Form }, value: number): this {
    const part = Buffer.alloc(6)
    part[0] = row.id
    let at = 1
    if (row.form === 'u8') part[at++] = value
    else if (row.form === 'u16') at = part.writeUInt16BE(value, at)
    else if (row.form === 'u32') at = part.writeUInt32BE(value, at)
    else at = putVarint(part, at, value)
    return this.#put(part.subarray(0, at))
  }

  text(row: { readonly id: number }, value: string | Uint8Array): this {
    const text = typeof value === 'string' ? Buffer.from(value) : value
    const part = Buffer.alloc(3 + text.length)
    part[0] = row.id
    part.writeUInt16BE(text.length, 1)
    part.set(text, 3)
    return this.#put(part)
  }

  pair(name: string, value: string): this {
    const key = Buffer.from(name)
    const text = Buffer.from(value)
    const part = Buffer.alloc(5 + key.length + text.length)
    part[0] = properties.userProperty.id
    part.writeUInt16BE(key.length, 1)
    part.set(key, 3)
    part.writeUInt16BE(text.length, 3 + key.length)
    part.set(text, 5 + key.length)
    return this.#put(part)
  }

  get bytes(): Buffer {
    const head = Buffer.alloc(varintBytes(this.#length))
    putVarint(head, 0, this.#length)
    return Buffer.concat([head, ...this.#parts])
  }
}
