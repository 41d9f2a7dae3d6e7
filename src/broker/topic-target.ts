// The way in to a topic: who wants the message is known from the last time, listeners hear it at once, and queues get it by
// one record, whatever their number. Without queues, retention and exactly-once there is no record, and the answer is given
// at once, or behind those that the producer still waits for.

import { type Producer, type PublishTarget, TOPIC_SCHEME } from './api.ts'
import { gradeOf, joinedGrade, unwanted } from './binding.ts'
import type { PropertyReader } from './neutral.ts'
import { isHeld } from './bodies.ts'
import { type Draft, NO_PLANS } from './draft.ts'
import { answerDuplicate, cameNow, duplicateIdFault, knownAs } from './duplicate-ids.ts'
import { DEFAULT_ENVELOPE, type Envelope, keptEnvelope, MQTT_FORMAT } from './envelope.ts'
import { notServing, storeFault } from './intake.ts'
import { costOf } from './limits.ts'
import { Message, Standing } from './message.ts'
import type { Policies } from './policies.ts'
import { limited, type Policy } from './policy.ts'
import type { Queue } from './queue.ts'
import type { RecordGround } from './record-ground.ts'
import { NOTHING, RETAINED, ROUTED } from './records.ts'
import type { Refusal } from './refusal.ts'
import { encodeRetainedHead } from './retained.ts'
import type { State } from './state.ts'
import { whenRoom } from './room.ts'
import { RetainedChange, RoutedChange } from './topic-changes.ts'
import { encodeRouted } from './topic-records.ts'
import { type Binding, type Listeners, NO_ROUTES, type Routes, type Topics } from './topics.ts'

export interface RoutingGround extends RecordGround {
  readonly state: State
  readonly topics: Topics
  readonly properties: PropertyReader
  readonly policies: Pick<Policies, 'version' | 'ofTopic'>
  /** Room in queues whose oldest messages give way. */
  readonly oldest: { makesRoom(queue: Queue, bodyBytes: number): boolean }
  /** Tells the listeners, or keeps it for when they may be told; false where no more can be kept. */
  tell(listeners: Listeners, body: Uint8Array, envelope: Envelope, may: boolean): boolean
  /** A message did not go into a full queue; its publisher and others are not held up by that. */
  overflow(queue: Queue): void
  /** Where messages to topics wait that are not to be published yet; null: it is time for this one. */
  laterFor(envelope: Envelope): PublishTarget | Refusal | null
  /** Exactly once: the packet identifier is used, though that is not safe yet; the answer makes it known to the state. */
  claim(session: number, packetId: number): () => void
}

export class TopicTarget implements PublishTarget {
  readonly topic: string
  readonly #ground: RoutingGround
  #routes: Routes = NO_ROUTES
  /** What is settled for its messages, as of a version of all that is. */
  #life: Policy['life'] = null
  #lifeVersion = -1

  constructor(topic: string, ground: RoutingGround) {
    this.topic = topic
    this.#ground = ground
  }

  get name(): string {
    return TOPIC_SCHEME + this.topic
  }

  publish(body: Uint8Array, producer: Producer | null, tag: number, given: Envelope = DEFAULT_ENVELOPE): void {
    const ground = this.#ground
    if (!ground.serving) return producer?.published(tag, notServing)
    if (body.length > ground.limits.messageBytes) {
      const text = `a message of ${body.length} bytes is larger than the limit of ${ground.limits.messageBytes}`
      return producer?.published(tag, { refused: 'too-large', text })
    }
    const fault = duplicateIdFault(given.duplicateId)
    if (fault !== null) return producer?.published(tag, fault)
    // A body of MQTT begins with its topic.
    const envelope = this.#living(given.format === MQTT_FORMAT ? given : { ...given, topic: this.topic })
    if (envelope.deliverAt !== 0) {
      const later = ground.laterFor(envelope)
      if (later !== null) {
        if ('refused' in later) return producer?.published(tag, later)
        return later.publish(body, producer, tag, envelope)
      }
    }
    if (envelope.duplicateId !== '' && this.#wasHere(producer, tag, envelope)) return
    const { listeners, bindings } = this.#reached(body.length, envelope.qos)
    const isRecorded = envelope.session !== 0 || envelope.retain || envelope.duplicateId !== ''
    if (bindings.length === 0 && !isRecorded) {
      const may = ground.mayServe()
      if (!ground.tell(listeners, body, envelope, may)) return producer?.published(tag, heldTooMuch)
      if (producer !== null) ground.ledger.published(producer, tag, may)
      return
    }
    const refusal = this.#record(bindings, body, producer, tag, envelope)
    if (refusal !== null) return producer?.published(tag, refusal)
    ground.tell(listeners, body, envelope, ground.mayServe())
  }

  /** With the time to live that it may have here. */
  #living(envelope: Envelope): Envelope {
    const { policies, clock } = this.#ground
    if (policies.version !== this.#lifeVersion) {
      this.#lifeVersion = policies.version
      this.#life = policies.ofTopic(this.topic).life
    }
    return this.#life === null ? envelope : limited(envelope, this.#life, clock.wall())
  }

  /** Who hears it, and whose queues may get it; of each group it is one. */
  #reached(bodyBytes: number, qos: number, draft?: Draft): Pick<Routes, 'listeners' | 'bindings'> {
    const { topics } = this.#ground
    let routes = this.#routes
    if (routes.version !== topics.version) this.#routes = routes = topics.routes(this.topic)
    if (routes.groups.length === 0) return routes
    const chosen = topics.choose(routes, qos, queue => isFull(queue, bodyBytes, draft?.planned(queue)))
    if (chosen.full !== null) this.#ground.overflow(chosen.full)
    const { listeners } = chosen
    return { listeners, bindings: [...routes.bindings, ...chosen.bindings] }
  }

  /** Makes the records that it takes; the last one answers the producer. */
  #record(
    bindings: readonly Binding[],
    body: Uint8Array,
    producer: Producer | null,
    tag: number,
    envelope: Envelope,
  ): Refusal | null {
    const ground = this.#ground
    const { queues, grades } = this.#wanted(bindings, body, envelope)
    if (queues.length > 0) {
      const fault = storeFault(ground, queues.length * costOf(body.length))
      if (fault !== null) return { refused: 'queue-full', text: fault }
    }
    const routed = queues.length > 0 || envelope.session > 0 || envelope.duplicateId !== ''
    if (envelope.retain) {
      const refusal = this.#retain(body, routed ? null : producer, tag, envelope)
      if (refusal !== null) return refusal
    }
    if (routed) return this.#route(queues, grades, body, producer, tag, envelope)
    if (!envelope.retain && producer !== null) ground.ledger.published(producer, tag, ground.mayServe())
    return null
  }

  /** The queues that get it, each once. */
  #wanted(
    bindings: readonly Binding[],
    body: Uint8Array,
    envelope: Envelope,
    draft?: Draft,
  ): { queues: Queue[]; grades: number[] } {
    const { properties } = this.#ground
    const queues: Queue[] = []
    const grades: number[] = []
    for (const { queue, options, publisher, group, selector } of bindings) {
      if (queue.dropped || unwanted(selector, options.noLocal ? publisher : 0, body, envelope, properties)) continue
      const grade = gradeOf(options, group !== '', publisher !== 0 && publisher === envelope.publisher)
      if (options.qos === 0 || (envelope.qos === 0 && !queue.keepsAll)) continue
      const at = queues.indexOf(queue)
      if (at >= 0) {
        grades[at] = joinedGrade(grades[at] as number, grade)
        continue
      }
      const full = isFull(queue, body.length, draft?.planned(queue))
      if (full && !this.#ground.oldest.makesRoom(queue, body.length)) this.#ground.overflow(queue)
      else {
        queues.push(queue)
        grades.push(grade)
      }
    }
    return { queues, grades }
  }

  #route(
    queues: readonly Queue[],
    grades: readonly number[],
    body: Uint8Array,
    producer: Producer | null,
    tag: number,
    given: Envelope,
  ): Refusal | null {
    const ground = this.#ground
    const ids = queues.map(queue => queue.id)
    const envelope = given.duplicateId === '' ? given : cameNow(given, ground.clock)
    const sequence = ground.append(ROUTED, encodeRouted(ids, grades, envelope), body)
    if (sequence === 0) return ground.noRecord
    const messages = routedMessages(sequence, queues, grades, ground.laid(sequence, body), envelope)
    if (producer !== null) producer.awaits = sequence
    const taken = envelope.session > 0 ? ground.claim(envelope.session, envelope.packetId) : null
    const change = new RoutedChange(sequence, messages, producer, tag, taken)
    const isNamed = envelope.duplicateId !== ''
    ground.ledger.change(isNamed ? ground.duplicates.with(change, [knownAs(this.topic, envelope)]) : change)
    return null
  }

  /** True where the message came before: its producer is answered, and with exactly once the taking is recorded. */
  #wasHere(producer: Producer | null, tag: number, envelope: Envelope): boolean {
    const ground = this.#ground
    const found = ground.duplicates.find(this.topic, envelope.duplicateId, ground.clock.wall())
    if (found === null) return false
    if (envelope.session === 0) answerDuplicate(ground, producer, tag, found)
    else {
      const refusal = this.#route([], [], NOTHING, producer, tag, { ...envelope, duplicateId: '' })
      if (refusal !== null) producer?.published(tag, refusal)
    }
    return true
  }

  inGroup(draft: Draft, body: Uint8Array, given: Envelope): Refusal | null {
    const ground = this.#ground
    const envelope = this.#living({ ...given, topic: this.topic })
    const later = envelope.deliverAt === 0 ? null : ground.laterFor(envelope)
    if (later !== null) return 'refused' in later ? later : later.inGroup(draft, body, envelope)
    if (draft.leavesOut(this.topic, envelope)) return null
    const wrong = duplicateIdFault(envelope.duplicateId)
    if (wrong !== null) return wrong
    const { listeners, bindings } = this.#reached(body.length, envelope.qos, draft)
    const { queues, grades } = this.#wanted(bindings, body, envelope, draft)
    const isNew = envelope.death === null
    const fault = isNew ? storeFault(ground, draft.bytes + queues.length * costOf(body.length)) : null
    if (fault !== null && queues.length > 0) return { refused: 'queue-full', text: fault }
    if (queues.length > 0 || envelope.duplicateId !== '') draft.routed(this.topic, queues, grades, body, envelope)
    draft.atAnswer(() => ground.tell(listeners, body, envelope, ground.mayServe()))
    return null
  }

  #retain(body: Uint8Array, producer: Producer | null, tag: number, envelope: Envelope): Refusal | null {
    const ground = this.#ground
    const { retained } = ground.state
    const kept = keptEnvelope(envelope)
    const bytes = isEmpty(body, envelope) ? NOTHING : body
    const fault = retained.fault({ topic: this.topic, envelope: kept, body: bytes }, ground.limits.topics)
    if (fault !== null) return { refused: 'limit', text: fault }
    const sequence = ground.append(RETAINED, encodeRetainedHead(this.topic, kept), bytes)
    if (sequence === 0) return ground.noRecord
    if (producer !== null) producer.awaits = sequence
    const message = { topic: this.topic, envelope: kept, body: Buffer.from(bytes) }
    ground.ledger.change(new RetainedChange(sequence, retained, message, producer, tag))
    return null
  }

  room(): number {
    const { serving, crowded, limits, heldBytes, residentBytes } = this.#ground
    if (!serving || crowded) return 0
    const bytes = Math.min(limits.storeBytes - heldBytes, limits.memoryBytes - residentBytes)
    return Math.max(0, Math.floor(bytes / costOf(1024)))
  }

  get open(): boolean {
    return this.#ground.serving
  }

  onRoom(ready: () => void): () => void {
    return whenRoom(this, this.#ground.clock, ready)
  }
}

/** Whether one more message of this size is beyond a limit of the queue, after those that come with it. */
export const isFull = (queue: Queue, bodyBytes: number, before = NO_PLANS): boolean =>
  queue.line.count + queue.pendingMessages + before.messages >= queue.policy.messages ||
  queue.bytes + queue.pendingBytes + before.bytes + costOf(bodyBytes) > queue.policy.bytes

const heldTooMuch: Refusal = { refused: 'limit', text: 'too much waits until this server can prove that it serves' }

/** Objects for each queue; what lies in several has its body in memory once. The memory of `body` is as for Bodies.keep. */
export function routedMessages(
  sequence: number,
  queues: readonly Queue[],
  grades: readonly number[],
  body: Uint8Array,
  envelope: Envelope,
): Message[] {
  const kept = keptEnvelope(envelope)
  const shared = queues.length > 1 && !isHeld(body.length) ? Buffer.from(body) : null
  return queues.map((queue, i) => {
    const message = new Message(sequence, queue, Standing.PENDING, null, 0)
    message.envelope = kept
    message.grade = grades[i] as number
    if (shared === null) queue.expect(message, body)
    else queue.expectShared(message, shared)
    return message
  })
}

/** An MQTT message without payload: its topic forgets what it kept [MQTT-3.3.1-6]. */
function isEmpty(body: Uint8Array, { format }: Envelope): boolean {
  if (format !== MQTT_FORMAT) return body.length === 0
  let at = 2 + (((body[0] as number) << 8) | (body[1] as number))
  let length = 0
  for (let shift = 0; ; shift += 7) {
    const byte = body[at++] as number
    length |= (byte & 127) << shift
    if (byte < 128) break
  }
  return at + length >= body.length
}
