// What an export of a quarantine says: readable where it can be, and nothing left out where it cannot.

import assert from 'node:assert/strict'
import fc from 'fast-check'
import rhea from 'rhea'
import { encodeGroup } from '../../src/broker/group-records.ts'
import { DEFAULT_ENVELOPE, MQTT_ENVELOPE } from '../../src/broker/envelope.ts'
import { encodeMessageHead } from '../../src/broker/message-record.ts'
import {
  brokerRecords,
  encodeQueue,
  encodeRanges,
  GROUP,
  MESSAGE,
  QUEUE,
  RETAINED,
  RETURNED,
  ROUTED,
  SETTLED,
} from '../../src/broker/records.ts'
import { encodeRetainedHead } from '../../src/broker/retained.ts'
import { encodeAway, encodeId, encodeNumbers, encodeSession } from '../../src/broker/session-records.ts'
import { encodeSetting } from '../../src/broker/settings.ts'
import { encodeBound, encodeDropped, encodeRouted, encodeUnbound } from '../../src/broker/topic-records.ts'
import { mqttFormat } from '../../src/protocols/mqtt/neutral.ts'
import { readableBody } from '../../src/protocols/amqp/readable.ts'
import { QuarantineLines } from '../../src/server/quarantine-lines.ts'

const encode = (body: unknown): Buffer => {
  const { message } = rhea as unknown as { message: { encode(m: object): Buffer; data_section(b: Buffer): unknown } }
  return message.encode({
    durable: true,
    subject: 'of it',
    body: Buffer.isBuffer(body) ? message.data_section(body) : body,
  })
}
const record = (sequence: number, kind: number, body: Uint8Array) => ({ sequence, epoch: 3, kind, body })
const inQueue = (id: number, message: Uint8Array) => Buffer.concat([encodeMessageHead(id), message])

describe('the lines of a quarantine', () => {
  it('give a message with its queue, its body and its text, and what is needed to send it again', () => {
    const lines = new QuarantineLines([[5, 'orders']])
    const message = encode('Grüße')
    assert.deepEqual(lines.line(record(100, MESSAGE, inQueue(5, message))), {
      record: 'message',
      queue: 'orders',
      declaredBy: 5,
      sequence: 100,
      epoch: 3,
      kind: MESSAGE,
      protocol: 'AMQP',
      priority: 4,
      body: Buffer.from('Grüße').toString('base64'),
      text: 'Grüße',
      message: message.toString('base64'),
    })
  })

  it('know a queue that was declared within, and name none that is not known', () => {
    const lines = new QuarantineLines([])
    assert.deepEqual(lines.line(record(7, QUEUE, encodeQueue('made late'))), {
      record: 'queue',
      queue: 'made late',
      sequence: 7,
      epoch: 3,
      kind: QUEUE,
    })
    const { queue } = lines.line(record(8, MESSAGE, inQueue(7, encode('x')))) as { queue: string }
    assert.equal(queue, 'made late')
    const other = lines.line(record(9, MESSAGE, inQueue(6, encode('x')))) as {
      queue: string | null
      declaredBy: number
    }
    assert.deepEqual([other.queue, other.declaredBy], [null, 6])
  })

  it('tell what a transaction did, part by part, each message with its sequence', () => {
    const lines = new QuarantineLines([[5, 'orders']])
    const message = { kind: MESSAGE, head: encodeMessageHead(5).slice(), body: encode('x') }
    const settled = { kind: SETTLED, head: encodeRanges(5, 1, [10, 10]).slice(), body: Buffer.alloc(0) }
    const line = lines.line(record(100, GROUP, encodeGroup([settled, message, message]))) as {
      record: string
      parts: { record: string; sequence: number; queue: string; text?: string }[]
    }
    assert.equal(line.record, 'transaction')
    assert.deepEqual(
      line.parts.map(part => [part.record, part.sequence, part.queue, part.text]),
      [
        ['settled', 100, 'orders', undefined],
        ['message', 99, 'orders', 'x'],
        ['message', 100, 'orders', 'x'],
      ],
    )
  })

  const mqtt = mqttFormat.write(
    {
      topic: 'a/b',
      payload: Buffer.from('Grüße'),
      isText: true,
      contentType: 'text/plain',
      replyTo: 'topic://answers',
      correlation: Buffer.from([1, 2]),
      properties: [['n', 'v']],
    },
    MQTT_ENVELOPE,
  )
  const content = {
    protocol: 'MQTT',
    body: Buffer.from('Grüße').toString('base64'),
    text: 'Grüße',
    qos: 2,
    retain: false,
    contentType: 'text/plain',
    replyTo: 'topic://answers',
    correlation: 'AQI=',
    properties: [['n', 'v']],
    expiresAt: 9000,
    duplicateId: 'x-1',
    message: Buffer.from(mqtt).toString('base64'),
  }
  const envelope = { ...MQTT_ENVELOPE, qos: 2, expiresAt: 9000, duplicateId: 'x-1', cameAt: 5 } as const

  it('give a message that was published to a topic, with whom it was for', () => {
    const lines = new QuarantineLines([[5, 'session:meter'], [6, 'sub:app/all']]) // prettier-ignore
    const head = Uint8Array.from(encodeRouted([5, 6, 7], [2, 2, 2], envelope))
    assert.deepEqual(lines.line(record(100, ROUTED, Buffer.concat([head, mqtt]))), {
      record: 'published',
      topic: 'a/b',
      to: [
        { queue: 'session:meter', declaredBy: 5 },
        { queue: 'sub:app/all', declaredBy: 6 },
        { queue: null, declaredBy: 7 },
      ],
      sequence: 100,
      epoch: 3,
      kind: ROUTED,
      ...content,
    })
  })

  it('give what is retained, and what is no more', () => {
    const lines = new QuarantineLines([])
    const head = Uint8Array.from(encodeRetainedHead('a/b', { ...envelope, duplicateId: '' }))
    const { duplicateId: _, ...kept } = content
    const raw = { topic: 'a/b', sequence: 9, epoch: 3, kind: RETAINED }
    assert.deepEqual(lines.line(record(9, RETAINED, Buffer.concat([head, mqtt]))), {
      record: 'retained',
      ...raw,
      ...kept,
    })
    assert.deepEqual(lines.line(record(9, RETAINED, head)), { record: 'retained-no-more', ...raw })
  })

  const will = { topic: 'a/b', body: mqtt, qos: 1, retain: true, delayMs: 7, expiryMs: 0 } as const
  const meter = { id: 0, queue: 5, keepMs: Infinity, clientId: 'meter', user: 'ann', will: null }
  const bound = { qos: 1, noLocal: false, retainAsPublished: false, id: 0 } as const
  const bytes = (...pieces: Uint8Array[]): Buffer => Buffer.concat(pieces)
  /** A record of each kind, and its word: the compiler wants one of a new kind, too. */
  const examples: Record<keyof typeof brokerRecords, readonly [word: string, body: Uint8Array]> = {
    QUEUE: ['queue', encodeQueue('orders')],
    MESSAGE: ['message', inQueue(5, encode('x'))],
    SETTLED: ['settled', bytes(encodeRanges(5, 1, [10, 10]))],
    RETURNED: ['returned', bytes(encodeRanges(5, 1, [10, 10]))],
    ROUTED: ['published', bytes(encodeRouted([5], [1], envelope), mqtt)],
    DROPPED: ['dropped', bytes(encodeDropped(5))],
    BOUND: ['bound', bytes(encodeBound(5, 'a/#', bound))],
    UNBOUND: ['unbound', bytes(encodeUnbound(5, 'a/#'))],
    RETAINED: ['retained', bytes(encodeRetainedHead('a/b', MQTT_ENVELOPE), mqtt)],
    SESSION: ['session', bytes(...encodeSession(meter))],
    SESSION_AWAY: ['session-away', bytes(encodeAway(20, 9000, Infinity, true))],
    SESSION_ENDED: ['session-ended', bytes(encodeId(20))],
    RELEASED: ['released', bytes(encodeNumbers(20, [1, 2]))],
    RECEIVED: ['received', bytes(encodeNumbers(20, [31, 32]))],
    COMPLETED: ['completed', bytes(encodeNumbers(20, [31]))],
    SETTING: ['setting', encodeSetting({ key: 'account/ann', value: 'scrypt:secret' })],
    PLACE: ['place', Buffer.alloc(0)],
    GROUP: ['transaction', encodeGroup([])],
  }

  it('have a form for every kind of record', () => {
    for (const [name, { kind }] of Object.entries(brokerRecords)) {
      const [word, body] = examples[name as keyof typeof brokerRecords]
      const line = new QuarantineLines([]).line(record(50, kind, body)) as { record: string; bytes?: string }
      assert.deepEqual([line.record, line.bytes], [word, undefined], name)
    }
  })

  const sessions = [[20, { client: 'meter', queue: 5 }]] as const
  const told = (name: keyof typeof brokerRecords, body = examples[name][1]): object => {
    const { sequence, epoch, kind, ...line } = new QuarantineLines([[5, 'session:meter']], sessions).line(
      record(50, brokerRecords[name].kind, body),
    ) as Record<string, unknown>
    assert.deepEqual([sequence, epoch, kind], [50, 3, brokerRecords[name].kind])
    return line
  }

  it('tell of sessions by their clients, and of what those have by its sequences', () => {
    const queue = { queue: 'session:meter', declaredBy: 5 }
    const whose = { client: 'meter', begunBy: 20, ...queue }
    assert.deepEqual(told('SESSION'), { record: 'session', client: 'meter', user: 'ann', keepMs: null, ...queue })
    const away = { record: 'session-away', ...whose, since: 9000, keepMs: null, withWill: true }
    assert.deepEqual(told('SESSION_AWAY'), away)
    assert.deepEqual(told('SESSION_ENDED'), { record: 'session-ended', ...whose })
    assert.deepEqual(told('RELEASED'), { record: 'released', ...whose, packetIds: [1, 2] })
    assert.deepEqual(told('RECEIVED'), { record: 'received', ...whose, sequences: [31, 32] })
    assert.deepEqual(told('COMPLETED'), { record: 'completed', ...whose, sequences: [31] })
    assert.deepEqual(told('SESSION_ENDED', bytes(encodeId(21))), {
      record: 'session-ended',
      client: null,
      begunBy: 21,
    })
  })

  it('know a session that began within, and give its will as a message', () => {
    const lines = new QuarantineLines([])
    const begun = bytes(...encodeSession({ ...meter, queue: 0, will }))
    const { duplicateId: _, expiresAt: __, ...sent } = content
    const line = lines.line(record(30, brokerRecords.SESSION.kind, begun)) as { will: object }
    assert.deepEqual(line.will, { topic: 'a/b', delayMs: 7, expiryMs: 0, ...sent, qos: 1, retain: true })
    const ended = lines.line(record(31, brokerRecords.SESSION_ENDED.kind, bytes(encodeId(30)))) as { client: string }
    assert.equal(ended.client, 'meter')
    const back = bytes(...encodeSession({ ...meter, id: 30, keepMs: 7 }))
    const again = lines.line(record(32, brokerRecords.SESSION.kind, back)) as Record<string, unknown>
    assert.deepEqual([again['record'], again['client'], again['keepMs']], ['session-back', 'meter', 7])
  })

  it('give of a message that waits, or is dead, when and from where, and the topic by which it came', () => {
    const death = { reason: 'expired', address: 'topic://a/b', count: 1, at: 8000 } as const
    const amqp = { ...DEFAULT_ENVELOPE, priority: 7, deliverAt: 9000, group: 'g', topic: 'a/b', death }
    const body = encode('x')
    assert.deepEqual(told('MESSAGE', bytes(encodeMessageHead(5, amqp), body)), {
      record: 'message',
      queue: 'session:meter',
      declaredBy: 5,
      topic: 'a/b',
      protocol: 'AMQP',
      body: Buffer.from('x').toString('base64'),
      text: 'x',
      priority: 7,
      deliverAt: 9000,
      group: 'g',
      death,
      message: body.toString('base64'),
    })
    const ofMqtt = told('MESSAGE', bytes(encodeMessageHead(5, { ...MQTT_ENVELOPE, death }), mqtt))
    const { topic, text } = ofMqtt as { topic: string; text: string }
    assert.deepEqual([topic, text], ['a/b', 'Grüße'])
  })

  it('give the properties of an AMQP message that was published, for whom it was', () => {
    const body = rhea.message.encode({
      reply_to: 'answers',
      correlation_id: 'c-1',
      content_type: 'text/plain',
      application_properties: { n: 'v' },
      body: 'x',
    } as never) as Buffer
    const amqp = { ...DEFAULT_ENVELOPE, topic: 'a/b', expiresAt: 9000 }
    assert.deepEqual(told('ROUTED', bytes(encodeRouted([5], [1], amqp), body)), {
      record: 'published',
      topic: 'a/b',
      to: [{ queue: 'session:meter', declaredBy: 5 }],
      protocol: 'AMQP',
      body: Buffer.from('x').toString('base64'),
      text: 'x',
      priority: 4,
      contentType: 'text/plain',
      replyTo: 'answers',
      correlation: Buffer.from('c-1').toString('base64'),
      properties: [['n', 'v']],
      expiresAt: 9000,
      message: body.toString('base64'),
    })
  })

  it('never say what a setting holds, not of one that cannot be read either', () => {
    const { key, value } = { key: 'account/ann', value: 'scrypt:secret' }
    assert.deepEqual(told('SETTING'), { record: 'setting', key })
    assert.deepEqual(told('SETTING', encodeSetting({ key, value: '' })), { record: 'setting-removed', key })
    const bent = bytes(encodeSetting({ key, value }), Buffer.of(0xff))
    assert.deepEqual(told('SETTING', bent), { record: 'other' })
  })

  it('take any bytes', () => {
    const kinds = fc.constantFrom(...Object.values(brokerRecords).map(({ kind }) => kind))
    const take = (kind: number, body: Uint8Array): void =>
      void JSON.stringify(new QuarantineLines([]).line(record(1000, kind, body)))
    fc.assert(fc.property(kinds, fc.uint8Array({ maxLength: 80 }), take), { seed: 1, numRuns: 3000 })
    const heads = fc.constantFrom(
      ...[DEFAULT_ENVELOPE, MQTT_ENVELOPE].map(each => Uint8Array.from(encodeMessageHead(5, each))),
    )
    const anyBody = fc.property(heads, fc.uint8Array({ maxLength: 80 }), (head, body) =>
      take(MESSAGE, bytes(head, body)),
    )
    fc.assert(anyBody, { seed: 1, numRuns: 3000 })
  })

  it('take a message that is cut short or bent anywhere', () => {
    for (const [whole, each] of [
      [encode('text'), DEFAULT_ENVELOPE],
      [Buffer.from(mqtt), MQTT_ENVELOPE],
    ] as const)
      for (let at = 0; at < whole.length; at++) {
        const bent = Buffer.from(whole)
        bent[at] = (bent[at] ?? 0) ^ 0xff
        for (const body of [whole.subarray(0, at), bent]) {
          const line = told('MESSAGE', bytes(encodeMessageHead(5, each), body)) as { message: string }
          assert.equal(line.message, body.toString('base64'))
        }
      }
  })

  it('tell what consumers settled or gave back by its sequences', () => {
    const lines = new QuarantineLines([[5, 'orders']])
    const ranges = encodeRanges(5, 3, [10, 11, 20, 20])
    for (const [kind, word] of [
      [SETTLED, 'settled'],
      [RETURNED, 'returned'],
    ] as const) {
      const line = lines.line(record(30, kind, Uint8Array.from(ranges))) as Record<string, unknown>
      assert.equal(line['record'], word)
      assert.equal(line['queue'], 'orders')
      assert.deepEqual(line['ranges'], [
        [10, 11],
        [20, 20],
      ])
    }
  })

  it('give what they do not know as it is', () => {
    const lines = new QuarantineLines([])
    const bytes = Buffer.from([1, 2, 3])
    for (const [kind, body] of [
      [63, bytes],
      [1, bytes],
      [SETTLED, bytes],
      [MESSAGE, Buffer.alloc(0)],
    ] as const)
      assert.deepEqual(lines.line(record(1, kind, body)), {
        record: 'other',
        sequence: 1,
        epoch: 3,
        kind,
        bytes: Buffer.from(body).toString('base64'),
      })
  })
})

describe('the body of an encoded message, for people', () => {
  it('is that of data, strings and binaries', () => {
    assert.deepEqual(readableBody(encode(Buffer.from('data'))), { bytes: Buffer.from('data'), text: 'data' })
    assert.deepEqual(readableBody(encode(Buffer.from([0xff, 0]))), { bytes: Buffer.from([0xff, 0]), text: null })
    assert.equal(readableBody(encode('s'.repeat(300)))?.text?.length, 300)
  })

  it('is nothing where it is something else, or no message at all', () => {
    for (const body of [42, { a: 1 }, ['x'], null]) assert.equal(readableBody(encode(body)), null)
    const whole = encode('text')
    for (let cut = 0; cut < whole.length; cut++) assert.equal(readableBody(whole.subarray(0, cut))?.text ?? null, null)
    for (let at = 0; at < whole.length; at++) {
      const bent = Buffer.from(whole)
      bent[at] = (bent[at] ?? 0) ^ 0xff
      readableBody(bent)
    }
  })
})
