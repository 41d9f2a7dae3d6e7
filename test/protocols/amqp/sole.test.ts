// Connections of clients that ask to be connected once only.

import assert from 'node:assert/strict'
import { performatives as p, encodePerformative } from '../../../src/protocols/amqp/performatives.ts'
import { SoleConnections } from '../../../src/protocols/amqp/sole.ts'
import { array, map, NULL, str, sym, uint, type Value } from '../../../src/protocols/amqp/types.ts'
import { FakeBroker } from '../../support/fake-broker.ts'
import { plainDoor } from '../../support/sign-in.ts'
import { AMQP, client, condition, frame, SASL, type Wire, wire } from './wire.ts'

const SOLE = 'sole-connection-for-container'
const CLOSE_EXISTING = map([sym('sole-connection-enforcement-policy'), uint(1)])

const open = (id: string, capabilities: readonly string[], properties: Value = NULL): Buffer =>
  frame(
    0,
    encodePerformative(p.open, [
      ...[str(id), NULL, NULL, NULL, NULL, NULL, NULL, NULL],
      capabilities.length === 0 ? NULL : array(capabilities.map(sym)),
      properties,
    ]),
  )

/** Clients of one server, each with a connection of its own. */
function server(
  broker = new FakeBroker(),
): (id: string, capabilities?: readonly string[], properties?: Value, user?: string) => Wire {
  const sole = new SoleConnections()
  const signIn = plainDoor(broker, { ann: 'secret', bob: 'secret' })
  return (id, capabilities = [SOLE], properties = NULL, user = 'ann') => {
    const w = wire({ idleMs: 60_000 }, broker, { sole, signIn })
    w.send(SASL, client.init('PLAIN', `\0${user}\0secret`), AMQP, open(id, capabilities, properties))
    return w
  }
}

const mapOf = (value: Value | undefined): Record<string, unknown> => {
  assert.ok(value?.type === 'map')
  const entries = value.value.flatMap((key, i) =>
    i % 2 === 0 ? [[(key as { value: string }).value, (value.value[i + 1] as { value: unknown }).value]] : [],
  )
  return Object.fromEntries(entries) as Record<string, unknown>
}

/** Condition and info with which it was closed; null: it is open. */
function endOf(w: Wire): readonly [string | null, Record<string, unknown>] | null {
  const [close] = w.seen(p.close)
  if (close === undefined) return null
  const error = close.fields[0]
  assert.ok(error?.type === 'described' && error.value.type === 'list')
  const info = error.value.value[2]
  return [condition(error), info?.type === 'map' ? mapOf(info) : {}]
}

const refused = ['amqp:invalid-field', { 'invalid-field': 'container-id' }]
const failed = (w: Wire): unknown => mapOf(w.seen(p.open)[0]?.fields[9])['amqp:connection-establishment-failed']

describe('AMQP engine: sole connections', () => {
  it('a client that asks for it gets no second connection while it has one', () => {
    const connect = server()
    const first = connect('app')
    const second = connect('app')
    assert.deepEqual(endOf(second), refused)
    assert.equal(failed(second), true, 'told in open that close follows')
    assert.deepEqual([endOf(first), failed(first)], [null, undefined])
    assert.equal(first.broker.connections, 1)
    second.connection.closed()
    first.send(frame(0, encodePerformative(p.close, [NULL])))
    assert.equal(endOf(connect('app')), null, 'when it said goodbye, before its socket is closed')
  })

  it('others are others: by identifier, by user, and those that do not ask', () => {
    const connect = server()
    for (const w of [connect('app'), connect('app2'), connect('app', [SOLE], NULL, 'bob'), connect('app', [])])
      assert.equal(endOf(w), null)
    assert.equal(endOf(connect('app', [])), null)
    assert.deepEqual(endOf(connect('app', ['other', SOLE])), refused)
  })

  it('the former one makes way where the client asks for that', () => {
    const connect = server()
    const first = connect('app')
    const second = connect('app', [SOLE], CLOSE_EXISTING)
    assert.deepEqual(endOf(first), ['amqp:resource-locked', { 'sole-connection-enforcement': true }])
    assert.equal(endOf(second), null)
    first.connection.closed()
    assert.deepEqual(endOf(connect('app')), refused, 'the end of the former one frees no place')
  })

  it('the former one is asked for a sign of life, and makes way when it is silent for longer than it may be', () => {
    const connect = server()
    const first = connect('app')
    const before = first.socket.bytes.length
    first.clock.ms = 30_000
    assert.deepEqual(endOf(connect('app')), refused)
    assert.equal(first.socket.bytes.subarray(before).toString('hex'), '0000000802000000', 'an empty frame')
    first.clock.ms = 30_001
    assert.equal(endOf(connect('app')), null)
    assert.equal(endOf(first)?.[0], 'amqp:resource-locked')
  })

  it('a client that was refused for another reason keeps no place', () => {
    const connect = server(new FakeBroker({ connections: 1 }))
    const other = connect('other')
    assert.equal(endOf(connect('app'))?.[0], 'amqp:resource-limit-exceeded')
    other.connection.closed()
    assert.equal(endOf(connect('app')), null)
  })
})
