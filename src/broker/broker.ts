// Puts the broker together: one object with three faces. Front ends see `Broker`, the one who commits sees `RecordSink`,
// the server sees the operating calls. Everything is synchronous and deterministic; time comes in through the clock only to
// batch. The order of events, from publish to settlement, is told in docs/overview.md.

import { assert } from '../base/assert.ts'
import type { CodedError } from '../base/errors.ts'
import type { Clock, Log } from '../base/ports.ts'
import type { Chunks, RecordView } from '../journal/commit.ts'
import {
  type Consumer,
  type Envelope,
  type Listening,
  type PublishTarget,
  type QueueWish,
  type Refusal,
  type Subscription,
  type TemporaryQueue,
  TOPIC_SCHEME,
  type TopicListener,
  type TopicWish,
  type Transaction,
} from './api.ts'
import { Appending } from './appending.ts'
import type { BrokerCore, BrokerOptions } from './core.ts'
import type { Delays } from './delays.ts'
import type { DeadLetters } from './dead-letters.ts'
import { Delivery, type DeliveryGround } from './delivery.ts'
import type { Redeliveries } from './redeliveries.ts'
import { Slowed } from './slowed.ts'
import { Turns } from './turns.ts'
import type { DuplicateIds } from './duplicate-ids.ts'
import { type IntakeGround, notServing, QueueTarget, RoomSeekers } from './intake.ts'
import { Ledger, QueueChange } from './ledger.ts'
import { queueNamed } from './making.ts'
import type { BrokerLimits } from './limits.ts'
import type { Message } from './message.ts'
import { Operations } from './operations.ts'
import type { Oldest } from './oldest.ts'
import type { Policies } from './policies.ts'
import type { Queue } from './queue.ts'
import { NOTHING } from './records.ts'
import { SettingsDesk } from './settings-desk.ts'
import { SnapshotReading, takeSnapshot } from './snapshot.ts'
import type { PropertyReader, Readdress } from './neutral.ts'
import type { Sessions } from './session-api.ts'
import type { PagingGround } from './pager.ts'
import { State } from './state.ts'
import { type BrokerStatus, NOBODY, type Seats, stateStatus } from './status.ts'
import type { QueueSubscription } from './subscription.ts'
import { type DeskGround, TopicDesk } from './topic-desk.ts'
import type { TopicTarget } from './topic-target.ts'
import { Temporaries } from './temporaries.ts'
import { Transactions } from './transactions.ts'
import { Upkeep, type UpkeepGround } from './upkeep.ts'

export type { BrokerCore } from './core.ts'

const rethrow = (error: CodedError): never => {
  throw error
}

export const createBroker = (options: BrokerOptions): BrokerCore => new QueueBroker(options)

class QueueBroker implements BrokerCore, DeliveryGround, IntakeGround, DeskGround, UpkeepGround {
  readonly #appending: Appending
  readonly clock: Clock
  readonly limits: BrokerLimits
  readonly say: Log
  readonly ledger = new Ledger()
  readonly #turns: Turns
  readonly #desk: TopicDesk
  readonly sessions: Sessions
  readonly #paging: PagingGround | null
  state: State
  #reading: SnapshotReading | null = null
  readonly #targets = new Map<Queue, QueueTarget>()
  readonly #deliveries = new Map<Queue, Delivery>()
  readonly #seekers: RoomSeekers
  readonly #temporary = new Temporaries()
  readonly properties: PropertyReader
  readonly #transactions = new Transactions(this)
  #connections = 0
  serving = false
  suspectThrough = 0

  readonly settings = new SettingsDesk(this)
  readonly operations: Operations
  readonly #upkeep: Upkeep
  readonly policies: Policies
  readonly delays: Delays
  readonly deaths: DeadLetters
  readonly redeliveries: Redeliveries
  readonly oldest: Oldest
  readonly slowed = new Slowed()
  readonly readdress: Readdress

  constructor(options: BrokerOptions) {
    const { log, clock, limits, say, spill, failed = rethrow } = options
    this.properties = options.properties ?? (() => () => null)
    this.readdress = options.readdress ?? (body => body)
    this.#appending = new Appending(log, say, limits.messageBytes)
    this.clock = clock
    this.limits = limits
    this.say = say
    this.#turns = new Turns(clock, this)
    this.#seekers = new RoomSeekers(work => this.#turns.also(work))
    const freed = (): void => this.#seekers.look()
    const { memoryBytes, pageOutBytes } = limits
    this.#paging = spill === undefined ? null : { spill, memoryBytes, pageOutBytes, clock, say, freed, failed }
    this.state = new State(this.#paging)
    this.#desk = new TopicDesk(this)
    this.sessions = this.#desk.sessions
    this.#upkeep = new Upkeep(this)
    this.operations = new Operations(this, this.#desk, this.#upkeep.purges, this.#temporary)
    ;({
      policies: this.policies,
      delays: this.delays,
      deaths: this.deaths,
      redeliveries: this.redeliveries,
      oldest: this.oldest,
    } = this.#upkeep)
  }

  get duplicates(): DuplicateIds {
    return this.state.duplicates
  }

  get crowded(): boolean {
    return this.#appending.crowded
  }

  get noRecord(): Refusal {
    return this.#appending.noRecord
  }

  get heldBytes(): number {
    return this.state.holdings.bytes
  }

  get residentBytes(): number {
    return this.state.holdings.residentBytes
  }

  // For front ends.

  has(name: string): boolean {
    return this.state.named(name) !== null || this.#temporary.has(name)
  }

  target(name: string): PublishTarget | Refusal {
    if (name.startsWith(TOPIC_SCHEME)) return this.#desk.target(name)
    const temporary = this.#temporary.get(name)
    if (temporary !== undefined) return temporary
    const queue = this.#queue(name, this.limits.createOnUse)
    return 'refused' in queue ? queue : this.targetOf(queue)
  }

  targetOf(queue: Queue): QueueTarget {
    let target = this.#targets.get(queue)
    if (target === undefined) {
      target = new QueueTarget(queue, this)
      this.#targets.set(queue, target)
    }
    return target
  }

  topicTarget(topic: string): TopicTarget {
    return this.#desk.topicTarget(topic)
  }

  laterFor(envelope: Envelope): PublishTarget | Refusal | null {
    return this.#upkeep.laterFor(envelope)
  }

  subscribe(name: string, consumer: Consumer, wish?: QueueWish): Subscription | Refusal {
    const queue = this.#temporary.get(name)?.queue ?? this.#queue(name, this.limits.createOnUse)
    return 'refused' in queue ? queue : this.subscribeTo(queue, consumer, wish)
  }

  subscribeTo(queue: Queue, consumer: Consumer, wish?: QueueWish): QueueSubscription {
    let delivery = this.#deliveries.get(queue)
    if (delivery === undefined) {
      delivery = new Delivery(queue, this.#turns, this)
      this.#deliveries.set(queue, delivery)
    }
    return delivery.subscribe(consumer, wish)
  }

  closeQueue(queue: Queue): void {
    this.#upkeep.leaves(queue)
    this.#deliveries.get(queue)?.abandon()
    this.#deliveries.delete(queue)
  }

  listen(filter: string, listener: TopicListener, group: string): Listening | Refusal {
    return this.#desk.listen(filter, listener, group)
  }

  retained(filter: string, visit: (body: Uint8Array, envelope: Envelope) => void, later: () => void): boolean {
    return this.#desk.retained(filter, visit, later)
  }

  subscribeTopic(
    wish: TopicWish,
    consumer: Consumer,
    ready: (refusal: Refusal | null) => void,
  ): Subscription | Refusal {
    return this.serving ? this.#desk.subscriptions.subscribe(wish, consumer, ready) : notServing
  }

  durableFilter(name: string): string | null {
    return this.#desk.subscriptions.filterOf(name)
  }

  unsubscribeTopic(name: string, done: () => void): boolean {
    return this.serving && this.#desk.subscriptions.unsubscribe(name, done)
  }

  temporary(name: string): TemporaryQueue | Refusal {
    if (!this.serving) return notServing
    if (this.#temporary.size + this.state.queueCount >= this.limits.queues) {
      return { refused: 'limit', text: `there are ${this.limits.queues} queues, the limit` }
    }
    return this.#temporary.open(name, this.#desk.subscriptions.temporary(name))
  }

  begin(): Transaction | Refusal {
    return this.#transactions.begin()
  }

  admitConnection(): Refusal | null {
    if (!this.serving) return notServing
    if (this.#connections >= this.limits.connections) {
      return { refused: 'limit', text: `${this.limits.connections} connections are open, the limit` }
    }
    this.#connections++
    return null
  }

  connectionClosed(): void {
    assert(this.#connections > 0, 'only an admitted connection is closed, once')
    this.#connections--
  }

  // For the one who commits.

  committed(sequence: number): void {
    const mayAnswer = !this.serving || this.#appending.mayServe()
    this.#appending.crowded = false
    if (mayAnswer && this.serving) this.#sayHeld()
    this.ledger.fold(sequence, mayAnswer)
    if (sequence > this.state.sequence) this.state.sequence = sequence
    if (mayAnswer) this.#turns.wake()
    this.#seekers.look()
  }

  apply(record: RecordView): void {
    assert(!this.serving, 'a serving broker makes its records itself')
    if (this.ledger.last > 0) {
      // Our own records from before: those that lie before this one in the journal are part of its history; the others
      // have been replaced.
      this.ledger.fold(record.sequence - 1, true)
      this.ledger.forgetFrom(record.sequence, this.state)
    }
    this.state.apply(record)
  }

  reset(): void {
    assert(!this.serving, 'a serving broker keeps its state')
    this.state.drop()
    this.state = new State(this.#paging)
    this.#reading?.state.drop()
    this.#reading = null
    this.#targets.clear()
    this.#deliveries.clear()
    this.ledger.clear()
  }

  snapshot(): Chunks {
    return takeSnapshot(this.state)
  }

  restore(chunk: Uint8Array): void {
    assert(!this.serving, 'a serving broker keeps its state')
    assert(this.state.sequence === 0 && this.ledger.last === 0, 'a snapshot is restored into an empty broker')
    this.#reading ??= new SnapshotReading(new State(this.#paging))
    this.#reading.add(chunk)
  }

  restored(): void {
    const reading = this.#reading ?? new SnapshotReading(new State(this.#paging))
    this.#reading = null
    this.state = reading.finish()
  }

  // For the server.

  startServing(): void {
    if (this.serving) return
    assert(this.#reading === null, 'half a snapshot is no state to serve from')
    this.serving = true
    this.#appending.begin()
    this.suspectThrough = Math.max(this.state.sequence, this.ledger.last)
    this.#desk.start()
    this.#upkeep.start()
    this.settings.changed()
  }

  stopServing(): void {
    if (!this.serving) return
    this.serving = false
    this.#turns.forget()
    this.ledger.forgetAnswers()
    this.#desk.stop()
    this.#upkeep.stop()
    this.#transactions.stop()
    this.#seekers.forget()
    const ended: QueueSubscription[] = []
    for (const delivery of this.#deliveries.values()) {
      for (const subscription of delivery.subscriptions) ended.push(subscription)
      delivery.forget()
    }
    this.#desk.subscriptions.stop()
    this.#deliveries.clear()
    // Only now, when all is in order: what front ends do in answer finds a broker that does not serve.
    for (const subscription of ended) subscription.consumer.detached(notServing)
  }

  wake(): void {
    if (!this.serving || !this.#appending.mayServe()) return
    this.#sayHeld()
    this.#turns.wake()
  }

  declare(name: string): Refusal | null {
    const queue = this.#queue(name, true)
    return 'refused' in queue ? queue : null
  }

  status(): BrokerStatus {
    const { serving } = this
    return {
      serving,
      connections: this.#connections,
      ...stateStatus(this.state, this.seatsOf, this.#desk, this.deaths.counts, this.slowed),
    }
  }

  readonly seatsOf = (queue: Queue): Seats => this.#deliveries.get(queue)?.subscriptions ?? NOBODY

  stateBytes(): number {
    return this.state.holdings.foldedBytes + this.state.queueCount * 64
  }

  // For intake and delivery.

  mayServe(): boolean {
    return this.serving && this.#appending.mayServe()
  }

  append(kind: number, head: Uint8Array, body: Uint8Array, patient = false): number {
    return this.#appending.append(kind, head, body, patient)
  }

  laid(sequence: number, body: Uint8Array): Uint8Array {
    return this.#appending.laid(sequence, body)
  }

  record(kind: number, queue: Queue, head: Uint8Array, messages: readonly Message[], patient: boolean): boolean {
    if (queue.volatile) {
      const change = new QueueChange(kind, 0, queue, messages)
      change.fold()
      this.ledger.say(() => change.answer(), this.mayServe())
      return true
    }
    const sequence = this.append(kind, head, NOTHING, patient)
    if (sequence > 0) this.ledger.change(new QueueChange(kind, sequence, queue, messages))
    return sequence > 0
  }

  answerOwed(): void {
    this.#sayHeld()
  }

  /** What could not be told or answered when its time came. */
  #sayHeld(): void {
    this.#desk.wake()
    if (this.ledger.owes) this.ledger.answerOwed()
  }

  askForRoom(target: QueueTarget): void {
    if (this.serving) this.#seekers.add(target)
  }

  #queue(name: string, create: boolean): Queue | Refusal {
    return queueNamed(this, name, create)
  }
}
