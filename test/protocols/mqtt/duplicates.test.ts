// Messages that their publishers name by a user property: they come in once, with every quality of service, also after a
// failover, and for clients of MQTT 5 alone.

import assert from 'node:assert/strict'
import { House } from './house.ts'

const NAME = '_AMQ_DUPL_ID'
const named = (id: string, more: Record<string, unknown> = {}) => ({
  properties: { userProperties: { [NAME]: id, ...more } },
})

describe('MQTT publishers that name their messages', () => {
  for (const qos of [1, 2] as const) {
    it(`with QoS ${qos}: what is published again comes in once, here and on the next server`, () => {
      const house = new House()
      const taker = house.stays(5, 'taker')
      house.subscribe(taker, 't')
      const publish = (clientId: string): void => {
        const wire = house.stays(5, clientId)
        for (const [at, id] of ['a', 'b', 'a'].entries()) {
          house.do(wire, 'publish', { topic: 't', payload: id, qos, messageId: at + 1, ...named(id, { x: 'y' }) })
          if (qos === 2) house.do(wire, 'pubrel', { messageId: at + 1 })
        }
        const answers = wire.all(qos === 2 ? 'pubcomp' : 'puback')
        assert.deepEqual(answers.map(({ messageId }) => messageId), [1, 2, 3]) // prettier-ignore
      }
      publish('one')
      publish('other')
      house.failover()
      publish('third')
      house.check()
      const again = house.stays(5, 'taker')
      house.rest()
      assert.deepEqual(again.all('publish').map(({ payload }) => String(payload)), ['a', 'b']) // prettier-ignore
    })
  }

  it('name one message at a time, by exactly this name', () => {
    const house = new House()
    const taker = house.stays(5, 'taker')
    house.subscribe(taker, 't')
    const wire = house.stays(5, 'one')
    const rows: [string, object][] = [
      ['named', named('a')],
      ['not named', {}],
      ['otherwise', { properties: { userProperties: { x_AMQ_DUPL_ID: 'a', _AMQ_DUPL_IDx: 'a' } } }],
      ['named again', named('a')],
    ]
    rows.forEach(([payload, o], at) =>
      house.do(wire, 'publish', { topic: 't', payload, qos: 1, messageId: at + 1, ...o }),
    )
    assert.deepEqual(taker.all('publish').map(({ payload }) => String(payload)), ['named', 'not named', 'otherwise']) // prettier-ignore
  })
  it('are told that a name is too long, and that it is no matter of permissions', () => {
    const house = new House()
    const wire = house.stays(5, 'one')
    house.do(wire, 'publish', { topic: 't', payload: 'x', qos: 1, messageId: 1, ...named('n'.repeat(257)) })
    const answer = wire.only('puback')
    assert.equal(answer['reasonCode'], 0x83)
    assert.match(String((answer['properties'] as Record<string, unknown>)['reasonString']), /at most 256 bytes/)
  })
})
