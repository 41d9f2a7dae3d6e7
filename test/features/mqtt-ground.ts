// What features of MQTT have in common: both versions at once, raw clients of the pair, and what a stock client was sent.

import type { IPublishPacket, MqttClient } from 'mqtt'
import { RawMqtt, type Fields, type Version } from '../support/raw-mqtt.ts'
import type { Ground } from './ground.ts'

type Second = () => Promise<void>

/** A session that outlives its connection, as this version says it. */
export const lasting = (version: Version, clientId: string, more: Fields = {}): Fields => ({
  clientId,
  clean: false,
  ...more,
  ...(version === 5
    ? { properties: { sessionExpiryInterval: 3600, ...(more['properties'] as Fields | undefined) } }
    : {}),
})

/** A client of MQTT 5, or of this version, that is let in by the server that serves. */
export const raw = (ground: Ground, fields: Fields, version: Version = 5): Promise<RawMqtt> =>
  RawMqtt.connect(version, ground.pair.ports('mqtt', 'plain'), fields)

/** Makes a session that has subscribed, and whose client is away. */
export async function subscribedAway(
  ground: Ground,
  fields: Fields,
  filter: string,
  { version = 5, qos }: { version?: Version; qos?: 0 | 1 | 2 } = {},
): Promise<void> {
  const client = await raw(ground, fields, version)
  await client.subscribe(filter, qos === undefined ? {} : { qos })
  await client.leave()
}

/** The same in both versions, at once; `name` gives each its own names. */
export const inBoth =
  (begin: (ground: Ground, version: Version, name: (text: string) => string) => Promise<Second>) =>
  async (ground: Ground): Promise<Second> => {
    const seconds = await Promise.all(
      ([4, 5] as const).map(version => begin(ground, version, text => ground.name(`${version}-${text}`))),
    )
    return async () => void (await Promise.all(seconds.map(second => second())))
  }

/** What a stock client is sent, from now on. */
export class Inbox {
  readonly packets: IPublishPacket[] = []
  readonly #waiting = new Set<() => void>()

  constructor(client: MqttClient) {
    client.on('message', (_topic, _payload, packet) => {
      this.packets.push(packet)
      for (const look of this.#waiting) look()
    })
  }

  get texts(): string[] {
    return this.packets.map(packet => String(packet.payload))
  }

  /** Ends when this has come. */
  async until(text: string): Promise<void> {
    await new Promise<void>(resolve => {
      const look = (): void => {
        if (!this.texts.includes(text)) return
        this.#waiting.delete(look)
        resolve()
      }
      this.#waiting.add(look)
      look()
    })
  }
}
