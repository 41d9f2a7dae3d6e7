// The admin port: node:http around the table in src/admin/api.ts. Everything that a client could make grow is bounded
// here: connections, headers, bodies, time.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { answerAdmin, type AdminReply, type AdminRequest } from '../admin/api.ts'
import { ADMIN_STATUS, adminError, type AdminErrorName } from '../admin/errors.ts'
import type { AdminSubject, QuarantineReader } from '../admin/subject.ts'
import type { CodedError } from '../base/errors.ts'
import type { Log } from '../base/ports.ts'
import { isLoopback } from '../profiles/network.ts'
import { Crowd } from './crowd.ts'

export const ADMIN_LIMITS = {
  connections: 64,
  headerBytes: 8 * 1024,
  bodyBytes: 64 * 1024,
  /** For headers and body to arrive. */
  requestMs: 10_000,
  idleMs: 5_000,
  /** For the server to do what was asked. */
  answerMs: 60_000,
  /** Of a download that its client does not take. */
  stallMs: 30_000,
}

export interface AdminOptions {
  readonly host: string
  readonly port: number
  readonly token: string | null
  readonly subject: AdminSubject
  readonly log: Log
}

export interface AdminPort {
  /** The port it listens on (where 0 was asked for, the one that was found). */
  readonly port: number
  close(done: () => void): void
}

/** Opens the admin port; ADMIN-PORT where that can not be done. */
export function openAdminPort(
  options: AdminOptions,
  done: (error: CodedError | null, port: AdminPort | null) => void,
): void {
  const server = createServer(
    {
      maxHeaderSize: ADMIN_LIMITS.headerBytes,
      requestTimeout: ADMIN_LIMITS.requestMs,
      headersTimeout: ADMIN_LIMITS.requestMs,
      keepAliveTimeout: ADMIN_LIMITS.idleMs,
      connectionsCheckingInterval: 1000,
    },
    (request, response) =>
      take(options, request, response, () => {
        crowd.letIn(request.socket)
        response.once('close', () => crowd.done(request.socket))
      }),
  )
  const crowd = new Crowd(server, ADMIN_LIMITS.connections)
  server.maxRequestsPerSocket = 1000
  // A connection that never sends a request, or stops in the middle of an answer.
  server.setTimeout(ADMIN_LIMITS.answerMs + ADMIN_LIMITS.requestMs)
  server.on('clientError', (_, socket) => {
    if (socket.writable) socket.end('HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n')
    else socket.destroy()
  })
  server.on('upgrade', (_, socket) => socket.destroy())
  server.on('connect', (_, socket) => socket.destroy())
  const failed = (error: Error) => {
    const { host, port } = options
    done(adminError('PORT', { host, port, problem: error.message }, error), null)
  }
  server.once('error', failed)
  server.listen(options.port, options.host, () => {
    server.off('error', failed)
    server.on('error', error => options.log('warn', `Admin port: ${error.message}`))
    done(null, { port: portOf(server), close: closed => shut(server, closed) })
  })
}

const portOf = (server: Server): number => {
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}

function shut(server: Server, done: () => void): void {
  server.close(() => done())
  server.closeIdleConnections()
  // An answer under way (to POST /stop above all) gets a moment to leave.
  setTimeout(() => server.closeAllConnections(), 200).unref()
}

function take(options: AdminOptions, request: IncomingMessage, response: ServerResponse, complete: () => void): void {
  const chunks: Buffer[] = []
  let size = 0
  response.on('error', () => {})
  request.on('error', () => {})
  request.on('data', (chunk: Buffer) => {
    size += chunk.length
    if (size <= ADMIN_LIMITS.bodyBytes) chunks.push(chunk)
    else if (!response.headersSent) {
      response.shouldKeepAlive = false
      coded(response, adminError('TOO-LARGE', { limit: ADMIN_LIMITS.bodyBytes }))
      response.once('finish', () => request.destroy())
    }
  })
  request.on('end', () => {
    complete()
    if (!response.headersSent) answer(options, asked(request, Buffer.concat(chunks)), response)
  })
}

const asked = (request: IncomingMessage, body: Uint8Array): AdminRequest => ({
  method: request.method ?? '',
  target: request.url ?? '',
  authorization: request.headers.authorization ?? '',
  origin: request.headers.origin ?? '',
  host: request.headers.host ?? '',
  fromLoopback: isLoopback(request.socket.remoteAddress ?? ''),
  body,
})

function answer(options: AdminOptions, request: AdminRequest, response: ServerResponse): void {
  const seconds = ADMIN_LIMITS.answerMs / 1000
  const late = setTimeout(() => coded(response, adminError('TOO-LATE', { seconds })), ADMIN_LIMITS.answerMs)
  response.once('close', () => clearTimeout(late))
  answerAdmin(options.subject, request, options.token, reply => {
    clearTimeout(late)
    if (request.method !== 'GET' && request.method !== 'HEAD')
      options.log('info', `Operator: ${request.method} ${request.target.slice(0, 100)} answered with ${reply.status}`)
    if (response.headersSent || response.destroyed) reply.download?.reader.close()
    else if (reply.download !== undefined && request.method === 'HEAD') {
      reply.download.reader.close()
      write(response, { ...reply, body: '' })
    } else if (reply.download !== undefined) stream(response, reply, reply.download)
    else write(response, reply)
  })
}

function write(response: ServerResponse, reply: AdminReply): void {
  const body = Buffer.from(reply.body)
  response.writeHead(reply.status, {
    'content-type': reply.type,
    'content-length': body.length,
    'cache-control': 'no-store',
    ...(reply.status === 401 ? { 'www-authenticate': 'Bearer' } : {}),
  })
  response.end(body)
}

function coded(response: ServerResponse, error: CodedError): void {
  if (response.headersSent || response.destroyed) return
  const body = `${JSON.stringify({ code: error.code, message: error.message, remedy: error.remedy })}\n`
  write(response, { status: ADMIN_STATUS[error.code.slice(6) as AdminErrorName], type: 'application/json', body })
}

/** Batch by batch, at the client's pace. A failing reader cuts the connection: half an export must not look whole. */
function stream(
  response: ServerResponse,
  reply: AdminReply,
  { reader, form }: { reader: QuarantineReader; form: 'jsonl' | 'binary' },
): void {
  response.writeHead(reply.status, { 'content-type': reply.type, 'cache-control': 'no-store' })
  response.setTimeout(ADMIN_LIMITS.stallMs, () => response.destroy())
  response.once('close', () => reader.close())
  const next = () =>
    reader.next((error, records) => {
      if (response.destroyed) return
      if (error !== null) return void response.destroy()
      if (records === null) return void response.end()
      const pieces = records.map(record => {
        if (form === 'jsonl') return Buffer.from(`${JSON.stringify(reader.line(record))}\n`)
        const { body } = record
        const length = Buffer.alloc(4)
        length.writeUInt32BE(body.length)
        return Buffer.concat([length, body])
      })
      if (response.write(Buffer.concat(pieces))) setImmediate(next)
      else response.once('drain', next)
    })
  next()
}
