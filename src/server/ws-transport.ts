// The back channel's transport on the real network: WebSocket over TCP or TLS, listening and dialling. Everything that a
// stranger can do is bounded here in number, size and time; who is no stranger, the back channel finds out.

import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { isIPv6, type AddressInfo, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { WebSocket, WebSocketServer, type ClientOptions, type ServerOptions } from 'ws'

import { MESSAGE_BYTES } from '../replication/codec.ts'
import type { MessageSocket, Transport } from '../replication/transport.ts'
import { serverError } from './errors.ts'
import { WsSocket, noMask } from './ws-socket.ts'

export interface WsTransportOptions {
  readonly host: string
  readonly port: number
  readonly peerHost: string
  readonly peerPort: number
  /** Largest message that the peer may send. */
  readonly messageBytes?: number
  /** Each side proves itself with a certificate. `caFile`: what signed the peer's; none: both use the same one. */
  readonly tls?: {
    readonly certFile: string
    readonly keyFile: string
    readonly caFile: string | null | undefined
  } | null
  /** Limit of one attempt to dial, and of the opening on a connection that was accepted. */
  readonly openingMs?: number
}

const PATH = '/back-channel'
const SUBPROTOCOL = 'lockstep'
const OPENING_MS = 2000
/** Connections whose opening isn't complete, at once; beyond it the oldest goes. */
const OPENINGS_LIMIT = 64
/** All connections at once, those that are being closed included; beyond it new ones are dropped unread. */
const CONNECTIONS_LIMIT = 256
const HEADER_BYTES = 4096

type Incoming = (socket: MessageSocket) => void
type Refused = (why: string) => void

export class WsTransport implements Transport {
  readonly #options: WsTransportOptions
  readonly #messageBytes: number
  readonly #openingMs: number
  readonly #sockets = new Set<WsSocket>()
  /** By remote address and port: under TLS the socket that is accepted is not the one that carries the HTTP request. */
  readonly #openings = new Map<string, { socket: Socket; timer: NodeJS.Timeout }>()
  #incoming: Incoming = socket => socket.close()
  #refused: Refused = () => {}
  #opened: Promise<number> | null = null
  #server: Server | null = null
  #abandonDial: (() => void) | null = null

  constructor(options: WsTransportOptions) {
    this.#options = options
    this.#messageBytes = Math.min(options.messageBytes ?? MESSAGE_BYTES, MESSAGE_BYTES)
    this.#openingMs = options.openingMs ?? OPENING_MS
  }

  /** Connections at this moment, whatever they are. */
  get connections(): number {
    return this.#openings.size + this.#sockets.size
  }

  /** Opens the port before `listen` is called, to learn whether it can be opened. Resolves with its number. */
  open(): Promise<number> {
    this.#opened ??= new Promise((resolve, reject) => {
      const { host, port } = this.#options
      const server = this.#createServer()
      this.#server = server
      server.on('error', error => {
        const details = { purpose: 'back channel', key: 'port', host, port, reason: error.message }
        reject(serverError('PORT-IN-USE', details, error))
      })
      server.listen({ host, port, backlog: 128 }, () => resolve((server.address() as AddressInfo).port))
    })
    return this.#opened
  }

  listen(incoming: Incoming, refused: Refused): void {
    this.#incoming = incoming
    this.#refused = refused
    this.open().catch((error: Error) => refused(error.message))
  }

  dial(done: (error: Error | null, socket: MessageSocket | null) => void): void {
    const { peerHost, peerPort, tls } = this.#options
    const host = isIPv6(peerHost) ? `[${peerHost}]` : peerHost
    let ws: WebSocket
    try {
      ws = new WebSocket(`${tls ? 'wss' : 'ws'}://${host}:${peerPort}${PATH}`, SUBPROTOCOL, {
        ...this.#wsOptions(),
        ...this.#tlsOptions(),
        // The certificate names the pair, not an address; it is held against the pair's own CA.
        ...(tls ? { checkServerIdentity: () => undefined } : {}),
        generateMask: noMask,
      } as ClientOptions)
    } catch (error) {
      return void setImmediate(() => done(error as Error, null))
    }
    let raw: Socket | null = null
    let isOver = false
    const over = (error: Error | null): void => {
      if (isOver) return
      isOver = true
      clearTimeout(timer)
      this.#abandonDial = null
      if (error === null && raw !== null) return done(null, this.#adopt(ws, raw, true))
      ws.terminate()
      done(error ?? new Error('no connection'), null)
    }
    const timer = setTimeout(() => over(new Error(`no answer from ${host}:${peerPort}`)), this.#openingMs)
    this.#abandonDial = () => over(new Error('closed'))
    ws.on('upgrade', response => {
      raw = response.socket
    })
    ws.on('open', () => over(null))
    ws.on('error', error => over(error))
  }

  close(): void {
    this.#abandonDial?.()
    for (const name of this.#openings.keys()) this.#end(name)
    for (const socket of this.#sockets) socket.close()
    this.#incoming = socket => socket.close()
    this.#refused = () => {}
    this.#server?.close()
  }

  #wsOptions(): ServerOptions & ClientOptions {
    return {
      perMessageDeflate: false,
      maxPayload: this.#messageBytes,
      skipUTF8Validation: true,
      // Pings are frames of our own: they say more, and come in order with the others.
      autoPong: false,
      // Ours are never in fragments.
      ...({ maxFragments: 2 } as object),
    }
  }

  #tlsOptions(): object {
    const { tls } = this.#options
    if (!tls) return {}
    try {
      const cert = readFileSync(tls.certFile)
      return {
        cert,
        key: readFileSync(tls.keyFile),
        ca: tls.caFile ? readFileSync(tls.caFile) : cert,
        requestCert: true,
        rejectUnauthorized: true,
        minVersion: 'TLSv1.3',
      }
    } catch (error) {
      const details = { purpose: 'the back channel', key: 'security.certFile, keyFile, caFile', reason: String(error) }
      throw serverError('BAD-CERTIFICATE', details, error)
    }
  }

  #createServer(): Server {
    const limits = {
      maxHeaderSize: HEADER_BYTES,
      headersTimeout: this.#openingMs,
      requestTimeout: this.#openingMs,
      keepAliveTimeout: 1,
      noDelay: true,
    }
    const server: Server = this.#options.tls
      ? (createTlsServer({ ...limits, ...this.#tlsOptions(), handshakeTimeout: this.#openingMs }) as Server)
      : createServer(limits)
    server.maxConnections = CONNECTIONS_LIMIT
    server.on('connection', (socket: Socket) => this.#opening(socket))
    server.on('drop', () => this.#refused('too many connections'))
    // Failures of TLS come here, too.
    server.on('clientError', (error: Error, socket: Duplex) => {
      this.#refused(`no WebSocket: ${error.message.trim()}`)
      socket.destroy()
    })
    server.on('request', (request, response) => {
      this.#refused(`an HTTP request from ${request.socket.remoteAddress}`)
      response.writeHead(426, { connection: 'close', 'content-length': 0 }).end()
    })
    const wss = new WebSocketServer({ ...this.#wsOptions(), noServer: true, clientTracking: false })
    wss.on('wsClientError', (error, socket) => {
      this.#refused(`no WebSocket: ${error.message}`)
      socket.destroy()
    })
    server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
      const protocol = request.headers['sec-websocket-protocol']
      if (request.url !== PATH || protocol !== SUBPROTOCOL) {
        this.#refused(`a WebSocket from ${socket.remoteAddress} for something else`)
        socket.on('error', () => {})
        return socket.destroy()
      }
      wss.handleUpgrade(request, socket, head, ws => {
        const opening = this.#openings.get(nameOf(socket))
        clearTimeout(opening?.timer)
        this.#openings.delete(nameOf(socket))
        this.#incoming(this.#adopt(ws, socket, false))
      })
    })
    return server
  }

  /** Counts and times a connection from the first moment on: slow and idle ones make room for others. */
  #opening(socket: Socket): void {
    // Gone again already; it has no name any more.
    if (socket.remotePort === undefined) return void socket.destroy()
    if (this.#openings.size >= OPENINGS_LIMIT) {
      const [oldest] = this.#openings
      if (oldest) this.#end(oldest[0])
      this.#refused('too many openings')
    }
    const name = nameOf(socket)
    const timer = setTimeout(() => {
      this.#refused(`no opening in time from ${socket.remoteAddress}`)
      this.#end(name)
    }, this.#openingMs)
    this.#openings.set(name, { socket, timer })
    socket.on('error', () => socket.destroy())
    socket.on('close', () => {
      if (this.#openings.get(name)?.socket === socket) this.#end(name)
    })
  }

  #end(name: string): void {
    const opening = this.#openings.get(name)
    clearTimeout(opening?.timer)
    opening?.socket.destroy()
    this.#openings.delete(name)
  }

  #adopt(ws: WebSocket, raw: Socket, isClient: boolean): WsSocket {
    const socket = new WsSocket(ws, raw, isClient)
    this.#sockets.add(socket)
    ws.on('close', () => this.#sockets.delete(socket))
    return socket
  }
}

const nameOf = (socket: Socket): string => `${socket.remoteAddress}:${socket.remotePort}`
