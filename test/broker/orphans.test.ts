// Hidden queues whose owner's record the log refused: they do not stay.

import assert from 'node:assert/strict'
import type { Refusal, TopicWish } from '../../src/broker/api.ts'
import { BOUND, DROPPED, QUEUE, SESSION } from '../../src/broker/records.ts'
import type { Session } from '../../src/broker/session-api.ts'
import { State } from '../../src/broker/state.ts'
import { journalError } from '../../src/journal/errors.ts'
import { ArrayLog, Bench, foldOf, nobody, snapshotOf, sure, Taker } from './ground.ts'

/** Takes no record of some kinds. */
class PickyLog extends ArrayLog {
  refused: readonly number[] = []
  override append(kind: number, head: Uint8Array, body: Uint8Array): number {
    if (this.refused.includes(kind)) throw journalError('BUSY', { why: 'a test' })
    return super.append(kind, head, body)
  }
}

const WISH: TopicWish = { filter: 'a/#', durable: 'name', shared: false, group: '', selector: null, notFrom: 0 }

const opens = (bench: Bench): Session | Refusal =>
  bench.broker.sessions.open({ clientId: 'c', user: '', clean: false, keepMs: Infinity, will: null }, nobody)
const subscribes = (bench: Bench) => bench.broker.subscribeTopic(WISH, new Taker(), () => {})

const passTime = (bench: Bench): void => {
  bench.clock.advance(200)
  bench.settle()
}
const queuesOf = ({ log }: Bench): number => {
  const state = new State()
  for (const record of log.records) state.apply(record)
  return state.queueCount
}
const agree = (bench: Bench): void =>
  assert.ok(snapshotOf(bench.broker).equals(snapshotOf(foldOf(bench.log.records))), 'a follower has the same')

for (const [what, kind, begin] of [
  ['session', SESSION, opens],
  ['durable subscription', BOUND, subscribes],
] as const) {
  describe(`a hidden queue without its ${what}`, () => {
    const failed = (): { bench: Bench; log: PickyLog } => {
      const log = new PickyLog()
      const bench = new Bench({}, { log }).serve()
      log.refused = [kind, DROPPED]
      for (let n = 0; n < 3; n++) assert.equal((begin(bench) as Refusal).refused, 'limit')
      passTime(bench)
      assert.equal(queuesOf(bench), 3)
      return { bench, log }
    }

    it('goes as soon as the log takes records again', () => {
      const { bench, log } = failed()
      log.refused = []
      passTime(bench)
      assert.equal(queuesOf(bench), 0)
      sure(begin(bench) as Session)
      passTime(bench)
      assert.equal(queuesOf(bench), 1)
      agree(bench)
    })

    const successor = ({ records }: PickyLog): Bench => {
      const next = new Bench({}, { log: Object.assign(new ArrayLog(), { records }) })
      for (const record of records) next.broker.apply(record)
      return next.serve()
    }

    it('goes with the next reign, which keeps what has its owner', () => {
      const { bench, log } = failed()
      log.refused = [DROPPED]
      sure(begin(bench) as Session)
      bench.settle()
      const next = successor(log)
      assert.equal(queuesOf(next), 4)
      passTime(next)
      assert.equal(queuesOf(next), 1)
      assert.equal(log.records.filter(record => record.kind === QUEUE).length, 4)
      agree(next)
      sure(begin(next) as Session)
      passTime(next)
      assert.equal(queuesOf(next), 1, 'and is found again')
    })

    it('goes, and one of this reign whose owner is not safe yet stays', () => {
      const next = successor(failed().log)
      sure(begin(next) as Session)
      next.clock.advance(200)
      next.settle()
      assert.equal(queuesOf(next), 1)
      sure(begin(next) as Session)
      passTime(next)
      assert.equal(queuesOf(next), 1, 'it is there')
      agree(next)
    })
  })
}
