// The two ways in which a client's bytes come and go, as one thing: a plain socket, and a WebSocket whose binary messages
// are nothing but a stream (AMQP 1.0 WebSocket binding; MQTT 5.0, section 6).

import type { Socket } from 'node:net'
import type { WebSocket } from 'ws'

export interface ClientWire {
  readonly socket: Socket
  /** False: enough for now, `drain` follows. */
  write(bytes: Uint8Array): boolean
  /** True where nothing that was written is looked at any more. */
  readonly idle: boolean
  end(): void
  destroy(): void
  /** The protocol engine wants nothing more for now. */
  held: boolean
  /** Stops or goes on reading. */
  pause(paused: boolean): void
  listen(on: { data: (bytes: Uint8Array) => void; drain: () => void; close: () => void }): void
}

export function plainWire(socket: Socket): ClientWire {
  socket.setNoDelay(true)
  return {
    socket,
    held: false,
    write: bytes => socket.write(bytes),
    get idle() {
      return socket.writableLength === 0
    },
    end: () => void socket.end(),
    destroy: () => void socket.destroy(),
    pause: paused => void (paused ? socket.pause() : socket.resume()),
    listen({ data, drain, close }) {
      socket.on('data', data)
      socket.on('drain', drain)
      socket.on('error', () => socket.destroy())
      socket.on('end', () => socket.end())
      socket.on('close', close)
    },
  }
}

/** WebSocket close codes: going away (RFC 6455, 7.4.1), and data of a kind that can't be taken. */
const GONE = 1001
const NOT_BINARY = 1003

export function webWire(ws: WebSocket, socket: Socket): ClientWire {
  socket.setNoDelay(true)
  return {
    socket,
    held: false,
    // Each write is one binary message; `ws` writes head and body to the socket at once.
    write(bytes) {
      if (ws.readyState !== ws.OPEN) return true
      ws.send(bytes, { binary: true, compress: false })
      return !socket.writableNeedDrain
    },
    get idle() {
      return socket.writableLength === 0
    },
    end: () => ws.close(GONE),
    destroy: () => ws.terminate(),
    pause: paused => (paused ? ws.pause() : ws.resume()),
    listen({ data, drain, close }) {
      ws.on('message', (bytes: Buffer, isBinary: boolean) => {
        if (isBinary) data(bytes)
        else ws.close(NOT_BINARY)
      })
      socket.on('drain', drain)
      ws.on('error', () => ws.terminate())
      ws.on('close', close)
    },
  }
}
