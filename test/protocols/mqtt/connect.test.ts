// CONNECT and the end of connections: what is refused with which reason, what is told, and who is not answered at all.

import assert from 'node:assert/strict'
import { FakeTopics } from '../../support/fake-topics.ts'
import { connect, make, Wire, type Version } from './wire.ts'

const both = (title: string, test: (version: Version) => void): void => {
  for (const version of [4, 5] as const) it(`${title} (${version === 4 ? '3.1.1' : '5.0'})`, () => test(version))
}

describe('MQTT engine: CONNECT', () => {
  both('takes a client, and says what this server is', version => {
    const w = new Wire(version).connected()
    const connack = w.only('connack')
    assert.equal(connack['sessionPresent'], false)
    if (version === 4) return assert.equal(connack['returnCode'], 0)
    const told = connack['properties'] as Record<string, unknown>
    assert.equal(told['receiveMaximum'], 4096)
    assert.equal(told['topicAliasMaximum'], 256)
    assert.equal(told['maximumPacketSize'], 1024 * 1024 + 64 * 1024)
    assert.equal(told['serverKeepAlive'], 3600, 'a client without keep alive is given one')
    const user = told['userProperties'] as Record<string, string>
    assert.deepEqual(
      { ...user },
      { 'lockstep:server': 'primary', 'lockstep:epoch': '7', 'lockstep:other': 'other:1884' },
    )
  })

  it('is CONNECT in hex, and CONNACK too', () => {
    const w = new Wire(4).hex('10 0d 0004 4d515454 04 02 003c 0001 63')
    assert.equal(w.socket.bytes.toString('hex'), '20020000')
    w.hex('c000')
    assert.equal(w.socket.bytes.toString('hex'), '20020000d000')
  })

  it('assigns an identifier where there is none [MQTT-3.1.3-6]', () => {
    const told = new Wire(5).connected({ clientId: '' }).only('connack')['properties'] as Record<string, unknown>
    assert.equal(told['assignedClientIdentifier'], 'assigned')
    new Wire(4).connected({ clientId: '' })
    new Wire(4).hex('10 0c 0004 4d515454 04 00 003c 0000').refused(2)
  })

  both('refuses a version that is not served [MQTT-3.1.2-2]', version => {
    const bytes = connect(version)
    bytes[8] = version === 4 ? 3 : 6
    const w = new Wire(version).bytes(bytes)
    w.refused(version === 4 ? 1 : 0x84)
  })

  it('says nothing to who does not speak MQTT [MQTT-3.1.2-1]', () => {
    new Wire(4).hex('10 0d 0004 4d515455 04 02 003c 0001 63').silent()
    new Wire(4).bytes(Buffer.from('GET / HTTP/1.1\r\n\r\n')).silent()
    new Wire(4).hex('c000').silent()
  })

  both('refuses wrong credentials', version => {
    const w = new Wire(version).bytes(connect(version, { username: 'ann', password: Buffer.from('guess') }))
    w.refused(version === 4 ? 4 : 0x86)
    new Wire(version).connected({ username: 'ann', password: Buffer.from('secret') })
  })

  it('refuses enhanced authentication, which it does not offer [MQTT-4.12.0-1]', () => {
    new Wire(5).bytes(connect(5, { properties: { authenticationMethod: 'SCRAM-SHA-1' } })).refused(0x8c)
    const w = new Wire(5).connected().hex('f000')
    w.ended(0x82)
    new Wire(4).connected().hex('f000').ended(0)
  })

  both('ends at a second CONNECT [MQTT-3.1.0-2]', version => {
    new Wire(version).connected().bytes(connect(version)).ended(0x82)
  })

  const wrong: [string, string, number][] = [
    ['the reserved flag [MQTT-3.1.2-3]', '10 0d 0004 4d515454 04 03 003c 0001 63', 0],
    ['a will of QoS 3 [MQTT-3.1.2-12]', '10 13 0004 4d515454 04 1e 003c 0001 63 0001 61 0001 62', 0],
    ['will flags without a will [MQTT-3.1.2-11]', '10 0d 0004 4d515454 04 22 003c 0001 63', 0],
    ['a password without a user name [MQTT-3.1.2-22 of 3.1.1]', '10 10 0004 4d515454 04 42 003c 0001 63 0001 70', 0],
    ['an identifier that goes beyond the end', '10 0d 0004 4d515454 04 02 003c 0009 63', 0],
    ['something after the end', '10 0e 0004 4d515454 04 02 003c 0001 63 00', 0],
    ['an identifier that is not UTF-8 [MQTT-1.5.4-1]', '10 0d 0004 4d515454 04 02 003c 0001 ff', 0],
    ['an identifier with U+0000 [MQTT-1.5.4-2]', '10 0d 0004 4d515454 04 02 003c 0001 00', 0],
    ['flags in the first byte [MQTT-2.1.3-1]', '11 0d 0004 4d515454 04 02 003c 0001 63', 0],
  ]
  for (const [title, hex] of wrong)
    it(`ends at ${title}`, () => {
      const w = new Wire(4).hex(hex)
      w.silent()
      assert.match(w.log[0] ?? '', /^warn MQTT-MALFORMED/)
    })

  const wrongProperties: [string, string, number][] = [
    ['a property twice', '11 00000001 11 00000001', 0x82],
    ['a property of another packet', '23 0001', 0x82],
    ['a property that nobody knows', '7f 00', 0x81],
    ['Receive Maximum 0', '21 0000', 0x82],
    ['Maximum Packet Size 0', '27 00000000', 0x82],
    ['Request Problem Information 2', '17 02', 0x82],
    ['a property that ends too early', '11 0000', 0x81],
    ['a user property that is not UTF-8', '26 0001 ff 0001 61', 0x81],
  ]
  for (const [title, hex, reason] of wrongProperties)
    it(`refuses ${title}, and says why`, () => {
      const list = Buffer.from(hex.replaceAll(' ', ''), 'hex')
      const body = Buffer.concat([
        Buffer.from('00044d5154540502003c', 'hex'),
        Buffer.from([list.length]),
        list,
        Buffer.from('000163', 'hex'),
      ])
      new Wire(5).bytes(Buffer.concat([Buffer.from([0x10, body.length]), body])).refused(reason)
    })

  it('waits for CONNECT only so long, and takes only so much of it', () => {
    const late = new Wire(5)
    late.hex('10 20 0004')
    late.clock.advance(10_000)
    late.silent()
    const large = new Wire(5, { connectBytes: 64 }).bytes(connect(5, { clientId: 'x'.repeat(60) }))
    large.silent()
  })

  both('judges what comes with CONNECT only after it was let in', version => {
    const w = new Wire(version)
    const { topics } = w
    topics.options.manual = true
    w.bytes(Buffer.concat([connect(version), make(version, 'pingreq')]), make(version, 'pingreq'))
    assert.equal(w.seen().length, 0)
    assert.ok(w.paused, 'the socket is not read meanwhile')
    topics.commit()
    w.clock.settle()
    assert.deepEqual(
      w.seen().map(p => p.cmd),
      ['connack', 'pingresp', 'pingresp'],
    )
    assert.ok(!w.paused)
  })

  both('tells of the limit of connections', version => {
    const topics = new FakeTopics({ connections: 1 })
    new Wire(version, {}, { topics }).connected()
    new Wire(version, {}, { topics }).bytes(connect(version, { clientId: 'd' })).refused(version === 4 ? 3 : 0x97)
  })

  both('gives the place back', version => {
    const topics = new FakeTopics({ connections: 1 })
    const first = new Wire(version, {}, { topics }).connected()
    first.connection.closed()
    const second = new Wire(version, {}, { topics }).connected()
    second.send('disconnect')
    assert.equal(topics.connections, 0)
  })
})

describe('MQTT engine: the end of a connection', () => {
  both('keep alive: silent for one and a half times [MQTT-3.1.2-22]', version => {
    const w = new Wire(version).connected({ keepalive: 10 })
    w.clock.advance(14_000)
    w.send('pingreq')
    w.clock.advance(14_900)
    assert.ok(!w.socket.ended)
    w.clock.advance(200)
    w.ended(0x8d)
  })

  both('another connection of the same client takes over [MQTT-3.1.4-3]', version => {
    const topics = new FakeTopics()
    const one = new Wire(version, {}, { topics }).connected()
    const two = new Wire(version, {}, { topics }).connected()
    one.clock.settle()
    one.ended(0x8e)
    assert.ok(!two.socket.ended)
  })

  it('this server stops serving: DISCONNECT 0x98 with the other server, then the socket', () => {
    const w = new Wire(5).connected()
    w.connection.shutdown('this server stops serving')
    w.ended(0x98)
    assert.equal((w.only('disconnect')['properties'] as Record<string, unknown>)['serverReference'], 'other:1884')
    new Wire(4).connected().connection.shutdown('')
  })

  both('before CONNECT was judged it says nothing at the end', version => {
    const w = new Wire(version)
    w.topics.options.manual = true
    w.bytes(connect(version))
    w.connection.shutdown('this server stops serving')
    w.silent()
  })

  both('a will is published unless the client says goodbye [MQTT-3.1.2-8, 3.14.4-3]', version => {
    const will = { topic: 'gone', payload: Buffer.from('x'), qos: 1, retain: false }
    const lost = new Wire(version).connected({ will })
    lost.connection.closed()
    assert.equal(lost.topics.wills.length, 1)
    assert.equal(lost.topics.wills[0]?.body.toString('hex'), '0004676f6e650078')
    const polite = new Wire(version).connected({ will })
    polite.send('disconnect')
    polite.connection.closed()
    assert.equal(polite.topics.wills.length, 0)
  })

  it('DISCONNECT 0x04 asks for the will', () => {
    const w = new Wire(5).connected({ will: { topic: 'gone', payload: Buffer.from('x'), qos: 0, retain: false } })
    w.send('disconnect', { reasonCode: 4 })
    assert.equal(w.topics.wills.length, 1)
  })

  it('a session that was to end with its connection is not made to last at its end [MQTT-3.1.2-23]', () => {
    new Wire(5)
      .connected()
      .send('disconnect', { properties: { sessionExpiryInterval: 5 } })
      .ended(0x82)
  })

  both('holds everything back while this server cannot prove that it serves, and says nothing more after', version => {
    const w = new Wire(version).connected()
    w.serving = false
    w.send('publish', { topic: 'a', payload: 'x', qos: 1, messageId: 7 })
    assert.equal(w.all('puback').length, 0)
    w.connection.shutdown('this server stops serving')
    assert.equal(w.all('puback').length, 0)
    assert.ok(w.socket.ended)
  })
})
