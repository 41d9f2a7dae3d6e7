// Valid sessions, cut at every byte and mutated: the same result however the bytes arrive, never an exception, never
// more memory, and the broker's messages where they belong afterwards.

import assert from 'node:assert/strict'
import fc from 'fast-check'
import { bool } from '../../../src/protocols/amqp/types.ts'
import { FakeBroker } from '../../support/fake-broker.ts'
import { FrameReader } from '../../../src/protocols/amqp/framing.ts'
import { checkSections, redeliveryHeader } from '../../../src/protocols/amqp/message.ts'
import { AMQP, SASL, client, message, wire } from './wire.ts'
import type { Wire } from './wire.ts'

/** A whole visit: SASL, two sessions, sending (also in pieces), receiving, all outcomes, drain, and a clean end. */
const visit: Buffer[] = [
  SASL,
  client.init('PLAIN', '\0ann\0secret'),
  AMQP,
  client.open({ frameBytes: 512, idle: 60_000 }),
  client.begin(0),
  client.begin(1),
  client.attachSender(0, 'q'),
  client.transfer(0, 0, message(30)),
  client.transfer(0, 1, message(700)),
  client.transfer(0, 2, message(90).subarray(0, 50), { more: true }),
  client.transfer(0, null, message(90).subarray(50)),
  client.transfer(0, 3, message(3), { settled: true }),
  client.transfer(0, 4, message(3), { more: true }),
  client.transfer(0, null, Buffer.alloc(0), { aborted: true }),
  client.attachReceiver(3, 'q', { channel: 1 }),
  client.flow({ channel: 1, handle: 3, count: 0, credit: 3 }),
  client.disposition(0, 0, 0x24, { channel: 1 }),
  client.disposition(1, 1, 0x27, { channel: 1, fields: [bool(true)] }),
  client.disposition(2, 2, 0x26, { channel: 1, settled: false }),
  client.flow({ channel: 1, handle: 3, count: 3, credit: 2, drain: true }),
  client.attachReceiver(1, 'q', { settled: true }),
  client.flow({ handle: 1, count: 0, credit: 1, echo: true }),
  client.detach(1),
  client.end(1),
  client.close(),
]

const state = (w: Wire) => ({
  frames: w.frames(),
  ready: w.broker.count('q'),
  settlements: w.broker.settlements,
  published: w.broker.published,
  ended: w.socket.ended,
})

describe('AMQP engine: any bytes', () => {
  it('gives the same result wherever the bytes are split', () => {
    const run = (cut: (part: Buffer) => Buffer[]): Wire => {
      const w = wire()
      for (const part of visit) {
        for (const piece of cut(part)) w.connection.receive(piece)
        w.clock.settle()
      }
      return w
    }
    const whole = state(run(part => [part]))
    assert.ok(whole.ended && whole.published === 4 && whole.settlements.length >= 4, 'the visit is a real one')
    assert.deepEqual(state(run(part => [...part].map(b => Buffer.of(b)))), whole, 'byte by byte')
    const longest = Math.max(...visit.map(part => part.length))
    for (let at = 1; at < longest; at++) {
      const split = state(run(part => [part.subarray(0, at), part.subarray(at)]))
      assert.deepEqual(split, whole, `cut at ${at}`)
    }
  })

  it('does not hold on to the receive buffer', () => {
    const w = wire()
    for (const part of visit) {
      const lent = Buffer.from(part)
      w.connection.receive(lent)
      lent.fill(0xee)
      w.clock.settle()
    }
    const kept = wire()
    kept.send(...visit)
    assert.deepEqual(state(w), state(kept))
  })

  it('never throws and never grows, whatever is changed in a valid visit', () => {
    const change = fc.record({
      part: fc.nat(visit.length - 1),
      at: fc.nat(800),
      kind: fc.constantFrom('set', 'drop', 'insert', 'repeat', 'swap'),
      byte: fc.constantFrom(0, 1, 0x40, 0x41, 0x43, 0x45, 0x53, 0x70, 0x80, 0xa0, 0xb0, 0xc0, 0xd0, 0xf0, 0xff, 0x7f),
    })
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 6 }), fc.nat(3), (changes, chunking) => {
        const parts = visit.slice()
        for (const c of changes) {
          const part = Buffer.from(parts[c.part]!)
          const at = part.length === 0 ? 0 : c.at % part.length
          if (c.kind === 'set') part[at] = c.byte
          if (c.kind === 'repeat') parts.splice(c.part, 0, part)
          else if (c.kind === 'swap') parts[c.part] = parts[at % parts.length]!
          else if (c.kind === 'drop') parts[c.part] = Buffer.concat([part.subarray(0, at), part.subarray(at + 1)])
          else if (c.kind === 'insert')
            parts[c.part] = Buffer.concat([part.subarray(0, at), Buffer.of(c.byte), part.subarray(at)])
          else parts[c.part] = part
        }
        const w = wire({ assemblyBytes: 100_000 }, new FakeBroker({ room: 50 }))
        if (chunking === 0) w.connection.receive(Buffer.concat(parts))
        else for (const part of parts) w.send(part)
        w.clock.settle()
        w.frames()
        assert.ok(!w.log.some(l => l.includes('AMQP-INTERNAL')), w.log.join('\n'))
        assert.ok(w.socket.bytes.length < 50_000)
        w.connection.closed()
        w.clock.settle()
        assert.equal(w.broker.count('q').held, 0, 'nothing stays with a client that is gone')
        assert.equal(w.broker.connections, 0)
        assert.equal(w.clock.timers, 0)
      }),
      { seed: 3, numRuns: 3000 },
    )
  })

  it('never throws on garbage behind a valid beginning', () => {
    fc.assert(
      fc.property(fc.nat(visit.length), fc.uint8Array({ maxLength: 600 }), (n, garbage) => {
        const w = wire()
        w.send(...visit.slice(0, n), garbage)
        w.clock.advance(200_000)
        assert.ok(w.socket.ended, 'it ends by itself')
        assert.ok(!w.log.some(l => l.includes('AMQP-INTERNAL')), w.log.join('\n'))
      }),
      { seed: 4, numRuns: 400 },
    )
  })

  it('makes a redelivery header of any bytes', () => {
    const beginnings = [
      '',
      '005370',
      '005370c0',
      '005370c00a0541500570',
      '005370d000000008000000024141',
      '005370404040',
    ]
    fc.assert(
      fc.property(fc.constantFrom(...beginnings), fc.uint8Array({ maxLength: 40 }), fc.nat(), (start, rest, count) => {
        const bytes = Buffer.concat([Buffer.from(start, 'hex'), rest])
        const { header, from } = redeliveryHeader(bytes, count)
        checkSections(header, 0, header.length)
        assert.ok(from >= 0 && from <= bytes.length)
        assert.equal(header.readUInt32BE(header.length - 4), count)
      }),
      { seed: 6, numRuns: 2000 },
    )
  })

  it('holds at most one frame, and none that is too large', () => {
    let frames = 0
    const sink = {
      expectsHeader: false,
      frameBytes: 1000,
      deaf: false,
      busy: false,
      header() {},
      frame: () => void frames++,
    }
    const reader = new FrameReader(sink)
    const head = (size: number) => Buffer.from([size >>> 24, size >>> 16, size >>> 8, size, 2, 0, 0, 0])
    reader.receive(head(1000).subarray(0, 5))
    assert.equal(reader.held, 5)
    reader.receive(head(1000).subarray(5))
    for (let i = 0; i < 991; i++) {
      reader.receive(Buffer.alloc(1))
      assert.equal(reader.held, 1000)
    }
    reader.receive(Buffer.alloc(1))
    assert.equal(reader.held, 0)
    assert.equal(frames, 1)
    for (const size of [1001, 0xffffffff, 7, 0]) assert.throws(() => reader.receive(head(size)), /frame/)
  })
})
