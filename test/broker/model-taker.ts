// A consumer of the model: hands all that the broker tells it to the judge, who knows what must be true.

import assert from 'node:assert/strict'
import type { Consumer, QueuedMessage, Refusal, Subscription } from '../../src/broker/api.ts'

export interface Judge {
  mustProve(what: string): void
  delivered(taker: ModelTaker, message: QueuedMessage): void
  confirmed(taker: ModelTaker, sequence: number): void
  /** The message that must be delivered to this taker next, if any. */
  nextFor(taker: ModelTaker): number | null
}

export class ModelTaker implements Consumer {
  readonly pair: Judge
  readonly queue: string
  subscription!: Subscription
  readonly owned: number[] = []
  readonly shunned = new Set<number>()
  left = 0
  draining = false
  ended = false
  settling = false

  constructor(pair: Judge, queue: string) {
    this.pair = pair
    this.queue = queue
  }

  deliver(message: QueuedMessage): void {
    this.pair.delivered(this, message)
  }
  drained(): void {
    this.pair.mustProve('a drain')
    assert.ok(this.draining, 'only a drain that was asked for ends')
    assert.ok(this.left === 0 || this.pair.nextFor(this) === null, 'a drain ends when nothing is left')
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
