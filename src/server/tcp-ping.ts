// The ping of the gateway on the real network: a TCP connection that is opened and closed again. Any open port of the
// gateway will do, for example its share's; where none can be reached, `lockstep gateway` answers there.

import { connect, createServer } from 'node:net'
import type { AddressInfo } from 'node:net'

import type { PingPort } from '../ha/gateway.ts'
import { serverError } from './errors.ts'

export class TcpPing implements PingPort {
  readonly #host: string
  readonly #port: number

  constructor(address: { readonly host: string; readonly port: number }) {
    this.#host = address.host
    this.#port = address.port
  }

  ping(limitMs: number, done: (reached: boolean) => void): void {
    const socket = connect({ host: this.#host, port: this.#port })
    let isOver = false
    const over = (reached: boolean): void => {
      if (isOver) return
      isOver = true
      clearTimeout(timer)
      socket.destroy()
      done(reached)
    }
    // After a stall of our own the timer comes before the answer that has arrived meanwhile: let that one in first.
    const timer = setTimeout(() => setImmediate(() => over(false)), limitMs)
    socket.on('connect', () => over(true))
    socket.on('error', () => over(false))
  }
}

/** Pings of this responder that are being closed, at once; beyond it new ones are dropped. */
const CONNECTIONS_LIMIT = 256

export interface GatewayResponder {
  readonly port: number
  close(): void
}

/** Accepts and closes at once, until it is closed. Rejects with SERVER-PORT-IN-USE or SERVER-NO-SUCH-HOST where the port cannot be opened. */
export function runGatewayResponder(host: string, port: number): Promise<GatewayResponder> {
  return new Promise((resolve, reject) => {
    const server = createServer(socket => {
      socket.on('error', () => {})
      socket.destroy()
    })
    server.maxConnections = CONNECTIONS_LIMIT
    server.on('error', error => {
      const { code } = error as NodeJS.ErrnoException
      if (code === 'ENOTFOUND' || code === 'EAI_AGAIN')
        return reject(serverError('NO-SUCH-HOST', { purpose: 'gateway responder', host, reason: error.message }, error))
      const details = { purpose: 'gateway responder', key: 'gatewayServerPort', host, port, reason: error.message }
      reject(serverError('PORT-IN-USE', details, error))
    })
    server.listen({ host, port }, () =>
      resolve({ port: (server.address() as AddressInfo).port, close: () => void server.close() }),
    )
  })
}
