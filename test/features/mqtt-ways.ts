// How MQTT clients come in, and how a server that leaves sends them to the other one.

import assert from 'node:assert/strict'
import type { IClientOptions } from 'mqtt'
import { other } from '../support/drill.ts'
import { propertiesOf } from '../support/raw-mqtt.ts'
import type { FeatureList } from './feature.ts'
import { inBoth, Inbox, lasting, raw } from './mqtt-ground.ts'

/** A session over this way, with both versions, goes on by itself. */
const over = (way: 'web' | 'tls', more: () => IClientOptions = () => ({})) =>
  inBoth(async (ground, version, name) => {
    const topic = name(way)
    const options = lasting(version, topic) as IClientOptions
    const client = await ground.mqtt({ over: way, protocolVersion: version, ...options, ...more() })
    const inbox = new Inbox(client)
    await client.subscribeAsync(topic, { qos: 2 })
    await client.publishAsync(topic, 'before', { qos: 2 })
    return async () => {
      await client.publishAsync(topic, 'x'.repeat(200_000), { qos: 2 })
      await client.publishAsync(topic, 'end', { qos: 2 })
      await inbox.until('end')
      assert.deepEqual(inbox.texts.map(text => text.length), [6, 200_000, 3]) // prettier-ignore
    }
  })

export const mqttWays: FeatureList = {
  file: 'mqtt-ways',
  features: [
    {
      name: 'MQTT over WebSocket',
      of: 'MQTT',
      promise: 'a session goes on with the other server by the same way, exactly once',
      more: 'mqtt.md',
      begin: over('web'),
    },
    {
      name: 'MQTT over TLS',
      of: 'MQTT',
      promise: 'a session goes on with the other server by the same way, exactly once',
      more: 'security.md#certificates',
      needs: 'certificates',
      begin: over('tls'),
    },
    // The last of all: the servers change their roles.
    {
      name: 'Server Reference at a switchover',
      of: 'MQTT',
      promise:
        'DISCONNECT 0x98 with the address of the other server, where the session is at once; its will is not published',
      more: 'mqtt.md',
      async begin(ground) {
        const { pair } = ground
        const name = (text: string): string => ground.name(`leaving/${text}`)
        const fields = lasting(5, name('client'))
        const first = await raw(ground, fields)
        await first.subscribe(name('+'))
        return async () => {
          await ground.standby()
          const will = { topic: name('will'), payload: Buffer.from('will'), qos: 1, retain: false }
          const client = await raw(ground, { ...fields, will })
          const old = await raw(ground, { clientId: ground.name('leaving-old') }, 4)
          const answer = await pair.drill.post(ground.active, '/switchover')
          assert.equal(answer.status, 200, answer.text)
          const goodbye = await client.next('disconnect')
          assert.equal(goodbye['reasonCode'], 0x98)
          const next = other(ground.active)
          assert.equal(propertiesOf(goodbye)['serverReference'], `127.0.0.1:${pair.drill.mqtt[next]}`)
          await Promise.all([client.closed(), old.closed()])
          pair.active = await pair.drill.settled()
          assert.equal(pair.active, next)
          const back = await raw(ground, fields)
          assert.equal(back.connack['sessionPresent'], true)
          await back.publish(name('end'), 'end')
          await back.texts(1)
          assert.deepEqual(back.all, ['end'])
        }
      },
    },
  ],
}
