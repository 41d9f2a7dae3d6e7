// The admin port on the real network: garbage, floods and half requests do no harm and leave nothing behind.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request } from 'node:http'
import { connect } from 'node:net'
import { ADMIN_LIMITS, openAdminPort, type AdminPort } from '../../src/server/admin-http.ts'
import { FakeSubject } from './subject.ts'

/** What the log was told of the last port opened. */
let said: string[] = []

const open = (subject: FakeSubject, port = 0): Promise<AdminPort> =>
  new Promise((resolve, reject) =>
    openAdminPort(
      { host: '127.0.0.1', port, token: null, subject, log: (_, line) => said.push(line) },
      (error, opened) => (opened === null ? reject(error as Error) : resolve(opened)),
    ),
  )

interface Told {
  status: number
  text: string
}

function ask(port: number, method: string, path: string, body: string | Buffer = ''): Promise<Told> {
  return new Promise((resolve, reject) => {
    const call = request(
      { port, host: '127.0.0.1', method, path, agent: false, headers: { 'content-length': Buffer.byteLength(body) } },
      response => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString('latin1') }),
        )
        response.on('error', reject)
      },
    )
    call.on('error', reject)
    call.end(body)
  })
}

/** Sends bytes and returns what comes back until the server closes. */
async function raw(port: number, bytes: string | Buffer, end = false): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  let text = ''
  socket.on('data', chunk => (text += chunk.toString('latin1')))
  socket.on('error', () => {})
  await once(socket, 'connect')
  if (end) socket.end(bytes)
  else socket.write(bytes)
  await once(socket, 'close')
  return text
}

describe('admin: the port', () => {
  let subject: FakeSubject
  let port: AdminPort
  beforeEach(async () => {
    subject = new FakeSubject()
    said = []
    port = await open(subject)
  })
  afterEach(() => new Promise<void>(resolve => port.close(resolve)))

  it('answers, with status and length', async () => {
    assert.equal((await ask(port.port, 'GET', '/health/active')).status, 200)
    assert.deepEqual(JSON.parse((await ask(port.port, 'POST', '/switchover')).text), { done: true })
    assert.equal((await ask(port.port, 'POST', '/force-active', '{"acceptLoss":true,"reason":"drill"}')).status, 200)
    assert.deepEqual(subject.calls, ['switchover', 'force drill'])
  })

  it('answers HEAD without a body, and does not tell it as an order', async () => {
    const told = await raw(port.port, 'HEAD /health/active HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n')
    assert.match(told, /^HTTP\/1\.1 200 [^]*content-length: 16\r\n[^]*\r\n\r\n$/)
    subject.report = { ...subject.report, serving: false }
    assert.equal((await ask(port.port, 'HEAD', '/health/active')).status, 503)
    assert.equal((await ask(port.port, 'HEAD', '/quarantine/q%201')).text, '')
    assert.deepEqual([subject.closedReaders, said], [1, []])
  })

  it('exports a quarantine as JSON lines and binary', async () => {
    const lines = (await ask(port.port, 'GET', '/quarantine/q%201')).text.trimEnd().split('\n')
    assert.deepEqual(lines.map(line => JSON.parse(line) as unknown)[0], { line: 5 })
    assert.equal(lines.length, 3)
    const binary = (await ask(port.port, 'GET', '/quarantine/q%201?form=binary')).text
    assert.equal(binary, '\0\0\0\u0002b5\0\0\0\u0002b6\0\0\0\u0002b7')
    assert.equal(subject.closedReaders, 2)
  })

  it('cuts an export off where reading fails, so that half of it does not look whole', async () => {
    subject.openQuarantine = () => ({
      next: done => done(new Error('disk'), null),
      line: () => ({ line: 0 }),
      close: () => void subject.closedReaders++,
    })
    await assert.rejects(ask(port.port, 'GET', '/quarantine/q%201'))
    assert.equal(subject.closedReaders, 1)
  })

  it('refuses a body that is too large', async () => {
    const told = await ask(port.port, 'POST', '/force-active', Buffer.alloc(ADMIN_LIMITS.bodyBytes + 1)).catch(
      () => null,
    )
    if (told !== null) assert.equal(told.status, 413)
    assert.deepEqual(subject.calls, [])
  })

  it('survives garbage', async () => {
    for (const bytes of [
      Buffer.from(Array.from({ length: 500 }, (_, i) => (i * 7919) & 255)),
      'GET\r\n\r\n',
      'AMQP\0\u0001\0\0',
      `GET /status HTTP/1.1\r\nhost: x\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`,
      'POST /stop HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: -5\r\n\r\n',
      'POST /stop HTTP/1.1\r\nhost: 127.0.0.1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n',
      'CONNECT x:1 HTTP/1.1\r\nhost: x\r\n\r\n',
      'GET /status HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n',
    ])
      assert.doesNotMatch(await raw(port.port, bytes), /^HTTP\/1\.1 200/)
    await raw(port.port, 'POST /stop HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 100\r\n\r\nhalf', true)
    assert.deepEqual(subject.calls, [], 'half a request does nothing')
    assert.equal((await ask(port.port, 'GET', '/health/live')).status, 200)
  })

  it('bounds connections, and serves again when they are gone', async () => {
    const sockets = Array.from({ length: ADMIN_LIMITS.connections + 20 }, () =>
      connect(port.port, '127.0.0.1').on('error', () => {}),
    )
    await Promise.all(sockets.slice(0, 20).map(s => once(s, 'close')))
    assert.equal((await ask(port.port, 'GET', '/health/live')).status, 200, 'silent ones shut nobody out')
    sockets.forEach(s => s.destroy())
    for (let tries = 0; ; tries++) {
      const told = await ask(port.port, 'GET', '/health/live').catch(() => null)
      if (told?.status === 200) break
      assert.ok(tries < 100, 'the port came back')
      await new Promise(resolve => setImmediate(resolve))
    }
  })

  it('says which port is taken', async () => {
    await assert.rejects(open(new FakeSubject(), port.port), (error: Error & { code?: string }) => {
      assert.equal(error.code, 'ADMIN-PORT')
      assert.ok(error.message.includes(String(port.port)))
      return true
    })
  })
})
