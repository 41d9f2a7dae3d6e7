// A consumer of the model: hands all that the broker tells it to the judge, who knows what must be true.

import assert from 'node:assert/strict'
import type { Consumer, QueuedMessage, QueueWish, Refusal, Subscription } from '../../src/broker/api.ts'
import type { Fold } from './model-fold.ts'
import { selecting } from './ground.ts'

/** all: a plain consumer; a number: one that selects, by the number of the message; browse: one that only looks. */
export type How = 'all' | 0 | 1 | 2 | 'browse' | 'browse 1'

/** What has happened, how often. */
export const noStats = () => ({
  deliveries: 0,
  refusals: 0,
  failovers: 0,
  redeliveries: 0,
  confirmed: 0,
  paged: 0,
  shown: 0,
  selected: 0,
})

export interface Judge {
  readonly fold: Fold
  readonly out: ReadonlyMap<number, unknown>
  readonly stats: { shown: number; selected: number }
  mustProve(what: string): void
  delivered(taker: ModelTaker, message: QueuedMessage): void
  confirmed(taker: ModelTaker, sequence: number): void
  /** The message that must be delivered to this taker next, if any. */
  nextFor(taker: ModelTaker): number | null
}

export class ModelTaker implements Consumer {
  readonly pair: Judge
  readonly queue: string
  readonly browses: boolean
  readonly #third: number | null
  #last = 0
  subscription!: Subscription
  readonly owned: number[] = []
  readonly shunned = new Set<number>()
  left = 0
  draining = false
  ended = false
  settling = false

  constructor(pair: Judge, queue: string, how: How = 'all') {
    this.pair = pair
    this.queue = queue
    this.browses = how === 'browse' || how === 'browse 1'
    this.#third = typeof how === 'number' ? how : how === 'browse 1' ? 1 : null
  }

  get wish(): QueueWish | undefined {
    if (this.#third === null && !this.browses) return undefined
    return { ...selecting(this.#third === null ? '' : `third = ${this.#third}`), browses: this.browses }
  }

  wants(id: string): boolean {
    return this.#third === null || Number(id.slice(1)) % 3 === this.#third
  }

  deliver(message: QueuedMessage): void {
    if (this.#third !== null) this.pair.stats.selected++
    if (this.browses) this.#shown(message)
    else this.pair.delivered(this, message)
  }

  /** What is shown may be taken by others at any time, so that only so much can be said of it. */
  #shown({ sequence, body }: QueuedMessage): void {
    this.pair.mustProve('a delivery')
    this.pair.stats.shown++
    const kept = this.pair.fold.queues.get(this.queue)?.get(sequence)
    assert.ok(kept !== undefined && !this.pair.out.has(sequence), 'only what may be delivered is shown')
    assert.ok(sequence > this.#last, 'each message is shown once, in order')
    assert.ok(!this.ended && this.left-- > 0 && this.wants(kept.id))
    assert.equal(Buffer.from(body).toString().trim(), kept.id)
    this.#last = sequence
  }
  drained(): void {
    this.pair.mustProve('a drain')
    assert.ok(this.draining, 'only a drain that was asked for ends')
    assert.ok(this.left === 0 || this.browses || this.pair.nextFor(this) === null, 'a drain ends when nothing is left')
    this.draining = false
    this.left = 0
  }
  detached(refusal: Refusal): void {
    assert.equal(refusal.refused, 'not-serving')
    this.ended = true
  }
  settled(sequence: number): void {
    if (!this.settling) this.pair.mustProve('a confirmation')
    assert.ok(!this.ended, 'who has left is not told')
    this.pair.confirmed(this, sequence)
  }
}
