// Topics of MQTT clients: what is retained, who of a group gets a message, and what a subscription may ask for.

import assert from 'node:assert/strict'
import { propertiesOf, textOf } from '../support/raw-mqtt.ts'
import type { FeatureList } from './feature.ts'
import { inBoth, lasting, raw } from './mqtt-ground.ts'

export const mqttTopics: FeatureList = {
  file: 'mqtt-topics',
  features: [
    {
      name: 'retained messages',
      of: 'MQTT',
      promise: 'the last one of each topic comes to who subscribes, with its properties; an empty one takes it away',
      more: 'mqtt.md#across-a-failover',
      begin: inBoth(async (ground, version, name) => {
        const giver = await raw(ground, { clientId: name('retains') }, version)
        const keep = (topic: string, text: string, more = {}) =>
          giver.publish(name(`retained/${topic}`), text, { retain: true, ...more })
        await keep('a', 'old')
        await keep('a', 'new', { qos: 2, ...(version === 5 ? { properties: { contentType: 'text' } } : {}) })
        await keep('b', 'gone')
        await keep('b', '')
        await giver.publish(name('retained/c'), 'passing')
        return async () => {
          const taker = await raw(ground, { clientId: name('retained') }, version)
          await taker.subscribe(name('retained/#'))
          const kept = await taker.next('publish')
          assert.deepEqual([textOf(kept), kept['retain'], kept['qos']], ['new', true, 2])
          if (version === 5) assert.deepEqual(propertiesOf(kept), { contentType: 'text' })
          // What is published to who is there is no retained one.
          await taker.publish(name('retained/d'), 'fresh', { retain: true })
          const fresh = await taker.next('publish')
          assert.deepEqual([textOf(fresh), fresh['retain']], ['fresh', false])
          assert.deepEqual(taker.all, ['new', 'fresh'])
        }
      }),
    },
    {
      name: 'Retain Handling',
      of: 'MQTT',
      promise: 'what is retained comes at each subscribing, only at the first, or never; a session knows what it has',
      more: 'mqtt.md',
      async begin(ground) {
        const topic = ground.name('handling')
        const fields = lasting(5, ground.name('handling'))
        const first = await raw(ground, fields)
        await first.publish(topic, 'kept', { retain: true })
        const comes = async (client: typeof first, rh: number): Promise<number> => {
          const before = client.all.length
          await client.subscribe(topic, { rh, qos: 0 })
          await client.fence(ground.name('handling/fence'))
          return client.all.filter((text, i) => i >= before && text === 'kept').length
        }
        assert.deepEqual([await comes(first, 1), await comes(first, 1), await comes(first, 0)], [1, 0, 1])
        await first.leave()
        return async () => {
          const back = await raw(ground, fields)
          assert.deepEqual([await comes(back, 1), await comes(back, 0), await comes(back, 2)], [0, 1, 0])
        }
      },
    },
    {
      name: 'shared subscriptions',
      of: 'MQTT',
      promise: 'each message to one member, by turns, also for members that are away; none twice',
      more: 'mqtt.md#where-it-stops',
      begin: inBoth(async (ground, version, name) => {
        const fields = ['one', 'two'].map(id => lasting(version, name(`shared-${id}`)))
        const filter = `$share/${name('group')}/${name('shared')}/+`
        const members = await Promise.all(fields.map(each => raw(ground, each, version)))
        for (const member of members) {
          assert.equal(await member.subscribe(filter, { qos: 1 }), 1)
        }
        const giver = await raw(ground, { clientId: name('shared-giver') }, version)
        for (let i = 0; i < 4; i++) await giver.publish(name('shared/a'), `${i}`)
        const before = await Promise.all(members.map(member => member.texts(2)))
        assert.deepEqual(before.flat().toSorted(), ['0', '1', '2', '3'])
        for (const member of members) {
          for (const { cmd, messageId } of member.seen) if (cmd === 'publish') member.send('puback', { messageId })
          await member.fence(name('fence'))
          await member.leave()
        }
        for (let i = 4; i < 8; i++) await giver.publish(name('shared/b'), `${i}`)
        return async () => {
          const back = await Promise.all(fields.map(each => raw(ground, each, version)))
          assert.deepEqual((await Promise.all(back.map(member => member.texts(2)))).flat().toSorted(), ['4', '5', '6', '7']) // prettier-ignore
          const again = await raw(ground, { clientId: name('shared-giver') }, version)
          for (let i = 8; i < 12; i++) await again.publish(name('shared/a'), `${i}`)
          assert.deepEqual((await Promise.all(back.map(member => member.texts(2)))).flat().toSorted(), ['10', '11', '8', '9']) // prettier-ignore
          for (const member of back) assert.equal(member.all.length, 4)
        }
      }),
    },
    {
      name: 'subscription options and identifiers',
      of: 'MQTT',
      promise: 'no local, retain as published and the identifier stay with the subscription',
      more: 'mqtt.md',
      async begin(ground) {
        const fields = lasting(5, ground.name('options'))
        const topic = (text: string): string => ground.name(`options/${text}`)
        const first = await raw(ground, fields)
        await first.subscribe(topic('+'), { qos: 1, nl: true, rap: true }, { subscriptionIdentifier: 300 })
        return async () => {
          const client = ground.run === 'straight' ? first : await raw(ground, fields)
          await client.publish(topic('own'), 'own')
          const giver = await raw(ground, { clientId: ground.name('options-giver') })
          await giver.publish(topic('retained'), 'theirs', { retain: true })
          const got = await client.next('publish')
          assert.deepEqual([textOf(got), got['retain']], ['theirs', true])
          assert.deepEqual(propertiesOf(got), { subscriptionIdentifier: 300 })
        }
      },
    },
    {
      name: 'overlapping subscriptions',
      of: 'MQTT',
      promise: 'one message, with the best QoS and the identifiers of all',
      more: 'mqtt.md',
      async begin(ground) {
        const fields = lasting(5, ground.name('overlap'))
        const first = await raw(ground, fields)
        await first.subscribe(ground.name('overlap/#'), { qos: 0 }, { subscriptionIdentifier: 1 })
        await first.subscribe(ground.name('overlap/+'), { qos: 2 }, { subscriptionIdentifier: 2 })
        return async () => {
          const client = ground.run === 'straight' ? first : await raw(ground, fields)
          const giver = await raw(ground, { clientId: ground.name('overlap-giver') })
          await giver.publish(ground.name('overlap/a'), 'once', { qos: 2 })
          await giver.publish(ground.name('overlap/a'), 'end', { qos: 2 })
          const got = await client.next('publish')
          assert.equal(got['qos'], 2)
          assert.deepEqual(new Set(propertiesOf(got)['subscriptionIdentifier'] as number[]), new Set([1, 2]))
          assert.deepEqual(await client.texts(1), ['end'])
          assert.deepEqual(client.all, ['once', 'end'])
        }
      },
    },
  ],
}
