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

import { assert } from '../base/assert.ts'
import type { CodedError } from '../base/errors.ts'
import type { Chance, Clock, Log, LogLevel, Timer } from '../base/ports.ts'
import { channelError } from './channel-errors.ts'
import { Complaints, withoutPort } from './complaints.ts'
import type { Frame, ServerLabel } from './frames.ts'
import { Handshake, otherLabel } from './handshake.ts'
import type { HandshakeCalls, Hello, Self } from './handshake.ts'
import { LiveChannel } from './live-channel.ts'
import type { Answer, LiveCalls, LiveLimits } from './live-channel.ts'
import type { MessageSocket, Transport } from './transport.ts'

export interface BackChannelOptions extends Self, LiveLimits {}

export interface BackChannelPorts {
  readonly transport: Transport
  readonly clock: Clock
  readonly chance: Chance
  readonly log: Log
}

/** Connections that have proved nothing yet, at once. */
export const STRANGERS_LIMIT = 32
/** The first wait before dialling again; it doubles up to the ping interval. */
const REDIAL_MS = 100

export class BackChannel {
  /** The peer has proved itself; `send` works from now on. */
  onUp: (peer: Hello) => void = () => {}
  /** Every frame after that but PONG (and HELLO, PROOF). PING too, when it is answered already, for its `committed`. */
  onFrame: (frame: Frame) => void = () => {}
  /** The channel is gone. Never called from within a call of this object's. */
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
  #channel: LiveChannel | null = null
  /** Our own attempt: being dialled, or in its handshake. */
  #dialling = false
  #attempt: Handshake | null = null
  /** One that has proved itself and waits for a decision. */
  #waiting: Handshake | null = null
  #redial: Timer | null = null
  #redialMs = REDIAL_MS
  #serial = 0
  #pingNumber = 1
  #lastAnswered: Answer | null = null
  #lastPong: Answer | null = null
  #closed = false

  constructor(options: BackChannelOptions, ports: BackChannelPorts) {
    this.#options = options
    this.#ports = ports
    this.#complaints = new Complaints(ports.clock, ports.log)
  }

  get isUp(): boolean {
    return this.#channel !== null && !this.#channel.gone
  }

  get peer(): Hello | null {
    return this.#channel?.peer ?? null
  }

  /** Bytes that wait to be sent: who sends much looks here first. */
  get buffered(): number {
    return this.#channel?.socket.buffered ?? 0
  }

  /** The newest ping of ours that was answered. Stays when the channel is gone: the promise in the answer does, too. */
  get lastAnswered(): Answer | null {
    return this.#lastAnswered
  }

  /** Our newest answer to a ping: from then on our promise to the peer counts. */
  get lastPong(): Answer | null {
    return this.#lastPong
  }

  start(): void {
    this.#ports.transport.listen(
      socket => this.#incoming(socket),
      why => this.#complaints.about('', 'warn', channelError('STRANGER', { detail: why })),
    )
    this.#dialLater(true)
  }

  /** Without a channel the frame is lost, as those are that are under way when a channel breaks. */
  send(frame: Frame): void {
    this.#channel?.send(frame)
  }

  /** Sends a ping now instead of at the next interval. */
  ping(): void {
    if (this.isUp) this.#channel?.pulse.ping()
  }

  /** Gives this connection up; `onDown` follows in a later turn, then a new one is sought. */
  drop(why: string): void {
    this.#channel?.drop(why)
  }

  /** The same, and tells the peer why this server will not talk to it. The next attempt comes after the longest wait. */
  refuse(code: string, text: string): void {
    this.#channel?.refuse(code, text)
  }

  /** For ever; lets what was sent before leave first. `onDown` is not called. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#redial?.cancel()
    for (const stranger of this.#strangers) stranger.abandon()
    this.#attempt?.abandon()
    this.#waiting?.abandon()
    this.#channel?.detach()
    this.#channel = this.#attempt = this.#waiting = null
    this.#ports.transport.close()
  }

  // Dialling

  get #longestRedialMs(): number {
    // The secondary's attempts come more often than the primary waits, so that there is one before the primary's first.
    return Math.max(this.#options.label === 'secondary' ? this.#options.pingMs / 2 : this.#options.pingMs, 50)
  }

  #dialLater(first: boolean): void {
    if (this.#closed || this.#channel || this.#dialling || this.#attempt) return
    this.#redial?.cancel()
    let waitMs = Math.min(this.#redialMs, this.#longestRedialMs)
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
    this.#redialMs = Math.max(this.#redialMs, error.code === 'CHANNEL-LEFT' ? 0 : this.#longestRedialMs)
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
      channel.drop('the peer has opened a new channel')
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

  #probe(channel: LiveChannel, newcomer: Handshake): void {
    const { clock } = this.#ports
    const since = clock.now()
    channel.pulse.aliveSince(since) // what has come so far doesn't count
    channel.pulse.ping()
    clock.after(this.#options.pingMs, () =>
      clock.soon(() => {
        if (this.#waiting !== newcomer || this.#channel !== channel) return
        const samePeer = channel.peer.instance === newcomer.peer.instance
        if (!channel.pulse.aliveSince(since)) {
          if (samePeer) return channel.drop('it is silent and the peer has dialled again')
          // Another process, started again or a third one: a peer that is only slow has its full time first.
          return this.#probe(channel, newcomer)
        }
        const { remote } = newcomer.socket
        const error = samePeer ? channelError('SECOND') : channelError('THIRD', { remote, label: newcomer.peer.label })
        this.#complaints.about(withoutPort(remote), samePeer ? 'debug' : 'error', error)
        this.#waiting = null
        newcomer.refuse(error)
      }),
    )
  }

  // The channel

  readonly #calls: LiveCalls = {
    frame: frame => this.onFrame(frame),
    answered: answer => {
      this.#lastAnswered = answer
      this.onAnswered()
    },
    promised: answer => {
      this.#lastPong = answer
    },
    following: () => this.following(),
    committed: () => this.committed(),
    over: (channel, why, refused) => this.#over(channel, why, refused),
  }

  #establish(handshake: Handshake): void {
    assert(this.#channel === null, 'there is one channel at a time')
    if (this.#attempt === handshake) this.#attempt = null
    // One that was held back while our own attempt was decided.
    this.#waiting?.refuse(channelError('SECOND'))
    this.#waiting = null
    this.#redial?.cancel()
    const { clock, log } = this.#ports
    const channel = new LiveChannel(handshake, this.#pingNumber, clock, this.#options, this.#calls)
    this.#channel = channel
    this.#complaints.forget()
    const { peer, socket, dialler } = channel
    log('info', `Back channel to the ${peer.label} server at ${socket.remote} is up, dialled by the ${dialler} one`)
    this.onUp(peer)
  }

  #over(channel: LiveChannel, why: string, refused: boolean): void {
    if (this.#channel !== channel) return
    this.#channel = null
    this.#pingNumber = channel.pulse.nextNumber
    const { clock, log } = this.#ports
    log('warn', `Back channel to the ${channel.peer.label} server is down: ${why}`)
    const lasted = clock.now() - channel.since > this.#options.pingMs
    if (refused) this.#redialMs = this.#longestRedialMs
    else if (lasted) this.#redialMs = REDIAL_MS
    this.onDown(why)
    this.#settle()
    this.#dialLater((lasted && !refused) || this.#options.label === 'primary')
  }
}

/** What is no error of this pair's. The other end leaving without a word is what a dialler does that has been accepted. */
const mild: Readonly<Record<string, LogLevel>> = {
  'CHANNEL-LEFT': 'debug',
  'CHANNEL-HANDSHAKE': 'warn',
  'CHANNEL-FRAME': 'warn',
}
const levelOf = (error: CodedError): LogLevel => mild[error.code] ?? 'error'
