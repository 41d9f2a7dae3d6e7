// The durable state of the broker as a fold over records: the same records give the same state, on the active server, on
// its follower and after a restart. Nothing here knows of clients. How the active server folds its own records, which it
// need not decode, is in ledger.ts; a test holds the two against each other.

import { assert } from '../base/assert.ts'
import type { RecordView } from '../journal/commit.ts'
import { DELAYED_PREFIX, DelayedQueue } from './delayed-queue.ts'
import { DuplicateIds } from './duplicate-ids.ts'
import { keptEnvelope } from './envelope.ts'
import { foldGroup, messagesIn } from './group-fold.ts'
import { decodeMessage } from './message-record.ts'
import type { PagingGround } from './pager.ts'
import { Holdings } from './holdings.ts'
import { Queue } from './queue.ts'
import {
  decodeDeclaration,
  decodeRanges,
  FIRST_BROKER_KIND,
  GROUP,
  HIDDEN,
  LAST_BROKER_KIND,
  MESSAGE,
  PLACE,
  QUEUE,
  recordFault,
  RETURNED,
  SETTING,
  SETTLED,
} from './records.ts'
import { Retained } from './retained.ts'
import { SessionStates } from './session-state.ts'
import { decodeSetting, Settings } from './settings.ts'
import { foldTopicRecord, type TopicState } from './topic-fold.ts'

export class State implements TopicState {
  /** The record up to which the state speaks. */
  sequence = 0
  /** A snapshot that was restored spoke up to here: records up to it are in the state already. */
  restoredThrough = 0
  readonly holdings: Holdings
  readonly settings = new Settings()
  readonly retained = new Retained()
  readonly sessions = new SessionStates()
  readonly duplicates = new DuplicateIds()
  /** Messages to topics that are not to be published yet. */
  delayedTopics: DelayedQueue | null = null
  readonly #byId = new Map<number, Queue>()
  readonly #byName = new Map<string, Queue>()

  constructor(paging: PagingGround | null = null) {
    this.holdings = new Holdings(paging)
  }

  /** All queues, in the order of their declaration. */
  get queues(): Iterable<Queue> {
    return this.#byId.values()
  }

  get queueCount(): number {
    return this.#byId.size
  }

  named(name: string): Queue | null {
    return this.#byName.get(name) ?? null
  }

  byId(id: number): Queue | null {
    return this.#byId.get(id) ?? null
  }

  /** A hidden queue has no name to be found by. */
  declare(id: number, name: string, safe: boolean, hidden = false): Queue {
    if (hidden && name.startsWith(DELAYED_PREFIX)) return this.#delayed(id, name, safe)
    const queue = new Queue(id, name, safe, this.holdings, hidden)
    this.#byId.set(id, queue)
    if (!hidden) this.#byName.set(name, queue)
    return queue
  }

  #delayed(id: number, name: string, safe: boolean): DelayedQueue {
    const of = this.byId(Number(name.slice(DELAYED_PREFIX.length)))
    const queue = new DelayedQueue(id, name, safe, this.holdings, of)
    if (of === null) this.delayedTopics = queue
    this.#byId.set(id, queue)
    return queue
  }

  dropQueue(queue: Queue): void {
    queue.clear()
    this.duplicates.dropAddress(queue.id)
    this.#byId.delete(queue.id)
    if (!queue.hidden) this.#byName.delete(queue.name)
  }

  /** The record that declares the queue will not come. */
  undeclare(queue: Queue): void {
    assert(!queue.declared && queue.line.count === 0, 'only a queue that nobody relies on is forgotten')
    queue.forsake()
    if (queue === this.delayedTopics) this.delayedTopics = null
    this.#byId.delete(queue.id)
    if (!queue.hidden) this.#byName.delete(queue.name)
  }

  /** Whoever still holds a queue of this state must find out that it is one no more. */
  drop(): void {
    this.holdings.clear()
  }

  apply(record: RecordView): void {
    const { sequence, kind } = record
    if (sequence <= this.restoredThrough) return
    assert(sequence > this.sequence, 'records are folded in order')
    if (kind >= FIRST_BROKER_KIND && kind <= LAST_BROKER_KIND) this.#fold(record)
    this.sequence = sequence
  }

  #fold(record: RecordView): void {
    const { sequence, kind } = record
    switch (kind) {
      case QUEUE: {
        const { name, options } = decodeDeclaration(record)
        const hidden = options === HIDDEN
        if (!hidden && this.#byName.has(name)) throw recordFault(sequence, kind, `the queue ${name} is there already`)
        this.declare(sequence, name, true, hidden)
        return
      }
      case MESSAGE: {
        const { queue: id, envelope, body } = decodeMessage(record)
        const queue = this.#queueOf(id, record)
        queue.put(sequence, body, 0, keptEnvelope(envelope))
        const { duplicateId, cameAt } = envelope
        if (duplicateId !== '') this.duplicates.add(queue.addressOf(envelope), duplicateId, cameAt)
        return
      }
      case SETTLED: {
        const ranges = decodeRanges(record)
        const queue = this.#queueOf(ranges.queue, record)
        for (const message of messagesIn(queue, ranges, record)) queue.remove(message)
        return
      }
      case RETURNED: {
        const ranges = decodeRanges(record)
        const queue = this.#queueOf(ranges.queue, record)
        for (const message of messagesIn(queue, ranges, record)) queue.comeBack(message)
        return
      }
      case PLACE:
        return
      case GROUP:
        foldGroup(this, record)
        return
      case SETTING:
        this.settings.put(decodeSetting(record))
        return
      default:
        if (!foldTopicRecord(this, record)) throw recordFault(sequence, kind, 'this version does not know the kind')
    }
  }

  #queueOf(id: number, record: RecordView): Queue {
    const queue = this.#byId.get(id)
    if (queue === undefined) throw recordFault(record.sequence, record.kind, `there is no queue ${id}`)
    return queue
  }
}
