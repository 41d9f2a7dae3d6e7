// The real broker behind the engine on a real socket, with a log that is safe a turn later: what clients get of both
// together. And rhea's clients, with what tests ask of them.

import { once } from 'node:events'
import rhea from 'rhea'
import type { Connection, ConnectionOptions, EventContext, Message, Receiver, ReceiverOptions, Sender } from 'rhea'
import { createBroker, type BrokerCore } from '../../../src/broker/broker.ts'
import type { BrokerLimits } from '../../../src/broker/limits.ts'
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

/** Sends these and waits until all are accepted. */
export async function send(
  client: Connection,
  address: string | object,
  messages: readonly Message[],
): Promise<Sender> {
  const link = client.open_sender(address as string)
  let sent = 0
  let accepted = 0
  await new Promise<void>((done, fail) => {
    const pump = (): void => {
      while (link.sendable() && sent < messages.length) link.send(messages[sent++] as Message)
    }
    link.on('sendable', pump)
    link.on('sender_error', () => fail(new Error(JSON.stringify(link.error))))
    for (const outcome of ['rejected', 'released', 'modified']) link.on(outcome, () => fail(new Error(outcome)))
    link.on('accepted', () => {
      pump()
      if (++accepted === messages.length) done()
    })
  })
  return link
}

/** A receiver whose answer is there; without credit. */
export async function receiver(client: Connection, options: ReceiverOptions | object): Promise<Receiver> {
  const link = client.open_receiver({ credit_window: 0, autoaccept: false, ...options })
  await new Promise<void>((done, fail) => {
    link.once('receiver_open', () => {
      // A refused link is opened first, and closed at once.
      if ((link.source as { address?: string } | undefined)?.address) done()
    })
    link.once('receiver_error', () => {
      const { condition, description } = link.error as { condition: string; description: string }
      fail(new Error(`${condition}: ${description}`))
    })
  })
  return link
}

/** All that there is for so much credit, by a drain. */
export async function drained(link: Receiver, credit: number, accept = true): Promise<Message[]> {
  const seen: Message[] = []
  const take = (context: EventContext): void => {
    seen.push(context.message as Message)
    if (accept) context.delivery?.accept()
  }
  link.on('message', take)
  link.add_credit(credit)
  link.drain_credit()
  await once(link, 'receiver_drained')
  link.removeListener('message', take)
  return seen
}

/** Ends a link and waits for the answer. `closes` false: the client means to come back to it. */
export async function leave(link: Receiver | Sender, closes = true): Promise<void> {
  const gone = once(link, link.is_receiver() ? 'receiver_close' : 'sender_close')
  if (closes) link.close()
  else link.detach()
  await gone
}
