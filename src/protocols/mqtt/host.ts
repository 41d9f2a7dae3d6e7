// What the parts of a connection need of it: the narrow way upwards, so that each can be read (and tested) by itself.

import type { Broker, PublishTarget, Refusal } from '../../broker/api.ts'
import type { MqttLimits } from './limits.ts'
import type { Outbound } from './outbound.ts'

export interface Host {
  readonly version: 4 | 5
  readonly limits: MqttLimits
  readonly broker: Broker
  readonly sender: Outbound
  /** 0 where the session ends with the connection. */
  readonly sessionId: number
  wall(): number
  target(topic: string): PublishTarget | Refusal
  /** PUBACK, PUBREC, PUBREL or PUBCOMP. */
  answer(type: number, id: number, reason: number, text?: string): void
  /** So many publishes of the client still wait. */
  answered(unanswered: number): void
  /** The connection ends, with the reason told where the protocol can. */
  fail(error: unknown): void
  /** A message is lost on purpose: counted. */
  dropped(why: 'refused' | 'slow' | 'too-large'): void
  /** The client is read again when there is room. */
  waitForRoom(target: PublishTarget): void
  /** QoS 2: the lasting session took this identifier before, on an earlier connection, and answers for it. */
  repeated(id: number): boolean
  /** QoS 2: PUBREL came for an identifier of the lasting session. */
  release(id: number): void
}
