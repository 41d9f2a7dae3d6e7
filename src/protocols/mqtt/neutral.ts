// MQTT messages for clients of other protocols, and theirs for ours (docs/mapping.md). The body of a message is as
// outbound.ts has it: topic length u16 | topic | properties with their length first | payload

import { TOPIC_SCHEME } from '../../broker/api.ts'
import type { Format, NeutralMessage } from '../../broker/neutral.ts'
import { putVarint, varintBytes } from './packets.ts'
import { properties } from './properties.ts'

const { payloadFormat, contentType, responseTopic, correlationData, userProperty } = properties
const LONGEST = 65_535

export const mqttFormat: Format = { read, write }

/** The same message under another topic. */
export function readdressed(body: Uint8Array, topic: string): Uint8Array {
  const name = Buffer.from(topic)
  const from = 2 + (((body[0] as number) << 8) | (body[1] as number))
  return Buffer.concat([Buffer.of(name.length >> 8, name.length & 255), name, body.subarray(from)])
}

function read(body: Uint8Array): NeutralMessage {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.length)
  let at = 0
  const text = (): string => {
    const end = at + 2 + bytes.readUInt16BE(at)
    const found = bytes.toString('utf8', at + 2, end)
    at = end
    return found
  }
  const topic = text()
  let length = 0
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[at++]
    // Without it a body that ends here would be read for ever.
    if (byte === undefined || shift > 21) throw new RangeError('the properties have no length')
    length |= (byte & 127) << shift
    if (byte < 128) break
  }
  const end = at + length
  const found = { isText: false, contentType: null as string | null, replyTo: null as string | null, correlation: null as Uint8Array | null } // prettier-ignore
  const pairs: [string, string][] = []
  while (at < end) {
    const id = bytes[at++]
    if (id === payloadFormat.id) found.isText = bytes[at++] === 1
    else if (id === contentType.id) found.contentType = text()
    else if (id === responseTopic.id) found.replyTo = TOPIC_SCHEME + text()
    else if (id === correlationData.id) {
      const stop = at + 2 + bytes.readUInt16BE(at)
      found.correlation = bytes.subarray(at + 2, stop)
      at = stop
    } else if (id === userProperty.id) pairs.push([text(), text()])
    else break // those of one hop are not kept (properties.ts): there is no other
  }
  return { topic, payload: bytes.subarray(end), properties: pairs, ...found }
}

function write(message: NeutralMessage): Uint8Array {
  const { topic, payload, isText, contentType: type, replyTo, correlation } = message
  const pieces: Buffer[] = []
  const put = (id: number, ...values: (string | Uint8Array)[]): void => {
    const encoded = values.map(value => Buffer.from(value as string))
    // What MQTT can't carry is left out, not cut.
    if (encoded.some(each => each.length > LONGEST)) return
    pieces.push(Buffer.of(id))
    for (const each of encoded) pieces.push(Buffer.of(each.length >> 8, each.length & 255), each)
  }
  if (isText) pieces.push(Buffer.of(payloadFormat.id, 1))
  if (type !== null) put(contentType.id, type)
  // An answer can only go to a topic.
  if (replyTo?.startsWith(TOPIC_SCHEME) === true) put(responseTopic.id, replyTo.slice(TOPIC_SCHEME.length))
  if (correlation !== null) put(correlationData.id, correlation)
  for (const [name, value] of message.properties) put(userProperty.id, name, value)
  const list = Buffer.concat(pieces)
  const name = Buffer.from(topic)
  const head = Buffer.alloc(2 + name.length + varintBytes(list.length))
  head.writeUInt16BE(name.length)
  name.copy(head, 2)
  putVarint(head, 2 + name.length, list.length)
  return Buffer.concat([head, list, payload])
}
