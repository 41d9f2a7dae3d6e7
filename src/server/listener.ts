// A client port on the real network: TCP or TLS, bare or as WebSockets, with everything about it bounded. It moves bytes
// between sockets and a protocol engine and knows nothing of what they mean.

import { createServer as createHttpServer, type Server as HttpServer } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, type Server as TlsServer } from 'node:tls'
import type { CodedError } from '../base/errors.ts'
import type { Clock, Log, Timer } from '../base/ports.ts'
import { type ClientWire, plainWire, webWire } from './client-wire.ts'
import { Crowd } from './crowd.ts'
import { serverError } from './errors.ts'
import { tlsOptions, watchTlsFiles, type TlsFiles } from './tls-files.ts'
import { tryPort } from './try-port.ts'
import { openWebDoor, type WebDoorOptions } from './web-door.ts'

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
  /** True where nothing that was written is looked at any more. */
  readonly idle: boolean
  end(): void
  destroy(): void
  /** Stops or goes on reading from this client. */
  pause(paused: boolean): void
}

export interface ListenerOptions {
  readonly host: string
  readonly port: number
  readonly tls: TlsFiles | null
  /** Clients come as WebSockets; null: as they are. */
  readonly web: WebDoorOptions | null
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
/** HTTP before a WebSocket is one: for its head to arrive, and how large that may be. */
const HEAD_MS = 10_000
const HEAD_BYTES = 8192

export class Listener {
  readonly #options: ListenerOptions
  #server: Server | null = null
  readonly #open = new Map<ClientWire, Engine>()
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
      server = this.#create((wire: ClientWire): void => {
        // Who was still in a TLS handshake when this server stopped serving is not let in any more.
        if (this.#server === server) this.#accept(wire, () => crowd.letIn(wire.socket))
        else wire.socket.destroy()
      })
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

  /** Null where the port could be opened now, or where its address is not here yet; else why not. */
  async probe(): Promise<CodedError | null> {
    const { host, port, purpose, key } = this.#options
    const error = await tryPort(host, port)
    // An address that moves with the role comes when this server becomes active.
    if (error === null || error.code === 'EADDRNOTAVAIL') return null
    return serverError('PORT-IN-USE', { purpose, key, host, port, reason: error.message }, error)
  }

  #create(accept: (wire: ClientWire) => void): Server {
    const { tls, web } = this.#options
    if (web !== null) {
      const limits = {
        maxHeaderSize: HEAD_BYTES,
        headersTimeout: HEAD_MS,
        requestTimeout: HEAD_MS,
        keepAliveTimeout: 1,
      }
      const server = tls ? createHttpsServer({ ...limits, ...tlsOptions(tls) }) : createHttpServer(limits)
      openWebDoor(server as HttpServer, web, (ws, socket) => accept(webWire(ws, socket)))
      return server
    }
    const take = (socket: Socket): void => accept(plainWire(socket))
    if (tls) return createTlsServer(tlsOptions(tls), take)
    return createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: 30_000 }, take)
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
    for (const [wire, engine] of leaving) {
      wire.pause(false)
      engine.shutdown(reason)
    }
    setTimeout(() => {
      for (const [wire] of leaving) wire.destroy()
    }, GOODBYE_MS).unref()
  }

  /** Stops or goes on reading from clients. */
  pause(paused: boolean): void {
    this.#paused = paused
    for (const [wire] of this.#open) wire.pause(paused || wire.held)
  }

  #accept(wire: ClientWire, letIn: () => void): void {
    if (wire.socket.destroyed) return
    let inside = false
    // Some are let in in a later turn than the one in which they introduced themselves, and then say nothing for long.
    const look = (engine: Engine | undefined): void => {
      if (inside || engine?.isOpen !== true) return
      inside = true
      letIn()
    }
    const output: EngineOutput = {
      write: bytes => {
        if (!inside) look(this.#open.get(wire))
        return wire.write(bytes)
      },
      get idle() {
        return wire.idle
      },
      end: () => wire.end(),
      destroy: () => wire.destroy(),
      pause: paused => {
        wire.held = paused
        wire.pause(paused || this.#paused)
      },
    }
    const engine = this.#options.engine(output, wire.socket)
    this.#open.set(wire, engine)
    wire.listen({
      data: bytes => {
        engine.receive(bytes)
        look(engine)
      },
      drain: () => engine.drained(),
      close: () => {
        this.#open.delete(wire)
        engine.closed()
      },
    })
    if (this.#paused) wire.pause(true)
  }
}
