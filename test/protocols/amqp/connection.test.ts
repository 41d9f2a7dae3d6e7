// Connections, sessions and links by bytes: how they come and go, what is refused, and who is cut off.

import assert from 'node:assert/strict'
import { performatives as p } from '../../../src/protocols/amqp/performatives.ts'
import { NULL, described, list, str, sym, uint } from '../../../src/protocols/amqp/types.ts'
import { FakeBroker } from '../../support/fake-broker.ts'
import { plainDoor } from '../../support/sign-in.ts'
import type { Wire } from './wire.ts'
import { AMQP, SASL, begun, bulk, client, closedWith, condition, frame, num, ranges, truth, wire } from './wire.ts'

describe('AMQP engine: handshake', () => {
  it('takes SASL PLAIN and tells who it is', () => {
    const w = wire()
    w.send(SASL, client.init('PLAIN', '\0ann\0secret'), AMQP, client.open())
    const [mechanisms, outcome, open] = w.frames()
    assert.equal(mechanisms!.code, 0x40)
    assert.deepEqual(outcome!.fields, [{ type: 'ubyte', value: 0 }])
    const properties = open!.fields[9]
    assert.ok(properties?.type === 'map')
    assert.deepEqual(properties.value.map(v => (v.type === 'symbol' ? v.value : null)).filter(Boolean), [
      'product', 'version', 'lockstep:server', 'lockstep:epoch', 'failover-server-list', 'sole-connection-detection-policy',
    ]) // prettier-ignore
    assert.equal(w.broker.connections, 1)
    w.connection.closed()
    assert.equal(w.broker.connections, 0)
    assert.equal(w.clock.timers, 0, 'no timer is left')
  })

  it('refuses wrong credentials, and acting for others', () => {
    for (const response of ['\0ann\0wrong', 'bob\0ann\0secret', 'ann', '\0ann\0secret\0', '\0\0', '']) {
      const w = wire()
      w.send(SASL, client.init('PLAIN', response), AMQP, client.open())
      assert.deepEqual(w.frames().at(-1)!.fields, [{ type: 'ubyte', value: 1 }], JSON.stringify(response))
      assert.ok(w.socket.ended)
      assert.equal(w.broker.connections, 0)
      w.clock.advance(10_000)
      assert.ok(w.socket.destroyed)
    }
  })

  it('answers a header it does not speak with one it does', () => {
    for (const header of ['AMQP\x02\x01\0\0', 'AMQP\0\0\x09\x01', 'GET / HT']) {
      const w = wire()
      w.send(Buffer.from(header, 'latin1'))
      assert.deepEqual(w.socket.bytes, AMQP)
      assert.ok(w.socket.ended)
    }
    const strict = wire({}, undefined, { signIn: plainDoor(new FakeBroker(), {}, ['PLAIN']) })
    strict.send(AMQP)
    assert.deepEqual(strict.socket.bytes, SASL, 'without SASL nobody comes in')
    assert.ok(strict.socket.ended)
  })

  it('waits for open only so long, and takes only small frames before it', () => {
    const slow = wire({ handshakeMs: 1000 })
    slow.send(AMQP)
    slow.clock.advance(1001)
    assert.ok(slow.socket.ended)
    const large = wire()
    large.send(AMQP, frame(0, Buffer.alloc(600)))
    closedWith(large, 'amqp:connection:framing-error')
    const wrong = wire()
    wrong.send(AMQP, client.begin())
    closedWith(wrong, 'amqp:not-allowed')
    const full = wire({}, new FakeBroker({ connections: 0 }))
    full.send(AMQP, client.open())
    closedWith(full, 'amqp:resource-limit-exceeded')
    full.connection.closed()
    assert.equal(full.broker.connections, 0)
  })

  it('keeps both sides’ idle times', () => {
    const w = wire({ idleMs: 10_000 })
    w.send(AMQP, client.open({ idle: 1000 }))
    const before = w.frames().length
    w.clock.advance(5000)
    assert.equal(w.frames().length - before, 10, 'an empty frame every half of 1000 ms')
    assert.equal(w.frames().at(-1)!.code, -1)
    w.send(frame(0, Buffer.alloc(0)))
    w.clock.advance(9999)
    assert.ok(!w.socket.ended)
    w.clock.advance(1)
    closedWith(w, 'amqp:resource-limit-exceeded')
    // A process that slept hears what the client said meanwhile before it judges.
    const slept = wire({ idleMs: 10_000 })
    slept.send(AMQP, client.open())
    const soon = slept.clock.soon.bind(slept.clock)
    slept.clock.soon = fn => {
      slept.connection.receive(frame(0, Buffer.alloc(0)))
      soon(fn)
    }
    slept.clock.advance(15_000)
    assert.ok(!slept.socket.ended)
    const hasty = wire()
    hasty.send(AMQP, client.open({ idle: 1 }))
    closedWith(hasty, 'amqp:not-allowed')
  })
})

describe('AMQP engine: links', () => {
  const refusal = (w: Wire, role: 'source' | 'target'): string | null => {
    const attach = w.seen(p.attach).at(-1)!
    assert.equal(attach.fields[role === 'source' ? 5 : 6]?.type, 'null', 'the answer names no node')
    const detach = w.seen(p.detach).at(-1)!
    assert.ok(truth(detach, 1))
    return condition(detach.fields[2])
  }

  it('refuses as the specification says: attach without a node, then detach', () => {
    const reasons = { a: 'not-found', b: 'not-allowed', c: 'limit' } as const
    const broker = new FakeBroker({
      refuse: name => (name in reasons ? { refused: reasons[name as keyof typeof reasons], text: 'no' } : null),
    })
    const w = begun({}, broker)
    const conditions = ['a', 'b', 'c'].map((name, i) => {
      w.send(client.attachSender(2 * i, name))
      const sender = refusal(w, 'target')
      w.send(client.attachReceiver(2 * i + 1, name))
      assert.equal(refusal(w, 'source'), sender)
      return sender
    })
    assert.deepEqual(conditions, ['amqp:not-found', 'amqp:not-allowed', 'amqp:resource-limit-exceeded'])
    w.send(client.detach(0), client.attachSender(0, 'good'))
    assert.equal(w.seen(p.flow).length, 1, 'the handle can be used again')
  })

  it('refuses what it does not offer rather than ignore it', () => {
    const w = begun()
    const nameless = described(0x28, list([]))
    const filter = described(
      0x28,
      list([str('q'), NULL, NULL, NULL, NULL, NULL, NULL, { type: 'map', value: [sym('x'), uint(1)] }]),
    )
    for (const [i, source] of [nameless, filter].entries()) {
      w.send(client.attachReceiver(i, source))
      assert.equal(refusal(w, 'source'), 'amqp:not-implemented')
    }
    w.send(client.attachSender(10, NULL))
    assert.equal(refusal(w, 'target'), 'amqp:not-implemented')
    assert.equal(w.broker.queues.size, 0)
  })

  it('keeps handles, names, channels and their limits', () => {
    const handles = begun()
    handles.send(client.attachSender(0, 'q'), client.attachSender(0, 'q', 0, 'other'))
    assert.equal(condition(handles.seen(p.end)[0]!.fields[0]), 'amqp:session:handle-in-use')
    const stolen = begun()
    stolen.send(client.attachSender(0, 'q', 0, 'same'), client.attachReceiver(1, 'q', { name: 'same' }))
    assert.equal(stolen.seen(p.detach).length, 0, 'the other direction is another link')
    stolen.send(client.attachSender(2, 'q', 0, 'same'))
    assert.deepEqual(
      stolen.seen(p.detach).map(f => [num(f, 0), condition(f.fields[2])]),
      [[0, 'amqp:link:stolen']],
    )
    const links = begun({ links: 2 })
    links.send(client.attachSender(2, 'q'))
    closedWith(links, 'amqp:connection:framing-error')
    const channels = begun({ sessions: 2 })
    channels.send(client.begin(2))
    closedWith(channels, 'amqp:connection:framing-error')
    const twice = begun()
    twice.send(client.begin(0))
    closedWith(twice, 'amqp:not-allowed')
    const unmapped = begun()
    unmapped.send(client.attachSender(0, 'q', 5))
    closedWith(unmapped, 'amqp:not-allowed')
    const unattached = begun()
    unattached.send(bulk(3, 0, 1))
    assert.equal(condition(unattached.seen(p.end)[0]!.fields[0]), 'amqp:session:unattached-handle')
    const errant = begun()
    errant.send(client.attachReceiver(0, 'q'), bulk(0, 0, 1))
    assert.equal(condition(errant.seen(p.end)[0]!.fields[0]), 'amqp:session:errant-link')
  })
})

describe('AMQP engine: serving', () => {
  it('holds back everything while this server cannot prove that it serves, and nothing leaves after it lost that', () => {
    let serves = true
    const w = begun({}, undefined, { mayServe: () => serves })
    w.send(client.attachSender(0, 'q'))
    const before = w.socket.bytes.length
    serves = false
    w.send(bulk(0, 0, 5))
    w.clock.advance(100)
    assert.equal(w.socket.bytes.length, before)
    serves = true
    w.clock.advance(100)
    assert.deepEqual(ranges(w), [[0, 4]])
    serves = false
    w.send(client.attachReceiver(1, 'q'), client.flow({ handle: 1, count: 0, credit: 3 }))
    w.clock.advance(50)
    assert.equal(w.seen(p.transfer).length, 0)
    serves = true
    w.clock.advance(50)
    assert.equal(w.seen(p.transfer).length, 3, 'deliveries go on')
    serves = false
    w.send(bulk(0, 5, 5))
    w.connection.shutdown('amqp:connection:forced', 'the peer serves now')
    assert.deepEqual(ranges(w), [[0, 4]], 'no acknowledgement')
    closedWith(w, 'amqp:connection:forced')
    w.connection.closed()
    assert.equal(w.clock.timers, 0)
  })
})
