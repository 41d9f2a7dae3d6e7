// AMQP messages for clients of other protocols, and theirs for ours (docs/mapping.md). Whole messages are decoded here, and
// only here: for a consumer that speaks another protocol than the producer.

import type { Envelope } from '../../broker/envelope.ts'
import type { Format, NeutralMessage } from '../../broker/neutral.ts'
import { Decoder } from './decode.ts'
import { encode } from './encode.ts'
import type { AmqpLimits } from './limits.ts'
import { codesByName } from './performatives.ts'
import type { Value } from './types.ts'
import { asBuffer, binary, bool, described, list, map, NULL, str, sym, ubyte } from './types.ts'

const HEADER = 0x70
const PROPERTIES = 0x73
const APPLICATION = 0x74
const DATA = 0x75
const SEQUENCE = 0x76
const VALUE = 0x77
/** Of an amqp-value that is neither text nor bytes. */
const JSON_TYPE = 'application/json'

/** Fields of the properties section, by their places (section 3.2.4). */
const REPLY_TO = 4
const CORRELATION = 5
const CONTENT_TYPE = 6

export const amqpFormat = (limits: AmqpLimits): Format => ({
  read: (body, envelope) => read(body, envelope, limits),
  write,
})

function read(body: Uint8Array, { topic }: Envelope, limits: AmqpLimits): NeutralMessage {
  const bytes = asBuffer(body)
  const decoder = new Decoder(bytes, 0, bytes.length, limits)
  let fields: readonly Value[] = []
  const properties: [string, string][] = []
  const data: Uint8Array[] = []
  let value: Value | null = null
  while (decoder.at < bytes.length) {
    const section = decoder.descriptor(codesByName)
    const content = decoder.value()
    if (section === PROPERTIES && content.type === 'list') fields = content.value
    else if (section === APPLICATION && content.type === 'map') properties.push(...pairs(content.value))
    else if (section === DATA && content.type === 'binary') data.push(content.value)
    else if (section === VALUE || section === SEQUENCE) value = content
  }
  const correlation = fields[CORRELATION]
  const said = fields[CONTENT_TYPE]
  const { payload, isText, contentType } =
    value === null ? { payload: joined(data), isText: false, contentType: null } : bodyOf(value)
  return {
    topic,
    payload,
    isText,
    contentType: said?.type === 'symbol' ? said.value : contentType,
    replyTo: textOf(fields[REPLY_TO]),
    correlation: correlation === undefined ? null : bytesOf(correlation),
    properties,
  }
}

const joined = (pieces: readonly Uint8Array[]): Uint8Array =>
  pieces.length === 1 ? (pieces[0] as Uint8Array) : Buffer.concat(pieces)

function bodyOf(value: Value): { payload: Uint8Array; isText: boolean; contentType: string | null } {
  if (value.type === 'binary') return { payload: value.value, isText: false, contentType: null }
  if (value.type === 'string') return { payload: Buffer.from(value.value), isText: true, contentType: null }
  if (value.type === 'null') return { payload: Buffer.alloc(0), isText: false, contentType: null }
  return { payload: Buffer.from(JSON.stringify(plain(value))), isText: true, contentType: JSON_TYPE }
}

/** As JSON has it: what it lacks becomes text. */
function plain(value: Value): unknown {
  switch (value.type) {
    case 'list':
    case 'array':
      return value.value.map(plain)
    case 'map': {
      const made: Record<string, unknown> = {}
      for (let i = 0; i + 1 < value.value.length; i += 2)
        made[textOf(value.value[i]) ?? ''] = plain(value.value[i + 1] as Value)
      return made
    }
    case 'described':
      return plain(value.value)
    case 'long':
    case 'ulong':
    case 'timestamp': {
      const number = Number(value.value)
      return Number.isSafeInteger(number) ? number : String(value.value)
    }
    case 'binary':
    case 'uuid':
    case 'decimal32':
    case 'decimal64':
    case 'decimal128':
      return Buffer.from(value.value).toString('base64')
    case 'char':
      return String.fromCodePoint(value.value)
    default:
      return value.value
  }
}

const pairs = (entries: readonly Value[]): [string, string][] => {
  const found: [string, string][] = []
  for (let i = 0; i + 1 < entries.length; i += 2) {
    const name = textOf(entries[i])
    if (name !== null) found.push([name, textOf(entries[i + 1]) ?? ''])
  }
  return found
}

/** What is simple as text; null for nothing. */
function textOf(value: Value | undefined): string | null {
  if (value === undefined || value.type === 'null') return null
  const found = plain(value)
  return typeof found === 'string' ? found : JSON.stringify(found)
}

const bytesOf = (value: Value): Uint8Array | null => {
  if (value.type === 'binary' || value.type === 'uuid') return value.value
  const text = textOf(value)
  return text === null ? null : Buffer.from(text)
}

function write(message: NeutralMessage, { priority, expiresAt, qos }: Envelope): Uint8Array {
  const { topic, payload, isText, contentType, replyTo, correlation, properties } = message
  const to = topic === '' ? NULL : str(`topic://${topic}`)
  const fields = [
    NULL,
    NULL,
    to,
    NULL,
    replyTo === null ? NULL : str(replyTo),
    correlation === null ? NULL : binary(correlation),
    contentType === null ? NULL : sym(contentType),
    NULL,
    expiresAt === 0 ? NULL : ({ type: 'timestamp', value: BigInt(expiresAt) } as const),
  ]
  const sections = [
    described(HEADER, list([bool(qos > 0), ubyte(priority)])),
    described(PROPERTIES, list(fields)),
    // A map has each name once: of several values the last one counts.
    ...(properties.length > 0
      ? [described(APPLICATION, map([...new Map(properties)].flatMap(([name, value]) => [str(name), str(value)])))]
      : []),
    isText ? described(VALUE, str(Buffer.from(payload).toString('utf8'))) : described(DATA, binary(payload)),
  ]
  return Buffer.concat(sections.map(encode))
}
