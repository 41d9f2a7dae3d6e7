// The broker as one user may use it: asks for permission where an address is named, and is the broker in everything else.
// A front end gets one of these when its client has come in, and knows nothing of permissions.

import {
  type Broker,
  type Consumer,
  type Envelope,
  type Listening,
  type PublishTarget,
  type QueueWish,
  type Refusal,
  type Subscription,
  TEMPORARY_PREFIX,
  type TemporaryQueue,
  TOPIC_SCHEME,
  type TopicListener,
  type TopicWish,
  type Transaction,
} from '../broker/api.ts'
import type { Sessions } from '../broker/session-api.ts'
import type { Audit } from './audit.ts'
import { MeteredTarget, type Usage, type Usages } from './usage.ts'
import { type Action, type GrantTable, mayDo, type Person, type Place } from './permissions.ts'

export interface GuardParts {
  readonly broker: Broker
  readonly person: Person
  /** Address and port of the client, for the audit log. */
  readonly remote: string
  /** Looked at anew each time: a permission counts from the moment it is given or taken. */
  readonly grants: () => GrantTable
  readonly audit: Audit
  /** What users take; absent: nobody counts. */
  readonly usages?: Usages
}

export class GuardedBroker implements Broker {
  readonly #parts: GuardParts

  /** While it is connected. */
  #usage: Usage | null = null

  constructor(parts: GuardParts) {
    this.#parts = parts
  }

  target(name: string): PublishTarget | Refusal {
    if (name.startsWith(TOPIC_SCHEME)) {
      const place = { kind: 'topic', name: name.slice(TOPIC_SCHEME.length) } as const
      return this.#refused('send', place) ?? this.#metered(this.#parts.broker.target(name))
    }
    return this.#refused('send', { kind: 'queue', name }) ?? this.#metered(this.#parts.broker.target(name))
  }

  #metered(target: PublishTarget | Refusal): PublishTarget | Refusal {
    const usage = this.#usage
    return usage?.isMetered === true && !('refused' in target) ? new MeteredTarget(target, usage) : target
  }

  subscribe(name: string, consumer: Consumer, wish?: QueueWish): Subscription | Refusal {
    return this.#refused('receive', { kind: 'queue', name }) ?? this.#parts.broker.subscribe(name, consumer, wish)
  }

  listen(filter: string, listener: TopicListener, group: string): Listening | Refusal {
    return (
      this.#refused('receive', { kind: 'topic', name: filter }) ?? this.#parts.broker.listen(filter, listener, group)
    )
  }

  retained(filter: string, visit: (body: Uint8Array, envelope: Envelope) => void, later: () => void): boolean {
    if (this.#refused('receive', { kind: 'topic', name: filter }) !== null) return true
    return this.#parts.broker.retained(filter, visit, later)
  }

  /** What a session is subscribed to, its front end asked for with `listen` first. */
  get sessions(): Sessions {
    return this.#parts.broker.sessions
  }

  subscribeTopic(
    wish: TopicWish,
    consumer: Consumer,
    ready: (refusal: Refusal | null) => void,
  ): Subscription | Refusal {
    return (
      this.#refused('receive', { kind: 'topic', name: wish.filter }) ??
      this.#parts.broker.subscribeTopic(wish, consumer, ready)
    )
  }

  /** The names of durable subscriptions hold their client's: who takes one away has had the permission to make it. */
  durableFilter(name: string): string | null {
    return this.#parts.broker.durableFilter(name)
  }

  unsubscribeTopic(name: string, done: () => void): boolean {
    return this.#parts.broker.unsubscribeTopic(name, done)
  }

  temporary(name: string): TemporaryQueue | Refusal {
    return this.#parts.broker.temporary(name)
  }

  /** Whoever is named in it was asked for before. */
  begin(): Transaction | Refusal {
    return this.#parts.broker.begin()
  }

  has(name: string): boolean {
    return this.#parts.broker.has(name)
  }

  admitConnection(): Refusal | null {
    const { broker, person, usages } = this.#parts
    const usage = usages?.of(person.user) ?? null
    const refusal = usage?.connectionFault(person.user) ?? broker.admitConnection()
    if (refusal !== null || usage === null) return refusal
    usage.connections++
    this.#usage = usage
    return null
  }

  connectionClosed(): void {
    const { broker, person, usages } = this.#parts
    const usage = this.#usage
    this.#usage = null
    if (usage !== null && --usage.connections === 0) usages?.forget(person.user)
    broker.connectionClosed()
  }

  /** Using an address that is not there yet makes it, and takes the permission for that, too. */
  #refused(action: Action, place: Place): Refusal | null {
    const { kind, name } = place
    const makes = kind === 'queue' && !name.startsWith(TEMPORARY_PREFIX) && !this.#parts.broker.has(name)
    return this.#asked(action, place) ?? (makes ? this.#asked('create', place) : null)
  }

  #asked(action: Action, place: Place): Refusal | null {
    const { person, remote, grants, audit } = this.#parts
    if (mayDo(grants(), person, action, place)) return null
    const { kind, name } = place
    audit({ event: 'not-permitted', who: person.user, remote, details: { action, kind, name } })
    return {
      refused: 'not-permitted',
      text: `${person.user} has no permission to ${WORDS[action]} the ${kind} ${name}`,
    }
  }
}

const WORDS: Readonly<Record<Action, string>> = { send: 'send to', receive: 'receive from', create: 'create' }
