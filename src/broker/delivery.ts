// Who gets what: per queue the consumers with credit take turns, and what they settled in one turn becomes one record. When
// that is a queue's turn is turns.ts.

import type { Clock } from '../base/ports.ts'
import { DELIVERIES_PER_TURN, SEEN_PER_TURN, SETTLEMENTS_PER_RECORD } from './limits.ts'
import { type Message, Standing } from './message.ts'
import type { Consumer, QueueWish } from './api.ts'
import type { DeadLetters } from './dead-letters.ts'
import { DEATHS, type DeathReason } from './envelope.ts'
import { Groups } from './groups.ts'
import type { PropertyReader } from './neutral.ts'
import type { Queue } from './queue.ts'
import type { Redeliveries } from './redeliveries.ts'
import { encodeRanges, RETURNED, SETTLED } from './records.ts'
import { type Budget, Seeker, type Seeking } from './seeker.ts'
import { suspectThroughOf } from './sweep.ts'
import type { Turns } from './turns.ts'
import { Browsing, type Desk, QueueSubscription } from './subscription.ts'
import type { Waker } from './waker.ts'

/** What a delivery needs of the broker. */
export interface DeliveryGround {
  /** Appends a record about these messages, see CommitLog.append; false where the log does not take it now. */
  record(kind: number, queue: Queue, head: Uint8Array, messages: readonly Message[], patient: boolean): boolean
  readonly clock: Clock
  readonly properties: PropertyReader
  /** Messages up to this sequence may have been delivered by the server that was active before. */
  readonly suspectThrough: number
  readonly deaths: Pick<DeadLetters, 'addressOf' | 'bury'>
  readonly redeliveries: Redeliveries
}

/** How far a range of a record looks ahead over messages that earlier records remove anyway. */
const LOOK_AHEAD = 64

export class Delivery implements Desk, Waker {
  readonly queue: Queue
  readonly #turns: Turns
  readonly #ground: DeliveryGround
  readonly subscriptions = new Set<QueueSubscription>()
  /** Those with credit, taking one message each in turn. */
  readonly #takers: QueueSubscription[] = []
  #turn = 0
  /** What those with a place of their own may look at in this turn. */
  readonly #budget: Budget = { left: 0, tired: false }
  readonly groups = new Groups<Seeking>()
  /** The queue has groups: all of its consumers have places of their own. */
  #grouping = false
  /** The only one that gets messages: the first of those who asked to be that. */
  #sole: QueueSubscription | null = null
  #drains: QueueSubscription[] = []
  #settled: Message[] = []
  #returned: Message[] = []
  /** Those that go elsewhere. */
  #dead: { readonly message: Message; readonly reason: DeathReason }[] = []
  /** Somebody waits for the record of what was settled. */
  #awaited = false
  /** True while it waits for its turn; kept by Turns. */
  due = false
  abandoned = false

  constructor(queue: Queue, turns: Turns, ground: DeliveryGround) {
    this.queue = queue
    this.#turns = turns
    this.#ground = ground
    queue.waker = this
  }

  subscribe(consumer: Consumer, wish?: QueueWish): QueueSubscription {
    const browses = wish?.browses === true
    const subscription = new (browses ? Browsing : QueueSubscription)(consumer, this)
    this.subscriptions.add(subscription)
    const selector = wish?.selector ?? null
    subscription.choosy = browses || selector !== null
    if (subscription.choosy || this.#grouping)
      this.#place(subscription, new Seeker(this, subscription, selector, browses))
    subscription.exclusive = wish?.exclusive === true
    if (subscription.exclusive && this.#sole === null) this.#elect(subscription)
    return subscription
  }

  /** Where it looks for its messages; null: it takes what is next. */
  #place(subscription: QueueSubscription, seeker: Seeker | null): void {
    if (subscription.seeker !== null) {
      this.queue.seekers.delete(subscription.seeker)
      subscription.seeker.close()
    }
    subscription.seeker = seeker
    if (seeker !== null) this.queue.seekers.add(seeker)
  }

  #regroup(): void {
    // While the queue has no groups, those that it had stay with their consumers.
    this.#grouping = this.queue.grouped
    this.groups.allBack()
    // This server served before, and the records of deliveries that failed then are not safe yet.
    if (this.#grouping) this.queue.line.forEachObject(one => one.standing === Standing.RETURNING && this.away(one))
    for (const one of this.subscriptions) {
      if (!one.choosy) this.#place(one, this.#grouping ? new Seeker(this, one, null, false) : null)
    }
  }

  /** Who gets messages changes: the row of takers is made anew. */
  #elect(sole: QueueSubscription | null): void {
    this.#sole = sole
    if (sole !== null) for (const one of this.subscriptions) if (one !== sole) this.#part(one)
    this.#takers.length = 0
    for (const one of this.subscriptions) {
      one.taking = one.left > 0 && this.#admits(one)
      if (one.taking) this.#takers.push(one)
    }
    this.wanted()
  }

  /** Its groups are others' as soon as what it has of them is settled. */
  #part(subscription: QueueSubscription): void {
    subscription.part()
    const first = this.groups.part(subscription)
    if (first < Infinity) for (const seeker of this.queue.seekers) seeker.rewind(first)
  }

  #admits(subscription: QueueSubscription): boolean {
    if (subscription.failing.size > 0) return false
    return this.#sole === null || this.#sole === subscription || subscription.seeker?.browses === true
  }

  failed(message: Message): void {
    const subscription = message.owner as QueueSubscription | null
    if (subscription?.failing.delete(message) !== true || subscription.closed) return
    if (subscription.failing.size === 0) this.creditChanged(subscription)
  }

  holds(message: Message): boolean {
    return this.#ground.redeliveries.hold(this.queue, message)
  }

  back({ envelope }: Message): void {
    const first = envelope.group === '' ? 0 : this.groups.back(envelope.group)
    if (first > 0) for (const seeker of this.queue.seekers) seeker.rewind(first)
  }

  get properties(): PropertyReader {
    return this.#ground.properties
  }

  settled(message: Message, patient: boolean): void {
    this.#settled.push(message)
    if (!patient) this.#awaited = true
    this.#plan()
  }

  rejected(message: Message, patient: boolean): void {
    if (this.#dies(message, 'rejected')) return
    message.standing = Standing.SETTLING
    this.settled(message, patient)
  }

  expired(message: Message): void {
    message.owner = null
    this.#die(message, 'expired')
  }

  /** It goes elsewhere, where that is settled. */
  #dies(message: Message, reason: DeathReason): boolean {
    const settles = this.#ground.deaths.addressOf(this.queue, message, reason) !== null
    if (settles) this.#die(message, reason)
    return settles
  }

  #die(message: Message, reason: DeathReason): void {
    message.standing = Standing.TAKEN
    this.#dead.push({ message, reason })
    this.#plan()
  }

  away({ envelope, sequence }: Message): void {
    if (envelope.group !== '') this.groups.leaves(envelope.group, sequence)
  }

  returned(message: Message): void {
    const failed = message.deliveryCount + 1
    if (failed >= this.queue.policy.maxDeliveries && this.#dies(message, 'deliveries')) return
    message.standing = Standing.RETURNING
    this.away(message)
    this.#returned.push(message)
    this.#plan()
    // What its consumer gives back with it would overtake it.
    const subscription = message.owner as QueueSubscription
    subscription.failing.add(message)
    if (subscription.taking) this.#leaveRow(this.#takers.indexOf(subscription))
  }

  creditChanged(subscription: QueueSubscription): void {
    if (subscription.left > 0) {
      if (!subscription.taking && this.#admits(subscription)) {
        subscription.taking = true
        this.#takers.push(subscription)
      }
    } else if (subscription.taking) this.#leaveRow(this.#takers.indexOf(subscription))
    if (subscription.draining) {
      if (!this.#drains.includes(subscription)) this.#drains.push(subscription)
      this.#plan()
    } else this.wanted()
  }

  leave(subscription: QueueSubscription): void {
    this.subscriptions.delete(subscription)
    this.#place(subscription, null)
    if (subscription.taking) this.#leaveRow(this.#takers.indexOf(subscription))
    this.#part(subscription)
    if (subscription === this.#sole) this.#elect([...this.subscriptions].find(one => one.exclusive) ?? null)
  }

  /** Settlements wait for a record. */
  get unrecorded(): boolean {
    return this.#settled.length > 0 || this.#returned.length > 0
  }

  get hungry(): boolean {
    return this.#takers.length > 0
  }

  wanted(): void {
    if (this.hungry) this.#plan()
  }

  /** This server stops serving: what is settled and not recorded is not settled. */
  forget(): void {
    this.due = false
    for (const message of this.#settled) this.queue.giveBack(message)
    for (const message of this.#returned) this.queue.giveBack(message)
    this.#settled = []
    this.#returned = []
    for (const { message } of this.#dead) this.queue.giveBack(message)
    this.#dead = []
    this.#takers.length = 0
    this.#drains = []
    this.#sole = null
    this.#grouping = false
    this.groups.clear()
    for (const subscription of this.subscriptions) subscription.forget()
    this.queue.forgetDeliveries()
  }

  /** The queue is to go: nothing of it is delivered or recorded any more, and who still consumes it is told. */
  abandon(): void {
    const told = [...this.subscriptions].filter(one => !one.closed)
    this.abandoned = true
    this.forget()
    this.subscriptions.clear()
    const gone = { refused: 'not-found', text: `the queue ${this.queue.name} is gone` } as const
    for (const { consumer } of told) consumer.detached(gone)
  }

  /** Makes records of what was settled since the last turn. SETTLED goes first: the ranges of RETURNED rely on it. */
  flush(): void {
    if (this.#settled.length > 0) this.#settled = this.#record(SETTLED, this.#settled, !this.#awaited)
    if (this.#settled.length === 0) this.#awaited = false
    if (this.#dead.length > 0) this.#bury()
    if (this.#returned.length > 0) this.#returned = this.#record(RETURNED, this.#returned, false)
  }

  #bury(): void {
    const dead = this.#dead
    this.#dead = []
    for (const reason of DEATHS) {
      const messages = dead.filter(one => one.reason === reason).map(({ message }) => message)
      if (messages.length > 0) this.#ground.deaths.bury(this.queue, messages, reason)
    }
  }

  /** Delivers one turn's worth. Consumers may settle, take credit, close or end the reign while they are called. */
  pump(): void {
    if (this.queue.grouped !== this.#grouping) this.#regroup()
    const takers = this.#takers
    const suspectThrough = suspectThroughOf(this.queue, this.#ground)
    let budget = DELIVERIES_PER_TURN
    let inVain = 0
    this.#budget.left = SEEN_PER_TURN
    this.#budget.tired = false
    while (takers.length > 0) {
      if (budget === 0) {
        this.#plan()
        return
      }
      if (this.#turn >= takers.length) this.#turn = 0
      const subscription = takers[this.#turn] as QueueSubscription
      const { seeker } = subscription
      const message = seeker === null ? this.queue.next(subscription) : seeker.next(this.#budget)
      if (message === null) {
        // What does not suit this one may suit another, but only where somebody is choosy.
        if (!this.queue.choosy || ++inVain >= takers.length) break
        this.#turn++
        continue
      }
      inVain = 0
      budget--
      const copied = seeker?.browses === true
      if (message.envelope.expiresAt !== 0 && this.#expired(message, copied)) continue
      if (--subscription.left === 0) this.#leaveRow(this.#turn)
      else this.#turn++
      message.firstAcquirer = !message.offered && message.sequence > suspectThrough
      message.offered = true
      if (!copied) subscription.own(message)
      subscription.consumer.deliver(message)
    }
    if (this.#budget.tired) this.#plan()
    if (this.#drains.length > 0) this.#drain()
  }

  /** Its time is over: it leaves by a record, or goes elsewhere. A session judges that itself: a client may know the message. */
  #expired(message: Message, copied: boolean): boolean {
    if (this.queue.isSession || message.envelope.expiresAt > this.#ground.clock.wall()) return false
    if (copied) return true
    this.expired(message)
    return true
  }

  #drain(): void {
    const drains = this.#drains
    this.#drains = []
    for (const subscription of drains) {
      if (subscription.closed || !subscription.draining) continue
      if (subscription.left > 0 && this.#mayGet(subscription)) {
        this.#drains.push(subscription)
        continue
      }
      subscription.draining = false
      subscription.left = 0
      if (subscription.taking) this.#leaveRow(this.#takers.indexOf(subscription))
      subscription.consumer.drained()
    }
  }

  /** More will come for it: in a turn that this plans, or when what is paged out has been read, which wakes this queue. */
  #mayGet(subscription: QueueSubscription): boolean {
    const { seeker } = subscription
    if (subscription.failing.size > 0) return true
    if (!this.#admits(subscription)) return false
    if (seeker === null ? this.queue.line.starved : seeker.reading) return true
    if (!(seeker === null ? this.queue.has(subscription) : seeker.pending)) return false
    this.#plan()
    return true
  }

  #plan(): void {
    if (this.due) return
    this.due = true
    this.#turns.add(this)
  }

  #leaveRow(at: number): void {
    const takers = this.#takers
    const subscription = takers[at] as QueueSubscription
    subscription.taking = false
    // The last one takes the free place: at once, and nobody is passed over in a round.
    takers[at] = takers[takers.length - 1] as QueueSubscription
    takers.pop()
  }

  /** Returns what could not be recorded. */
  #record(kind: number, messages: Message[], patient: boolean): Message[] {
    for (let i = 1; i < messages.length; i++) {
      if ((messages[i - 1] as Message).sequence < (messages[i] as Message).sequence) continue
      messages.sort((a, b) => a.sequence - b.sequence)
      break
    }
    for (let from = 0; from < messages.length; from += SETTLEMENTS_PER_RECORD) {
      const whole = from === 0 && messages.length <= SETTLEMENTS_PER_RECORD
      const part = whole ? messages : messages.slice(from, from + SETTLEMENTS_PER_RECORD)
      const head = encodeRanges(this.queue.id, part.length, rangesOf(this.queue, part))
      if (!this.#ground.record(kind, this.queue, head, part, patient)) return messages.slice(from)
    }
    return []
  }
}

/** Earlier records, or this one, remove it: a range may run over it. */
const leaves = (message: Message): boolean => message.standing === Standing.SETTLING

/** First and last sequences of ranges that hold these messages and no other that will be there. */
function rangesOf(queue: Queue, messages: readonly Message[]): number[] {
  const bounds: number[] = []
  let last = 0
  for (const { sequence } of messages) {
    if (last > 0 && (sequence === last + 1 || queue.line.onlyBetween(last, sequence, leaves, LOOK_AHEAD))) {
      bounds[bounds.length - 1] = sequence
    } else bounds.push(sequence, sequence)
    last = sequence
  }
  return bounds
}
