// What a protocol front end knows of the broker. No promises and no objects per message beyond the message itself: the
// front end hands over encoded messages and gets told, in order and in batches, what became of them.

import type { Envelope } from './envelope.ts'
import type { Refusal } from './refusal.ts'
import type { Selector } from './selector/selector.ts'
import type { Sessions } from './session-api.ts'

/** How names of temporary queues begin: none is made by being used, as the replies to who is gone would make it. */
export const TEMPORARY_PREFIX = 'temporary:'

export type Outcome = 'accepted' | 'released' | 'rejected' | 'modified'

export type { Refusal, RefusalReason } from './refusal.ts'
export { DEFAULT_ENVELOPE, type Envelope } from './envelope.ts'

/** A message in a queue, as a consumer gets it. */
export interface QueuedMessage {
  /** Sequence of the record that brought it: its identity and its place in the order. */
  readonly sequence: number
  /** The encoded message (AMQP bare message with its header and annotations), as it came from the sender. */
  readonly body: Uint8Array
  /** Failed deliveries so far (AMQP delivery-count). */
  readonly deliveryCount: number
  /** False where it may have been delivered before, here or by the former active server. */
  readonly firstAcquirer: boolean
  /** What the broker itself knows of it. */
  readonly envelope: Envelope
}

export interface Producer {
  /** Kept by the broker: the last record whose answer this one waits for. */
  awaits?: number
  /**
   * The message published with `tag` is safe (refusal null) or was not taken. Safe ones are told in the order
   * of publishing, in the turn in which the commit becomes known, and only while this server may serve; refusals may come
   * before `publish` returns. No answer at all comes once this server has stopped serving.
   */
  published(tag: number, refusal: Refusal | null): void
}

export interface Consumer {
  /** One message, now owned by this consumer until it is settled. Called only while credit is left. */
  deliver(message: QueuedMessage): void
  /** The drain that was asked for is over: what could be delivered was, and no credit is left any more. */
  drained(): void
  /** The queue was deleted or this server stops serving. */
  detached(refusal: Refusal): void
  /**
   * The settlement of a message is safe: the front end may confirm it to the client. Follows every `settle` of a message
   * this consumer owns, whatever the outcome: accepted, rejected and modified once their record is committed, in batches
   * and in the order of sequences; released, which has no record, before `settle` returns.
   */
  settled(sequence: number): void
}

export interface Subscription {
  /**
   * Sets how many more messages may be delivered. With `drain`, `drained` follows when none is left to deliver. May be
   * called from within `deliver`, and 0 then stops the delivering at once.
   */
  credit(messages: number, drain: boolean): void
  /**
   * What became of a delivered message. accepted and rejected remove it; released gives it back unchanged; modified
   * gives it back with one more failed delivery (one without is `released`). With `undeliverableHere` a message given
   * back is kept for others: this subscription is not offered it again. An unknown sequence is ignored (settled twice).
   * `patient`: the client does not wait for `settled`, so it may come a few milliseconds later than it could.
   */
  settle(sequence: number, outcome: Outcome, undeliverableHere?: boolean, patient?: boolean): void
  /**
   * What became of a message that this consumer had under a former subscription, maybe on the other server. Counts only where
   * it waits in the queue, and nobody else has it; nobody is told when it is safe.
   */
  recover(sequence: number, outcome: 'accepted' | 'rejected'): void
  /** Hands a delivered message over to a transaction, which settles it at its end; false where it is not here. */
  enlist(sequence: number, take: (from: Former, message: QueuedMessage) => void): boolean
  /** Ends it; what is not settled goes back to the queue in its old place, with `failed` counted as failed deliveries. */
  close(failed: boolean): void
}

/** The subscription from which a transaction has a message. */
export interface Former {
  /** Its queue is about to go, with all in it. */
  readonly abandoned: boolean
  /** The transaction's record is made: the message is settled, as by `settle`. */
  conclude(message: QueuedMessage, outcome: Outcome, undeliverableHere: boolean): void
  /** The transaction is rolled back: the message is delivered as before, or in its queue where nobody has it any more. */
  ownAgain(message: QueuedMessage): void
}

/** What a transaction records; the broker's own targets know more of it (draft.ts). */
export interface Group {
  readonly bytes: number
}

/** All or nothing: what is published and settled in it happens with its commit. */
export interface Transaction {
  /** A refusal: it is not in the transaction, which can only be rolled back. */
  publish(target: PublishTarget, message: Uint8Array, envelope: Envelope): Refusal | null
  /** A refusal as in `publish`. Nobody is told of the settlement but by the answer to the commit. */
  settle(subscription: Subscription, sequence: number, outcome: Outcome, undeliverableHere: boolean): Refusal | null
  /** Ends it. `done`, with null once all of it is safe; a refusal, maybe before this returns: nothing of it happened. */
  commit(done: (refusal: Refusal | null) => void): void
  /** Ends it. Messages that it would have settled are with their subscriptions again, or in their queues. */
  rollback(): void
}

export interface PublishTarget {
  readonly name: string
  /**
   * Hands over one encoded message; it is copied before this returns. The answer comes through `producer.published`
   * with the same tag, also for a refusal. With `producer` null nobody waits for an answer (pre-settled).
   */
  publish(message: Uint8Array, producer: Producer | null, tag: number, envelope?: Envelope): void
  /** At the commit of a transaction: what it published here. A refusal: the transaction cannot be. */
  inGroup(group: Group, message: Uint8Array, envelope: Envelope): Refusal | null
  /**
   * How many more messages this queue takes before it is full, judged by the size of those it has held: for credit to
   * senders. Messages beyond it are refused, never stored.
   */
  room(): number
  /**
   * Calls `ready` once, in a later turn, when `room()` is above zero (again). The returned function forgets it. Never
   * called after this server stopped serving.
   */
  onRoom(ready: () => void): () => void
}

/** Hears what is published to matching topics, in the publisher's own turn. */
export interface TopicListener {
  /** The lasting session whose client this is: it gets by its queue what is kept for it. */
  readonly session?: number
  /** Whose it is, where one client may have several that match: it then hears a message once, by the one that this makes. */
  readonly client?: { joined(of: readonly TopicListener[]): TopicListener }
  /** `body` is not to be kept. */
  published(body: Uint8Array, envelope: Envelope): void
}

export interface Listening {
  close(): void
}

/** How a queue is consumed, where not as usual. */
export interface QueueWish {
  /** Which of its messages; null: all. */
  readonly selector: Selector | null
  /** The messages are shown, each once, and stay where they are; to settle one means nothing. */
  readonly browses: boolean
  /** Nobody else gets messages while this one is there; of several the first. */
  readonly exclusive: boolean
}

/** A subscription to a topic that is consumed like a queue. */
export interface TopicWish {
  readonly filter: string
  /** Its name, unique among all clients, where it is to outlive its consumer; ''. */
  readonly durable: string
  /** Several may consume a durable one at a time; else a newer consumer takes the place of the older one. */
  readonly shared: boolean
  /** Of those that are not durable and have the same group one gets each message; '': each gets all. */
  readonly group: string
  /** Which of the messages; null: all. A durable one with another selector is another subscription (JMS 2.0, 8.3.3). */
  readonly selector: Selector | null
  /** What this publisher publishes it does not get (Envelope.publisher); 0: it gets all. */
  readonly notFrom: number
}

/** A queue that lasts as long as its holder wants. */
export interface TemporaryQueue {
  close(): void
}

export interface Broker {
  /** True where a queue of this name is there. */
  has(name: string): boolean
  /** A queue by name, made (durably, before any of its messages) where the profile allows it. */
  target(name: string): PublishTarget | Refusal
  subscribe(name: string, consumer: Consumer, wish?: QueueWish): Subscription | Refusal
  /** A connection asks to come in; `closed` gives the place back. */
  admitConnection(): Refusal | null
  connectionClosed(): void
  /** Topics are addressed as `topic://` and their name. Of those who listen with the same `group` one gets each message. */
  listen(filter: string, listener: TopicListener, group: string): Listening | Refusal
  /**
   * Visits the retained messages of matching topics; false: too many were looked at in this turn, and `later` is called when to
   * ask again, in another one.
   */
  retained(filter: string, visit: (body: Uint8Array, envelope: Envelope) => void, later: () => void): boolean
  readonly sessions: Sessions
  /** `ready` is called once it is safe that the subscription is there, maybe before this returns. */
  subscribeTopic(wish: TopicWish, consumer: Consumer, ready: (refusal: Refusal | null) => void): Subscription | Refusal
  /** What a durable subscription is subscribed to; null: there is none of this name. */
  durableFilter(name: string): string | null
  /** Takes a durable subscription away; `done` when that is safe. False where the log takes no record now. */
  unsubscribeTopic(name: string, done: () => void): boolean
  /** A queue without records under this name, which nobody else can guess: to be had by `target` and `subscribe`. */
  temporary(name: string): TemporaryQueue | Refusal
  begin(): Transaction | Refusal
}

export const TOPIC_SCHEME = 'topic://'

export const isRefusal = (answer: object): answer is Refusal => 'refused' in answer
