// Everything a client can do wrong or be refused, as one table: the reason code of MQTT 5, the normative statement that
// asks for it (their numbers are those of the MQTT 5.0 standard), and the coded error for the operator. All of them end
// the connection; what ends only one publish or subscription is a reason code in its answer.

import { type CodedError, defineErrors, type Details } from '../../base/errors.ts'
import type { RefusalReason } from '../../broker/api.ts'
import { reasons, type ReasonName } from './reasons.ts'

interface FaultEntry {
  readonly reason: ReasonName
  readonly what: string
  readonly remedy: string
}

const CLIENT = 'The client library or what sits between is at fault: look at its version and at proxies.'

// prettier-ignore
const faults = {
  'MALFORMED':      { reason: 'MALFORMED',           what: 'A packet cannot be decoded: {why}.', remedy: CLIENT },
  'PROTOCOL':       { reason: 'PROTOCOL_ERROR',      what: 'The client did what the protocol does not allow: {why}.', remedy: CLIENT },
  'VERSION':        { reason: 'UNSUPPORTED_VERSION', what: 'The client speaks {name} level {level}; MQTT 3.1.1 (level 4) and 5.0 (level 5) are served.', remedy: 'Configure the client for MQTT 3.1.1 or 5.' },
  'CLIENT-ID':      { reason: 'CLIENT_ID',           what: 'The client identifier is not acceptable: {why}.', remedy: 'Give the client an identifier, or let it begin a clean session; see docs/mqtt.md for the bound of its length.' },
  'CLIENT-OWNER':   { reason: 'CLIENT_ID',           what: 'The client identifier is taken: {why}.', remedy: 'Give the clients of each user identifiers of their own. The session is free again when it has expired, its user has ended it with a clean session, or an operator with lockstep session.' },
  'CREDENTIALS':    { reason: 'BAD_CREDENTIALS',     what: 'A client could not be authenticated as {user}.', remedy: 'Check user and password, and whether the profile lets clients in without.' },
  'AUTH-METHOD':    { reason: 'BAD_AUTHENTICATION',  what: 'The client asks for the authentication method {method}, which is not offered.', remedy: 'Configure the client for user and password, or a certificate.' },
  'NOT-ALLOWED':    { reason: 'NOT_AUTHORIZED',      what: 'The client is not allowed to do this: {why}.', remedy: 'Check what the profile allows this user.' },
  'REFUSED':        { reason: 'QUOTA',               what: 'The connection is refused: {why}.', remedy: 'Raise the limit named here, or close what is not needed.' },
  'NOT-SERVING':    { reason: 'UNAVAILABLE',         what: 'The connection is refused: {why}.', remedy: 'None needed: the client finds the active server through its list of servers.' },
  'KEEP-ALIVE':     { reason: 'KEEP_ALIVE',          what: 'Nothing came from the client for {silence} ms, one and a half times its keep alive.', remedy: 'The client hangs or the network is cut; if it is only slow, let it use a longer keep alive.' },
  'TAKEN-OVER':     { reason: 'TAKEN_OVER',          what: 'Another connection came with the client identifier {id}; this one ends.', remedy: 'Give every client its own identifier, if this was not the same client coming back.' },
  'TOPIC':          { reason: 'TOPIC_NAME',          what: 'A topic name is not acceptable: {why}.', remedy: CLIENT },
  'RECEIVE-MAX':    { reason: 'RECEIVE_MAXIMUM',     what: 'More than {limit} publishes of the client wait for their answers, the Receive Maximum it was told.', remedy: CLIENT },
  'ALIAS':          { reason: 'TOPIC_ALIAS',         what: 'The topic alias {alias} is not one of 1 to {limit}.', remedy: CLIENT },
  'TOO-LARGE':      { reason: 'TOO_LARGE',           what: 'A packet of {size} bytes came where at most {limit} are allowed.', remedy: 'Raise limits.messageBytes in the profile if such messages are right.' },
  'QUOTA':          { reason: 'QUOTA',               what: 'A message of the client is refused: {why}. Its protocol version has no answer for that, so the connection ends.', remedy: 'Let consumers catch up, or raise the limit that is named.' },
  'OUTPUT':         { reason: 'QUOTA',               what: 'The client does not read: {size} bytes wait for it.', remedy: 'The client hangs or its network is too slow; it was cut off.' },
  'CONNECT-TIME':   { reason: 'UNSPECIFIED',         what: 'The client did not send CONNECT within {limit} ms.', remedy: 'Something other than an MQTT client connects to this port, or the network is very slow.' },
  'SESSION-ENDED':  { reason: 'ADMINISTRATIVE',      what: 'The session of the client ended: {why}.', remedy: 'None needed: the client connects again.' },
  'INTERNAL':       { reason: 'UNSPECIFIED',         what: 'The MQTT engine failed on this connection: {why}.', remedy: 'Report this line with what the client was doing; other connections are not touched.' },
} as const satisfies Record<string, FaultEntry>

export type FaultName = keyof typeof faults

const coded = defineErrors('MQTT', faults)

/** Thrown inside the engine and caught at its door: the client's fault, never ours. */
export class MqttFault extends Error {
  override name = 'MqttFault'
  readonly reason: number
  readonly error: CodedError

  constructor(reason: number, error: CodedError) {
    super(error.message)
    this.reason = reason
    this.error = error
  }
}

export const fault = (name: FaultName, details?: Details): MqttFault =>
  new MqttFault(reasons[faults[name].reason], coded(name, details))

export const malformed = (why: string): MqttFault => fault('MALFORMED', { why })
export const protocolError = (why: string): MqttFault => fault('PROTOCOL', { why })

/** The reason code for what the broker refuses, in the answer to a publish or subscription. */
export const refusals: Readonly<Record<RefusalReason, number>> = {
  'not-found': reasons.NOT_AUTHORIZED,
  // Well-formed, and whoever asks for it: no matter of permissions.
  'not-allowed': reasons.IMPLEMENTATION,
  'not-permitted': reasons.NOT_AUTHORIZED,
  stolen: reasons.TAKEN_OVER,
  'queue-full': reasons.QUOTA,
  'too-large': reasons.QUOTA,
  limit: reasons.QUOTA,
  'not-serving': reasons.UNSPECIFIED,
}
