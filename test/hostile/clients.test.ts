// Clients that ask for more than there is, or for what is not theirs: full queues, large messages, too many connections,
// wrong passwords. And clients that do as they should: over TLS, with a list of servers to turn to. Stock clients, and
// one more that sends and receives all the while and must not notice.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import rhea, { type Connection, type ConnectionOptions, type EventContext } from 'rhea'
import { makeCertificate } from '../support/certificates.ts'
import { Drill, monotonic, other, type Label } from '../support/drill.ts'
import { freePorts } from '../support/free-ports.ts'
import { bend, die, eventually, pause, residentMiB } from './ground.ts'
import { skip, story } from './lanes.ts'
import { patient } from '../support/patience.ts'

const USER = { username: 'ann', password: 'the right one' }
const LIMITS = {
  'limits.connections': 20,
  'limits.messageBytes': 64 * 1024,
  'limits.queueMessages': 200,
  'limits.journalSegmentBytes': 1024 * 1024,
}

const conditionOf = (error: unknown) => (error as { condition?: string } | undefined)?.condition

story('clients at the limits of a running pair', lane => {
  let drill: Drill
  let active: Label
  let steady: Steady
  let certificate: ReturnType<typeof makeCertificate>
  const tls: Partial<Record<Label, number>> = {}
  const open = new Set<Connection>()

  const connect = (options: Partial<ConnectionOptions> = {}): Connection => {
    const container = rhea.create_container()
    for (const name of ['error', 'disconnected']) container.on(name, () => {})
    const connection = container.connect({
      host: '127.0.0.1',
      port: drill.amqp[active],
      reconnect: false,
      ...USER,
      ...options,
    } as ConnectionOptions)
    for (const name of ['connection_error', 'error', 'disconnected', 'protocol_error']) connection.on(name, () => {})
    open.add(connection)
    return connection
  }

  const comesIn = (options: object): Promise<boolean> => {
    const connection = connect(options)
    const not = ['connection_error', 'disconnected', 'protocol_error'].map(event => once(connection, event))
    return Promise.race([once(connection, 'connection_open').then(() => true), ...not.map(n => n.then(() => false))])
  }

  lane.before = async () => {
    drill = await Drill.make({ sets: LIMITS })
    certificate = makeCertificate(drill.folder, 'clients')
    const ports = await freePorts(2)
    for (const [i, label] of (['primary', 'secondary'] as const).entries()) {
      bend(join(drill.folder, label), { 'security.anonymous': false, 'security.users': { ann: USER.password } })
      if (!certificate) continue
      tls[label] = ports[i] as number
      const { certFile, keyFile } = certificate
      bend(join(drill.folder, label), {
        backupServerTlsPort: ports[1 - i],
        'listeners.amqp.tls': { port: ports[i], certFile, keyFile },
      })
    }
    drill.start('primary')
    drill.start('secondary')
    active = await drill.settled()
    steady = new Steady(connect)
    await steady.progress(100)
  }
  lane.after = async () => {
    for (const connection of open) connection.close()
    await drill?.end()
  }
  lane.afterEach = async failed => {
    for (const connection of open) if (connection !== steady.connection) connection.close()
    if (failed) console.log(drill.logs().split('\n').slice(-40).join('\n'))
    else if (steady.connection.is_open()) {
      await steady.progress(50)
      assert.ok(steady.longestMs < patient(3000), `the other client waited ${steady.longestMs.toFixed(0)} ms`)
      steady.forget()
    }
  }

  lane.step(
    'a full queue: the producer is held up, what comes in spite of it refused, and it goes on when there is room',
    async () => {
      const memory = residentMiB(drill.server(active).brokerPid)
      let accepted = 0
      const refusals: unknown[] = []
      // Two, each with credit for all the room there is.
      const senders = [connect().open_sender('full'), connect().open_sender('full')]
      await Promise.all(senders.map(sender => once(sender, 'sendable')))
      for (const sender of senders) {
        sender.on('accepted', () => accepted++)
        sender.on('rejected', ({ delivery }: EventContext) =>
          refusals.push(conditionOf(delivery?.remote_state?.['error'])),
        )
        for (let i = 0; i < 500; i++) sender.send({ body: Buffer.alloc(1000), durable: true })
      }
      await eventually('the queue is full', () => accepted === 200)
      await pause(500)
      assert.equal(accepted, 200, 'not more than the limit')
      assert.ok(refusals.length > 0 && refusals.length <= 200, `${refusals.length} refused`)
      assert.ok(refusals.every(condition => condition === 'amqp:resource-limit-exceeded'))
      assert.ok(
        senders.every(sender => !sender.sendable()),
        'no credit while it is full',
      )
      assert.ok(residentMiB(drill.server(active).brokerPid) - memory < 64)
      let received = 0
      connect()
        .open_receiver({ source: 'full', credit_window: 50 })
        .on('message', () => received++)
      await eventually('room makes it go on', () => accepted + refusals.length === 1000 && received === accepted)
      assert.ok(accepted > 500, `${accepted} accepted in the end`)
    },
  )

  lane.step('a message that is too large: its link is told, and other links go on', async () => {
    const connection = connect()
    const small = connection.open_sender('small')
    await once(small, 'sendable')
    const large = connection.open_sender('large')
    await once(large, 'sendable')
    large.send({ body: rhea.message.data_section(Buffer.alloc(65_000)) })
    await once(large, 'accepted')
    large.send({ body: rhea.message.data_section(Buffer.alloc(80_000)) })
    const told = await Promise.race([
      once(large, 'rejected').then(([c]) => (c as EventContext).delivery?.remote_state?.['error'] as unknown),
      once(large, 'sender_error').then(([c]) => (c as EventContext).sender?.error as unknown),
    ])
    assert.equal(conditionOf(told), 'amqp:link:message-size-exceeded')
    small.send({ body: 'still here' })
    await once(small, 'accepted')
  })

  lane.step('too many connections: the next is told why, and let in when one leaves', async () => {
    const crowd: Connection[] = []
    for (let i = 0; i < 19; i++) crowd.push(connect())
    await eventually('all are open', () => crowd.every(c => c.is_open() && c.remote.open))
    const [context] = (await once(connect(), 'connection_error')) as [EventContext]
    assert.equal(conditionOf(context.connection.error), 'amqp:resource-limit-exceeded')
    const left = once(crowd[0] as Connection, 'connection_close')
    crowd[0]?.close()
    await left
    await eventually('there is room again', () => comesIn({}))
  })

  lane.step('a wrong password, an unknown user, no name: kept out; guessing does not disturb the others', async () => {
    const wrong = [
      { password: 'wrong' },
      { username: 'eve' },
      { username: 'ann', password: 'x'.repeat(400) },
      { username: undefined, password: undefined },
      { username: 'anonymous', password: undefined },
    ]
    for (const words of wrong) assert.ok(!(await comesIn(words)), JSON.stringify(words))
    const guesses = Array.from({ length: 100 }, (_, i) => comesIn({ password: `guess ${i}` }))
    assert.ok(!(await Promise.all(guesses)).includes(true))
    assert.ok(await comesIn({}))
    assert.ok(drill.server(active).lines.filter(line => line.text.includes('AMQP-AUTHENTICATION')).length <= 12)
  })

  lane.step(
    'TLS: a stock client that checks the certificate sends and receives; a plain one is shut out there',
    async () => {
      if (!certificate) skip('there is no openssl to make a certificate with')
      const ca = readFileSync(certificate.certFile)
      const secure = { port: tls[active] as number, transport: 'tls', ca: [ca], rejectUnauthorized: true } as const
      const connection = connect(secure as unknown as ConnectionOptions)
      await once(connection, 'connection_open')
      const [entry] = (connection.properties as Record<string, unknown>)['failover-server-list'] as object[]
      const backup = { 'network-host': '127.0.0.1', hostname: '127.0.0.1', port: tls[other(active)], scheme: 'amqps' }
      assert.deepEqual(entry, backup, 'a client of TLS is told of TLS')
      const sender = connection.open_sender('secure')
      await once(sender, 'sendable')
      const receiver = connection.open_receiver('secure')
      const [bodies, count] = [[] as unknown[], 50]
      receiver.on('message', (context: EventContext) => bodies.push(context.message?.body))
      for (let i = 0; i < count; i++) sender.send({ body: i, durable: true })
      await eventually('all come back', () => bodies.length === count)
      assert.deepEqual(
        bodies,
        Array.from({ length: count }, (_, i) => i),
      )
      const plain = connect({ port: tls[active] as number })
      await once(plain, 'disconnected')
      const distrustful = connect({ ...secure, ca: [] } as unknown as ConnectionOptions)
      await once(distrustful, 'disconnected')
    },
  )

  lane.step('open names the other server, and following it finds the one that took over', async () => {
    const connection = connect()
    await once(connection, 'connection_open')
    const properties = connection.properties as Record<string, unknown>
    const [entry] = properties['failover-server-list'] as { 'network-host': string; port: number }[]
    assert.equal(properties['lockstep:server'], active)
    assert.equal(entry?.['network-host'], '127.0.0.1')
    assert.equal(entry?.port, drill.amqp[other(active)])
    await steady.end()
    const forced = once(connection, 'disconnected')
    await die(drill.server(active))
    await forced
    active = other(active)
    await eventually('the one named serves', () => comesIn({ port: entry.port }))
  })
})

/** Sends a numbered message at a time and waits for it to come back; remembers how long that took at worst. */
class Steady {
  readonly connection: Connection
  longestMs = 0
  #count = 0
  #sentAt = 0
  #over = false

  constructor(connect: () => Connection) {
    this.connection = connect()
    const sender = this.connection.open_sender('steady')
    let underWay = false
    const next = () => {
      if (this.#over || underWay || !sender.sendable()) return
      underWay = true
      this.#sentAt = monotonic()
      sender.send({ body: this.#count, durable: true })
    }
    sender.on('sendable', next)
    this.connection.open_receiver('steady').on('message', (context: EventContext) => {
      assert.equal(context.message?.body, this.#count, 'in order, none missing')
      this.#count++
      this.longestMs = Math.max(this.longestMs, monotonic() - this.#sentAt)
      underWay = false
      setImmediate(next)
    })
  }

  forget(): void {
    this.longestMs = 0
  }

  async progress(count: number): Promise<void> {
    const goal = this.#count + count
    await eventually(`${count} more messages`, () => this.#count >= goal)
  }

  async end(): Promise<void> {
    this.#over = true
    await pause(50)
  }
}
