// The way in: what a client publishes, straight from the receive buffer to the broker. A message's stored form (topic,
// properties, payload) lies in the packet already, but for the packet identifier and, with MQTT 3.1.1, for the empty
// properties: the topic is moved by a byte or two in place, so that nothing else is copied. Answers go out in the order in
// which the broker gives them, written in place too.

import { DEFAULT_ENVELOPE, type Envelope, type Producer, type PublishTarget, type Refusal } from '../../broker/api.ts'
import { Known } from '../../broker/known.ts'
import { fault, malformed, protocolError, refusals } from './errors.ts'
import type { Host } from './host.ts'
import { Cursor, packets } from './packets.ts'
import { copyLasting, places, Properties } from './properties.ts'
import { reasons } from './reasons.ts'
import { checkTopicName } from './topics.ts'

/** A tag is the packet identifier, and this for QoS 2. */
const EXACTLY_ONCE = 0x1_0000

const read = new Properties()
const cursor = new Cursor()

export class Inbound implements Producer {
  readonly #host: Host
  /** Topics by their bytes as Latin-1. */
  readonly #known: Known<PublishTarget>
  readonly #aliases: (Buffer | undefined)[] = []
  /** QoS 2: identifiers whose PUBREL has not come; true once PUBREC went out. */
  readonly #held = new Map<number, boolean>()
  /**
   * Publishes that are not answered: to the end with MQTT 5, as Receive Maximum counts; up to PUBREC with 3.1.1, as PUBREL comes
   * behind more of them, from a client that is not read while they are too many.
   */
  #unanswered = 0
  /** The topic of the last publish, as it lay in its packet: most clients stay with one. */
  #lastTopic = Buffer.alloc(0)
  #lastTarget: PublishTarget | null = null
  /** What became of the publish under way, if the broker said so at once. */
  #refused: Refusal | null = null
  #publishing = false
  readonly #envelope: { -readonly [K in keyof Envelope]: Envelope[K] }

  constructor(host: Host, publisher: number) {
    this.#host = host
    this.#known = new Known(host.limits.knownTopics, host.limits.knownTopicsLength)
    this.#envelope = { ...DEFAULT_ENVELOPE, format: 1, publisher }
  }

  /** False: it can't be taken now, nothing was done, and `resume` of the reader will bring it again. */
  publish(first: number, bytes: Buffer, at: number, end: number): boolean {
    const qos = (first >> 1) & 3
    if (qos === 3) throw malformed('its QoS is 3') // [MQTT-3.3.1-4]
    if (qos === 0 && (first & 8) !== 0) throw malformed('DUP is set with QoS 0') // [MQTT-3.3.1-2]
    const five = this.#host.version === 5
    if (at + 2 > end) throw malformed('it ends too early')
    const topicEnd = at + 2 + (((bytes[at] as number) << 8) | (bytes[at + 1] as number))
    let after = topicEnd
    let id = 0
    if (qos > 0) {
      if (topicEnd + 2 > end) throw malformed('it ends too early')
      id = ((bytes[topicEnd] as number) << 8) | (bytes[topicEnd + 1] as number)
      after = topicEnd + 2
      if (id === 0) throw protocolError('a packet identifier is 0') // [MQTT-2.2.1-3]
    } else if (topicEnd > end) throw malformed('its topic goes beyond its end')
    let alias = -1
    let mixed = false
    let expiry = -1
    let payloadAt = after
    this.#envelope.duplicateId = ''
    if (five) {
      if (bytes[after] === 0 && after < end) payloadAt = after + 1
      else {
        read.read(cursor.set(bytes, after, end), places.PUBLISH)
        payloadAt = read.to
        ;({ topicAlias: alias, mixed, messageExpiry: expiry, duplicateId: this.#envelope.duplicateId } = read)
      }
    }
    const target = alias < 0 ? this.#target(bytes, at, topicEnd) : this.#aliased(bytes, at, topicEnd, alias)
    if (qos > 0 && !this.#begin(qos, id)) return true
    let body: Buffer
    if (mixed) body = this.#rebuilt(bytes, at, topicEnd, after, payloadAt, end, alias)
    else {
      // The topic moves up to what follows it: over the packet identifier, or back by the byte that 3.1.1 lacks.
      const gap = five ? after - topicEnd : after - topicEnd - 1
      if (gap !== 0) move(bytes, at, topicEnd, gap)
      if (!five) bytes[topicEnd + gap] = 0
      body = bytes.subarray(at + gap, end)
    }
    const taken = this.#give(target, body, qos, (first & 1) !== 0, id, expiry)
    if (taken) return true
    // Not taken now: as if it had never come, so the topic goes back, and what followed it.
    if (qos > 0) this.#forget(qos, id)
    if (!mixed) {
      const gap = five ? after - topicEnd : after - topicEnd - 1
      if (gap !== 0) move(bytes, at + gap, topicEnd + gap, -gap)
      if (qos > 0) bytes.writeUInt16BE(id, topicEnd)
    }
    return false
  }

  /** False where nothing more is to be done with it: a QoS 2 message that came before. */
  #begin(qos: number, id: number): boolean {
    const host = this.#host
    if (qos === 2) {
      const answered = this.#held.get(id)
      if (answered === true) host.answer(packets.PUBREC, id, reasons.SUCCESS)
      // The session answers for what came on an earlier connection.
      if (answered !== undefined || host.repeated(id)) return false
      this.#held.set(id, false)
    }
    if (++this.#unanswered > host.limits.receiveMaximum) {
      if (host.version === 5) throw fault('RECEIVE-MAX', { limit: host.limits.receiveMaximum })
      host.answered(this.#unanswered)
    }
    return true
  }

  #forget(qos: number, id: number): void {
    this.#unanswered--
    if (qos === 2) this.#held.delete(id)
  }

  #give(target: PublishTarget | Refusal, body: Buffer, qos: number, retain: boolean, id: number, expiry: number) {
    if ('refused' in target) {
      if (qos === 0) this.#host.dropped('refused')
      else this.#refuse(qos, id, target)
      return true
    }
    const envelope = this.#envelope
    envelope.qos = qos as 0 | 1 | 2
    envelope.retain = retain
    envelope.expiresAt = expiry < 0 ? 0 : this.#host.wall() + expiry * 1000
    const once = qos === 2 && this.#host.sessionId > 0
    envelope.session = once ? this.#host.sessionId : 0
    envelope.packetId = once ? id : 0
    this.#refused = null
    this.#publishing = true
    target.publish(body, qos === 0 ? null : this, qos === 2 ? id + EXACTLY_ONCE : id, envelope)
    this.#publishing = false
    const refused = this.#refused as Refusal | null
    if (refused === null) return true
    if (this.#waits(refused, target)) return false
    this.#refuse(qos, id, refused)
    return true
  }

  /** MQTT 3.1.1 has no word for "not now": the client is not read until there is room. */
  #waits(refused: Refusal, target: PublishTarget): boolean {
    if (this.#host.version === 5 || (refused.refused !== 'queue-full' && refused.refused !== 'limit')) return false
    this.#host.waitForRoom(target)
    return true
  }

  published(tag: number, refusal: Refusal | null): void {
    const host = this.#host
    if (refusal === null) {
      if (tag < EXACTLY_ONCE) {
        this.#unanswered--
        host.answer(packets.PUBACK, tag, reasons.SUCCESS)
      } else {
        const id = tag - EXACTLY_ONCE
        if (host.version === 4) this.#unanswered--
        this.#held.set(id, true)
        host.answer(packets.PUBREC, id, reasons.SUCCESS)
      }
      host.answered(this.#unanswered)
    } else if (this.#publishing) this.#refused = refusal
    else this.#refuse(tag < EXACTLY_ONCE ? 1 : 2, tag % EXACTLY_ONCE, refusal)
  }

  #refuse(qos: number, id: number, refusal: Refusal): void {
    const host = this.#host
    this.#forget(qos, id)
    // Nobody is told anything by a server that does not serve: its connections end.
    if (refusal.refused === 'not-serving') return
    if (host.version === 4) {
      // [MQTT-3.3.5-2] of 3.1.1: a positive answer, or none and the end.
      host.fail(fault(refusal.refused.startsWith('not-') ? 'NOT-ALLOWED' : 'QUOTA', { why: refusal.text }))
      return
    }
    host.answer(qos === 1 ? packets.PUBACK : packets.PUBREC, id, refusals[refusal.refused], refusal.text)
    host.answered(this.#unanswered)
  }

  /** PUBREL: the identifier may be used again once that is safe. */
  release(id: number): void {
    const host = this.#host
    const known = this.#held.delete(id)
    if (known && host.version === 5) this.#unanswered--
    if (host.sessionId > 0) host.release(id)
    else host.answer(packets.PUBCOMP, id, known ? reasons.SUCCESS : reasons.PACKET_ID_NOT_FOUND)
    host.answered(this.#unanswered)
  }

  // ---- topics

  #target(bytes: Buffer, at: number, topicEnd: number): PublishTarget | Refusal {
    const last = this.#lastTopic
    const length = topicEnd - at
    if (this.#lastTarget !== null && last.length === length) {
      let same = 0
      while (same < length && last[same] === bytes[at + same]) same++
      if (same === length) return this.#lastTarget
    }
    const target = this.#look(bytes, at + 2, topicEnd)
    if (!('refused' in target)) {
      this.#lastTopic = Buffer.from(bytes.subarray(at, topicEnd))
      this.#lastTarget = target
    }
    return target
  }

  #look(bytes: Buffer, at: number, end: number): PublishTarget | Refusal {
    const key = bytes.toString('latin1', at, end)
    const known = this.#known.get(key)
    if (known !== undefined) return known
    // [MQTT-3.3.2-8]: only an alias stands in for a topic.
    if (at === end && this.#host.version === 5) throw protocolError('it has neither topic nor alias')
    const topic = checkTopicName(bytes.subarray(at, end), this.#host.limits.topicLevels)
    const target = this.#host.target(topic)
    if ('refused' in target) return target
    this.#known.add(key, target)
    return target
  }

  #aliased(bytes: Buffer, at: number, topicEnd: number, alias: number): PublishTarget | Refusal {
    const { topicAliases } = this.#host.limits
    // [MQTT-3.3.2-8, 3.3.2-9]
    if (alias === 0 || alias > topicAliases) throw fault('ALIAS', { alias, limit: topicAliases })
    if (topicEnd > at + 2) {
      const target = this.#target(bytes, at, topicEnd)
      this.#aliases[alias] = Buffer.from(bytes.subarray(at, topicEnd))
      return target
    }
    const topic = this.#aliases[alias]
    if (topic === undefined) throw protocolError(`the topic alias ${alias} stands for nothing yet`)
    return this.#target(topic, 0, topic.length)
  }

  /** The body without what is only of this hop, in memory of its own. */
  #rebuilt(b: Buffer, at: number, topicEnd: number, listAt: number, payloadAt: number, end: number, alias: number) {
    const topic = topicEnd > at + 2 ? b.subarray(at, topicEnd) : (this.#aliases[alias] as Buffer)
    const body = Buffer.allocUnsafe(topic.length + end - listAt + 4)
    let to = topic.copy(body)
    to = copyLasting(b, listAt, payloadAt, body, to)
    to += b.copy(body, to, payloadAt, end)
    return body.subarray(0, to)
  }
}

/** Moves the bytes from `at` to `end` by `gap`: a topic is too short for a native call to pay. */
function move(bytes: Buffer, at: number, end: number, gap: number): void {
  if (end - at > 64) bytes.copyWithin(at + gap, at, end)
  else if (gap > 0) for (let i = end - 1; i >= at; i--) bytes[i + gap] = bytes[i] as number
  else for (let i = at; i < end; i++) bytes[i + gap] = bytes[i] as number
}
