// Certificates that change while a port is open, and clients that show one of their own.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls'
import type { Visitor } from '../../src/broker/access.ts'
import { Listener, type Engine } from '../../src/server/listener.ts'
import type { TlsFiles } from '../../src/server/tls-files.ts'
import { visitorOf } from '../../src/server/visitor.ts'
import { makeCertificate, type TestCertificate } from '../support/certificates.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

const engine: Engine = { receive() {}, isOpen: false, drained() {}, closed() {}, shutdown() {} }

describe('certificates of a client port', () => {
  let folder = ''
  let made: Record<'old' | 'new' | 'client' | 'stranger', TestCertificate> | null = null
  let listener: Listener | null = null
  const clients: TLSSocket[] = []

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'lockstep-tls-'))
    const make = (name: string): TestCertificate | null => makeCertificate(folder, name)
    const [old, renewed, client, stranger] = [make('old'), make('new'), make('client'), make('stranger')]
    if (old && renewed && client && stranger) made = { old, new: renewed, client, stranger }
  })
  after(() => rmSync(folder, { recursive: true }))
  afterEach(() => {
    for (const client of clients.splice(0)) client.destroy()
    listener?.close('over')
  })

  const open = async (files: Partial<TlsFiles>) => {
    const clock = new VirtualClock()
    const log: string[] = []
    const visitors: Visitor[] = []
    const all: TlsFiles = { certFile: join(folder, 'c'), keyFile: join(folder, 'k'), clientCaFile: null, clientCertificate: 'optional', ...files } // prettier-ignore
    listener = new Listener({
      host: '127.0.0.1',
      port: 0,
      tls: all,
      web: null,
      purpose: 'test',
      key: 'test',
      connections: 8,
      engine: (_, socket) => {
        visitors.push(visitorOf(socket))
        return engine
      },
      failed: error => assert.fail(error.message),
      clock: clock.host,
      log: (level, line) => void log.push(`${level} ${line}`),
    })
    listener.open()
    while (listener.port === 0) await new Promise(setImmediate)
    return { clock, log, visitors, port: listener.port }
  }
  const come = async (port: number, options: ConnectionOptions = {}): Promise<TLSSocket> => {
    const client = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options })
    clients.push(client)
    await once(client, 'secureConnect')
    return client
  }
  const use = ({ certFile, keyFile }: TestCertificate): void => {
    copyFileSync(certFile, join(folder, 'c'))
    copyFileSync(keyFile, join(folder, 'k'))
  }

  it('are read again when they change; what does not fit together changes nothing and is told', async function () {
    if (made === null) return this.skip()
    use(made.old)
    const { port, clock, log } = await open({})
    const first = await come(port)
    assert.equal(first.getPeerCertificate().subject.CN, 'old')
    copyFileSync(made.new.certFile, join(folder, 'c'))
    clock.advance(2001)
    assert.match(log.join(), /^warn SERVER-OLD-CERTIFICATE/)
    assert.equal((await come(port)).getPeerCertificate().subject.CN, 'old')
    use(made.new)
    clock.advance(2001)
    assert.match(log.at(-1) ?? '', /renewed/)
    assert.equal((await come(port)).getPeerCertificate().subject.CN, 'new')
    assert.equal(first.destroyed, false, 'who is connected stays so')
    rmSync(join(folder, 'k'))
    clock.advance(2001)
    assert.match(log.at(-1) ?? '', /^warn SERVER-OLD-CERTIFICATE/)
    assert.equal((await come(port)).getPeerCertificate().subject.CN, 'new')
  })

  it('of clients count where the signer is known, and nothing else does', async function () {
    if (made === null) return this.skip()
    use(made.old)
    const { client, stranger } = made
    const { port, visitors } = await open({ clientCaFile: client.certFile })
    const shown = ({ certFile, keyFile }: TestCertificate) => ({
      cert: readFileSync(certFile),
      key: readFileSync(keyFile),
    })
    for (const options of [shown(client), {}, shown(stranger)]) await come(port, options)
    while (visitors.length < 3) await new Promise(setImmediate)
    assert.deepEqual(
      visitors.map(v => v.certified),
      ['client', null, null],
    )
  })

  it('can be required of clients: the others get no connection', async function () {
    if (made === null) return this.skip()
    use(made.old)
    const { port, visitors } = await open({ clientCaFile: made.client.certFile, clientCertificate: 'required' })
    const outside = connect({ port, host: '127.0.0.1', rejectUnauthorized: false })
    clients.push(outside)
    outside.on('error', () => {})
    outside.resume()
    await new Promise<void>(resolve => outside.once('close', () => resolve()))
    assert.equal(visitors.length, 0)
  })
})
