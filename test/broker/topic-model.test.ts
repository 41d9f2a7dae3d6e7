// Random histories of a pair of brokers with MQTT clients against a model that is too simple to be wrong (topic-model.ts).

import assert from 'node:assert/strict'
import fc from 'fast-check'
import { TopicPair } from './topic-model.ts'
import type { ModelClient } from './topic-model-client.ts'

type Step = (pair: TopicPair) => void

const may = <T>(weight: number, input: fc.Arbitrary<T>, act: (pair: TopicPair, input: T) => void) => ({
  weight,
  arbitrary: input.map(
    (value): Step =>
      pair =>
        act(pair, value),
  ),
})

const at = fc.nat(7)
const some = fc.nat(4)
const qos = fc.constantFrom(0 as const, 1 as const, 1 as const, 2 as const)
const seldom = fc.nat(5).map(n => n === 0)
const nothing = fc.constant(null)
const of = (pair: TopicPair, n: number): ModelClient => pair.clients[n % pair.clients.length] as ModelClient

// prettier-ignore
const step: fc.Arbitrary<Step> = fc.oneof(
  may(14, fc.tuple(at, at, qos, seldom), (pair, [client, topic, how, retain]) => pair.publish(client, topic, how, retain)),
  may(3, fc.tuple(at, at), (pair, [client, topic]) => pair.publish(client, topic, 0, true)),
  may(4, fc.tuple(at, seldom, seldom), (pair, [client, clean, passing]) => of(pair, client).open(clean, !passing)),
  may(2, at, (pair, client) => of(pair, client).leave()),
  may(5, fc.tuple(at, at, qos, seldom), (pair, [client, filter, how, noLocal]) => of(pair, client).subscribe(filter, how, noLocal)),
  may(2, fc.tuple(at, at), (pair, [client, filter]) => of(pair, client).unsubscribe(filter)),
  may(5, fc.tuple(at, some), (pair, [client, window]) => of(pair, client).window(window)),
  may(8, at, (pair, client) => of(pair, client).answer()),
  may(2, fc.tuple(at, some), (pair, [key, value]) => pair.set(key, value)),
  may(10, nothing, pair => pair.flow()),
  may(5, nothing, pair => pair.turn()),
  may(2, fc.constantFrom(100, 300, 1000), (pair, ms) => pair.pass(ms)),
  may(4, some, (pair, records) => pair.ship(records)),
  may(3, some, (pair, records) => pair.follow(records)),
  may(4, some, (pair, records) => pair.commit(records)),
  may(3, fc.boolean(), (pair, proof) => pair.proof(proof)),
  may(1, seldom, (pair, crowded) => pair.crowd(crowded)),
  may(1, fc.constantFrom('whole' as const, 'cut' as const, 'replay' as const, 'snapshot' as const), (pair, how) => pair.failover(how)),
  may(1, nothing, pair => pair.check()),
)

describe('topics of a pair of brokers under random work and failovers', function () {
  this.timeout(300_000) // some seconds of CPU; a busy machine gives them when it can
  it('reach whom they must, in order, answered in order and only when safe, and are one state', () => {
    const total: Record<string, number> = {}
    fc.assert(
      fc.property(fc.array(step, { minLength: 60, maxLength: 250, size: 'max' }), steps => {
        const pair = new TopicPair()
        for (const one of steps) one(pair)
        pair.heal()
        for (const [what, count] of Object.entries(pair.stats)) total[what] = (total[what] ?? 0) + count
      }),
      { seed: 20261127, numRuns: 400 },
    )
    // The work must reach what it is meant to try.
    for (const [what, count] of Object.entries(total)) assert.ok(count > 200, `${what}: ${count}`)
  })
})
