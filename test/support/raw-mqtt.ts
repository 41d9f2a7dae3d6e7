// A client of MQTT that hides nothing: every packet it is sent can be waited for, and it sends exactly what it is told to. For
// what a stock client does by itself: packet identifiers, answers, aliases, flow control.

import { connect as connectPlain, type Socket } from 'node:net'
import { generate, parser, type Packet } from 'mqtt-packet'

export type Version = 4 | 5
export type Fields = Record<string, unknown>
/** A packet as mqtt-packet reads it. */
export type Seen = Packet & { readonly [field: string]: unknown }

const RETRY_MS = 20
/** Longer than clients have to come back after a failover. */
const LIMIT_MS = 15_000

export class RawMqtt {
  readonly version: Version
  readonly seen: Seen[] = []
  #closed = false
  readonly #socket: Socket
  readonly #taken = new Set<Seen>()
  #waiting: (() => void)[] = []

  private constructor(socket: Socket, version: Version) {
    this.version = version
    this.#socket = socket
    const reading = parser({ protocolVersion: version })
    reading.on('packet', packet => {
      this.seen.push(packet as Seen)
      this.#wake()
    })
    socket.on('data', bytes => reading.parse(bytes))
    socket.on('error', () => {})
    socket.once('close', () => {
      this.#closed = true
      this.#wake()
    })
  }

  /** A connection to one of these ports, without a word yet; `host` is where they are. */
  static open(version: Version, port: number, host = '127.0.0.1'): RawMqtt {
    return new RawMqtt(connectPlain({ host, port, noDelay: true }), version)
  }

  /** Connects to the server that serves, which is the one that answers; what it answered is the first packet. */
  static async connect(
    version: Version,
    ports: readonly number[],
    fields: Fields = {},
    host?: string,
  ): Promise<RawMqtt> {
    const until = performance.now() + LIMIT_MS
    for (let attempt = 0; performance.now() < until; attempt++) {
      const client = RawMqtt.open(version, ports[attempt % ports.length] as number, host)
      client.send('connect', { clean: true, keepalive: 0, ...fields })
      await client.#until(() => client.seen.length > 0 || client.#closed)
      if (client.seen.length > 0) return client
      await new Promise(resolve => setTimeout(resolve, RETRY_MS))
    }
    throw new Error(`nobody serves at ${ports.join(' or ')} for ${LIMIT_MS} ms`)
  }

  /** What CONNACK says. */
  get connack(): Seen {
    return this.seen[0] as Seen
  }

  /** Properties of the answer to CONNECT. */
  get told(): Fields {
    return propertiesOf(this.connack)
  }

  send(cmd: string, fields: Fields = {}): this {
    const { version } = this
    const head = cmd === 'connect' ? { protocolId: 'MQTT', protocolVersion: version } : {}
    return this.write(generate({ cmd, ...head, ...fields } as Packet, { protocolVersion: version }))
  }

  write(bytes: Uint8Array): this {
    this.#socket.write(bytes)
    return this
  }

  /** The next packet of this kind that nobody has asked for yet, and that is like this. */
  async next(cmd: string, where: (packet: Seen) => boolean = () => true): Promise<Seen> {
    const found = (): Seen | undefined =>
      this.seen.find(packet => packet.cmd === cmd && !this.#taken.has(packet) && where(packet))
    await this.#until(() => found() !== undefined || this.#closed)
    const packet = found()
    if (packet === undefined) throw new Error(`the server closed before ${cmd}; it said ${JSON.stringify(this.seen)}`)
    this.#taken.add(packet)
    return packet
  }

  /** Payloads of the next so many messages. */
  async texts(count: number): Promise<string[]> {
    const texts: string[] = []
    while (texts.length < count) texts.push(textOf(await this.next('publish')))
    return texts
  }

  /** Payloads of all that has come, without fences. */
  get all(): string[] {
    return this.seen.filter(packet => packet.cmd === 'publish').map(textOf).filter(text => text !== 'fence') // prettier-ignore
  }

  /** Publishes, and gives the last answer: PUBACK, PUBCOMP, or a PUBREC that refuses. */
  async publish(topic: string, payload: string, fields: Fields = {}): Promise<Seen> {
    const { qos, messageId } = { qos: 1, messageId: 1, ...fields }
    this.send('publish', { topic, payload, ...fields, qos, messageId })
    if (qos === 1) return this.next('puback', packet => packet.messageId === messageId)
    const received = await this.next('pubrec', packet => packet.messageId === messageId)
    if (((received['reasonCode'] as number | undefined) ?? 0) >= 0x80) return received
    return this.send('pubrel', { messageId }).next('pubcomp', packet => packet.messageId === messageId)
  }

  /** Subscribes to one filter; gives what was granted. */
  async subscribe(topic: string, options: Fields = {}, properties?: Fields): Promise<number> {
    this.send('subscribe', { messageId: 1, subscriptions: [{ topic, qos: 2, ...options }], properties })
    return ((await this.next('suback'))['granted'] as number[])[0] as number
  }

  /** Ends when all has come that was on its way: a message of its own comes after it. */
  async fence(topic: string): Promise<void> {
    await this.subscribe(topic, { qos: 0 })
    await this.publish(topic, 'fence')
    await this.next('publish', packet => packet['topic'] === topic)
  }

  /** Ends when the server has closed the connection. */
  async closed(): Promise<void> {
    await this.#until(() => this.#closed)
  }

  /** Goes without a word. */
  async vanish(): Promise<void> {
    this.#socket.destroy()
    await this.closed()
  }

  /** Says goodbye; ends when the server has taken it. */
  async leave(fields: Fields = {}): Promise<void> {
    this.send('disconnect', fields)
    this.#socket.end()
    await this.closed()
  }

  #wake(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const look of waiting) look()
  }

  async #until(holds: () => boolean): Promise<void> {
    let late = false
    const limit = setTimeout(() => {
      late = true
      this.#wake()
    }, LIMIT_MS)
    while (!holds() && !late) await new Promise<void>(resolve => this.#waiting.push(resolve))
    clearTimeout(limit)
    if (late) throw new Error(`nothing more came within ${LIMIT_MS} ms; the server said ${JSON.stringify(this.seen)}`)
  }
}

export const textOf = (packet: Seen): string => String(packet['payload'])
export const propertiesOf = (packet: Seen): Fields => ({ ...(packet['properties'] as Fields | undefined) })
