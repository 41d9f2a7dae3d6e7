// CONNECT as it is read: who comes, with which session, will and bounds. What is asked of the broker then is
// connection.ts's business.
//
//   protocol name text | level u8 | flags u8 | keep alive u16 | properties (5) | client id text
//   | will properties (5) | will topic text | will payload binary | user text | password binary

import { fault, malformed, protocolError } from './errors.ts'
import type { Cursor } from './packets.ts'
import { copyLasting, places, Properties } from './properties.ts'
import { checkTopicName } from './topics.ts'

export interface Will {
  readonly topic: string
  /** As a message's body: topic, properties, payload. */
  readonly body: Buffer
  readonly qos: 0 | 1 | 2
  readonly retain: boolean
  readonly delaySeconds: number
  /** 0: never. */
  readonly expirySeconds: number
}

export interface Connect {
  readonly version: 4 | 5
  readonly clean: boolean
  readonly keepAlive: number
  readonly clientId: string
  readonly will: Will | null
  readonly user: string | null
  readonly password: string | null
  readonly sessionExpiry: number
  readonly receiveMaximum: number
  readonly maximumPacketSize: number
  readonly topicAliasMaximum: number
  readonly requestProblem: boolean
  readonly requestResponse: boolean
  readonly authMethod: string | null
}

const NEVER = 0xffff_ffff
const read = new Properties()

/** The protocol version, as soon as it is known: an answer to what is wrong further on needs it. */
export function readVersion(cursor: Cursor): 4 | 5 {
  const name = cursor.text()
  const level = cursor.u8()
  if (name === 'MQTT' && (level === 4 || level === 5)) return level
  if (name === 'MQTT' || name === 'MQIsdp') throw fault('VERSION', { name, level })
  // No MQTT at all [MQTT-3.1.2-1]: nobody there would understand an answer.
  throw malformed('it is not of MQTT')
}

export function readConnect(cursor: Cursor, version: 4 | 5, topicLevels: number): Connect {
  const flags = cursor.u8()
  const wills = (flags & 4) !== 0
  const qos = (flags >> 3) & 3
  if ((flags & 1) !== 0) throw malformed('the reserved flag of CONNECT is set') // [MQTT-3.1.2-3]
  if (qos === 3 || (!wills && (flags & 0x38) !== 0)) throw malformed('its will flags contradict each other')
  // [MQTT-3.1.2-22] of 3.1.1; MQTT 5 allows a password alone.
  if (version === 4 && (flags & 0xc0) === 0x40) throw malformed('a password comes without a user name')
  const keepAlive = cursor.u16()
  if (version === 5) read.read(cursor, places.CONNECT)
  // The will's are read into the same object.
  const { sessionExpiry, receiveMaximum, maximumPacketSize, topicAliasMaximum } = read
  const { requestProblem, requestResponse, authMethod } = read
  const clientId = cursor.text()
  const will = wills ? readWill(cursor, version, flags, topicLevels) : null
  const user = (flags & 0x80) !== 0 ? cursor.text() : null
  const password = (flags & 0x40) !== 0 ? cursor.binary().toString('utf8') : null
  if (cursor.left > 0) throw malformed('something follows its end')
  const clean = (flags & 2) !== 0
  const common = { version, clean, keepAlive, clientId, will, user, password }
  if (version === 4) {
    return {
      ...common,
      sessionExpiry: clean ? 0 : NEVER,
      receiveMaximum: 65_535,
      maximumPacketSize: Infinity,
      topicAliasMaximum: 0,
      requestProblem: true,
      requestResponse: false,
      authMethod: null,
    }
  }
  return {
    ...common,
    sessionExpiry: Math.max(0, sessionExpiry),
    receiveMaximum: receiveMaximum < 0 ? 65_535 : receiveMaximum,
    maximumPacketSize: maximumPacketSize < 0 ? Infinity : maximumPacketSize,
    topicAliasMaximum: Math.max(0, topicAliasMaximum),
    requestProblem: requestProblem !== 0,
    requestResponse: requestResponse === 1,
    authMethod: authMethod,
  }
}

function readWill(cursor: Cursor, version: 4 | 5, flags: number, topicLevels: number): Will {
  if (version === 5) read.read(cursor, places.WILL)
  const { from, to, willDelay, messageExpiry } = read
  const { bytes } = cursor
  const topicBytes = cursor.binary()
  const topic = checkTopicName(topicBytes, topicLevels)
  const payload = cursor.binary()
  if (version === 5 && read.payloadFormat === 1 && !payload.equals(Buffer.from(payload.toString('utf8'))))
    throw protocolError('the will says it is UTF-8 and is not')
  const body = Buffer.alloc(2 + topicBytes.length + (version === 5 ? to - from : 1) + 4 + payload.length)
  let at = body.writeUInt16BE(topicBytes.length)
  at += topicBytes.copy(body, at)
  if (version === 5) at = copyLasting(bytes, from, to, body, at)
  else body[at++] = 0
  at += payload.copy(body, at)
  return {
    topic,
    body: body.subarray(0, at),
    qos: ((flags >> 3) & 3) as 0 | 1 | 2,
    retain: (flags & 0x20) !== 0,
    delaySeconds: version === 5 ? Math.max(0, willDelay) : 0,
    expirySeconds: version === 5 ? Math.max(0, messageExpiry) : 0,
  }
}
