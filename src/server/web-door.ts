// WebSockets for clients: which HTTP requests become one. A page in a browser may only connect where the profile names its
// origin: else any web page that somebody on this machine looks at could speak to the broker in the name of this machine.

import type { IncomingMessage, Server } from 'node:http'
import type { Socket } from 'node:net'
import { type WebSocket, WebSocketServer } from 'ws'

export interface WebDoorOptions {
  /** Accepted subprotocols, the best first; a client must offer one of them. */
  readonly protocols: readonly string[]
  /** Origins of pages that may connect; `*`: any. Clients that are no browsers name none and need none. */
  readonly origins: readonly string[]
  /** Largest message; a larger one ends its connection. */
  readonly messageBytes: number
}

/** Turns upgrades of `server` into WebSockets; everything else is answered with a refusal. */
export function openWebDoor(
  server: Server,
  { protocols, origins, messageBytes }: WebDoorOptions,
  accept: (ws: WebSocket, socket: Socket) => void,
): void {
  const wss = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: messageBytes,
    skipUTF8Validation: true,
    handleProtocols: offered => protocols.find(protocol => offered.has(protocol)) ?? false,
  })
  wss.on('wsClientError', (_, socket) => void socket.destroy())
  server.on('request', (_, response) => {
    response.writeHead(426, { connection: 'close', upgrade: 'websocket', 'content-length': 0 }).end()
  })
  server.on('clientError', (_, socket) => void socket.destroy())
  server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    socket.on('error', () => socket.destroy())
    const { origin } = request.headers
    const offered = String(request.headers['sec-websocket-protocol'] ?? '')
      .split(',')
      .map(name => name.trim())
    if (origin !== undefined && !origins.includes('*') && !origins.includes(origin))
      return refuse(socket, '403 Forbidden')
    if (!protocols.some(protocol => offered.includes(protocol))) return refuse(socket, '400 Bad Request')
    wss.handleUpgrade(request, socket, head, ws => accept(ws, socket))
  })
}

function refuse(socket: Socket, status: string): void {
  socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`)
}
