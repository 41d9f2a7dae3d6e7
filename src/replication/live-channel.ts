// The connection that is the channel now: frames in and out, pings and their answers, until it is given up. Which
// connection that is, and when the next one is sought, back-channel.ts decides.

import { CodedError } from '../base/errors.ts'
import type { Clock } from '../base/ports.ts'
import { channelError } from './channel-errors.ts'
import { decode, encode } from './codec.ts'
import type { Frame, ServerLabel } from './frames.ts'
import { sendRefusal } from './handshake.ts'
import type { Handshake, Hello } from './handshake.ts'
import { Pulse } from './pulse.ts'
import type { PulseLimits, Sent } from './pulse.ts'
import type { MessageSocket } from './transport.ts'

/** A ping and its answer: when the ping was sent, and the epoch that the PONG says is followed, 0 for none. */
export interface Answer extends Sent {
  readonly following: number
}

export interface LiveLimits extends PulseLimits {
  /** With more than this waiting to be sent, the channel is given up at once. */
  readonly bufferedBytes: number
}

export interface LiveCalls {
  frame(frame: Frame): void
  /** The peer has answered a ping. */
  answered(answer: Answer): void
  /** This server has answered a ping. */
  promised(answer: Answer): void
  following(): number
  committed(): number
  /** It is over. Never called from within `send`, `refuse` or `drop`. `refused`: where one of the two has refused. */
  over(channel: LiveChannel, why: string, refused: boolean): void
}

export class LiveChannel {
  readonly socket: MessageSocket
  readonly dialler: ServerLabel
  readonly serial: number
  readonly peer: Hello
  readonly since: number
  readonly pulse: Pulse
  /** Given up: nothing comes or goes any more. */
  gone = false
  readonly #clock: Clock
  readonly #limits: LiveLimits
  readonly #calls: LiveCalls

  constructor(from: Handshake, firstPing: number, clock: Clock, limits: LiveLimits, calls: LiveCalls) {
    const { socket } = from
    this.socket = socket
    this.dialler = from.dialler
    this.serial = from.serial
    this.peer = from.peer
    this.since = clock.now()
    this.#clock = clock
    this.#limits = limits
    this.#calls = calls
    this.pulse = new Pulse(socket, clock, limits, firstPing, {
      ping: number => this.send({ name: 'PING', number, committed: calls.committed() }),
      dead: error => this.#end(error.line(), false),
    })
    socket.trust()
    socket.onMessage = message => this.#receive(message)
    socket.onClosed = why => this.#end(why, false)
  }

  send(frame: Frame): void {
    if (this.gone) return
    const pieces = encode(frame)
    let bytes = 0
    for (const piece of pieces) bytes += piece.length
    this.pulse.handed(bytes)
    this.socket.send(pieces)
    const limit = this.#limits.bufferedBytes
    if (this.socket.buffered > limit) this.#endLater(channelError('OVERFLOW', { limit }).line(), false)
  }

  /** Tells the peer why this server will not talk to it. */
  refuse(code: string, text: string): void {
    if (this.gone) return
    sendRefusal(this.socket, code, text)
    this.#endLater(`${code}: ${text}`, true)
  }

  drop(why: string): void {
    if (!this.gone) this.#endLater(why, false)
  }

  /** At once and without a call. */
  detach(): void {
    this.gone = true
    this.pulse.stop()
    this.socket.onMessage = () => {}
    this.socket.onClosed = () => {}
    this.socket.close()
  }

  #receive(message: Uint8Array): void {
    this.pulse.heard()
    let frame: Frame
    try {
      frame = decode(message)
    } catch (error) {
      if (!(error instanceof CodedError)) throw error
      return this.refuse(error.code, `${error.message} ${error.remedy}`)
    }
    switch (frame.name) {
      case 'PING': {
        const following = this.#calls.following()
        this.send({ name: 'PONG', number: frame.number, following })
        // Read after the answer was given: what we promise counts from no earlier than that.
        this.#calls.promised({ sentAt: this.#clock.now(), sentWall: this.#clock.wall(), following })
        return this.#calls.frame(frame)
      }
      case 'PONG': {
        const sent = this.pulse.answered(frame.number)
        if (sent !== null) this.#calls.answered({ ...sent, following: frame.following })
        return
      }
      case 'REFUSE': {
        const { code, text } = frame
        const error = channelError('REFUSED', { remote: this.socket.remote, code, text })
        return this.#endLater(error.line(), true)
      }
      case 'HELLO':
      case 'PROOF':
        return this.refuse('CHANNEL-FRAME', `${frame.name} came on a channel that is up.`)
      default:
        return this.#calls.frame(frame)
    }
  }

  #end(why: string, refused: boolean): void {
    this.detach()
    this.#calls.over(this, why, refused)
  }

  /** Nothing comes or goes from now on; the owner, who may be in the middle of something, learns it in a later turn. */
  #endLater(why: string, refused: boolean): void {
    this.detach()
    this.#clock.soon(() => this.#calls.over(this, why, refused))
  }
}
