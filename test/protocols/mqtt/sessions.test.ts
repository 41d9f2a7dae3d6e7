// Sessions that outlive their connections, on the real broker and across failovers: the engine at one end, the records at
// the other, and a second broker that has nothing but them.

import assert from 'node:assert/strict'
import { connect, Wire, type Version } from './wire.ts'
import { House } from './house.ts'

const both = (title: string, test: (version: Version) => void): void => {
  for (const version of [4, 5] as const) it(`${title} (${version === 4 ? '3.1.1' : '5.0'})`, () => test(version))
}
const present = (wire: Wire): unknown => wire.only('connack')['sessionPresent']

describe('MQTT sessions', () => {
  both('are there again, with subscriptions and what came meanwhile', version => {
    const house = new House()
    const giver = house.wire(version, { clientId: 'giver' })
    const first = house.stays(version, 'taker')
    assert.equal(present(first), false)
    house.subscribe(first, 'a/+')
    house.lose(first)
    for (let i = 0; i < 5; i++) house.publish(giver, 'a/b', `m${i}`, 1 + (i % 2), i + 1)
    house.check()
    const second = house.stays(version, 'taker')
    assert.equal(present(second), true)
    assert.deepEqual(second.texts(), ['m0', 'm1', 'm2', 'm3', 'm4'])
    assert.ok(
      second.all('publish').every(p => p['dup'] === false),
      'none of them was delivered before',
    )
    house.publish(giver, 'a/b', 'm5', 0)
    assert.equal(second.texts().at(-1), 'm5')
    house.check()
  })

  both('what was not answered comes again, with the same identifier and DUP', version => {
    const house = new House()
    const giver = house.wire(version, { clientId: 'giver' })
    const first = house.stays(version, 'taker')
    house.subscribe(first, 'a')
    house.publish(giver, 'a', 'one', 1, 1)
    house.publish(giver, 'a', 'two', 1, 2)
    const [one, two] = first.all('publish')
    house.do(first, 'puback', { messageId: two?.messageId })
    house.lose(first)
    const second = house.stays(version, 'taker')
    const again = second.only('publish')
    assert.equal(again.messageId, one?.messageId)
    assert.equal(again['dup'], true)
    house.check()
    house.failover()
    const third = house.stays(version, 'taker')
    assert.equal(third.only('publish').messageId, one?.messageId, 'the other server knows it too')
    assert.equal(third.only('publish')['dup'], true)
    house.do(third, 'puback', { messageId: one?.messageId })
    house.failover()
    assert.deepEqual(house.stays(version, 'taker').texts(), [])
    house.check()
  })

  both('end at a clean start, and with their time', version => {
    const house = new House()
    const first = house.stays(version, 'taker')
    house.subscribe(first, 'a')
    house.lose(first)
    const clean = house.wire(version, { clientId: 'taker', clean: true })
    assert.equal(present(clean), false)
    house.lose(clean)
    assert.equal(present(house.stays(version, 'taker')), false)
    house.check()
    if (version === 4) return
    const short = house.stays(5, 'short', { properties: { sessionExpiryInterval: 10 } })
    house.lose(short)
    house.advance(9_000)
    const back = house.stays(5, 'short', { properties: { sessionExpiryInterval: 10 } })
    assert.equal(present(back), true)
    house.do(back, 'disconnect', { properties: { sessionExpiryInterval: 20 } })
    house.advance(19_000)
    assert.equal(present(house.stays(5, 'short', { properties: { sessionExpiryInterval: 10 } })), true)
    house.advance(5000)
    house.failover()
    house.advance(11_000)
    assert.equal(present(house.stays(5, 'short')), false, 'nobody came back after the failover')
    house.check()
  })

  both('inbound QoS 2 is exactly-once across a failover', version => {
    const house = new House()
    const taker = house.stays(version, 'taker')
    house.subscribe(taker, 'a')
    const first = house.stays(version, 'giver')
    house.publish(first, 'a', 'once', 2, 7)
    first.only('pubrec')
    house.failover()
    const second = house.stays(version, 'giver')
    house.publish(second, 'a', 'once', 2, 7, { dup: true })
    second.only('pubrec')
    house.do(second, 'pubrel', { messageId: 7 })
    second.only('pubcomp')
    house.failover()
    const third = house.stays(version, 'giver')
    house.do(third, 'pubrel', { messageId: 7 })
    third.only('pubcomp')
    house.publish(third, 'a', 'another', 2, 7)
    assert.deepEqual(house.stays(version, 'taker').texts(), ['once', 'another'])
    house.check()
  })

  both('PUBREC waits for the record, also for what comes again on another connection', version => {
    const house = new House()
    const first = house.stays(version, 'giver')
    house.prompt = false
    house.publish(first, 'a', 'once', 2, 7)
    assert.equal(first.all('pubrec').length, 0)
    house.prompt = true
    const safe = house.log.last
    house.prompt = false
    first.connection.closed()
    const second = new Wire(version, {}, { broker: house.broker, clock: house.clock })
    const properties = version === 5 ? { sessionExpiryInterval: 3600 } : {}
    second.bytes(connect(version, { clientId: 'giver', clean: false, properties }))
    house.rest()
    house.broker.committed(safe - 1)
    house.prompt = true
    house.rest()
    house.publish(second, 'a', 'once', 2, 7, { dup: true })
    second.only('pubrec')
    const routed = house.log.records.filter(record => record.kind === 20)
    assert.equal(routed.length, 1, 'one record')
    house.check()
  })

  both('PUBCOMP waits for the record: its identifier is not free before that is safe', version => {
    const house = new House()
    const giver = house.stays(version, 'giver')
    house.publish(giver, 'a', 'once', 2, 7)
    house.prompt = false
    house.do(giver, 'pubrel', { messageId: 7 })
    assert.equal(giver.all('pubcomp').length, 0)
    house.prompt = true
    house.rest()
    giver.only('pubcomp')
    house.check()
  })

  both('outbound QoS 2 is exactly-once across a failover: before PUBREC, after it, after PUBCOMP', version => {
    const house = new House()
    const giver = house.wire(version, { clientId: 'giver' })
    const first = house.stays(version, 'taker')
    house.subscribe(first, 'a')
    house.publish(giver, 'a', 'x', 2, 1)
    const id = first.only('publish').messageId
    house.failover()
    const second = house.stays(version, 'taker')
    assert.equal(second.only('publish').messageId, id)
    assert.equal(second.only('publish')['dup'], true)
    house.prompt = false
    house.do(second, 'pubrec', { messageId: id })
    assert.equal(second.all('pubrel').length, 0, 'PUBREL waits for the record')
    house.prompt = true
    house.rest()
    assert.equal(second.only('pubrel').messageId, id)
    house.check()
    house.failover()
    const third = house.stays(version, 'taker')
    assert.equal(third.all('publish').length, 0, 'it has the message')
    assert.equal(third.only('pubrel').messageId, id)
    house.do(third, 'pubcomp', { messageId: id })
    house.check()
    house.failover()
    const fourth = house.stays(version, 'taker')
    assert.deepEqual(
      fourth.seen().map(p => p.cmd),
      ['connack'],
    )
  })

  both('a retained message of QoS 1 goes through the session, and survives', version => {
    const house = new House()
    const giver = house.wire(version, { clientId: 'giver' })
    house.publish(giver, 'kept', 'k', 1, 1, { retain: true })
    house.publish(giver, 'kept/not', 'n', 1, 1, { retain: true })
    house.publish(giver, 'kept/not', '', 1, 1, { retain: true })
    house.failover()
    const taker = house.stays(version, 'taker')
    house.subscribe(taker, 'kept/#', 1)
    assert.deepEqual(taker.texts(), ['k'])
    assert.equal(taker.only('publish')['retain'], true)
    house.failover()
    const again = house.stays(version, 'taker')
    assert.equal(again.only('publish')['retain'], true)
    assert.equal(again.only('publish').messageId, taker.only('publish').messageId)
    house.check()
  })

  both('a will is published when its client does not come back after a failover, and not if it does', version => {
    const house = new House()
    const watcher = house.stays(version, 'watcher')
    house.subscribe(watcher, 'gone/#', 1)
    const will = (topic: string) => ({
      will: { topic: `gone/${topic}`, payload: Buffer.from(topic), qos: 1, retain: false },
    })
    house.wire(version, { clientId: 'lost', ...will('lost') })
    house.wire(version, { clientId: 'back', ...will('back') })
    house.stays(version, 'kept', will('kept'))
    house.failover()
    const seen = house.stays(version, 'watcher')
    house.wire(version, { clientId: 'back', ...will('back') })
    house.check()
    house.advance(11_000)
    assert.deepEqual(seen.texts().sort(), ['kept', 'lost'])
    house.check()
    house.failover()
    const later = house.stays(version, 'watcher')
    house.advance(11_000)
    assert.deepEqual(
      later.texts().filter(text => text === 'lost' || text === 'kept').length,
      2,
      'unanswered ones, once each',
    )
    assert.ok(later.all('publish').every(p => p['dup'] === true || String(p['payload']) === 'back'))
  })

  it('a will waits for its delay, and not longer than its session [MQTT-3.1.3-9]', () => {
    const house = new House()
    const watcher = house.wire(5, { clientId: 'watcher' })
    house.subscribe(watcher, 'gone/#', 1)
    const will = (name: string, willDelayInterval: number) => ({
      topic: `gone/${name}`,
      payload: Buffer.from(name),
      qos: 1,
      retain: false,
      properties: { willDelayInterval },
    })
    house.lose(house.stays(5, 'slow', { will: will('slow', 100) }))
    house.lose(house.stays(5, 'short', { will: will('short', 100), properties: { sessionExpiryInterval: 5 } }))
    house.lose(house.stays(5, 'back', { will: will('back', 10) }))
    house.stays(5, 'back')
    assert.deepEqual(watcher.texts(), [])
    house.advance(6000)
    assert.deepEqual(watcher.texts(), ['short'])
    house.advance(95_000)
    assert.deepEqual(watcher.texts(), ['short', 'slow'])
    house.check()
  })

  it('no local, retain as published and identifiers count for stored messages too', () => {
    const house = new House()
    const own = house.stays(5, 'own')
    house.subscribe(own, 'a/1', 1, { nl: true })
    house.do(own, 'subscribe', {
      messageId: 2,
      subscriptions: [{ topic: 'a/+', qos: 1, rap: true }],
      properties: { subscriptionIdentifier: 9 },
    })
    const giver = house.wire(5, { clientId: 'giver' })
    house.lose(own)
    house.publish(giver, 'a/1', 'x', 1, 1, { retain: true })
    house.failover()
    const back = house.stays(5, 'own')
    const got = back.only('publish')
    assert.equal(got['retain'], true)
    assert.deepEqual({ ...(got['properties'] as object) }, { subscriptionIdentifier: 9 })
    house.publish(back, 'a/1', 'mine', 1, 5)
    assert.equal(back.texts().length, 2, 'through the filter without no-local')
    house.do(back, 'unsubscribe', { messageId: 3, unsubscriptions: ['a/+'] })
    house.publish(back, 'a/1', 'mine', 1, 6)
    assert.equal(back.texts().length, 2)
    house.check()
  })

  it('a message that expired while its client was away is not delivered', () => {
    const house = new House()
    const taker = house.stays(5, 'taker')
    house.subscribe(taker, 'a', 1)
    house.lose(taker)
    const giver = house.wire(5, { clientId: 'giver' })
    house.publish(giver, 'a', 'old', 1, 1, { properties: { messageExpiryInterval: 5 } })
    house.publish(giver, 'a', 'lasting', 1, 1, { properties: { messageExpiryInterval: 100 } })
    house.advance(6000)
    const back = house.stays(5, 'taker')
    assert.deepEqual(back.texts(), ['lasting'])
    assert.equal((back.only('publish')['properties'] as Record<string, unknown>)['messageExpiryInterval'], 94)
    house.check()
  })

  it('what came while its client was away has never been sent, on the other server too', () => {
    const house = new House()
    const taker = house.stays(5, 'taker')
    house.subscribe(taker, 'a', 1)
    const giver = house.wire(5, { clientId: 'giver' })
    house.publish(giver, 'a', 'seen', 1, 1, { properties: { messageExpiryInterval: 5 } })
    house.advance(10)
    house.lose(taker)
    house.advance(10)
    house.publish(giver, 'a', 'old', 1, 2, { properties: { messageExpiryInterval: 5 } })
    house.publish(giver, 'a', 'lasting', 1, 3)
    house.failover()
    house.advance(6000)
    const back = house.stays(5, 'taker')
    const got = back.all('publish').map(({ payload, dup }) => [String(payload), dup])
    assert.deepEqual(got, [
      ['seen', true],
      ['lasting', false],
    ])
    house.lose(back)
    house.failover()
    const again = house.stays(5, 'taker')
    assert.deepEqual(again.all('publish').map(({ dup }) => dup), [true, true], 'now it was told of them') // prettier-ignore
    house.check()
  })

  both('the window of a session is kept, whatever waits', version => {
    const house = new House()
    const giver = house.wire(version, { clientId: 'giver' })
    const properties = { receiveMaximum: 3 }
    const taker = house.stays(version, 'taker', version === 5 ? { properties } : {})
    if (version === 4) return
    house.subscribe(taker, 'a')
    for (let i = 0; i < 8; i++) house.publish(giver, 'a', `m${i}`, 2, i + 1)
    assert.equal(taker.all('publish').length, 3)
    for (let i = 0; i < 8; i++) {
      const id = taker.all('publish')[i]?.messageId
      house.do(taker, 'pubrec', { messageId: id })
      assert.equal(taker.all('publish').length, Math.min(8, i + 3), 'PUBREC does not open the window')
      house.do(taker, 'pubcomp', { messageId: id })
    }
    assert.deepEqual(taker.texts(), ['m0', 'm1', 'm2', 'm3', 'm4', 'm5', 'm6', 'm7'])
    house.check()
  })
})
