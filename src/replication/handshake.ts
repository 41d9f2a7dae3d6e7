// How two ends of a new connection prove to each other that they are the two servers of one pair, and how the one that
// was dialled says whether this connection is to be the channel. One object for one connection, until it is the channel.
//
//   dialler                                    dialled
//   HELLO  version, label, instance, nonce ->
//                                          <-  HELLO
//   PROOF                                  ->            sent only by a dialler that has no channel
//                                          <-  PROOF     means: proved, and this is the channel
//
// A proof is keyed with the secret over everything both sides said, and over who says it and who dialled: one that was
// made for another connection, another direction or by the other side does not fit. Neither side says anything to a
// stranger before it has said HELLO. A man in the middle who only passes on what both say is not found out here; where
// the network between the servers is not trusted, the profile turns on TLS.

import { createHmac, timingSafeEqual } from 'node:crypto'

import { assert } from '../base/assert.ts'
import { CodedError } from '../base/errors.ts'
import type { Chance, Clock, Timer } from '../base/ports.ts'
import { channelError } from './channel-errors.ts'
import { STRANGER_BYTES, decode, encode } from './codec.ts'
import { PROTOCOL_VERSION } from './frames.ts'
import type { FrameFields, ServerLabel } from './frames.ts'
import type { MessageSocket } from './transport.ts'

export type Hello = FrameFields['HELLO']

/** Who this server is. */
export interface Self {
  readonly label: ServerLabel
  /** New for each process: 16 hexadecimal digits. */
  readonly instance: string
  /** Known to both servers of the pair and to nobody else. */
  readonly secret: string
}

export interface HandshakeCalls {
  /** Dialler: asked before the PROOF is sent. */
  wanted(): boolean
  /** The other end is the peer. Dialled: now `accept` or `refuse`. Dialler: this is the channel. */
  proved(handshake: Handshake): void
  /** It came to nothing; the connection is closed. */
  failed(handshake: Handshake, error: CodedError): void
}

export const otherLabel = (label: ServerLabel): ServerLabel => (label === 'primary' ? 'secondary' : 'primary')

export const makeProof = (secret: string, from: Hello, to: Hello, dialler: ServerLabel): string =>
  createHmac('sha256', secret)
    .update(['lockstep', from.version, from.label, from.instance, from.nonce, to.instance, to.nonce, dialler].join('|'))
    .digest('hex')

export class Handshake {
  readonly socket: MessageSocket
  readonly dialler: ServerLabel
  /** Grows with each connection that this server has seen. */
  readonly serial: number
  readonly #self: Self
  readonly #calls: HandshakeCalls
  readonly #own: Hello
  readonly #timer: Timer
  #peer: Hello | null = null
  #stage: 'hello' | 'proof' | 'proved' | 'over' = 'hello'

  constructor(
    socket: MessageSocket,
    dialler: ServerLabel,
    serial: number,
    limitMs: number,
    self: Self,
    ports: { clock: Clock; chance: Chance },
    calls: HandshakeCalls,
  ) {
    this.socket = socket
    this.dialler = dialler
    this.serial = serial
    this.#self = self
    this.#calls = calls
    const nonce = Buffer.from(ports.chance.bytes(32)).toString('hex')
    this.#own = { version: PROTOCOL_VERSION, label: self.label, instance: self.instance, nonce }
    socket.onMessage = message => this.#receive(message)
    socket.onClosed = why => this.#fail(channelError('LEFT', { remote: socket.remote, why }), false)
    this.#timer = ports.clock.after(limitMs, () =>
      this.#fail(channelError('HANDSHAKE', { remote: socket.remote, ms: limitMs }), false),
    )
    if (this.#dialling) socket.send(encode({ name: 'HELLO', ...this.#own }))
  }

  /** The peer as it introduced itself; there once it has. */
  get peer(): Hello {
    assert(this.#peer !== null, 'the peer has introduced itself')
    return this.#peer
  }

  /** The other end has said who it says it is. */
  get introduced(): boolean {
    return this.#peer !== null
  }

  /** Dialler: the PROOF is out, so that the peer may take this connection for the channel at any moment. */
  get hasProved(): boolean {
    return this.#stage === 'proof' && this.#dialling
  }

  /** Dialled, after `proved`: this connection is the channel. */
  accept(): void {
    assert(this.#stage === 'proved' && !this.#dialling, 'only one that has proved itself is accepted')
    this.#over()
    this.socket.send(encode({ name: 'PROOF', proof: this.#proof(this.#own, this.peer) }))
  }

  /** Says why and closes. */
  refuse(error: CodedError): void {
    if (this.#stage === 'over') return
    this.#over()
    sendRefusal(this.socket, error.code, `${error.message} ${error.remedy}`)
  }

  /** Closes without a word: there is a better connection. */
  abandon(): void {
    if (this.#stage === 'over') return
    this.#over()
    this.socket.close()
  }

  get #dialling(): boolean {
    return this.dialler === this.#self.label
  }

  #proof(from: Hello, to: Hello): string {
    return makeProof(this.#self.secret, from, to, this.dialler)
  }

  #receive(message: Uint8Array): void {
    try {
      if (message.length > STRANGER_BYTES)
        throw channelError('FRAME', { detail: `${message.length} bytes before any proof` })
      const frame = decode(message)
      if (frame.name === 'REFUSE') {
        const { code, text } = frame
        this.#fail(channelError('REFUSED', { remote: this.socket.remote, code, text }), false)
      } else if (frame.name === 'HELLO' && this.#stage === 'hello') this.#meet(frame)
      else if (frame.name === 'PROOF' && this.#stage === 'proof') this.#check(frame.proof)
      else throw channelError('FRAME', { detail: `${frame.name} where it makes no sense` })
    } catch (error) {
      if (!(error instanceof CodedError)) throw error
      this.#fail(error, true)
    }
  }

  #meet({ version, label, instance, nonce }: Hello): void {
    const { remote } = this.socket
    if (instance === this.#self.instance) throw channelError('SELF', { remote })
    if (label === this.#self.label) throw channelError('LABEL', { remote, label })
    this.#peer = { version, label, instance, nonce }
    this.#stage = 'proof'
    if (!this.#dialling) this.socket.send(encode({ name: 'HELLO', ...this.#own }))
    else if (this.#calls.wanted())
      this.socket.send(encode({ name: 'PROOF', proof: this.#proof(this.#own, this.#peer) }))
    else this.abandon()
  }

  #check(proof: string): void {
    const expected = this.#proof(this.peer, this.#own)
    if (!timingSafeEqual(Buffer.from(proof, 'hex'), Buffer.from(expected, 'hex')))
      throw channelError('SECRET', { remote: this.socket.remote })
    this.#stage = 'proved'
    if (this.#dialling) this.#over()
    this.#calls.proved(this)
  }

  #fail(error: CodedError, tell: boolean): void {
    if (this.#stage === 'over') return
    if (tell) this.refuse(error)
    else this.abandon()
    this.#calls.failed(this, error)
  }

  #over(): void {
    this.#stage = 'over'
    this.#timer.cancel()
    this.socket.onMessage = () => {}
    this.socket.onClosed = () => {}
  }
}

/** The last word on a connection. */
export function sendRefusal(socket: MessageSocket, code: string, text: string): void {
  socket.send(encode({ name: 'REFUSE', code, text }))
  socket.close()
}
