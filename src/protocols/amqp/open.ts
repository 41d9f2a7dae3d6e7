// What this server says of itself in `open`: its limits, who it is in the pair, and where clients find the other server,
// in the form that Qpid JMS and Artemis' clients understand (failover-server-list). Also the options of a connection.

import type { Clock, Log } from '../../base/ports.ts'
import type { SignIn, Visitor } from '../../broker/access.ts'
import type { Converter } from '../../broker/neutral.ts'
import { fault } from './errors.ts'
import type { AmqpLimits } from './limits.ts'
import type { OutputSocket } from '../output.ts'
import type { FieldsOf } from './performatives.ts'
import { encodePerformative, performatives } from './performatives.ts'
import type { Recovery } from './recovery.ts'
import { soleCapability, type SoleConnections, soleProperties } from './sole.ts'
import type { Value } from './types.ts'
import { NULL, array, bool, int, list, map, str, sym, uint, ulong, ushort } from './types.ts'

export interface FailoverServer {
  readonly host: string
  readonly port: number
  /** Where the other server's listener speaks TLS: amqps. */
  readonly scheme?: 'amqp' | 'amqps'
}

export interface AmqpIdentity {
  readonly containerId: string
  readonly product: string
  readonly version: string
  /** The reign under which this server serves now. */
  epoch(): number
  readonly server: 'primary' | 'secondary'
  readonly failoverServers: readonly FailoverServer[]
}

export interface ConnectionOptions {
  readonly signIn: SignIn
  /** Who is at the other end, before it says so itself. */
  readonly visitor: Visitor
  readonly output: OutputSocket
  readonly clock: Clock
  readonly limits: AmqpLimits
  readonly identity: AmqpIdentity
  /** Asked before every write: bytes are held back while this server cannot prove that it serves. Default: it can. */
  readonly mayServe?: () => boolean
  readonly log: Log
  /** A name that nobody can guess, unique in history. */
  unique(): string
  /** Messages of other protocols in the form of this one. */
  readonly convert: Converter
  /** What senders that come back are told; without it they are told nothing. */
  readonly recovery?: Recovery
  /** Of all connections of this server; without it a client may have as many as it likes. */
  readonly sole?: SoleConnections
}

const failoverEntry = (server: FailoverServer): Value =>
  map(
    [
      [sym('network-host'), str(server.host)],
      [sym('hostname'), str(server.host)],
      [sym('port'), int(server.port)],
      server.scheme === undefined ? [] : [sym('scheme'), str(server.scheme)],
    ].flat(),
  )

/** The least that a peer must take (section 2.7.1). */
export const MIN_MAX_FRAME_BYTES = 512

/** In which time something is to come from a client: half of what is enforced, as the specification advises. */
export const askedIdleMs = ({ idleMs }: AmqpLimits): number => Math.floor(idleMs / 2)

/** What the client's open asks for, within the limits; throws a fault where it cannot be had. */
export function readOpen(
  open: FieldsOf<typeof performatives.open>,
  limits: AmqpLimits,
): { readonly frameBytes: number; readonly idle: number } {
  const size = open.maxFrameSize ?? 0xffffffff
  if (size < MIN_MAX_FRAME_BYTES) throw fault('FIELD', { why: `max-frame-size is below ${MIN_MAX_FRAME_BYTES}` })
  if (Buffer.byteLength(open.containerId) > limits.nameBytes) {
    throw fault('FIELD', { why: `the container-id is longer than ${limits.nameBytes} bytes` })
  }
  const idle = open.idleTimeOut ?? 0
  if (idle > 0 && idle < limits.peerIdleMs) throw fault('PEER-IDLE', { asked: idle, limit: limits.peerIdleMs })
  return { frameBytes: Math.min(size, limits.frameBytes), idle }
}

/** `fails`: the answer to an open that is refused, which `close` follows at once. */
export const encodeOpen = ({ identity, limits }: ConnectionOptions, fails: boolean): Buffer =>
  encodePerformative(performatives.open, [
    str(identity.containerId),
    NULL,
    uint(limits.frameBytes),
    ushort(limits.sessions - 1),
    uint(askedIdleMs(limits)),
    NULL,
    NULL,
    array([sym('ANONYMOUS-RELAY'), sym('SHARED-SUBS'), sym('DELAYED_DELIVERY'), soleCapability]),
    NULL,
    map(
      [
        [sym('product'), str(identity.product)],
        [sym('version'), str(identity.version)],
        [sym('lockstep:server'), str(identity.server)],
        [sym('lockstep:epoch'), ulong(BigInt(identity.epoch()))],
        [sym('failover-server-list'), list(identity.failoverServers.map(failoverEntry))],
        soleProperties,
        fails ? [sym('amqp:connection-establishment-failed'), bool(true)] : [],
      ].flat(),
    ),
  ])
