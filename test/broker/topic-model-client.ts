// A client of the topic model: its connection, if there is one, what it publishes, and what it is told. All that the broker
// tells it is judged at once.

import assert from 'node:assert/strict'
import { isRefusal, type Listening, type Producer, type Refusal } from '../../src/broker/api.ts'
import type { Session, SessionMessage, SessionOwner } from '../../src/broker/session-api.ts'
import type { TopicPair } from './topic-model.ts'
import { shareOf, textOf } from './topic-model-fold.ts'

const FILTERS = ['a', 'a/+', 'a/#', '#', 'c', '$share/g/a/#', '$share/g/c', '$share/h/#'] as const

/** One client identifier: its connection, if there is one, and what it was told. */
export class ModelClient implements SessionOwner, Producer {
  readonly name: string
  readonly #pair: TopicPair
  session: Session | null = null
  awaits?: number
  /** Its publishes without an answer: tag, and the record that must be safe. */
  readonly #waiting = new Map<number, number>()
  #tag = 0
  #answered: boolean | null = null
  readonly #listening = new Map<string, Listening>()
  readonly #inflight = new Map<number, { sequence: number; qos: number }>()
  #opened = false
  refusedLast = false

  constructor(pair: TopicPair, name: string) {
    this.#pair = pair
    this.name = name
  }

  open(clean: boolean, lasts: boolean): void {
    const request = { clientId: this.name, user: 'u', clean, keepMs: lasts ? Infinity : 0, will: null }
    const session = this.#pair.broker.sessions.open(request, this)
    if (isRefusal(session)) {
      assert.ok(this.#pair.bench.log.fault !== null, session.text)
      return
    }
    this.session = session
    this.#opened = false
    this.#inflight.clear()
    this.#done = new Set()
    for (const text of session.subscriptions.keys()) this.#listen(text)
  }

  leave(): void {
    const { session } = this
    this.#over('leaves')
    session?.leave('gone', null)
  }

  /** As a front end does: members of groups are connected while they listen. */
  #listen(text: string): void {
    const { group, filter } = shareOf(text)
    if (group === '' || this.#listening.has(text) || this.session === null) return
    const published = (): void => this.#pair.mustProve('a publish')
    const listening = this.#pair.broker.listen(filter, { session: this.session.id, published }, group)
    assert.ok(!isRefusal(listening))
    this.#listening.set(text, listening)
  }

  listens(text: string): boolean {
    return this.#listening.has(text)
  }

  subscribe(filterAt: number, qos: 0 | 1 | 2, noLocal: boolean): void {
    const filter = FILTERS[filterAt % FILTERS.length] as string
    if (this.session === null || this.session.id === 0) return
    const pair = this.#pair
    const { reign } = pair
    const { id } = this.session
    const options = { qos, noLocal: noLocal && shareOf(filter).group === '', retainAsPublished: true, id: 0 }
    this.#listen(filter)
    this.session.subscribe(filter, options, refusal => {
      if (refusal !== null) return assert.ok(pair.bench.log.fault !== null)
      pair.mustProve('SUBACK')
      assert.equal(reign, pair.reign)
      assert.ok(pair.fold.sessions.get(this.name)?.id !== id || pair.fold.sequence > 0)
    })
  }

  unsubscribe(filterAt: number): void {
    if (this.session === null || this.session.id === 0) return
    const filter = FILTERS[filterAt % FILTERS.length] as string
    if (!this.session.subscriptions.has(filter)) return
    this.#listening.get(filter)?.close()
    this.#listening.delete(filter)
    this.session.unsubscribe(filter, refusal => {
      if (refusal === null) this.#pair.mustProve('UNSUBACK')
    })
  }

  window(messages: number): void {
    if (this.#opened) this.session?.window(messages)
  }

  /** Answers the oldest of what it got. */
  answer(): void {
    const [first] = this.#inflight
    if (first === undefined || this.session === null) return
    const [packetId, { qos }] = first
    this.#inflight.delete(packetId)
    assert.ok(qos === 1 ? this.session.acknowledge(packetId) : this.session.receive(packetId), 'it is known')
  }

  drain(): void {
    for (let rounds = 0; rounds < 40; rounds++) {
      this.window(1000)
      while (this.#inflight.size > 0) this.answer()
      this.#pair.flow()
    }
  }

  // What it publishes.

  begin(): number {
    this.refusedLast = false
    this.#answered = false
    return ++this.#tag
  }

  recorded(tag: number, sequence: number): void {
    if (this.#answered === false) this.#waiting.set(tag, sequence)
    this.#answered = null
  }

  published(tag: number, refusal: Refusal | null): void {
    if (refusal !== null) {
      assert.equal(tag, this.#tag, 'a refusal comes at once')
      this.refusedLast = true
      return
    }
    this.#pair.mustProve('an acknowledgement')
    this.#pair.stats.answers++
    const now = this.#answered === false && tag === this.#tag
    assert.ok(now || this.#waiting.has(tag), 'answered once, and not after the reign')
    if (now) this.#answered = true
    assert.ok((this.#waiting.get(tag) ?? 0) <= this.#pair.safe, 'acknowledged is safe')
    for (const other of this.#waiting.keys()) assert.ok(other >= tag, 'answers come in order [MQTT-4.6.0-2]')
    this.#waiting.delete(tag)
  }

  /** The reign is over: nothing more is answered. */
  forget(): void {
    this.#waiting.clear()
  }

  mustBeAnswered(): void {
    assert.equal(this.#waiting.size, 0, 'everybody is answered')
  }

  // What it is told.

  opened(present: boolean): void {
    this.#pair.mustProve('CONNACK')
    this.#opened = true
    if (present) assert.ok(this.#pair.fold.sessions.has(this.name), 'a session that is there is safe')
  }

  deliver({ packetId, body, qos }: SessionMessage): void {
    const pair = this.#pair
    pair.mustProve('a delivery')
    pair.stats.deliveries++
    const session = pair.fold.sessions.get(this.name)
    assert.ok(session !== undefined, 'only a session that is safe has messages')
    const asked = new Set([...this.#inflight.values()].map(({ sequence }) => sequence))
    const all = pair.all
    const line = pair.fold.queue(session.queue).line
    const next = [...line].find(([sequence]) => !asked.has(sequence) && !this.#done.has(sequence))
    assert.ok(next !== undefined && all.sessions.has(this.name), 'there is one to deliver')
    assert.deepEqual([textOf(body), qos], [next[1].text, next[1].qos], 'the next one, in the order of records')
    assert.equal(packetId, (next[0] % 65_535) + 1)
    assert.ok(!this.#inflight.has(packetId))
    this.#inflight.set(packetId, { sequence: next[0], qos })
    this.#done.add(next[0])
  }

  /** Delivered on this connection: not again on it. */
  #done = new Set<number>()

  taken(): void {}
  released(): void {}

  received(packetId: number): void {
    this.#pair.mustProve('PUBREL')
    this.session?.complete(packetId)
  }

  takenOver(): void {
    this.#over()
  }

  ended(): void {
    this.#over()
  }

  #over(how: 'told' | 'leaves' = 'told'): void {
    const { session } = this
    this.session = null
    this.#opened = false
    this.#inflight.clear()
    this.#done = new Set()
    for (const listening of this.#listening.values()) listening.close()
    this.#listening.clear()
    if (how === 'told') session?.leave('stopped', null)
  }
}
