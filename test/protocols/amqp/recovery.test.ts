// Links that come back (section 2.6.13): what a receiver says of deliveries that it had before counts, by their tags; a sender
// that means to come back is told which of its deliveries were accepted; a resumed one is not taken again.

import assert from 'node:assert/strict'
import { encodePerformative, performatives as p } from '../../../src/protocols/amqp/performatives.ts'
import type { Value } from '../../../src/protocols/amqp/types.ts'
import { binary, bool, described, list, map, NULL, str, sym, ubyte, uint } from '../../../src/protocols/amqp/types.ts'
import { Recovery } from '../../../src/protocols/amqp/front-end.ts'
import type { SignIn } from '../../../src/broker/access.ts'
import { FakeBroker } from '../../support/fake-broker.ts'
import { plainDoor } from '../../support/sign-in.ts'
import { begun, client, frame, message, stateOf, truth } from './wire.ts'

const ACCEPTED = described(0x24, list([]))

const tagOf = (sequence: number): Value => {
  const tag = Buffer.alloc(8)
  tag.writeBigUInt64BE(BigInt(sequence))
  return binary(tag)
}

const attach = (handle: number, unsettled: readonly Value[]): Buffer =>
  frame(
    0,
    encodePerformative(p.attach, [
      str('back'),
      uint(handle),
      bool(true),
      ubyte(0),
      ubyte(0),
      described(0x28, list([str('q')])),
      described(0x29, list([])),
      map(unsettled),
    ]),
  )

describe('AMQP engine: links that come back', () => {
  it('gives deliveries tags that mean the same on every link and server', () => {
    const broker = new FakeBroker()
    const w = begun({}, broker)
    const target = broker.target('q')
    assert.ok(!('refused' in target))
    broker.sequence = 2 ** 33 + 4
    target.publish(message(10), null, 0)
    target.publish(message(200_000), null, 0)
    w.send(client.attachReceiver(0, 'q'), client.flow({ handle: 0, count: 0, credit: 5 }))
    const tags = w.seen(p.transfer).map(one => one.fields[2])
    assert.deepEqual(tags.slice(0, 2), [tagOf(2 ** 33 + 5), tagOf(2 ** 33 + 6)])
    assert.ok(
      tags.slice(2).every(tag => tag?.type === 'null'),
      'only the first frame of a delivery has one',
    )
  })

  it('hears what the client had accepted or rejected, and nothing else', () => {
    const w = begun()
    w.send(
      attach(0, [
        tagOf(7),
        ACCEPTED,
        tagOf(2 ** 33 + 5),
        described(0x25, list([])),
        tagOf(8),
        described(0x26, list([])),
        tagOf(9),
        described(0x23, list([uint(0), { type: 'ulong', value: 0n }])),
        tagOf(10),
        NULL,
        binary(Buffer.of(1)),
        ACCEPTED,
      ]),
    )
    assert.deepEqual(w.broker.recovered, [
      [7, 'accepted'],
      [2 ** 33 + 5, 'rejected'],
    ])
    const answer = w.seen(p.attach)[0]
    assert.equal(answer?.fields[7]?.type, 'null', 'nothing is unsettled here: the client may forget them')
    assert.equal(truth(answer, 8), false, 'and that is all of it')
  })

  it('does not take a delivery that is resumed, whole or in pieces, and tells its sender', () => {
    const w = begun()
    w.send(client.attachSender(0, 'q'))
    const resumed = (id: number | null, more: boolean): Buffer => {
      const fields = [uint(0), id === null ? NULL : uint(id), id === null ? NULL : binary(Buffer.of(id)), uint(0)]
      const flags = [bool(false), bool(more), NULL, ACCEPTED, bool(id !== null)]
      return frame(0, Buffer.concat([encodePerformative(p.transfer, [...fields, ...flags]), message(10)]))
    }
    w.send(resumed(0, false), resumed(1, true), resumed(null, false), client.transfer(0, 2, message(10)))
    assert.equal(w.broker.published, 1, 'only what is new')
    assert.deepEqual(w.seen(p.disposition).map(stateOf), [0x26, 0x26, 0x24])
  })

  // A target that is there for good: its client means to come back.
  const lasting = described(0x29, list([str('q'), uint(2), sym('never')]))
  const sender = (unsettled: readonly Value[] | null): Buffer =>
    frame(
      0,
      encodePerformative(p.attach, [
        str('out'),
        uint(0),
        bool(false),
        ubyte(0),
        ubyte(0),
        described(0x28, list([])),
        lasting,
        unsettled === null ? NULL : map(unsettled),
        NULL,
        uint(0),
      ]),
    )
  const [a, b, c] = [1, 2, 3].map(n => binary(Buffer.of(n))) as [Value, Value, Value]

  it('tells a sender that comes back which of its deliveries were accepted, when all of that is known', () => {
    const broker = new FakeBroker({ manual: true })
    const recovery = new Recovery()
    const first = begun({}, broker, { recovery })
    first.send(sender(null))
    first.send(client.transfer(0, 1, message(10)), client.transfer(0, 2, message(10)))
    broker.commit()
    first.send(client.transfer(0, 3, message(10)))
    first.connection.closed() // the client has heard nothing of all that
    const again = begun({}, broker, { recovery })
    again.send(sender([a, NULL, b, NULL, c, NULL, binary(Buffer.of(9)), NULL]))
    assert.equal(again.seen(p.attach).length, 0, 'the third is not known yet')
    broker.commit()
    again.clock.settle()
    const answer = again.seen(p.attach)[0]
    assert.deepEqual(answer?.fields[7], map([a, ACCEPTED, b, ACCEPTED, c, ACCEPTED]))
    // It may end them by a transfer that is resumed; what it does not know is sent anew, with any tag.
    const resumed = (id: number, tag: Value): Buffer =>
      frame(
        0,
        encodePerformative(p.transfer, [
          uint(0),
          uint(id),
          tag,
          uint(0),
          bool(false),
          bool(false),
          NULL,
          ACCEPTED,
          bool(true),
        ]),
      )
    again.send(resumed(0, a), resumed(1, binary(Buffer.of(9))), client.transfer(0, 2, message(10)))
    broker.commit()
    again.clock.settle()
    assert.deepEqual(again.seen(p.disposition).map(stateOf), [0x24, 0x26, 0x24])
    assert.equal(broker.published, 4)
  })

  it('knows nothing of them on the other server, or of a link that did not say that it would come back', () => {
    const broker = new FakeBroker()
    const recovery = new Recovery()
    const first = begun({}, broker, { recovery })
    first.send(client.attachSender(0, 'q', 0, 'out'), client.transfer(0, 1, message(10)))
    first.connection.closed()
    for (const memory of [recovery, new Recovery()]) {
      const again = begun({}, broker, { recovery: memory })
      again.send(sender([a, NULL]))
      assert.equal(again.seen(p.attach)[0]?.fields[7]?.type, 'null')
    }
  })

  it('tells nobody what became of another user’s deliveries, whatever names they give', () => {
    const broker = new FakeBroker()
    const recovery = new Recovery()
    const first = begun({}, broker, { recovery })
    first.send(sender(null), client.transfer(0, 1, message(10)))
    first.connection.closed()
    const as = (user: string): SignIn => ({ ...plainDoor(broker), anonymous: () => ({ user, broker }) })
    for (const [user, known] of [
      ['other', 'null'],
      ['anonymous', 'map'],
    ] as const) {
      const again = begun({}, broker, { recovery, signIn: as(user) })
      again.send(sender([a, NULL]))
      assert.equal(again.seen(p.attach)[0]?.fields[7]?.type, known)
    }
  })

  it('does not take a delivery for accepted because a former one had its tag', () => {
    const broker = new FakeBroker()
    const recovery = new Recovery()
    const first = begun({}, broker, { recovery })
    first.send(sender(null), client.transfer(0, 1, message(10)))
    assert.deepEqual(first.seen(p.disposition).map(stateOf), [0x24], 'and its sender knows')
    first.connection.closed()
    // It began anew, and what it sends under the same tag does not arrive.
    const second = begun({}, broker, { recovery })
    second.send(sender(null))
    second.connection.closed()
    const third = begun({}, broker, { recovery })
    third.send(sender([a, NULL]))
    assert.equal(third.seen(p.attach)[0]?.fields[7]?.type, 'null')
  })

  it('does not take a delivery for accepted because a former one with its tag is', () => {
    const memory = new Recovery().of('link')
    const former = memory.begun('a')
    // Its sender began anew.
    memory.keep([])
    const later = memory.begun('a')
    memory.ended(former, true)
    assert.ok(!memory.accepted('a'))
    let isKnown = false
    memory.whenKnown(['a'], () => (isKnown = true))
    assert.ok(!isKnown, 'it is on its way itself')
    memory.ended(later, true)
    assert.ok(isKnown && memory.accepted('a'))
  })

  it('answers the attach of a sender that waits before its detach, without credit, and keeps nothing of it', () => {
    const broker = new FakeBroker({ manual: true })
    const recovery = new Recovery()
    const first = begun({}, broker, { recovery })
    first.send(sender(null), client.transfer(0, 1, message(10)))
    first.connection.closed()
    const again = begun({}, broker, { recovery })
    const from = again.socket.bytes.length
    again.send(sender([a, NULL]), client.flow({ handle: 0, count: 0, credit: 0 }))
    assert.equal(again.socket.bytes.length, from)
    again.send(client.detach(0))
    assert.deepEqual([again.seen(p.attach).length, again.seen(p.detach).length, again.seen(p.flow).length], [1, 1, 0])
    broker.commit()
    again.clock.settle()
    assert.equal(again.seen(p.attach).length, 1)
  })

  it('remembers a bounded number of links and deliveries', () => {
    const recovery = new Recovery()
    const memory = recovery.of('first')
    for (let n = 0; n < 5000; n++) {
      memory.ended(memory.begun(`${n}`), true)
    }
    assert.deepEqual([memory.accepted('4999'), memory.accepted('904'), memory.accepted('903')], [true, true, false])
    for (let n = 0; n < 999; n++) recovery.of(`${n}`)
    assert.equal(recovery.of('first'), memory)
    for (let n = 1000; n < 2000; n++) recovery.of(`${n}`)
    assert.notEqual(recovery.of('first'), memory)
  })
})
