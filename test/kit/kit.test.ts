// The client kit against real processes: rhea and mqtt.js, set up by the kit alone, go on across a kill -9 of the active
// server. Nothing that was answered is missing, and what was sent again is there once.

import assert from 'node:assert/strict'
import { connect } from 'mqtt'
import rhea from 'rhea'
import { connectPair, MessageRefused, type PairOptions, PairSender } from '../../src/kit/amqp.ts'
import { mqttPairOptions } from '../../src/kit/mqtt.ts'
import { Drill, type Label } from '../support/drill.ts'

const MESSAGES = 2000
const WINDOW = 200
const numbers = Array.from({ length: MESSAGES }, (_, i) => i + 1)

/** The bodies of all messages in the queue, in their order. */
async function allOf(connection: rhea.Connection, address: string, count = MESSAGES): Promise<number[]> {
  const received: number[] = []
  await new Promise<void>((resolve, reject) => {
    const limit = setTimeout(() => reject(new Error(`only ${received.length} came`)), 30_000)
    const receiver = connection.open_receiver({ source: { address }, credit_window: 0, autoaccept: true })
    // More than there should be: a second copy of one would come. Where the server that handed over closes the connection
    // only now, rhea attaches the link again, without the credit that it had.
    receiver.on('receiver_open', () => receiver.add_credit(2 * count))
    receiver.on('message', context => {
      received.push(context.message?.body as number)
      if (received.length < count) return
      clearTimeout(limit)
      receiver.drain_credit()
    })
    receiver.on('receiver_drained', () => {
      if (received.length >= count) resolve()
    })
  })
  return received
}

describe('client kit', function () {
  this.timeout(120_000)
  let drill: Drill
  let active: Label

  before(async () => {
    drill = await Drill.make()
    drill.start('primary')
    drill.start('secondary')
    active = await drill.settled()
  })

  afterEach(function () {
    if (this.currentTest?.state === 'failed') console.log(drill.logs().split('\n').slice(-80).join('\n'))
  })

  after(async () => {
    // Those of a test that failed would go on connecting.
    for (const connection of opened) connection.close()
    await drill?.end()
  })

  const opened: rhea.Connection[] = []
  const open = (options: PairOptions): rhea.Connection => {
    const connection = connectPair(rhea.create_container(), options)
    opened.push(connection)
    return connection
  }

  const servers = (ports: Readonly<Record<Label, number>>) =>
    [ports.primary, ports.secondary].map(port => ({ host: '127.0.0.1', port }))

  const kill = (): void => drill.server(active).signal('broker', 'SIGKILL')
  const heal = async (): Promise<void> => {
    await drill.server(active).exit
    drill.start(active)
    active = await drill.settled(60_000)
  }

  it('rhea: what was sent again after the failover is there once', async () => {
    const connection = open({ servers: servers(drill.amqp) })
    const sender = new PairSender(connection, 'kit')
    let answered = 0
    const sending: Promise<void>[] = []
    for (let number = 1; number <= MESSAGES; number++) {
      sending.push(sender.send({ body: number }).then(() => void answered++))
      if (number === MESSAGES / 2) kill()
      while (sender.unanswered >= WINDOW)
        await Promise.race([sending[answered], new Promise(resolve => setTimeout(resolve, 5))])
    }
    await sender.close()
    assert.equal(answered, MESSAGES)
    await heal()
    assert.deepEqual(await allOf(connection, 'kit'), numbers)
    connection.close()
  })

  it('rhea: what the server gives back at a switchover goes out again, in order, and a closed sender sends no more', async () => {
    const connection = open({ servers: servers(drill.amqp) })
    const sender = new PairSender(connection, 'kit-switchover')
    const sending: Promise<void>[] = []
    const next = () => sending.push(sender.send({ body: sending.length + 1 }))
    while (sending.length < WINDOW) next()
    await sending[0]
    let switched: number | null = null
    void drill.post(active, '/switchover').then(({ status }) => (switched = status))
    // Until it is over so many are under way: some of them when the server takes no more.
    while (switched === null) {
      next()
      await sending.at(-WINDOW)
    }
    assert.equal(switched, 200)
    await Promise.all(sending)
    await sender.close()
    await assert.rejects(sender.send({ body: 0 }), /closed/)
    assert.equal(connection.listenerCount('disconnected'), 1, 'only what the connection itself listens for')
    active = await drill.settled(60_000)
    // rhea does not attach a link for which it is asked while the connection is away.
    const received = await allOf(open({ servers: servers(drill.amqp) }), 'kit-switchover', sending.length)
    assert.deepEqual(
      received,
      sending.map((_, n) => n + 1),
    )
  })

  it('rhea: a message that is refused is refused, with the condition', async () => {
    const connection = open({ servers: servers(drill.amqp) })
    const sender = new PairSender(connection, 'kit-refused')
    const tooLarge = { body: Buffer.alloc(2 * 1024 * 1024) }
    await assert.rejects(sender.send(tooLarge), MessageRefused)
    await sender.send({ body: 'what comes later goes out' })
    connection.close()
  })

  it('rhea: who is not let in is told so by send, also later', async () => {
    const given = { servers: servers(drill.amqp), user: 'nobody', password: 'knows' }
    const sender = new PairSender(open(given), 'kit-refused')
    await assert.rejects(sender.send({ body: 1 }), { condition: 'amqp:unauthorized-access' })
    await assert.rejects(sender.send({ body: 2 }), MessageRefused)
    await sender.close()
  })

  it('mqtt.js: QoS 2 arrives exactly once across the failover', async () => {
    const options = (clientId: string) => mqttPairOptions({ servers: servers(drill.mqtt), clientId })
    const received: number[] = []
    const subscriber = connect(options('kit-subscriber'))
    const publisher = connect(options('kit-publisher'))
    for (const client of [subscriber, publisher]) client.on('error', () => {})
    subscriber.on('message', (_, payload) => received.push(Number(payload.toString())))
    // mqtt.js gives up a SUBSCRIBE whose connection breaks before it was answered, and the passive server takes none.
    if (!subscriber.connected) await new Promise<void>(resolve => subscriber.once('connect', () => resolve()))
    await subscriber.subscribeAsync('kit/numbers', { qos: 2 })
    const sent: Promise<unknown>[] = []
    for (let number = 1; number <= MESSAGES; number++) {
      sent.push(publisher.publishAsync('kit/numbers', String(number), { qos: 2 }))
      if (number === MESSAGES / 2) kill()
      if (number % WINDOW === 0) await sent[number - WINDOW]
    }
    await Promise.all(sent)
    const limit = Date.now() + 30_000
    while (received.length < MESSAGES && Date.now() < limit) await new Promise(resolve => setTimeout(resolve, 10))
    await heal()
    assert.deepEqual(
      received.toSorted((a, b) => a - b),
      numbers,
    )
    await Promise.all([subscriber.endAsync(), publisher.endAsync()])
  })

  it('names what is missing', () => {
    assert.throws(() => connectPair(rhea.create_container(), { servers: [] }), /both servers/)
    assert.throws(() => mqttPairOptions({ servers: [], clientId: 'a' }), /both servers/)
    assert.throws(() => mqttPairOptions({ servers: servers(drill.mqtt), clientId: '' }), /needs a name/)
  })
})
