// What a socket tells of its client before the client says anything.

import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { Visitor } from '../broker/access.ts'
import { isLoopback } from '../profiles/network.ts'

export const visitorOf = (socket: Socket): Visitor => ({
  remote: `${socket.remoteAddress}:${socket.remotePort}`,
  local: isLoopback(socket.remoteAddress ?? ''),
  certified: socket instanceof TLSSocket && socket.authorized ? commonName(socket) : null,
})

/** The common name of the client's certificate; null where it has none. */
function commonName(socket: TLSSocket): string | null {
  const name: unknown = socket.getPeerCertificate().subject?.CN
  return typeof name === 'string' && name !== '' ? name : null
}
