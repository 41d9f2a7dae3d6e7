// A whole visit, cut at every byte and mutated: the same result however the bytes arrive, never an exception, and no more
// memory than one packet.

import assert from 'node:assert/strict'
import fc from 'fast-check'
import { connect, make, Wire, type Version } from './wire.ts'

const visit = (version: Version): Buffer =>
  Buffer.concat([
    connect(version, { clientId: 'c', will: { topic: 'w', payload: Buffer.from('x'), qos: 1, retain: false } }),
    make(version, 'subscribe', { messageId: 1, subscriptions: [{ topic: 'a/+', qos: 2 }] }),
    make(version, 'publish', { topic: 'a/b', payload: 'zero', qos: 0 }),
    make(version, 'publish', { topic: 'a/b', payload: 'one', qos: 1, messageId: 1 }),
    make(version, 'publish', {
      topic: 'a/c',
      payload: 'x'.repeat(300),
      qos: 2,
      messageId: 2,
      ...(version === 5 ? { properties: { topicAlias: 1, contentType: 't' } } : {}),
    }),
    make(version, 'pubrel', { messageId: 2 }),
    make(version, 'puback', { messageId: 1 }),
    make(version, 'pubrec', { messageId: 2 }),
    make(version, 'pubcomp', { messageId: 2 }),
    make(version, 'unsubscribe', { messageId: 3, unsubscriptions: ['a/+'] }),
    make(version, 'pingreq'),
    make(version, 'disconnect'),
  ])

describe('MQTT engine: any bytes', () => {
  for (const version of [4, 5] as const) {
    it(`gives the same result wherever the bytes are split, version ${version}`, () => {
      const bytes = visit(version)
      const run = (pieces: Buffer[]): string => {
        const w = new Wire(version)
        for (const piece of pieces) w.bytes(piece)
        assert.ok(w.socket.ended)
        return JSON.stringify([w.seen(), w.topics.published, w.topics.wills.length])
      }
      const whole = run([bytes])
      assert.match(whole, /pingresp/)
      for (let at = 1; at < bytes.length; at += 3) assert.equal(run([bytes.subarray(0, at), bytes.subarray(at)]), whole)
      assert.equal(run([...bytes].map(byte => Buffer.from([byte]))), whole)
    })

    it(`survives changed bytes, version ${version}`, () => {
      const bytes = visit(version)
      const change = fc.tuple(fc.nat(bytes.length - 1), fc.nat(255))
      fc.assert(
        fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), fc.nat(40), (changes, cut) => {
          const changed = Buffer.from(bytes)
          for (const [at, byte] of changes) changed[at] = byte
          const w = new Wire(version)
          w.bytes(changed.subarray(0, cut), changed.subarray(cut))
          assert.ok(!w.log.some(line => line.includes('MQTT-INTERNAL')), w.log.join('\n'))
          w.connection.closed()
          assert.equal(w.topics.connections, 0)
          assert.equal(w.topics.listeners.size, 0)
        }),
        { seed: 7, numRuns: 400 },
      )
    })
  }
})
