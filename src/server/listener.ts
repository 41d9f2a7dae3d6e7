// A client port on the real network: TCP or TLS, with everything about it bounded. It moves bytes between sockets and a
// protocol engine and knows nothing of what they mean.

import { createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, type Server as TlsServer } from 'node:tls'
import type { CodedError } from '../base/errors.ts'
import type { Clock, Log, Timer } from '../base/ports.ts'
import { Crowd } from './crowd.ts'
import { serverError } from './errors.ts'
import { tlsOptions, watchTlsFiles, type TlsFiles } from './tls-files.ts'

/** The engine of one connection: bytes in by `receive`, out by the output it was made with. */
export interface Engine {
  receive(bytes: Uint8Array): void
  /** The client has introduced itself and counts as one. */
  readonly isOpen: boolean
  /** The socket takes bytes again. */
  drained(): void
  /** The socket is gone. */
  closed(): void
  /** This server stops serving: say so in the protocol's own words, then end. */
  shutdown(reason: string): void
}

export interface EngineOutput {
  /** False: enough for now, `drained` follows. */
  write(bytes: Uint8Array): boolean
  end(): void
  destroy(): void
}

export interface ListenerOptions {
  readonly host: string
  readonly port: number
  readonly tls: TlsFiles | null
  /** What it is for, and the profile's key, for errors. */
  readonly purpose: string
  readonly key: string
  readonly connections: number
  readonly engine: (output: EngineOutput, socket: Socket) => Engine
  readonly failed: (error: CodedError) => void
  readonly clock: Clock
  readonly log: Log
}

/** How long a client may take to read our goodbye. */
const GOODBYE_MS = 500

export class Listener {
  readonly #options: ListenerOptions
  #server: Server | null = null
  readonly #open = new Map<Socket, Engine>()
  #paused = false
  #certificates: Timer | null = null

  constructor(options: ListenerOptions) {
    this.#options = options
  }

  get port(): number {
    const address = this.#server?.address()
    return address && typeof address === 'object' ? address.port : 0
  }

  get connections(): number {
    return this.#open.size
  }

  open(): void {
    if (this.#server) return
    const { tls, host, port, purpose, key, connections, failed } = this.#options
    let server: Server
    try {
      // Who was still in a TLS handshake when this server stopped serving is not let in any more.
      const accept = (socket: Socket): void => {
        if (this.#server === server) this.#accept(socket, () => crowd.letIn(socket))
        else socket.destroy()
      }
      server = tls
        ? createTlsServer(tlsOptions(tls), accept)
        : createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: 30_000 }, accept)
    } catch (error) {
      return failed(serverError('BAD-CERTIFICATE', { purpose, key, reason: (error as Error).message }, error))
    }
    // A few more than the limit, so that the protocol can tell most of those refused why.
    const crowd = new Crowd(server, connections + 64)
    server.on('error', error =>
      failed(serverError('PORT-IN-USE', { purpose, key, host, port, reason: error.message }, error)),
    )
    server.on('tlsClientError', () => {})
    server.listen({ host, port, backlog: 511 })
    this.#server = server
    if (tls) this.#watch(server as TlsServer, tls)
  }

  #watch(server: TlsServer, files: TlsFiles): void {
    const { purpose, key, clock, log } = this.#options
    this.#certificates = watchTlsFiles({
      server,
      files,
      purpose,
      key,
      clock,
      renewed: () => log('info', `${purpose}: the certificate was renewed; new connections use it`),
      warn: error => log('warn', error.line()),
    })
  }

  /** Closes port and connections; each client is told in its protocol's own words first. */
  close(reason: string): void {
    this.#server?.close()
    this.#server = null
    this.#certificates?.cancel()
    this.#paused = false
    const leaving = [...this.#open]
    for (const [socket, engine] of leaving) {
      socket.resume()
      engine.shutdown(reason)
    }
    setTimeout(() => {
      for (const [socket] of leaving) socket.destroy()
    }, GOODBYE_MS).unref()
  }

  /** Stops or goes on reading from clients. */
  pause(paused: boolean): void {
    this.#paused = paused
    for (const [socket] of this.#open)
      if (paused) socket.pause()
      else socket.resume()
  }

  #accept(socket: Socket, letIn: () => void): void {
    if (socket.destroyed) return
    socket.setNoDelay(true)
    const output: EngineOutput = {
      write: bytes => socket.write(bytes),
      end: () => socket.end(),
      destroy: () => socket.destroy(),
    }
    const engine = this.#options.engine(output, socket)
    this.#open.set(socket, engine)
    const receive = (bytes: Buffer): void => engine.receive(bytes)
    const begin = (bytes: Buffer): void => {
      receive(bytes)
      if (!engine.isOpen) return
      letIn()
      socket.off('data', begin)
      socket.on('data', receive)
    }
    socket.on('data', begin)
    socket.on('drain', () => engine.drained())
    socket.on('error', () => socket.destroy())
    socket.on('end', () => socket.end())
    socket.on('close', () => {
      this.#open.delete(socket)
      engine.closed()
    })
    if (this.#paused) socket.pause()
  }
}
