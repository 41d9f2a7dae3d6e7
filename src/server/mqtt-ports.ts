// The MQTT ports of a profile, and what its engine says there of this server.

import type { Chance, Clock, Log } from '../base/ports.ts'
import type { CodedError } from '../base/errors.ts'
import type { SignIn } from '../broker/access.ts'
import type { Profile } from '../profiles/profile.ts'
import { createMqttConnection, defaultMqttLimits, type MqttLimits } from '../protocols/mqtt/front-end.ts'
import { toMqtt } from './formats.ts'
import type { Listener } from './listener.ts'
import { listenersOf } from './listeners.ts'
import { withQuota } from './log-quota.ts'
import type { Drops } from './tally.ts'
import { visitorOf } from './visitor.ts'

export interface MqttPortsParts {
  readonly profile: Profile
  readonly signIn: SignIn
  readonly clock: Clock
  readonly chance: Chance
  readonly log: Log
  readonly epoch: () => number
  readonly mayServe: () => boolean
  readonly failed: (error: CodedError) => void
  /** Of messages that are lost on purpose. */
  readonly drops: Drops
}

/** Topic and properties may make a packet so much larger than the message in it. */
const HEADER_BYTES = 128 * 1024

export function mqttListeners(parts: MqttPortsParts): Listener[] {
  const { profile, signIn, clock, chance, mayServe, failed, drops } = parts
  const log = withQuota(parts.log, clock)
  const limits: MqttLimits = {
    ...defaultMqttLimits,
    packetBytes: profile.limits.messageBytes + HEADER_BYTES,
    keepAliveSeconds: profile.listeners.mqtt.keepAliveSeconds,
    outputBytes: profile.limits.connectionBacklogBytes,
  }
  const { mqtt } = profile.listeners
  const { backupServerIp, backupServerMqttPort } = profile
  const other = backupServerMqttPort === null ? null : `${backupServerIp}:${backupServerMqttPort}`
  const convert = toMqtt()
  return listenersOf({
    profile,
    protocol: 'mqtt',
    subprotocols: ['mqtt'],
    failed,
    clock,
    log,
    engine: secured => (output, socket) =>
      createMqttConnection({
        signIn,
        visitor: visitorOf(socket),
        output,
        clock,
        limits,
        // A client of the TLS port is never told of a plain one.
        identity: {
          server: profile.server,
          epoch: parts.epoch,
          otherServer: secured && mqtt.port !== null ? null : other,
        },
        mayServe,
        log,
        newClientId: () => `auto-${chance.id()}`,
        convert,
        dropped: drops.count,
      }),
  })
}
