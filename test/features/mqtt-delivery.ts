// How MQTT messages are delivered: qualities of service, duplicates, and flow control both ways.

import assert from 'node:assert/strict'
import type { IClientOptions, MqttClient } from 'mqtt'
import { propertiesOf, textOf } from '../support/raw-mqtt.ts'
import type { FeatureList } from './feature.ts'
import { inBoth, Inbox, lasting, raw } from './mqtt-ground.ts'

const upTo = (count: number): string[] => Array.from({ length: count }, (_, i) => String(i + 1))

/** Messages from 1 on, with a window, from now until it is told to end; more go out the whole time in between. */
class Stream {
  sent = 0
  readonly #client: MqttClient
  readonly #topic: string
  readonly #qos: 1 | 2
  #most = Infinity
  #answered = 0
  #looks: (() => void)[] = []

  constructor(client: MqttClient, topic: string, qos: 1 | 2) {
    this.#client = client
    this.#topic = topic
    this.#qos = qos
    for (let i = 0; i < 10; i++) this.#next()
  }

  #next(): void {
    if (this.sent >= this.#most) return
    const payload = String(++this.sent)
    this.#client.publish(this.#topic, payload, { qos: this.#qos }, error => {
      assert.ok(!error, String(error))
      this.#answered++
      for (const look of this.#looks) look()
      // A pace that leaves the machine to others.
      setTimeout(() => this.#next(), 5)
    })
  }

  async #until(holds: () => boolean): Promise<void> {
    await new Promise<void>(resolve => {
      const look = (): void => void (holds() && resolve())
      this.#looks.push(look)
      look()
    })
  }

  answered(count: number): Promise<void> {
    return this.#until(() => this.#answered >= count)
  }

  /** Sends so many more, ends, and waits for every answer. */
  async end(more: number): Promise<void> {
    this.#most = this.sent + more
    await this.answered(this.#most)
  }
}

/** Publishes to a session through the failover; `check` judges what came of how many. */
const streamed = (qos: 1 | 2, check: (texts: readonly string[], sent: number) => void) =>
  inBoth(async (ground, version, name) => {
    const topic = name(`stream-${qos}`)
    const client = (id: string): Promise<MqttClient> =>
      ground.mqtt({ ...lasting(version, name(`${id}-${qos}`)), protocolVersion: version } as IClientOptions)
    const [taker, giver] = await Promise.all([client('taker'), client('giver')])
    const inbox = new Inbox(taker)
    await taker.subscribeAsync(topic, { qos })
    const stream = new Stream(giver, topic, qos)
    await stream.answered(150)
    return async () => {
      await stream.end(150)
      await giver.publishAsync(topic, 'end', { qos })
      await inbox.until('end')
      check(inbox.texts.filter(text => text !== 'end'), stream.sent) // prettier-ignore
    }
  })

export const mqttDelivery: FeatureList = {
  file: 'mqtt-delivery',
  features: [
    {
      name: 'QoS 0',
      of: 'MQTT',
      promise: 'reaches who is connected, at once and once; nothing is kept of it, and nothing old comes back',
      more: 'mqtt.md#across-a-failover',
      begin: inBoth(async (ground, version, name) => {
        const topic = name('qos0')
        const options = { protocolVersion: version } as const
        const away = await raw(ground, lasting(version, name('qos0-away')), version)
        await away.subscribe(topic)
        await away.vanish()
        const [taker, giver] = await Promise.all([ground.mqtt(options), ground.mqtt(options)])
        const inbox = new Inbox(taker)
        await taker.subscribeAsync(topic, { qos: 0 })
        await giver.publishAsync(topic, 'one', { qos: 0 })
        await inbox.until('one')
        return async () => {
          // A session that ended with its connection: its client subscribes again.
          await taker.subscribeAsync(topic, { qos: 0 })
          await giver.publishAsync(topic, 'two', { qos: 0 })
          await inbox.until('two')
          assert.deepEqual(inbox.texts, ['one', 'two'])
          await giver.publishAsync(topic, 'kept', { qos: 1 })
          const back = await raw(ground, lasting(version, name('qos0-away')), version)
          assert.deepEqual(await back.texts(1), ['kept'])
        }
      }),
    },
    {
      name: 'QoS 1',
      of: 'MQTT',
      promise: 'at least once and in order, without a gap, while hundreds are on their way',
      more: 'mqtt.md#across-a-failover',
      begin: streamed(1, (texts, sent) => assert.deepEqual([...new Set(texts)], upTo(sent))),
    },
    {
      name: 'QoS 2',
      of: 'MQTT',
      promise: 'exactly once and in order, both ways, while hundreds are on their way',
      more: 'mqtt.md#across-a-failover',
      begin: streamed(2, (texts, sent) => assert.deepEqual(texts, upTo(sent))),
    },
    {
      name: 'what was not answered comes again',
      of: 'MQTT',
      promise: 'with its packet identifier and DUP; what was answered does not',
      more: 'mqtt.md#across-a-failover',
      begin: inBoth(async (ground, version, name) => {
        const fields = lasting(version, name('again'))
        const taker = await raw(ground, fields, version)
        await taker.subscribe(name('again'), { qos: 1 })
        const giver = await raw(ground, { clientId: name('again-giver') }, version)
        for (const text of ['one', 'two', 'three']) await giver.publish(name('again'), text)
        const [one, two, three] = [
          await taker.next('publish'),
          await taker.next('publish'),
          await taker.next('publish'),
        ]
        taker.send('puback', { messageId: two.messageId })
        // Read before what is answered after it.
        await taker.subscribe(name('fence'))
        await giver.publish(name('again'), 'four')
        await taker.next('publish')
        await taker.vanish()
        return async () => {
          const back = await raw(ground, fields, version)
          const again = [await back.next('publish'), await back.next('publish'), await back.next('publish')]
          assert.deepEqual(again.map(textOf), ['one', 'three', 'four'])
          assert.deepEqual(again.slice(0, 2).map(packet => [packet.messageId, packet['dup']]), [[one.messageId, true], [three.messageId, true]]) // prettier-ignore
        }
      }),
    },
    {
      name: 'the steps of QoS 2',
      of: 'MQTT',
      promise: 'each goes on where it was: a PUBLISH again is no second message, and after PUBREC only PUBREL comes',
      more: 'mqtt.md#across-a-failover',
      begin: inBoth(async (ground, version, name) => {
        const topic = name('steps')
        const [giving, taking] = [lasting(version, name('steps-giver')), lasting(version, name('steps-taker'))]
        const [giver, taker] = [await raw(ground, giving, version), await raw(ground, taking, version)]
        await taker.subscribe(topic)
        const message = { topic, payload: 'once', qos: 2, messageId: 7 }
        giver.send('publish', message)
        await giver.next('pubrec')
        const { messageId } = await taker.next('publish')
        taker.send('pubrec', { messageId })
        await taker.next('pubrel')
        await Promise.all([giver.vanish(), taker.vanish()])
        return async () => {
          const givesOn = await raw(ground, giving, version)
          givesOn.send('publish', { ...message, dup: true })
          await givesOn.next('pubrec')
          await givesOn.send('pubrel', { messageId: 7 }).next('pubcomp')
          await givesOn.publish(topic, 'end', { qos: 2, messageId: 7 })
          const takesOn = await raw(ground, taking, version)
          assert.equal((await takesOn.next('pubrel')).messageId, messageId)
          takesOn.send('pubcomp', { messageId })
          await takesOn.texts(1)
          assert.deepEqual(takesOn.all, ['end'])
        }
      }),
    },
    {
      name: 'duplicate detection',
      of: 'MQTT',
      promise: 'what a producer names and sends again is answered, and there is no second message',
      more: 'messaging.md',
      async begin(ground) {
        const topic = ground.name('named')
        const [taker, giver] = [await ground.mqtt({ clientId: ground.name('named'), clean: false, properties: { sessionExpiryInterval: 3600 } }), await ground.mqtt()] // prettier-ignore
        const inbox = new Inbox(taker)
        await taker.subscribeAsync(topic, { qos: 2 })
        const send = async (id: string, qos: 1 | 2): Promise<void> =>
          void (await giver.publishAsync(topic, id, { qos, properties: { userProperties: { _AMQ_DUPL_ID: id } } }))
        await send('a', 1)
        await send('b', 2)
        return async () => {
          for (const qos of [1, 2] as const) for (const id of ['a', 'b', 'c']) await send(id, qos)
          await send('end', 1)
          await inbox.until('end')
          // What was not answered before the kill may come to this session again, as QoS 1 allows.
          assert.deepEqual([...new Set(inbox.texts)], ['a', 'b', 'c', 'end'])
          if (ground.run === 'straight') assert.equal(inbox.texts.length, 4)
        }
      },
    },
    {
      name: 'Receive Maximum of a client',
      of: 'MQTT',
      promise: 'no more than it takes at a time come, the others wait, in order',
      more: 'mqtt.md',
      async begin(ground) {
        const topic = ground.name('window')
        const fields = lasting(5, ground.name('window'), { properties: { receiveMaximum: 2 } })
        const taker = await raw(ground, fields)
        await taker.subscribe(topic, { qos: 1 })
        const giver = await raw(ground, { clientId: ground.name('window-giver') })
        for (const text of upTo(5)) await giver.publish(topic, text)
        assert.deepEqual(await taker.texts(2), ['1', '2'])
        await taker.fence(ground.name('fence'))
        assert.deepEqual(taker.all, ['1', '2'])
        await taker.vanish()
        return async () => {
          const back = await raw(ground, fields)
          for (let open = 1; open <= 5; open++) {
            const { messageId } = await back.next('publish', packet => packet['topic'] === topic)
            await back.fence(ground.name('fence'))
            assert.deepEqual(back.all, upTo(Math.min(5, open + 1)))
            back.send('puback', { messageId })
          }
        }
      },
    },
    {
      name: 'Receive Maximum of the server',
      of: 'MQTT',
      promise: 'is told; who has more without an answer is cut off with 0x93, and is welcome again',
      more: 'mqtt.md',
      async begin(ground) {
        const tooMany = async (): Promise<void> => {
          const giver = await raw(ground, { clientId: ground.name('too-many') })
          const limit = propertiesOf(giver.connack)['receiveMaximum'] as number
          const message = { topic: ground.name('too-many'), payload: '', qos: 2 }
          // Without PUBREL none of them is done.
          for (let messageId = 1; messageId <= limit; messageId++) giver.send('publish', { ...message, messageId })
          await giver.next('pubrec', packet => packet.messageId === limit)
          giver.send('publish', { ...message, messageId: limit + 1 })
          assert.equal((await giver.next('disconnect'))['reasonCode'], 0x93)
          await giver.closed()
        }
        await tooMany()
        return tooMany
      },
    },
  ],
}
