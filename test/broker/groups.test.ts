// Message groups and exclusive consumers: who gets what, and that the order within a group holds whatever consumers do.

import fc from 'fast-check'
import assert from 'node:assert/strict'
import { DEFAULT_ENVELOPE } from '../../src/broker/api.ts'
import { ArrayLog, Bench, foldOf, selecting, snapshotOf, type Taker } from './ground.ts'

const EXCLUSIVE = { selector: null, browses: false, exclusive: true }

/** `a1` is the first of the group a; what begins with a dot has no group. */
function put(bench: Bench, ...texts: string[]): void {
  for (const text of texts) {
    const group = text.startsWith('.') ? '' : text.charAt(0)
    bench.target('q').publish(Buffer.from(text), null, 0, { ...DEFAULT_ENVELOPE, group })
  }
  bench.settle()
}

function successor(bench: Bench): Bench {
  const log = new ArrayLog()
  log.records.push(...bench.log.records)
  const next = new Bench({}, { log })
  for (const record of log.records) next.broker.apply(record)
  return next.serve()
}

const settle = (
  bench: Bench,
  taker: Taker,
  at: number,
  how: 'accepted' | 'released' | 'modified' = 'accepted',
): void => {
  taker.subscription.settle(taker.got[at]?.sequence as number, how)
  bench.settle()
}

describe('message groups', () => {
  it('stick to a consumer while it is there, and hold up nobody', () => {
    const bench = new Bench().serve()
    put(bench, 'a1', 'b1', 'a2', 'b2', 'a3', '.1', 'b3')
    const one = bench.taker('q', 1)
    const two = bench.taker('q', 1)
    bench.settle()
    assert.deepEqual([one.texts, two.texts], [['a1'], ['b1']])
    two.subscription.credit(10, false)
    bench.settle()
    assert.deepEqual(two.texts, ['b1', 'b2', '.1', 'b3'])
    const three = bench.taker('q', 10)
    bench.settle()
    assert.deepEqual(three.texts, [], 'what belongs to others it does not get')
    put(bench, 'c1', 'a4', 'c2')
    three.subscription.credit(10, false)
    one.subscription.credit(10, true)
    bench.settle()
    assert.deepEqual(one.texts, ['a1', 'a2', 'a3', 'a4'])
    assert.equal(one.drains, 1, 'a drain ends though others have messages to come')
    assert.equal([...two.texts, ...three.texts].filter(text => text.startsWith('c')).length, 2)
  })

  it('go to another consumer when theirs goes, from the first message on that is not settled', () => {
    const bench = new Bench().serve()
    const one = bench.taker('q', 3)
    put(bench, 'a1', 'a2', 'a3', 'a4', 'a5')
    const two = bench.taker('q', 10)
    bench.settle()
    assert.deepEqual([one.texts, two.texts], [['a1', 'a2', 'a3'], []])
    settle(bench, one, 0)
    // Its deliveries failed: what follows waits until that is safe.
    one.subscription.close(true)
    bench.clock.rest()
    assert.deepEqual(two.texts, [])
    bench.settle()
    assert.deepEqual(two.texts, ['a2', 'a3', 'a4', 'a5'])
    assert.deepEqual(two.got.map(message => message.deliveryCount), [1, 1, 0, 0]) // prettier-ignore
  })

  it('wait for a message of theirs whose delivery failed', () => {
    const bench = new Bench().serve()
    const one = bench.taker('q', 1)
    put(bench, 'a1', 'a2', '.1')
    one.subscription.settle(one.got[0]?.sequence as number, 'modified')
    one.subscription.credit(10, false)
    bench.clock.rest()
    assert.deepEqual(one.texts, ['a1', '.1'])
    bench.settle()
    assert.deepEqual(one.texts, ['a1', '.1', 'a1', 'a2'])
  })

  it('end with a sequence of -1, as in ActiveMQ: what follows goes to whom it may', () => {
    const bench = new Bench().serve()
    const one = bench.taker('q', 100)
    const two = bench.taker('q', 100)
    put(bench, 'a1', 'a2')
    const first = one.texts.length > 0 ? one : two
    const other = first === one ? two : one
    put(bench, 'a3 JMSXGroupSeq=-1')
    first.subscription.credit(0, false)
    put(bench, 'a4', 'a5')
    assert.deepEqual(
      [first.texts, other.texts],
      [
        ['a1', 'a2', 'a3 JMSXGroupSeq=-1'],
        ['a4', 'a5'],
      ],
    )
  })

  it('are given anew after a failover, and go on in order', () => {
    const bench = new Bench().serve()
    put(bench, 'a1', 'b1', 'a2', 'b2', 'a3', 'b3')
    const one = bench.taker('q', 2)
    bench.settle()
    settle(bench, one, 0)
    const next = successor(bench)
    const takers = [next.taker('q', 10), next.taker('q', 10)]
    next.settle()
    const all = takers.map(taker => taker.texts.join(' '))
    const rest = one.texts[0] === 'a1' ? ['a2 a3', 'b1 b2 b3'] : ['a1 a2 a3', 'b2 b3']
    const found = rest.every(part => all.some(texts => texts.split(' ').filter(t => part.includes(t)).join(' ') === part)) // prettier-ignore
    assert.ok(found, `${all.join(' | ')}`)
  })

  it('keep their order whatever consumers and servers do', () => {
    const step = fc.oneof(
      { weight: 5, arbitrary: fc.record({ do: fc.constant('put'), group: fc.constantFrom('a', 'b', 'c', '.') }) },
      { weight: 2, arbitrary: fc.record({ do: fc.constant('join'), selects: fc.boolean() }) },
      { weight: 4, arbitrary: fc.record({ do: fc.constant('credit'), at: fc.nat(5), credit: fc.nat(4) }) },
      { weight: 6, arbitrary: fc.record({ do: fc.constant('settle'), at: fc.nat(5), how: fc.constantFrom('accepted', 'accepted', 'released', 'modified') }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('leave'), at: fc.nat(5), failed: fc.boolean() }) },
      { weight: 3, arbitrary: fc.record({ do: fc.constant('safe') }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('fail over') }) },
    ) // prettier-ignore
    let deliveries = 0
    let moved = 0
    const property = fc.property(fc.array(step, { minLength: 30, maxLength: 120, size: 'max' }), steps => {
      let bench = new Bench({ memoryBytes: 40 * 300, pageOutBytes: 2 * 300 }).serve()
      bench.target('q')
      let takers: { taker: Taker; held: number[]; seen: number }[] = []
      const groupOf = new Map<number, string>()
      /** Not settled for good, by sequence, in order. */
      let here: number[] = []
      const lastOwner = new Map<string, object>()
      const look = (): void => {
        for (const one of takers) {
          for (; one.seen < one.taker.got.length; one.seen++) {
            const sequence = one.taker.got[one.seen]?.sequence as number
            const group = groupOf.get(sequence) as string
            one.held.push(sequence)
            deliveries++
            if (group === '.') continue
            if (lastOwner.get(group) !== one && lastOwner.has(group)) moved++
            lastOwner.set(group, one)
            for (const earlier of here) {
              if (earlier >= sequence || groupOf.get(earlier) !== group) continue
              assert.ok(one.held.includes(earlier), `${earlier} of group ${group} is overtaken by ${sequence}`)
            }
          }
        }
      }
      const settleSome = (): void => {
        bench.settle()
        look()
      }
      for (const one of steps) {
        const its = 'at' in one ? takers[one.at % Math.max(1, takers.length)] : undefined
        if (one.do === 'put' && 'group' in one) {
          const envelope = { ...DEFAULT_ENVELOPE, group: one.group === '.' ? '' : one.group }
          bench.target('q').publish(Buffer.alloc(100), null, 0, envelope)
          groupOf.set(bench.log.last, one.group)
          here.push(bench.log.last)
          settleSome()
        } else if (one.do === 'join' && takers.length < 4) {
          takers.push({ taker: bench.taker('q', 0), held: [], seen: 0 })
        } else if (one.do === 'credit' && 'credit' in one) {
          its?.taker.subscription.credit(one.credit as number, false)
          bench.clock.rest()
          bench.disk()
          bench.clock.rest()
          look()
        } else if (one.do === 'settle' && 'how' in one && its !== undefined) {
          const sequence = its.held.shift()
          if (sequence === undefined) continue
          // What is given back alone lets what follows it wait at its consumer: the order is then its business.
          if (one.how === 'accepted') here = here.filter(other => other !== sequence)
          its.taker.subscription.settle(sequence, one.how as 'accepted')
          bench.clock.rest()
          look()
        } else if (one.do === 'leave' && 'failed' in one && its !== undefined) {
          takers = takers.filter(other => other !== its)
          its.taker.subscription.close(one.failed as boolean)
          bench.clock.rest()
          look()
        } else if (one.do === 'safe') settleSome()
        else if (one.do === 'fail over') {
          settleSome()
          bench = successor(bench)
          takers = []
          lastOwner.clear()
        }
      }
      settleSome()
      assert.ok(snapshotOf(bench.broker).equals(snapshotOf(foldOf(bench.log.records))), 'one state')
      for (const { taker } of takers) taker.subscription.close(false)
      const rest = bench.taker('q', 1000)
      bench.settle()
      assert.deepEqual(rest.got.map(message => message.sequence), here, 'all of it is there, in order') // prettier-ignore
    })
    fc.assert(property, { seed: 11, numRuns: 300 })
    assert.ok(deliveries > 1000 && moved > 50, `${deliveries} deliveries, ${moved} groups moved`)
  })
})

describe('an exclusive consumer', () => {
  it('gets all while it is there; the next one follows it', () => {
    const bench = new Bench().serve()
    const plain = bench.taker('q', 2)
    put(bench, '.1', '.2', '.3')
    assert.deepEqual(plain.texts, ['.1', '.2'])
    const one = bench.taker('q', 0, EXCLUSIVE)
    const two = bench.taker('q', 10, EXCLUSIVE)
    const browser = bench.taker('q', 10, { ...EXCLUSIVE, exclusive: false, browses: true })
    plain.subscription.credit(10, false)
    put(bench, '.4')
    assert.deepEqual([plain.texts, two.texts, browser.texts], [['.1', '.2'], [], ['.3', '.4']])
    two.subscription.credit(10, true)
    bench.settle()
    assert.equal(two.drains, 1, 'there is nothing for it')
    two.subscription.credit(10, false)
    one.subscription.credit(1, false)
    bench.settle()
    assert.deepEqual(one.texts, ['.3'])
    one.subscription.close(false)
    bench.settle()
    assert.deepEqual(
      [plain.texts, two.texts],
      [
        ['.1', '.2'],
        ['.3', '.4'],
      ],
    )
    two.subscription.close(false)
    bench.settle()
    assert.deepEqual(plain.texts, ['.1', '.2', '.3', '.4'])
  })

  it('may select: what it does not, nobody gets; after a failover the first that comes is it', () => {
    const bench = new Bench().serve()
    bench.taker('q', 10)
    const one = bench.taker('q', 10, { ...selecting('n > 1'), exclusive: true })
    put(bench, '.a n=1', '.b n=2')
    assert.deepEqual(one.texts, ['.b n=2'])
    const next = successor(bench)
    const plain = next.taker('q', 10)
    next.settle()
    assert.deepEqual(plain.texts, ['.a n=1', '.b n=2'])
    plain.subscription.close(false)
    const again = next.taker('q', 10, { ...selecting('n > 1'), exclusive: true })
    next.taker('q', 10)
    next.settle()
    assert.deepEqual(again.texts, ['.b n=2'])
  })
})
