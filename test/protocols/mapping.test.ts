// What becomes of a message between AMQP and MQTT, both ways (docs/mapping.md).

import assert from 'node:assert/strict'
import rhea from 'rhea'
import { AMQP_FORMAT, DEFAULT_ENVELOPE, type Envelope, MQTT_FORMAT } from '../../src/broker/envelope.ts'
import { converterTo } from '../../src/broker/neutral.ts'
import { defaultAmqpLimits } from '../../src/protocols/amqp/front-end.ts'
import { amqpFormat } from '../../src/protocols/amqp/neutral.ts'
import { mqttFormat } from '../../src/protocols/mqtt/neutral.ts'

const formats = { [AMQP_FORMAT]: amqpFormat(defaultAmqpLimits), [MQTT_FORMAT]: mqttFormat }
const ofAmqp = (topic: string): Envelope => ({ ...DEFAULT_ENVELOPE, topic })
const ofMqtt: Envelope = { ...DEFAULT_ENVELOPE, format: MQTT_FORMAT }

/** The parts of a stored MQTT message: topic, properties, payload. */
const mqtt = (topic: string, list: Buffer, payload: string): Buffer => {
  const name = Buffer.from(topic)
  return Buffer.concat([Buffer.of(0, name.length), name, Buffer.of(list.length), list, Buffer.from(payload)])
}
const pair = (id: number, ...texts: string[]): Buffer =>
  Buffer.concat([Buffer.of(id), ...texts.flatMap(text => [Buffer.of(0, Buffer.byteLength(text)), Buffer.from(text)])])
const encode = (message: object): Buffer => rhea.message.encode(message as never) as Buffer
const decode = (bytes: Uint8Array) =>
  rhea.message.decode(Buffer.from(bytes) as never) as unknown as Record<string, unknown> & { body: unknown }

describe('the mapping between AMQP and MQTT', () => {
  const toAmqp = converterTo(AMQP_FORMAT, formats)
  const toMqtt = converterTo(MQTT_FORMAT, formats)

  it('leaves what fits already as it is', () => {
    const body = Buffer.from('anything')
    assert.equal(toAmqp(body, DEFAULT_ENVELOPE), body)
    assert.equal(toMqtt(body, ofMqtt), body)
  })

  it('MQTT to AMQP: topic, payload, content type, response topic, correlation, user properties', () => {
    const list = Buffer.concat([
      pair(0x03, 'text/csv'),
      pair(0x08, 'answers/1'),
      pair(0x09, 'c-1'),
      pair(0x26, 'color', 'red'),
      pair(0x26, 'color', 'green'),
      pair(0x26, 'size', '4'),
    ])
    const message = decode(
      toAmqp(mqtt('a/b', list, 'one;two'), { ...ofMqtt, expiresAt: 1_700_000_000_000, priority: 4 }),
    )
    assert.equal(message['to'], 'topic://a/b')
    assert.equal(message['reply_to'], 'topic://answers/1')
    assert.equal(message['content_type'], 'text/csv')
    assert.equal(String(message['correlation_id'] as Buffer), 'c-1')
    assert.deepEqual(message['application_properties'], { color: 'green', size: '4' })
    assert.equal(Number(message['absolute_expiry_time']), 1_700_000_000_000)
    assert.equal(message['durable'], true)
    const { content } = message.body as { content: Buffer }
    assert.equal(String(content), 'one;two')
  })

  it('MQTT to AMQP: a payload that is said to be text becomes text, QoS 0 is not durable', () => {
    const message = decode(toAmqp(mqtt('t', Buffer.of(0x01, 1), 'grün'), { ...ofMqtt, qos: 0 }))
    assert.equal(message.body, 'grün')
    assert.ok(!message['durable'])
  })

  it('AMQP to MQTT: the topic it was published to, and the same properties', () => {
    const body = encode({
      body: rhea.message.data_section(Buffer.from('payload')),
      content_type: 'text/plain',
      reply_to: 'topic://answers/2',
      correlation_id: 'c-2',
      application_properties: { color: 'blue', count: 3, flag: true },
      message_annotations: { 'x-opt-any': 1 },
    })
    const found = mqttFormat.read(toMqtt(body, ofAmqp('x/y')), ofMqtt)
    assert.equal(found.topic, 'x/y')
    assert.equal(String(Buffer.from(found.payload)), 'payload')
    assert.deepEqual(
      [found.contentType, found.replyTo, found.isText, String(Buffer.from(found.correlation as Uint8Array))],
      ['text/plain', 'topic://answers/2', false, 'c-2'],
    )
    assert.deepEqual(found.properties, [
      ['color', 'blue'],
      ['count', '3'],
      ['flag', 'true'],
    ])
  })

  it('AMQP to MQTT: text stays text, other values become JSON, and an answer that must go to a queue is left out', () => {
    const read = (message: object) => mqttFormat.read(toMqtt(encode(message), ofAmqp('t')), ofMqtt)
    const text = read({ body: 'grün', reply_to: 'a-queue' })
    assert.deepEqual([String(Buffer.from(text.payload)), text.isText, text.replyTo], ['grün', true, null])
    const map = read({ body: { a: 1, b: [true, null, 'x'] } })
    assert.deepEqual(JSON.parse(String(Buffer.from(map.payload))), { a: 1, b: [true, null, 'x'] })
    assert.equal(map.contentType, 'application/json')
    assert.equal(String(Buffer.from(read({ body: Buffer.from('bytes') }).payload)), 'bytes')
  })

  it('there and back again nothing of both is lost', () => {
    const list = Buffer.concat([pair(0x03, 'a/b'), pair(0x08, 'r'), pair(0x09, 'c'), pair(0x26, 'k', 'v')])
    const stored = mqtt('a/b', list, 'payload')
    const back = converterTo(MQTT_FORMAT, formats)(toAmqp(stored, ofMqtt), ofAmqp('a/b'))
    assert.deepEqual(mqttFormat.read(back, ofMqtt), mqttFormat.read(stored, ofMqtt))
  })
})
