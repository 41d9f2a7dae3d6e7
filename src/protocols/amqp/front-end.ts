// The door of the AMQP 1.0 front end: one function that makes a connection of a socket's bytes. Who listens, on which
// port and with which TLS, is src/server's business.

import { Connection } from './connection.ts'
import type { ConnectionOptions } from './open.ts'

export type { AmqpIdentity, ConnectionOptions } from './open.ts'
export type { AmqpLimits } from './limits.ts'
export { defaultAmqpLimits } from './limits.ts'
export { Recovery } from './recovery.ts'
export { SoleConnections } from './sole.ts'
export { selectedOf } from './selected.ts'

export interface AmqpConnection {
  /** Bytes from the socket; they may be used again after this returns. */
  receive(bytes: Uint8Array): void
  /** The client's open was taken, and the connection has not ended. */
  readonly isOpen: boolean
  /** The socket takes bytes again after a write that returned false. */
  drained(): void
  /** The socket is gone. Must be called, once, at the end of every connection. */
  closed(): void
  /** Ends the connection from our side; the socket's closing follows. */
  shutdown(condition: string, description: string): void
}

export const createAmqpConnection = (options: ConnectionOptions): AmqpConnection => new Connection(options)
