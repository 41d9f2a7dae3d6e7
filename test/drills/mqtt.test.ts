// Real processes and a stock client, mqtt.js, with both addresses: what MQTT promises holds when the active server is
// killed in the middle, in both protocol versions at once.

import assert from 'node:assert/strict'
import { connect, type IClientOptions, type MqttClient } from 'mqtt'
import { checkAcks, Drill, other, type Label } from '../support/drill.ts'

const monotonic = (): number => Number(process.hrtime.bigint()) / 1e6

async function until(what: string, holds: () => boolean, withinMs = 40_000): Promise<void> {
  const end = monotonic() + withinMs
  while (!holds()) {
    if (monotonic() > end) throw new Error(`not within ${withinMs} ms: ${what}`)
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}

describe('MQTT drills with real processes', function () {
  this.timeout(120_000)
  let drill: Drill
  let active: Label
  const clients: MqttClient[] = []
  const stops: (() => void)[] = []

  /** `took` hears from the first message on: those of a session come right after its CONNACK. */
  const client = async (
    protocolVersion: 4 | 5,
    options: IClientOptions,
    took: (topic: string, payload: Buffer) => void = () => {},
  ): Promise<MqttClient> => {
    const servers = (['primary', 'secondary'] as const).map(label => ({
      host: '127.0.0.1',
      port: drill.mqtt[label],
      protocol: 'mqtt' as const,
    }))
    const made = connect({
      servers,
      protocolVersion,
      reconnectPeriod: 50,
      connectTimeout: 5000,
      ...(protocolVersion === 5 ? { properties: { sessionExpiryInterval: 3600 } } : {}),
      ...options,
    })
    // A server that is gone is no reason to give up: the next one is tried.
    made.on('error', () => {})
    made.on('message', took)
    await until('a client is connected', () => made.connected)
    clients.push(made)
    return made
  }

  before(async () => {
    drill = await Drill.make()
    drill.start('primary')
    drill.start('secondary')
    active = await drill.settled()
  })

  afterEach(async function () {
    if (this.currentTest?.state !== 'failed') return
    console.log(drill.logs().split('\n').slice(-80).join('\n'))
    console.log(await drill.describe())
  })

  after(async () => {
    for (const stop of stops) stop()
    for (const each of clients) each.end(true)
    await drill?.end()
  })

  /** The broker of the active server dies; the other one serves, and the dead one comes back as its follower. */
  const kill = async (): Promise<void> => {
    drill.server(active).signal('broker', 'SIGKILL')
    const next = other(active)
    await until(`${next} serves`, () => drill.server(next).lines.some(line => line.text.includes('STANDALONE')))
  }
  const heal = async (): Promise<void> => {
    if (!drill.server(active).running) drill.start(active)
    active = await drill.settled(60_000)
  }

  it('QoS 2 is exactly-once both ways, QoS 1 at least once, in order, through two kill -9', async () => {
    const flows = await Promise.all(
      ([4, 5] as const).map(async version => {
        const taker = await client(version, { clientId: `taker-${version}`, clean: false })
        const giver = await client(version, { clientId: `giver-${version}`, clean: false })
        const got: Record<string, number[]> = { once: [], least: [] }
        taker.on('message', (topic, payload) => got[topic.split('/')[0] as string]?.push(Number(payload.toString())))
        await taker.subscribeAsync([`once/${version}`, `least/${version}`], { qos: 2 })
        const flow = { got, sent: 0, answered: 0, stop: false, giver, version }
        const send = (): void => {
          if (flow.stop) return
          if (flow.sent - flow.answered < 100) {
            const number = ++flow.sent
            for (const [topic, qos] of [
              ['once', 2],
              ['least', 1],
            ] as const)
              giver.publish(`${topic}/${version}`, String(number), { qos }, error => {
                assert.ok(!error, String(error))
                if (qos === 2) flow.answered++
              })
          }
          setTimeout(send, 1)
        }
        send()
        stops.push(() => (flow.stop = true))
        return flow
      }),
    )
    const progress = (by: number) => {
      const from = flows.map(flow => flow.answered)
      return until('more is answered', () => flows.every((flow, i) => flow.answered >= (from[i] as number) + by))
    }
    await progress(300)
    for (let round = 0; round < 2; round++) {
      await kill()
      await progress(200)
      await heal()
      await progress(200)
    }
    for (const flow of flows) flow.stop = true
    await until('everything is answered', () => flows.every(flow => flow.answered === flow.sent))
    await until('everything has come', () =>
      flows.every(
        flow => (flow.got['once']?.length ?? 0) >= flow.sent && new Set(flow.got['least']).size === flow.sent,
      ),
    )
    for (const { got, sent, version } of flows) {
      assert.deepEqual(
        got['once'],
        Array.from({ length: sent }, (_, i) => i + 1),
        `version ${version}: once, in order`,
      )
      assert.ok(sent > 1000, `${sent} sent`)
    }
    assert.deepEqual(checkAcks(drill.acks()), [])
  })

  it('messages for who is away, a retained one and a will survive the kill', async () => {
    const taker = await client(5, { clientId: 'away', clean: false })
    await taker.subscribeAsync('away/#', { qos: 1 })
    await taker.endAsync()
    const giver = await client(4, { clientId: 'giver', clean: true })
    for (let i = 0; i < 50; i++) await giver.publishAsync('away/a', `m${i}`, { qos: i % 2 ? 1 : 2 })
    await giver.publishAsync('kept/a', 'kept', { qos: 1, retain: true })
    const doomed = await client(5, {
      clientId: 'doomed',
      will: { topic: 'away/will', payload: Buffer.from('gone'), qos: 1, retain: false },
    })
    // It goes without a word, and does not come back.
    doomed.options.reconnectPeriod = 0
    await kill()
    doomed.end(true)
    const got: string[] = []
    const take = (_: string, payload: Buffer): void => void got.push(payload.toString())
    const back = await client(5, { clientId: 'away', clean: false }, take)
    await back.subscribeAsync('kept/#', { qos: 1 })
    await until('all have come', () => got.length >= 52)
    assert.deepEqual(
      got.filter(text => text.startsWith('m')),
      Array.from({ length: 50 }, (_, i) => `m${i}`),
    )
    assert.ok(got.includes('kept'))
    await until('the will has come', () => got.includes('gone'))
    await heal()
    assert.deepEqual(checkAcks(drill.acks()), [])
  })
})
