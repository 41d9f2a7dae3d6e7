// What a client may ask for in one breath, and what of it is remembered: a client that sends much before it reads, names that are
// as long as they may be, and more subscriptions than a turn has time for.

import assert from 'node:assert/strict'
import { CodedError } from '../../../src/base/errors.ts'
import { KNOWN_TOPICS_LENGTH, RETAINED_SEEN_PER_TURN } from '../../../src/broker/limits.ts'
import { Known } from '../../../src/broker/known.ts'
import { House } from './house.ts'
import { make, Wire } from './wire.ts'

const CROWDED = new CodedError('REPLICATION-BACKLOG', { what: 'too much', remedy: '' })

/** How often what is retained was looked through from now on. */
function counted({ broker }: House): () => number {
  let looks = 0
  const retained = broker.retained.bind(broker)
  broker.retained = (...of) => {
    const looked = retained(...of)
    if (looked) looks++
    return looked
  }
  return () => looks
}

describe('MQTT engine: clients that ask for much at once', () => {
  it('goes on with a client of 3.1.1 whose PUBRELs come behind more publishes than are answered at once', () => {
    const w = new Wire(4, { receiveMaximum: 2 }).connected()
    w.topics.options.manual = true
    const ids = [1, 2, 3, 4, 5]
    w.bytes(...ids.map(messageId => make(4, 'publish', { topic: 'a', payload: 'x', qos: 2, messageId })))
    assert.ok(w.paused, 'it is slowed as long as nothing is answered')
    for (let i = 0; i < 3; i++) {
      w.topics.commit()
      w.clock.settle()
    }
    w.bytes(...ids.map(messageId => make(4, 'pubrel', { messageId })))
    for (const answer of ['pubrec', 'pubcomp'])
      assert.deepEqual(
        w.all(answer).map(p => p.messageId),
        ids,
      )
    assert.ok(!w.paused)
  })

  it('counts QoS 2 until PUBREL with 5.0, as Receive Maximum does', () => {
    const w = new Wire(5, { receiveMaximum: 2 }).connected()
    const send = (messageId: number) => w.send('publish', { topic: 'a', payload: 'x', qos: 2, messageId })
    send(1)
    send(2)
    w.send('pubrel', { messageId: 1 })
    send(3)
    assert.equal(w.all('pubrec').length, 3)
    send(4).ended(0x93)
  })

  it('remembers names within their number and their length', () => {
    const known = new Known<number>(3, 10)
    for (const [i, name] of ['a', 'bb', 'ccc'].entries()) known.add(name, i)
    assert.deepEqual([known.get('a'), known.get('ccc')], [0, 2])
    known.add('d', 3)
    assert.deepEqual([known.get('a'), known.get('d')], [undefined, 3], 'no more than three')
    known.add('e'.repeat(9), 4)
    known.add('f', 5)
    assert.deepEqual([known.get('d'), known.get('f')], [undefined, 5], 'no more than ten characters')
  })

  it('finds topics anew after long names, in the engine and in the broker', () => {
    const { broker } = new House()
    const first = broker.target('topic://a')
    assert.equal(broker.target('topic://a'), first)
    const name = 'x'.repeat(60_000)
    for (let i = 0; i * name.length <= KNOWN_TOPICS_LENGTH; i++) broker.target(`topic://${i}/${name}`)
    assert.notEqual(broker.target('topic://a'), first)
    const w = new Wire(5).connected()
    const asked: string[] = []
    const { topics } = w
    const target = topics.target.bind(topics)
    topics.target = address => {
      asked.push(address.slice(0, 11))
      return target(address)
    }
    for (const topic of ['a', `b/${name}`, 'a', `c/${name}`, 'a']) w.send('publish', { topic, payload: 'x', qos: 0 })
    assert.deepEqual(asked, ['topic://a', 'topic://b/x', 'topic://c/x', 'topic://a'])
  })

  it('looks through what is retained a bounded part at a time, and reads on after that; others come between', () => {
    const house = new House()
    const w = house.wire(5, { clientId: 'a' })
    const other = house.wire(5, { clientId: 'b' })
    for (let i = 0; i < 100; i++) w.send('publish', { topic: `t/${i}`, payload: 'x', qos: 0, retain: true })
    house.rest()
    const looks = counted(house)
    const subscriptions = Array.from({ length: 1000 }, () => ({ topic: '+/nothing', qos: 0 as const }))
    w.connection.receive(make(5, 'subscribe', { messageId: 1, subscriptions }))
    w.connection.receive(make(5, 'pingreq'))
    const most = RETAINED_SEEN_PER_TURN / 100
    assert.equal(looks(), most)
    assert.ok(w.paused)
    other.connection.receive(make(5, 'subscribe', { messageId: 1, subscriptions: [{ topic: 't/1', qos: 0 }] }))
    house.rest()
    assert.equal(looks(), 1001)
    assert.ok(!w.paused)
    assert.deepEqual([w.all('suback').length, w.all('pingresp').length, other.texts()], [1, 1, ['x']])
  })

  it('forgets what it had to look for when the connection ends', () => {
    const house = new House()
    const w = house.wire(5, { clientId: 'a' })
    for (let i = 0; i < 100; i++) w.send('publish', { topic: `t/${i}`, payload: 'x', qos: 0, retain: true })
    house.rest()
    const looks = counted(house)
    const subscriptions = Array.from({ length: 1000 }, () => ({ topic: '+/nothing', qos: 0 as const }))
    w.connection.receive(make(5, 'subscribe', { messageId: 1, subscriptions }))
    const before = looks()
    house.lose(w)
    assert.equal(looks(), before)
  })

  it('refuses what is to be retained, or the will of a session, where its record is larger than the journal takes', () => {
    const house = new House()
    const w = house.wire(5, { clientId: 'a' })
    const topic = 'x'.repeat(65_535)
    const send = (bytes: number, messageId: number): void => {
      const payload = Buffer.alloc(bytes - topic.length - 3)
      house.do(w, 'publish', { topic, payload, qos: 1, messageId, retain: true })
    }
    send(2 ** 20, 1)
    send(2 ** 20 - 100, 2)
    // What PUBACK may say of it [MQTT-3.4.2-1].
    assert.deepEqual(
      w.all('puback').map(answer => answer['reasonCode'] ?? 0),
      [0x97, 0],
    )
    const small = new House({ messageBytes: 1024 })
    const will = { topic, payload: Buffer.alloc(10_000), qos: 1 }
    small.wire(5, { clientId: 'b', will }).refused(0x97)
    small.check()
    house.check()
  })

  it('says no reason that does not fit into what the client takes, whatever the letters', () => {
    const w = new Wire(5).connected({ properties: { maximumPacketSize: 50 } })
    const from = w.socket.bytes.length
    w.topics.refuseNext = { refused: 'limit', text: 'ü'.repeat(33) }
    w.send('publish', { topic: 'a', payload: 'x', qos: 1, messageId: 1 })
    assert.ok(w.socket.bytes.length - from <= 50)
    assert.equal(w.only('puback')['reasonCode'], 0x97)
  })

  it('leaves a subscription as it was when its change was refused', () => {
    const house = new House()
    const w = house.stays(5, 'a')
    house.subscribe(w, 't', 1)
    house.log.fault = CROWDED
    house.do(w, 'subscribe', {
      messageId: 2,
      subscriptions: [{ topic: 't', qos: 1 }],
      properties: { subscriptionIdentifier: 7 },
    })
    house.log.fault = null
    assert.deepEqual(w.all('suback').at(-1)?.['granted'], [0x97])
    house.publish(w, 't', 'x', 0)
    assert.equal((w.only('publish')['properties'] as Record<string, unknown>)?.['subscriptionIdentifier'], undefined)
    house.check()
  })
})
