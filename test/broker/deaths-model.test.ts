// Dead letters at random: whatever is sent, taken, rejected, failed, left to expire and lost with a server, each message that was
// acknowledged and not consumed is in its queue or where dead letters go, once.

import fc from 'fast-check'
import assert from 'node:assert/strict'
import { DEFAULT_ENVELOPE, type Refusal } from '../../src/broker/api.ts'
import { Bench, type Taker } from './ground.ts'
import { pass, settleAddress, textsOf, waiting } from './policy-ground.ts'
import { agree, successor } from './transaction-ground.ts'

const STEPS = ['take', 'accept', 'reject', 'fail', 'release', 'settle', 'pass', 'lose'] as const

class Run {
  bench = new Bench().serve()
  taker: Taker
  #number = 0
  /** Records up to here are known to be safe. */
  #safe = 0
  readonly acknowledged = new Set<string>()
  readonly consumed = new Set<string>()

  constructor(room: number) {
    settleAddress(this.bench, 'queue/q', {
      deadLetter: 'dead',
      expiry: 'dead',
      maxDeliveries: 2,
      redeliveryDelayMs: 30,
    })
    settleAddress(this.bench, 'queue/dead', { maxMessages: room })
    this.taker = this.bench.taker('q')
    this.settle()
  }

  settle(): void {
    this.bench.settle()
    this.#safe = this.bench.log.last
  }

  send(ttl: number): void {
    const text = `m${this.#number++}`
    const told = (_: number, refusal: Refusal | null): void => {
      if (refusal === null) this.acknowledged.add(text)
    }
    const expiresAt = ttl === 0 ? 0 : this.bench.clock.time + ttl
    this.bench.target('q').publish(Buffer.from(text), { published: told }, 0, { ...DEFAULT_ENVELOPE, expiresAt })
  }

  step(step: (typeof STEPS)[number], chance: number): void {
    const { bench, taker } = this
    if (step === 'take') taker.subscription.credit(1 + (chance % 3), false)
    else if (step === 'settle') this.settle()
    else if (step === 'pass') bench.clock.advance(20 * chance)
    else if (step === 'lose') this.#lose(chance)
    else {
      const at = chance % Math.max(1, taker.got.length)
      const [message] = taker.got.splice(at, 1)
      const [text] = taker.texts.splice(at, 1)
      if (message === undefined || text === undefined) return
      if (step === 'accept') this.consumed.add(text)
      const outcome = { accept: 'accepted', reject: 'rejected', fail: 'modified', release: 'released' } as const
      taker.subscription.settle(message.sequence, outcome[step])
    }
    bench.clock.rest()
  }

  /** The server is lost, with some of what is not known to be safe. */
  #lose(chance: number): void {
    const { time } = this.bench.clock
    const records = this.#safe + (chance % (this.bench.log.last - this.#safe + 1))
    this.bench = successor(this.bench, records)
    this.bench.clock.time = time
    this.taker = this.bench.taker('q')
    this.settle()
  }

  judge(): void {
    this.taker.subscription.close(false)
    settleAddress(this.bench, 'queue/dead', null)
    for (let round = 0; round < 6; round++) pass(this.bench, 1000)
    const found = [...textsOf(waiting(this.bench)), ...textsOf(waiting(this.bench, 'dead'))]
    assert.equal(new Set(found).size, found.length, `one is there twice: ${found.join()}`)
    for (const text of this.acknowledged)
      assert.ok(found.includes(text) || this.consumed.has(text), `${text} was acknowledged and is lost`)
    agree(this.bench)
  }
}

describe('dead letters', () => {
  it('are there once, or their message is in its queue, in any mixture of outcomes, times and failovers', () => {
    const step = fc.oneof(
      fc.record({ ttl: fc.constantFrom(0, 0, 100, 2000) }),
      fc.record({ step: fc.constantFrom(...STEPS), chance: fc.nat(100) }),
    )
    let moved = 0
    const property = fc.property(fc.integer({ min: 1, max: 6 }), fc.array(step, { maxLength: 60 }), (room, steps) => {
      const run = new Run(room)
      for (const one of steps) {
        if ('ttl' in one) run.send(one.ttl)
        else run.step(one.step, one.chance)
      }
      run.settle()
      run.judge()
      moved += run.bench.broker.status().upkeep.deadLettered
    })
    fc.assert(property, { seed: 9, numRuns: 300 })
    assert.ok(moved > 100, `${moved}`)
  })
})
