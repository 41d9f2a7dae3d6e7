// Shared subscriptions of clients whose sessions last ($share/group/filter, MQTT 5.0, 4.8.2): each message has one of them
// as its taker, chosen when it is published and recorded with it, connected or not.

import assert from 'node:assert/strict'
import { House } from './house.ts'
import type { Wire } from './wire.ts'

const SHARE = '$share/group/a/+'

const give = (house: House, giver: Wire, count: number, qos = 1, from = 0): void => {
  for (let i = from; i < from + count; i++) house.publish(giver, 'a/b', `m${i}`, qos, i + 1)
}
const texts = (...wires: Wire[]): string[] => wires.flatMap(wire => wire.texts()).sort()
const numbered = (count: number): string[] => Array.from({ length: count }, (_, i) => `m${i}`).sort()

describe('MQTT shared subscriptions of lasting sessions', () => {
  it('take turns, each message once, with the quality that was granted', () => {
    const house = new House()
    const giver = house.stays(5, 'giver')
    const takers = ['one', 'two', 'three'].map((id, i) => {
      const taker = house.stays(5, id)
      house.subscribe(taker, SHARE, i)
      return taker
    })
    for (let i = 0; i < 9; i++) {
      house.publish(giver, 'a/b', `m${i}`, 2, i + 1)
      house.do(giver, 'pubrel', { messageId: i + 1 })
    }
    assert.deepEqual(texts(...takers), numbered(9))
    takers.forEach((taker, qos) => {
      assert.equal(taker.texts().length, 3)
      assert.ok(
        taker.all('publish').every(packet => packet['qos'] === qos),
        `QoS ${qos}`,
      )
    })
    house.check()
  })

  it('take turns in each group by itself, also where two groups get the same messages', () => {
    const house = new House()
    const giver = house.stays(5, 'giver')
    const takers = ['one', 'two', 'three', 'four'].map(id => house.stays(5, id))
    for (const [i, taker] of takers.entries()) house.subscribe(taker, i < 2 ? SHARE : '$share/other/a/+', 1)
    give(house, giver, 4)
    assert.deepEqual(
      takers.map(taker => taker.texts().length),
      [2, 2, 2, 2],
    )
  })

  it('keep what comes while all members are away, and the message of a member that is', () => {
    const house = new House()
    const giver = house.wire(5, { clientId: 'giver' })
    const ids = ['one', 'two']
    for (const id of ids) {
      const taker = house.stays(5, id)
      house.subscribe(taker, SHARE)
      house.lose(taker)
    }
    give(house, giver, 4)
    house.failover()
    house.check()
    const back = ids.map(id => house.stays(5, id))
    assert.deepEqual(texts(...back), numbered(4))
    assert.deepEqual(
      back.map(wire => wire.texts().length),
      [2, 2],
    )
  })

  it('prefer members that are connected, whether their sessions last or not', () => {
    const house = new House()
    const giver = house.wire(5, { clientId: 'giver' })
    const gone = house.stays(5, 'gone')
    house.subscribe(gone, SHARE)
    house.lose(gone)
    const lasting = house.stays(5, 'lasting')
    const passing = house.wire(5, { clientId: 'passing' })
    for (const taker of [lasting, passing]) house.subscribe(taker, SHARE)
    give(house, giver, 6)
    assert.deepEqual(texts(lasting, passing), numbered(6))
    assert.equal(passing.texts().length, 3)
    assert.deepEqual(house.stays(5, 'gone').texts(), [])
  })

  it('use no packet identifier twice on one connection', () => {
    const house = new House()
    const giver = house.wire(5, { clientId: 'giver' })
    const taker = house.stays(5, 'taker')
    house.subscribe(taker, 'plain')
    house.subscribe(taker, SHARE)
    for (let i = 0; i < 5; i++) house.publish(giver, 'plain', `p${i}`, 1, i + 1)
    give(house, giver, 5)
    const ids = taker.all('publish').map(packet => packet['messageId'])
    assert.equal(new Set(ids).size, 10)
    for (const messageId of ids) house.do(taker, 'puback', { messageId })
    house.lose(taker)
    assert.deepEqual(house.stays(5, 'taker').texts(), [], 'each answer has met its own message')
    house.check()
  })

  it('give a message of QoS 0 to a member that is connected, or to nobody', () => {
    const house = new House()
    const giver = house.wire(5, { clientId: 'giver' })
    const [one, two] = ['one', 'two'].map(id => house.stays(5, id)) as [Wire, Wire]
    for (const taker of [one, two]) house.subscribe(taker, SHARE)
    give(house, giver, 4, 0)
    assert.deepEqual(texts(one, two), numbered(4))
    house.lose(one)
    house.lose(two)
    give(house, giver, 1, 0, 4)
    assert.deepEqual(texts(...['one', 'two'].map(id => house.stays(5, id))), [])
  })

  it('tell the identifier of the subscription that a message came by', () => {
    const house = new House()
    const giver = house.wire(5, { clientId: 'giver' })
    const [one, two] = ['one', 'two'].map(id => house.stays(5, id)) as [Wire, Wire]
    const subscribe = (wire: Wire, topic: string, subscriptionIdentifier: number): void =>
      house.do(wire, 'subscribe', {
        messageId: 1,
        subscriptions: [{ topic, qos: 1 }],
        properties: { subscriptionIdentifier },
      })
    subscribe(one, 'a/#', 7)
    for (const wire of [one, two]) subscribe(wire, SHARE, 9)
    give(house, giver, 2)
    const ids = (wire: Wire): unknown[] =>
      wire.all('publish').map(packet => (packet['properties'] as Record<string, unknown>)['subscriptionIdentifier'])
    // It takes its turn once, and has a subscription of its own besides.
    assert.deepEqual(ids(two), [9])
    assert.deepEqual(new Set(ids(one).map(id => String(id))), new Set(['7', '7,9']))
  })

  it('end with UNSUBSCRIBE and with the session', () => {
    const house = new House()
    const giver = house.wire(5, { clientId: 'giver' })
    const [one, two] = ['one', 'two'].map(id => house.stays(5, id)) as [Wire, Wire]
    for (const taker of [one, two]) house.subscribe(taker, SHARE)
    house.do(one, 'unsubscribe', { messageId: 2, unsubscriptions: [SHARE] })
    give(house, giver, 2)
    assert.deepEqual([one.texts(), two.texts()], [[], numbered(2)])
    house.lose(two)
    house.lose(house.stays(5, 'two', { clean: true, properties: { sessionExpiryInterval: 0 } }))
    give(house, giver, 1, 1, 2)
    assert.deepEqual(house.stays(5, 'two').texts(), [])
    house.check()
  })

  it('pass over a member whose queue is full', () => {
    const house = new House({ queueMessages: 3 })
    const giver = house.wire(5, { clientId: 'giver' })
    const [one, two] = ['one', 'two'].map(id => house.stays(5, id)) as [Wire, Wire]
    for (const taker of [one, two]) house.subscribe(taker, SHARE)
    house.subscribe(one, 'other')
    for (let i = 0; i < 3; i++) house.publish(giver, 'other', `o${i}`, 1, i + 1)
    give(house, giver, 3)
    assert.deepEqual(two.texts(), ['m0', 'm1', 'm2'])
  })
})

describe('an MQTT client identifier', () => {
  const other = { username: 'ann', password: 'secret' }

  for (const version of [4, 5] as const)
    it(`is its user's while the session is there, connected or away, and across a failover (${version})`, () => {
      const house = new House()
      const mine = house.stays(version, 'id')
      house.subscribe(mine, 'a')
      const theirs = house.stays(version, 'id', other)
      theirs.refused(version === 5 ? 0x85 : 2)
      assert.match(theirs.log.join(), /MQTT-CLIENT-OWNER/)
      assert.ok(!mine.socket.ended, 'the one who has it keeps it')
      house.lose(mine)
      house.stays(version, 'id', { ...other, clean: true }).refused(version === 5 ? 0x85 : 2)
      house.failover()
      house.check()
      house.stays(version, 'id', other).refused(version === 5 ? 0x85 : 2)
      const again = house.stays(version, 'id')
      assert.equal(again.only('connack')['sessionPresent'], true)
      // Its end sets it free.
      house.lose(again)
      house.lose(house.wire(version, { clientId: 'id', clean: true }))
      assert.equal(house.stays(version, 'id', other).only('connack')['sessionPresent'], false)
    })

  it('of a session that ends with its connection is free after it', () => {
    const house = new House()
    const mine = house.wire(4, { clientId: 'id' })
    house.wire(4, { clientId: 'id', ...other }).refused(2)
    house.lose(mine)
    assert.equal(house.wire(4, { clientId: 'id', ...other }).all('connack').length, 1)
  })
})
