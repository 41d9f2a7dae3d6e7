// A client port over real sockets: who comes in, and who is left outside when the server stops serving.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { realClock } from '../../src/server/clock.ts'
import { Listener, type Engine } from '../../src/server/listener.ts'
import { makeCertificate } from '../support/certificates.ts'

type Options = ConstructorParameters<typeof Listener>[0]

/** A port for so many connections, once it is there. */
async function opened(connections: number, tls: Options['tls'], engine: Options['engine']): Promise<Listener> {
  const listener = new Listener({
    host: '127.0.0.1',
    port: 0,
    tls,
    web: null,
    purpose: 'test',
    key: 'test',
    connections,
    engine,
    failed: error => assert.fail(error.message),
    clock: realClock,
    log: () => {},
  })
  listener.open()
  while (listener.port === 0) await new Promise(setImmediate)
  return listener
}

describe('a client port', () => {
  let folder = ''
  const sockets: Socket[] = []
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'lockstep-listener-'))
  })
  after(() => rmSync(folder, { recursive: true }))
  afterEach(() => {
    for (const socket of sockets.splice(0)) socket.destroy()
  })

  it('is closed to those, too, who were still in their TLS handshake', async function () {
    this.timeout(60_000)
    const certificate = makeCertificate(folder, 'port')
    if (certificate === null) return this.skip()
    let engines = 0
    const engine: Engine = { receive() {}, isOpen: false, drained() {}, closed() {}, shutdown() {} }
    const listener = await opened(8, { ...certificate, clientCaFile: null, clientCertificate: 'optional' }, () => {
      engines += 1
      return engine
    })
    const { port } = listener
    /** A client that connects, and begins to talk TLS only after `between`. */
    const late = async (between: () => void): Promise<Socket> => {
      const raw = connect(port, '127.0.0.1')
      await once(raw, 'connect')
      // Connections are taken in order: the server has this one when it has answered another.
      const other = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false })
      await once(other, 'secureConnect')
      between()
      const secure = connectTls({ socket: raw, rejectUnauthorized: false })
      secure.on('error', () => {})
      sockets.push(raw, other, secure)
      return secure
    }
    await once(await late(() => {}), 'secureConnect')
    while (engines < 2) await new Promise(setImmediate)
    const outside = await late(() => listener.close('test'))
    outside.resume()
    await once(outside, 'close')
    assert.ok(engines <= 3, 'at most the one that came before it')
  })

  it('does not throw out for a flood who was let in a turn after it had introduced itself, and only listens', async () => {
    const listener = await opened(1, null, output => {
      const engine = {
        isOpen: false,
        receive: () => {
          setImmediate(() => {
            engine.isOpen = true
            output.write(Buffer.from('welcome'))
          })
        },
        drained() {},
        closed() {},
        shutdown() {},
      }
      return engine
    })
    const client = (): Socket => {
      const socket = connect(listener.port, '127.0.0.1').on('error', () => {})
      sockets.push(socket)
      return socket
    }
    const listening = client()
    listening.write('hello')
    await once(listening, 'data')
    const silent = Array.from({ length: 70 }, client)
    const first = await Promise.race([listening, ...silent].map(socket => once(socket, 'close').then(() => socket)))
    listener.close('test')
    assert.ok(first !== listening)
  })
})
