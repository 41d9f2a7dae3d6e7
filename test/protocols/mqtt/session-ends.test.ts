// Where a session ends, or its window is empty, at an unlucky moment: nothing is recorded of what is no more, and nothing waits
// for an answer that nobody gives.

import assert from 'node:assert/strict'
import { CodedError } from '../../../src/base/errors.ts'
import { House } from './house.ts'
import type { Version } from './wire.ts'

const GONE = { topic: 'w', payload: Buffer.from('gone'), qos: 1, properties: { willDelayInterval: 60 } }

const CROWDED = new CodedError('REPLICATION-BACKLOG', { what: 'too much', remedy: '' })

describe('MQTT sessions at their end', () => {
  for (const how of ['its client says so', 'its client begins anew'])
    it(`make no record of a retained message when SUBACK is due after it: ${how}`, () => {
      const house = new House()
      const giver = house.wire(5, { clientId: 'giver' })
      house.publish(giver, 'a', 'kept', 1, 1, { retain: true })
      const taker = house.stays(5, 'taker')
      house.prompt = false
      house.subscribe(taker, 'a', 1)
      if (how === 'its client says so')
        house.do(taker, 'disconnect', { reasonCode: 0, properties: { sessionExpiryInterval: 0 } })
      else house.wire(5, { clientId: 'taker', clean: true })
      house.prompt = true
      house.check()
      house.failover()
      house.check()
    })

  it('publish the will at a clean start, also soon after a failover to which their client came back', () => {
    const house = new House()
    house.stays(5, 'taker', { will: GONE })
    house.failover()
    const watcher = house.wire(5, { clientId: 'watcher' })
    house.subscribe(watcher, 'w')
    const back = house.stays(5, 'taker', { will: GONE })
    house.lose(back)
    house.wire(5, { clientId: 'taker', clean: true })
    assert.deepEqual(watcher.texts(), ['gone'])
    house.check()
  })

  it('have their window back from messages that expired in it', () => {
    const house = new House()
    const giver = house.wire(5, { clientId: 'giver' })
    const taker = house.stays(5, 'taker', { properties: { receiveMaximum: 1 } })
    house.subscribe(taker, 'a', 1)
    const short = { properties: { messageExpiryInterval: 1 } }
    house.publish(giver, 'a', 'one', 1, 1)
    house.publish(giver, 'a', 'two', 1, 2, short)
    house.advance(500)
    house.publish(giver, 'a', 'three', 1, 3, short)
    // The second is swept; the third is over and still there.
    house.advance(500)
    house.advance(600)
    house.do(taker, 'puback', { messageId: taker.only('publish').messageId })
    house.publish(giver, 'a', 'four', 1, 4)
    assert.deepEqual(taker.texts(), ['one', 'four'])
    house.check()
  })

  it('publish the will that was due while the log took no record, once it takes them', () => {
    for (const delay of [0, 60]) {
      const house = new House()
      const watcher = house.wire(5, { clientId: 'watcher' })
      house.subscribe(watcher, 'w', 1)
      const keeps = house.stays(5, 'keeps', {})
      house.subscribe(keeps, 'w', 1)
      const properties = { willDelayInterval: delay }
      const taker = house.stays(5, 'taker', { will: { ...GONE, properties } })
      house.log.fault = CROWDED
      house.lose(taker)
      house.advance(61_000)
      assert.deepEqual([watcher.texts(), keeps.texts()], [[], []])
      house.log.fault = null
      house.advance(100)
      house.advance(1000)
      assert.deepEqual([watcher.texts(), keeps.texts()], [['gone'], ['gone']])
      house.check()
    }
  })

  it('are not all tried again each time where the log takes no record', () => {
    const house = new House()
    const properties = { willDelayInterval: 5 }
    const all = Array.from({ length: 40 }, (_, n) =>
      house.stays(5, `c${n}`, { will: { ...GONE, retain: true, properties } }),
    )
    const { log } = house
    const append = log.append.bind(log)
    let tries = 0
    log.append = (...record) => {
      tries++
      return append(...record)
    }
    log.fault = CROWDED
    for (const one of all) one.connection.closed()
    for (let n = 0; n < 100; n++) house.advance(100)
    // Each 20 ms.
    assert.ok(tries > 100 && tries <= 600, `${tries} tries in 10 s`)
    log.fault = null
    tries = 0
    house.advance(100)
    assert.equal(tries, 80, 'a will and a record that it left, of each')
    house.check()
  })

  it('that could not be ended go on as they were for the client that comes back to them', () => {
    const house = new House()
    const giver = house.wire(5, { clientId: 'giver' })
    const taker = house.stays(5, 'taker')
    house.subscribe(taker, 'a', 1)
    house.lose(taker)
    house.log.fault = CROWDED
    house.wire(5, { clientId: 'taker', clean: true })
    house.log.fault = null
    house.rest()
    house.lose(house.stays(5, 'taker'))
    house.publish(giver, 'a', 'short', 1, 1, { properties: { messageExpiryInterval: 1 } })
    assert.equal(house.broker.status().messages, 1)
    house.advance(1500)
    house.advance(1500)
    assert.equal(house.broker.status().messages, 0)
    house.check()
  })
})

describe('MQTT UNSUBSCRIBE where the log takes no record', () => {
  const refused = (version: Version) => {
    const house = new House()
    const giver = house.wire(version, { clientId: 'giver' })
    const taker = house.stays(version, 'taker')
    house.subscribe(taker, 'a', 1)
    house.log.fault = CROWDED
    house.do(taker, 'unsubscribe', { messageId: 2, unsubscriptions: ['a'] })
    house.log.fault = null
    return { house, giver, taker }
  }

  it('is told by a code that UNSUBACK has, and can be done again', () => {
    const { house, giver, taker } = refused(5)
    assert.deepEqual(taker.only('unsuback')['granted'], [0x83])
    house.publish(giver, 'a', 'least', 1, 1)
    house.publish(giver, 'a', 'most', 0)
    assert.deepEqual(taker.texts(), ['least', 'most'], 'it is still subscribed')
    house.do(taker, 'unsubscribe', { messageId: 3, unsubscriptions: ['a'] })
    assert.deepEqual(taker.all('unsuback')[1]?.['granted'], [0])
    house.publish(giver, 'a', 'no more', 1, 2)
    assert.equal(taker.texts().length, 2)
    house.check()
  })

  it('ends the connection of MQTT 3.1.1, whose UNSUBACK says that it is done', () => {
    const { house, taker } = refused(4)
    assert.equal(taker.all('unsuback').length, 0)
    assert.ok(taker.socket.ended)
    house.check()
  })
})
