// A retained message is the same object each time somebody asks for it, while the memory in which its packet was laid out for
// the first one has been used again.

import assert from 'node:assert/strict'
import { House } from './house.ts'
import { connect, Wire, type Version } from './wire.ts'

/** A client whose socket has handed on all that it took, as a real one has at the end of most turns. */
function reader(house: House, version: Version, clientId: string): Wire {
  const kept: { wire: Wire | null } = { wire: null }
  const output = {
    write: (bytes: Uint8Array) => kept.wire?.socket.write(Buffer.from(bytes)) ?? true,
    idle: true,
    end: () => {},
    destroy: () => {},
  }
  const wire = new Wire(version, {}, { broker: house.broker, clock: house.clock }, { output })
  kept.wire = wire
  wire.bytes(connect(version, { clientId }))
  house.rest()
  return wire
}

describe('MQTT retained messages', () => {
  for (const version of [4, 5] as const)
    for (const qos of [0, 1])
      it(`are whole for the second one who asks, version ${version}, QoS ${qos}`, () => {
        const house = new House()
        const giver = house.wire(version, { clientId: 'giver' })
        house.publish(giver, 'a', 'kept for everybody', qos, 1, { retain: true })
        const first = reader(house, version, 'first')
        house.subscribe(first, 'a', qos)
        // What comes next to the first one lies where its packet lay.
        const longer = Array.from({ length: 40 }, (_, n) => ({ topic: `none/${n}`, qos: 0 as const }))
        house.do(first, 'subscribe', { messageId: 2, subscriptions: longer })
        const second = reader(house, version, 'second')
        house.subscribe(second, 'a', qos)
        assert.deepEqual([first.texts(), second.texts()], [['kept for everybody'], ['kept for everybody']])
        assert.equal(second.only('publish')['retain'], true)
      })
})
