// AMQP over WebSockets as clients use it, and who is kept out of such a port.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request } from 'node:http'
import rhea, { type Connection, type EventContext, type Receiver, type Sender } from 'rhea'
import { WebSocket } from 'ws'
import { plainDoor } from '../support/sign-in.ts'
import { createAmqpConnection, defaultAmqpLimits } from '../../src/protocols/amqp/front-end.ts'
import { realClock } from '../../src/server/clock.ts'
import { Listener } from '../../src/server/listener.ts'
import { visitorOf } from '../../src/server/visitor.ts'
import { FakeBroker } from '../support/fake-broker.ts'

describe('a client port for WebSockets', () => {
  let listener: Listener
  let clients: Connection[] = []

  const open = async (origins: readonly string[] = [], messageBytes = 1 << 20): Promise<string> => {
    const broker = new FakeBroker()
    listener = new Listener({
      host: '127.0.0.1',
      port: 0,
      tls: null,
      web: { protocols: ['amqp'], origins, messageBytes },
      purpose: 'test',
      key: 'test',
      connections: 8,
      engine: (output, socket) => {
        const connection = createAmqpConnection({
          signIn: plainDoor(broker),
          visitor: visitorOf(socket),
          output,
          clock: realClock,
          limits: defaultAmqpLimits,
          identity: { containerId: 'test', product: 'test', version: '0', epoch: () => 1, server: 'primary', failoverServers: [] }, // prettier-ignore
          unique: () => 'unguessable',
          convert: body => body,
          log: () => {},
        })
        return {
          receive: bytes => connection.receive(bytes),
          get isOpen() {
            return connection.isOpen
          },
          drained: () => connection.drained(),
          closed: () => connection.closed(),
          shutdown: reason => connection.shutdown('amqp:connection:forced', reason),
        }
      },
      failed: error => assert.fail(error.message),
      clock: realClock,
      log: () => {},
    })
    listener.open()
    while (listener.port === 0) await new Promise(setImmediate)
    return `ws://127.0.0.1:${listener.port}/`
  }

  const connectRhea = (url: string): Connection => {
    const container = rhea.create_container()
    const ws = container.websocket_connect(WebSocket as never)
    const client = container.connect({ connection_details: ws(url, ['amqp'], {}) as never, reconnect: false } as never)
    client.on('error', () => {})
    client.on('disconnected', () => {})
    clients.push(client)
    return client
  }

  afterEach(() => {
    for (const client of clients) client.close()
    clients = []
    listener.close('the test is over')
  })

  /** What becomes of an attempt: `open`, or the status it was refused with. */
  const attempt = (url: string, protocols: string[], origin?: string): Promise<string> =>
    new Promise(resolve => {
      const ws = new WebSocket(url, protocols, origin === undefined ? {} : { origin })
      ws.on('open', () => {
        ws.terminate()
        resolve('open')
      })
      ws.on('unexpected-response', (_, response) => resolve(String(response.statusCode)))
      ws.on('error', () => {})
    })

  it('serves a stock client, in pieces larger than one message, both ways', async () => {
    const client = connectRhea(await open())
    await once(client, 'connection_open')
    const sender = client.open_sender('q') as Sender
    await once(sender, 'sendable')
    const body = 'x'.repeat(300_000)
    sender.send({ body })
    await once(sender, 'accepted')
    const receiver = client.open_receiver('q') as Receiver
    const [context] = (await once(receiver, 'message')) as [EventContext]
    assert.equal(context.message?.body, body)
  })

  it('says goodbye in the words of the protocol when it is closed', async () => {
    const client = connectRhea(await open())
    await once(client, 'connection_open')
    const closed = once(client, 'connection_error')
    listener.close('this server does not serve now')
    const [context] = (await closed) as [EventContext]
    assert.equal((context.connection.error as { condition: string }).condition, 'amqp:connection:forced')
  })

  it('takes pages of named origins only, and clients that are no browsers', async () => {
    const url = await open(['https://app.example'])
    assert.equal(await attempt(url, ['amqp']), 'open')
    assert.equal(await attempt(url, ['amqp'], 'https://app.example'), 'open')
    assert.equal(await attempt(url, ['amqp'], 'https://elsewhere.example'), '403')
    listener.close('over')
    assert.equal(await attempt(await open(['*']), ['amqp'], 'https://elsewhere.example'), 'open')
  })

  it('takes its own subprotocol only, and no plain HTTP', async () => {
    const url = await open()
    assert.equal(await attempt(url, ['mqtt']), '400')
    assert.equal(await attempt(url, []), '400')
    const [response] = (await once(request(url.replace('ws', 'http')).end(), 'response')) as [{ statusCode: number }]
    assert.equal(response.statusCode, 426)
  })

  it('ends connections that send text, or too much at once', async () => {
    for (const [what, code] of [
      ['text', 1003],
      [Buffer.alloc(2000), 1009],
    ] as const) {
      const ws = new WebSocket(await open([], 1000), ['amqp'])
      ws.on('error', () => {})
      await once(ws, 'open')
      ws.send(what)
      const [seen] = (await once(ws, 'close')) as [number]
      assert.equal(seen, code)
      listener.close('over')
    }
  })
})
