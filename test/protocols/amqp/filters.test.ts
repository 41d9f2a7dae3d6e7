// What a client may ask of a source by filters and distribution mode, as a stock client (rhea) asks it: selectors on queues
// and on subscriptions to topics, no-local, browsing. And what it is told when it cannot have it.

import assert from 'node:assert/strict'
import rhea from 'rhea'
import type { Connection, Message } from 'rhea'
import { bodies, drained, leave, receiver, send } from '../../support/rhea.ts'
import { Whole } from './whole.ts'

const { filter, types } = rhea
const selector = (text: string): object => filter.selector(text)
const NO_LOCAL = { 'no-local': types.wrap_described([], 0x468c00000003) }

/** `r1`, `b2`: red or blue ones, with their number. */
const coloured = (...names: string[]): Message[] =>
  names.map(name => ({
    body: name,
    durable: true,
    application_properties: { color: name.startsWith('r') ? 'red' : 'blue', n: Number(name.slice(1)) },
  }))

describe('filters of a source, with rhea', () => {
  let whole: Whole
  let client: Connection
  beforeEach(async () => {
    whole = await new Whole().open()
    client = whole.connect({ container: 'one' })
  })
  afterEach(() => whole.close())

  it('select on a queue, and are told again in the answer', async () => {
    await send(client, 'q', coloured('r1', 'b2', 'r3', 'b4', 'r5'))
    const link = await receiver(client, { source: { address: 'q', filter: selector("color = 'red' AND n > 1") } })
    const inForce = (link.source.filter as Record<string, { descriptor?: unknown; value?: unknown }>)['jms-selector']
    assert.equal(String(inForce), "color = 'red' AND n > 1")
    assert.deepEqual(bodies(await drained(link, 10)), ['r3', 'r5'])
    const rest = await receiver(client, { source: 'q' })
    assert.equal(rest.source.filter ?? null, null)
    assert.deepEqual(bodies(await drained(rest, 10)), ['r1', 'b2', 'b4'])
  })

  it('see headers and properties by the names of JMS, and values of every type', async () => {
    const time = 1_700_000_000_000
    const message: Message = {
      body: 'whole',
      durable: true,
      priority: 7,
      message_id: 'ID:1',
      correlation_id: 'c-1',
      subject: 'kind',
      creation_time: time as unknown as Date,
      group_id: 'g',
      group_sequence: 0xffffffff,
      user_id: Buffer.from('ab') as unknown as string,
      application_properties: {
        yes: true,
        long: types.wrap_long(9_007_199_254_740_990),
        double: types.wrap_double(0.5),
        byte: types.wrap_byte(-3),
        ulong: types.wrap_ulong(7),
        symbol: types.wrap_symbol('s'),
        none: null as unknown as string,
        Überlänge: 'ü',
      },
    }
    await send(client, 'q', [message])
    const { broker } = whole
    const holds = async (text: string): Promise<boolean> => {
      const link = await receiver(client, {
        source: { address: 'q', distribution_mode: 'copy', filter: selector(text) },
      })
      const found = (await drained(link, 1)).length === 1
      await leave(link)
      return found
    }
    // prettier-ignore
    for (const text of [
      "JMSDeliveryMode = 'PERSISTENT'", 'JMSPriority = 7', "JMSMessageID = 'ID:1'", "JMSCorrelationID = 'c-1'", "JMSType = 'kind'",
      `JMSTimestamp = ${time}`, "JMSXGroupID = 'g'", 'JMSXGroupSeq = -1', "JMSXUserID = '6162'", 'yes', 'yes = TRUE',
      'long = 9007199254740990', 'double < 0.75', 'byte = -3', 'ulong = 7', "symbol = 's'", 'none IS NULL', "Überlänge LIKE 'ü%'", 'JMSXOther IS NULL', '',
    ])
      assert.ok(await holds(text), text)
    for (const text of ['yes = FALSE', 'long = 9007199254740991', "color = 'red'", 'JMSPriority = 4'])
      assert.ok(!(await holds(text)), text)
    assert.equal(broker.status().messages, 1)
  })

  it('are refused with the place where the text is wrong, and where they are not known', async () => {
    for (const [wrong, what] of [
      [selector("color = 'red"), /amqp:invalid-field: .*closing quote \(at character 9\)/],
      [selector('n > '), /amqp:invalid-field: .*the end is not expected here \(at character 5\)/],
      [{ x: types.wrap_described(5, 0x468c00000004) }, /amqp:invalid-field: .*selector is no string/],
      [{ x: types.wrap_described('x', 'some:other-filter') }, /amqp:not-implemented: .*some:other-filter/],
    ] as const)
      await assert.rejects(receiver(client, { source: { address: 'q', filter: wrong } }), what)
    // The name under which it stands is the client's choice; its descriptor may be the symbol.
    const named = { x: types.wrap_described("color = 'red'", 'apache.org:selector-filter:string') }
    await send(client, 'q', coloured('b1', 'r2'))
    const link = await receiver(client, { source: { address: 'q', filter: named } })
    assert.deepEqual(Object.keys(link.source.filter as object), ['x'])
    assert.deepEqual(bodies(await drained(link, 10)), ['r2'])
  })

  const durable = (text: string): object => ({
    name: 'sub',
    source: { address: 'topic://t', durable: 2, expiry_policy: 'never', filter: selector(text) },
  })

  it('select on topics, for subscriptions that last and for others', async () => {
    const now = await receiver(client, { source: { address: 'topic://t', filter: selector("color = 'red'") } })
    await leave(await receiver(client, durable("color = 'red'")), false)
    await send(client, 'topic://t', coloured('r1', 'b2', 'r3'))
    assert.deepEqual(bodies(await drained(now, 10)), ['r1', 'r3'])
    await leave(now, true)
    assert.equal(whole.broker.status().messages, 2, 'what is not selected is not even kept')
    const again = await receiver(client, durable("color = 'red'"))
    assert.deepEqual(bodies(await drained(again, 10)), ['r1', 'r3'])
  })

  it('make a durable subscription anew where they change (JMS 2.0, 8.3.3)', async () => {
    await leave(await receiver(client, durable('n < 3')), false)
    await send(client, 'topic://t', coloured('r1', 'b2', 'r3'))
    const changed = await receiver(client, durable('n > 2'))
    assert.deepEqual(bodies(await drained(changed, 10)), [])
    await send(client, 'topic://t', coloured('r4', 'b1'))
    assert.deepEqual(bodies(await drained(changed, 10)), ['r4'])
    const shared = (text: string): object => ({
      name: 'both',
      source: { address: 'topic://t', durable: 2, capabilities: ['shared'], filter: selector(text) },
    })
    await receiver(client, shared('n = 1'))
    await assert.rejects(receiver(whole.connect({ container: 'one' }), shared('n = 2')), /amqp:not-allowed/)
  })
})

describe('no-local, with rhea', () => {
  it('leaves out what the same client publishes, by its container id, on topics', async () => {
    const whole = await new Whole().open()
    try {
      const [one, two] = [whole.connect({ container: 'one' }), whole.connect({ container: 'two' })]
      const link = await receiver(one, { source: { address: 'topic://t', filter: NO_LOCAL } })
      assert.deepEqual(Object.keys(link.source.filter as object), ['no-local'])
      const lasting = await receiver(one, {
        name: 'sub',
        source: { address: 'topic://t', durable: 2, filter: NO_LOCAL },
      })
      await send(one, 'topic://t', coloured('r1'))
      await send(two, 'topic://t', coloured('r2'))
      assert.deepEqual(bodies(await drained(link, 10)), ['r2'])
      assert.deepEqual(bodies(await drained(lasting, 10)), ['r2'])
      const queue = await receiver(one, { source: { address: 'q', filter: NO_LOCAL } })
      assert.equal(queue.source.filter ?? null, null, 'not in force on a queue, and the answer says so')
    } finally {
      await whole.close()
    }
  })
})
