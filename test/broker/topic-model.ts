// A pair of brokers with MQTT clients over one history of records, and beside it a model that knows in plain maps what must
// be true of topics: who must get what, in which order, what is retained, and who was told what. Every word of the brokers
// is judged at once.

import assert from 'node:assert/strict'
import { CodedError } from '../../src/base/errors.ts'
import { isRefusal } from '../../src/broker/api.ts'
import type { BrokerCore } from '../../src/broker/broker.ts'
import { MQTT_ENVELOPE } from '../../src/broker/envelope.ts'
import { RETAINED, ROUTED } from '../../src/broker/records.ts'
import { decodeRouted } from '../../src/broker/topic-records.ts'
import type { RecordView } from '../../src/journal/commit.ts'
import { Bench, foldOf, restoredFrom, snapshotOf } from './ground.ts'
import { ModelClient } from './topic-model-client.ts'
import { decodeRetained } from '../../src/broker/retained.ts'
import { bodyOf, matches, shareOf, textOf, TopicFold } from './topic-model-fold.ts'

const TOPICS = ['a', 'a/b', 'c'] as const
const QUEUE_MESSAGES = 6
const limits = { queueMessages: QUEUE_MESSAGES, connections: 100 }

export class TopicPair {
  benches: [Bench, Bench] = [new Bench(limits), new Bench(limits)]
  active = 0
  reign = 0
  shipped = 0
  safe = 0
  followed = 0
  fold = new TopicFold()
  readonly clients = ['c0', 'c1', 'c2'].map(name => new ModelClient(this, name))
  /** Numbers of all that was published in this reign, and what the listener heard of it. */
  published: string[] = []
  heard: string[] = []
  nextId = 0
  readonly stats = {
    deliveries: 0,
    answers: 0,
    failovers: 0,
    shared: 0,
    overflows: 0,
    retained: 0,
    expired: 0,
    settings: 0,
    held: 0,
  }

  constructor() {
    this.#start()
  }

  get bench(): Bench {
    return this.benches[this.active] as Bench
  }
  get follower(): Bench {
    return this.benches[1 - this.active] as Bench
  }
  get broker(): BrokerCore {
    return this.bench.broker
  }
  get records(): RecordView[] {
    return this.bench.log.records
  }

  mustProve(what: string): void {
    assert.ok(this.bench.log.proof, `${what} without proof of serving (P1)`)
  }

  /** Everything that was appended, safe or not. */
  get all(): TopicFold {
    return TopicFold.of(this.records)
  }

  // What happens.

  publish(at: number, topicAt: number, qos: 0 | 1 | 2, retain: boolean): void {
    const topic = TOPICS[topicAt % TOPICS.length] as string
    const client = this.clients[at % this.clients.length] as ModelClient
    const payload = retain && this.nextId % 4 === 0 ? '' : `m${this.nextId++}`
    const before = this.all
    const from = this.bench.log.last
    const target = this.broker.target(`topic://${topic}`)
    assert.ok(!isRefusal(target))
    // Only what lies in no queue, where it would be left out when its time is over.
    const expiresAt = retain && qos === 0 && this.nextId % 4 > 0 ? this.bench.clock.wall() + 1 + (this.nextId % 900) : 0
    const envelope = { ...MQTT_ENVELOPE, qos, retain, expiresAt, publisher: client.session?.publisher ?? -99 }
    const tag = client.begin()
    // What is told at once is told while it is published.
    this.published.push(payload)
    target.publish(bodyOf(topic, payload), client, tag, envelope)
    const made = this.records.slice(from)
    if (client.refusedLast) {
      assert.ok(this.bench.log.fault !== null, 'only a crowded log refuses')
      // Whether listeners heard it depends on nothing that the publisher is promised.
      this.published.pop()
      return
    }
    client.recorded(tag, made.length > 0 ? this.bench.log.last : 0)
    assert.equal(made.filter(record => record.kind === RETAINED).length, retain ? 1 : 0)
    if (retain) this.stats.retained++
    const routed = made.find(record => record.kind === ROUTED)
    this.#mustReach(before, topic, qos, envelope.publisher, routed === undefined ? [] : decodeRouted(routed).queues)
  }

  /** Each plain subscription, and one member of each group: of those that are connected, if one is that has room. */
  #mustReach(before: TopicFold, topic: string, qos: number, publisher: number, queues: readonly number[]): void {
    // What is on its way in counts, and what is on its way out still does.
    const coming = this.records.slice(this.fold.sequence, before.sequence).filter(record => record.kind === ROUTED)
    const full = (queue: number): boolean =>
      (this.fold.queues.get(queue)?.line.size ?? 0) +
        coming.filter(record => decodeRouted(record).queues.includes(queue)).length >=
      QUEUE_MESSAGES
    const plain = new Set<number>()
    const groups = new Map<string, number[]>()
    const atOnce = new Set<string>()
    const connected = (text: string, id: number): boolean =>
      this.clients.some(client => client.name === before.client(id) && client.listens(text))
    if (qos > 0)
      for (const [id, { bindings }] of before.queues)
        for (const [text, options] of bindings) {
          const { group, filter } = shareOf(text)
          if (!matches(filter, topic)) continue
          // A member that was granted QoS 0 may have had its turn, and heard it at once.
          if (options.qos === 0 && group !== '' && connected(text, id)) atOnce.add(text)
          if (options.qos === 0) continue
          if (group !== '') groups.set(text, [...(groups.get(text) ?? []), id])
          else if (!(options.noLocal && before.sessions.get(before.client(id))?.id === publisher)) plain.add(id)
        }
    const rest = new Set(queues)
    assert.equal(rest.size, queues.length, 'each queue once')
    for (const id of plain) {
      if (full(id)) this.stats.overflows++
      assert.equal(rest.has(id), !full(id), 'a subscription gets what matches, while there is room')
    }
    for (const [text, members] of groups) {
      const open = members.filter(id => !full(id))
      const here = open.filter(id => connected(text, id))
      const may = here.length > 0 ? here : open
      const got = members.filter(id => rest.has(id))
      this.stats.shared++
      assert.ok(
        may.length === 0 || atOnce.has(text) || got.some(id => may.includes(id)),
        'one member of a group gets it',
      )
    }
    const explained = [...groups.values()].flat()
    for (const id of rest) assert.ok(plain.has(id) || explained.includes(id), 'nobody else gets it')
    // Besides those with a subscription of their own, no more than one to a group.
    assert.ok([...rest].filter(id => !plain.has(id)).length <= groups.size, 'one member only')
  }

  set(key: number, value: number): void {
    const name = `k${key % 3}`
    const text = value === 0 ? null : `v${value}`
    const { reign } = this
    this.broker.settings.set(name, text, refusal => {
      if (refusal !== null) return assert.ok(this.bench.log.fault !== null)
      this.mustProve('a setting')
      assert.equal(reign, this.reign, 'nobody is told after the reign')
      this.stats.settings++
    })
  }

  turn(): void {
    this.bench.clock.turn()
    this.pass(1)
  }

  /** Time goes on at the server that serves; what is retained and over may be taken away, and nothing else of it. */
  pass(ms: number): void {
    const { clock, log } = this.bench
    const before = this.all
    clock.advance(ms)
    for (const record of this.records.slice(before.sequence, log.last)) {
      if (record.kind === RETAINED) {
        const { topic, body } = decodeRetained(record)
        const { expiresAt = 0 } = before.retained.get(topic) ?? {}
        this.mustProve('the end of a retained message')
        assert.equal(body.length, 0)
        assert.ok(
          expiresAt > 0 && expiresAt <= clock.wall(),
          'only what is over is taken away, once, and never what is newer',
        )
        this.stats.expired++
      }
      before.apply(record)
    }
  }

  ship(records: number): void {
    this.shipped = Math.min(this.bench.log.last, this.shipped + records)
  }

  follow(records: number): void {
    const to = Math.min(this.shipped, this.followed + records)
    for (; this.followed < to; this.followed++) this.follower.broker.apply(this.records[this.followed] as RecordView)
  }

  commit(records: number): void {
    this.safe = Math.max(this.safe, Math.min(this.shipped, this.safe + records))
    for (const record of this.records.slice(this.fold.sequence, this.safe)) this.fold.apply(record)
    this.broker.committed(this.safe)
  }

  flow(): void {
    this.turn()
    this.ship(Infinity)
    this.commit(Infinity)
    this.turn()
  }

  proof(proof: boolean): void {
    if (!proof) this.stats.held++
    this.bench.log.proof = proof
    this.broker.wake()
    if (proof) assert.deepEqual(this.heard, this.published, 'all is told when it may be')
  }

  crowd(crowded: boolean): void {
    this.bench.log.fault = crowded ? new CodedError('REPLICATION-BACKLOG', { what: 'too much', remedy: '' }) : null
  }

  failover(how: 'whole' | 'cut' | 'replay' | 'snapshot'): void {
    if (how === 'whole') this.shipped = this.bench.log.last
    this.follow(Infinity)
    const old = this.bench
    const history = this.records.slice(0, this.shipped)
    this.crowd(false)
    this.broker.stopServing()
    for (const client of this.clients) {
      assert.equal(client.session, null, 'all are told')
      client.forget()
    }
    this.reign++
    this.stats.failovers++
    this.followed = this.fold.sequence
    old.log.records.length = 0
    this.active = 1 - this.active
    this.records.length = 0
    this.records.push(...history)
    this.fold = TopicFold.of(history)
    this.safe = this.shipped
    if (how === 'replay' || how === 'snapshot') {
      old.broker.reset()
      this.followed = 0
    }
    if (how === 'snapshot') {
      for (const chunk of this.bench.chunks()) old.broker.restore(chunk)
      old.broker.restored()
      this.followed = this.fold.sequence
    }
    this.#start()
    if (how === 'cut') {
      this.ship(1)
      this.follow(Infinity)
    }
  }

  #start(): void {
    this.bench.log.epoch = this.reign + 1
    this.bench.log.append(1, Buffer.from('{}'), Buffer.alloc(0))
    this.bench.log.proof = true
    this.broker.startServing()
    this.published = []
    this.heard = []
    this.broker.listen(
      '#',
      {
        published: body => {
          this.mustProve('a publish')
          this.heard.push(textOf(body))
        },
      },
      '',
    )
  }

  // Judged from outside.

  check(): void {
    const { broker, fold } = this
    const snapshot = snapshotOf(broker)
    assert.ok(
      snapshot.equals(snapshotOf(foldOf(this.records.slice(0, fold.sequence), limits))),
      'fold and active agree',
    )
    assert.ok(snapshot.equals(snapshotOf(restoredFrom(this.bench.chunks(), limits))), 'a snapshot says it all')
    const retained = new Map<string, string>()
    const keep = (body: Uint8Array) =>
      void retained.set(Buffer.from(body.subarray(2, 2 + (body[1] as number))).toString(), textOf(body))
    assert.ok(broker.retained('#', keep, () => {}))
    const now = this.bench.clock.wall()
    const there = [...fold.retained].filter(([, { expiresAt }]) => expiresAt === 0 || expiresAt > now)
    assert.deepEqual(retained, new Map(there.map(([topic, { text }]) => [topic, text])))
    const kept = broker.settings.keys('').map(key => [key, broker.settings.get(key)] as const)
    assert.deepEqual(new Map(kept), fold.settings)
    const { topics, messages, queues } = broker.status()
    assert.equal(topics.retainedMessages, fold.retained.size)
    assert.equal(topics.sessions, fold.sessions.size)
    assert.equal(
      topics.subscriptions,
      [...fold.queues.values()].reduce((sum, { bindings }) => sum + bindings.size, 0),
    )
    assert.equal(
      messages,
      [...fold.queues.values()].reduce((sum, { line }) => sum + line.size, 0),
    )
    assert.deepEqual(queues, [])
  }

  /** Everything heals: what waits for each session comes to its client, in order. */
  heal(): void {
    this.crowd(false)
    this.proof(true)
    for (let rounds = 0; rounds < 4; rounds++) {
      this.flow()
      this.follow(Infinity)
    }
    for (const client of this.clients) client.mustBeAnswered()
    assert.deepEqual(this.heard, this.published)
    for (const client of this.clients) {
      client.open(false, true)
      this.flow()
      client.drain()
    }
    // Each server has a clock of its own: by now every time is over by this one's.
    for (let rounds = 0; rounds < 6; rounds++) {
      this.pass(60_000)
      this.flow()
    }
    for (const { expiresAt } of this.fold.retained.values()) assert.equal(expiresAt, 0, 'what is over does not stay')
    this.check()
    this.follow(Infinity)
    for (const { line } of this.fold.queues.values()) assert.equal(line.size, 0, 'everything has come')
  }
}
