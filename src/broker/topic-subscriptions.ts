// Subscriptions to topics that are consumed like queues: durable ones are hidden queues that are bound to a filter and stay
// until they are taken away; the others live as long as their consumer (volatile.ts). MQTT has sessions instead
// (sessions.ts). This is the active server's view; what is durable about it is in the state.

import type { Consumer, Subscription, TopicWish } from './api.ts'
import { type BindingOptions, unwanted } from './binding.ts'
import { filterFault } from './limits.ts'
import { type Queue, SUBSCRIPTION_PREFIX } from './queue.ts'
import { BOUND, DROPPED, encodeQueue, HIDDEN, NOTHING, QUEUE } from './records.ts'
import type { Refusal } from './refusal.ts'
import type { QueueSubscription } from './subscription.ts'
import { BindingChange, PlainChange } from './topic-changes.ts'
import { encodeBound, encodeDropped } from './topic-records.ts'
import type { RoutingGround } from './topic-target.ts'
import { Binding } from './topics.ts'
import { type VolatileGround, VolatileQueue, VolatileSubscription } from './volatile.ts'

export type SubscriptionGround = RoutingGround &
  VolatileGround & {
    /** Nobody owns it after all. */
    orphaned(queue: Queue): void
  }

/** A durable subscription. */
interface Durable {
  readonly queue: Queue
  readonly binding: Binding
  consumers: QueueSubscription[]
  /** Those who wait for its records to be safe; null: they are. */
  waiting: ((refusal: Refusal | null) => void)[] | null
}

const optionsOf = ({ selector, notFrom }: TopicWish): BindingOptions => ({
  qos: 2,
  noLocal: notFrom !== 0,
  retainAsPublished: false,
  id: 0,
  ...(selector === null ? {} : { selector: selector.text }),
  ...(notFrom === 0 ? {} : { publisher: notFrom }),
})

/** Another topic, selector or no-local under the same name is another subscription (JMS 2.0, 8.3.3). */
const isSame = ({ filter, options }: Binding, wish: TopicWish): boolean =>
  filter === wish.filter &&
  (options.selector ?? '') === (wish.selector?.text ?? '') &&
  (options.publisher ?? 0) === wish.notFrom

export class TopicSubscriptions {
  readonly #ground: SubscriptionGround
  readonly #durable = new Map<string, Durable>()
  readonly #volatile = new Set<VolatileQueue>()

  constructor(ground: SubscriptionGround) {
    this.#ground = ground
  }

  start(): void {
    const { state, topics } = this.#ground
    for (const queue of state.queues) {
      if (!queue.keepsAll) continue
      for (const [filter, options] of queue.bindings) {
        const binding = new Binding(queue, filter, options, options.publisher ?? 0)
        topics.bind(binding)
        this.#durable.set(queue.name, { queue, binding, consumers: [], waiting: null })
      }
    }
  }

  stop(): void {
    this.#durable.clear()
    for (const queue of this.#volatile) queue.close()
    this.#volatile.clear()
  }

  /** `ready` is called once it is safe that the subscription is there, maybe before this returns. */
  subscribe(wish: TopicWish, consumer: Consumer, ready: (refusal: Refusal | null) => void): Subscription | Refusal {
    const wrong = filterFault(wish.filter)
    if (wrong !== null) return { refused: 'not-allowed', text: wrong }
    if (wish.durable === '') return this.#forNow(wish, consumer, ready)
    return this.#forGood(wish, consumer, ready)
  }

  #forNow(wish: TopicWish, consumer: Consumer, ready: (refusal: null) => void): Subscription {
    const { filter, group, selector, notFrom } = wish
    const { properties, topics } = this.#ground
    const queue = new VolatileQueue(`${filter} (a subscription)`, this.#ground)
    this.#volatile.add(queue)
    if (selector !== null || notFrom !== 0)
      queue.leaves = (body, envelope) => unwanted(selector, notFrom, body, envelope, properties)
    const inner = queue.subscribe(consumer)
    // Those of one group share what they all want: with another selector it is another group.
    const wanted = group === '' ? '' : `${group}\n${notFrom}\n${selector?.text ?? ''}`
    const listening = topics.listen(filter, queue, wanted)
    this.#ground.ledger.say(() => ready(null), this.#ground.mayServe())
    return new VolatileSubscription(queue, inner, {
      close: () => {
        listening.close()
        this.#volatile.delete(queue)
      },
    })
  }

  #forGood(wish: TopicWish, consumer: Consumer, ready: (refusal: Refusal | null) => void): Subscription | Refusal {
    const { durable: name, shared } = wish
    const key = SUBSCRIPTION_PREFIX + name
    const before = this.#durable.get(key)
    if (before !== undefined && !isSame(before.binding, wish)) {
      // Others consume it as it is (JMS 2.0, 8.3.4).
      if (shared && before.consumers.some(one => !one.closed)) {
        return { refused: 'not-allowed', text: `${name} has consumers, and another topic or selector` }
      }
      if (!this.#drop(key, before, () => {})) return this.#ground.noRecord
    }
    let found = this.#durable.get(key)
    if (found === undefined) {
      const made = this.#make(key, wish)
      if ('refused' in made) return made
      found = made
    }
    if (!shared) {
      // One consumer at a time: the newer connection of the same client is the one that lives.
      for (const older of found.consumers) older.end({ refused: 'stolen', text: `${name} is consumed elsewhere now` })
      found.consumers = []
    }
    const subscription = this.#ground.subscribeTo(found.queue, consumer)
    found.consumers = found.consumers.filter(one => !one.closed)
    found.consumers.push(subscription)
    if (found.waiting === null) ready(null)
    else found.waiting.push(ready)
    return subscription
  }

  #make(key: string, wish: TopicWish): Durable | Refusal {
    const { filter } = wish
    const options = optionsOf(wish)
    const ground = this.#ground
    const { state, limits, ledger } = ground
    if (state.queueCount >= limits.queues) {
      return { refused: 'limit', text: `there are ${limits.queues} queues and subscriptions, the limit` }
    }
    const { subscriptions } = limits.topics
    if (ground.topics.bound >= subscriptions)
      return { refused: 'limit', text: `there are ${subscriptions} subscriptions, the limit` }
    const sequence = ground.append(QUEUE, encodeQueue(key, HIDDEN), NOTHING)
    if (sequence === 0) return ground.noRecord
    const queue = state.declare(sequence, key, false, true)
    const declared = (): void => void (queue.declared = true)
    ledger.change(
      new PlainChange(
        sequence,
        declared,
        () => {},
        () => state.undeclare(queue),
      ),
    )
    const binding = new Binding(queue, filter, options, wish.notFrom)
    const made: Durable = { queue, binding, consumers: [], waiting: [] }
    const bound = ground.append(BOUND, encodeBound(queue.id, filter, options), NOTHING)
    if (bound === 0) {
      ground.orphaned(queue)
      return ground.noRecord
    }
    ground.topics.bind(binding)
    queue.filter = filter
    this.#durable.set(key, made)
    const done = (): void => {
      const { waiting } = made
      made.waiting = null
      for (const ready of waiting ?? []) ready(null)
    }
    ledger.change(new BindingChange(bound, queue, filter, options, done))
    return made
  }

  /** The filter of a durable subscription, or null where there is none of this name. */
  filterOf(name: string): string | null {
    return this.#durable.get(SUBSCRIPTION_PREFIX + name)?.binding.filter ?? null
  }

  /** Takes a durable subscription away, with all in it; false where the log does not take the record now. */
  unsubscribe(name: string, done: () => void): boolean {
    const key = SUBSCRIPTION_PREFIX + name
    const found = this.#durable.get(key)
    if (found === undefined) {
      done()
      return true
    }
    return this.#drop(key, found, done)
  }

  #drop(key: string, { queue, binding, consumers }: Durable, done: () => void): boolean {
    const ground = this.#ground
    const sequence = ground.append(DROPPED, encodeDropped(queue.id), NOTHING)
    if (sequence === 0) return false
    ground.topics.unbind(binding)
    this.#durable.delete(key)
    for (const consumer of consumers) consumer.end({ refused: 'not-found', text: 'the subscription was taken away' })
    ground.closeQueue(queue)
    const { state } = ground
    ground.ledger.change(new PlainChange(sequence, () => state.dropQueue(queue), done))
    return true
  }

  /** A queue without records under a name that nobody can guess; gone when `close` is called. */
  temporary(name: string): VolatileQueue {
    const queue = new VolatileQueue(name, this.#ground)
    this.#volatile.add(queue)
    return queue
  }
}
