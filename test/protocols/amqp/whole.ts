// The real broker behind the engine on a real socket, with a log that is safe a turn later: what clients get of both
// together.

import { once } from 'node:events'
import rhea from 'rhea'
import type { Connection, ConnectionOptions } from 'rhea'
import { createBroker, type BrokerCore } from '../../../src/broker/broker.ts'
import { type BrokerLimits, RECORD_OVERHEAD_BYTES } from '../../../src/broker/limits.ts'
import type { AmqpLimits } from '../../../src/protocols/amqp/front-end.ts'
import { propertyReader } from '../../../src/server/formats.ts'
import { ArrayLog, limits as usual } from '../../broker/ground.ts'
import { type Listener, listen, realClock } from './listener.ts'

class SoonSafe extends ArrayLog {
  broker: BrokerCore | null = null
  #due = false

  override append(kind: number, head: Uint8Array, body: Uint8Array): number {
    const sequence = super.append(kind, head, body)
    if (!this.#due) {
      this.#due = true
      setImmediate(() => {
        this.#due = false
        this.broker?.committed(this.last)
      })
    }
    return sequence
  }
}

export class Whole {
  readonly broker: BrokerCore
  readonly log = new SoonSafe()
  #listener: Listener | null = null
  readonly #amqp: Partial<AmqpLimits>
  readonly #clients: Connection[] = []

  constructor({ limits = {}, amqp = {} }: { limits?: Partial<BrokerLimits>; amqp?: Partial<AmqpLimits> } = {}) {
    this.#amqp = amqp
    this.log.recordBytes = (limits.messageBytes ?? usual.messageBytes) + RECORD_OVERHEAD_BYTES
    this.broker = createBroker({
      log: this.log,
      clock: realClock,
      limits: { ...usual, connections: 100, ...limits },
      say: () => undefined,
      properties: propertyReader(),
    })
    this.log.broker = this.broker
    this.broker.startServing()
  }

  get listener(): Listener {
    if (this.#listener === null) throw new Error('nobody listens')
    return this.#listener
  }

  async open(): Promise<this> {
    this.#listener = await listen(this.broker, this.#amqp)
    return this
  }

  connect(options: Partial<ConnectionOptions> & { container?: string } = {}): Connection {
    const { container, ...others } = options
    const made = rhea.create_container(container === undefined ? {} : { id: container })
    const client = made.connect({
      host: '127.0.0.1',
      port: this.listener.port,
      reconnect: false,
      ...others,
    } as ConnectionOptions)
    for (const event of ['connection_error', 'error', 'disconnected', 'protocol_error']) client.on(event, () => {})
    made.on('error', () => {})
    this.#clients.push(client)
    return client
  }

  async close(): Promise<void> {
    for (const client of this.#clients) {
      if (!client.is_open()) continue
      const closed = once(client, 'connection_close')
      client.close()
      await closed
    }
    await this.#listener?.close()
    this.broker.stopServing()
  }
}
