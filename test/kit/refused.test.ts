// The client kit where a server refuses it, or its own application closes: it goes on where that may help, and nothing waits for ever
// where it does not.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Server } from 'node:tls'
import { readFileSync, mkdtempSync, rmSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, type MqttClient } from 'mqtt'
import rhea from 'rhea'
import { connectPair, MessageRefused, PairSender } from '../../src/kit/amqp.ts'
import { mqttPairOptions } from '../../src/kit/mqtt.ts'
import { makeCertificate } from '../support/certificates.ts'
import { Drill } from '../support/drill.ts'

const PLACES = 2

describe('client kit: refused', function () {
  this.timeout(120_000)
  let drill: Drill
  let amqp: { host: string; port: number }[]
  let mqtt: { host: string; port: number }[]
  const connections: rhea.Connection[] = []
  const clients: MqttClient[] = []

  before(async () => {
    drill = await Drill.make({ sets: { 'limits.connections': PLACES } })
    drill.start('primary')
    drill.start('secondary')
    await drill.settled()
    const both = (ports: { primary: number; secondary: number }) =>
      [ports.primary, ports.secondary].map(port => ({ host: '127.0.0.1', port }))
    amqp = both(drill.amqp)
    mqtt = both(drill.mqtt)
  })

  after(async () => {
    for (const connection of connections) connection.close()
    await Promise.all(clients.map(client => client.endAsync(true)))
    await drill?.end()
  })

  const open = (): rhea.Connection => {
    const connection = connectPair(rhea.create_container(), { servers: amqp })
    connections.push(connection)
    return connection
  }

  const seated = async (clientId: string): Promise<MqttClient> => {
    const client = connect(mqttPairOptions({ servers: mqtt, clientId }))
    clients.push(client)
    client.on('error', () => {})
    await new Promise<void>(resolve => client.once('connect', () => resolve()))
    return client
  }

  const full = (): Promise<MqttClient[]> =>
    Promise.all(Array.from({ length: PLACES }, (_, i) => seated(`kit-place-${clients.length}-${i}`)))
  const free = (all: readonly MqttClient[]): Promise<unknown> => Promise.all(all.map(client => client.endAsync()))

  it('rhea: a server that is full is asked again', async () => {
    const all = await full()
    const connection = open()
    const sending = new PairSender(connection, 'kit-full').send({ body: 1 })
    const [{ error }] = (await once(connection, 'connection_error')) as [{ error: { condition: string } }]
    assert.equal(error.condition, 'amqp:resource-limit-exceeded')
    await free(all)
    await sending
    connection.close()
    await once(connection, 'connection_close')
  })

  it('mqtt.js: a server that is full is asked again', async () => {
    const all = await full()
    const client = connect(mqttPairOptions({ servers: mqtt, clientId: 'kit-late' }))
    clients.push(client)
    await new Promise<void>(resolve => {
      client.on('error', error => 'code' in error && error.code === 0x97 && resolve())
    })
    const connected = new Promise<void>(resolve => client.once('connect', () => resolve()))
    await free(all)
    await connected
    await client.endAsync()
  })

  it('rhea: what is sent when the connection was closed is refused, and so is what waited', async () => {
    const connection = open()
    const sender = new PairSender(connection, 'kit-closed')
    await sender.send({ body: 1 })
    const waiting = sender.send({ body: 2 }).then(
      () => 'answered',
      (error: unknown) => error,
    )
    connection.close()
    const drained = sender.drained()
    await once(connection, 'connection_close')
    await drained
    const became = await waiting
    assert.ok(became === 'answered' || became instanceof MessageRefused)
    await assert.rejects(sender.send({ body: 3 }), MessageRefused)
    await sender.close()
  })

  it('says why no connection came about, where a certificate is not trusted', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'lockstep-kit-'))
    const certificate = makeCertificate(folder, 'kit')
    assert.ok(certificate !== null)
    const server: Server = createServer({
      key: readFileSync(certificate.keyFile),
      cert: readFileSync(certificate.certFile),
    })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const connection = connectPair(rhea.create_container(), { servers: [{ host: '127.0.0.1', port }], tls: {} })
    connections.push(connection)
    const [{ error }] = (await once(connection, 'disconnected')) as [{ error: { code: string } }]
    assert.match(error.code, /SELF_SIGNED|UNABLE_TO/)
    // Without a connection, too, what waits is told of the end.
    const sending = new PairSender(connection, 'kit-closed').send({ body: 1 })
    connection.close()
    await assert.rejects(sending, MessageRefused)
    server.close()
    rmSync(folder, { recursive: true })
  })

  it('mqtt.js: takes a certificate of the client beside the options', () => {
    const options = mqttPairOptions({ servers: mqtt, clientId: 'a', protocol: 'mqtts' })
    assert.equal(options.protocol, 'mqtts')
    assert.equal(options.servers?.[0]?.protocol, 'mqtts')
  })
})
