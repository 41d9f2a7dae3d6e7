// The books of clients that do as they please: what was published, who has it, what the broker answered for, and what was
// consumed for good. They are told what clients say and hear, and judge what comes.

import assert from 'node:assert/strict'
import { Decoder } from '../../../src/protocols/amqp/decode.ts'
import { encode } from '../../../src/protocols/amqp/encode.ts'
import { codesByName } from '../../../src/protocols/amqp/performatives.ts'
import type { Value } from '../../../src/protocols/amqp/types.ts'
import { bool, described, list, map, NULL, str, sym, ubyte, uint } from '../../../src/protocols/amqp/types.ts'
import {
  ACCEPTED,
  ALWAYS,
  type Delivery,
  isFree,
  loses,
  MODIFIED,
  owns,
  REJECTED,
  type Transaction,
} from './wild-links.ts'
import { message } from './wire.ts'

export const QUEUES = ['q', 'r', 'dead', 'old'] as const

/** A number decides all that is done in one step. */
export class Choice {
  #state: number
  constructor(number: number) {
    this.#state = number
  }
  below(limit: number): number {
    this.#state = (Math.imul(this.#state ^ (this.#state >>> 15), 0x2c1b_3c6d) + 0x9e37_79b9) | 0
    return ((this.#state ^ (this.#state >>> 13)) >>> 0) % limit
  }
  of<T>(all: readonly T[]): T {
    return all[this.below(all.length)] as T
  }
  any<T>(all: readonly T[]): T | undefined {
    return all.length === 0 ? undefined : this.of(all)
  }
}

export interface Wanted {
  readonly number: string
  readonly bytes: Buffer
  /** It does not go by itself. */
  readonly lasts: boolean
}

/** A message in a queue. */
interface Place {
  last: Delivery | null
  /** The broker has said that it is settled. */
  done: boolean
}

export class Book {
  readonly #bodies: Buffer[] = []
  #names = 0
  #reign = 0
  /** Numbers of messages the broker has answered for. */
  readonly #accepted = new Set<string>()
  readonly #mayBeGone = new Set<string>()
  /** By queue and number. */
  readonly #places = new Map<string, Place>()
  /** By the number of what was sent in it. */
  readonly #transactions = new Map<string, Transaction>()
  committed = 0
  rolledBack = 0

  get count(): number {
    return this.#bodies.length
  }

  unique(): string {
    return `u${this.#names++}`
  }

  /** `to`: the queue, or '' for what is no queue. */
  message(choice: Choice, to: string, named: boolean, transaction: Transaction | undefined): Wanted {
    const number = String(this.#bodies.length)
    const text = Buffer.from(`#${number}#`)
    const data = message(choice.of([10, 10, 10, 2000, 9000]), 97 + (this.#bodies.length % 26))
    text.copy(data, data.length - text.length)
    this.#bodies.push(data)
    if (transaction !== undefined) this.#transactions.set(number, transaction)
    const ttl = choice.below(5) === 0 ? choice.of([1, 500, 3000]) : 0
    const priority = choice.below(4) === 0 ? choice.below(10) : 4
    const delay = choice.below(8) === 0 ? choice.of([10, 2000]) : 0
    const group = choice.below(4) === 0 ? choice.of(['g', 'h']) : ''
    const duplicate = choice.below(6) === 0 ? choice.of(['x', 'y', 'z']) : ''
    const sections: [number, Value][] = [
      [0x70, list([bool(true), ubyte(priority), ttl > 0 ? uint(ttl) : NULL])],
      ...(delay > 0 ? ([[0x72, map([sym('x-opt-delivery-delay'), uint(delay)])]] as [number, Value][]) : []),
      [0x73, list([NULL, NULL, named ? str(to) : NULL, ...Array<Value>(7).fill(NULL), group ? str(group) : NULL])],
      [0x74, map([str('c'), str(choice.of(['x', 'y'])), ...(duplicate ? [str('_AMQ_DUPL_ID'), str(duplicate)] : [])])],
    ]
    const head = sections.map(([code, value]) => encode(described(code, value)))
    return { number, bytes: Buffer.concat([...head, data]), lasts: to !== '' && ttl === 0 && duplicate === '' }
  }

  numberOf(bytes: Buffer): string {
    return /#(\d+)#$/.exec(bytes.toString('latin1', Math.max(0, bytes.length - 20)))?.[1] ?? ''
  }

  /** Its bytes are those that were published, and its transaction, if any, was not rolled back: then all of that happened. */
  judge(bytes: Buffer): string {
    const number = this.numberOf(bytes)
    const body = this.#bodies[Number(number)]
    assert.ok(number !== '' && body?.equals(bytes.subarray(-body.length)), 'its bytes are those that were published')
    const transaction = this.#transactions.get(number)
    if (transaction?.state === 'committing') this.commits(transaction)
    const { state = 'committed' } = transaction ?? {}
    assert.equal(state, 'committed', `${number} comes, though it was sent in a transaction that is not committed`)
    return number
  }

  accepted(number: string): void {
    this.#accepted.add(number)
  }

  mayBeGone(number: string): void {
    this.#mayBeGone.add(number)
  }

  #place({ link, number }: Delivery): Place {
    const key = `${owns(link) ? link.address : link.name}|${number}`
    const place = this.#places.get(key) ?? { last: null, done: false }
    this.#places.set(key, place)
    return place
  }

  /** It is its consumer's own: nobody else has it, it is not settled, and failures count. */
  comes(delivery: Delivery, bytes: Buffer): void {
    const place = this.#place(delivery)
    const { last } = place
    const name = `${delivery.number} of ${delivery.link.address}`
    assert.ok(!place.done, `${name} comes again, though its consumer was told that it is settled`)
    assert.ok(last === null || isFree(last), `${name} comes again, though ${last?.link.name} has it`)
    delivery.count = countIn(bytes)
    const least = (last?.count ?? 0) + (last?.failedIn === ALWAYS || last?.failedIn === this.#reign ? 1 : 0)
    const most = (last?.count ?? 0) + (last?.mayFail === true ? 1 : 0)
    const fits = delivery.count >= least && delivery.count <= most
    assert.ok(fits, `${name} has delivery-count ${delivery.count}, not ${least} to ${most}`)
    place.last = delivery
  }

  /** The broker says that it happened. */
  concluded(delivery: Delivery): void {
    if (delivery.outcome === ACCEPTED || delivery.outcome === REJECTED) this.#place(delivery).done = true
    else if (delivery.outcome === MODIFIED) delivery.failedIn = ALWAYS
  }

  /** A client wants it committed: from now on that may happen. */
  asked(transaction: Transaction): void {
    transaction.state = 'committing'
    for (const { link, number, outcome } of transaction.taken) if (loses(link, outcome)) this.mayBeGone(number)
  }

  commits(transaction: Transaction): void {
    transaction.state = 'committed'
    this.committed++
    for (const number of transaction.sent) this.accepted(number)
    for (const delivery of transaction.taken) this.concluded(delivery)
  }

  /** `failed`: what counts as failed deliveries, because its client has let go of it. */
  rollsBack(transaction: Transaction, failed: readonly Delivery[] = []): void {
    transaction.state = 'rolled back'
    this.rolledBack++
    for (const delivery of failed) if (delivery.link.open) delivery.failedIn = this.#reign
  }

  /** What was not safe never was. */
  failover(): void {
    this.#reign++
  }

  /** What was answered for is there, or somebody had it. */
  audit(found: ReadonlySet<string>): void {
    const lost = [...this.#accepted].filter(number => !found.has(number) && !this.#mayBeGone.has(number))
    assert.deepEqual(lost, [], 'nothing that was accepted is lost')
  }
}

/** The delivery-count in its header, which all of them have. */
function countIn(bytes: Buffer): number {
  const decoder = new Decoder(bytes, 0, bytes.length, { depth: 5, values: 20 })
  assert.equal(decoder.descriptor(codesByName), 0x70)
  const header = decoder.value()
  const count = header.type === 'list' ? header.value[4] : undefined
  return count?.type === 'uint' ? count.value : 0
}
