// A record of a quarantine as a line that a person and a script can read: a message with where it went, its body and what it
// takes to send it again; everything else with what it speaks of. Whatever is not known is given as it is, in base64;
// nothing is left out but the values of settings, which hold what is kept of passwords.

import { BrokenPromise } from '../base/assert.ts'
import { AMQP_FORMAT, type Envelope, MQTT_ENVELOPE } from '../broker/envelope.ts'
import { decodeGroup } from '../broker/group-records.ts'
import { decodeMessage } from '../broker/message-record.ts'
import type { NeutralMessage } from '../broker/neutral.ts'
import {
  BOUND,
  brokerRecords,
  COMPLETED,
  decodeQueue,
  decodeRanges,
  DROPPED,
  GROUP,
  MESSAGE,
  PLACE,
  QUEUE,
  RECEIVED,
  RELEASED,
  RETAINED,
  RETURNED,
  ROUTED,
  SESSION,
  SESSION_AWAY,
  SESSION_ENDED,
  SETTING,
  SETTLED,
  UNBOUND,
} from '../broker/records.ts'
import { decodeRetained } from '../broker/retained.ts'
import type { SessionWill } from '../broker/session-api.ts'
import { decodeAway, decodeId, decodeNumbers, decodeSession } from '../broker/session-records.ts'
import { decodeSetting } from '../broker/settings.ts'
import { topicOf } from '../broker/topic-fold.ts'
import { decodeBound, decodeDropped, decodeRouted, decodeUnbound } from '../broker/topic-records.ts'
import type { RecordView } from '../journal/commit.ts'
import { readableBody } from '../protocols/amqp/readable.ts'
import { neutralOf } from './formats.ts'

const utf8 = new TextDecoder('utf-8', { fatal: true })

const base64 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64')

const KINDS: ReadonlySet<number> = new Set(Object.values(brokerRecords).map(({ kind }) => kind))

const foreverIsNull = (keepMs: number): number | null => (keepMs === Infinity ? null : keepMs)

/** Of a session: its client, and the queue that a record declared with this sequence; 0: it has none. */
export interface SessionOf {
  readonly client: string
  readonly queue: number
}

type BrokerRecord = RecordView & { readonly kind: (typeof brokerRecords)[keyof typeof brokerRecords]['kind'] }

const isBrokerRecord = (record: RecordView): record is BrokerRecord => KINDS.has(record.kind)

export class QuarantineLines {
  /** By the sequence of the record that declared the queue; those of sessions and subscriptions have names, too. */
  readonly #names: Map<number, string>
  /** By the sequence of the record that began the session. */
  readonly #sessions: Map<number, SessionOf>

  /** `queues`, `sessions`: those that were there before the first record of the quarantine. */
  constructor(queues: Iterable<readonly [number, string]>, sessions: Iterable<readonly [number, SessionOf]> = []) {
    this.#names = new Map(queues)
    this.#sessions = new Map(sessions)
  }

  /** Records are given in their order, so that a queue is known before its messages. */
  line(record: RecordView): object {
    const { sequence, epoch, kind, body } = record
    const raw = { sequence, epoch, kind }
    try {
      if (isBrokerRecord(record)) return this.#told(record, raw)
    } catch (error) {
      // Bytes that no broker wrote are shown as they are.
      if (error instanceof BrokenPromise) throw error
    }
    // What cannot be read of a setting may hold what is kept of a password all the same.
    return { record: 'other', ...raw, ...(kind === SETTING ? {} : { bytes: base64(body) }) }
  }

  #told(record: BrokerRecord, raw: object): object {
    switch (record.kind) {
      case QUEUE: {
        const queue = decodeQueue(record)
        this.#names.set(record.sequence, queue)
        return { record: 'queue', queue, ...raw }
      }
      case MESSAGE: {
        const { queue, envelope, body } = decodeMessage(record)
        return {
          record: 'message',
          ...this.#queue(queue),
          ...topicIn(body, envelope),
          ...raw,
          ...contentOf(body, envelope),
        }
      }
      case ROUTED: {
        const { queues, envelope, body } = decodeRouted(record)
        const to = queues.map(id => this.#queue(id))
        return { record: 'published', topic: topicOf(body, envelope), to, ...raw, ...contentOf(body, envelope) }
      }
      case RETAINED: {
        const { topic, envelope, body } = decodeRetained(record)
        const content = body.length === 0 ? {} : contentOf(body, envelope)
        return { record: body.length === 0 ? 'retained-no-more' : 'retained', topic, ...raw, ...content }
      }
      case SETTLED:
      case RETURNED: {
        const { queue, count, bounds } = decodeRanges(record)
        const ranges: [number, number][] = []
        for (let i = 0; i < bounds.length; i += 2) ranges.push([bounds[i] as number, bounds[i + 1] as number])
        const word = record.kind === SETTLED ? 'settled' : 'returned'
        return { record: word, ...this.#queue(queue), ...raw, count, ranges }
      }
      case GROUP:
        return { record: 'transaction', ...raw, parts: decodeGroup(record).map(part => this.line(part)) }
      case DROPPED:
        return { record: 'dropped', ...this.#queue(decodeDropped(record)), ...raw }
      case BOUND:
      case UNBOUND: {
        const bound = record.kind === BOUND
        const { queue, filter } = bound ? decodeBound(record) : decodeUnbound(record)
        return { record: bound ? 'bound' : 'unbound', ...this.#queue(queue), filter, ...raw }
      }
      case SESSION: {
        const { id, queue, keepMs, clientId: client, user, will } = decodeSession(record)
        this.#sessions.set(id === 0 ? record.sequence : id, { client, queue })
        const begun = id === 0 ? 'session' : 'session-back'
        const kept = { keepMs: foreverIsNull(keepMs), ...this.#queueOf(queue) }
        return { record: begun, client, user, ...kept, ...raw, ...(will === null ? {} : { will: willOf(will) }) }
      }
      case SESSION_AWAY: {
        const { id, since, keepMs, withWill } = decodeAway(record)
        return { record: 'session-away', ...this.#session(id), since, keepMs: foreverIsNull(keepMs), withWill, ...raw }
      }
      case SESSION_ENDED:
        return { record: 'session-ended', ...this.#session(decodeId(record)), ...raw }
      case RELEASED: {
        const { id, values: packetIds } = decodeNumbers(record)
        return { record: 'released', ...this.#session(id), ...raw, packetIds }
      }
      case RECEIVED:
      case COMPLETED: {
        const { id, values: sequences } = decodeNumbers(record)
        return { record: record.kind === RECEIVED ? 'received' : 'completed', ...this.#session(id), ...raw, sequences }
      }
      case SETTING: {
        const { key, value } = decodeSetting(record)
        return { record: value === '' ? 'setting-removed' : 'setting', key, ...raw }
      }
      case PLACE:
        return { record: 'place', ...raw }
    }
  }

  /** A session's number in the lines, its client and its queue, as far as they are known. */
  #session(begunBy: number): object {
    const known = this.#sessions.get(begunBy)
    return { client: known?.client ?? null, begunBy, ...this.#queueOf(known?.queue ?? 0) }
  }

  /** Nothing for none. */
  #queueOf(declaredBy: number): object {
    return declaredBy === 0 ? {} : this.#queue(declaredBy)
  }

  #queue(declaredBy: number): object {
    return { queue: this.#names.get(declaredBy) ?? null, declaredBy }
  }
}

/** Messages in a queue that came by a topic: those of sessions, and dead letters. */
function topicIn(body: Uint8Array, envelope: Envelope): object {
  const topic = topicOf(body, envelope)
  return topic === '' ? {} : { topic }
}

function willOf({ topic, body, qos, retain, delayMs, expiryMs }: SessionWill): object {
  return { topic, delayMs, expiryMs, ...contentOf(body, { ...MQTT_ENVELOPE, qos, retain }) }
}

/** What it takes to send a message again; `message`: all of it, as its protocol encodes it. */
function contentOf(body: Uint8Array, envelope: Envelope): object {
  const { format, qos, retain, priority, expiresAt, deliverAt, group, duplicateId, death } = envelope
  const isAmqp = format === AMQP_FORMAT
  const found = neutral(body, envelope)
  const { contentType = null, replyTo = null, correlation = null, properties = [] } = found ?? {}
  // Of AMQP what is data, or a string or binary; the neutral form makes JSON of everything else.
  const readable = isAmqp ? readableBody(body) : found && { bytes: found.payload, text: textOf(found.payload) }
  return {
    protocol: isAmqp ? 'AMQP' : 'MQTT',
    body: readable && base64(readable.bytes),
    text: readable?.text ?? null,
    ...(isAmqp ? { priority } : { qos, retain }),
    ...(contentType === null ? {} : { contentType }),
    ...(replyTo === null ? {} : { replyTo }),
    ...(correlation === null ? {} : { correlation: base64(correlation) }),
    ...(properties.length === 0 ? {} : { properties }),
    ...(expiresAt === 0 ? {} : { expiresAt }),
    ...(deliverAt === 0 ? {} : { deliverAt }),
    ...(group === '' ? {} : { group }),
    ...(duplicateId === '' ? {} : { duplicateId }),
    ...(death === null ? {} : { death }),
    message: base64(body),
  }
}

/** null: its bytes are no message of its protocol. */
function neutral(body: Uint8Array, envelope: Envelope): NeutralMessage | null {
  try {
    return neutralOf(body, envelope)
  } catch (error) {
    if (error instanceof BrokenPromise) throw error
    return null
  }
}

function textOf(bytes: Uint8Array): string | null {
  try {
    return utf8.decode(bytes)
  } catch {
    return null
  }
}
