// Topics and sessions on the active server, put together: what the broker's faces pass on to.

import type { Clock, Log } from '../base/ports.ts'
import { type Consumer, type Listening, TOPIC_SCHEME, type TopicListener } from './api.ts'
import { type Envelope, MQTT_FORMAT } from './envelope.ts'
import { notServing, storeFault } from './intake.ts'
import type { Ledger } from './ledger.ts'
import type { PropertyReader } from './neutral.ts'
import { type BrokerLimits, costOf, KNOWN_TOPICS, topicFault } from './limits.ts'
import type { Holdings, Queue } from './queue.ts'
import { ROUTED } from './records.ts'
import type { Refusal } from './refusal.ts'
import { type SessionGround, SessionDesk } from './sessions.ts'
import type { State } from './state.ts'
import type { QueueSubscription } from './subscription.ts'
import { RoutedChange } from './topic-changes.ts'
import { TopicSubscriptions } from './topic-subscriptions.ts'
import { encodeRouted } from './topic-records.ts'
import { routedMessages, TopicTarget } from './topic-target.ts'
import { Topics } from './topics.ts'

/** What the desk needs of the broker. */
export interface DeskGround {
  readonly serving: boolean
  readonly limits: BrokerLimits
  readonly ledger: Ledger
  readonly heldBytes: number
  readonly residentBytes: number
  append(kind: number, head: Uint8Array, body: Uint8Array): number
  readonly noRecord: Refusal
  readonly crowded: boolean
  readonly clock: Clock
  readonly say: Log
  readonly state: State
  readonly suspectThrough: number
  readonly properties: PropertyReader
  subscribeTo(queue: Queue, consumer: Consumer): QueueSubscription
  closeQueue(queue: Queue): void
}

/** A full queue is reported once in this time. */
const SAY_FULL_MS = 60_000

export class TopicDesk implements SessionGround {
  readonly #ground: DeskGround
  readonly sessions: SessionDesk
  readonly subscriptions: TopicSubscriptions
  topics = new Topics()
  readonly #targets = new Map<string, TopicTarget>()
  #saidFullAt = -Infinity
  /** Messages that did not go into a full queue. */
  overflows = 0

  constructor(ground: DeskGround) {
    this.#ground = ground
    this.sessions = new SessionDesk(this)
    this.subscriptions = new TopicSubscriptions(this)
  }

  start(): void {
    this.topics = new Topics()
    this.#targets.clear()
    this.sessions.start()
    this.subscriptions.start()
  }

  stop(): void {
    this.sessions.stop()
    this.#targets.clear()
    this.topics = new Topics()
  }

  // ---- for front ends

  /** By the address. */
  target(address: string): TopicTarget | Refusal {
    const topic = address.slice(TOPIC_SCHEME.length)
    if (!this.serving) return notServing
    const known = this.#targets.get(topic)
    if (known !== undefined) return known
    const wrong = topicFault(topic)
    if (wrong !== null) return { refused: 'not-allowed', text: wrong }
    return this.topicTarget(topic)
  }

  topicTarget(topic: string): TopicTarget {
    let target = this.#targets.get(topic)
    if (target === undefined) {
      if (this.#targets.size >= KNOWN_TOPICS) this.#targets.clear()
      target = new TopicTarget(topic, this)
      this.#targets.set(topic, target)
    }
    return target
  }

  listen(filter: string, listener: TopicListener, group: string): Listening | Refusal {
    return this.serving ? this.topics.listen(filter, listener, group) : notServing
  }

  retained(filter: string, visit: (body: Uint8Array, envelope: Envelope) => void): void {
    if (!this.serving) return
    const now = this.clock.wall()
    this.state.retained.visit(filter, ({ body, envelope }) => {
      if (envelope.expiresAt === 0 || envelope.expiresAt > now) visit(body, envelope)
    })
  }

  // ---- for targets and sessions

  get serving(): boolean {
    return this.#ground.serving
  }
  get limits(): BrokerLimits {
    return this.#ground.limits
  }
  get ledger(): Ledger {
    return this.#ground.ledger
  }
  get heldBytes(): number {
    return this.#ground.heldBytes
  }
  get residentBytes(): number {
    return this.#ground.residentBytes
  }
  get noRecord(): Refusal {
    return this.#ground.noRecord
  }
  get crowded(): boolean {
    return this.#ground.crowded
  }
  get clock(): Clock {
    return this.#ground.clock
  }
  get say(): Log {
    return this.#ground.say
  }
  get state(): State {
    return this.#ground.state
  }
  get holdings(): Holdings {
    return this.#ground.state.holdings
  }
  get suspectThrough(): number {
    return this.#ground.suspectThrough
  }

  get properties(): PropertyReader {
    return this.#ground.properties
  }

  append(kind: number, head: Uint8Array, body: Uint8Array): number {
    return this.#ground.append(kind, head, body)
  }

  claim(session: number, packetId: number): () => void {
    return this.sessions.claim(session, packetId)
  }

  subscribeTo(queue: Queue, consumer: Consumer): QueueSubscription {
    return this.#ground.subscribeTo(queue, consumer)
  }

  closeQueue(queue: Queue): void {
    this.#ground.closeQueue(queue)
  }

  putInto(queue: Queue, body: Uint8Array, qos: 1 | 2, retain: boolean, expiresAt: number): boolean {
    const { limits } = this
    const cost = costOf(body.length)
    if (queue.line.count + queue.pendingMessages >= limits.queueMessages) return false
    if (queue.bytes + queue.pendingBytes + cost > limits.queueBytes) return false
    if (storeFault(this, cost) !== null) return false
    const grades = [qos | 4]
    const envelope: Envelope = { ...PUT_ENVELOPE, qos, retain, expiresAt }
    const sequence = this.append(ROUTED, encodeRouted([queue.id], grades, envelope), body)
    if (sequence === 0) return false
    const messages = routedMessages(sequence, [queue], grades, body, envelope)
    this.ledger.change(new RoutedChange(sequence, messages, null, 0, null))
    return true
  }

  overflowed(queue: Queue): void {
    this.overflows++
    const now = this.clock.now()
    if (now - this.#saidFullAt < SAY_FULL_MS) return
    this.#saidFullAt = now
    this.say('warn', `Messages for ${queue.name} are dropped: its queue is at a limit`, { queue: queue.name })
  }
}

const PUT_ENVELOPE = {
  format: MQTT_FORMAT,
  priority: 4,
  deliverAt: 0,
  group: '',
  duplicateId: '',
  publisher: 0,
  session: 0,
  packetId: 0,
  topic: '',
}
