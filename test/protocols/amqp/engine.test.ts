// Messages by bytes: what the engine answers to a client that sends, receives, settles, is greedy or is gone.

import assert from 'node:assert/strict'
import { performatives as p } from '../../../src/protocols/amqp/performatives.ts'
import type { Value } from '../../../src/protocols/amqp/types.ts'
import { bool } from '../../../src/protocols/amqp/types.ts'
import { FakeBroker } from '../../support/fake-broker.ts'
import type { Wire } from './wire.ts'
import { AMQP, begun, bulk, client, condition, frame, message, num, ranges, stateOf, truth, wire } from './wire.ts'

describe('AMQP engine: sending', () => {
  it('acknowledges in ranges, once a turn, and only what is committed', () => {
    const w = begun({}, new FakeBroker({ manual: true }))
    w.send(client.attachSender(0, 'q'))
    assert.equal(num(w.seen(p.flow)[0], 6), 1000, 'credit')
    w.send(bulk(0, 0, 300))
    assert.deepEqual(ranges(w), [])
    w.broker.commit()
    w.clock.settle()
    assert.deepEqual(ranges(w), [[0, 299]])
    assert.equal(stateOf(w.seen(p.disposition)[0]), 0x24)
    w.send(bulk(0, 300, 10), bulk(0, 400, 10))
    w.broker.commit()
    w.clock.settle()
    assert.deepEqual(ranges(w).slice(1), [[300, 309], [400, 409]]) // prettier-ignore
  })

  it('renews credit at half, up to the room of the queue and the unanswered messages', () => {
    const w = begun({ credit: 10, unanswered: 15 }, new FakeBroker({ manual: true }))
    w.send(client.attachSender(0, 'q'))
    const credits = () => w.seen(p.flow).map(f => num(f, 6))
    w.send(bulk(0, 0, 4))
    assert.deepEqual(credits(), [10])
    w.send(bulk(0, 4, 1))
    assert.deepEqual(credits(), [10, 10])
    w.send(bulk(0, 5, 9))
    assert.deepEqual(credits(), [10, 10], '14 unanswered: one more at most, which it has')
    w.send(bulk(0, 14, 1))
    w.broker.commit()
    w.clock.settle()
    assert.deepEqual(credits(), [10, 10, 10])
  })

  it('gives no credit for a full queue and goes on when it has room', () => {
    const w = begun({ credit: 10 }, new FakeBroker({ room: 12 }))
    w.send(client.attachSender(0, 'q'), bulk(0, 0, 10))
    assert.deepEqual(
      w.seen(p.flow).map(f => num(f, 6)),
      [10, 2],
    )
    w.send(bulk(0, 10, 2))
    assert.equal(w.seen(p.flow).length, 2)
    w.send(client.attachReceiver(1, 'q'), client.flow({ handle: 1, count: 0, credit: 5 }))
    assert.equal(w.seen(p.transfer).length, 5)
    w.send(client.disposition(0, 4, 0x24))
    assert.deepEqual(
      w
        .seen(p.flow)
        .map(f => num(f, 6))
        .at(-1)! > 0,
      true,
    )
  })

  it('rejects what the broker refuses, with its reason', () => {
    const broker = new FakeBroker({ room: 5 })
    const w = begun({ credit: 10 }, broker)
    w.send(client.attachSender(0, 'q'))
    broker.room = 1
    w.send(bulk(0, 0, 3))
    const last = w.seen(p.disposition).at(-1)!
    assert.equal(stateOf(last), 0x25)
    const state = last.fields[4] as unknown as { value: { value: Value[] } }
    assert.equal(condition(state.value.value[0]), 'amqp:resource-limit-exceeded')
    assert.deepEqual(ranges(w).sort((a, b) => a[0]! - b[0]!), [[0, 0], [1, 1], [2, 2]]) // prettier-ignore
  })

  it('puts large messages together, forgets aborted ones, and bounds both', () => {
    const w = begun({ messageBytes: 1000 })
    const whole = message(900)
    w.send(client.attachSender(0, 'q'), client.attachReceiver(1, 'q'), client.flow({ handle: 1, count: 0, credit: 9 }))
    w.send(client.transfer(0, 0, whole.subarray(0, 300), { more: true }))
    w.send(
      client.transfer(0, null, whole.subarray(300, 899), { more: true }),
      client.transfer(0, 0, whole.subarray(899)),
    )
    assert.deepEqual(w.seen(p.transfer)[0]!.payload, whole)
    w.send(client.transfer(0, 1, whole, { more: true }), client.transfer(0, null, Buffer.alloc(0), { aborted: true }))
    w.send(client.transfer(0, 2, message(5)))
    assert.deepEqual(w.seen(p.transfer)[1]!.payload, message(5))
    assert.equal(w.broker.published, 2)
    w.send(client.transfer(0, 3, whole, { more: true }), client.transfer(0, null, whole, { more: true }))
    const detach = w.seen(p.detach)
    assert.equal(condition(detach[0]!.fields[2]), 'amqp:link:message-size-exceeded')
    w.send(client.transfer(0, null, whole))
    assert.equal(w.broker.published, 2, 'what comes after the detach is ignored')
  })

  it('bounds the half-received messages of all links together', () => {
    const w = begun({ messageBytes: 10_000, assemblyBytes: 30_000 })
    for (let i = 0; i < 5; i++)
      w.send(client.attachSender(i, 'q'), client.transfer(i, i, Buffer.alloc(5000), { more: true }))
    assert.deepEqual(w.seen(p.detach).map(f => condition(f.fields[2])), ['amqp:resource-limit-exceeded', 'amqp:resource-limit-exceeded']) // prettier-ignore
    w.send(client.detach(0), client.attachSender(0, 'q'), client.transfer(0, 9, Buffer.alloc(5000), { more: true }))
    assert.equal(w.seen(p.detach).length, 3, 'a link that is gone gives its part back')
  })

  it('detaches a sender without credit or without delivery-tag', () => {
    const w = begun({ credit: 2, unanswered: 2 }, new FakeBroker({ manual: true }))
    w.send(client.attachSender(0, 'q'), bulk(0, 0, 3))
    assert.equal(condition(w.seen(p.detach)[0]!.fields[2]), 'amqp:link:transfer-limit-exceeded')
    w.broker.commit()
    w.clock.settle()
    assert.deepEqual(ranges(w), [], 'a link that is gone gets no answers')
    w.send(client.attachSender(1, 'q'), client.transfer(1, 3, message(1), { tag: null }))
    assert.equal(condition(w.seen(p.detach)[1]!.fields[2]), 'amqp:invalid-field')
  })

  it('rejects bytes that are no message', () => {
    const w = begun()
    w.send(client.attachSender(0, 'q'))
    const bad = [
      Buffer.from('hello'),
      Buffer.alloc(0),
      message(9).subarray(0, 12),
      Buffer.concat([message(1), Buffer.from([0, 0x53, 0x73, 0x45])]),
    ]
    bad.forEach((b, i) => w.send(client.transfer(0, i, b)))
    assert.deepEqual(w.seen(p.disposition).map(stateOf), [0x25, 0x25, 0x25, 0x25])
    assert.equal(w.broker.published, 0)
  })

  it('publishes settled messages without an answer', () => {
    const w = begun()
    w.send(client.attachSender(0, 'q'), bulk(0, 0, 20, 10, true))
    assert.equal(w.broker.count('q').ready, 20)
    assert.deepEqual(ranges(w), [])
  })

  it('renews the session window, and ends a session that does not keep it', () => {
    const w = begun({ windowFrames: 10, credit: 100 })
    w.send(client.attachSender(0, 'q'), bulk(0, 0, 5))
    const flow = w.seen(p.flow).at(-1)!
    assert.deepEqual([num(flow, 0), num(flow, 1), num(flow, 4)], [5, 10, -1])
    w.send(bulk(0, 5, 11))
    assert.equal(condition(w.seen(p.end)[0]!.fields[0]), 'amqp:session:window-violation')
    w.send(bulk(0, 16, 3), client.end(), client.begin(), client.attachSender(0, 'q'), bulk(0, 0, 1))
    assert.ok(!w.socket.ended)
    assert.equal(w.broker.published, 16)
  })
})

describe('AMQP engine: receiving', () => {
  const filled = (n: number, limits = {}, size = 10): Wire => {
    const w = begun(limits)
    w.send(client.attachSender(0, 'q'))
    w.send(bulk(0, 0, n, size))
    return w
  }

  it('delivers as far as credit goes, by the client’s own count', () => {
    const w = filled(20)
    w.send(client.attachReceiver(1, 'q'), client.flow({ handle: 1, count: 0, credit: 5 }))
    assert.equal(w.seen(p.transfer).length, 5)
    w.send(client.flow({ handle: 1, count: 2, credit: 5 }))
    assert.equal(w.seen(p.transfer).length, 7)
    w.send(client.flow({ handle: 1, count: 7, credit: 0xffffffff }))
    assert.equal(w.seen(p.transfer).length, 20)
    assert.deepEqual(
      w.seen(p.transfer).map(f => num(f, 1)),
      Array.from({ length: 20 }, (_, i) => i),
    )
  })

  it('answers drain and echo', () => {
    const w = filled(3)
    w.send(client.attachReceiver(1, 'q'), client.flow({ handle: 1, count: 0, credit: 10, drain: true }))
    const last = w.seen(p.flow).at(-1)!
    assert.deepEqual([num(last, 4), num(last, 5), num(last, 6), truth(last, 8)], [1, 10, 0, true])
    assert.equal(w.frames().at(-1)!.code, p.flow.code, 'after the messages')
    w.send(client.flow({ handle: 1, count: 10, credit: 0, drain: true }))
    assert.equal(num(w.seen(p.flow).at(-1), 6), 0)
    w.send(client.flow({ handle: 1, count: 10, credit: 4, echo: true }))
    assert.deepEqual([num(w.seen(p.flow).at(-1), 5), num(w.seen(p.flow).at(-1), 6)], [10, 4])
    const n = w.seen(p.flow).length
    w.send(Buffer.concat([client.flow({ echo: true }), client.flow({ echo: true })]))
    assert.equal(w.seen(p.flow).length, n + 1, 'echoes of one turn are one')
  })

  it('brings every outcome to the broker, with delivery-count', () => {
    const w = filled(5)
    w.send(client.attachReceiver(1, 'q', { name: 'a' }), client.flow({ handle: 1, count: 0, credit: 5 }))
    w.send(
      client.disposition(0, 0, 0x24),
      client.disposition(1, 1, 0x25),
      client.disposition(2, 2, 0x26),
      client.disposition(3, 3, 0x27, { fields: [bool(true)] }),
      client.disposition(4, 4, 0x27, { fields: [bool(false)] }),
    )
    assert.deepEqual(w.broker.settlements, ['accepted', 'rejected', 'released', 'modified', 'released'])
    w.send(client.flow({ handle: 1, count: 5, credit: 5 }))
    const again = w.seen(p.transfer).slice(5)
    assert.equal(again.length, 3)
    // header: durable, priority, ttl, first-acquirer false, delivery-count
    assert.equal(again[0]!.payload.subarray(0, 15).toString('hex'), '005370c00a05404040427000000000')
    assert.equal(again[1]!.payload.subarray(0, 15).toString('hex'), '005370c00a05404040427000000001')
    assert.deepEqual(again[1]!.payload.subarray(15), message(10))
  })

  it('replaces a header on redelivery and keeps what the sender said in it', () => {
    const w = begun()
    const header = Buffer.from('005370c00b0541500570000003e84143', 'hex') // durable, priority 5, ttl 1000, true, 0
    const short = Buffer.from('005370c0020141', 'hex') // durable alone
    w.send(client.attachSender(0, 'q'))
    w.send(
      client.transfer(0, 0, Buffer.concat([header, message(4)])),
      client.transfer(0, 1, Buffer.concat([short, message(4)])),
    )
    w.send(client.attachReceiver(1, 'q'), client.flow({ handle: 1, count: 0, credit: 2 }))
    assert.deepEqual(w.seen(p.transfer)[0]!.payload, Buffer.concat([header, message(4)]), 'the first time untouched')
    w.send(client.disposition(0, 1, 0x27, { fields: [bool(true)] }), client.flow({ handle: 1, count: 2, credit: 2 }))
    const [one, two] = w.seen(p.transfer).slice(2)
    assert.equal(one!.payload.subarray(0, 20).toString('hex'), '005370c00f0541500570000003e8427000000001')
    assert.deepEqual(one!.payload.subarray(20), message(4))
    assert.equal(two!.payload.subarray(0, 15).toString('hex'), '005370c00a05414040427000000001')
  })

  it('settles ranges at once and confirms what the client left open', () => {
    const broker = new FakeBroker({ manual: true })
    const w = begun({}, broker)
    w.send(client.attachSender(0, 'q'), bulk(0, 0, 50))
    broker.commit()
    w.send(client.attachReceiver(1, 'q'), client.flow({ handle: 1, count: 0, credit: 50 }))
    const before = w.seen(p.disposition).length
    w.send(client.disposition(0, 39, 0x24, { settled: false }))
    assert.equal(broker.settlements.length, 40)
    assert.equal(w.seen(p.disposition).length, before, 'not before it is safe')
    broker.commit()
    w.clock.settle()
    assert.deepEqual(ranges(w).slice(before), [[0, 39]])
    assert.equal(truth(w.seen(p.disposition).at(-1), 0), false, 'as the sender')
    w.send(client.disposition(0, 0x7fffffff, 0x24), client.disposition(0, 0x7fffffff, 0x24))
    assert.equal(broker.settlements.length, 50, 'each once')
    w.send(client.disposition(5, 4, 0x24))
    assert.equal(condition(w.seen(p.end)[0]!.fields[0]), 'amqp:invalid-field')
  })

  it('stops at the limit of unsettled deliveries', () => {
    const w = filled(30, { unsettled: 8 })
    w.send(client.attachReceiver(1, 'q', { name: 'a' }), client.attachReceiver(2, 'q', { name: 'b' }))
    w.send(client.flow({ handle: 1, count: 0, credit: 20 }), client.flow({ handle: 2, count: 0, credit: 20 }))
    assert.equal(w.seen(p.transfer).length, 8)
    assert.equal(w.broker.count('q').held, 8, 'the broker was not asked for more')
    w.send(client.disposition(2, 4, 0x24))
    assert.equal(w.seen(p.transfer).length, 11)
  })

  it('shares unsettled deliveries, window and socket among links that were all granted credit before', () => {
    const waiting = (limits: object, window: number): Wire => {
      const w = begun(limits)
      w.send(
        client.attachSender(0, 'q'),
        client.attachReceiver(1, 'q', { name: 'a' }),
        client.attachReceiver(2, 'q', { name: 'b' }),
      )
      for (const handle of [1, 2]) w.send(client.flow({ window, handle, count: 0, credit: 300 }))
      return w
    }
    const unsettled = waiting({ unsettled: 8 }, 2048)
    unsettled.send(bulk(0, 0, 30))
    assert.equal(unsettled.seen(p.transfer).length, 8)
    unsettled.send(client.disposition(0, 7, 0x24), client.disposition(8, 15, 0x24))
    assert.equal(unsettled.seen(p.transfer).length, 24)
    const window = waiting({}, 5)
    window.send(bulk(0, 0, 30))
    assert.equal(window.seen(p.transfer).length, 5)
    assert.ok(window.broker.count('q').held <= 7, 'one more waits at each link at most')
    window.send(client.flow({ next: 5, window: 25 }))
    assert.deepEqual(window.seen(p.transfer).map(f => num(f, 1)), Array.from({ length: 30 }, (_, i) => i)) // prettier-ignore
    const socket = waiting({}, 2048)
    socket.socket.takes = false
    socket.send(bulk(0, 0, 500, 3000))
    const first = socket.seen(p.transfer).length
    assert.ok(first < 100, `${first} although the socket is full`)
    assert.ok(socket.broker.count('q').held <= first + 2)
    socket.socket.takes = true
    socket.connection.drained()
    socket.clock.settle()
    assert.equal(socket.seen(p.transfer).length, 500)
  })

  it('settles at once what is delivered settled', () => {
    const w = filled(10)
    w.send(client.attachReceiver(1, 'q', { settled: true }), client.flow({ handle: 1, count: 0, credit: 4 }))
    assert.deepEqual(w.broker.settlements, ['accepted', 'accepted', 'accepted', 'accepted'])
    assert.ok(w.seen(p.transfer).every(f => truth(f, 4)))
  })

  it('splits messages by the client’s frame size and window, and goes on where the window cut', () => {
    const w = wire()
    w.send(AMQP, client.open({ frameBytes: 512 }), client.begin(0, 3), client.attachSender(0, 'q'))
    w.send(client.transfer(0, 0, message(2000)), client.transfer(0, 1, message(100)))
    w.send(client.attachReceiver(1, 'q'), client.flow({ window: 3, handle: 1, count: 0, credit: 10 }))
    assert.equal(w.seen(p.transfer).length, 3)
    w.send(client.flow({ next: 3, window: 100 }))
    const seen = w.seen(p.transfer)
    assert.deepEqual(seen.map(f => [num(f, 1), truth(f, 5)]), [[0, true], [-1, true], [-1, true], [-1, true], [-1, false], [1, false]]) // prettier-ignore
    assert.deepEqual(Buffer.concat(seen.slice(0, 5).map(f => f.payload)), message(2000))
    assert.ok(w.socket.chunks.every(c => c.length > 0))
  })

  it('detaches a receiver for which the next message is too large', () => {
    const w = filled(2)
    w.send(client.attachReceiver(1, 'q', { maxBytes: 5 }), client.flow({ handle: 1, count: 0, credit: 5 }))
    assert.equal(condition(w.seen(p.detach)[0]!.fields[2]), 'amqp:link:message-size-exceeded')
    assert.deepEqual(w.broker.count('q'), { ready: 2, held: 0 })
    assert.equal(w.seen(p.transfer).length, 0)
  })

  it('stops when the socket is full and goes on when it drains; cuts off a client that never reads', () => {
    const w = filled(900, { outputBytes: 20_000, messageBytes: 5000 }, 1000)
    w.send(client.attachReceiver(1, 'q'))
    w.socket.takes = false
    w.send(client.flow({ handle: 1, count: 0, credit: 900 }))
    const first = w.seen(p.transfer).length
    assert.ok(first > 0 && first < 300, `${first} before it stops`)
    w.send(frame(0, Buffer.alloc(0)))
    assert.equal(w.seen(p.transfer).length, first)
    assert.equal(w.broker.count('q').held, first)
    w.send(client.flow({ handle: 1, count: 0, credit: 800 }))
    assert.equal(w.broker.count('q').held, first, 'new credit waits for the socket too')
    w.send(client.flow({ handle: 1, count: 0, credit: 900 }))
    w.socket.takes = true
    w.connection.drained()
    w.clock.settle()
    assert.equal(w.seen(p.transfer).length, 900)
    w.socket.takes = false
    for (let i = 0; i < 3000 && !w.socket.destroyed; i++) w.send(client.flow({ echo: true }))
    assert.ok(w.socket.destroyed)
    assert.ok(w.log.some(l => l.includes('AMQP-OUTPUT')))
  })

  it('does not cut off a slow client for one large message', () => {
    const w = wire({ outputBytes: 20_000, frameBytes: 1024 * 1024 })
    w.send(AMQP, client.open({ frameBytes: 10_000 }), client.begin(), client.attachSender(0, 'q'))
    w.send(...[0, 1].map(id => client.transfer(0, id, message(900_000))))
    w.send(client.attachReceiver(1, 'q'))
    w.socket.takes = false
    w.send(client.flow({ handle: 1, count: 0, credit: 5 }))
    assert.ok(!w.socket.destroyed)
    const whole = (): number => w.seen(p.transfer).filter(f => !truth(f, 5)).length
    assert.equal(whole(), 0, 'what the socket does not take stays where it is')
    for (let rounds = 0; rounds < 100 && whole() < 2; rounds++) {
      w.connection.drained()
      w.clock.settle()
    }
    assert.equal(whole(), 2)
    assert.ok(!w.socket.destroyed)
  })

  it('gives everything back when link, session or connection vanish', () => {
    for (const vanish of [
      (w: Wire) => w.send(client.detach(1)),
      (w: Wire) => w.send(client.end()),
      (w: Wire) => w.send(client.close()),
      (w: Wire) => w.connection.closed(),
      (w: Wire) => w.connection.shutdown('amqp:connection:forced', 'bye'),
      (w: Wire) => w.send(Buffer.from('ffffffffffffffffffff', 'hex')),
    ]) {
      const w = filled(10)
      w.send(client.attachReceiver(1, 'q'), client.flow({ handle: 1, count: 0, credit: 6 }))
      assert.deepEqual(w.broker.count('q'), { ready: 4, held: 6 })
      vanish(w)
      assert.deepEqual(w.broker.count('q'), { ready: 10, held: 0 })
      assert.equal(w.broker.queue('q').subs.length, 0)
      w.connection.closed()
      w.clock.settle()
      assert.equal(w.clock.timers, 0)
    }
  })
})
