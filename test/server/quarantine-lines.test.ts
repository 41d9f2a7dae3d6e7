// What an export of a quarantine says: readable where it can be, and nothing left out where it cannot.

import assert from 'node:assert/strict'
import fc from 'fast-check'
import rhea from 'rhea'
import { encodeGroup } from '../../src/broker/group-records.ts'
import { MQTT_ENVELOPE } from '../../src/broker/envelope.ts'
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
import { encodeSetting } from '../../src/broker/settings.ts'
import { encodeRouted } from '../../src/broker/topic-records.ts'
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

  it('name every kind of record, and never say what a setting holds', () => {
    for (const { kind } of Object.values(brokerRecords)) {
      const line = new QuarantineLines([]).line(record(50, kind, Buffer.from([0]))) as { record: string }
      assert.ok(typeof line.record === 'string' && line.record !== '', String(kind))
    }
    const word = (kind: number): string =>
      (new QuarantineLines([]).line(record(50, kind, Buffer.alloc(0))) as { record: string }).record
    assert.deepEqual([word(brokerRecords.PLACE.kind), word(brokerRecords.SESSION_AWAY.kind)], ['place', 'session-away'])
    const setting = encodeSetting({ key: 'account/ann', value: 'scrypt:secret' })
    const line = new QuarantineLines([]).line(record(50, brokerRecords.SETTING.kind, setting))
    assert.deepEqual(line, {
      record: 'setting',
      key: 'account/ann',
      sequence: 50,
      epoch: 3,
      kind: brokerRecords.SETTING.kind,
    })
  })

  it('take any bytes', () => {
    const kinds = fc.constantFrom(...Object.values(brokerRecords).map(({ kind }) => kind))
    fc.assert(
      fc.property(kinds, fc.uint8Array({ maxLength: 80 }), (kind, bytes) => {
        JSON.stringify(new QuarantineLines([]).line(record(1000, kind, bytes)))
      }),
      { seed: 1, numRuns: 3000 },
    )
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
