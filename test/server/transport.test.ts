// The back channel over real sockets: it carries frames of all sizes, and nothing that strangers do to its port hurts it.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { WebSocket } from 'ws'

import { BackChannel } from '../../src/replication/back-channel.ts'
import { encode } from '../../src/replication/codec.ts'
import type { Frame, FrameFields } from '../../src/replication/frames.ts'
import type { MessageSocket } from '../../src/replication/transport.ts'
import { realChance } from '../../src/server/chance.ts'
import { realClock } from '../../src/server/clock.ts'
import { WsTransport } from '../../src/server/ws-transport.ts'
import type { WsTransportOptions } from '../../src/server/ws-transport.ts'
import { makeCertificate } from '../support/certificates.ts'

const MiB = 1024 * 1024
const PING_MS = 200
const OPENING_MS = 400

interface End {
  readonly channel: BackChannel
  readonly port: number
  connections(): number
  readonly frames: Frame[]
  readonly downs: string[]
  readonly log: string[]
  /** Resolves as soon as `condition` holds; looked at whenever anything happens at this end. */
  until(condition: () => boolean): Promise<void>
}

const opening = (path: string, protocol: string): string =>
  `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n` +
  `Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: ${protocol}\r\n\r\n`

describe('the back channel over real sockets', () => {
  let closing: (() => void)[] = []
  let folder = ''

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'lockstep-transport-'))
  })
  after(() => rmSync(folder, { recursive: true }))
  afterEach(() => {
    for (const close of closing.reverse()) close()
    closing = []
  })

  const transport = (peerPort: number, more: Partial<WsTransportOptions> = {}): WsTransport => {
    const host = '127.0.0.1'
    const made = new WsTransport({
      host,
      port: 0,
      peerHost: host,
      peerPort,
      openingMs: OPENING_MS,
      messageBytes: 8 * MiB,
      ...more,
    })
    closing.push(() => made.close())
    return made
  }

  const end = async (
    label: 'primary' | 'secondary',
    peerPort: number,
    more: Partial<WsTransportOptions> & { secret?: string } = {},
  ): Promise<End> => {
    const { secret = 'the secret of the pair', ...options } = more
    const made = transport(peerPort, options)
    const port = await made.open()
    const waits = new Set<() => void>()
    const happened = (): void => {
      for (const wait of waits) wait()
    }
    const log: string[] = []
    const frames: Frame[] = []
    const downs: string[] = []
    const limits = { pingMs: PING_MS, silenceMs: 2000, stuckBytes: MiB, bufferedBytes: 64 * MiB }
    const channel = new BackChannel(
      { label, instance: realChance.id(), secret, ...limits },
      {
        transport: made,
        clock: realClock,
        chance: realChance,
        log: (level, line) => {
          log.push(`${level} ${line}`)
          happened()
        },
      },
    )
    channel.onUp = happened
    channel.onAnswered = happened
    channel.onDown = why => {
      downs.push(why)
      happened()
    }
    channel.onFrame = frame => {
      if (frame.name !== 'PING') frames.push(frame)
      happened()
    }
    channel.start()
    closing.push(() => channel.close())
    const until = (condition: () => boolean): Promise<void> =>
      new Promise(resolve => {
        const look = (): void => {
          if (!condition()) return
          waits.delete(look)
          resolve()
        }
        waits.add(look)
        look()
      })
    return { channel, port, connections: () => made.connections, frames, downs, log, until }
  }

  const pair = async (more: Partial<WsTransportOptions> = {}): Promise<[End, End]> => {
    const p = await end('primary', 1, more)
    const s = await end('secondary', p.port, more)
    await Promise.all([p.until(() => p.channel.isUp), s.until(() => s.channel.isUp)])
    return [p, s]
  }

  const raw = async (port: number): Promise<Socket> => {
    const socket = connect(port, '127.0.0.1')
    closing.push(() => socket.destroy())
    socket.on('error', () => {})
    await once(socket, 'connect')
    return socket
  }
  /** Resolves when the other end has closed. */
  const gone = (socket: Socket): Promise<unknown> => {
    socket.resume()
    return new Promise<unknown>(done => (socket.closed ? done(null) : socket.on('close', done)))
  }
  const listening = async (server: Server): Promise<number> => {
    closing.push(() => server.close())
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return (server.address() as AddressInfo).port
  }

  for (const secured of [false, true])
    it(`carries frames of all sizes in order, both ways${secured ? ', under TLS' : ''}`, async function () {
      const tls = secured ? makeCertificate(folder, 'pair') : null
      if (secured && !tls) return this.skip()
      const [p, s] = await pair({ tls })
      const sizes = [1, 96, 97, 108, 109, 110, 2030, 2031, 2032, 65_518, 65_519, 65_520, 300_000, 4 * MiB]
      const sent = sizes.map((size, i): Frame => {
        const bytes = Buffer.alloc(size, i + 1)
        return { name: 'RECORDS', epoch: 1, first: i + 1, committed: i, bytes }
      })
      for (const [from, to] of [
        [p, s],
        [s, p],
      ] as const) {
        for (const frame of sent) from.channel.send(frame)
        await to.until(() => to.frames.length === sent.length)
        for (const [i, frame] of sent.entries()) {
          const got = to.frames[i] as FrameFields['RECORDS']
          assert.equal(got.first, i + 1)
          assert.ok(Buffer.compare(got.bytes, (frame as FrameFields['RECORDS']).bytes) === 0, `${sizes[i]} bytes`)
        }
      }
      const asked = realClock.now()
      p.channel.ping()
      await p.until(() => (p.channel.lastAnswered?.sentAt ?? 0) >= asked)
      s.channel.send({ name: 'BYE', epoch: 1, token: '', reason: 'stop' })
      s.channel.close()
      await p.until(() => p.downs.length === 1)
      assert.equal(p.frames.at(-1)?.name, 'BYE')
    })

  it('accepts under TLS only who has the certificate', async function () {
    const tls = makeCertificate(folder, 'ours')
    const other = makeCertificate(folder, 'other')
    if (!tls || !other) return this.skip()
    const p = await end('primary', 1, { tls })
    const without = transport(p.port, {})
    const foreign = transport(p.port, { tls: other })
    for (const stranger of [without, foreign]) {
      const [error] = await new Promise<[Error | null, MessageSocket | null]>(done =>
        stranger.dial((...all) => done(all)),
      )
      // TLS 1.3 lets a client believe that it is in until the server has looked at its certificate; ws waits longer.
      assert.ok(error)
    }
    // One that believes us but cannot prove itself.
    const secure = connectTls({ port: p.port, host: '127.0.0.1', ca: readFileSync(tls.certFile) })
    closing.push(() => secure.destroy())
    const heard: Buffer[] = []
    secure.on('error', () => {})
    secure.on('data', bytes => void heard.push(bytes))
    secure.write(opening('/back-channel', 'lockstep'))
    await gone(secure)
    assert.deepEqual(heard, [])
    assert.ok(
      p.log.some(line => /CHANNEL-STRANGER.*SSL/.test(line)),
      p.log.join('\n'),
    )
  })

  it('says which port cannot be opened', async () => {
    const port = await listening(createServer())
    const taken = transport(1, { port })
    await assert.rejects(taken.open(), { code: 'SERVER-PORT-IN-USE' })
    await assert.rejects(transport(1, { tls: { certFile: 'none', keyFile: 'none', caFile: null } }).open(), {
      code: 'SERVER-BAD-CERTIFICATE',
    })
  })

  it('gives up dialling in time where nobody is, nothing is said, or something else answers', async () => {
    const hold: Socket[] = []
    closing.push(() => hold.forEach(socket => socket.destroy()))
    const silent = await listening(createServer(socket => void hold.push(socket)))
    const drip = await listening(
      createServer(socket => {
        hold.push(socket)
        socket.on('error', () => {})
        socket.write('HTTP/1.1 101 Switching Protocols\r\n')
        const timer = setInterval(() => socket.write('x: y\r\n'), 50)
        socket.on('close', () => clearInterval(timer))
      }),
    )
    const web = await listening(createServer(socket => socket.end('HTTP/1.1 200 OK\r\n\r\n')))
    for (const port of [1, silent, drip, web]) {
      const started = realClock.now()
      const answers = await new Promise<unknown[]>(done => transport(port).dial((...all) => done(all)))
      assert.ok(answers[0] instanceof Error && answers[1] === null)
      assert.ok(realClock.now() - started < OPENING_MS + 1000)
    }
  })

  it('shuts out what is no peer: garbage, half requests, web browsers, other WebSockets', async () => {
    const [p, s] = await pair()
    const texts = [
      Buffer.from(realChance.bytes(3000)),
      'GET /back-channel HTTP/1.1\r\nHost: x\r\n', // and no more
      '', // not even that
      'GET / HTTP/1.1\r\nHost: x\r\n\r\n',
      `GET / HTTP/1.1\r\nHost: x\r\nX: ${'y'.repeat(10_000)}\r\n\r\n`,
      'POST /back-channel HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nabc',
      'GET /back-channel HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Protocol: lockstep\r\n\r\n',
    ]
    texts.push(opening('/other', 'lockstep'), opening('/back-channel', 'chat'))
    // A good opening, then frames that break RFC 6455 or our rules: no mask, too large, text, a fragment without end.
    const good = opening('/back-channel', 'lockstep')
    const frames = [
      '8203010203',
      `82ff00000000ffffffff00000000`,
      '8183000000006162',
      '0281000000000100810000000001'.repeat(3),
    ]
    for (const hex of frames)
      texts.push(Buffer.concat([Buffer.from(good), Buffer.from(hex, 'hex')]) as Buffer<ArrayBuffer>)
    // More than a stranger may send, as pings of the protocol below us, which nobody looks at.
    texts.push(
      Buffer.concat([Buffer.from(good), Buffer.from('898000000000'.repeat(20_000), 'hex')]) as Buffer<ArrayBuffer>,
    )
    for (const text of texts) {
      const socket = await raw(p.port)
      if (text.length > 0) socket.write(text)
      await gone(socket)
    }
    // All at once, and only half of each.
    await Promise.all(
      texts.map(async text => {
        const socket = await raw(p.port)
        socket.write(text.slice(0, text.length / 2))
        socket.end()
        await gone(socket)
      }),
    )
    // What asks for something else is no WebSocket for us.
    for (const text of [opening('/other', 'lockstep'), opening('/back-channel', 'chat')]) {
      const socket = await raw(p.port)
      socket.on('data', bytes => assert.doesNotMatch(String(bytes), /101/))
      socket.write(text)
      await gone(socket)
    }
    assert.deepEqual([p.downs, s.downs], [[], []])
    assert.ok(p.log.length < 15, p.log.join('\n'))
  })

  /** A WebSocket client of our own that is no server of the pair. */
  const stranger = async (port: number): Promise<{ ws: WebSocket; said: Buffer[]; closed: Promise<unknown> }> => {
    const ws = new WebSocket(`ws://127.0.0.1:${port}/back-channel`, 'lockstep')
    closing.push(() => ws.terminate())
    const said: Buffer[] = []
    ws.on('message', (message: Buffer) => void said.push(message))
    ws.on('error', () => {})
    const closed = once(ws, 'close')
    await once(ws, 'open')
    return { ws, said, closed }
  }
  const hello = (nonce: string): Buffer =>
    encode({ name: 'HELLO', version: 1, label: 'secondary', instance: 'e'.repeat(16), nonce })[0] as Buffer

  it('refuses who does not know the secret, who sends back what it heard, and who sends much; and says so', async () => {
    const p = await end('primary', 1)
    const s = await end('secondary', p.port, { secret: 'another' })
    await Promise.all([
      p.until(() => p.log.some(line => line.includes('CHANNEL-SECRET'))),
      s.until(() => s.log.some(line => /CHANNEL-REFUSED.*CHANNEL-SECRET/.test(line))),
    ])
    s.channel.close()
    const mirror = await stranger(p.port)
    mirror.ws.on('message', (message: Buffer) => mirror.ws.send(message))
    mirror.ws.send(hello('a'.repeat(64)))
    await mirror.closed
    assert.deepEqual(
      mirror.said.map(message => message[0]),
      [1, 3],
    )
    const forger = await stranger(p.port)
    forger.ws.send(hello('a'.repeat(64)))
    forger.ws.send(encode({ name: 'PROOF', proof: '0'.repeat(64) })[0] as Buffer)
    await forger.closed
    assert.match(String(forger.said.at(-1)), /CHANNEL-SECRET/)
    const loud = await stranger(p.port)
    loud.ws.send(Buffer.alloc(MiB))
    await loud.closed
    assert.equal(loud.said.length, 0, 'shut out before the message was whole')
    assert.equal(p.channel.isUp, false)
  })

  it('ends a channel whose peer sends a message over the bound', async () => {
    const p = await end('primary', 1, { messageBytes: 100_000 })
    const s = await end('secondary', p.port)
    await s.until(() => s.channel.isUp)
    s.channel.send({ name: 'SNAPSHOT_CHUNK', epoch: 1, bytes: Buffer.alloc(200_000) })
    await p.until(() => p.downs.length === 1)
    assert.match(p.downs[0] ?? '', /payload/i)
    await Promise.all([s.until(() => s.downs.length === 1), p.until(() => p.channel.isUp)])
  })

  it('stays up while 500 connections flood its port, and lets a peer in during the flood', async () => {
    const [p, s] = await pair()
    let most = 0
    const flood = async (): Promise<void> => {
      const sockets = Array.from({ length: 500 }, (_, i) => {
        const socket = connect(p.port, '127.0.0.1')
        socket.on('error', () => {})
        socket.on('connect', () => {
          most = Math.max(most, p.connections())
          if (i % 3 === 0) socket.write('GET /back-channel HTTP/1.1\r\n')
          if (i % 3 === 1) socket.write(realChance.bytes(200))
        })
        closing.push(() => socket.destroy())
        return socket
      })
      await Promise.all(sockets.map(socket => new Promise(done => socket.on('connect', done).on('close', done))))
    }
    await flood()
    for (let i = 1; i <= 20; i++) s.channel.send({ name: 'JOINED', epoch: i, recordSeq: i })
    await p.until(() => p.frames.length === 20)
    s.channel.drop('test')
    const again = flood()
    await Promise.all([p.until(() => p.downs.length === 1 && p.channel.isUp), s.until(() => s.channel.isUp)])
    await again
    // 64 openings, 32 that have proved nothing, the channel, and what is being closed.
    assert.ok(most < 200, String(most))
    assert.equal(p.downs.length, 1)
    assert.ok(p.log.length < 20, p.log.join('\n'))
  })
})
