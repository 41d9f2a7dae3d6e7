// What this server says of itself in `open`: its limits, who it is in the pair, and where clients find the other server,
// in the form that Qpid JMS and Artemis' clients understand (failover-server-list). Also the options of a connection.

import type { Clock, Log } from '../../base/ports.ts'
import type { Broker } from '../../broker/api.ts'
import type { AmqpLimits } from './limits.ts'
import type { OutputSocket } from '../output.ts'
import { encodePerformative, performatives } from './performatives.ts'
import type { Mechanism } from './sasl.ts'
import type { Value } from './types.ts'
import { NULL, int, list, map, str, sym, uint, ulong, ushort } from './types.ts'

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
  readonly broker: Broker
  readonly output: OutputSocket
  readonly clock: Clock
  readonly limits: AmqpLimits
  readonly identity: AmqpIdentity
  readonly mechanisms: readonly Mechanism[]
  /** Must answer at once: passwords are checked against what is in memory. */
  authenticate(mechanism: Mechanism, user: string, password: string): boolean
  /** Asked before every write: bytes are held back while this server cannot prove that it serves. Default: it can. */
  readonly mayServe?: () => boolean
  readonly log: Log
  /** For the console: who is at the other end. */
  readonly remote?: string
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

export const encodeOpen = ({ identity, limits }: ConnectionOptions): Buffer =>
  encodePerformative(performatives.open, [
    str(identity.containerId),
    NULL,
    uint(limits.frameBytes),
    ushort(limits.sessions - 1),
    // Half of what is enforced, as the specification advises.
    uint(Math.floor(limits.idleMs / 2)),
    NULL,
    NULL,
    NULL,
    NULL,
    map(
      [
        [sym('product'), str(identity.product)],
        [sym('version'), str(identity.version)],
        [sym('lockstep:server'), str(identity.server)],
        [sym('lockstep:epoch'), ulong(BigInt(identity.epoch()))],
        [sym('failover-server-list'), list(identity.failoverServers.map(failoverEntry))],
      ].flat(),
    ),
  ])
