// Links that come back (section 2.6.13): what a receiver says of deliveries that it had before counts, by their tags; of a
// sender's deliveries nothing is kept, so that a resumed one is not taken.

import assert from 'node:assert/strict'
import { encodePerformative, performatives as p } from '../../../src/protocols/amqp/performatives.ts'
import type { Value } from '../../../src/protocols/amqp/types.ts'
import { binary, bool, described, list, map, NULL, str, ubyte, uint } from '../../../src/protocols/amqp/types.ts'
import { FakeBroker } from '../../support/fake-broker.ts'
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
})
