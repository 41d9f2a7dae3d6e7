// Duplicate detection: a message that is sent again comes in once, whenever its producer lost its server, and nobody is told
// that it is there before it is safe.

import fc from 'fast-check'
import assert from 'node:assert/strict'
import { DEFAULT_ENVELOPE, type Producer, type Refusal } from '../../src/broker/api.ts'
import { DuplicateIds } from '../../src/broker/duplicate-ids.ts'
import { DUPLICATE_IDS, DUPLICATE_IDS_PER_ADDRESS, DUPLICATE_WINDOW_MS } from '../../src/broker/limits.ts'
import { MESSAGE, ROUTED } from '../../src/broker/records.ts'
import { ArrayLog, Bench, foldOf, restoredFrom, snapshotOf } from './ground.ts'

/** A client's sender, on one connection: a new one knows nothing of what another was told. */
class Sender implements Producer {
  readonly told: [tag: number, refusal: string | null][] = []
  #tag = 0

  send(bench: Bench, address: string, duplicateId: string, text = duplicateId): void {
    bench.target(address).publish(Buffer.from(text), this, ++this.#tag, { ...DEFAULT_ENVELOPE, duplicateId })
  }
  published(tag: number, refusal: Refusal | null): void {
    this.told.push([tag, refusal?.refused ?? null])
  }
}

/** The other server, with the first `records` of this one's, serves in its place. */
function successor(bench: Bench, records = bench.log.last, how: 'records' | 'snapshot' = 'records'): Bench {
  const log = new ArrayLog()
  log.records.push(...bench.log.records.slice(0, records))
  const next = new Bench({}, { log })
  if (how === 'snapshot') {
    for (const chunk of bench.chunks(foldOf(log.records).snapshot())) next.broker.restore(chunk)
    next.broker.restored()
  } else for (const record of log.records) next.broker.apply(record)
  next.clock.time = bench.clock.time
  return next.serve()
}

const texts = (bench: Bench, address = 'q'): string[] => {
  const taker = bench.taker(address, 1000)
  bench.settle()
  taker.subscription.close(false)
  return taker.texts
}

const agree = (bench: Bench): void => {
  const state = snapshotOf(bench.broker)
  assert.ok(state.equals(snapshotOf(foldOf(bench.log.records))), 'a follower has the same')
  assert.ok(state.equals(snapshotOf(restoredFrom(bench.chunks()))), 'a snapshot says the same')
}

describe('duplicate detection', () => {
  it('takes what is sent again once, and accepts it again', () => {
    const bench = new Bench().serve()
    const sender = new Sender()
    for (const id of ['a', 'b', 'a', 'b', 'c']) sender.send(bench, 'q', id)
    bench.settle()
    sender.send(bench, 'q', 'a')
    bench.settle()
    assert.deepEqual(sender.told, [1, 2, 3, 4, 5, 6].map(tag => [tag, null])) // prettier-ignore
    assert.deepEqual(texts(bench), ['a', 'b', 'c'])
    agree(bench)
  })

  it('does not tell of a duplicate before the first one is safe, also on another connection', () => {
    const bench = new Bench().serve()
    const [first, second] = [new Sender(), new Sender()]
    bench.target('q')
    bench.settle()
    const safe = bench.log.last
    first.send(bench, 'q', 'a')
    second.send(bench, 'q', 'a')
    assert.equal(bench.log.last, safe + 1)
    bench.broker.committed(safe)
    bench.clock.rest()
    assert.deepEqual([first.told, second.told], [[], []])
    bench.settle()
    assert.deepEqual([first.told, second.told], [[[1, null]], [[1, null]]])
  })

  it('says nothing of a duplicate while it cannot prove that it serves', () => {
    const bench = new Bench().serve()
    const [first, second] = [new Sender(), new Sender()]
    first.send(bench, 'q', 'a')
    bench.settle()
    bench.log.proof = false
    second.send(bench, 'q', 'a')
    bench.clock.rest()
    assert.deepEqual(second.told, [])
    bench.log.proof = true
    bench.broker.wake()
    assert.deepEqual(second.told, [[1, null]])
  })

  it('knows after a failover at any point what came in before, by records and by snapshot', () => {
    const bench = new Bench().serve()
    const sender = new Sender()
    for (const id of ['a', 'b', 'c']) sender.send(bench, 'q', id)
    bench.settle()
    const taker = bench.taker('q', 1)
    bench.settle()
    taker.subscription.settle(taker.got[0]?.sequence as number, 'accepted')
    bench.settle()
    for (let records = 0; records <= bench.log.last; records++) {
      for (const how of ['records', 'snapshot'] as const) {
        const next = successor(bench, records, how)
        const again = new Sender()
        for (const id of ['a', 'b', 'c']) again.send(next, 'q', id)
        next.settle()
        assert.deepEqual(again.told, [[1, null], [2, null], [3, null]]) // prettier-ignore
        const isTaken = records === bench.log.last
        assert.deepEqual(texts(next), isTaken ? ['b', 'c'] : ['a', 'b', 'c'], `${how} after ${records}`)
        agree(next)
      }
    }
  })

  it('takes the message anew where its record was lost with the server', () => {
    const bench = new Bench().serve()
    const sender = new Sender()
    bench.target('q')
    bench.settle()
    sender.send(bench, 'q', 'a')
    bench.broker.stopServing()
    // What replaces the record comes from the other server.
    bench.log.records.length -= 1
    bench.broker.apply({ sequence: bench.log.last + 1, epoch: 2, kind: 1, body: Buffer.from('{}') })
    bench.log.append(1, Buffer.from('{}'), Buffer.alloc(0))
    bench.serve()
    const again = new Sender()
    again.send(bench, 'q', 'a')
    bench.settle()
    assert.deepEqual([sender.told, again.told, texts(bench)], [[], [[1, null]], ['a']])
  })

  it('keeps addresses apart, and forgets a queue that is gone', () => {
    const bench = new Bench().serve()
    const sender = new Sender()
    sender.send(bench, 'q', 'a')
    sender.send(bench, 'p', 'a')
    sender.send(bench, 'topic://q', 'a')
    bench.settle()
    assert.deepEqual([texts(bench), texts(bench, 'p')], [['a'], ['a']])
    agree(bench)
    const ids = new DuplicateIds()
    ids.add(1, 'a', 0)
    ids.add(2, 'a', 0)
    ids.dropAddress(1)
    assert.deepEqual([ids.find(1, 'a', 0), ids.find(2, 'a', 0), ids.count], [null, 0, 1])
  })

  it('knows what was published to a topic that leads nowhere, and tells its listeners once', () => {
    const bench = new Bench().serve()
    const heard: string[] = []
    bench.broker.listen('t', { published: body => void heard.push(Buffer.from(body).toString()) }, '')
    const sender = new Sender()
    sender.send(bench, 'topic://t', 'a')
    sender.send(bench, 'topic://t', 'a')
    bench.settle()
    assert.deepEqual(sender.told, [[1, null], [2, null]]) // prettier-ignore
    assert.equal(bench.log.records.filter(({ kind }) => kind === ROUTED).length, 1)
    const next = successor(bench)
    sender.send(next, 'topic://t', 'a')
    next.settle()
    assert.equal(next.log.records.filter(({ kind }) => kind === ROUTED).length, 1)
    assert.deepEqual([heard, sender.told.length], [['a'], 3])
  })

  it('refuses an identifier that is too long, and is of no use in a full queue but for what is in it', () => {
    const bench = new Bench({ queueMessages: 1 }).serve()
    const sender = new Sender()
    sender.send(bench, 'q', 'x'.repeat(257))
    sender.send(bench, 'topic://q', 'é'.repeat(129))
    sender.send(bench, 'q', 'a')
    bench.settle()
    sender.send(bench, 'q', 'b')
    sender.send(bench, 'q', 'a')
    bench.settle()
    const refusals = ['not-allowed', 'not-allowed', null, 'queue-full', null]
    assert.deepEqual(sender.told.map(([, refusal]) => refusal), refusals) // prettier-ignore
  })

  it('forgets by time: what is older than the window is new again, and is dropped by the records that come', () => {
    const bench = new Bench().serve()
    const sender = new Sender()
    sender.send(bench, 'q', 'a')
    bench.settle()
    bench.clock.time = DUPLICATE_WINDOW_MS
    sender.send(bench, 'q', 'a')
    bench.settle()
    assert.deepEqual(texts(bench), ['a'])
    bench.clock.time++
    sender.send(bench, 'q', 'a')
    bench.settle()
    assert.deepEqual(texts(bench), ['a', 'a'])
    agree(bench)
    // The clock of the next server is behind: what it does not find too old is a duplicate.
    const next = successor(bench)
    next.clock.time = 0
    sender.send(next, 'q', 'a')
    next.settle()
    assert.deepEqual(texts(next), ['a', 'a'])
  })

  it('holds so many identifiers of an address, and of all: the oldest go first', () => {
    const ids = new DuplicateIds()
    for (let i = 0; i <= DUPLICATE_IDS_PER_ADDRESS; i++) ids.add('t', `${i}`, 0)
    assert.deepEqual([ids.find('t', '0', 0), ids.find('t', '1', 0), ids.count], [null, 0, DUPLICATE_IDS_PER_ADDRESS])
    for (let i = 0; ids.count < DUPLICATE_IDS; i++) ids.add(1 + (i % 100), `${i}`, 0)
    assert.equal(ids.find('t', '1', 0), 0)
    ids.add(7, 'one more', 0)
    assert.deepEqual([ids.find('t', '1', 0), ids.find('t', '2', 0), ids.count], [null, 0, DUPLICATE_IDS])
    const restored = new DuplicateIds()
    for (const known of ids.all()) restored.restore(known)
    for (const both of [ids, restored]) both.add(7, 'and another', 0)
    assert.deepEqual(restored.all(), ids.all())
  })

  it('is the same whether records are folded one by one, or a snapshot came in between', () => {
    const one = fc.tuple(fc.nat(3), fc.nat(12), fc.constantFrom(0, 1, DUPLICATE_WINDOW_MS / 3, DUPLICATE_WINDOW_MS + 1))
    const property = fc.property(fc.array(one, { maxLength: 60 }), fc.nat(60), (steps, cut) => {
      let ids = new DuplicateIds()
      const whole = new DuplicateIds()
      let now = DUPLICATE_WINDOW_MS * 2
      steps.forEach(([address, id, ms], i) => {
        now += i % 5 === 4 ? -ms / 2 : ms
        for (const both of [ids, whole]) both.add(address, `${id}`, now)
        if (i === cut) {
          const restored = new DuplicateIds()
          for (const known of ids.all()) restored.restore(known)
          ids = restored
        }
        assert.deepEqual(ids.all(), whole.all())
        assert.equal(ids.count, ids.all().length)
      })
    })
    fc.assert(property, { seed: 11, numRuns: 300 })
  })

  it('creates no second message whatever happens: senders, servers and resends at random', () => {
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.constant('send' as const) },
      { weight: 3, arbitrary: fc.constant('again' as const) },
      { weight: 3, arbitrary: fc.constant('safe' as const) },
      { weight: 2, arbitrary: fc.constant('take' as const) },
      { weight: 2, arbitrary: fc.constant('lose' as const) },
    )
    let failovers = 0
    let resent = 0
    const property = fc.property(fc.array(fc.tuple(step, fc.nat(5)), { maxLength: 60 }), steps => {
      let bench = new Bench().serve()
      bench.target('q')
      let safe = 0
      let sent = 0
      const acknowledged = new Set<string>()
      const taken: string[] = []
      /** Sent and not answered, with the producer that waits. */
      let waiting: string[] = []
      const send = (id: string): void => {
        const producer: Producer = {
          published: (_, refusal) => {
            assert.equal(refusal, null)
            const records = bench.log.records.slice(0, safe)
            assert.ok(records.some(r => r.kind === MESSAGE && Buffer.from(r.body).toString().endsWith(`<${id}>`)), 'safe') // prettier-ignore
            acknowledged.add(id)
            waiting = waiting.filter(one => one !== id)
          },
        }
        bench.target('q').publish(Buffer.from(`<${id}>`), producer, 1, { ...DEFAULT_ENVELOPE, duplicateId: id })
      }
      const commit = (upTo: number): void => {
        safe = Math.max(safe, upTo)
        bench.broker.committed(safe)
        bench.clock.rest()
      }
      const takeAll = (): void => {
        const taker = bench.taker('q', 100)
        bench.clock.rest()
        taken.push(...taker.texts)
        for (const { sequence } of taker.got) taker.subscription.settle(sequence, 'accepted')
        bench.clock.rest()
        commit(bench.log.last)
        taker.subscription.close(false)
      }
      for (const [what, n] of steps) {
        if (what === 'send') {
          waiting.push(`m${++sent}`)
          send(`m${sent}`)
        } else if (what === 'again') {
          // A connection is lost: what was not answered is sent again, and something that was.
          for (const id of [...waiting, ...[...acknowledged].slice(0, n)]) send(id)
          resent++
        } else if (what === 'safe') commit(Math.min(bench.log.last, safe + n))
        else if (what === 'take') takeAll()
        else {
          const kept = Math.min(bench.log.last, safe + n)
          bench.broker.stopServing()
          bench = successor(bench, kept, n % 2 === 0 ? 'records' : 'snapshot')
          safe = kept
          failovers++
          for (const id of [...waiting]) send(id)
        }
      }
      commit(bench.log.last)
      takeAll()
      assert.deepEqual(taken.toSorted(), Array.from({ length: sent }, (_, i) => `<m${i + 1}>`).toSorted())
      assert.equal(acknowledged.size, sent)
      agree(bench)
    })
    fc.assert(property, { seed: 5, numRuns: 300 })
    assert.ok(failovers > 200 && resent > 200)
  })
})
