// One consumer at one queue: its credit, and what was delivered to it and is not settled. It lives in one reign of this
// server; after its end every call on it does nothing, so that a front end's late words harm nobody.

import type { Consumer, Former, Outcome, Refusal, Subscription } from './api.ts'
import { SHUNNED_PER_SUBSCRIPTION } from './limits.ts'
import { type Message, type Owner, Standing } from './message.ts'
import type { Queue } from './queue.ts'
import type { Seeker } from './seeker.ts'

/** What a subscription tells the one who delivers. */
export interface Desk {
  readonly queue: Queue
  /** Accepted or rejected: goes into the turn's SETTLED record, which may take its time if all are `patient`. */
  settled(message: Message, patient: boolean): void
  /** Rejected: goes where that is settled for such messages, else as by `settled`. */
  rejected(message: Message, patient: boolean): void
  /** Its time is over. */
  expired(message: Message): void
  /** A failed delivery: goes into the turn's RETURNED record, or where messages go that failed too often. */
  returned(message: Message): void
  creditChanged(subscription: QueueSubscription): void
  leave(subscription: QueueSubscription): void
  wanted(): void
  /** A delivery has failed, whatever records that, or its consumer gets no more of its group: the group waits for it. */
  away(message: Message): void
  /** It is waited for no longer. */
  back(message: Message): void
  /** The queue is to go. */
  readonly abandoned: boolean
}

export class QueueSubscription implements Subscription, Owner, Former {
  readonly consumer: Consumer
  readonly #desk: Desk
  closed = false
  /** How many more messages may be delivered. */
  left = 0
  draining = false
  /** True while it stands in the row of those who take messages; kept by the desk. */
  taking = false
  /** Where it does not just take what is next: the one who looks for it. */
  seeker: Seeker | null = null
  /** It has one whatever is in the queue. */
  choosy = false
  /** It wants to be the only one. */
  exclusive = false
  /** Messages delivered and not settled, in the order of delivery, with holes. */
  #owned: (Message | null)[] = []
  #ownedCount = 0
  /** Messages whose delivery to it failed, as long as that is not safe: what comes after them is not to overtake them here. */
  readonly failing = new Set<Message>()
  readonly #shunned = new Set<Message>()
  /** Of groups: those that a transaction has from here. */
  readonly #lent = new Set<Message>()
  /** Of groups that are no longer this one's: those it still has, itself or in a transaction. */
  readonly #last = new Set<Message>()

  constructor(consumer: Consumer, desk: Desk) {
    this.consumer = consumer
    this.#desk = desk
  }

  get unsettled(): number {
    return this.#ownedCount
  }

  credit(messages: number, drain: boolean): void {
    if (this.closed) return
    this.left = messages > 0 ? Math.floor(messages) : 0
    this.draining = drain
    this.#desk.creditChanged(this)
  }

  own(message: Message): void {
    if (this.#owned.length > 2 * this.#ownedCount + 64) this.#closeHoles()
    message.standing = Standing.OWNED
    message.owner = this
    message.ownedAt = this.#owned.length
    this.#owned.push(message)
    this.#ownedCount++
  }

  settle(sequence: number, outcome: Outcome, undeliverableHere = false, patient = false): void {
    if (this.closed) return
    const message = this.#desk.queue.line.find(sequence)
    if (message === null || message.standing !== Standing.OWNED || message.owner !== this) return
    this.#disown(message)
    this.#conclude(message, outcome, undeliverableHere, patient)
    this.#over(message)
  }

  #conclude(message: Message, outcome: Outcome, undeliverableHere: boolean, patient: boolean): void {
    if (outcome === 'rejected') return this.#desk.rejected(message, patient)
    if (outcome === 'accepted') {
      message.standing = Standing.SETTLING
      this.#desk.settled(message, patient)
      return
    }
    if (undeliverableHere) this.#shun(message)
    if (outcome === 'modified') this.#desk.returned(message)
    else {
      this.#desk.queue.giveBack(message)
      this.#desk.wanted()
      this.consumer.settled(message.sequence)
    }
    this.#mayShun()
  }

  /** Its groups are others' from now on, who wait for what it has of them. */
  part(): void {
    const owned = this.#owned.filter(message => message !== null && message.envelope.group !== '') as Message[]
    for (const message of [...owned, ...this.#lent]) {
      if (this.#last.has(message)) continue
      this.#last.add(message)
      this.#desk.away(message)
    }
  }

  #over(message: Message): void {
    if (!this.#last.delete(message)) return
    this.#desk.back(message)
    this.#desk.wanted()
  }

  #mayShun(): void {
    if (this.#shunned.size <= SHUNNED_PER_SUBSCRIPTION) return
    const text = `more than ${SHUNNED_PER_SUBSCRIPTION} messages of ${this.#desk.queue.name} were undeliverable here`
    this.end({ refused: 'limit', text })
  }

  recover(sequence: number, outcome: 'accepted' | 'rejected'): void {
    const { queue } = this.#desk
    const message = this.closed ? null : queue.line.find(sequence)
    // What is paged out comes again: whether somebody has it is not known without reading it.
    if (message?.standing !== Standing.READY || queue.line.blocks.sheetOf(sequence) !== null) return
    queue.settling(message)
    if (outcome === 'rejected') this.#desk.rejected(message, false)
    else this.#desk.settled(message, false)
  }

  /** A message that was delivered is found to be over. */
  expire(sequence: number): void {
    const message = this.take(sequence)
    if (message !== null) this.#desk.expired(message)
  }

  /** Takes a delivered message out of this one's hands, to be settled by another record; null: it is not here. */
  take(sequence: number): Message | null {
    if (this.closed) return null
    const message = this.#desk.queue.line.find(sequence)
    if (message === null || message.standing !== Standing.OWNED || message.owner !== this) return null
    this.#disown(message)
    message.standing = Standing.TAKEN
    message.owner = null
    return message
  }

  enlist(sequence: number, take: (from: Former, message: Message) => void): boolean {
    const message = this.take(sequence)
    if (message === null) return false
    if (message.envelope.group !== '') this.#lent.add(message)
    take(this, message)
    return true
  }

  get abandoned(): boolean {
    return this.#desk.abandoned
  }

  conclude(message: Message, outcome: Outcome, undeliverableHere: boolean): void {
    const removes = outcome === 'accepted' || outcome === 'rejected'
    if (!removes && undeliverableHere && !this.closed) this.#shun(message)
    if (outcome === 'modified') this.#desk.away(message)
    if (outcome === 'released') {
      this.#desk.queue.giveBack(message)
      this.#desk.wanted()
    } else message.standing = removes ? Standing.SETTLING : Standing.RETURNING
    this.#lent.delete(message)
    this.#over(message)
    this.#mayShun()
  }

  ownAgain(message: Message): void {
    this.#lent.delete(message)
    if (!this.closed) return this.own(message)
    this.#desk.queue.giveBack(message)
    this.#over(message)
    this.#desk.wanted()
  }

  close(failed: boolean): void {
    if (this.closed) return
    this.closed = true
    const queue = this.#desk.queue
    // Those who shun are forgotten first: what comes back then finds its right place at once.
    for (const message of this.#shunned) this.#unshunAtQueue(message)
    this.#shunned.clear()
    for (const message of this.#owned) {
      if (message === null) continue
      if (failed) this.#desk.returned(message)
      else queue.giveBack(message)
      this.#over(message)
    }
    this.#owned = []
    this.#ownedCount = 0
    this.#desk.leave(this)
    this.#desk.wanted()
  }

  /** The broker ends it. */
  end(refusal: Refusal): void {
    if (this.closed) return
    this.close(false)
    this.consumer.detached(refusal)
  }

  /** This server stops serving: the queue itself forgets all deliveries. */
  forget(): void {
    this.closed = true
    this.#owned = []
    this.#ownedCount = 0
    this.#shunned.clear()
    this.failing.clear()
    this.#lent.clear()
    this.#last.clear()
  }

  shuns(message: Message): boolean {
    return this.#shunned.has(message)
  }

  unshun(message: Message): void {
    this.#shunned.delete(message)
  }

  #disown(message: Message): void {
    this.#owned[message.ownedAt] = null
    this.#ownedCount--
    if (this.#ownedCount === 0) this.#owned.length = 0
  }

  #closeHoles(): void {
    let kept = 0
    for (const message of this.#owned) {
      if (message === null) continue
      message.ownedAt = kept
      this.#owned[kept++] = message
    }
    this.#owned.length = kept
  }

  #shun(message: Message): void {
    this.#shunned.add(message)
    if (message.shunnedBy === null) message.shunnedBy = [this]
    else if (!message.shunnedBy.includes(this)) message.shunnedBy.push(this)
  }

  #unshunAtQueue(message: Message): void {
    const others = (message.shunnedBy ?? []).filter(owner => owner !== this)
    if (others.length > 0) message.shunnedBy = others
    else this.#desk.queue.welcome(message)
  }
}

/** One that only looks: nothing is its own, and nothing comes of what it settles. */
export class Browsing extends QueueSubscription {
  override settle(sequence: number): void {
    if (!this.closed) this.consumer.settled(sequence)
  }

  override recover(): void {}

  override enlist(): boolean {
    return true
  }
}
