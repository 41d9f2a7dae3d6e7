// The engine against a client that nobody here wrote: mqtt.js, both protocol versions, all qualities of service.

import assert from 'node:assert/strict'
import { connectAsync, type IClientOptions, type MqttClient } from 'mqtt'
import { FakeTopics } from '../../support/fake-topics.ts'
import { listen, type Listener } from './listener.ts'

for (const protocolVersion of [4, 5] as const)
  describe(`MQTT engine with mqtt.js, version ${protocolVersion}`, () => {
    let listener: Listener
    let topics: FakeTopics
    const clients: MqttClient[] = []

    before(async () => {
      topics = new FakeTopics()
      listener = await listen(topics)
    })
    after(async () => {
      for (const client of clients) await client.endAsync(true)
      await listener.close()
    })

    const client = async (options: IClientOptions = {}): Promise<MqttClient> => {
      const made = await connectAsync(`mqtt://127.0.0.1:${listener.port}`, {
        protocolVersion,
        reconnectPeriod: 0,
        ...options,
      })
      clients.push(made)
      return made
    }
    const next = (of: MqttClient, count = 1) =>
      new Promise<{ topic: string; text: string; qos: number; retain: boolean }[]>(done => {
        const got: { topic: string; text: string; qos: number; retain: boolean }[] = []
        const take = (topic: string, payload: Buffer, packet: { qos: number; retain: boolean }) => {
          got.push({ topic, text: payload.toString(), qos: packet.qos, retain: packet.retain })
          if (got.length < count) return
          of.off('message', take)
          done(got)
        }
        of.on('message', take)
      })

    for (const qos of [0, 1, 2] as const)
      it(`carries messages of QoS ${qos}, in order`, async () => {
        const taker = await client()
        const giver = await client()
        await taker.subscribeAsync(`a/${qos}/+`, { qos })
        const got = next(taker, 300)
        await Promise.all(Array.from({ length: 300 }, (_, i) => giver.publishAsync(`a/${qos}/x`, `m${i}`, { qos })))
        const all = await got
        assert.deepEqual(
          all.map(m => m.text),
          Array.from({ length: 300 }, (_, i) => `m${i}`),
        )
        assert.ok(all.every(m => m.qos === qos && !m.retain && m.topic === `a/${qos}/x`))
      })

    it('gives the lower of both qualities', async () => {
      const taker = await client()
      const giver = await client()
      await taker.subscribeAsync('low/#', { qos: 1 })
      const got = next(taker, 2)
      await giver.publishAsync('low/0', 'a', { qos: 0 })
      await giver.publishAsync('low/2', 'b', { qos: 2 })
      assert.deepEqual(
        (await got).map(m => m.qos),
        [0, 1],
      )
    })

    it('keeps the last retained message of a topic', async () => {
      const giver = await client()
      await giver.publishAsync('kept/a', 'one', { retain: true, qos: 1 })
      await giver.publishAsync('kept/a', 'two', { retain: true, qos: 1 })
      await giver.publishAsync('kept/b', 'gone', { retain: true, qos: 1 })
      await giver.publishAsync('kept/b', '', { retain: true, qos: 1 })
      const taker = await client()
      const got = next(taker)
      await taker.subscribeAsync('kept/#', { qos: 1 })
      assert.deepEqual(await got, [{ topic: 'kept/a', text: 'two', qos: 1, retain: true }])
    })

    it('ends the older of two connections of one client', async () => {
      const one = await client({ clientId: 'same' })
      const gone = new Promise<number>(done => {
        one.on('disconnect', packet => done(packet.reasonCode ?? -1))
        one.on('close', () => done(-1))
      })
      const two = await client({ clientId: 'same' })
      assert.equal(await gone, protocolVersion === 5 ? 0x8e : -1)
      assert.ok(two.connected)
    })

    it('refuses a wrong password, and says so', async () => {
      await assert.rejects(client({ username: 'ann', password: 'guess' }), (error: { code?: number }) => {
        assert.equal(error.code, protocolVersion === 5 ? 0x86 : 4)
        return true
      })
      assert.ok((await client({ username: 'ann', password: 'secret' })).connected)
    })
  })
