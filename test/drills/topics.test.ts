// Topics on a pair of real processes, with stock clients of both protocols: a durable AMQP subscription, a temporary queue,
// and messages that cross from one protocol to the other, also when the server is killed in between.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connectAsync, type IPublishPacket, type MqttClient } from 'mqtt'
import rhea, { type Connection, type ConnectionOptions, type EventContext, type Receiver, type Sender } from 'rhea'
import { Drill, other, type Label } from '../support/drill.ts'
import { freePorts } from '../support/free-ports.ts'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

describe('topics of a pair', function () {
  this.timeout(120_000)
  let drill: Drill
  let active: Label
  const mqttPort: Record<Label, number> = { primary: 0, secondary: 0 }
  const open: Connection[] = []
  const clients: MqttClient[] = []

  before(async () => {
    drill = await Drill.make()
    const ports = await freePorts(2)
    for (const [i, label] of (['primary', 'secondary'] as const).entries()) {
      mqttPort[label] = ports[i] as number
      const file = join(drill.folder, label, 'profile.yaml')
      const profile = JSON.parse(readFileSync(file, 'utf8')) as Record<string, object>
      Object.assign(profile['listeners'] as object, { mqtt: { port: ports[i] } })
      Object.assign(profile, { backupServerMqttPort: ports[1 - i] })
      writeFileSync(file, JSON.stringify(profile))
    }
    drill.start('primary')
    drill.start('secondary')
    active = await drill.settled()
  })
  after(async () => {
    for (const connection of open) connection.close()
    for (const client of clients) client.end(true)
    await drill?.end()
  })

  /** Connects as this container, trying again while the port is not open yet. */
  const amqp = async (container_id: string): Promise<Connection> => {
    for (;;) {
      const options = { host: '127.0.0.1', port: drill.amqp[active], reconnect: false, container_id }
      const connection = rhea.create_container().connect(options as ConnectionOptions)
      for (const name of ['error', 'disconnected', 'connection_error', 'receiver_error']) connection.on(name, () => {})
      const found = await Promise.race([
        once(connection, 'connection_open').then(() => connection),
        once(connection, 'disconnected').then(() => null),
      ])
      if (found === null) continue
      open.push(found)
      return found
    }
  }
  const mqtt = async (): Promise<MqttClient> => {
    const client = await connectAsync(`mqtt://127.0.0.1:${mqttPort[active]}`, {
      protocolVersion: 5,
      reconnectPeriod: 0,
    })
    clients.push(client)
    return client
  }
  const source = { address: 'topic://plant/+/power', durable: 2, expiry_policy: 'never' }
  const subscribe = async (connection: Connection): Promise<Receiver> => {
    const receiver = connection.open_receiver({ name: 'meters', source } as never) as Receiver
    await once(receiver, 'receiver_open')
    return receiver
  }
  const textOf = ([context]: unknown[]): string => {
    const body = (context as EventContext).message?.body as string | { content: Buffer }
    return typeof body === 'string' ? body : String(body.content)
  }

  it('a durable AMQP subscription keeps what MQTT and AMQP clients publish, over a kill -9', async () => {
    const first = await amqp('reader')
    const receiver = await subscribe(first)
    receiver.detach()
    await once(receiver, 'receiver_close')
    first.close()

    const publisher = await mqtt()
    await publisher.publishAsync('plant/1/power', 'one', { qos: 1 })
    const sender = (await amqp('writer')).open_sender('topic://plant/2/power') as Sender
    await once(sender, 'sendable')
    sender.send({ body: 'two', durable: true })
    await once(sender, 'accepted')

    drill.server(active).signal('broker', 'SIGKILL')
    active = other(active)
    await drill.server(active).line('switched to STANDALONE')
    const reader = await amqp('reader')
    const got: string[] = []
    const both = new Promise<void>(resolve =>
      reader.on('message', (context: EventContext) => {
        if (got.push(textOf([context])) === 2) resolve()
      }),
    )
    const again = await subscribe(reader)
    await both
    assert.deepEqual(got, ['one', 'two'])
    again.close() // takes it away
    await once(again, 'receiver_close')
    const lookup = (await amqp('reader')).open_receiver({ name: 'meters', source: null } as never) as Receiver
    await once(lookup, 'receiver_error')
    assert.equal((lookup.error as { condition: string }).condition, 'amqp:not-found')
  })

  it('MQTT subscribers get what AMQP clients publish, with its properties', async () => {
    const subscriber = await mqtt()
    await subscriber.subscribeAsync('news/#', { qos: 1 })
    const sender = (await amqp('writer')).open_sender('topic://news/today') as Sender
    await once(sender, 'sendable')
    const message = new Promise<[string, Buffer, IPublishPacket]>(resolve =>
      subscriber.once('message', (...of) => resolve(of)),
    )
    sender.send({ body: 'hello', application_properties: { color: 'red' } })
    const [topic, payload, packet] = await message
    assert.deepEqual([topic, String(payload)], ['news/today', 'hello'])
    assert.deepEqual({ ...packet.properties?.userProperties }, { color: 'red' })
  })

  it('asking and answering over a temporary queue and the anonymous relay', async () => {
    const [asker, answerer] = [await amqp('asker'), await amqp('answerer')]
    const inbox = asker.open_receiver({ source: { dynamic: true } } as never) as Receiver
    await once(inbox, 'receiver_open')
    const replyTo = (inbox.source as unknown as { address: string }).address
    assert.match(replyTo, /^temporary:/)
    const questions = answerer.open_receiver('questions') as Receiver
    const relay = answerer.open_sender({ target: {} } as never) as Sender
    await once(relay, 'sendable')
    questions.on('message', ({ message }: EventContext) => {
      relay.send({ to: message?.reply_to, body: `answer to ${String(message?.body)}` } as never)
    })
    const sender = asker.open_sender('questions') as Sender
    await once(sender, 'sendable')
    const answer = once(inbox, 'message')
    sender.send({ body: 'why', reply_to: replyTo })
    assert.equal(textOf(await answer), 'answer to why')
  })
})
