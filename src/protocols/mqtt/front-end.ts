// The door of the MQTT front end: one function that makes a connection of a socket's bytes. Who listens, on which port,
// with which TLS, or inside of a WebSocket, is src/server's business.

import { Connection } from './connection.ts'
import type { ConnectionOptions } from './options.ts'

export type { MqttLimits } from './limits.ts'
export { defaultMqttLimits } from './limits.ts'
export type { ConnectionOptions } from './options.ts'

export interface MqttConnection {
  /** Bytes from the socket; the engine may write to them, and they may be used again after this returns. */
  receive(bytes: Uint8Array): void
  /** The client's CONNECT was taken, and the connection has not ended. */
  readonly isOpen: boolean
  /** The socket takes bytes again after a write that returned false. */
  drained(): void
  /** The socket is gone. Must be called, once, at the end of every connection. */
  closed(): void
  /** This server stops serving: the client is told, where its protocol version can be. */
  shutdown(reason: string): void
}

export const createMqttConnection = (options: ConnectionOptions): MqttConnection => new Connection(options)
