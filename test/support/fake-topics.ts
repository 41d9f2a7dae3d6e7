// Topics in memory for tests of the MQTT engine alone: listeners, retained messages and sessions that end with their
// connections, answered at once or by hand. Of src/broker it keeps the contract, and nothing of its durability.

import { FakeBroker } from './fake-broker.ts'
import {
  DEFAULT_ENVELOPE,
  type Envelope,
  type Producer,
  type PublishTarget,
  type Refusal,
  type TopicListener,
} from '../../src/broker/api.ts'
import type { Session, SessionOwner, SessionRequest, Sessions } from '../../src/broker/session-api.ts'

const matches = (filter: string, topic: string): boolean => {
  const f = filter.split('/')
  const t = topic.split('/')
  if (topic.startsWith('$') && (f[0] === '+' || f[0] === '#')) return false
  for (let i = 0; i < f.length; i++) {
    if (f[i] === '#') return true
    if (i >= t.length || (f[i] !== '+' && f[i] !== t[i])) return false
  }
  return f.length === t.length
}

interface Entry {
  filter: string
  listener: TopicListener
  group: string
}

export class FakeTopics extends FakeBroker {
  readonly listeners = new Set<Entry>()
  readonly kept = new Map<string, { body: Buffer; envelope: Envelope }>()
  readonly wills: { topic: string; body: Buffer }[] = []
  /** What a publish is refused with. */
  refuseNext: Refusal | null = null
  #cache = new Map<string, Entry[]>()
  #turn = 0
  #publisher = 0
  readonly #owners = new Map<string, SessionOwner>()

  override target(name: string): PublishTarget | Refusal {
    if (!name.startsWith('topic://')) return super.target(name)
    const topic = name.slice(8)
    if (topic.startsWith('forbidden')) return { refused: 'not-permitted', text: `${topic} is not yours` }
    return {
      name,
      room: () => 1,
      inGroup: () => ({ refused: 'not-allowed', text: 'there are no transactions here' }),
      onRoom: ready => {
        this.later(ready)
        return () => {}
      },
      publish: (
        body: Uint8Array,
        producer: Producer | null,
        tag: number,
        envelope: Envelope = DEFAULT_ENVELOPE,
      ): void => {
        const refusal = this.refuseNext
        this.refuseNext = null
        if (refusal !== null) return producer?.published(tag, refusal)
        this.published++
        this.#route(topic, body, envelope)
        if (producer !== null) this.later(() => producer.published(tag, null))
      },
    }
  }

  #route(topic: string, body: Uint8Array, envelope: Envelope): void {
    if (envelope.retain) {
      const payloadAt = 3 + Buffer.byteLength(topic)
      if (body.length === payloadAt) this.kept.delete(topic)
      else this.kept.set(topic, { body: Buffer.from(body), envelope: { ...envelope } })
    }
    let to = this.#cache.get(topic)
    if (to === undefined) {
      to = [...this.listeners].filter(l => matches(l.filter, topic))
      this.#cache.set(topic, to)
    }
    const groups = new Map<string, Entry[]>()
    for (const entry of to) {
      if (entry.group === '') entry.listener.published(body, envelope)
      else groups.set(entry.group, [...(groups.get(entry.group) ?? []), entry])
    }
    for (const group of groups.values()) group[this.#turn++ % group.length]?.listener.published(body, envelope)
  }

  override listen(filter: string, listener: TopicListener, group: string) {
    const entry = { filter, listener, group }
    this.listeners.add(entry)
    this.#cache.clear()
    return {
      close: () => {
        this.listeners.delete(entry)
        this.#cache.clear()
      },
    }
  }

  override retained(filter: string, visit: (body: Uint8Array, envelope: Envelope) => void): boolean {
    for (const [topic, { body, envelope }] of this.kept) if (matches(filter, topic)) visit(body, envelope)
    return true
  }

  override readonly sessions: Sessions = {
    open: (request: SessionRequest, owner: SessionOwner): Session => {
      this.#owners.get(request.clientId)?.takenOver()
      this.#owners.set(request.clientId, owner)
      this.later(() => owner.opened(false))
      return {
        id: 0,
        publisher: ++this.#publisher,
        subscriptions: new Map(),
        subscribe: (_, __, done) => done(null),
        unsubscribe: (_, done) => done(null),
        put: () => {},
        repeated: () => false,
        release: () => {},
        window: () => {},
        acknowledge: () => false,
        receive: () => false,
        complete: () => false,
        leave: how => {
          if (this.#owners.get(request.clientId) === owner) this.#owners.delete(request.clientId)
          if (how === 'gone' && request.will)
            this.wills.push({ topic: request.will.topic, body: Buffer.from(request.will.body) })
        },
      }
    },
  }
}
