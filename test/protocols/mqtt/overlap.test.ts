// Subscriptions of one client that overlap: it gets each message once, with the highest quality that was granted and the
// identifiers of all that match [MQTT-3.3.4-2, 3.3.4-3], whether its session lasts or not.

import assert from 'node:assert/strict'
import { House } from './house.ts'
import type { Wire } from './wire.ts'

const seen = (wire: Wire): unknown[] =>
  wire.all('publish').map(packet => {
    const { subscriptionIdentifier } = (packet['properties'] ?? {}) as Record<string, unknown>
    const ids = [subscriptionIdentifier].flat().map(Number)
    return [String(packet['payload']), packet['qos'], ids.toSorted((a, b) => a - b).join(), packet['retain']]
  })

describe('overlapping MQTT subscriptions', () => {
  for (const lasts of [false, true])
    it(`of a session that ${lasts ? 'lasts' : 'ends with its connection'}`, () => {
      const house = new House()
      const giver = house.wire(5, { clientId: 'giver' })
      const taker = lasts ? house.stays(5, 'taker') : house.wire(5, { clientId: 'taker' })
      const subscribe = (topic: string, qos: number, id: number, options: object = {}): void =>
        house.do(taker, 'subscribe', {
          messageId: id,
          subscriptions: [{ topic, qos, ...options }],
          properties: { subscriptionIdentifier: id },
        })
      subscribe('a/b', 0, 1)
      subscribe('a/+', 2, 2, { nl: true })
      subscribe('a/#', 1, 3, { rap: true })
      house.publish(giver, 'a/b', 'from other', 2, 1, { retain: true })
      house.do(giver, 'pubrel', { messageId: 1 })
      house.publish(giver, 'a/b', 'zero', 0)
      house.publish(taker, 'a/b', 'own', 1, 9)
      assert.deepEqual(seen(taker), [
        ['from other', 2, '1,2,3', true],
        ['zero', 0, '1,2,3', false],
        ['own', 1, '1,3', false],
      ])
      house.do(taker, 'unsubscribe', { messageId: 5, unsubscriptions: ['a/+'] })
      house.publish(giver, 'a/b', 'less', 2, 2)
      assert.deepEqual(seen(taker).at(-1), ['less', 1, '1,3', false])
      house.do(taker, 'unsubscribe', { messageId: 5, unsubscriptions: ['a/b', 'a/#'] })
      house.publish(giver, 'a/b', 'none', 1, 3)
      assert.equal(seen(taker).length, 4)
    })
})
