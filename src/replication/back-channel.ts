// The back channel: the one connection between the two servers. Both listen and both dial, so that a firewall that lets
// only one of them through does no harm; of all connections exactly one is the channel, and both agree which. Delivers
// frames, answers pings, notices silence. What the frames mean, and what to do without a channel, others decide.
//
// Which connection is the channel:
// - A server dials, or proves itself on a connection that it dialled, only while it has no channel. The server that was
//   dialled proves itself last: its PROOF says "this is the channel". So, normally, there never are two.
// - The secondary dials first; the primary waits one ping interval. Where both are so far that both may be accepted, the
//   secondary's wins: it holds the other one back until its own is decided, and the primary gives up its own.
// - A new connection of the same process and the same dialler replaces the channel: who dials knows that his old one is
//   gone, although its end may not have arrived here (half-open).
// - Any other newcomer (the other dialler, or another process under the peer's label) has to wait until the channel has
//   answered a ping, and is refused then. If it doesn't answer within one ping interval, it is replaced.

import { CodedError } from '../base/errors.ts'
import type { Chance, Clock, Log, Timer } from '../base/ports.ts'
import { channelError } from './channel-errors.ts'
import { decode, encode } from './codec.ts'
import { Complaints, withoutPort } from './complaints.ts'
import type { Frame, ServerLabel } from './frames.ts'
import { Handshake, otherLabel, sendRefusal } from './handshake.ts'
import type { HandshakeCalls, Hello, Self } from './handshake.ts'
import { Pulse } from './pulse.ts'
import type { PulseLimits } from './pulse.ts'
import type { MessageSocket, Transport } from './transport.ts'

export interface BackChannelOptions extends Self, PulseLimits {
  /** With more than this waiting to be sent, the channel is given up at once. */
  readonly bufferedBytes: number
}

export interface BackChannelPorts {
  readonly transport: Transport
  readonly clock: Clock
  readonly chance: Chance
  readonly log: Log
}

/** A ping and its answer. `sentAt`: monotonic ms when it was sent. `following`: the epoch in the PONG, 0 for none. */
export interface Answer {
  readonly sentAt: number
  readonly following: number
}

/** Connections that have proved nothing yet, at once. */
export const STRANGERS_LIMIT = 32
/** The first wait before dialling again; it doubles up to the ping interval. */
const REDIAL_MS = 100
const NEVER: Answer = { sentAt: -Infinity, following: 0 }

interface Channel {
  readonly socket: MessageSocket
  readonly dialler: ServerLabel
  readonly serial: number
  readonly peer: Hello
  readonly pulse: Pulse
  readonly since: number
  /** Already given up; `onDown` follows in the next turn. */
  doomed: boolean
}

export class BackChannel {
  /** The peer has proved itself; `send` works from now on. */
  onUp: (peer: Hello) => void = () => {}
  /** Every frame after that but PONG (and HELLO, PROOF). PING too, when it is answered already, for its `committed`. */
  onFrame: (frame: Frame) => void = () => {}
  /** The channel is gone. Never called from within a call of this object's, except `onUp` of the next one follows it. */
  onDown: (why: string) => void = () => {}
  /** A ping was answered: `lastAnswered` is new. */
  onAnswered: () => void = () => {}
  /** Asked for each PONG: the epoch that this server follows, 0 for none. See `lastPong`. */
  following: () => number = () => 0
  /** Asked for each PING: the last sequence that is safe. */
  committed: () => number = () => 0

  readonly #options: BackChannelOptions
  readonly #ports: BackChannelPorts
  readonly #complaints: Complaints
  readonly #strangers = new Set<Handshake>()
  #channel: Channel | null = null
  /** Our own attempt: being dialled, or in its handshake. */
  #dialling = false
  #attempt: Handshake | null = null
  /** One that has proved itself and waits for a decision. */
  #waiting: Handshake | null = null
  #redial: Timer | null = null
  #redialMs = REDIAL_MS
  #serial = 0
  #pingNumber = 1
  #lastAnswered = NEVER
  #lastPong = NEVER
  #closed = false

  constructor(options: BackChannelOptions, ports: BackChannelPorts) {
    this.#options = options
    this.#ports = ports
    this.#complaints = new Complaints(ports.clock, ports.log)
  }

  get up(): boolean {
    return this.#channel !== null && !this.#channel.doomed
  }

  get peer(): Hello | null {
    return this.#channel?.peer ?? null
  }

  /** Bytes that wait to be sent: who sends much looks here first. */
  get buffered(): number {
    return this.#channel?.socket.buffered ?? 0
  }

  /** The newest ping of ours that was answered. Stays when the channel is gone: the promise in the answer does, too. */
  get lastAnswered(): Answer {
    return this.#lastAnswered
  }

  /** Our newest answer to a ping: from then on our promise to the peer counts. */
  get lastPong(): Answer {
    return this.#lastPong
  }

  start(): void {
    this.#ports.transport.listen(
      socket => this.#incoming(socket),
      why => this.#complaints.about('', 'warn', channelError('STRANGER', { detail: why })),
    )
    this.#dialLater(true)
  }

  /** False where there is no channel; the frame is lost then, as those are that are under way when a channel breaks. */
  send(frame: Frame): boolean {
    const channel = this.#channel
    if (channel === null || channel.doomed) return false
    const pieces = encode(frame)
    let bytes = 0
    for (const piece of pieces) bytes += piece.length
    channel.pulse.handed(bytes)
    channel.socket.send(pieces)
    const limit = this.#options.bufferedBytes
    if (channel.socket.buffered > limit) this.#doom(channel, channelError('OVERFLOW', { limit }))
    return true
  }

  /** Tells the peer why this server will not talk to it, and closes. `onDown` follows in a later turn. */
  refuse(error: CodedError): void {
    const channel = this.#channel
    if (channel === null || channel.doomed) return
    sendRefusal(channel.socket, error)
    this.#redialMs = this.#longestRedialMs
    this.#doom(channel, error)
  }

  /** For ever; lets what was sent before leave first. `onDown` is not called. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#redial?.cancel()
    for (const stranger of this.#strangers) stranger.abandon()
    this.#attempt?.abandon()
    this.#waiting?.abandon()
    if (this.#channel) this.#detach(this.#channel)
    this.#channel = this.#attempt = this.#waiting = null
    this.#ports.transport.close()
  }

  // Dialling

  get #longestRedialMs(): number {
    // The secondary's attempts come more often than the primary waits, so that there is one before the primary's first.
    return this.#options.label === 'secondary' ? this.#options.pingMs / 2 : this.#options.pingMs
  }

  #dialLater(first: boolean): void {
    if (this.#closed || this.#channel || this.#dialling || this.#attempt) return
    this.#redial?.cancel()
    let waitMs = this.#redialMs
    if (first) waitMs = this.#options.label === 'primary' ? this.#options.pingMs : 0
    else this.#redialMs = Math.min(this.#redialMs * 2, this.#longestRedialMs)
    this.#redial = this.#ports.clock.after(waitMs, () => this.#dial())
  }

  #dial(): void {
    if (this.#closed || this.#channel || this.#dialling || this.#attempt) return
    this.#dialling = true
    this.#ports.transport.dial((error, socket) => {
      this.#dialling = false
      if (this.#closed || this.#channel) socket?.close()
      else if (socket) {
        this.#attempt = this.#handshake(socket, this.#options.label, {
          wanted: () => this.#channel === null,
          proved: handshake => this.#establish(handshake),
          failed: (_, error) => this.#attemptFailed(socket.remote, error),
        })
      } else {
        this.#complaints.about('dial', 'info', channelError('UNREACHABLE', { detail: error?.message ?? '' }))
        this.#dialLater(false)
      }
    })
  }

  #attemptFailed(remote: string, error: CodedError): void {
    this.#attempt = null
    // The peer's console tells of a channel that it keeps; here it is no news.
    const quiet = error.code === 'CHANNEL-REFUSED' && error.details['code'] === 'CHANNEL-SECOND'
    this.#complaints.about(remote, quiet ? 'debug' : levelOf(error), error)
    this.#redialMs = Math.max(this.#redialMs, error.code === 'CHANNEL-STRANGER' ? 0 : this.#longestRedialMs)
    this.#settle()
    this.#dialLater(false)
  }

  // Strangers

  #handshake(socket: MessageSocket, dialler: ServerLabel, calls: HandshakeCalls): Handshake {
    const limitMs = Math.max(2 * this.#options.pingMs, 1000)
    return new Handshake(socket, dialler, ++this.#serial, limitMs, this.#options, this.#ports, calls)
  }

  #incoming(socket: MessageSocket): void {
    if (this.#closed) return socket.close()
    this.#makeRoom()
    const stranger = this.#handshake(socket, otherLabel(this.#options.label), {
      wanted: () => false,
      proved: handshake => {
        this.#strangers.delete(handshake)
        this.#consider(handshake)
      },
      failed: (handshake, error) => {
        this.#strangers.delete(handshake)
        if (this.#waiting === handshake) this.#waiting = null
        this.#complaints.about(withoutPort(socket.remote), levelOf(error), error)
      },
    })
    this.#strangers.add(stranger)
  }

  /** A full house gives up the oldest that said nothing yet, else the oldest: who only wants to fill it must hurry. */
  #makeRoom(): void {
    if (this.#strangers.size < STRANGERS_LIMIT) return
    let victim: Handshake | null = null
    for (const stranger of this.#strangers) {
      victim ??= stranger
      if (stranger.introduced) continue
      victim = stranger
      break
    }
    if (!victim) return
    this.#strangers.delete(victim)
    victim.abandon()
    this.#complaints.about('', 'warn', channelError('CROWD', { limit: STRANGERS_LIMIT }))
  }

  // The choice

  /** The peer has dialled and proved itself. */
  #consider(newcomer: Handshake): void {
    const channel = this.#channel
    if (channel === null) return this.#hold(newcomer)
    const samePeer = channel.peer.instance === newcomer.peer.instance
    const wins =
      channel.dialler === newcomer.dialler ? newcomer.serial > channel.serial : newcomer.dialler === 'secondary'
    if (samePeer && wins) {
      this.#hold(newcomer)
      this.#drop(channel, 'the peer has opened a new channel')
    } else {
      this.#hold(newcomer)
      this.#probe(channel, newcomer)
    }
  }

  #hold(newcomer: Handshake): void {
    this.#waiting?.abandon()
    this.#waiting = newcomer
    this.#settle()
  }

  /** Takes the one that waits, where nothing stands in its way any more. */
  #settle(): void {
    const newcomer = this.#waiting
    if (!newcomer || this.#channel || this.#closed) return
    // Our own may be accepted by the primary at this moment, and wins.
    if (this.#attempt?.hasProved && this.#options.label === 'secondary') return
    this.#attempt?.abandon()
    this.#attempt = null
    this.#waiting = null
    newcomer.accept()
    this.#establish(newcomer)
  }

  #probe(channel: Channel, newcomer: Handshake): void {
    const { clock } = this.#ports
    const since = clock.now()
    channel.pulse.aliveSince(since) // what has come so far doesn't count
    channel.pulse.ping()
    clock.after(this.#options.pingMs, () =>
      clock.soon(() => {
        if (this.#waiting !== newcomer || this.#channel !== channel) return
        if (!channel.pulse.aliveSince(since)) return this.#drop(channel, 'it is silent and the peer has dialled again')
        const { remote } = newcomer.socket
        const samePeer = channel.peer.instance === newcomer.peer.instance
        const error = samePeer ? channelError('SECOND') : channelError('THIRD', { remote, label: newcomer.peer.label })
        this.#complaints.about(withoutPort(remote), samePeer ? 'debug' : 'error', error)
        this.#waiting = null
        newcomer.refuse(error)
      }),
    )
  }

  // The channel

  #establish({ socket, dialler, serial, peer }: Handshake): void {
    if (this.#attempt?.serial === serial) this.#attempt = null
    // One that was held back while our own attempt was decided.
    this.#waiting?.refuse(channelError('SECOND'))
    this.#waiting = null
    this.#redial?.cancel()
    const { clock, log } = this.#ports
    const pulse = new Pulse(socket, clock, this.#options, this.#pingNumber, {
      ping: number => void this.send({ name: 'PING', number, committed: this.committed() }),
      dead: error => this.#drop(channel, error.line()),
    })
    const channel: Channel = { socket, dialler, serial, peer, pulse, since: clock.now(), doomed: false }
    this.#channel = channel
    socket.trust()
    socket.onMessage = message => this.#receive(channel, message)
    socket.onClosed = why => this.#drop(channel, why)
    this.#complaints.forget()
    log('info', `Back channel to the ${peer.label} server at ${socket.remote} is up, dialled by the ${dialler} one`)
    this.onUp(peer)
  }

  #receive(channel: Channel, message: Uint8Array): void {
    if (channel.doomed) return
    channel.pulse.heard()
    let frame: Frame
    try {
      frame = decode(message)
    } catch (error) {
      if (!(error instanceof CodedError)) throw error
      return this.refuse(error)
    }
    switch (frame.name) {
      case 'PING': {
        const following = this.following()
        this.send({ name: 'PONG', number: frame.number, following })
        // Read after the answer was given: what we promise counts from no earlier than that.
        this.#lastPong = { sentAt: this.#ports.clock.now(), following }
        return this.onFrame(frame)
      }
      case 'PONG': {
        const sentAt = channel.pulse.answered(frame.number)
        if (sentAt === null) return
        this.#lastAnswered = { sentAt, following: frame.following }
        return this.onAnswered()
      }
      case 'REFUSE': {
        const { code, text } = frame
        this.#redialMs = this.#longestRedialMs
        return this.#doom(channel, channelError('REFUSED', { remote: channel.socket.remote, code, text }))
      }
      case 'HELLO':
      case 'PROOF':
        return this.refuse(channelError('FRAME', { detail: `${frame.name} on a channel that is up` }))
      default:
        return this.onFrame(frame)
    }
  }

  /** Nothing goes or comes any more; the owner is told in a later turn, for it may be in the middle of something. */
  #doom(channel: Channel, error: CodedError): void {
    channel.doomed = true
    this.#complaints.about('channel', 'error', error)
    this.#ports.clock.soon(() => this.#drop(channel, error.line()))
  }

  #drop(channel: Channel, why: string): void {
    if (this.#channel !== channel) return
    this.#channel = null
    this.#detach(channel)
    const { clock, log } = this.#ports
    log('warn', `Back channel to the ${channel.peer.label} server is down: ${why}`)
    const lasted = clock.now() - channel.since > this.#options.pingMs
    if (lasted) this.#redialMs = REDIAL_MS
    this.onDown(why)
    this.#settle()
    this.#dialLater(lasted || this.#options.label === 'primary')
  }

  #detach({ socket, pulse }: Channel): void {
    this.#pingNumber = pulse.nextNumber
    pulse.stop()
    socket.onMessage = () => {}
    socket.onClosed = () => {}
    socket.close()
  }
}

const ordinary: ReadonlySet<string> = new Set(['CHANNEL-STRANGER', 'CHANNEL-HANDSHAKE', 'CHANNEL-FRAME'])
const levelOf = (error: CodedError): 'warn' | 'error' => (ordinary.has(error.code) ? 'warn' : 'error')
