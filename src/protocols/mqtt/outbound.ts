// Writes PUBLISH to one client, straight from the stored form of a message into the page that goes out. Where one message
// goes to many clients in the same form, the first one's packet is copied as a whole, with its own packet identifier.
//
//   body of a message: topic length u16 | topic | properties with their length first | payload

import type { Output } from '../output.ts'
import { putVarint, varintBytes } from './packets.ts'
import { properties } from './properties.ts'

const PUBLISH = 0x30
const DUP = 8
/** Below this a loop is faster than a native copy. */
const SHORT = 40

/** Where the parts of the body lie that was asked for last. */
const layout = { body: Buffer.alloc(0) as Buffer, of: null as Uint8Array | null, topicEnd: 0, listAt: 0, listEnd: 0 }

interface Form {
  readonly out: Output
  /** Of the output, when it was written there. */
  readonly round: number
  page: Buffer
  start: number
  end: number
  idAt: number
}
/** The last message as it was written for each form: version 4 or 5, QoS. */
const forms: (Form | null)[] = [null, null, null, null, null, null]

function look(body: Uint8Array): void {
  if (layout.of === body) return
  forms.fill(null)
  const bytes = Buffer.isBuffer(body) ? body : Buffer.from(body.buffer, body.byteOffset, body.length)
  layout.of = body
  layout.body = bytes
  layout.topicEnd = 2 + (((bytes[0] as number) << 8) | (bytes[1] as number))
  let at = layout.topicEnd
  let length = 0
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[at++] as number
    length |= (byte & 127) << shift
    if (byte < 128) break
  }
  layout.listAt = at
  layout.listEnd = at + length
}

function put(page: Buffer, at: number, bytes: Buffer, from: number, to: number): number {
  if (to - from <= SHORT) {
    let place = at
    for (let i = from; i < to; i++) page[place++] = bytes[i] as number
    return place
  }
  bytes.copy(page, at, from, to)
  return at + to - from
}

export interface Extras {
  /** Subscription identifiers. */
  readonly ids: readonly number[]
  /** Seconds until the message expires; negative: it does not. */
  readonly expirySeconds: number
}

const NO_EXTRAS: Extras = { ids: [], expirySeconds: -1 }

export class Outbound {
  readonly #out: Output
  readonly #version: 4 | 5
  /** Largest packet that the client takes. */
  readonly #packetBytes: number
  readonly #aliases: Map<string, number> | null
  readonly #mostAliases: number

  constructor(out: Output, version: 4 | 5, packetBytes: number, aliases: number) {
    this.#out = out
    this.#version = version
    this.#packetBytes = packetBytes
    this.#aliases = version === 5 && aliases > 0 ? new Map() : null
    this.#mostAliases = aliases
  }

  /** Writes one publish; false where the client does not take packets of its size [MQTT-3.1.2-24]. */
  publish(body: Uint8Array, qos: number, retain: boolean, again: boolean, id: number, extras: Extras | null): boolean {
    look(body)
    const first = PUBLISH | (again ? DUP : 0) | (qos << 1) | (retain ? 1 : 0)
    if (extras !== null && this.#version === 5) return this.#general(first, id, extras)
    if (this.#aliases !== null) return this.#general(first, id, NO_EXTRAS)
    const form = forms[(this.#version - 4) * 3 + qos]
    // A retained message is the same object each time, and its first packet may be long gone.
    if (form && form.out.rounds === form.round) return this.#copy(form, first, id)
    return this.#plain(first, qos, id)
  }

  #copy({ page: from, start, end, idAt }: Form, first: number, id: number): boolean {
    const size = end - start
    if (size > this.#packetBytes) return false
    const out = this.#out
    out.reserve(size)
    const { page, at } = out
    put(page, at, from, start, end)
    page[at] = first
    if (idAt > 0) {
      page[at + idAt] = id >> 8
      page[at + idAt + 1] = id & 255
    }
    out.at = at + size
    return true
  }

  #plain(first: number, qos: number, id: number): boolean {
    const { body, topicEnd, listEnd } = layout
    const version = this.#version
    const restAt = version === 5 ? topicEnd : listEnd
    const length = topicEnd + (qos > 0 ? 2 : 0) + body.length - restAt
    const size = 1 + varintBytes(length) + length
    if (size > this.#packetBytes) return false
    const out = this.#out
    out.reserve(size)
    const { page, at: start } = out
    page[start] = first
    let at = putVarint(page, start + 1, length)
    let idAt = 0
    if (qos === 0 && version === 5) at = put(page, at, body, 0, body.length)
    else {
      at = put(page, at, body, 0, topicEnd)
      if (qos > 0) {
        idAt = at - start
        page[at++] = id >> 8
        page[at++] = id & 255
      }
      at = put(page, at, body, restAt, body.length)
    }
    out.at = at
    forms[(version - 4) * 3 + qos] = { out, round: out.rounds, page, start, end: at, idAt }
    return true
  }

  /** With properties of this hop: subscription identifiers, what is left of the expiry, a topic alias. */
  #general(first: number, id: number, { ids, expirySeconds }: Extras): boolean {
    const { body, topicEnd, listAt, listEnd } = layout
    const qos = (first >> 1) & 3
    const before = this.#aliases?.size ?? 0
    const alias = this.#alias(body, topicEnd)
    const fresh = (this.#aliases?.size ?? 0) > before
    let own = alias > 0 ? 3 : 0
    if (expirySeconds >= 0) own += 5
    for (const each of ids) own += 1 + varintBytes(each)
    const list = own + listEnd - listAt
    const topicBytes = alias > 0 && !fresh ? 2 : topicEnd
    const length = topicBytes + (qos > 0 ? 2 : 0) + varintBytes(list) + list + body.length - listEnd
    const size = 1 + varintBytes(length) + length
    if (size > this.#packetBytes) {
      // The client did not learn of the alias.
      if (fresh) this.#aliases?.delete(body.toString('latin1', 2, topicEnd))
      return false
    }
    const out = this.#out
    out.reserve(size)
    const { page } = out
    page[out.at] = first
    let at = putVarint(page, out.at + 1, length)
    if (topicBytes === 2) at = page.writeUInt16BE(0, at)
    else at = put(page, at, body, 0, topicEnd)
    if (qos > 0) at = page.writeUInt16BE(id, at)
    at = putVarint(page, at, list)
    if (alias > 0) {
      page[at++] = properties.topicAlias.id
      at = page.writeUInt16BE(alias, at)
    }
    if (expirySeconds >= 0) {
      page[at++] = properties.messageExpiry.id
      at = page.writeUInt32BE(expirySeconds, at)
    }
    for (const each of ids) {
      page[at++] = properties.subscriptionId.id
      at = putVarint(page, at, each)
    }
    at = put(page, at, body, listAt, listEnd)
    out.at = put(page, at, body, listEnd, body.length)
    return true
  }

  /** The alias of this topic, a new one while there are some, or 0. */
  #alias(body: Buffer, topicEnd: number): number {
    const aliases = this.#aliases
    if (aliases === null) return 0
    const topic = body.toString('latin1', 2, topicEnd)
    const known = aliases.get(topic)
    if (known !== undefined) return known
    if (aliases.size >= this.#mostAliases) return 0
    aliases.set(topic, aliases.size + 1)
    return aliases.size
  }
}
