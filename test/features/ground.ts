// What a feature stands on: names of its own on the pair that it shares with others, and stock clients that know both
// servers' addresses and come back by themselves.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { join } from 'node:path'
import { connect, type IClientOptions, type MqttClient, type OnMessageCallback } from 'mqtt'
import rhea, { type Connection, type ConnectionOptions, type EventContext } from 'rhea'
import { WebSocket } from 'ws'
import type { AddressSettings } from '../../src/broker/address-settings.ts'
import { lockstep, PRODUCT } from '../cli/run.ts'
import type { Label } from '../support/drill.ts'
import type { FeaturePair } from './pair.ts'

const RETRY_MS = 20

export interface AmqpClientOptions {
  readonly container?: string
  readonly over?: 'plain' | 'tls' | 'web'
  /** Anything that rhea takes. */
  readonly rhea?: object
}

export class Ground {
  readonly pair: FeaturePair
  /** `across`: the active server is killed between the halves. */
  readonly run: 'straight' | 'across'
  readonly #amqp: Connection[] = []
  readonly #mqtt: MqttClient[] = []
  #back: Promise<unknown> = Promise.resolve()

  constructor(pair: FeaturePair, run: 'straight' | 'across') {
    this.pair = pair
    this.run = run
  }

  /** A name for a queue, topic or client that no other feature and no other run has. */
  name(text: string): string {
    return `${this.run}-${text}`
  }

  /** The server that serves now. */
  get active(): Label {
    return this.pair.active
  }

  /** A client that is let in; rejects with what the server says where it is not. */
  async amqp(options: AmqpClientOptions = {}): Promise<Connection> {
    const { container, over = 'plain' } = options
    const made = rhea.create_container(container === undefined ? {} : { id: container })
    const ports = this.pair.ports('amqp', over)
    let attempts = 0
    const next = (): number => ports[attempts++ % 2] as number
    const web = made.websocket_connect(WebSocket as never)
    const details =
      over === 'web'
        ? () => (web(`ws://127.0.0.1:${next()}/`, ['amqp'], {}) as unknown as () => object)()
        : () => ({
            host: '127.0.0.1',
            port: next(),
            ...(over === 'tls' ? { transport: 'tls', options: { rejectUnauthorized: false, ...options.rhea } } : {}),
          })
    const client = made.connect({
      connection_details: details,
      initial_reconnect_delay: RETRY_MS,
      max_reconnect_delay: RETRY_MS,
      tcp_no_delay: true,
      ...options.rhea,
    } as unknown as ConnectionOptions)
    for (const event of ['connection_error', 'error', 'disconnected', 'protocol_error']) client.on(event, () => {})
    made.on('error', () => {})
    this.#amqp.push(client)
    await new Promise<void>((resolve, reject) => {
      client.once('connection_open', () => resolve())
      client.on('disconnected', (context: EventContext) => {
        const { reconnecting, error } = context as { reconnecting?: boolean; error?: Error }
        const { transport_error } = client as { transport_error?: Error }
        if (reconnecting !== true) reject(transport_error ?? error ?? new Error('disconnected'))
      })
    })
    return client
  }

  /**
   * A client that is connected; with MQTT 5 unless it says otherwise. `took` hears from the first message on: those of a
   * session come right after its CONNACK.
   */
  async mqtt(
    options: IClientOptions & { over?: 'plain' | 'tls' | 'web' } = {},
    took: OnMessageCallback = () => undefined,
  ): Promise<MqttClient> {
    const { over = 'plain', ...others } = options
    const protocol = ({ plain: 'mqtt', tls: 'mqtts', web: 'ws' } as const)[over]
    const client = connect({
      servers: this.pair.ports('mqtt', over).map(port => ({ host: '127.0.0.1', port, protocol })),
      protocolVersion: 5,
      reconnectPeriod: RETRY_MS,
      ...(over === 'tls' ? { rejectUnauthorized: false } : {}),
      ...others,
    })
    // A server that is gone is no reason to give up: the next one is tried.
    client.on('error', () => {}).on('message', took)
    this.#mqtt.push(client)
    await new Promise<void>((resolve, reject) => {
      client.once('connect', () => resolve())
      if (client.options.reconnectPeriod === 0) client.once('error', reject)
    })
    return client
  }

  /** What is settled for a queue or a topic: `queue/<pattern>`, `topic/<filter>`. */
  async settle(name: string, settings: AddressSettings): Promise<void> {
    const answer = await fetch(
      `http://127.0.0.1:${this.pair.drill.admin[this.active]}/addresses/${encodeURIComponent(name)}`,
      { method: 'PUT', headers: { 'content-type': 'application/json' }, body: JSON.stringify(settings) },
    )
    assert.equal(answer.status, 200, await answer.text())
  }

  /** A command of the operator's at the active server: `user`, `set`, `ann`. */
  async command(words: readonly string[], input = ''): Promise<string> {
    const [name = '', ...rest] = words
    const { code, out, err } = await lockstep(
      [name, join(this.pair.drill.folder, this.active), ...rest],
      PRODUCT,
      {},
      input,
    )
    assert.equal(code, 0, err)
    return out
  }

  /** Ends when the server that was killed is there again and follows. */
  standby(): Promise<void> {
    return this.pair.standby()
  }

  /** From now on `back` waits for every client that is connected now to come back by itself. */
  expectBreak(): void {
    const opens = this.#amqp.filter(client => client.is_open() && client.get_option('reconnect', true))
    const connects = this.#mqtt.filter(client => client.connected && client.options.reconnectPeriod !== 0)
    this.#back = Promise.all([
      ...opens.map(client => once(client, 'connection_open')),
      ...connects.map(client => new Promise<void>(resolve => client.once('connect', () => resolve()))),
    ])
    this.#back.catch(() => undefined)
  }

  async back(): Promise<void> {
    await this.#back
  }

  end(): void {
    for (const client of this.#amqp) {
      client.set_reconnect(false)
      client.close()
    }
    for (const client of this.#mqtt) client.end(true)
  }
}
