// One WebSocket as a MessageSocket. ws does the opening, all reading and the closing; sending is done here, because ws
// takes a message only as one buffer: the pieces of a frame would have to be copied together, or be sent as fragments
// that the other end copies together. Here the header goes out in front of the pieces, and everything that is sent in
// one turn of the event loop in one writev.

import type { Socket } from 'node:net'
import type { WebSocket } from 'ws'

import type { MessageSocket } from '../replication/transport.ts'

/** All that a stranger may send: opening (with TLS), HELLO and PROOF. */
const STRANGER_BYTES = 64 * 1024
/** How long the last words may take to leave, and the other end to close. */
const LINGER_MS = 1000
const STRANGER_LINGER_MS = 200
/** Up to here one copy is cheaper than one more buffer in writev. */
const COPY_BYTES = 2048

export class WsSocket implements MessageSocket {
  onMessage: (message: Uint8Array) => void = () => {}
  onClosed: (why: string) => void = () => {}
  readonly remote: string
  readonly #ws: WebSocket
  readonly #raw: Socket
  /** A client has to send a mask. Ours is zero, which changes nothing; see `noMask`. */
  readonly #isClient: boolean
  #trusted = false
  #corked = false
  #over = false
  #why = ''

  constructor(ws: WebSocket, raw: Socket, isClient: boolean) {
    this.#ws = ws
    this.#raw = raw
    this.#isClient = isClient
    this.remote = `${raw.remoteAddress}:${raw.remotePort}`
    raw.setNoDelay(true)
    raw.on('data', this.#count)
    ws.on('message', (message: Buffer, isBinary: boolean) => {
      if (this.#over) return
      if (isBinary) this.onMessage(message)
      else this.#end('a text message')
    })
    ws.on('error', error => {
      this.#why = error.message
    })
    ws.on('close', code => this.#closed(this.#why || `closed by the other end (${code})`))
  }

  get buffered(): number {
    return this.#raw.writableLength
  }

  get received(): number {
    return this.#raw.bytesRead
  }

  trust(): void {
    this.#trusted = true
    this.#raw.removeListener('data', this.#count)
  }

  /**
   * One WebSocket frame (RFC 6455, 5.2): 0x82 (last fragment, binary), mask bit and length in 1, 3 or 9 bytes, for a
   * client four bytes of mask, the pieces. ws writes to this socket only whole frames (close) in one go, so that the two
   * don't mix; it would if compression were on.
   */
  send(pieces: readonly Uint8Array[]): void {
    if (this.#over) return
    const raw = this.#raw
    if (!this.#corked) {
      this.#corked = true
      raw.cork()
      process.nextTick(this.#uncork)
    }
    let length = 0
    for (const piece of pieces) length += piece.length
    let at = length < 126 ? 2 : length < 65536 ? 4 : 10
    if (this.#isClient) at += 4
    const small = length <= COPY_BYTES
    const head = Buffer.allocUnsafe(small ? at + length : at)
    head[0] = 0x82
    const mask = this.#isClient ? 0x80 : 0
    if (length < 126) head[1] = mask | length
    else if (length < 65536) {
      head[1] = mask | 126
      head.writeUInt16BE(length, 2)
    } else {
      head[1] = mask | 127
      head.writeUInt32BE(Math.floor(length / 2 ** 32), 2)
      head.writeUInt32BE(length % 2 ** 32, 6)
    }
    if (this.#isClient) head.writeUInt32BE(0, at - 4)
    if (small) {
      for (const piece of pieces) {
        head.set(piece, at)
        at += piece.length
      }
      raw.write(head)
    } else {
      raw.write(head)
      for (const piece of pieces) raw.write(piece)
    }
  }

  close(): void {
    if (this.#over) return
    this.#over = true
    this.#uncork()
    this.#ws.close(1000)
    setTimeout(() => this.#ws.terminate(), this.#trusted ? LINGER_MS : STRANGER_LINGER_MS)
    setImmediate(() => this.onClosed('closed'))
  }

  /** Without waiting for anything. */
  destroy(): void {
    this.#over = true
    this.#ws.terminate()
  }

  readonly #uncork = (): void => {
    if (!this.#corked) return
    this.#corked = false
    this.#raw.uncork()
  }

  /** Runs after ws has read the same bytes: a PROOF among them has been seen. */
  readonly #count = (): void => {
    if (!this.#trusted && this.#raw.bytesRead > STRANGER_BYTES) this.#end('too much before any proof')
  }

  #end(why: string): void {
    this.#why = why
    this.#ws.terminate()
  }

  #closed(why: string): void {
    if (this.#over) return
    this.#over = true
    this.onClosed(why)
  }
}

/**
 * Masking protects caching proxies from bytes that a script in a browser has chosen. Both ends are our own processes, so
 * the mask is zero, which both ends of ws skip: the bytes of a record are not touched.
 */
export const noMask = (mask: Buffer): void => void mask.fill(0)
