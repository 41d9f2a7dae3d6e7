// SUBSCRIBE and UNSUBSCRIBE: options, answers, what is retained, shared subscriptions, and every way to get it wrong.

import assert from 'node:assert/strict'
import { FakeTopics } from '../../support/fake-topics.ts'
import { ManualClock } from '../amqp/wire.ts'
import { House } from './house.ts'
import { couple, Wire, type Version } from './wire.ts'

const both = (title: string, test: (version: Version) => void): void => {
  for (const version of [4, 5] as const) it(`${title} (${version === 4 ? '3.1.1' : '5.0'})`, () => test(version))
}

describe('MQTT engine: subscriptions', () => {
  both('are answered filter by filter', version => {
    const w = new Wire(version).connected()
    const subscriptions = ['a', 'b/+/c', 'd/#', 'e#', 'f/+g', 'h/#/i'].map((topic, i) => ({ topic, qos: i % 3 }))
    w.send('subscribe', { messageId: 7, subscriptions })
    const bad = version === 5 ? 0x8f : 0x80
    assert.deepEqual(w.only('suback')['granted'], [0, 1, 2, bad, bad, bad])
    assert.equal(w.only('suback').messageId, 7)
    w.send('unsubscribe', { messageId: 8, unsubscriptions: ['a', 'nothing'] })
    assert.equal(w.only('unsuback').messageId, 8)
    if (version === 5) assert.deepEqual(w.only('unsuback')['granted'], [0, 0x11])
  })

  both('one filter twice is one subscription, with the newer options [MQTT-3.8.4-3]', version => {
    const { giver, taker } = couple(version)
    for (const qos of [0, 1]) taker.send('subscribe', { messageId: 1, subscriptions: [{ topic: 'a', qos }] })
    giver.send('publish', { topic: 'a', payload: 'x', qos: 1, messageId: 1 })
    assert.equal(taker.only('publish')['qos'], 1)
    taker.send('unsubscribe', { messageId: 2, unsubscriptions: ['a'] })
    giver.send('publish', { topic: 'a', payload: 'y', qos: 1, messageId: 1 })
    assert.deepEqual(taker.texts(), ['x'])
  })

  it('no local, retain as published, and identifiers [MQTT-3.8.3-3, 3.3.1-12, 3.3.4-3]', () => {
    const { giver, taker } = couple(5)
    for (const w of [giver, taker])
      w.send('subscribe', {
        messageId: 1,
        subscriptions: [{ topic: 'a', qos: 0, nl: true, rap: w === taker }],
        properties: { subscriptionIdentifier: 300 },
      })
    giver.send('publish', { topic: 'a', payload: 'x', qos: 0, retain: true })
    assert.equal(giver.all('publish').length, 0)
    const got = taker.only('publish')
    assert.equal(got['retain'], true)
    assert.deepEqual({ ...(got['properties'] as object) }, { subscriptionIdentifier: 300 })
  })

  it('Retain Handling: always, only where it is new, never [MQTT-3.3.1-9 to -11]', () => {
    const { giver, taker } = couple(5)
    giver.send('publish', { topic: 'a', payload: 'kept', qos: 0, retain: true })
    const subscribe = (rh: number): number => {
      const before = taker.all('publish').length
      taker.send('subscribe', { messageId: 1, subscriptions: [{ topic: 'a', qos: 0, rh }] })
      return taker.all('publish').length - before
    }
    assert.deepEqual([subscribe(1), subscribe(1), subscribe(0), subscribe(2)], [1, 0, 1, 0])
    assert.ok(taker.all('publish').every(p => p['retain'] === true))
  })

  it('a shared subscription gives each message to one member, and nothing retained [MQTT-4.8.2-3]', () => {
    const topics = new FakeTopics()
    const clock = new ManualClock()
    const [giver, one, two] = ['g', 'one', 'two'].map(clientId =>
      new Wire(5, {}, { topics, clock }).connected({ clientId }),
    ) as [Wire, Wire, Wire]
    giver.send('publish', { topic: 'a/k', payload: 'kept', qos: 0, retain: true })
    for (const w of [one, two])
      w.send('subscribe', { messageId: 1, subscriptions: [{ topic: '$share/g/a/+', qos: 1 }] })
    for (let id = 1; id <= 10; id++) giver.send('publish', { topic: 'a/b', payload: `${id}`, qos: 1, messageId: id })
    assert.equal(one.texts().length, 5)
    assert.equal(two.texts().length, 5)
    assert.equal(new Set([...one.texts(), ...two.texts()]).size, 10)
    one.send('subscribe', {
      messageId: 2,
      subscriptions: [
        { topic: '$share/g', qos: 1 },
        { topic: '$share//a', qos: 1 },
        { topic: '$share/+/a', qos: 1 },
      ],
    })
    assert.deepEqual(one.all('suback')[1]?.['granted'], [0x8f, 0x8f, 0x8f])
  })

  it('do not bring what is retained and over, although it is still there [MQTT-3.3.2-5]', () => {
    const house = new House()
    const giver = house.wire(5, { clientId: 'giver' })
    const keep = (topic: string, messageExpiryInterval: number) =>
      house.publish(giver, topic, topic, 1, 1, { retain: true, properties: { messageExpiryInterval } })
    keep('b', 2)
    keep('a/long', 60)
    house.advance(1500)
    keep('a/short', 1)
    // What is over is looked for with the first one, and not again for a second.
    house.advance(500)
    house.advance(600)
    const takers = [house.wire(5, { clientId: 'passing' }), house.stays(5, 'lasting')]
    for (const taker of takers) for (const topic of ['a/short', 'a/+']) house.subscribe(taker, topic, 1)
    assert.equal(house.broker.status().topics.retainedMessages, 2)
    for (const taker of takers) assert.deepEqual(taker.texts(), ['a/long'])
    house.advance(1500)
    assert.equal(house.broker.status().topics.retainedMessages, 1)
    house.check()
  })

  const wrong: [string, Version, string, number][] = [
    ['SUBSCRIBE without a filter [MQTT-3.8.3-2]', 5, '82 03 0001 00', 0x82],
    ['UNSUBSCRIBE without a filter [MQTT-3.10.3-2]', 5, 'a2 03 0001 00', 0x82],
    ['QoS 3 [MQTT-3.8.3-5]', 5, '82 07 0001 00 0001 61 03', 0x81],
    ['reserved bits', 4, '82 06 0001 0001 61 04', 0],
    ['Retain Handling 3', 5, '82 07 0001 00 0001 61 30', 0x82],
    ['the packet identifier 0', 5, '82 07 0000 00 0001 61 00', 0x82],
    ['the subscription identifier 0', 5, '82 09 0001 02 0b00 0001 61 00', 0x82],
    ['No Local for a shared subscription [MQTT-3.8.3-4]', 5, '82 10 0001 00 000a 2473686172652f672f61 04', 0x82],
    ['a filter that is not UTF-8', 5, '82 07 0001 00 0001 ff 00', 0x81],
    ['a filter that goes beyond the end', 5, '82 07 0001 00 0009 61 00', 0x81],
  ]
  for (const [title, version, hex, reason] of wrong)
    it(`end with the connection at ${title}`, () => new Wire(version).connected().hex(hex).ended(reason))

  it('are bounded', () => {
    const w = new Wire(5, { subscriptions: 2 }).connected()
    w.send('subscribe', { messageId: 1, subscriptions: ['a', 'b', 'c'].map(topic => ({ topic, qos: 0 })) })
    assert.deepEqual(w.only('suback')['granted'], [0, 0, 0x97])
  })
})
