// The doctors of both hosts also speak over the network, on the back channel's port where no server holds it: so each
// knows that the other one is there when it is not to be found in the folder, and their clocks can be compared to within
// a round trip. One request, one answer, authenticated with the secret of the pair.

import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { createServer, get, type Server } from 'node:http'
import type { ClockReading, Identity } from '../doctor/peer.ts'
import { realClock as clock } from './clock.ts'

const PATH = '/lockstep-doctor'
const BYTES_LIMIT = 4096
const CONNECTIONS_LIMIT = 16
const NONCE = /^[0-9a-f]{32}$/

interface Answer {
  readonly identity: Identity
  /** It has announced itself in the folder, and looks for the other one there. */
  readonly looks: boolean
  readonly wall: number
}

const seal = (secret: string, nonce: string, text: string): string =>
  createHmac('sha256', secret).update(`lockstep-doctor ${nonce} ${text}`).digest('hex')

/** Answers until it is closed; null where the port is in use (the server runs, and answers for itself). */
export function answerCalls(
  host: string,
  port: number,
  secret: string,
  mine: () => Omit<Answer, 'wall'>,
): Promise<Server | null> {
  return new Promise(resolve => {
    const server = createServer((request, response) => {
      const nonce = String(request.headers['x-nonce'] ?? '')
      if (request.url !== PATH || !NONCE.test(nonce)) return void response.writeHead(404).end()
      const text = JSON.stringify({ ...mine(), wall: Date.now() } satisfies Answer)
      response.writeHead(200, { 'x-seal': seal(secret, nonce, text) }).end(text)
    })
    server.maxConnections = CONNECTIONS_LIMIT
    server.requestTimeout = 2000
    server.once('error', () => resolve(null))
    server.listen({ host, port, exclusive: true }, () => resolve(server))
  })
}

export interface Heard {
  readonly identity: Identity
  readonly looks: boolean
  readonly reading: ClockReading
}

/** Asks the other doctor once; null where there is none, or where it does not know the secret. */
export function call(host: string, port: number, secret: string, limitMs: number): Promise<Heard | null> {
  return new Promise(resolve => {
    const nonce = randomBytes(16).toString('hex')
    const sentAt = clock.now()
    const sentWall = clock.wall()
    const request = get({ host, port, path: PATH, timeout: limitMs, agent: false, headers: { 'x-nonce': nonce } })
    const end = (heard: Heard | null): void => {
      clearTimeout(timer)
      request.destroy()
      resolve(heard)
    }
    const timer = setTimeout(() => end(null), limitMs)
    request.once('error', () => end(null))
    request.once('upgrade', () => end(null))
    request.once('response', response => {
      const roundTripMs = clock.now() - sentAt
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (part: string) => {
        text += part
        if (text.length > BYTES_LIMIT) end(null)
      })
      response.once('error', () => end(null))
      response.once('end', () => {
        const given = Buffer.from(String(response.headers['x-seal'] ?? ''))
        const right = Buffer.from(seal(secret, nonce, text))
        if (given.length !== right.length || !timingSafeEqual(given, right)) return end(null)
        const { identity, looks, wall } = JSON.parse(text) as Answer
        const offsetMs = wall - (sentWall + roundTripMs / 2)
        // Wall clocks are read to the millisecond.
        end({ identity, looks, reading: { at: sentAt, offsetMs, errorMs: roundTripMs / 2 + 1 } })
      })
    })
  })
}
