// The books of clients that do as they please: what was published, what the broker answered for, and what was consumed for
// good.

import assert from 'node:assert/strict'
import { encode } from '../../../src/protocols/amqp/encode.ts'
import type { Value } from '../../../src/protocols/amqp/types.ts'
import { bool, described, list, map, NULL, str, sym, ubyte, uint } from '../../../src/protocols/amqp/types.ts'
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

interface Wanted {
  readonly number: string
  readonly bytes: Buffer
  /** It does not go by itself. */
  readonly lasts: boolean
}

export class Book {
  readonly #bodies: Buffer[] = []
  #names = 0
  /** Numbers of messages the broker has answered for. */
  readonly #accepted = new Set<string>()
  readonly #mayBeGone = new Set<string>()
  /** `queue|number`: the broker has said that it is settled. */
  readonly #done = new Set<string>()

  get count(): number {
    return this.#bodies.length
  }

  unique(): string {
    return `u${this.#names++}`
  }

  /** `to`: the queue, or '' for what is no queue. */
  message(choice: Choice, to: string, named: boolean): Wanted {
    const number = String(this.#bodies.length)
    const text = Buffer.from(`#${number}#`)
    const data = message(choice.of([10, 10, 10, 2000, 9000]), 97 + (this.#bodies.length % 26))
    text.copy(data, data.length - text.length)
    this.#bodies.push(data)
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

  /** Its bytes are those that were published. */
  judge(bytes: Buffer): string {
    const number = this.numberOf(bytes)
    const body = this.#bodies[Number(number)]
    assert.ok(number !== '' && body?.equals(bytes.subarray(-body.length)), 'its bytes are those that were published')
    return number
  }

  accepted(number: string): void {
    this.#accepted.add(number)
  }

  mayBeGone(number: string): void {
    this.#mayBeGone.add(number)
  }

  done(key: string): void {
    if (key !== '') this.#done.add(key)
  }

  comes(key: string): void {
    assert.ok(!this.#done.has(key), `${key} comes again, though its consumer was told that it is settled`)
  }

  /** What was answered for is there, or somebody had it. */
  audit(found: ReadonlySet<string>): void {
    const lost = [...this.#accepted].filter(number => !found.has(number) && !this.#mayBeGone.has(number))
    assert.deepEqual(lost, [], 'nothing that was accepted is lost')
  }
}
