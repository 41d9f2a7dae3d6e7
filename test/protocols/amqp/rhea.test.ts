// A stock client (rhea) against the engine on a real socket: what users will do, as their library does it.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import net from 'node:net'
import rhea from 'rhea'
import type { Connection, ConnectionOptions, EventContext, Receiver, Sender } from 'rhea'
import { plainDoor } from '../../support/sign-in.ts'
import { FakeBroker } from '../../support/fake-broker.ts'
import type { Listener } from './listener.ts'
import { listen } from './listener.ts'

describe('AMQP engine with rhea', () => {
  let server: Listener
  let broker: FakeBroker
  let clients: Connection[] = []

  const start = async (
    limits: Parameters<typeof listen>[1] = {},
    using = new FakeBroker(),
    more: Parameters<typeof listen>[2] = {},
  ): Promise<void> => {
    broker = using
    server = await listen(broker, limits, more)
  }

  const connect = (options: Partial<ConnectionOptions> = {}): Connection => {
    const container = rhea.create_container()
    container.on('error', () => {})
    const client = container.connect({
      host: '127.0.0.1',
      port: server.port,
      reconnect: false,
      ...options,
    } as ConnectionOptions)
    client.on('connection_error', () => {})
    client.on('error', () => {})
    client.on('disconnected', () => {})
    client.on('protocol_error', () => {})
    clients.push(client)
    return client
  }

  const sender = async (client: Connection, address = 'q'): Promise<Sender> => {
    const link = client.open_sender(address)
    await once(link, 'sendable')
    return link
  }

  /** Collects `n` messages, with credit for just those. */
  const collect = async (client: Connection, n: number, address = 'q', accept = true): Promise<EventContext[]> => {
    const link = client.open_receiver({ source: address, credit_window: 0, autoaccept: false })
    link.add_credit(n)
    const seen: EventContext[] = []
    await new Promise<void>(done =>
      link.on('message', (context: EventContext) => {
        seen.push({ ...context, message: context.message, delivery: context.delivery } as EventContext)
        if (accept) context.delivery!.accept()
        if (seen.length === n) done()
      }),
    )
    return seen
  }

  afterEach(async () => {
    for (const client of clients) {
      if (!client.is_open()) continue
      const closed = once(client, 'connection_close')
      client.close()
      await closed
    }
    clients = []
    await server.close()
  })

  it('sends and receives a few thousand messages in order, each acknowledged', async () => {
    await start()
    const client = connect()
    const out = client.open_sender('q')
    const N = 5000
    let sent = 0
    let accepted = 0
    const received: number[] = []
    const pump = () => {
      while (out.sendable() && sent < N) out.send({ body: sent++ })
    }
    out.on('sendable', pump)
    out.on('accepted', () => {
      accepted++
      pump()
    })
    const inn = client.open_receiver({ source: 'q', credit_window: 200 })
    await new Promise<void>(done => {
      const check = () => void (accepted === N && received.length === N && done())
      inn.on('message', (c: EventContext) => {
        received.push(c.message!.body as number)
        check()
      })
      out.on('accepted', check)
    })
    assert.deepEqual(
      received,
      Array.from({ length: N }, (_, i) => i),
    )
  })

  it('tells in open who it is and where the other server is', async () => {
    await start()
    const client = connect()
    await once(client, 'connection_open')
    const properties = client.properties as Record<string, unknown>
    assert.equal(client.container_id, 'lockstep-test')
    // Qpid JMS asks for nothing of this where it is not offered.
    assert.deepEqual(client.offered_capabilities, [
      'ANONYMOUS-RELAY',
      'SHARED-SUBS',
      'DELAYED_DELIVERY',
      'sole-connection-for-container',
    ])
    assert.equal(properties['product'], 'lockstep')
    assert.equal(properties['lockstep:server'], 'primary')
    assert.equal(Number(properties['lockstep:epoch']), 7)
    assert.deepEqual(properties['failover-server-list'], [{ 'network-host': 'other.example', hostname: 'other.example', port: 5673 }]) // prettier-ignore
  })

  it('lets in with the right password only', async () => {
    const using = new FakeBroker()
    await start({}, using, { signIn: plainDoor(using, { ann: 'secret' }, ['PLAIN']) })
    const good = connect({ username: 'ann', password: 'secret' })
    await once(good, 'connection_open')
    const bad = connect({ username: 'ann', password: 'wrong' })
    const [context] = (await once(bad, 'connection_error')) as [EventContext]
    assert.match((context.error as Error).message, /authenticat/i)
    const none = connect()
    await once(none, 'disconnected')
    assert.equal(broker.connections, 1)
  })

  it('brings large messages through, both ways in pieces', async () => {
    await start({ messageBytes: 4 * 1024 * 1024 })
    const client = connect({ max_frame_size: 10_000 })
    const body = Buffer.alloc(1024 * 1024)
    for (let i = 0; i < body.length; i++) body[i] = (i * 7919) >> 5
    const out = await sender(client)
    out.send({ body: rhea.message.data_section(body), message_id: 'large' })
    await once(out, 'accepted')
    const [seen] = await collect(client, 1)
    assert.equal(seen!.message!.message_id, 'large')
    assert.ok(body.equals((seen!.message!.body as { content: Buffer }).content))
  })

  it('detaches a sender of too large messages and serves the others', async () => {
    await start({ messageBytes: 10_000 })
    const client = connect()
    const out = await sender(client)
    const closed = once(out, 'sender_error') as Promise<[EventContext]>
    out.send({ body: 'x'.repeat(300_000) })
    const [context] = await closed
    assert.equal((context.sender!.error as { condition: string }).condition, 'amqp:link:message-size-exceeded')
    const other = await sender(client, 'other')
    other.send({ body: 'small' })
    await once(other, 'accepted')
  })

  it('counts deliveries over release, modify and reject', async () => {
    await start()
    const client = connect()
    const out = await sender(client)
    out.send({ body: 'x', durable: true, priority: 7, ttl: 60_000 })
    await once(out, 'accepted')
    const counts: unknown[] = []
    const link = client.open_receiver({ source: 'q', credit_window: 0, autoaccept: false })
    const steps: ((c: EventContext) => void)[] = [
      c => c.delivery!.release({ delivery_failed: false }),
      c => c.delivery!.modified({ delivery_failed: true, undeliverable_here: false }),
      c => c.delivery!.modified({ delivery_failed: true, undeliverable_here: false }),
      c => c.delivery!.reject({ condition: 'app:bad', description: 'no' }),
    ]
    await new Promise<void>(done => {
      link.on('message', (c: EventContext) => {
        const m = c.message!
        counts.push([m.delivery_count ?? 0, m.first_acquirer ?? false, m.durable, m.priority, m.ttl])
        steps[counts.length - 1]!(c)
        if (counts.length === steps.length) done()
        else link.add_credit(1)
      })
      link.add_credit(1)
    })
    assert.deepEqual(counts, [
      [0, false, true, 7, 60_000],
      [0, false, true, 7, 60_000],
      [1, false, true, 7, 60_000],
      [2, false, true, 7, 60_000],
    ])
    link.drain_credit()
    await once(link, 'receiver_drained')
    assert.deepEqual(broker.settlements, ['released', 'modified', 'modified', 'rejected'])
    assert.deepEqual(broker.count('q'), { ready: 0, held: 0 })
  })

  it('drains: what there is, then no credit', async () => {
    await start()
    const client = connect()
    const out = await sender(client)
    for (let i = 0; i < 3; i++) out.send({ body: i })
    while (broker.count('q').ready < 3) await once(out, 'accepted')
    const link = client.open_receiver({ source: 'q', credit_window: 0 })
    let seen = 0
    link.on('message', () => seen++)
    link.add_credit(10)
    link.drain_credit()
    await once(link, 'receiver_drained')
    assert.equal(seen, 3)
    assert.equal((link as unknown as { credit: number }).credit, 0)
    out.send({ body: 'later' })
    await once(out, 'accepted')
    assert.equal(seen, 3)
  })

  it('serves several sessions and links of one connection side by side', async () => {
    await start()
    const client = connect()
    const jobs = Array.from({ length: 6 }, async (_, i) => {
      const session = client.create_session()
      session.begin()
      const out = session.open_sender(`q${i}`)
      await once(out, 'sendable')
      for (let n = 0; n < 50; n++) out.send({ body: `${i}/${n}` })
      const link = session.open_receiver(`q${i}`) as Receiver
      const seen: string[] = []
      await new Promise<void>(done =>
        link.on('message', (c: EventContext) => {
          seen.push(c.message!.body as string)
          if (seen.length === 50) done()
        }),
      )
      assert.deepEqual(
        seen,
        Array.from({ length: 50 }, (_, n) => `${i}/${n}`),
      )
      const ended = once(session, 'session_close')
      session.close()
      await ended
    })
    await Promise.all(jobs)
  })

  it('slows a producer down at a full queue, without refusing anything', async () => {
    await start({ credit: 20 }, new FakeBroker({ room: 50 }))
    const client = connect()
    const out = client.open_sender('q')
    let sent = 0
    let accepted = 0
    let other = 0
    const pump = () => {
      while (out.sendable() && sent < 200) out.send({ body: sent++ })
    }
    out.on('sendable', pump)
    for (const outcome of ['rejected', 'released', 'modified']) out.on(outcome, () => other++)
    await new Promise<void>(done => out.on('accepted', () => void (++accepted === 50 && done())))
    assert.deepEqual(broker.count('q'), { ready: 50, held: 0 })
    assert.equal(broker.published, 50, 'the rest waits at the client')
    const consumer = connect()
    await collect(consumer, 200)
    assert.deepEqual([sent, accepted, other], [200, 200, 0])
  })

  it('gives back what a vanished client held, in order', async () => {
    await start()
    const client = connect()
    const out = await sender(client)
    for (let i = 0; i < 10; i++) out.send({ body: i })
    while (broker.count('q').ready < 10) await once(out, 'accepted')
    const doomed = connect()
    await collect(doomed, 6, 'q', false)
    const gone = once(doomed, 'disconnected')
    ;(doomed as unknown as { socket: net.Socket }).socket.destroy(new Error('pulled'))
    await gone
    clients = clients.filter(c => c !== doomed)
    while (server.connections.size > 1) await new Promise(done => setImmediate(done))
    const seen = await collect(client, 10)
    assert.deepEqual(seen.map(c => c.message!.body), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]) // prettier-ignore
  })

  it('keeps an idle connection alive, and ends one that is silent', async () => {
    await start({ idleMs: 400 })
    const client = connect({ idle_time_out: 200 })
    await once(client, 'connection_open')
    const mute = net.connect(server.port, '127.0.0.1')
    mute.on('error', () => {})
    mute.write(Buffer.from('AMQP\0\x01\0\0', 'latin1'))
    const open = Buffer.from('005310c00401a1016d', 'hex')
    const head = Buffer.from([0, 0, 0, 8 + open.length, 2, 0, 0, 0])
    mute.write(Buffer.concat([head, open]))
    let said = ''
    mute.on('data', b => (said += b.toString('latin1')))
    await once(mute, 'close')
    assert.match(said, /amqp:resource-limit-exceeded/)
    assert.ok(client.is_open(), 'the one that sends empty frames lives')
    const out = await sender(client)
    out.send({ body: 'alive' })
    await once(out, 'accepted')
  })

  it('ends with amqp:connection:forced when the server stops serving', async () => {
    await start()
    const client = connect()
    await once(client, 'connection_open')
    const closed = once(client, 'connection_error') as Promise<[EventContext]>
    for (const connection of server.connections)
      connection.shutdown('amqp:connection:forced', 'the other server serves now')
    await closed
    assert.equal((client.error as { condition: string }).condition, 'amqp:connection:forced')
  })

  it('refuses nodes that cannot be had', async () => {
    await start(
      {},
      new FakeBroker({ refuse: n => (n === 'secret' ? { refused: 'not-allowed', text: 'not for you' } : null) }),
    )
    const client = connect()
    const out = client.open_sender('secret')
    await once(out, 'sender_error')
    assert.equal((out.error as { condition: string }).condition, 'amqp:not-allowed')
    const filter = { x: rhea.types.wrap_described('y', 'some:other-filter') }
    const link = client.open_receiver({ source: { address: 'q', filter } } as never)
    await once(link, 'receiver_error')
    assert.equal((link.error as { condition: string }).condition, 'amqp:not-implemented')
  })
})
