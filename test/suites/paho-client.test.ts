// Debian's paho-mqtt for Python (python3-paho-mqtt) against a pair of real processes: both versions, TCP, TLS and
// WebSocket, and every quality over a kill -9 of the server that serves, with both addresses.

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { checkAcks } from '../support/drill.ts'
import { finished, labels, PASSWORD, PYTHON, suiteOf, upTo, USER, versionOf, type Running } from './ground.ts'

const CLIENT = join(import.meta.dirname, 'paho-client.py')

/**
 * Numbers of the messages that the library published again after it had sent their PUBREL, which MQTT-4.3.3-1 of 3.1.1 and
 * MQTT-4.3.3-6 of 5.0 forbid: the server must take them for new messages. paho-mqtt 1.6.1 does that now and then when it
 * connects again.
 */
function publishedAnew(lines: readonly string[]): Set<number> {
  const numbers = new Map<string, number>()
  const released = new Set<string>()
  const anew = new Set<number>()
  for (const line of lines) {
    const [word, what = '', , id = ''] = line.split(' ')
    if (word === 'number') numbers.set(id, Number(what))
  }
  for (const line of lines) {
    const [word, packet, id = ''] = line.split(' ')
    if (word !== 'sent') continue
    if (packet === 'PUBREL') released.add(id)
    else if (released.has(id)) anew.add(numbers.get(id) as number)
  }
  return anew
}

describe('paho-mqtt for Python', function () {
  this.timeout(120_000)
  const suite = suiteOf(
    () => versionOf(PYTHON, ['-c', 'import paho.mqtt; print(paho.mqtt.__version__)']) !== null,
    'python3-paho-mqtt',
  )

  const client = (wish: Record<string, unknown>): Running => {
    const ports = labels.map(label => suite.pair.drill.mqtt[label])
    return suite.start(PYTHON, [CLIENT, JSON.stringify({ ports, count: 0, qos: 1, ...wish })])
  }
  const payloads = (lines: readonly string[]): number[] =>
    lines.filter(line => line.startsWith('message ')).map(line => Number(line.split(' ')[3]))
  const subscribed = (of: Running): Promise<void> =>
    of.until('it is subscribed', lines => lines.some(line => line.startsWith('subscribed ')))

  for (const version of [4, 5]) {
    const name = version === 4 ? '3.1.1' : '5.0'
    it(`publishes and subscribes with every quality (${name})`, async () => {
      for (const qos of [0, 1, 2]) {
        const topic = `paho/${version}/${qos}`
        const taker = client({ do: 'subscribe', version, id: `taker-${version}`, topic, qos, count: 50 })
        await subscribed(taker)
        await finished(client({ do: 'publish', version, id: `giver-${version}`, topic, qos, count: 50 }))
        assert.deepEqual(payloads(await finished(taker)), upTo(50))
      }
    })

    it(`comes over TLS and WebSocket, with a name and a password (${name})`, async function () {
      const { ports, certificate, active } = suite.pair
      const ways: Record<string, unknown>[] = [{ transport: 'websockets', ports: [ports[active].mqttWs] }]
      if (certificate !== null) ways.push({ ca: certificate.certFile, ports: [ports[active].mqtts] })
      for (const [i, way] of ways.entries()) {
        const named = { version, user: USER, password: PASSWORD, topic: `way/${version}/${i}`, ...way }
        const taker = client({ do: 'subscribe', id: `wt-${version}-${i}`, count: 5, ...named })
        await subscribed(taker)
        await finished(client({ do: 'publish', id: `wg-${version}-${i}`, count: 5, ...named }))
        assert.deepEqual(payloads(await finished(taker)), upTo(5))
        const lines = await finished(client({ do: 'publish', id: `no-${version}`, ...named, password: 'wrong' }))
        assert.deepEqual(lines[0], `refused ${version === 5 ? 0x86 : 4} 0`)
      }
    })

    it(`a lasting session has everything over a kill -9 (${name})`, async () => {
      const count = 1000
      const topic = `over/${version}`
      const session = { version, clean: false, topic, qos: 2 }
      const taker = client({ do: 'subscribe', id: `ot-${version}`, count, ...session })
      await subscribed(taker)
      const giver = client({ do: 'publish', id: `og-${version}`, count, pace: 0.002, log: true, ...session })
      await giver.until('a quarter is answered', lines => lines.includes(`acknowledged ${count / 4}`))
      await suite.pair.kill()
      await finished(giver)
      const got = payloads(await finished(taker))
      assert.deepEqual(
        [...new Set(got)].toSorted((a, b) => a - b),
        upTo(count),
      )
      const twice = got.filter((number, i) => got.indexOf(number) !== i)
      const anew = publishedAnew(giver.lines)
      assert.deepEqual(
        twice.filter(number => !anew.has(number)),
        [],
        'only what the library itself published as new came twice',
      )
      assert.ok(taker.lines.filter(line => line === 'connected 0 1').length > 0, 'the session was there')
      await suite.pair.heal()
      assert.deepEqual(checkAcks(suite.pair.drill.acks()), [])
    })
  }
})
