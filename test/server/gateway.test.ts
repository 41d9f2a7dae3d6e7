// The gateway's eyes: the sensor in virtual time, the ping and its responder over real sockets.

import assert from 'node:assert/strict'

import { GatewaySensor } from '../../src/ha/gateway.ts'
import { TcpPing, runGatewayResponder } from '../../src/server/tcp-ping.ts'
import { VirtualClock } from '../support/virtual-clock.ts'
import { patient } from '../support/patience.ts'

describe('the gateway sensor', () => {
  let clock: VirtualClock
  let answers: string
  let news: string[]
  let pings: number
  let sensor: GatewaySensor

  beforeEach(() => {
    clock = new VirtualClock()
    news = []
    pings = 0
    sensor = new GatewaySensor({
      clock: clock.host,
      intervalMs: 100,
      onChange: up => void news.push(`${clock.now} ${up ? 'up' : 'down'}`),
      ping: {
        // + answers, - is refused, . takes no notice
        ping(limitMs, done) {
          const answer = answers[pings++] ?? '+'
          clock.host.arrive(answer === '.' ? limitMs : 5, () => done(answer === '+'))
        },
      },
    })
  })
  const run = (script: string): string[] => {
    answers = script
    sensor.start()
    clock.advance(100 * script.length - 1)
    sensor.stop()
    return news
  }

  it('is up after one answer and down after two misses in a row', () => {
    assert.deepEqual(run('+-+--+-'), ['1005 up', '1405 down', '1505 up'])
  })

  it('says nothing before it knows, and finds a dead gateway in two intervals', () => {
    assert.deepEqual(run('...+'), ['1200 down', '1305 up'])
    assert.equal(sensor.up, true)
  })

  it('pings once per interval, never twice at once, and not after its end', () => {
    run('+++++.+++')
    const before = pings
    assert.ok(before >= 9 && before <= 10, String(before))
    clock.advance(5000)
    assert.equal(pings, before)
  })
})

describe('the ping of the gateway', () => {
  const ping = (port: number, host = '127.0.0.1'): Promise<boolean> =>
    new Promise(resolve => new TcpPing({ host, port }).ping(500, resolve))

  it('reaches the responder as often as one likes, and not a port where nothing is', async () => {
    const responder = await runGatewayResponder('127.0.0.1', 0)
    for (let i = 0; i < 20; i++) assert.equal(await ping(responder.port), true)
    assert.ok((await Promise.all(Array.from({ length: 200 }, () => ping(responder.port)))).every(Boolean))
    await assert.rejects(runGatewayResponder('127.0.0.1', responder.port), { code: 'SERVER-PORT-IN-USE' })
    responder.close()
    assert.equal(await ping(responder.port), false)
  })

  it('gives up in time where nothing answers at all', async () => {
    const started = performance.now()
    // An address that is set aside for documentation (RFC 5737).
    assert.equal(await ping(9, '192.0.2.1'), false)
    assert.ok(performance.now() - started < patient(2000))
  })
})
