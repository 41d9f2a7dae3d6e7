// What the server says of itself in CONNACK, and how it ends a connection: in CONNACK while there was none yet, by
// DISCONNECT afterwards, with what each protocol version can say.

import type { Output } from '../output.ts'
import { writePacket } from './acknowledge.ts'
import type { Connect } from './connect.ts'
import type { MqttLimits } from './limits.ts'
import { packets } from './packets.ts'
import { properties, PropertyWriter } from './properties.ts'
import { returnCode } from './reasons.ts'

export interface MqttIdentity {
  readonly server: 'primary' | 'secondary'
  /** The reign under which this server serves now. */
  epoch(): number
  /** Where the other server's clients are served, as `host:port`: told as Server Reference. */
  readonly otherServer: string | null
}

export interface Welcome {
  readonly connect: Connect
  readonly limits: MqttLimits
  readonly identity: MqttIdentity
  readonly present: boolean
  /** What the client is called from now on, where it gave no identifier itself. */
  readonly assigned: string | null
  readonly sessionExpiry: number
  readonly keepAlive: number
}

export function writeWelcome(out: Output, welcome: Welcome): void {
  const { connect, limits, identity, present, assigned } = welcome
  const head = Buffer.from([present ? 1 : 0, 0])
  if (connect.version === 4) return writePacket(out, packets.CONNACK << 4, head)
  const list = new PropertyWriter()
  if (welcome.sessionExpiry !== connect.sessionExpiry) list.number(properties.sessionExpiry, welcome.sessionExpiry)
  list.number(properties.receiveMaximum, limits.receiveMaximum)
  list.number(properties.maximumPacketSize, limits.packetBytes)
  if (assigned !== null) list.text(properties.assignedClientId, assigned)
  list.number(properties.topicAliasMaximum, limits.topicAliases)
  if (welcome.keepAlive !== connect.keepAlive) list.number(properties.serverKeepAlive, welcome.keepAlive)
  // Answers are best sent to a topic below this one; it is advice, not a permission.
  if (connect.requestResponse) list.text(properties.responseInformation, `response/${assigned ?? connect.clientId}`)
  list.pair('lockstep:server', identity.server)
  list.pair('lockstep:epoch', String(identity.epoch()))
  if (identity.otherServer !== null) list.pair('lockstep:other', identity.otherServer)
  writePacket(out, packets.CONNACK << 4, Buffer.concat([head, list.bytes]))
}

/** Refuses the connection; MQTT 3.1.1 gets nothing where it has no return code for the reason. */
export function writeRefusal(out: Output, version: 4 | 5, reason: number, text: string): void {
  const code = version === 5 ? reason : returnCode(reason)
  if (code === null) return
  const head = Buffer.from([0, code])
  const list = new PropertyWriter().text(properties.reasonString, text)
  writePacket(out, packets.CONNACK << 4, version === 5 ? Buffer.concat([head, list.bytes]) : head)
}

/** MQTT 3.1.1 has no DISCONNECT of the server. */
export function writeGoodbye(
  out: Output,
  version: 4 | 5,
  reason: number,
  text: string | null,
  other: string | null,
): void {
  if (version === 4) return
  const list = new PropertyWriter()
  if (text !== null) list.text(properties.reasonString, text)
  if (other !== null) list.text(properties.serverReference, other)
  writePacket(out, packets.DISCONNECT << 4, Buffer.concat([Buffer.from([reason]), list.bytes]))
}
