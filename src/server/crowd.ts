// The connections of one port, bounded: where the house is full, the oldest that has not been let in makes room for a
// newcomer. Who only fills the port with silent connections so shuts nobody out. What letting in means is the port's
// business: AMQP `open`, a complete HTTP request.

import type { Server, Socket } from 'node:net'

/** What a listening socket may hold while those that were told to go are going. */
const LEAVING = 64

export class Crowd {
  readonly #limit: number
  /** All there are, by address and port: under TLS the socket that is accepted is not the one that carries the data. */
  readonly #here = new Map<string, Socket>()
  /** Those that are not let in, oldest first. */
  readonly #outside = new Map<string, Socket>()

  constructor(server: Server, limit: number) {
    this.#limit = limit
    server.maxConnections = limit + LEAVING
    server.prependListener('connection', (socket: Socket) => this.#came(socket))
  }

  letIn(socket: Socket): void {
    this.#outside.delete(nameOf(socket))
  }

  /** It has what it wanted; it may stay while there is room. */
  done(socket: Socket): void {
    const name = nameOf(socket)
    const here = this.#here.get(name)
    if (here) this.#outside.set(name, here)
  }

  #came(socket: Socket): void {
    if (socket.remotePort === undefined) return // gone again already
    const name = nameOf(socket)
    if (this.#here.size >= this.#limit) {
      const [oldest] = this.#outside
      if (!oldest) return void socket.destroy()
      this.#forget(...oldest)
      oldest[1].destroy()
    }
    this.#here.set(name, socket)
    this.#outside.set(name, socket)
    socket.once('close', () => this.#forget(name, socket))
  }

  #forget(name: string, socket: Socket): void {
    if (this.#here.get(name) !== socket) return
    this.#here.delete(name)
    this.#outside.delete(name)
  }
}

const nameOf = (socket: Socket): string => `${socket.remoteAddress}:${socket.remotePort}`
