// Message groups and exclusive consumers: who gets what, and that the order within a group holds. Under random work: groups-model.test.ts.

import assert from 'node:assert/strict'
import { DEFAULT_ENVELOPE } from '../../src/broker/api.ts'
import { ArrayLog, Bench, selecting, type Taker } from './ground.ts'
import { begin, commit, settle as settleIn } from './transaction-ground.ts'

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

  it('stick to it when the queue was empty in between, too', () => {
    const bench = new Bench().serve()
    const takers = [bench.taker('q', 10), bench.taker('q', 10)]
    for (const text of ['a1', 'a2', '.1', 'a3', '.2', '.3', 'a4']) {
      put(bench, text)
      for (const taker of takers) for (const { sequence } of taker.got) taker.subscription.settle(sequence, 'accepted')
      bench.settle()
    }
    const shares = takers.map(taker => taker.texts.filter(text => text.startsWith('a')))
    assert.deepEqual(shares.toSorted((a, b) => a.length - b.length), [[], ['a1', 'a2', 'a3', 'a4']]) // prettier-ignore
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
    const two = bench.taker('q', 10)
    one.subscription.settle(one.got[0]?.sequence as number, 'modified')
    one.subscription.close(false)
    bench.clock.rest()
    assert.deepEqual(two.texts, ['.1'])
    bench.settle()
    assert.deepEqual(two.texts, ['.1', 'a1', 'a2'])
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

  it('end, and what waits before their end goes to whom it may, too', () => {
    const bench = new Bench().serve()
    const one = bench.taker('q', 1)
    put(bench, 'a1')
    const two = bench.taker('q', 100)
    // Higher priorities go first: a2 stays behind the end of its group.
    put(bench, 'a2')
    const priority = DEFAULT_ENVELOPE.priority + 1
    bench.target('q').publish(Buffer.from('a3 JMSXGroupSeq=-1'), null, 0, { ...DEFAULT_ENVELOPE, group: 'a', priority })
    bench.settle()
    one.subscription.credit(1, false)
    bench.settle()
    assert.deepEqual([one.texts, two.texts], [['a1', 'a3 JMSXGroupSeq=-1'], ['a2']])
  })

  it('are nothing to who only looks: it sees each message once, whoever leaves or fails', () => {
    const bench = new Bench().serve()
    const one = bench.taker('q', 1)
    put(bench, 'a1', 'a2')
    const looks = bench.taker('q', 100, { selector: null, browses: true, exclusive: false })
    bench.settle()
    assert.deepEqual(looks.texts, ['a2'])
    settle(bench, one, 0, 'modified')
    one.subscription.close(true)
    bench.settle()
    put(bench, 'a3')
    assert.deepEqual(looks.texts, ['a2', 'a3'])
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

  it('wait for a message whose delivery failed where the same server serves again before that is safe', () => {
    const bench = new Bench().serve()
    const one = bench.taker('q', 1)
    put(bench, 'a1', 'a2')
    one.subscription.settle(one.got[0]?.sequence as number, 'modified')
    bench.clock.rest()
    bench.broker.stopServing()
    const two = bench.serve().taker('q', 10)
    bench.rest()
    assert.deepEqual(two.texts, [])
    bench.settle()
    assert.deepEqual(two.texts, ['a1', 'a2'])
  })

  it('wait for a message that the transaction of a consumer has which left', () => {
    const bench = new Bench().serve()
    const one = bench.taker('q', 2)
    put(bench, 'a1', 'a2', 'a3', 'b1')
    const two = bench.taker('q', 10)
    const [kept, undone] = [begin(bench), begin(bench)]
    settleIn(kept, one, 'accepted', ['a1'])
    settleIn(undone, one, 'accepted', ['a2'])
    one.subscription.close(true)
    bench.settle()
    assert.deepEqual(two.texts, ['b1'])
    commit(kept)
    bench.settle()
    assert.deepEqual(two.texts, ['b1'])
    undone.rollback()
    bench.settle()
    assert.deepEqual(two.texts, ['b1', 'a2', 'a3'])
  })

  it('come again from the first message on that was given back while another one had failed', () => {
    const bench = new Bench().serve()
    const one = bench.taker('q', 2)
    put(bench, 'a1', 'a2', 'a3')
    one.subscription.settle(one.got[1]?.sequence as number, 'modified')
    one.subscription.settle(one.got[0]?.sequence as number, 'released')
    one.subscription.credit(10, false)
    bench.settle()
    assert.deepEqual(one.texts, ['a1', 'a2', 'a1', 'a2', 'a3'])
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

  it('gets the groups of others as soon as what they have of them is settled', () => {
    const bench = new Bench().serve()
    const plain = bench.taker('q', 1)
    put(bench, 'a1', 'a2')
    const one = bench.taker('q', 10, EXCLUSIVE)
    bench.settle()
    assert.deepEqual(one.texts, [])
    settle(bench, plain, 0)
    assert.deepEqual(one.texts, ['a2'])
    assert.deepEqual(plain.texts, ['a1'])
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
