// What the tests of settings for addresses share.

import assert from 'node:assert/strict'
import {
  DEFAULT_ENVELOPE,
  type Envelope,
  type Outcome,
  type QueuedMessage,
  type Refusal,
} from '../../src/broker/api.ts'
import type { AddressSettings } from '../../src/broker/address-settings.ts'
import { Bench, type Taker } from './ground.ts'

export function settleAddress(bench: Bench, name: string, settings: AddressSettings | null): void {
  const value = settings === null ? null : JSON.stringify(settings)
  bench.broker.settings.set(`address/${name}`, value, refusal => assert.equal(refusal, null))
  bench.settle()
}

/** Sends one message; what its producer is told comes into the list. */
export function put(bench: Bench, text: string, envelope: Partial<Envelope> = {}, address = 'q'): (string | null)[] {
  const told: (string | null)[] = []
  const producer = { published: (_: number, refusal: Refusal | null) => void told.push(refusal?.refused ?? null) }
  bench.target(address).publish(Buffer.from(text), producer, 0, { ...DEFAULT_ENVELOPE, ...envelope })
  return told
}

/** Time goes on, with all that it brings. */
export function pass(bench: Bench, ms: number): void {
  bench.settle()
  bench.clock.advance(ms)
  bench.settle()
}

/** What waits in a queue, told by a consumer that gives all of it back. */
export function waiting(bench: Bench, address = 'q'): QueuedMessage[] {
  const taker = bench.taker(address, 1000)
  bench.settle()
  taker.subscription.close(false)
  bench.settle()
  return taker.got
}

export const textsOf = (messages: readonly QueuedMessage[]): string[] =>
  messages.map(({ body }) => Buffer.from(body).toString())

/** The taker's messages of these texts get this outcome. */
export function conclude(taker: Taker, outcome: Outcome, ...texts: string[]): void {
  for (const text of texts) {
    const at = taker.texts.lastIndexOf(text)
    taker.subscription.settle(taker.got[at]?.sequence as number, outcome)
  }
}

/** A queue with a dead letter address, and a consumer that has these messages of it. */
export function started(settings: object, ...texts: string[]) {
  const bench = new Bench().serve()
  settleAddress(bench, 'queue/q', settings)
  for (const text of texts) put(bench, text)
  bench.settle()
  const taker = bench.taker('q', 100)
  bench.settle()
  return { bench, taker }
}

export const deathOf = ({ envelope }: { envelope: Envelope }) => {
  const { reason, address, count, at } = envelope.death ?? { reason: '', address: '', count: 0, at: -1 }
  return [reason, address, count, at]
}
