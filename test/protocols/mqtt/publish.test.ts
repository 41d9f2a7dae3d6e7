// PUBLISH in both directions: qualities of service, order, what is passed on and what is not, flow control, aliases,
// sizes, and every way to get it wrong.

import assert from 'node:assert/strict'
import { FakeTopics } from '../../support/fake-topics.ts'
import { ManualClock } from '../amqp/wire.ts'
import { connect, couple, make, Wire, type Version } from './wire.ts'

const both = (title: string, test: (version: Version) => void): void => {
  for (const version of [4, 5] as const) it(`${title} (${version === 4 ? '3.1.1' : '5.0'})`, () => test(version))
}
const publish = (version: Version, fields: Record<string, unknown>): Buffer =>
  make(version, 'publish', { topic: 'a/b', payload: 'x', ...fields })
const subscribe = (taker: Wire, topic: string, options: Record<string, unknown> = {}, properties = {}): void => {
  taker.send('subscribe', { messageId: 1, subscriptions: [{ topic, qos: 2, ...options }], properties })
}

describe('MQTT engine: what a client publishes', () => {
  both('answers by quality: nothing, PUBACK, PUBREC and PUBCOMP', version => {
    const w = new Wire(version).connected()
    w.send('publish', { topic: 'a', payload: '0', qos: 0 })
    w.send('publish', { topic: 'a', payload: '1', qos: 1, messageId: 5 })
    w.send('publish', { topic: 'a', payload: '2', qos: 2, messageId: 6 })
    w.send('pubrel', { messageId: 6 })
    assert.deepEqual(
      w
        .seen()
        .slice(1)
        .map(p => [p.cmd, p.messageId]),
      [
        ['puback', 5],
        ['pubrec', 6],
        ['pubcomp', 6],
      ],
    )
    assert.equal(w.topics.published, 3)
  })

  both('answers only when the broker says that it is safe, in that order', version => {
    const topics = new FakeTopics()
    const w = new Wire(version, {}, { topics }).connected()
    topics.options.manual = true
    w.bytes(...[1, 2, 3].map(id => publish(version, { qos: 1, messageId: id })))
    assert.equal(w.all('puback').length, 0)
    topics.commit()
    w.clock.settle()
    assert.deepEqual(
      w.all('puback').map(p => p.messageId),
      [1, 2, 3],
    )
  })

  both('takes a QoS 2 message once, however often it comes', version => {
    const topics = new FakeTopics()
    const w = new Wire(version, {}, { topics }).connected()
    topics.options.manual = true
    const message = { topic: 'a', payload: '2', qos: 2, messageId: 6 }
    w.send('publish', message).send('publish', { ...message, dup: true })
    topics.commit()
    w.clock.settle()
    assert.equal(w.all('pubrec').length, 1, 'the second waits with the first')
    w.send('publish', { ...message, dup: true })
    assert.equal(w.all('pubrec').length, 2)
    assert.equal(topics.published, 1)
    w.send('pubrel', { messageId: 6 })
    w.send('publish', { ...message, payload: 'another' })
    topics.commit()
    assert.equal(topics.published, 2)
  })

  it('PUBREL for what nobody knows: PUBCOMP 0x92', () => {
    const w = new Wire(5).connected().send('pubrel', { messageId: 9 })
    assert.equal(w.only('pubcomp')['reasonCode'], 0x92)
    new Wire(4).connected().send('pubrel', { messageId: 9 }).only('pubcomp')
  })

  it('tells MQTT 5 why a message is refused, and ends MQTT 3.1.1', () => {
    const w = new Wire(5).connected()
    w.send('publish', { topic: 'forbidden/a', payload: 'x', qos: 1, messageId: 1 })
    assert.equal(w.only('puback')['reasonCode'], 0x87)
    assert.match(String((w.only('puback')['properties'] as Record<string, unknown>)['reasonString']), /not yours/)
    w.send('publish', { topic: 'forbidden/a', payload: 'x', qos: 2, messageId: 2 })
    assert.equal(w.only('pubrec')['reasonCode'], 0x87)
    w.send('publish', { topic: 'forbidden/a', payload: 'x', qos: 0 })
    assert.deepEqual(w.dropped, ['refused'])
    const quiet = new Wire(5).connected({ properties: { requestProblemInformation: false } })
    quiet.send('publish', { topic: 'forbidden/a', payload: 'x', qos: 1, messageId: 1 })
    assert.equal(quiet.only('puback')['properties'], undefined, 'no reason string where none is wanted')
    new Wire(4).connected().send('publish', { topic: 'forbidden/a', payload: 'x', qos: 1, messageId: 1 }).ended(0)
  })

  it('a full queue: MQTT 5 is told, MQTT 3.1.1 is not read until there is room', () => {
    const full = { refused: 'queue-full', text: 'full' } as const
    const w = new Wire(5).connected()
    w.topics.refuseNext = full
    w.send('publish', { topic: 'a', payload: 'x', qos: 1, messageId: 1 })
    assert.equal(w.only('puback')['reasonCode'], 0x97)
    const old = new Wire(4).connected()
    old.topics.options.manual = true
    for (const id of [1, 2, 3]) {
      if (id === 1) old.topics.refuseNext = full
      old.send('publish', { topic: 'a/b/c', payload: `p${id}`, qos: 1, messageId: id })
    }
    assert.ok(old.paused)
    assert.equal(old.topics.published, 0)
    old.topics.commit()
    old.clock.settle()
    assert.ok(!old.paused)
    assert.equal(old.topics.published, 3)
    old.topics.commit()
    old.clock.settle()
    assert.deepEqual(
      old.all('puback').map(p => p.messageId),
      [1, 2, 3],
    )
  })

  it('Receive Maximum: 0x93 for MQTT 5; MQTT 3.1.1 is not read until answers went out', () => {
    const w = new Wire(5, { receiveMaximum: 2 }).connected()
    w.topics.options.manual = true
    w.bytes(...[1, 2, 3].map(id => publish(5, { qos: 1, messageId: id })))
    w.ended(0x93)
    const old = new Wire(4, { receiveMaximum: 2 }).connected()
    old.topics.options.manual = true
    old.bytes(...[1, 2, 3, 4].map(id => publish(4, { qos: 1, messageId: id })))
    assert.ok(old.paused)
    assert.equal(old.topics.published, 3)
    old.topics.commit()
    old.clock.settle()
    old.topics.commit()
    old.clock.settle()
    assert.deepEqual(
      old.all('puback').map(p => p.messageId),
      [1, 2, 3, 4],
    )
  })

  it('a topic alias stands for its topic [MQTT-3.3.2-8 to -10]', () => {
    const { giver, taker } = couple(5)
    subscribe(taker, '#', { qos: 0 })
    giver.send('publish', { topic: 'long/name', payload: '1', qos: 0, properties: { topicAlias: 3 } })
    giver.send('publish', { topic: '', payload: '2', qos: 0, properties: { topicAlias: 3 } })
    giver.send('publish', { topic: 'other', payload: '3', qos: 0, properties: { topicAlias: 3 } })
    giver.send('publish', {
      topic: '',
      payload: '4',
      qos: 1,
      messageId: 1,
      properties: { topicAlias: 3, contentType: 'text' },
    })
    assert.deepEqual(
      taker.all('publish').map(p => `${String(p['topic'])} ${String(p['payload'])}`),
      ['long/name 1', 'long/name 2', 'other 3', 'other 4'],
    )
    const last = taker.all('publish').at(-1)?.['properties'] as Record<string, unknown>
    assert.deepEqual({ ...last }, { contentType: 'text' }, 'the alias stays behind')
    new Wire(5).connected().hex('30 07 0000 03 23 0009 78').ended(0x82)
    new Wire(5).connected().hex('30 07 0000 03 23 0000 78').ended(0x94)
    new Wire(5).connected().hex('30 07 0000 03 23 ffff 78').ended(0x94)
  })

  const wrong: [string, Version, string, number][] = [
    ['QoS 3 [MQTT-3.3.1-4]', 5, '36 07 0001 61 0001 00 78', 0x81],
    ['QoS 3 [MQTT-3.3.1-4]', 4, '36 06 0001 61 0001 78', 0],
    ['DUP with QoS 0 [MQTT-3.3.1-2]', 5, '38 05 0001 61 00 78', 0x81],
    ['the packet identifier 0 [MQTT-2.2.1-3]', 5, '32 07 0001 61 0000 00 78', 0x82],
    ['wildcards in its topic [MQTT-3.3.2-2]', 5, '30 06 0002 2f23 00 78', 0x90],
    ['wildcards in its topic [MQTT-3.3.2-2]', 4, '30 05 0002 612b 78', 0],
    ['an empty topic', 5, '30 04 0000 00 78', 0x82],
    ['an empty topic [MQTT-4.7.3-1]', 4, '30 03 0000 78', 0],
    ['U+0000 in its topic', 5, '30 06 0002 6100 00 78', 0x81],
    ['a topic that is not UTF-8', 5, '30 06 0002 c328 00 78', 0x81],
    ['a topic that goes beyond its end', 5, '30 05 0009 61 00 78', 0x81],
    ['properties that go beyond its end', 5, '30 05 0001 61 09 78', 0x81],
    ['a subscription identifier [MQTT-3.3.4-6]', 5, '30 07 0001 61 02 0b 01 78', 0x82],
    ['a response topic with wildcards [MQTT-3.3.2-14]', 5, '30 09 0001 61 04 08 0001 23 78', 0x82],
    ['a payload format of 2', 5, '30 07 0001 61 02 01 02 78', 0x82],
    ['a property twice', 5, '30 09 0001 61 04 01 01 01 01 78', 0x82],
    ['a length of more than four bytes', 5, '30 ff ff ff ff 01', 0x81],
    ['a length written too long', 5, '30 85 00', 0x81],
  ]
  for (const [title, version, hex, reason] of wrong)
    it(`ends at ${title}, version ${version}`, () => new Wire(version).connected().hex(hex).ended(reason))

  both('ends at a packet that is too large [MQTT-3.2.2-15]', version => {
    const w = new Wire(version, { packetBytes: 100 }).connected()
    w.bytes(publish(version, { payload: 'x'.repeat(100) }).subarray(0, 10)).ended(0x95)
  })

  const flags: [string, string, number][] = [
    ['PUBREL without its flag [MQTT-3.6.1-1]', '60 02 0001', 0x81],
    ['PUBACK with flags', '42 02 0001', 0x81],
    ['PINGREQ with flags', 'c1 00', 0x81],
    ['SUBSCRIBE without its flag [MQTT-3.8.1-1]', '80 07 0001 00 0001 61 00', 0x81],
    ['packet type 0', '00 00', 0x81],
    ['a packet that only a server sends', '20 03 000000', 0x82],
    ['PINGREQ with a body', 'c0 01 00', 0x81],
    ['PUBACK too short', '40 01 00', 0x81],
    ['PUBACK with a property of another packet', '40 07 0001 00 03 21 0001', 0x82],
    ['DISCONNECT with a server reference [MQTT-3.14.2-2]', 'e0 06 00 04 1c 0001 61', 0x82],
  ]
  for (const [title, hex, reason] of flags) it(`ends at ${title}`, () => new Wire(5).connected().hex(hex).ended(reason))
})

describe('MQTT engine: what a client is sent', () => {
  both('passes on between both versions, with the properties where they can be', version => {
    const topics = new FakeTopics()
    const clock = new ManualClock()
    const giver = new Wire(version, {}, { topics, clock }).connected({ clientId: 'g' })
    const takers = ([4, 5] as const).map(v => new Wire(v, {}, { topics, clock }).connected({ clientId: `t${v}` }))
    for (const taker of takers) subscribe(taker, 'a/+', { qos: 1 })
    const properties = {
      payloadFormatIndicator: true,
      contentType: 'text/plain',
      responseTopic: 'back/here',
      correlationData: Buffer.from([1, 2, 3]),
      userProperties: { colour: ['red', 'green'] },
    }
    giver.send('publish', {
      topic: 'a/b',
      payload: 'hello',
      qos: 1,
      messageId: 1,
      ...(version === 5 ? { properties } : {}),
    })
    for (const taker of takers) {
      const got = taker.only('publish')
      assert.equal(String(got['payload']), 'hello')
      assert.equal(got['qos'], 1)
      assert.equal(got['dup'], false)
      if (version === 5 && taker.version === 5) {
        const seen = got['properties'] as Record<string, unknown>
        assert.deepEqual(JSON.parse(JSON.stringify(seen)), JSON.parse(JSON.stringify(properties)))
      }
    }
  })

  it('what is left of the expiry goes with it, and nothing after it [MQTT-3.3.2-5, -6]', () => {
    const { giver, taker } = couple(5, { inflight: 1 })
    subscribe(taker, '#', { qos: 1 })
    const properties = { messageExpiryInterval: 10 }
    for (const id of [1, 2]) giver.send('publish', { topic: 'a', payload: `m${id}`, qos: 1, messageId: id, properties })
    assert.equal((taker.only('publish')['properties'] as Record<string, unknown>)['messageExpiryInterval'], 10)
    taker.clock.ms += 4000
    taker.send('puback', { messageId: taker.only('publish').messageId })
    const left = taker.all('publish').map(p => (p['properties'] as Record<string, unknown>)['messageExpiryInterval'])
    assert.deepEqual(left, [10, 6])
    giver.send('publish', { topic: 'a', payload: 'm3', qos: 1, messageId: 3, properties })
    taker.clock.ms += 11_000
    taker.send('puback', { messageId: taker.all('publish').at(-1)?.messageId })
    assert.deepEqual(taker.texts(), ['m1', 'm2'])
  })

  both('QoS 2 to the client: PUBREL after PUBREC, once more if it asks again', version => {
    const { giver, taker } = couple(version)
    subscribe(taker, 'a')
    giver.send('publish', { topic: 'a', payload: 'x', qos: 2, messageId: 1 })
    const id = taker.only('publish').messageId
    taker.send('pubrec', { messageId: id }).send('pubrec', { messageId: id })
    assert.deepEqual(
      taker.all('pubrel').map(p => p.messageId),
      [id, id],
    )
    taker.send('pubcomp', { messageId: id })
    giver.send('pubrel', { messageId: 1 })
    giver.send('publish', { topic: 'a', payload: 'y', qos: 2, messageId: 1 })
    assert.deepEqual(taker.texts(), ['x', 'y'])
  })

  it('an error in PUBREC ends the message, an answer of the wrong kind the connection', () => {
    const { giver, taker } = couple(5, { inflight: 1 })
    subscribe(taker, 'a')
    giver.send('publish', { topic: 'a', payload: 'x', qos: 2, messageId: 1 })
    giver.send('publish', { topic: 'a', payload: 'y', qos: 2, messageId: 2 })
    taker.send('pubrec', { messageId: taker.only('publish').messageId, reasonCode: 0x80 })
    assert.equal(taker.all('pubrel').length, 0)
    assert.deepEqual(taker.texts(), ['x', 'y'])
    taker.send('puback', { messageId: taker.all('publish')[1]?.messageId })
    taker.ended(0x82)
    const late = new Wire(5).connected()
    late.send('puback', { messageId: 77 }).send('pubcomp', { messageId: 77 }).send('pubrec', { messageId: 77 })
    assert.equal(late.only('pubrel')['reasonCode'], 0x92)
    assert.ok(!late.socket.ended)
  })

  both('the window: no more than the client takes at once, the rest in line, in order', version => {
    const topics = new FakeTopics()
    const clock = new ManualClock()
    const taker = new Wire(version, version === 4 ? { inflight: 3 } : {}, { topics, clock })
    taker.bytes(connect(version, version === 5 ? { properties: { receiveMaximum: 3 } } : {}))
    const giver = new Wire(version, {}, { topics, clock }).connected({ clientId: 'g' })
    subscribe(taker, 'a', { qos: 1 })
    for (let id = 1; id <= 10; id++) giver.send('publish', { topic: 'a', payload: `${id}`, qos: 1, messageId: id })
    assert.deepEqual(taker.texts(), ['1', '2', '3'])
    giver.send('publish', { topic: 'a', payload: 'at most once', qos: 0 })
    assert.equal(taker.texts().at(-1), 'at most once', 'QoS 0 does not wait')
    for (let done = 0; done < 10; done++)
      taker.send('puback', { messageId: taker.all('publish').filter(p => p['qos'] === 1)[done]?.messageId })
    assert.deepEqual(
      taker.texts().filter(t => t !== 'at most once'),
      Array.from({ length: 10 }, (_, i) => `${i + 1}`),
    )
  })

  it('the line is bounded: what comes beyond it is dropped and counted', () => {
    const { giver, taker } = couple(4, { inflight: 1, pendingMessages: 2 })
    subscribe(taker, 'a', { qos: 1 })
    for (let id = 1; id <= 5; id++) giver.send('publish', { topic: 'a', payload: `${id}`, qos: 1, messageId: id })
    assert.deepEqual(taker.dropped, ['slow', 'slow'])
    assert.equal(giver.all('puback').length, 5)
  })

  it('QoS 0 to a client that does not read is dropped and counted; one that never reads is cut off', () => {
    const { giver, taker } = couple(4, { outputBytes: 1000, packetBytes: 2000 })
    subscribe(taker, '#', { qos: 1 })
    taker.socket.takes = false
    for (let i = 0; i < 30; i++) giver.send('publish', { topic: 'a', payload: 'x'.repeat(100), qos: 0 })
    assert.ok(taker.dropped.length > 10 && taker.dropped.length < 25, `${taker.dropped.length} dropped`)
    assert.ok(!taker.socket.destroyed)
    for (let id = 1; id < 60; id++)
      giver.send('publish', { topic: 'a', payload: 'x'.repeat(100), qos: 1, messageId: id })
    assert.ok(taker.socket.destroyed)
    assert.ok(!giver.socket.ended)
  })

  it('a packet larger than the client takes is not sent, and what follows is [MQTT-3.1.2-24]', () => {
    const topics = new FakeTopics()
    const clock = new ManualClock()
    const taker = new Wire(5, {}, { topics, clock }).connected({ properties: { maximumPacketSize: 60 } })
    const giver = new Wire(5, {}, { topics, clock }).connected({ clientId: 'g' })
    subscribe(taker, '#', { qos: 1 })
    giver.send('publish', { topic: 'a', payload: 'x'.repeat(100), qos: 1, messageId: 1 })
    giver.send('publish', { topic: 'a', payload: 'x'.repeat(100), qos: 0 })
    giver.send('publish', { topic: 'a', payload: 'y', qos: 1, messageId: 2 })
    assert.deepEqual(taker.texts(), ['y'])
    assert.deepEqual(taker.dropped, ['too-large', 'too-large'])
  })

  it('uses topic aliases where the client takes them, and no more than it takes', () => {
    const topics = new FakeTopics()
    const clock = new ManualClock()
    const taker = new Wire(5, {}, { topics, clock }).connected({ properties: { topicAliasMaximum: 1 } })
    const giver = new Wire(5, {}, { topics, clock }).connected({ clientId: 'g' })
    subscribe(taker, '#', { qos: 1 })
    for (const topic of ['one', 'one', 'two', 'one'])
      giver.send('publish', { topic, payload: topic, qos: 1, messageId: 1 })
    const got = taker
      .all('publish')
      .map(p => [p['topic'], (p['properties'] as Record<string, unknown> | undefined)?.['topicAlias']])
    assert.deepEqual(got, [
      ['one', 1],
      ['', 1],
      ['two', undefined],
      ['', 1],
    ])
  })

  it('one message to many: each with its own identifier, version and quality', () => {
    const topics = new FakeTopics()
    const clock = new ManualClock()
    const giver = new Wire(5, {}, { topics, clock }).connected({ clientId: 'g' })
    const takers = Array.from({ length: 12 }, (_, i) => {
      const taker = new Wire(i % 2 ? 4 : 5, {}, { topics, clock }).connected({ clientId: `t${i}` })
      for (let before = 0; before < i; before++) {
        subscribe(taker, `own/${i}`, { qos: 1 })
        giver.send('publish', { topic: `own/${i}`, payload: 'o', qos: 1, messageId: 9 })
      }
      subscribe(taker, 'all', { qos: i % 3 })
      return taker
    })
    for (const qos of [0, 1, 2]) giver.send('publish', { topic: 'all', payload: `q${qos}`, qos, messageId: 20 + qos })
    takers.forEach((taker, i) => {
      const got = taker.all('publish').filter(p => p['topic'] === 'all')
      assert.deepEqual(
        got.map(p => String(p['payload'])),
        ['q0', 'q1', 'q2'],
      )
      assert.deepEqual(
        got.map(p => p['qos']),
        [0, 1, 2].map(q => Math.min(q, i % 3)),
      )
      const ids = got.filter(p => p['qos'] !== 0).map(p => p.messageId)
      assert.equal(new Set(ids).size, ids.length)
      assert.ok(ids.every(id => (id as number) > i))
    })
  })
})
