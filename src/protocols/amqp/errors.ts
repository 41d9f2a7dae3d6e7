// Everything a client can do wrong or be refused, as one table: how far the damage goes (scope), the condition on the
// wire, and the coded error for the operator. What the broker refuses is translated at the end of the file.

import type { Details } from '../../base/errors.ts'
import { type CodedError, defineErrors } from '../../base/errors.ts'
import type { RefusalReason } from '../../broker/api.ts'

/** What ends: the whole connection, the session on that channel, or one link. */
export type FaultScope = 'connection' | 'session' | 'link'

interface FaultEntry {
  readonly scope: FaultScope
  readonly condition: string
  readonly what: string
  readonly remedy: string
}

const CLIENT = 'The client library or what sits between is at fault: look at its version and at proxies.'

// prettier-ignore
const faults = {
  'FRAME-SIZE':       { scope: 'connection', condition: 'amqp:connection:framing-error', what: 'A frame of {size} bytes came where at most {limit} are allowed.', remedy: 'Raise the frame limit in the profile if the client is right; it was told this limit in open.' },
  'FRAME-SHORT':      { scope: 'connection', condition: 'amqp:connection:framing-error', what: 'A frame header is impossible: size {size}, data offset {doff}.', remedy: CLIENT },
  'FRAME-TYPE':       { scope: 'connection', condition: 'amqp:connection:framing-error', what: 'A frame of type {type} came where type {wanted} belongs.', remedy: CLIENT },
  'DECODE':           { scope: 'connection', condition: 'amqp:decode-error', what: 'A frame cannot be decoded: {why}.', remedy: CLIENT },
  'FIELD':            { scope: 'connection', condition: 'amqp:invalid-field', what: 'A field has an impossible value: {why}.', remedy: CLIENT },
  'CLIENT-ID':        { scope: 'connection', condition: 'amqp:invalid-field', what: 'The client {id} is connected already, and asks to be connected once only.', remedy: 'Give each client an identifier of its own. One that lost its connection gets in as soon as that is found out: it tries again.' },
  'REPLACED':         { scope: 'connection', condition: 'amqp:resource-locked', what: 'Another connection of the client {id} takes the place of this one.', remedy: 'None needed where the client came back; else give each client an identifier of its own.' },
  'NOT-ALLOWED':      { scope: 'connection', condition: 'amqp:not-allowed', what: 'The client did what is not allowed at this moment: {why}.', remedy: CLIENT },
  'CHANNEL-MAX':      { scope: 'connection', condition: 'amqp:connection:framing-error', what: 'Channel {channel} is above the agreed channel-max {limit}.', remedy: 'Raise the limit of sessions per connection, or let the client use fewer sessions.' },
  'IDLE':             { scope: 'connection', condition: 'amqp:resource-limit-exceeded', what: 'Nothing came from the client for {limit} ms.', remedy: 'The client hangs or the network is cut; if it is only slow, raise the idle time.' },
  'PEER-IDLE':        { scope: 'connection', condition: 'amqp:not-allowed', what: 'The client asks for an idle-time-out of {asked} ms; at least {limit} ms are honoured.', remedy: 'Configure a longer idle timeout in the client.' },
  'CONNECTIONS':      { scope: 'connection', condition: 'amqp:resource-limit-exceeded', what: 'The connection is refused: {why}.', remedy: 'Raise the limit of connections or close idle ones.' },
  'NOT-SERVING':      { scope: 'connection', condition: 'amqp:connection:forced', what: 'The connection is refused: {why}.', remedy: 'None needed: the client finds the active server through its list of servers.' },
  'INTERNAL':         { scope: 'connection', condition: 'amqp:internal-error', what: 'The AMQP engine failed on this connection: {why}.', remedy: 'Report this line with what the client was doing; other connections are not touched.' },
  'WINDOW':           { scope: 'session', condition: 'amqp:session:window-violation', what: 'More transfer frames came than the session window allows.', remedy: CLIENT },
  'HANDLE-IN-USE':    { scope: 'session', condition: 'amqp:session:handle-in-use', what: 'Handle {handle} is attached already.', remedy: CLIENT },
  'HANDLE-MAX':       { scope: 'connection', condition: 'amqp:connection:framing-error', what: 'Handle {handle} is above the agreed handle-max {limit}.', remedy: 'Raise the limit of links per session, or let the client use fewer links.' },
  'UNATTACHED':       { scope: 'session', condition: 'amqp:session:unattached-handle', what: 'Handle {handle} is not attached.', remedy: CLIENT },
  'ERRANT-LINK':      { scope: 'session', condition: 'amqp:session:errant-link', what: 'Handle {handle} is a link in the other direction.', remedy: CLIENT },
  'SESSION-FIELD':    { scope: 'session', condition: 'amqp:invalid-field', what: 'A field has an impossible value: {why}.', remedy: CLIENT },
  'CREDIT':           { scope: 'link', condition: 'amqp:link:transfer-limit-exceeded', what: 'A message came without credit.', remedy: CLIENT },
  'MESSAGE-SIZE':     { scope: 'link', condition: 'amqp:link:message-size-exceeded', what: 'A message is larger than {limit} bytes.', remedy: 'Raise the limit of message size in the profile if such messages are right.' },
  'PEER-SIZE':        { scope: 'link', condition: 'amqp:link:message-size-exceeded', what: 'A message of {size} bytes is next, and the client takes at most {limit}.', remedy: 'Raise the maximal message size of the client.' },
  'ASSEMBLY':         { scope: 'link', condition: 'amqp:resource-limit-exceeded', what: 'The half-received messages of this connection hold more than {limit} bytes.', remedy: 'Let the client send its large messages one after another.' },
  'LINK-FIELD':       { scope: 'link', condition: 'amqp:invalid-field', what: 'A field has an impossible value: {why}.', remedy: CLIENT },
  'STOLEN':           { scope: 'link', condition: 'amqp:link:stolen', what: 'A link of the same name was attached again.', remedy: 'Give every link of a session its own name.' },
  'NOT-IMPLEMENTED':  { scope: 'link', condition: 'amqp:not-implemented', what: 'The client asks for {what}, which this server does not offer.', remedy: 'Configure the client without it.' },
  'REFUSED':          { scope: 'link', condition: 'amqp:not-allowed', what: 'The broker refuses the link: {why}.', remedy: 'Check the name of the queue and the limits of the profile.' },
  'TRANSACTION':      { scope: 'session', condition: 'amqp:transaction:unknown-id', what: 'The client names a transaction that is not there.', remedy: 'It was discharged before, or rolled back with the link that declared it: the client has to declare another.' },
  'OUTPUT':           { scope: 'connection', condition: 'amqp:resource-limit-exceeded', what: 'The client does not read: {size} bytes wait for it.', remedy: 'The client hangs or its network is too slow; it was cut off.' },
  'AUTHENTICATION':   { scope: 'connection', condition: 'amqp:unauthorized-access', what: 'A client could not be authenticated with {mechanism}.', remedy: 'Check user and password, and the mechanisms that the profile allows.' },
  'HANDSHAKE':        { scope: 'connection', condition: 'amqp:connection:framing-error', what: 'The client did not open an AMQP connection within {limit} ms.', remedy: 'Something other than an AMQP client connects to this port, or the network is very slow.' },
  'PROTOCOL':         { scope: 'connection', condition: 'amqp:connection:framing-error', what: 'The client began with {header}, which is not a protocol offered here.', remedy: 'Use AMQP 1.0, with SASL where the profile asks for it; TLS has a listener of its own.' },
} as const satisfies Record<string, FaultEntry>

export type FaultName = keyof typeof faults

const coded = defineErrors('AMQP', faults)

/** Thrown inside the engine and caught at its door: the client's fault, never ours. */
export class AmqpFault extends Error {
  override name = 'AmqpFault'
  readonly scope: FaultScope
  readonly condition: string
  readonly error: CodedError

  constructor(scope: FaultScope, condition: string, error: CodedError) {
    super(error.message)
    this.scope = scope
    this.condition = condition
    this.error = error
  }
}

export const fault = (name: FaultName, details?: Details): AmqpFault =>
  new AmqpFault(faults[name].scope, faults[name].condition, coded(name, details))

/** Of a message that can be decoded. */
export const wrongField = (why: string): AmqpFault => fault('FIELD', { why })

/** The condition on the wire for what the broker refuses. */
export const conditions: Readonly<Record<RefusalReason, string>> = {
  'not-found': 'amqp:not-found',
  'not-allowed': 'amqp:not-allowed',
  'not-permitted': 'amqp:unauthorized-access',
  stolen: 'amqp:link:stolen',
  'queue-full': 'amqp:resource-limit-exceeded',
  'too-large': 'amqp:link:message-size-exceeded',
  limit: 'amqp:resource-limit-exceeded',
  'not-serving': 'amqp:link:detach-forced',
}

/** A link that the broker refuses or takes away. */
export const refusedLink = (reason: RefusalReason, why: string): AmqpFault =>
  new AmqpFault('link', conditions[reason], coded('REFUSED', { why }))
