// The AMQP ports of a profile: a plain one, one with TLS, or both.

import type { Clock, Log } from '../base/ports.ts'
import type { CodedError } from '../base/errors.ts'
import type { SignIn } from '../broker/access.ts'
import type { Profile } from '../profiles/profile.ts'
import { createAmqpConnection, defaultAmqpLimits, type AmqpIdentity } from '../protocols/amqp/front-end.ts'
import { Listener, type EngineOutput } from './listener.ts'
import { withQuota } from './log-quota.ts'
import type { TlsFiles } from './tls-files.ts'
import { visitorOf } from './visitor.ts'

export interface AmqpPortsParts {
  readonly profile: Profile
  readonly signIn: SignIn
  readonly clock: Clock
  readonly log: Log
  readonly epoch: () => number
  readonly mayServe: () => boolean
  readonly version: string
  readonly failed: (error: CodedError) => void
}

export function amqpListeners(parts: AmqpPortsParts): Listener[] {
  const { profile, signIn, clock, mayServe, failed } = parts
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
  const listener = (port: number, tls: TlsFiles | null, key: string): Listener =>
    new Listener({
      host: amqp.host,
      port,
      tls,
      purpose: tls ? 'AMQP (TLS)' : 'AMQP',
      key,
      connections: profile.limits.connections,
      failed,
      clock,
      log,
      engine: (output: EngineOutput, socket) => {
        const connection = createAmqpConnection({
          signIn,
          visitor: visitorOf(socket),
          output,
          clock,
          limits,
          identity: tls ? identity('amqps', backupTls) : identity('amqp', profile.backupServerPort),
          mayServe,
          log,
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
  const found: Listener[] = []
  if (amqp.port !== null) found.push(listener(amqp.port, null, 'listeners.amqp.port'))
  const { port, certFile, keyFile, clientCaFile, clientCertificate } = amqp.tls
  if (port !== null && certFile !== null && keyFile !== null)
    found.push(listener(port, { certFile, keyFile, clientCaFile, clientCertificate }, 'listeners.amqp.tls.port'))
  return found
}
