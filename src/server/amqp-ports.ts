// The AMQP ports of a profile, and what its engine says there of this server.

import type { Chance, Clock, Log } from '../base/ports.ts'
import type { CodedError } from '../base/errors.ts'
import type { SignIn } from '../broker/access.ts'
import type { Profile } from '../profiles/profile.ts'
import {
  createAmqpConnection,
  defaultAmqpLimits,
  Recovery,
  SoleConnections,
  type AmqpIdentity,
} from '../protocols/amqp/front-end.ts'
import { toAmqp } from './formats.ts'
import type { Listener } from './listener.ts'
import { listenersOf } from './listeners.ts'
import { withQuota } from './log-quota.ts'
import { visitorOf } from './visitor.ts'

export interface AmqpPortsParts {
  readonly profile: Profile
  readonly signIn: SignIn
  readonly clock: Clock
  readonly chance: Chance
  readonly log: Log
  readonly epoch: () => number
  readonly mayServe: () => boolean
  readonly version: string
  readonly failed: (error: CodedError) => void
}

export function amqpListeners(parts: AmqpPortsParts): Listener[] {
  const { profile, signIn, clock, chance, mayServe, failed } = parts
  const convert = toAmqp()
  const recovery = new Recovery()
  const sole = new SoleConnections()
  const log = withQuota(parts.log, clock)
  const { amqp } = profile.listeners
  const limits = {
    ...defaultAmqpLimits,
    messageBytes: profile.limits.messageBytes,
    assemblyBytes: Math.max(defaultAmqpLimits.assemblyBytes, 2 * profile.limits.messageBytes),
    sessions: profile.limits.sessionsPerConnection,
    links: profile.limits.linksPerConnection,
    outputBytes: profile.limits.connectionBacklogBytes,
  }
  const identity = (scheme: 'amqp' | 'amqps', backup: number | null): AmqpIdentity => ({
    containerId: `lockstep-${profile.server}`,
    product: 'Lockstep',
    version: parts.version,
    epoch: parts.epoch,
    server: profile.server,
    failoverServers: backup === null ? [] : [{ host: profile.backupServerIp, port: backup, scheme }],
  })
  // A client of the TLS port is never told of a plain one.
  const backupTls = profile.backupServerTlsPort ?? (amqp.port === null ? profile.backupServerPort : null)
  return listenersOf({
    profile,
    protocol: 'amqp',
    subprotocols: ['amqp'],
    failed,
    clock,
    log,
    engine: secured => (output, socket) => {
      const connection = createAmqpConnection({
        signIn,
        visitor: visitorOf(socket),
        output,
        clock,
        limits,
        identity: secured ? identity('amqps', backupTls) : identity('amqp', profile.backupServerPort),
        mayServe,
        log,
        unique: () => chance.id(),
        convert,
        recovery,
        sole,
      })
      return {
        receive: bytes => connection.receive(bytes),
        get isOpen() {
          return connection.isOpen
        },
        drained: () => connection.drained(),
        closed: () => connection.closed(),
        shutdown: reason => connection.shutdown('amqp:connection:forced', reason),
      }
    },
  })
}
