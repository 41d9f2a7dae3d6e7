// What the broker itself must know of a message, and how it is written into records and snapshots. A front end fills one
// object again and again; what is kept of a message is a frozen copy, or nothing where there is nothing special about it.
//
//   flags  = varint: a bit for each field that follows, in the order of the bits
//   1 format: varint   2 priority: varint   4 expiry: varint, wall ms   8 delivery time: varint, wall ms
//   16 group: length varint, UTF-8   32 duplicate id: length varint, UTF-8, and when it came: varint, wall ms
//   64 manner: varint, QoS and 4 for retain
//   128 exactly once: session varint, packet id varint   256 topic: length varint, UTF-8
//   512 death: reason varint, count varint, when varint, wall ms, and the address: length varint, UTF-8

import type { NumberReader, NumberWriter } from './records.ts'

export const AMQP_FORMAT = 0
export const MQTT_FORMAT = 1

/** Why a message was taken out of its queue and put elsewhere, by their numbers. */
export const DEATHS = ['rejected', 'expired', 'deliveries', 'length'] as const
export type DeathReason = (typeof DEATHS)[number]

export interface Death {
  readonly reason: DeathReason
  /** Where it was: a queue, or `topic://` and a topic. */
  readonly address: string
  /** How often that happened to it so far. */
  readonly count: number
  /** Wall ms. */
  readonly at: number
}

export interface Envelope {
  /** Whose bytes the body is. */
  readonly format: number
  readonly priority: number
  /** Wall ms; 0: never. */
  readonly expiresAt: number
  /** Wall ms; 0: now. */
  readonly deliverAt: number
  readonly group: string
  /** By which its producer names it, so that it comes in once; '': nothing does. Not kept with the message. */
  readonly duplicateId: string
  /** When a message with such a name came, wall ms; the broker says so. */
  readonly cameAt: number
  readonly qos: 0 | 1 | 2
  readonly retain: boolean
  /** Identity of who published it, for subscriptions without what is their own; 0: none. Not kept. */
  readonly publisher: number
  /** Where it must be taken exactly once: the session and its packet identifier. Not kept with the message. */
  readonly session: number
  readonly packetId: number
  /** The topic it went to, where its body does not say so; '': none, or the body does. */
  readonly topic: string
  /** null: it is where its producer sent it. */
  readonly death: Death | null
}

export const DEFAULT_ENVELOPE: Envelope = Object.freeze({
  format: AMQP_FORMAT,
  priority: 4,
  expiresAt: 0,
  deliverAt: 0,
  group: '',
  duplicateId: '',
  cameAt: 0,
  qos: 1,
  retain: false,
  publisher: 0,
  session: 0,
  packetId: 0,
  topic: '',
  death: null,
})

/** Of messages that the broker itself publishes in the name of MQTT clients. */
export const MQTT_ENVELOPE: Envelope = Object.freeze({ ...DEFAULT_ENVELOPE, format: MQTT_FORMAT })

const NOT_KEPT = { publisher: 0, session: 0, packetId: 0, duplicateId: '', cameAt: 0 } as const

/** What stays with the message. */
export function keptEnvelope(envelope: Envelope): Envelope {
  if (envelope === DEFAULT_ENVELOPE) return envelope
  const { format, priority, expiresAt, deliverAt, group, qos, retain, topic, death } = envelope
  const isSpecial =
    format !== AMQP_FORMAT ||
    priority !== 4 ||
    expiresAt > 0 ||
    deliverAt > 0 ||
    qos !== 1 ||
    retain ||
    death !== null ||
    group + topic !== ''
  return isSpecial ? { ...envelope, ...NOT_KEPT } : DEFAULT_ENVELOPE
}

export function putEnvelope(numbers: NumberWriter, envelope: Envelope): void {
  const { format, priority, expiresAt, deliverAt, group, duplicateId, cameAt, qos, retain } = envelope
  const { session, packetId, topic, death } = envelope
  numbers.put(
    (format === AMQP_FORMAT ? 0 : 1) |
      (priority === 4 ? 0 : 2) |
      (expiresAt === 0 ? 0 : 4) |
      (deliverAt === 0 ? 0 : 8) |
      (group === '' ? 0 : 16) |
      (duplicateId === '' ? 0 : 32) |
      (qos === 1 && !retain ? 0 : 64) |
      (session === 0 ? 0 : 128) |
      (topic === '' ? 0 : 256) |
      (death === null ? 0 : 512),
  )
  if (format !== AMQP_FORMAT) numbers.put(format)
  if (priority !== 4) numbers.put(priority)
  if (expiresAt !== 0) numbers.put(expiresAt)
  if (deliverAt !== 0) numbers.put(deliverAt)
  if (group !== '') numbers.text(group)
  if (duplicateId !== '') {
    numbers.text(duplicateId)
    numbers.put(cameAt)
  }
  if (qos !== 1 || retain) numbers.put(qos | (retain ? 4 : 0))
  if (session !== 0) {
    numbers.put(session)
    numbers.put(packetId)
  }
  if (topic !== '') numbers.text(topic)
  if (death !== null) {
    numbers.put(DEATHS.indexOf(death.reason))
    numbers.put(death.count)
    numbers.put(death.at)
    numbers.text(death.address)
  }
}

export function takeEnvelope(numbers: NumberReader): Envelope {
  const flags = numbers.take()
  if (flags >= 1024) throw numbers.wrong('the message has flags of a newer version')
  if (flags === 0) return DEFAULT_ENVELOPE
  const format = (flags & 1) !== 0 ? numbers.take() : AMQP_FORMAT
  const priority = (flags & 2) !== 0 ? numbers.take() : 4
  const expiresAt = (flags & 4) !== 0 ? numbers.take() : 0
  const deliverAt = (flags & 8) !== 0 ? numbers.take() : 0
  const group = (flags & 16) !== 0 ? numbers.text() : ''
  const duplicateId = (flags & 32) !== 0 ? numbers.text() : ''
  const cameAt = (flags & 32) !== 0 ? numbers.take() : 0
  const manner = (flags & 64) !== 0 ? numbers.take() : 1
  if ((manner & 3) === 3 || manner > 7) throw numbers.wrong('a quality of service is impossible')
  const session = (flags & 128) !== 0 ? numbers.take() : 0
  const packetId = (flags & 128) !== 0 ? numbers.take() : 0
  const topic = (flags & 256) !== 0 ? numbers.text() : ''
  const death = (flags & 512) !== 0 ? takeDeath(numbers) : null
  const qos = (manner & 3) as 0 | 1 | 2
  const retain = (manner & 4) !== 0
  return {
    format,
    priority,
    expiresAt,
    deliverAt,
    group,
    duplicateId,
    cameAt,
    qos,
    retain,
    publisher: 0,
    session,
    packetId,
    topic,
    death,
  }
}

function takeDeath(numbers: NumberReader): Death {
  const reason = DEATHS[numbers.take()]
  if (reason === undefined) throw numbers.wrong('a message is dead for an unknown reason')
  const count = numbers.take()
  const at = numbers.take()
  return { reason, address: numbers.text(), count, at }
}
