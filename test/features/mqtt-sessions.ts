// Sessions of MQTT clients: what lasts, for how long, and what is published when a client does not come back.

import assert from 'node:assert/strict'
import type { IClientOptions } from 'mqtt'
import { propertiesOf, textOf, type Fields } from '../support/raw-mqtt.ts'
import type { FeatureList } from './feature.ts'
import { inBoth, lasting, raw, subscribedAway } from './mqtt-ground.ts'

const present = ({ connack }: { connack: Fields }): unknown => connack['sessionPresent']
const will = (topic: string, payload: string, more: Fields = {}): Fields => ({
  will: { topic, payload: Buffer.from(payload), qos: 1, retain: false, ...more },
})

export const mqttSessions: FeatureList = {
  file: 'mqtt-sessions',
  features: [
    {
      name: 'sessions that last',
      of: 'MQTT',
      promise: 'are there again, with their subscriptions and all that came meanwhile, in order',
      more: 'mqtt.md#across-a-failover',
      begin: inBoth(async (ground, version, name) => {
        const fields = lasting(version, name('lasts'))
        const first = await raw(ground, fields, version)
        assert.equal(present(first), false)
        await first.subscribe(name('lasts/+'))
        await first.subscribe(name('lasts-not/+'))
        first.send('unsubscribe', { messageId: 2, unsubscriptions: [name('lasts-not/+')] })
        await first.next('unsuback')
        await first.leave()
        const giver = await raw(ground, { clientId: name('lasts-giver') }, version)
        for (const [i, text] of ['1', '2', '3'].entries()) await giver.publish(name('lasts/a'), text, { qos: 1 + (i % 2) }) // prettier-ignore
        await giver.leave()
        return async () => {
          const again = await raw(ground, { clientId: name('lasts-giver') }, version)
          await again.publish(name('lasts-not/a'), 'not')
          await again.publish(name('lasts/b'), '4')
          const second = await raw(ground, fields, version)
          assert.equal(present(second), true)
          assert.deepEqual(await second.texts(4), ['1', '2', '3', '4'])
          // It was away: nothing has been sent before. The record of that may come right after the first message.
          const fresh = second.seen.filter(({ cmd }) => cmd === 'publish').slice(ground.run === 'straight' ? 0 : 1)
          assert.ok(fresh.every(packet => packet['dup'] === false))
        }
      }),
    },
    {
      name: 'clean start',
      of: 'MQTT',
      promise: 'ends the session that was there: nothing of it comes again, and neither does it at a later time',
      more: 'mqtt.md#across-a-failover',
      begin: inBoth(async (ground, version, name) => {
        const fields = lasting(version, name('clean'))
        for (const client of ['clean', 'clean-later']) {
          await subscribedAway(ground, lasting(version, name(client)), name('clean'), { version })
        }
        const giver = await raw(ground, { clientId: name('clean-giver') }, version)
        await giver.publish(name('clean'), 'old')
        const anew = await raw(ground, { ...fields, clean: true }, version)
        assert.equal(present(anew), false)
        await anew.leave()
        return async () => {
          // Of 3.1.1 that session ended with its connection; of 5.0 it lasts, and is empty.
          const back = await raw(ground, fields, version)
          assert.equal(present(back), version === 5)
          const later = await raw(ground, { ...lasting(version, name('clean-later')), clean: true }, version)
          assert.equal(present(later), false)
          for (const client of [back, later]) {
            await client.subscribe(name('clean'))
            await client.publish(name('clean'), 'new')
            assert.equal(textOf(await client.next('publish')), 'new')
          }
        }
      }),
    },
    {
      name: 'a session is taken over by the next connection',
      of: 'MQTT',
      promise: 'the older one is told 0x8E, and the newer one has the session',
      more: 'mqtt.md',
      async begin(ground) {
        const fields = lasting(5, ground.name('taken'))
        const first = await raw(ground, fields)
        await first.subscribe(ground.name('taken'))
        const takeOver = async (): Promise<void> => {
          const [one, two] = [await raw(ground, fields), await raw(ground, fields)]
          assert.equal((await one.next('disconnect'))['reasonCode'], 0x8e)
          await one.closed()
          assert.equal(present(two), true)
          await two.publish(ground.name('taken'), 'mine')
          const { messageId } = await two.next('publish', packet => packet['dup'] === false)
          two.send('puback', { messageId })
        }
        await takeOver()
        return takeOver
      },
    },
    {
      name: 'an identifier that is assigned',
      of: 'MQTT',
      promise: 'is told, and the session is found by it',
      more: 'mqtt.md',
      async begin(ground) {
        const fields = lasting(5, '')
        const first = await raw(ground, { ...fields, clean: true })
        const clientId = propertiesOf(first.connack)['assignedClientIdentifier'] as string
        const other = await raw(ground, { ...fields, clean: true })
        assert.notEqual(propertiesOf(other.connack)['assignedClientIdentifier'], clientId)
        await Promise.all([first.leave(), other.leave()])
        return async () => {
          const back = await raw(ground, { ...fields, clientId })
          assert.equal(present(back), true)
          assert.equal(propertiesOf(back.connack)['assignedClientIdentifier'], undefined)
        }
      },
    },
    // What waits for a time comes last: clients have 10 s to come back after a failover, and they pass once for all of it.
    {
      name: 'wills',
      of: 'MQTT',
      promise:
        'are published when a client goes without a word, or does not come back within 10 s of a failover; not when it says goodbye or comes back',
      more: 'mqtt.md#across-a-failover',
      begin: inBoth(async (ground, version, name) => {
        const topic = (text: string): string => name(`will/${text}`)
        const watching = lasting(version, name('watcher'))
        const watcher = await raw(ground, watching, version)
        await watcher.subscribe(name('will/+'), { qos: 1 })
        const doomed = (text: string, more: Fields = {}) =>
          raw(ground, lasting(version, name(text), will(topic(text), text, more)), version)
        const polite = await doomed('polite')
        const lost = await doomed('lost')
        const kept = await doomed('kept', { retain: true })
        // A stock client, which comes back by itself.
        const returning = lasting(version, name('back'), will(topic('back'), 'back'))
        await ground.mqtt({ ...(returning as IClientOptions), protocolVersion: version })
        await polite.leave()
        if (ground.run === 'straight') {
          await lost.vanish()
          await kept.vanish()
        }
        return async () => {
          const sees = ground.run === 'straight' ? watcher : await raw(ground, watching, version)
          assert.deepEqual((await sees.texts(2)).toSorted(), ['kept', 'lost'])
          await sees.publish(topic('end'), 'end')
          assert.deepEqual(await sees.texts(1), ['end'])
          const late = await raw(ground, { clientId: name('late') }, version)
          await late.subscribe(name('will/+'))
          const retained = await late.next('publish')
          assert.deepEqual([textOf(retained), retained['retain']], ['kept', true])
        }
      }),
    },
    {
      name: 'wills with a delay, and sessions with an expiry',
      of: 'MQTT',
      promise:
        'the will waits for its delay, or for the end of the session if that is earlier; what is longer than the failover lasts',
      more: 'mqtt.md#across-a-failover',
      async begin(ground) {
        const name = (text: string): string => ground.name(`delay/${text}`)
        const watching = lasting(5, name('watcher'))
        const watcher = await raw(ground, watching)
        await watcher.subscribe(name('+'), { qos: 1 })
        const client = (text: string, delay: number, expiry: number): Fields =>
          lasting(5, name(text), {
            ...will(name(text), text, { properties: { willDelayInterval: delay } }),
            properties: { sessionExpiryInterval: expiry },
          })
        const rows = { delayed: [1, 3600], ended: [3600, 1], waits: [3600, 3600] } as const
        const fields = Object.entries(rows).map(([text, [delay, expiry]]) => client(text, delay, expiry))
        const clients = await Promise.all(fields.map(each => raw(ground, each)))
        // A stock client, which comes back by itself and in time.
        const returning = await ground.mqtt(client('back', 1, 3600) as IClientOptions)
        if (ground.run === 'straight') {
          await Promise.all(clients.map(each => each.vanish()))
          const back = new Promise<void>(resolve => returning.once('connect', () => resolve()))
          returning.stream.destroy()
          await back
        }
        return async () => {
          const [delayed, ended, waits] = fields as [Fields, Fields, Fields]
          const sees = ground.run === 'straight' ? watcher : await raw(ground, watching)
          // `ended` has its will at the end of its session, a second after it was lost.
          assert.deepEqual((await sees.texts(2)).toSorted(), ['delayed', 'ended'])
          assert.equal(present(await raw(ground, ended)), false)
          assert.equal(present(await raw(ground, delayed)), true)
          assert.equal(present(await raw(ground, waits)), true)
          await returning.publishAsync(name('end'), 'end', { qos: 1 })
          assert.deepEqual(await sees.texts(1), ['end'])
        }
      },
    },
  ],
}
