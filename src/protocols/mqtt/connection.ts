// One client connection from its first byte to its last: CONNECT, keep alive, the packets to their parts, and the end. It
// has no socket and no clock but the ports it is given. Whatever a client sends, nothing is thrown out of here but our own
// broken promises.

import { assert, BrokenPromise } from '../../base/assert.ts'
import type { Clock } from '../../base/ports.ts'
import type { Broker, PublishTarget, Refusal } from '../../broker/api.ts'
import type { Leaving, Session, SessionMessage, SessionOwner } from '../../broker/session-api.ts'
import { Patience } from '../patience.ts'
import { writeAnswer, writePacket } from './acknowledge.ts'
import { Arrival, topicAddress } from './arrival.ts'
import { writeGoodbye, writeRefusal, writeWelcome } from './connack.ts'
import type { Connect } from './connect.ts'
import { fault, malformed, MqttFault, protocolError } from './errors.ts'
import { PacketReader, type PacketSink } from './framing.ts'
import type { ConnectionOptions } from './options.ts'
import { Inbound } from './inbound.ts'
import type { MqttLimits } from './limits.ts'
import { Outbound } from './outbound.ts'
import { Outgoing } from './outgoing.ts'
import { Outlet } from './outlet.ts'
import { Cursor, flagsOf, packets } from './packets.ts'
import { places, Properties } from './properties.ts'
import { reasons } from './reasons.ts'
import { type SubscriberHost, Subscriptions } from './subscriptions.ts'
import { Valve } from './valve.ts'

const NOTHING = Buffer.alloc(0)

/** connect: CONNECT is due; opening: it is judged; running: everything else; over: nothing is listened to any more. */
type Stage = 'connect' | 'opening' | 'running' | 'over'

const cursor = new Cursor()
const properties = new Properties()

export class Connection implements PacketSink, SubscriberHost, SessionOwner {
  readonly limits: MqttLimits
  readonly #options: ConnectionOptions
  readonly #clock: Clock
  readonly #out: Outlet
  readonly #reader = new PacketReader(this)
  readonly #patience: Patience
  readonly #arrival: Arrival
  readonly valve: Valve
  #stage: Stage = 'connect'
  #begun = false
  #inbound!: Inbound
  #outgoing!: Outgoing
  #subscriptions!: Subscriptions
  sender!: Outbound
  #gone = false

  constructor(options: ConnectionOptions) {
    this.#options = options
    this.limits = options.limits
    this.#clock = options.clock
    const { output, mayServe, clock, limits } = options
    this.#out = new Outlet(output, mayServe, clock, limits, size => this.#tooMuch(size))
    this.#arrival = new Arrival(options, this, error => this.fail(error))
    this.valve = new Valve(
      paused => options.output.pause?.(paused),
      () => this.#clock.soon(this.#readOn),
    )
    this.#patience = new Patience(this.#clock)
    const { connectMs } = this.limits
    this.#patience.waitFor(connectMs, () => this.fail(fault('CONNECT-TIME', { limit: connectMs })))
  }

  // ---- the socket's side

  receive(bytes: Uint8Array): void {
    if (this.deaf) return
    this.#patience.heard()
    try {
      // Who does not speak MQTT is not waited for.
      if (this.#stage === 'connect' && !this.#begun && bytes.length > 0) this.#begin(bytes[0] as number)
      this.#reader.receive(bytes)
    } catch (error) {
      this.fail(error)
    }
  }

  #begin(first: number): void {
    this.#begun = true
    if (first !== packets.CONNECT << 4) throw malformed('the first packet is no CONNECT') // [MQTT-3.1.0-1]
  }

  readonly #readOn = (): void => {
    if (this.deaf || this.busy) return
    try {
      this.#reader.resume()
    } catch (error) {
      this.fail(error)
    }
  }

  drained(): void {
    this.#out.drained()
  }

  closed(): void {
    if (this.#gone) return
    this.#gone = true
    this.#stop('gone', null)
    this.#patience.stop()
  }

  /** This server stops serving. */
  shutdown(reason: string): void {
    if (this.#stage === 'over') return
    // Acknowledgements that did not leave yet may not be ours to give any more.
    if (!this.#options.mayServe()) this.#out.discard()
    if (this.#stage === 'running') this.#goodbye(reasons.ADMINISTRATIVE, reason, this.#options.identity.otherServer)
    this.#finish('stopped', null)
  }

  // ---- for the reader

  get isOpen(): boolean {
    return this.#stage === 'running'
  }

  get deaf(): boolean {
    return this.#stage === 'over'
  }

  get busy(): boolean {
    return this.valve.closed
  }

  get packetBytes(): number {
    return this.#stage === 'connect' ? this.limits.connectBytes : this.limits.packetBytes
  }

  packet(first: number, bytes: Buffer, at: number, end: number): boolean {
    const type = first >> 4
    if (this.#stage === 'connect') {
      this.#arrival.read(cursor.set(bytes, at, end))
      this.#stage = 'opening'
      this.valve.set('opening', true)
      this.#arrival.signIn()
      return true
    }
    if (type === packets.PUBLISH) return this.#inbound.publish(first, bytes, at, end)
    if ((first & 15) !== flagsOf(type)) throw malformed(`the flags of packet type ${type} are ${first & 15}`)
    if (type >= packets.PUBACK && type <= packets.PUBCOMP) this.#acknowledgement(type, bytes, at, end)
    else this.#rare(type, cursor.set(bytes, at, end))
    return true
  }

  #acknowledgement(type: number, bytes: Buffer, at: number, end: number): void {
    if (at + 2 > end) throw malformed('it ends too early')
    const id = ((bytes[at] as number) << 8) | (bytes[at + 1] as number)
    let reason = 0
    if (at + 2 < end) {
      if (this.version === 4) throw malformed('something follows its end')
      reason = bytes[at + 2] as number
      if (at + 3 < end) this.#checkProperties(cursor.set(bytes, at + 3, end), places.ACK)
    }
    const session = this.#arrival.session as Session
    switch (type) {
      case packets.PUBACK:
        if (!session.acknowledge(id)) this.#outgoing.acknowledged(id)
        return
      case packets.PUBREC:
        if (!(reason >= 0x80 ? session.acknowledge(id) : session.receive(id))) this.#outgoing.received(id, reason)
        return
      case packets.PUBREL:
        this.#inbound.release(id)
        return
      default:
        if (!session.complete(id)) this.#outgoing.completed(id)
    }
  }

  #checkProperties(place: Cursor, where: number): void {
    properties.read(place, where)
    if (place.left > 0) throw malformed('something follows its end')
  }

  #rare(type: number, packet: Cursor): void {
    switch (type) {
      case packets.SUBSCRIBE:
        return this.#subscriptions.subscribe(packet)
      case packets.UNSUBSCRIBE:
        return this.#subscriptions.unsubscribe(packet)
      case packets.PINGREQ:
        if (packet.left > 0) throw malformed('PINGREQ has a body')
        return this.writePacket(packets.PINGRESP << 4, NOTHING)
      case packets.DISCONNECT:
        return this.#disconnect(packet)
      case packets.CONNECT:
        throw protocolError('a second CONNECT came') // [MQTT-3.1.0-2]
      case packets.AUTH:
        if (this.version === 4) throw malformed('there is no packet type 15')
        // Nothing was begun that could go on [MQTT-4.12.1-1].
        throw protocolError('AUTH came without an authentication method')
      default:
        throw (type === 0 ? malformed : protocolError)(`a client does not send packet type ${type}`)
    }
  }

  #disconnect(packet: Cursor): void {
    let reason = 0
    let expiry: number | null = null
    if (this.version === 5 && packet.left > 0) {
      reason = packet.u8()
      if (packet.left > 0) {
        this.#checkProperties(packet, places.DISCONNECT)
        if (properties.sessionExpiry >= 0) expiry = properties.sessionExpiry
      }
    } else if (packet.left > 0) throw malformed('DISCONNECT has a body')
    // [MQTT-3.1.2-23]: what was to end with the connection does.
    if (expiry !== null && expiry > 0 && this.#arrival.sessionExpiry === 0)
      throw protocolError('the session was to end with its connection, and is to last')
    this.#finish(reason === reasons.SUCCESS ? 'goodbye' : 'gone', expiry)
  }

  // ---- of the session

  opened(present: boolean): void {
    // A broker may say so before it has given the session.
    if (this.#arrival.session === null) this.#clock.soon(() => this.#opened(present))
    else this.#opened(present)
  }

  #opened(present: boolean): void {
    if (this.#stage !== 'opening') return
    const { assigned, sessionExpiry, keepAlive } = this.#arrival
    const connect = this.#arrival.connect as Connect
    const session = this.#arrival.session as Session
    const aliases = Math.min(connect.topicAliasMaximum, this.limits.topicAliases)
    this.sender = new Outbound(this.#out, connect.version, connect.maximumPacketSize, aliases)
    this.#outgoing = new Outgoing(this, connect.receiveMaximum)
    this.#inbound = new Inbound(this, session.publisher)
    this.#subscriptions = new Subscriptions(this, session, this.#outgoing, this.#options.convert)
    writeWelcome(this.#out, {
      connect,
      limits: this.limits,
      identity: this.#options.identity,
      present,
      assigned,
      sessionExpiry,
      keepAlive,
    })
    this.#stage = 'running'
    if (keepAlive > 0) {
      const silence = keepAlive * 1500 // [MQTT-3.1.2-22]
      this.#patience.listen(silence, () => this.fail(fault('KEEP-ALIVE', { silence })))
    } else this.#patience.waitForNothing()
    try {
      this.#subscriptions.resume()
      session.window(Math.min(connect.receiveMaximum, this.limits.inflight))
    } catch (error) {
      this.fail(error)
    }
    this.valve.set('opening', false)
  }

  deliver(message: SessionMessage): void {
    this.#subscriptions.deliver(message)
  }

  taken(packetId: number): void {
    this.answer(packets.PUBREC, packetId, reasons.SUCCESS)
  }

  released(packetId: number): void {
    this.answer(packets.PUBCOMP, packetId, reasons.SUCCESS)
  }

  received(packetId: number): void {
    this.answer(packets.PUBREL, packetId, reasons.SUCCESS)
  }

  takenOver(): void {
    this.fail(fault('TAKEN-OVER', { id: JSON.stringify(this.#arrival.clientId) }))
  }

  ended(refusal: Refusal): void {
    if (refusal.refused === 'not-serving') this.shutdown(refusal.text)
    else this.fail(fault('SESSION-ENDED', { why: refusal.text }))
  }

  // ---- for the parts

  get version(): 4 | 5 {
    return this.#arrival.version === 5 ? 5 : 4
  }

  get broker(): Broker {
    const { guest } = this.#arrival
    assert(guest !== null, 'nobody uses the broker before it is known who it is')
    return guest.broker
  }

  get sessionId(): number {
    return this.#arrival.session?.id ?? 0
  }

  /** QoS 0 messages are dropped: the client does not read fast enough. */
  get congested(): boolean {
    return this.#out.congested
  }

  wall(): number {
    return this.#clock.wall()
  }

  target(topic: string): PublishTarget | Refusal {
    return this.broker.target(topicAddress(topic))
  }

  answer(type: number, id: number, reason: number, text?: string): void {
    if (this.#stage !== 'running') return
    const connect = this.#arrival.connect as Connect
    const says = text !== undefined && connect.requestProblem && text.length * 3 + 16 < connect.maximumPacketSize
    writeAnswer(this.#out, type, id, reason, says ? text : null)
  }

  writePacket(first: number, body: Uint8Array): void {
    if (this.#stage === 'running') writePacket(this.#out, first, body)
  }

  answered(unanswered: number): void {
    this.valve.set('choked', this.version === 4 && unanswered > this.limits.receiveMaximum)
  }

  dropped(why: 'refused' | 'slow' | 'too-large'): void {
    this.#options.dropped(why)
  }

  waitForRoom(target: PublishTarget): void {
    this.valve.waitFor(target)
  }

  repeated(id: number): boolean {
    return this.#arrival.session?.repeated(id) === true
  }

  release(id: number): void {
    this.#arrival.session?.release(id)
  }

  #tooMuch(size: number): void {
    if (this.#stage === 'over') return
    this.#say('warn', fault('OUTPUT', { size }).error.line())
    this.#stop('gone', null)
    this.#out.destroy()
  }

  #say(level: 'warn' | 'error' | 'info', line: string): void {
    this.#options.log(level, `${line} Client ${this.#options.visitor.remote}.`)
  }

  // ---- the end

  fail(error: unknown): void {
    if (error instanceof BrokenPromise) throw error
    if (this.#stage === 'over') return
    let why: MqttFault
    if (error instanceof MqttFault) {
      why = error
      this.#say(why.reason === reasons.TAKEN_OVER ? 'info' : 'warn', why.error.line())
    } else {
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
      why = fault('INTERNAL', { why: text.replace(/\s*\n\s*/g, ' ') })
      this.#say('error', why.error.line())
    }
    const text = why.error.code === 'MQTT-INTERNAL' ? 'internal error' : why.message
    if (this.#stage === 'running') this.#goodbye(why.reason, text, null)
    // Who does not serve says nothing: the client turns to its other address.
    else if (this.#arrival.version > 0 && this.#options.mayServe())
      writeRefusal(this.#out, this.version, why.reason, text)
    this.#finish('gone', null)
  }

  #goodbye(reason: number, text: string, other: string | null): void {
    const most = (this.#arrival.connect as Connect).maximumPacketSize
    const says = text.length * 3 + (other?.length ?? 0) + 16 < most
    writeGoodbye(this.#out, this.version, reason, says ? text : null, says ? other : null)
  }

  /** Nothing more is said or heard; the client has a while to close its side. */
  #finish(how: Leaving, expiry: number | null): void {
    this.#stop(how, expiry)
    this.#out.end()
    if (!this.#gone) this.#patience.waitFor(this.limits.closeMs, () => this.#out.destroy())
  }

  #stop(how: Leaving, expiry: number | null): void {
    if (this.#stage === 'over') return
    this.#stage = 'over'
    this.#patience.stop()
    this.#out.stop()
    this.valve.stop()
    this.#subscriptions?.close()
    this.#arrival.leave(how, expiry)
  }
}
