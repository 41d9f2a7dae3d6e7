// What a connection is made with: its ports to the world, and who this server is.

import type { Clock, Log } from '../../base/ports.ts'
import type { SignIn, Visitor } from '../../broker/access.ts'
import type { Converter } from '../../broker/neutral.ts'
import type { OutputSocket } from '../output.ts'
import type { MqttIdentity } from './connack.ts'
import type { MqttLimits } from './limits.ts'

export interface MqttSocket extends OutputSocket {
  /** Stops or goes on reading. */
  pause?(paused: boolean): void
}

export interface ConnectionOptions {
  readonly signIn: SignIn
  readonly visitor: Visitor
  readonly output: MqttSocket
  readonly clock: Clock
  readonly limits: MqttLimits
  readonly identity: MqttIdentity
  /** Asked before every write: bytes are held back while this server cannot prove that it serves. */
  readonly mayServe: () => boolean
  readonly log: Log
  /** An identifier for a client that has none, unique in history. */
  readonly newClientId: () => string
  /** Messages of other protocols in the form of this one. */
  readonly convert: Converter
  /** A message was lost on purpose: the client does not read, or takes no packets of its size. */
  readonly dropped: (why: 'refused' | 'slow' | 'too-large') => void
}
