// Strangers at all three ports of a running pair: what is no protocol, what stops in the middle, what is too large, what
// comes in hundreds. The client that is served at the same time must not notice.
import assert from 'node:assert/strict'
import { monotonic } from '../support/drill.ts'
import { allShut, eventually, flood, hangUp, noise, pause, portOf, Rude, Served } from './ground.ts'
import { story } from './lanes.ts'
import { patient } from '../support/patience.ts'

const AMQP = Buffer.from('AMQP\x00\x01\x00\x00')
const SASL = Buffer.from('AMQP\x03\x01\x00\x00')
/** `open` with a container id, as the first frame. */
const OPEN = Buffer.from('0000001502000000005310c00801a1056e6f626479', 'hex')
const frame = (size: number, type = 0): Buffer => {
  const head = Buffer.alloc(8)
  head.writeUInt32BE(size)
  head[4] = 2
  head[5] = type
  return head
}
const webSocket = (path = '/back-channel', protocol = 'lockstep'): Buffer =>
  Buffer.from(
    `GET ${path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n` +
      `Sec-WebSocket-Key: ${noise(16).toString('base64')}\r\nSec-WebSocket-Protocol: ${protocol}\r\n\r\n`,
  )
/** A WebSocket frame of a client, with a mask of zeros. */
const message = (length: number, body = noise(Math.min(length, 1024))): Buffer => {
  const head = Buffer.alloc(14)
  head[0] = 0x82
  head[1] = 0x80 | 127
  head.writeBigUInt64BE(BigInt(length), 2)
  return Buffer.concat([head, body])
}
const http = (text: string): Buffer => Buffer.from(text.replaceAll('\n', '\r\n'))

story('strangers at the ports of a running pair', lane => {
  let served: Served
  const ports = () => {
    const { drill, active } = served
    const ha = portOf(drill, active)
    return { amqp: drill.amqp[active], admin: drill.admin[active], ha }
  }

  lane.before = async () => {
    served = await Served.start({ 'limits.connections': 200 })
  }
  lane.after = () => served?.end()
  lane.afterEach = failed => {
    if (failed) console.log(served.drill.logs().split('\n').slice(-60).join('\n'))
  }

  lane.step('AMQP: garbage, other protocols, impossible frames end their connection only', async () => {
    const { amqp } = ports()
    const bad = [
      noise(8),
      noise(4096),
      noise(1_000_000),
      http('GET / HTTP/1.1\nHost: x\n\n'),
      Buffer.from('1603010200010001fc0303', 'hex'), // the beginning of TLS
      Buffer.from('AMQP\x00\x00\x09\x01'), // 0-9-1
      Buffer.from('101000044d5154540402003c', 'hex'), // MQTT
      Buffer.concat([AMQP, frame(0xffffffff)]),
      Buffer.concat([AMQP, frame(3)]),
      Buffer.concat([AMQP, frame(8, 7)]),
      Buffer.concat([AMQP, frame(512), noise(504)]),
      Buffer.concat([AMQP, OPEN, frame(0x7fffffff)]),
      Buffer.concat([AMQP, OPEN, frame(1000), noise(992)]),
      Buffer.concat([SASL, frame(64, 1), noise(56)]),
      Buffer.concat([SASL, frame(0x00ffffff, 1)]),
    ]
    await served.unhurt(async () => {
      const rude = bad.flatMap(bytes => flood(6, amqp, bytes))
      await allShut(rude, 4000)
      for (const one of rude) assert.ok(one.heard.length < 4096)
    })
  })

  lane.step(
    'AMQP: more connections than allowed are refused, those inside go on, and there is room again after',
    async () => {
      const { amqp } = ports()
      const server = served.drill.server(served.active)
      const lines = server.lines.length
      await served.unhurt(async () => {
        const rude = flood(600, amqp, AMQP, OPEN)
        await eventually('those beyond the limit are shut', () => rude.filter(one => one.isClosed).length >= 600 - 200)
        const refused = rude.filter(one => one.isClosed && one.heard.includes('amqp:resource-limit-exceeded')).length
        assert.ok(refused > 0, 'some of those refused were told why')
        const idle = rude.filter(one => !one.isClosed)
        assert.ok(idle.length > 100 && idle.length <= 200, `${idle.length} are inside`)
        hangUp(rude)
        await pause(100)
        const polite = new Rude(amqp, AMQP, OPEN)
        await eventually('an open is answered', () => polite.heard.length > 20)
        assert.ok(!polite.isClosed)
        hangUp([polite])
      })
      const said = server.lines.slice(lines).filter(line => line.text.includes('AMQP-CONNECTIONS'))
      assert.ok(said.length > 0 && said.length <= 12, `${said.length} lines on the console`)
    },
  )

  lane.step('AMQP: hundreds of silent connections shut no client out', async () => {
    const { amqp } = ports()
    await served.unhurt(async () => {
      const silent = flood(500, amqp, AMQP)
      await pause(200)
      for (let i = 0; i < 5; i++) {
        const polite = new Rude(amqp, AMQP, OPEN)
        await eventually('an open is answered', () => polite.heard.length > 20, 2000)
        hangUp([polite])
      }
      assert.ok(silent.filter(one => !one.isClosed).length <= 264)
      hangUp(silent)
    })
  })

  lane.step(
    'back channel: garbage, oversized frames, other paths and hundreds at once leave the channel up',
    async () => {
      const { ha } = ports()
      const server = served.drill.server(served.active)
      const lines = server.lines.length
      await served.unhurt(async () => {
        const bad = [
          noise(100_000),
          http('GET / HTTP/1.1\nHost: x\n\n'),
          http(`GET / HTTP/1.1\nX: ${'x'.repeat(100_000)}\n\n`),
          webSocket('/else'),
          webSocket('/back-channel', 'mqtt'),
          Buffer.concat([webSocket(), message(2 ** 40)]),
          Buffer.concat([webSocket(), message(1024)]),
          Buffer.concat([webSocket(), ...Array.from({ length: 50 }, (_, i) => message(8, noise(8, i)))]),
          Buffer.concat([webSocket(), Buffer.from([0x81, 0x80, 0, 0, 0, 0])]), // text
          Buffer.concat([webSocket(), Buffer.from([0xff, 0xff, 0xff])]),
        ]
        await allShut(
          bad.flatMap(bytes => flood(6, ha, bytes)),
          6000,
        )
        // In portions: one beyond the listen queue would never learn that it was not let in.
        const silent: Rude[] = []
        const words = [[], [webSocket().subarray(0, 40)], [webSocket()], [webSocket(), message(2000, noise(100))]]
        for (let i = 0; i < 8; i++) {
          for (const said of words) silent.push(...flood(12, ha, ...said))
          await pause(50)
        }
        await allShut(silent, 8000)
      })
      const said = server.lines.slice(lines).filter(line => /CHANNEL-/.test(line.text))
      assert.ok(said.length > 0, 'the console tells of strangers')
      assert.ok(said.length < 30, `${said.length} lines for 444 connections`)
      assert.ok(
        !server.lines.slice(lines).some(line => /is down(?!.*SILENCE)/.test(line.text)),
        'the channel stayed up',
      )
    },
  )

  lane.step('back channel: while strangers fill it, a channel that was lost comes back', async () => {
    const { drill, client } = served
    const { ha } = ports()
    let going = true
    const crowd = (async () => {
      while (going) {
        const rude = [...flood(30, ha, webSocket()), ...flood(30, ha)]
        await pause(50)
        hangUp(rude.slice(0, 20))
      }
    })()
    try {
      await pause(300)
      drill.healChannel() // drops both connections
      await drill.settled(15_000)
      await client.progress(200)
    } finally {
      going = false
      await crowd
    }
  })

  lane.step('AMQP and admin: half a handshake or request is not waited for longer than its limit', async () => {
    const { amqp, admin } = ports()
    const bad = [
      noise(100_000),
      http(`GET /status HTTP/1.1\nHost: x\nX: ${'x'.repeat(100_000)}\n\n`),
      http('POST /stop HTTP/1.1\nHost: evil.example\nOrigin: http://evil.example\nContent-Length: 0\n\n'),
      http(`POST /force-active HTTP/1.1\nHost: localhost\nContent-Length: 900000\n\n${'x'.repeat(900_000)}`),
      http('POST /force-active HTTP/1.1\nHost: localhost\nContent-Length: 1\n\n{'),
      http('POST /force-active HTTP/1.1\nHost: localhost\nContent-Length: 900\n\n{'),
      http('GET /../../etc/passwd HTTP/1.1\nHost: localhost\n\n'),
      http('GET /quarantine/..%2f..%2fstore.json HTTP/1.1\nHost: localhost\n\n'),
      http('CONNECT x:1 HTTP/1.1\nHost: localhost\n\n'),
      webSocket(),
      message(2 ** 40),
    ]
    await served.unhurt(async () => {
      const began = monotonic()
      const slow = [...flood(40, amqp), ...flood(40, amqp, AMQP), ...flood(40, amqp, AMQP, OPEN.subarray(0, 9))]
      // One that drips is not better off than one that is silent.
      const dripping = new Rude(amqp, AMQP)
      let at = 0
      const drip = setInterval(() => dripping.socket.write(OPEN.subarray(at, ++at)), 1500)
      const rude = bad.flatMap(bytes => flood(4, admin, bytes))
      await eventually(
        'each is answered or shut',
        () => rude.every(one => one.isClosed || one.heard.length > 0),
        patient(14_000),
      )
      for (const one of rude) assert.doesNotMatch(one.heard.toString('latin1'), /^HTTP\/1.1 2|root:|storeId/)
      hangUp(rude)
      await allShut([...slow, dripping], 13_000).finally(() => clearInterval(drip))
      assert.ok(monotonic() - began > 5000, 'a slow client had its time')
    })
  })

  lane.step('admin: hundreds of idle connections do not shut out the health check of a load balancer', async () => {
    const { admin } = ports()
    await served.unhurt(async () => {
      const rude = [...flood(300, admin), ...flood(300, admin, http('GET /status HTTP/1.1\nHost: local'))]
      await pause(300)
      for (let i = 0; i < 5; i++) {
        const check = new Rude(admin, http('GET /health/active HTTP/1.1\nHost: localhost\nConnection: close\n\n'))
        await check.shut(2000)
        assert.match(check.heard.toString('latin1'), /^HTTP\/1.1 200/)
        await pause(50)
      }
      // That they were shut comes to this process when it comes.
      await eventually('few of them stay', () => rude.filter(one => !one.isClosed).length <= 64, patient(5000))
      hangUp(rude)
    })
  })

  lane.step('lost nothing, and the passive server is as it was', async () => {
    await served.drill.settled()
    await served.nothingLost()
  })
})
