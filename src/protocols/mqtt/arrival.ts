// A client's arrival: its CONNECT read and judged, who it is, and the session it gets. What it may do then is
// connection.ts's business; here is also what has to be given back when it goes.

import { type Broker, isRefusal, TOPIC_SCHEME } from '../../broker/api.ts'
import type { Guest } from '../../broker/access.ts'
import type { Leaving, Session, SessionOwner } from '../../broker/session-api.ts'
import { type Connect, readConnect, readVersion } from './connect.ts'
import { fault, MqttFault } from './errors.ts'
import type { ConnectionOptions } from './options.ts'
import type { Cursor } from './packets.ts'
import { reasons } from './reasons.ts'

const NEVER_SECONDS = 0xffff_ffff

/** Topics are named as AMQP clients name them. */
export const topicAddress = (topic: string): string => TOPIC_SCHEME + topic

export class Arrival {
  readonly #options: ConnectionOptions
  readonly #owner: SessionOwner
  readonly #failed: (error: unknown) => void
  /** 0: not known yet. */
  version: 4 | 5 | 0 = 0
  connect: Connect | null = null
  /** What the client is called where it gave no identifier itself. */
  assigned: string | null = null
  sessionExpiry = 0
  guest: Guest | null = null
  session: Session | null = null
  #admitted = false
  #gone = false

  constructor(options: ConnectionOptions, owner: SessionOwner, failed: (error: unknown) => void) {
    this.#options = options
    this.#owner = owner
    this.#failed = failed
  }

  get clientId(): string {
    return this.assigned ?? this.connect?.clientId ?? ''
  }

  /** Seconds; a client of MQTT 5 can be told that it is to be heard more often. */
  get keepAlive(): number {
    const { version, keepAlive } = this.connect as Connect
    const most = this.#options.limits.keepAliveSeconds
    return version === 5 && (keepAlive === 0 || keepAlive > most) ? most : keepAlive
  }

  /** The owner's `opened` follows, or `failed`. */
  read(packet: Cursor): void {
    const { bytes, at } = packet
    const { limits } = this.#options
    // The version first: whatever is wrong then can be told in the client's own words.
    try {
      this.version = readVersion(packet)
    } catch (error) {
      if (error instanceof MqttFault && error.reason === reasons.UNSUPPORTED_VERSION)
        this.version = unknownVersion(bytes, at)
      throw error
    }
    const connect = readConnect(packet, this.version, limits.topicLevels)
    this.connect = connect
    const { clientId, authMethod } = connect
    // [MQTT-4.12.0-1]
    if (authMethod !== null) throw fault('AUTH-METHOD', { method: JSON.stringify(authMethod) })
    if (Buffer.byteLength(clientId) > limits.clientIdBytes)
      throw fault('CLIENT-ID', { why: `it is longer than ${limits.clientIdBytes} bytes` })
    // [MQTT-3.1.3-8] of 3.1.1
    if (clientId === '' && this.version === 4 && !connect.clean)
      throw fault('CLIENT-ID', { why: 'it is empty, and the session is to last' })
    if (clientId === '') this.assigned = this.#options.newClientId()
  }

  signIn(): void {
    const { signIn, visitor } = this.#options
    const { user, password } = this.connect as Connect
    const done = (guest: Guest | null): void => {
      if (this.#gone) return
      try {
        if (guest === null) throw fault('CREDENTIALS', { user: user === null ? 'nobody' : JSON.stringify(user) })
        this.guest = guest
        this.#open(guest.broker)
      } catch (error) {
        this.#failed(error)
      }
    }
    if (user !== null) signIn.password(visitor, user, password ?? '', done)
    else if (visitor.certified !== null) done(signIn.external(visitor))
    else done(signIn.anonymous(visitor))
  }

  #open(broker: Broker): void {
    const { will, clean, sessionExpiry } = this.connect as Connect
    const refusal = broker.admitConnection()
    if (refusal !== null)
      throw fault(refusal.refused === 'not-serving' ? 'NOT-SERVING' : 'REFUSED', { why: refusal.text })
    this.#admitted = true
    this.sessionExpiry = this.#allowed(sessionExpiry)
    if (will !== null) {
      const target = broker.target(topicAddress(will.topic))
      if (isRefusal(target)) throw fault('NOT-ALLOWED', { why: `its will: ${target.text}` })
    }
    const request = {
      clientId: this.clientId,
      user: (this.guest as Guest).user,
      clean,
      keepMs: keepMsOf(this.sessionExpiry),
      will: will && {
        topic: will.topic,
        body: will.body,
        qos: will.qos,
        retain: will.retain,
        delayMs: will.delaySeconds * 1000,
        expiryMs: will.expirySeconds * 1000,
      },
    }
    const session = broker.sessions.open(request, this.#owner)
    if (isRefusal(session)) {
      const { refused, text } = session
      if (refused === 'not-permitted') throw fault('CLIENT-OWNER', { why: text })
      throw fault(refused === 'not-serving' ? 'NOT-SERVING' : 'REFUSED', { why: text })
    }
    this.session = session
  }

  /** What the client asked for, within what is kept at most. */
  #allowed(seconds: number): number {
    const { sessionExpirySeconds } = this.#options.limits
    return sessionExpirySeconds >= NEVER_SECONDS - 1 ? seconds : Math.min(seconds, sessionExpirySeconds)
  }

  /** `expiry`: what the client asks for in its DISCONNECT, or null. */
  leave(how: Leaving, expiry: number | null): void {
    this.#gone = true
    const { session } = this
    this.session = null
    session?.leave(how, expiry === null ? null : keepMsOf(this.#allowed(expiry)))
    if (this.#admitted) this.guest?.broker.connectionClosed()
    this.#admitted = false
  }
}

const keepMsOf = (seconds: number): number => (seconds === NEVER_SECONDS ? Infinity : seconds * 1000)

/** Who speaks a version that is not served is answered in the form of its own version, as far as that can be known. */
function unknownVersion(bytes: Buffer, at: number): 4 | 5 {
  const level = bytes[at + 2 + bytes.readUInt16BE(at)] ?? 0
  return level > 5 ? 5 : 4
}
