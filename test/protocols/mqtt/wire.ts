// A client made of bytes, for tests of the engine alone: a manual clock, a socket that keeps what is written, packets that
// mqtt-packet makes and reads, so that neither end of the wire is judged by its own codec.

import assert from 'node:assert/strict'
import { generate, parser, type Packet } from 'mqtt-packet'
import type { Broker } from '../../../src/broker/api.ts'
import type { ConnectionOptions, MqttConnection, MqttLimits } from '../../../src/protocols/mqtt/front-end.ts'
import { createMqttConnection, defaultMqttLimits } from '../../../src/protocols/mqtt/front-end.ts'
import { FakeTopics } from '../../support/fake-topics.ts'
import { plainDoor } from '../../support/sign-in.ts'
import { FakeSocket, ManualClock } from '../amqp/wire.ts'

export type Version = 4 | 5
type Fields = Record<string, unknown>
/** A packet as mqtt-packet reads it. */
export type Seen = Packet & { readonly [field: string]: unknown }

export const make = (version: Version, cmd: string, fields: Fields = {}): Buffer =>
  generate(
    { cmd, ...(cmd === 'connect' ? { protocolId: 'MQTT', protocolVersion: version } : {}), ...fields } as Packet,
    {
      protocolVersion: version,
    },
  )

export const connect = (version: Version, fields: Fields = {}): Buffer =>
  make(version, 'connect', { clientId: 'c', clean: true, keepalive: 0, ...fields })

export interface Ground {
  topics?: FakeTopics
  /** Another broker than these. */
  broker?: Broker
  clock?: ManualClock
}

export class Wire {
  readonly topics: FakeTopics
  readonly clock: ManualClock
  readonly socket = new FakeSocket()
  readonly log: string[] = []
  readonly connection: MqttConnection
  readonly version: Version
  dropped: string[] = []
  serving = true
  paused = false

  constructor(
    version: Version,
    limits: Partial<MqttLimits> = {},
    { topics = new FakeTopics(), broker = topics, clock = new ManualClock() }: Ground = {},
    more: Partial<ConnectionOptions> = {},
  ) {
    this.version = version
    this.topics = topics
    this.clock = clock
    const { socket } = this
    this.connection = createMqttConnection({
      signIn: plainDoor(broker, { ann: 'secret' }),
      visitor: { remote: 'test:1', local: true, certified: null },
      output: {
        write: bytes => socket.write(bytes),
        end: () => socket.end(),
        destroy: () => socket.destroy(),
        pause: paused => {
          this.paused = paused
        },
      },
      clock,
      limits: { ...defaultMqttLimits, ...limits },
      identity: { server: 'primary', epoch: () => 7, otherServer: 'other:1884' },
      mayServe: () => this.serving,
      log: (level, line) => void this.log.push(`${level} ${line}`),
      convert: body => body,
      newClientId: () => 'assigned',
      dropped: why => void this.dropped.push(why),
      ...more,
    })
  }

  /** Each of them in a turn of its own. */
  bytes(...pieces: Uint8Array[]): this {
    for (const piece of pieces) {
      // The engine may write to what it gets.
      this.connection.receive(Buffer.from(piece))
      this.clock.settle()
    }
    return this
  }

  hex(text: string): this {
    return this.bytes(Buffer.from(text.replaceAll(/\s/g, ''), 'hex'))
  }

  send(cmd: string, fields: Fields = {}): this {
    return this.bytes(make(this.version, cmd, fields))
  }

  connected(fields: Fields = {}): this {
    this.bytes(connect(this.version, fields))
    assert.equal(this.all('connack').length, 1, this.log.join('\n'))
    return this
  }

  /** All that the engine said, as mqtt-packet reads it. */
  seen(): Seen[] {
    const found: Seen[] = []
    const reading = parser({ protocolVersion: this.version })
    reading.on('packet', packet => found.push(packet as Seen))
    reading.on('error', error => {
      throw error
    })
    reading.parse(this.socket.bytes)
    return found
  }

  all(cmd: string): Seen[] {
    return this.seen().filter(packet => packet.cmd === cmd)
  }

  only(cmd: string): Seen {
    const found = this.all(cmd)
    assert.equal(found.length, 1, `${cmd}: ${found.length}\n${this.log.join('\n')}`)
    return found[0] as Seen
  }

  /** Payloads of the publishes that came. */
  texts(): string[] {
    return this.all('publish').map(packet => String((packet as { payload?: Buffer }).payload))
  }

  /** The connection ended, with this reason where the version can tell it. */
  ended(reason: number): void {
    assert.ok(this.socket.ended || this.socket.destroyed, `still open\n${this.log.join('\n')}`)
    if (this.version === 5) assert.equal(this.only('disconnect')['reasonCode'], reason, this.log.join('\n'))
    else assert.equal(this.all('disconnect').length, 0)
  }

  refused(reason: number): void {
    assert.ok(this.socket.ended, 'still open')
    const connack = this.only('connack')
    assert.equal(this.version === 5 ? connack['reasonCode'] : connack['returnCode'], reason)
    assert.equal(connack['sessionPresent'], false)
  }

  /** The connection ended without a word. */
  silent(): void {
    assert.ok(this.socket.ended || this.socket.destroyed, 'still open')
    assert.equal(this.socket.bytes.length, 0)
  }
}

/** Two clients of one broker. */
export function couple(
  version: Version,
  limits: Partial<MqttLimits> = {},
): { giver: Wire; taker: Wire; topics: FakeTopics } {
  const topics = new FakeTopics()
  const clock = new ManualClock()
  const giver = new Wire(version, limits, { topics, clock }).connected({ clientId: 'giver' })
  const taker = new Wire(version, limits, { topics, clock }).connected({ clientId: 'taker' })
  return { giver, taker, topics }
}
