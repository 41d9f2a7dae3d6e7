// Topics as AMQP clients know them, and addresses that are not there for good: subscriptions that last and that are shared,
// temporary queues, the anonymous relay; and what crosses to MQTT and back.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { IPublishPacket } from 'mqtt'
import rhea, { type Connection, type Receiver, type Sender } from 'rhea'
import { bodies, certain, drained, leave, receiver, send } from '../support/rhea.ts'
import type { FeatureList } from './feature.ts'
import { named, nextOf } from './inbox.ts'

const NO_LOCAL = { 'no-local': rhea.types.wrap_described([], 0x468c00000003) }
const LASTING = { durable: 2, expiry_policy: 'never' }

/** Whether the server knows a durable subscription of this link name. */
async function isKnown(client: Connection, name: string): Promise<boolean> {
  const link = client.open_receiver({ name, source: null } as never)
  const condition = await Promise.race([
    once(link, 'receiver_error').then(() => (link.error as { condition: string }).condition),
    once(link, 'receiver_open').then(() => once(link, 'receiver_close')).then(() => null), // prettier-ignore
  ])
  if (condition !== null) assert.equal(condition, 'amqp:not-found')
  return condition === null
}

export const amqpTopics: FeatureList = {
  file: 'amqp-topics',
  features: [
    {
      name: 'durable subscriptions',
      of: 'AMQP',
      promise: 'the subscription is there, with all that was published to it while its client was away',
      more: 'mapping.md#addresses-of-amqp-clients',
      async begin(ground) {
        const topic = `topic://${ground.name('durable')}`
        const client = await ground.amqp({ container: ground.name('durable') })
        const options = { name: 'meters', source: { address: topic, ...LASTING } }
        await leave(await certain(client, options), false)
        await send(client, topic, named(['1', '2']))
        return async () => {
          await send(client, topic, named(['3']))
          const link = await certain(client, options)
          assert.deepEqual(bodies(await drained(link, 10)), ['1', '2', '3'])
          await leave(link) // takes it away
          assert.equal(await isKnown(client, 'meters'), false)
        }
      },
    },
    {
      name: 'shared durable subscriptions',
      of: 'AMQP',
      promise: 'consumers of several clients share one subscription: each message reaches one of them, once',
      more: 'mapping.md#addresses-of-amqp-clients',
      async begin(ground) {
        const topic = `topic://${ground.name('shared')}`
        const share = async (name: string): Promise<Receiver> =>
          certain(await ground.amqp({ container: ground.name(`shared-${name}`) }), {
            name: `${ground.name('share')}|${name}`,
            source: { address: topic, ...LASTING, capabilities: ['shared', 'global'] },
          })
        const [one, two] = [await share('one'), await share('two')]
        const publisher = await ground.amqp()
        await send(publisher, topic, named(['1', '2', '3', '4']))
        const first = [...(await drained(one, 1)), ...(await drained(two, 1))]
        assert.deepEqual(bodies(first), ['1', '2'])
        return async () => {
          await send(publisher, topic, named(['5']))
          const rest = [...(await drained(two, 1)), ...(await drained(one, 1)), ...(await drained(two, 10))]
          assert.deepEqual(bodies(rest), ['3', '4', '5'])
          assert.deepEqual(await drained(one, 10), [])
        }
      },
    },
    {
      name: 'selectors on a durable subscription',
      of: 'AMQP',
      promise: 'the selector is part of the subscription: what it does not select is not kept',
      more: 'messaging.md#selectors',
      async begin(ground) {
        const topic = `topic://${ground.name('selected')}`
        const client = await ground.amqp({ container: ground.name('selected') })
        const filter = rhea.filter.selector("color = 'red'")
        const options = { name: 'red', source: { address: topic, ...LASTING, filter } }
        const coloured = (...names: string[]) =>
          named(names, name => ({ application_properties: { color: name.startsWith('r') ? 'red' : 'blue' } }))
        await leave(await certain(client, options), false)
        await send(client, topic, coloured('r1', 'b2'))
        return async () => {
          await send(client, topic, coloured('b3', 'r4'))
          assert.deepEqual(bodies(await drained(await certain(client, options), 10)), ['r1', 'r4'])
        }
      },
    },
    {
      name: 'no-local',
      of: 'AMQP',
      promise: 'a subscription that leaves out what its own client publishes still does',
      more: 'mapping.md#addresses-of-amqp-clients',
      async begin(ground) {
        const topic = `topic://${ground.name('local')}`
        const own = await ground.amqp({ container: ground.name('local') })
        const other = await ground.amqp()
        const link = await certain(own, { name: 'sub', source: { address: topic, ...LASTING, filter: NO_LOCAL } })
        await send(own, topic, named(['own 1']))
        await send(other, topic, named(['other 1']))
        return async () => {
          await send(own, topic, named(['own 2']))
          await send(other, topic, named(['other 2']))
          assert.deepEqual(bodies(await drained(link, 10)), ['other 1', 'other 2'])
        }
      },
    },
    {
      name: 'temporary queues',
      of: 'AMQP',
      promise: 'a temporary queue ends with its server; a client that comes back has a new one, under a new name',
      more: 'mapping.md#addresses-of-amqp-clients',
      async begin(ground) {
        const client = await ground.amqp()
        const link = await receiver(client, { source: { dynamic: true } })
        const { address } = link.source as { address: string }
        await send(client, address, [{ body: '1' }])
        assert.deepEqual(bodies(await drained(link, 1)), ['1'])
        return async () => {
          while (!link.is_remote_open()) await once(link, 'receiver_open')
          const { address: now } = link.source as { address: string }
          assert.equal(now === address, ground.run === 'straight')
          await send(client, now, [{ body: '2' }])
          assert.deepEqual(bodies(await drained(link, 10)), ['2'])
        }
      },
    },
    {
      name: 'anonymous relay',
      of: 'AMQP',
      promise: 'a sender without an address goes on: each message goes where its `to` says',
      more: 'mapping.md#addresses-of-amqp-clients',
      async begin(ground) {
        const client = await ground.amqp()
        const relay = client.open_sender({ target: {} } as never) as Sender
        const say = async (to: string, body: string): Promise<void> => {
          while (!relay.sendable()) await once(relay, 'sendable')
          const accepted = once(relay, 'accepted')
          relay.send({ to, body, durable: true })
          await accepted
        }
        const queues = [ground.name('relay-1'), ground.name('relay-2')] as const
        await say(queues[0], '1')
        return async () => {
          await say(queues[1], '2')
          await say(queues[0], '3')
          const got = await Promise.all(
            queues.map(async queue => bodies(await drained(await certain(client, { source: queue }), 10))),
          )
          assert.deepEqual(got, [['1', '3'], ['2']])
        }
      },
    },
    {
      name: 'from AMQP to MQTT',
      of: 'both',
      promise: 'a session of MQTT that is away gets what AMQP clients publish, with its properties',
      more: 'mapping.md',
      async begin(ground) {
        const topic = ground.name('to-mqtt')
        const session = { clientId: topic, clean: false, properties: { sessionExpiryInterval: 3600 } }
        const away = await ground.mqtt(session)
        await away.subscribeAsync(topic, { qos: 1 })
        await away.endAsync()
        const client = await ground.amqp()
        const publish = (body: string): Promise<unknown> =>
          send(client, `topic://${topic}`, [
            { body, durable: true, correlation_id: 'c', application_properties: { color: 'red', n: 7 } },
          ])
        await publish('1')
        return async () => {
          await publish('2')
          const got: [string, IPublishPacket][] = []
          let both = (): void => undefined
          const came = new Promise<void>(resolve => (both = resolve))
          await ground.mqtt(session, (_, payload, packet) => {
            if (got.push([String(payload), packet]) === 2) both()
          })
          await came
          assert.deepEqual(got.map(([text]) => text), ['1', '2']) // prettier-ignore
          for (const [, { qos, properties }] of got) {
            assert.deepEqual({ ...properties?.userProperties }, { color: 'red', n: '7' })
            assert.deepEqual([qos, String(properties?.correlationData)], [1, 'c'])
          }
        }
      },
    },
    {
      name: 'from MQTT to AMQP',
      of: 'both',
      promise: 'a durable subscription of AMQP keeps what MQTT clients publish, with its properties',
      more: 'mapping.md',
      async begin(ground) {
        const topic = ground.name('to-amqp')
        const client = await ground.amqp({ container: topic })
        const options = { name: 'sub', source: { address: `topic://${topic}`, ...LASTING } }
        await leave(await certain(client, options), false)
        const publisher = await ground.mqtt()
        const properties = {
          contentType: 'text/plain',
          payloadFormatIndicator: true,
          responseTopic: `${topic}/answer`,
          correlationData: Buffer.from('c'),
          userProperties: { color: 'red' },
        }
        await publisher.publishAsync(topic, '1', { qos: 1, properties })
        return async () => {
          await publisher.publishAsync(topic, '2', { qos: 2, properties })
          const link = await certain(client, options)
          for (const body of ['1', '2']) {
            const { message, delivery } = await nextOf(link)
            delivery?.accept()
            assert.deepEqual(
              [message?.body, message?.to, message?.content_type, message?.reply_to, message?.durable],
              [body, `topic://${topic}`, 'text/plain', `topic://${topic}/answer`, true],
            )
            assert.equal(String(message?.correlation_id), 'c')
            assert.deepEqual(message?.application_properties, { color: 'red' })
          }
          assert.deepEqual(await drained(link, 10), [])
        }
      },
    },
  ],
}
