// What one user may take of a server at a time, over all its connections, and that it leaves the others alone.

import assert from 'node:assert/strict'
import { GuardedBroker } from '../../src/access/guarded-broker.ts'
import { type UsageLimits, Usages } from '../../src/access/usage.ts'
import type { PublishTarget, Refusal } from '../../src/broker/api.ts'
import { Bench, sure } from '../broker/ground.ts'

function house(limits: Partial<UsageLimits>) {
  const bench = new Bench({ connections: 100 }).serve()
  const usages = new Usages({ connections: null, messages: null, bytes: null, ...limits })
  const broker = (user: string): GuardedBroker =>
    new GuardedBroker({
      broker: bench.broker,
      person: { user, groups: [] },
      remote: 'r:1',
      grants: () => new Map(),
      audit: () => {},
      usages,
    })
  const connected = (user: string): GuardedBroker => {
    const one = broker(user)
    assert.equal(one.admitConnection(), null)
    return one
  }
  return { bench, broker, connected }
}

function sender(told: (string | null)[] = []) {
  return { told, published: (_: number, refusal: Refusal | null) => void told.push(refusal?.refused ?? null) }
}

const send = (target: PublishTarget, producer: ReturnType<typeof sender> | null, tag: number, bytes = 1): void =>
  target.publish(Buffer.alloc(bytes), producer, tag)

describe('the limits of one user', () => {
  it('bound its connections, and give the place back', () => {
    const { broker, connected } = house({ connections: 2 })
    const [first] = [connected('ann'), connected('ann')]
    assert.equal(broker('ann').admitConnection()?.refused, 'limit')
    connected('bob')
    first.connectionClosed()
    connected('ann')
    assert.equal(broker('ann').admitConnection()?.refused, 'limit')
  })

  it('bound what has no answer yet, over all its connections: credit first, then refusal', () => {
    const { bench, connected } = house({ messages: 3 })
    const targets = [connected('ann'), connected('ann')].map(one => sure(one.target('q')))
    const other = sure(connected('bob').target('q'))
    const [a, b] = [sender(), sender()]
    send(targets[0] as PublishTarget, a, 1)
    send(targets[0] as PublishTarget, a, 2)
    assert.equal(targets[1]?.room(), 1)
    send(targets[1] as PublishTarget, b, 1)
    assert.equal(targets[1]?.room(), 0)
    let ready = 0
    targets[1]?.onRoom(() => ready++)
    send(targets[1] as PublishTarget, b, 2)
    assert.deepEqual([a.told, b.told, ready], [[], ['limit'], 0])
    assert.equal(other.room(), 3)
    bench.settle()
    assert.deepEqual([a.told, b.told, ready, targets[1]?.room()], [[null, null], ['limit', null], 1, 3])
    assert.equal(bench.broker.status().messages, 3)
  })

  it('bound its bytes, and count refused ones no longer', () => {
    const { bench, connected } = house({ bytes: 1000 })
    const target = sure(connected('ann').target('q'))
    const one = sender()
    send(target, one, 1, 2_000_000)
    assert.deepEqual([one.told, target.room() > 0], [['too-large'], true])
    send(target, one, 2, 1500)
    assert.equal(target.room(), 0)
    send(target, null, 3, 10)
    bench.settle()
    assert.deepEqual([one.told, target.room() > 0, bench.broker.status().messages], [['too-large', null], true, 2])
  })

  it('count what is sent again before its answer once', () => {
    const { bench, connected } = house({ messages: 4, bytes: 1000 })
    const target = sure(connected('ann').target('q'))
    const one = sender()
    send(target, one, 1, 100)
    send(target, one, 1, 300)
    assert.equal(target.room(), 3)
    bench.settle()
    assert.deepEqual([one.told, target.room()], [[null, null], 4])
    send(target, one, 2, 999)
    assert.equal(target.room(), 3, 'its bytes are all there again')
  })

  it('forget what was never answered once all of its connections are gone', () => {
    const { bench, connected } = house({ messages: 1 })
    const first = connected('ann')
    send(sure(first.target('q')), sender(), 1)
    bench.broker.stopServing()
    first.connectionClosed()
    bench.serve()
    assert.equal(sure(connected('ann').target('q')).room(), 1)
  })

  it('cost nothing where there are none', () => {
    const { bench, connected } = house({ connections: 5 })
    assert.equal(connected('ann').target('q'), bench.target('q'))
  })
})
