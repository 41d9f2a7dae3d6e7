// Topics and sessions on the active server, put together: what the broker's faces pass on to.

import type { Clock, Log } from '../base/ports.ts'
import { type Consumer, type Listening, type PublishTarget, TOPIC_SCHEME, type TopicListener } from './api.ts'
import type { DuplicateIds } from './duplicate-ids.ts'
import { type Envelope, MQTT_ENVELOPE } from './envelope.ts'
import { Held } from './held.ts'
import { notServing, storeFault } from './intake.ts'
import type { Ledger } from './ledger.ts'
import type { PropertyReader } from './neutral.ts'
import type { Oldest } from './oldest.ts'
import { Orphans } from './orphans.ts'
import type { Policies } from './policies.ts'
import { Known } from './known.ts'
import { type BrokerLimits, costOf, KNOWN_TOPICS, KNOWN_TOPICS_LENGTH, topicFault } from './limits.ts'
import type { Holdings } from './holdings.ts'
import type { Queue } from './queue.ts'
import type { RecordGround } from './record-ground.ts'
import { RetainedLooks } from './retained-looks.ts'
import { ROUTED } from './records.ts'
import type { Refusal } from './refusal.ts'
import { type SessionGround, SessionDesk } from './sessions.ts'
import type { State } from './state.ts'
import type { QueueSubscription } from './subscription.ts'
import { RoutedChange } from './topic-changes.ts'
import { TopicSubscriptions } from './topic-subscriptions.ts'
import { encodeRouted } from './topic-records.ts'
import { isFull, routedMessages, TopicTarget } from './topic-target.ts'
import { type Listeners, Topics } from './topics.ts'

/** What the desk needs of the broker. */
export interface DeskGround extends RecordGround {
  readonly state: State
  readonly suspectThrough: number
  readonly properties: PropertyReader
  readonly policies: Policies
  readonly oldest: Oldest
  subscribeTo(queue: Queue, consumer: Consumer): QueueSubscription
  closeQueue(queue: Queue): void
  laterFor(envelope: Envelope): PublishTarget | Refusal | null
}

/** A full queue is reported once in this time. */
const SAY_FULL_MS = 60_000

export class TopicDesk implements SessionGround {
  readonly #ground: DeskGround
  readonly sessions: SessionDesk
  readonly subscriptions: TopicSubscriptions
  readonly #orphans: Orphans
  readonly #looks: RetainedLooks
  topics = new Topics()
  readonly #held = new Held()
  readonly #targets = new Known<TopicTarget>(KNOWN_TOPICS, KNOWN_TOPICS_LENGTH)
  #saidFullAt = -Infinity
  /** Messages that did not go into a full queue. */
  overflowed = 0

  constructor(ground: DeskGround) {
    this.#ground = ground
    this.sessions = new SessionDesk(this)
    this.subscriptions = new TopicSubscriptions(this)
    this.#orphans = new Orphans(this)
    this.#looks = new RetainedLooks(ground.clock)
  }

  start(): void {
    this.topics = new Topics()
    this.#targets.clear()
    this.sessions.start()
    this.subscriptions.start()
    this.#orphans.start()
  }

  stop(): void {
    this.sessions.stop()
    this.#orphans.stop()
    this.#held.clear()
    this.#looks.clear()
    this.#targets.clear()
    this.topics = new Topics()
  }

  get listeners(): number {
    return this.topics.listening
  }

  /** Something may be told again. */
  wake(): void {
    this.#held.tell(this.topics)
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

  orphaned(queue: Queue): void {
    this.#orphans.add(queue)
  }

  topicTarget(topic: string): TopicTarget {
    let target = this.#targets.get(topic)
    if (target === undefined) {
      target = new TopicTarget(topic, this)
      this.#targets.add(topic, target)
    }
    return target
  }

  listen(filter: string, listener: TopicListener, group: string): Listening | Refusal {
    return this.serving ? this.topics.listen(filter, listener, group) : notServing
  }

  retained(filter: string, visit: (body: Uint8Array, envelope: Envelope) => void, later: () => void): boolean {
    const { retained } = this.state
    if (!this.serving) return true
    if (!this.#looks.may(retained.costOf(filter), later)) return false
    const now = this.clock.wall()
    retained.visit(filter, ({ body, envelope }) => {
      if (envelope.expiresAt === 0 || envelope.expiresAt > now) visit(body, envelope)
    })
    return true
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
  get duplicates(): DuplicateIds {
    return this.#ground.duplicates
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

  mayServe(): boolean {
    return this.#ground.mayServe()
  }

  tell(listeners: Listeners, body: Uint8Array, envelope: Envelope, may: boolean): boolean {
    if (!may) return this.#held.add(listeners, body, envelope)
    this.#held.tell(this.topics)
    this.topics.tell(listeners, body, envelope)
    return true
  }

  append(kind: number, head: Uint8Array, body: Uint8Array): number {
    return this.#ground.append(kind, head, body)
  }

  laid(sequence: number, body: Uint8Array): Uint8Array {
    return this.#ground.laid(sequence, body)
  }

  get oldest(): Oldest {
    return this.#ground.oldest
  }

  get policies(): Policies {
    return this.#ground.policies
  }

  laterFor(envelope: Envelope): PublishTarget | Refusal | null {
    return this.#ground.laterFor(envelope)
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
    if (isFull(queue, body.length) || storeFault(this, costOf(body.length)) !== null) return false
    const grades = [qos | 4]
    const envelope: Envelope = { ...MQTT_ENVELOPE, qos, retain, expiresAt }
    const sequence = this.append(ROUTED, encodeRouted([queue.id], grades, envelope), body)
    if (sequence === 0) return false
    const messages = routedMessages(sequence, [queue], grades, this.laid(sequence, body), envelope)
    this.ledger.change(new RoutedChange(sequence, messages, null, 0, null))
    return true
  }

  overflow(queue: Queue): void {
    this.overflowed++
    const now = this.clock.now()
    if (now - this.#saidFullAt < SAY_FULL_MS) return
    this.#saidFullAt = now
    this.say('warn', `Messages for ${queue.name} are dropped: its queue is at a limit`, { queue: queue.name })
  }
}
