// What the tests of transactions share: one that sends, settles and commits, and what must be the same everywhere afterwards.

import assert from 'node:assert/strict'
import { DEFAULT_ENVELOPE, type Refusal, type Transaction } from '../../src/broker/api.ts'
import { ArrayLog, Bench, foldOf, restoredFrom, snapshotOf, sure, type Taker } from './ground.ts'

export const begin = (bench: Bench): Transaction => sure(bench.broker.begin())

export function send(bench: Bench, transaction: Transaction, address: string, ...texts: string[]): void {
  for (const text of texts)
    assert.equal(transaction.publish(bench.target(address), Buffer.from(text), DEFAULT_ENVELOPE), null)
}

/** Commits, and notes what it is told. */
export function commit(transaction: Transaction): (string | null)[] {
  const told: (string | null)[] = []
  transaction.commit((refusal: Refusal | null) => told.push(refusal?.refused ?? null))
  return told
}

/** A consumer that got these messages, which are now settled in the transaction. */
export function settle(
  transaction: Transaction,
  taker: Taker,
  outcome: 'accepted' | 'modified' | 'released' | 'rejected',
  texts: string[],
): void {
  // prettier-ignore
  for (const text of texts) {
    const { sequence } = taker.got[taker.texts.lastIndexOf(text)] as { sequence: number }
    assert.equal(transaction.settle(taker.subscription, sequence, outcome, false), null, text)
  }
}

export function successor(bench: Bench, records = bench.log.last): Bench {
  const log = new ArrayLog()
  log.records.push(...bench.log.records.slice(0, records))
  const next = new Bench({}, { log })
  for (const record of log.records) next.broker.apply(record)
  return next.serve()
}

export const texts = (bench: Bench, address = 'q'): string[] => {
  const taker = bench.taker(address, 1000)
  bench.settle()
  taker.subscription.close(false)
  bench.settle()
  return taker.texts
}

export const agree = (bench: Bench): void => {
  const state = snapshotOf(bench.broker)
  assert.ok(state.equals(snapshotOf(foldOf(bench.log.records))), 'a follower has the same')
  assert.ok(state.equals(snapshotOf(restoredFrom(bench.chunks()))), 'a snapshot says the same')
}

/** A queue with messages, all with one consumer. */
export function started(...messages: string[]): { bench: Bench; taker: Taker } {
  const bench = new Bench().serve()
  bench.publish('q', ...messages)
  bench.settle()
  const taker = bench.taker('q', 100)
  bench.settle()
  assert.deepEqual(taker.texts, messages)
  return { bench, taker }
}
