// What MQTT 5 says beside the message: properties, aliases, sizes, times, reasons.

import assert from 'node:assert/strict'
import { propertiesOf, textOf, type Fields, type RawMqtt } from '../support/raw-mqtt.ts'
import { other } from '../support/drill.ts'
import type { FeatureList } from './feature.ts'
import type { Ground } from './ground.ts'
import { Inbox, lasting, raw, subscribedAway } from './mqtt-ground.ts'

/** The same before and after the failover, for what belongs to one connection. */
const each = (show: (ground: Ground) => Promise<void>) => async (ground: Ground) => {
  await show(ground)
  return async () => void (ground.run === 'across' && (await show(ground)))
}
const ended = async (client: RawMqtt, reason: number): Promise<void> => {
  assert.equal((await client.next('disconnect'))['reasonCode'], reason)
  await client.closed()
}

export const mqttPackets: FeatureList = {
  file: 'mqtt-packets',
  features: [
    {
      name: 'user properties, content type, payload format',
      of: 'MQTT',
      promise: 'stay with a message that waits, each pair of user properties in its place',
      more: 'mqtt.md',
      async begin(ground) {
        const fields = lasting(5, ground.name('properties'))
        await subscribedAway(ground, fields, ground.name('properties'))
        const properties = {
          payloadFormatIndicator: true,
          contentType: 'text/plain',
          userProperties: { colour: ['red', 'green'], größe: '3' },
        }
        const giver = await raw(ground, { clientId: ground.name('properties-giver') })
        await giver.publish(ground.name('properties'), 'hello', { properties })
        return async () => {
          const got = await (await raw(ground, fields)).next('publish')
          assert.deepEqual(JSON.parse(JSON.stringify(propertiesOf(got))), properties)
        }
      },
    },
    {
      name: 'request and response',
      of: 'MQTT',
      promise: 'a question that waits keeps its response topic and correlation data, and the answer finds who asked',
      more: 'mqtt.md',
      async begin(ground) {
        const [questions, answers] = [ground.name('questions'), ground.name('answers')]
        const properties = { sessionExpiryInterval: 3600 }
        const asker = await ground.mqtt({ clientId: ground.name('asker'), clean: false, properties })
        const inbox = new Inbox(asker)
        await asker.subscribeAsync(answers, { qos: 1 })
        const answering = lasting(5, ground.name('answerer'))
        await subscribedAway(ground, answering, questions)
        const correlationData = Buffer.from([0, 1, 255])
        await asker.publishAsync(questions, 'why', { qos: 1, properties: { responseTopic: answers, correlationData } })
        return async () => {
          const back = await raw(ground, answering)
          const question = await back.next('publish')
          const asked = propertiesOf(question)
          await back.publish(asked['responseTopic'] as string, 'because', {
            properties: { correlationData: asked['correlationData'] },
          })
          await inbox.until('because')
          assert.deepEqual(inbox.packets[0]?.properties?.correlationData, correlationData)
        }
      },
    },
    {
      name: 'message expiry',
      of: 'MQTT',
      promise:
        'what is left of it goes with the message, and after it none comes; only what may have been sent before the failover may come, marked DUP',
      more: 'messaging.md#time-to-live',
      async begin(ground) {
        const topic = ground.name('expiry')
        const fields = lasting(5, ground.name('expiry'))
        await subscribedAway(ground, fields, topic)
        const publish = async (text: string, seconds: number, more: Fields = {}): Promise<void> => {
          const giver = await raw(ground, { clientId: ground.name('expiry-giver') })
          await giver.publish(topic, text, { properties: { messageExpiryInterval: seconds }, ...more })
        }
        await publish('kept', 1, { retain: true })
        await publish('short', 1)
        await publish('long', 1000)
        return async () => {
          await publish('late and short', 1)
          await publish('late', 1000)
          await new Promise(resolve => setTimeout(resolve, 1100))
          const back = await raw(ground, fields)
          await back.fence(ground.name('expiry-fence'))
          const got = back.seen.filter(packet => packet.cmd === 'publish' && packet['topic'] === topic)
          assert.deepEqual(got.map(textOf), ['long', 'late'])
          for (const packet of got) {
            assert.equal(packet['dup'], false, 'its client was away: it has never been sent')
            const left = propertiesOf(packet)['messageExpiryInterval'] as number
            assert.ok(left < 1000 && left > 900, `${left} s are left`)
          }
          const another = await raw(ground, { clientId: ground.name('expiry-other') })
          await another.subscribe(topic)
          await another.publish(topic, 'new')
          assert.deepEqual(await another.texts(1), ['new'], 'nothing retained came before it')
        }
      },
    },
    {
      name: 'topic aliases',
      of: 'MQTT',
      promise: 'both ways, as many as each side takes; they belong to one connection, and another one begins without',
      more: 'mqtt.md',
      begin: each(async ground => {
        const topic = (text: string): string => ground.name(`alias/${text}`)
        const taker = await raw(ground, { clientId: ground.name('alias'), properties: { topicAliasMaximum: 1 } })
        const giver = await raw(ground, { clientId: ground.name('alias-giver') })
        assert.ok((propertiesOf(giver.connack)['topicAliasMaximum'] as number) >= 2)
        await taker.subscribe(topic('+'), { qos: 1 })
        const properties = { topicAlias: 2 }
        await giver.publish(topic('one'), '1', { properties })
        await giver.publish('', '2', { properties })
        await giver.publish(topic('two'), '3', { properties })
        await giver.publish('', '4', { properties })
        const got = [await taker.next('publish'), await taker.next('publish'), await taker.next('publish'), await taker.next('publish')] // prettier-ignore
        const seen = got.map(packet => [packet['topic'], propertiesOf(packet)['topicAlias']])
        assert.deepEqual(seen, [[topic('one'), 1], ['', 1], [topic('two'), undefined], [topic('two'), undefined]]) // prettier-ignore
        assert.deepEqual(got.map(textOf), ['1', '2', '3', '4'])
        const another = await raw(ground, { clientId: ground.name('alias-other') })
        another.send('publish', { topic: '', payload: 'x', qos: 0, properties })
        await ended(another, 0x82)
      }),
    },
    {
      name: 'Maximum Packet Size',
      of: 'MQTT',
      promise:
        'of a client: what is larger is not sent, what follows is. Of the server: told, and what is larger ends with 0x95',
      more: 'mqtt.md',
      async begin(ground) {
        const topic = ground.name('size')
        const fields = lasting(5, ground.name('size'), { properties: { maximumPacketSize: 120 } })
        await subscribedAway(ground, fields, topic)
        const giver = await raw(ground, { clientId: ground.name('size-giver') })
        for (const text of ['x'.repeat(200), 'small']) await giver.publish(topic, text)
        return async () => {
          const back = await raw(ground, fields)
          assert.deepEqual(await back.texts(1), ['small'])
          const rude = await raw(ground, { clientId: ground.name('size-rude') })
          const limit = propertiesOf(rude.connack)['maximumPacketSize'] as number
          // The head of a publish that is larger by one; the server does not wait for the rest.
          const head = Buffer.from([0x30, 0, 0, 0, 0])
          for (let at = 1, left = limit; at <= 4; at++, left >>= 7) head[at] = (left & 127) | (at < 4 ? 128 : 0)
          rude.write(head)
          await ended(rude, 0x95)
        }
      },
    },
    {
      name: 'reason codes and strings, Request Problem Information',
      of: 'MQTT',
      promise: 'each answer says how it went; why, in words, to who wants it',
      more: 'mqtt.md',
      begin: each(async ground => {
        const client = await raw(ground, { clientId: ground.name('reasons') })
        client.send('unsubscribe', { messageId: 1, unsubscriptions: [ground.name('nothing')] })
        assert.deepEqual((await client.next('unsuback'))['granted'], [0x11])
        assert.equal(await client.subscribe('a/#/b'), 0x8f)
        const unknown = await client.send('pubrel', { messageId: 9 }).next('pubcomp')
        assert.equal(unknown['reasonCode'], 0x92)
        const tooLong = { userProperties: { _AMQ_DUPL_ID: 'x'.repeat(300) } }
        const refused = async (more: Fields): Promise<[number, unknown]> => {
          const asker = await raw(ground, { clientId: ground.name('reasons-asker'), properties: more })
          const answer = await asker.publish(ground.name('reasons'), 'x', { properties: tooLong })
          return [answer['reasonCode'] as number, propertiesOf(answer)['reasonString']]
        }
        const [code, why] = await refused({})
        assert.ok(code >= 0x80, String(code))
        assert.equal(typeof why, 'string')
        assert.deepEqual(await refused({ requestProblemInformation: false }), [code, undefined])
      }),
    },
    {
      name: 'Server Keep Alive',
      of: 'MQTT',
      promise: 'a client that asks for none is told one; who is silent for one and a half times its own ends with 0x8D',
      more: 'mqtt.md',
      begin: each(async ground => {
        const asks = await raw(ground, { clientId: ground.name('keep-alive'), keepalive: 0 })
        assert.equal(propertiesOf(asks.connack)['serverKeepAlive'], 3600)
        const silent = await raw(ground, { clientId: ground.name('silent'), keepalive: 1 })
        assert.equal(propertiesOf(silent.connack)['serverKeepAlive'], undefined)
        await ended(silent, 0x8d)
      }),
    },
    {
      name: 'enhanced authentication',
      of: 'MQTT',
      promise: 'is not offered: refused with 0x8C at CONNECT, and AUTH ends a connection with 0x82',
      more: 'mqtt.md',
      begin: each(async ground => {
        const properties = { authenticationMethod: 'SCRAM-SHA-1', authenticationData: Buffer.from('n') }
        const refused = await raw(ground, { clientId: ground.name('auth'), properties })
        assert.equal(refused.connack['reasonCode'], 0x8c)
        await refused.closed()
        const client = await raw(ground, { clientId: ground.name('auth') })
        client.write(Buffer.from('f000', 'hex'))
        await ended(client, 0x82)
      }),
    },
    {
      name: 'who serves is told',
      of: 'MQTT',
      promise:
        'CONNACK names the server, its epoch and the other server; after a failover the other one, in a later epoch',
      more: 'mqtt.md',
      async begin(ground) {
        const look = async (): Promise<{ server: string; epoch: number }> => {
          const { active, pair } = ground
          const client = await raw(ground, { clientId: ground.name('who') })
          const told = propertiesOf(client.connack)['userProperties'] as Record<string, string>
          assert.equal(told['lockstep:server'], active)
          assert.equal(told['lockstep:other'], `127.0.0.1:${pair.drill.mqtt[other(active)]}`)
          return { server: active, epoch: Number(told['lockstep:epoch']) }
        }
        const before = await look()
        return async () => {
          const after = await look()
          const same = ground.run === 'straight'
          assert.equal(after.server === before.server, same)
          assert.ok(same ? after.epoch === before.epoch : after.epoch > before.epoch)
        }
      },
    },
  ],
}
