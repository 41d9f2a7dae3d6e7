// One client connection from its first byte to its last: protocol headers, SASL, open and close, the table of sessions,
// both sides' idle times, and the end of every turn, when what gathered goes out. It has no socket and no clock but the
// ports it is given. Whatever a client sends, nothing is thrown out of here but our own broken promises.

import { assert, BrokenPromise } from '../../base/assert.ts'
import type { Clock, LogLevel, Timer } from '../../base/ports.ts'
import type { Guest } from '../../broker/access.ts'
import type { Broker } from '../../broker/api.ts'
import { Decoder } from './decode.ts'
import { AmqpFault, fault } from './errors.ts'
import type { FrameSink } from './framing.ts'
import { FrameReader } from './framing.ts'
import type { ConnectionHost, Turn } from './hosts.ts'
import { Cursor } from './in-place.ts'
import type { AmqpLimits } from './limits.ts'
import { askedIdleMs, encodeOpen, MIN_MAX_FRAME_BYTES, readOpen } from './open.ts'
import type { ConnectionOptions } from './open.ts'
import { FrameOutput } from './output.ts'
import { Patience } from '../patience.ts'
import type { FieldsOf } from './performatives.ts'
import { codesByName, encodePerformative, performatives, readFields } from './performatives.ts'
import { Sasl, SASL_FRAME, SASL_HEADER } from './sasl.ts'
import type { SaslHost } from './sasl.ts'
import { Session } from './session.ts'
import { refusedInfo, replacedInfo, type SoleMember } from './sole.ts'
import { errorValue } from './terminus.ts'
import { Transactions } from './transactions.ts'
import { NULL, type Value } from './types.ts'

const AMQP_HEADER = Buffer.from([0x41, 0x4d, 0x51, 0x50, 0, 1, 0, 0])
const NOTHING = Buffer.alloc(0)
/** How soon to try again to send what is held back while this server cannot prove that it serves. */
const HELD_MS = 10

/**
 * header: a protocol header is due; sasl: the client's SASL frame; amqp-header: after SASL; open: the open frame;
 * running: everything else; over: nothing is listened to any more.
 */
type Stage = 'header' | 'sasl' | 'amqp-header' | 'open' | 'running' | 'over'

export class Connection implements FrameSink, ConnectionHost, SaslHost, SoleMember {
  readonly limits: AmqpLimits
  readonly out: FrameOutput
  sendFrameBytes = MIN_MAX_FRAME_BYTES
  containerId = ''
  guest: Guest | null = null
  assembling = 0

  readonly options: ConnectionOptions
  readonly transactions = new Transactions(this)
  readonly #clock: Clock
  readonly #reader = new FrameReader(this)
  readonly #cursor = new Cursor()
  readonly #sasl: Sasl
  #stage: Stage = 'header'
  #opened = false
  #admitted = false
  #gone = false
  readonly #sessions: (Session | undefined)[] = []
  #turns: Turn[] = []
  #turnDue = false
  #holding: Timer | null = null
  readonly #patience: Patience

  constructor(options: ConnectionOptions) {
    this.options = options
    this.limits = options.limits
    this.#sasl = new Sasl(options.signIn, options.visitor, this)
    this.#clock = options.clock
    this.out = new FrameOutput(options.output, options.mayServe ?? (() => true), () => this.#schedule())
    this.#patience = new Patience(this.#clock)
    const { handshakeMs } = this.limits
    this.#patience.waitFor(handshakeMs, () => this.#failed(fault('HANDSHAKE', { limit: handshakeMs })))
  }

  // ---- the socket's side

  receive(bytes: Uint8Array): void {
    if (this.deaf) return
    this.#patience.heard()
    try {
      this.#reader.receive(bytes)
    } catch (error) {
      this.#failed(error)
    }
  }

  /** The socket takes bytes again. */
  drained(): void {
    this.out.drained()
    this.#resume()
  }

  /** The socket is gone, for whatever reason. */
  closed(): void {
    if (this.#gone) return
    this.#gone = true
    this.#stop()
    if (this.#admitted) this.broker.connectionClosed()
  }

  /** Ends the connection from our side, e.g. with amqp:connection:forced when this server stops serving. */
  shutdown(condition: string, description: string): void {
    if (this.#stage === 'over') return
    // Acknowledgements that did not leave yet may not be ours to give any more.
    if (this.options.mayServe !== undefined && !this.options.mayServe()) this.out.discard()
    this.#close(errorValue(condition, description))
  }

  // ---- among the connections of its client

  get silentMs(): number {
    return this.#patience.silentMs
  }

  poke(): void {
    if (!this.out.blocked) this.out.frame(0, 0, NOTHING)
    this.#flush()
  }

  replaced(): void {
    this.#failed(fault('REPLACED', { id: JSON.stringify(this.containerId) }), replacedInfo)
  }

  // ---- frames

  get expectsHeader(): boolean {
    return this.#stage === 'header' || this.#stage === 'amqp-header'
  }

  get frameBytes(): number {
    return this.#stage === 'running' ? this.limits.frameBytes : this.limits.handshakeFrameBytes
  }

  get isOpen(): boolean {
    return this.#stage === 'running'
  }

  get deaf(): boolean {
    return this.#stage === 'over'
  }

  get busy(): boolean {
    return this.#sasl.busy
  }

  get broker(): Broker {
    assert(this.guest !== null, 'nobody uses the broker before it is known who it is')
    return this.guest.broker
  }

  header(bytes: Buffer, at: number): void {
    const header = bytes.subarray(at, at + 8)
    const wantsSasl = header.equals(SASL_HEADER)
    const wantsAmqp = header.equals(AMQP_HEADER)
    const { signIn, visitor } = this.options
    const anonymous = () => signIn.mechanisms(visitor).includes('ANONYMOUS')
    if (this.#stage === 'header' && wantsAmqp && anonymous()) this.guest = signIn.anonymous(visitor)
    if (this.#stage === 'header' && wantsSasl) {
      this.out.raw(SASL_HEADER)
      this.#sasl.offer()
      this.#stage = 'sasl'
    } else if (wantsAmqp && this.guest !== null) {
      this.out.raw(AMQP_HEADER)
      this.#stage = 'open'
    } else {
      // As the specification has it: say what is spoken here, and close.
      this.out.raw(!wantsSasl && anonymous() ? AMQP_HEADER : SASL_HEADER)
      this.say('warn', fault('PROTOCOL', { header: JSON.stringify(header.toString('latin1')) }).error.line())
      this.#finish()
    }
  }

  frame(bytes: Buffer, at: number, end: number): void {
    const channel = (bytes[at + 6]! << 8) | bytes[at + 7]!
    const type = bytes[at + 5]!
    const wanted = this.#stage === 'sasl' ? SASL_FRAME : 0
    if (type !== wanted) throw fault('FRAME-TYPE', { type, wanted })
    const body = at + bytes[at + 4]! * 4
    try {
      if (type === SASL_FRAME) this.#sasl.frame(new Decoder(bytes, body, end, this.limits))
      else if (body < end) this.#performative(channel, bytes, body, end)
    } catch (error) {
      const session = this.#sessions[channel]
      if (!(error instanceof AmqpFault) || error.scope === 'connection' || session === undefined) throw error
      session.end(error)
    }
  }

  saslFrame(body: Buffer): void {
    if (!this.#gone) this.out.frame(SASL_FRAME, 0, body)
  }

  signedIn(guest: Guest | null, mechanism: string): void {
    if (this.deaf) return
    if (guest === null) {
      // One attempt to a connection: who guesses must connect again each time.
      this.say('warn', fault('AUTHENTICATION', { mechanism }).error.line())
      this.#finish()
      return
    }
    this.guest = guest
    this.#stage = 'amqp-header'
    try {
      this.#reader.resume()
    } catch (error) {
      this.#failed(error)
    }
  }

  #performative(channel: number, bytes: Buffer, at: number, end: number): void {
    const session = this.#sessions[channel]
    if (bytes[at] === 0 && bytes[at + 1] === 0x53 && at + 2 < end && session?.open === true) {
      const code = bytes[at + 2]
      if (code === performatives.transfer.code || code === performatives.disposition.code) {
        this.#cursor.set(bytes, at + 3, end)
        if (code === performatives.transfer.code) session.transfer(this.#cursor)
        else session.disposition(this.#cursor)
        return
      }
    }
    this.#rare(channel, session, new Decoder(bytes, at, end, this.limits))
  }

  #rare(channel: number, session: Session | undefined, decoder: Decoder): void {
    const code = decoder.descriptor(codesByName)
    if (this.#stage === 'open') {
      if (code !== performatives.open.code) throw fault('NOT-ALLOWED', { why: 'the first frame is not open' })
      if (channel !== 0) throw fault('NOT-ALLOWED', { why: 'open came on another channel than 0' })
      this.#open(readFields(decoder, performatives.open))
      return
    }
    if (code === performatives.close.code) {
      this.#close(NULL)
      return
    }
    if (code === performatives.begin.code) {
      this.#begin(channel, session, readFields(decoder, performatives.begin))
      return
    }
    if (session === undefined) throw fault('NOT-ALLOWED', { why: `channel ${channel} has no session` })
    if (code === performatives.end.code) {
      readFields(decoder, performatives.end)
      session.end(null)
      this.#sessions[channel] = undefined
    } else if (session.open) session.performative(code, decoder, this.#cursor)
  }

  #begin(channel: number, session: Session | undefined, begin: FieldsOf<typeof performatives.begin>): void {
    const most = this.limits.sessions - 1
    if (channel > most) throw fault('CHANNEL-MAX', { channel, limit: most })
    if (session !== undefined) throw fault('NOT-ALLOWED', { why: `channel ${channel} has a session already` })
    if (begin.remoteChannel !== null) throw fault('NOT-ALLOWED', { why: 'an answer to a begin that was never sent' })
    this.#sessions[channel] = new Session(this, channel, begin)
  }

  // ---- open

  #open(open: FieldsOf<typeof performatives.open>): void {
    const { frameBytes, idle } = readOpen(open, this.limits)
    const { containerId } = open
    if (this.options.sole?.enter(this, this.guest?.user ?? '', open, askedIdleMs(this.limits)) === false)
      return this.#failed(fault('CLIENT-ID', { id: JSON.stringify(containerId) }), refusedInfo)
    const refusal = this.broker.admitConnection()
    if (refusal !== null) {
      throw fault(refusal.refused === 'not-serving' ? 'NOT-SERVING' : 'CONNECTIONS', { why: refusal.text })
    }
    this.#admitted = true
    this.sendFrameBytes = frameBytes
    this.containerId = containerId
    this.#sendOpen(false)
    this.#stage = 'running'
    const { idleMs } = this.limits
    this.#patience.listen(idleMs, () => this.#failed(fault('IDLE', { limit: idleMs })))
    if (idle > 0) this.#patience.speak(idle / 2, () => this.poke())
  }

  #sendOpen(fails: boolean): void {
    this.#opened = true
    this.out.frame(0, 0, encodeOpen(this.options, fails))
  }

  // ---- the end of a turn

  #schedule(): void {
    if (this.#turnDue || this.#gone) return
    this.#turnDue = true
    this.#clock.soon(() => this.#turn())
  }

  atTurn(session: Turn): void {
    if (session.listed) return
    session.listed = true
    this.#turns.push(session)
    this.#schedule()
  }

  #turn(): void {
    this.#turnDue = false
    try {
      const turns = this.#turns
      if (turns.length > 0) {
        this.#turns = []
        for (const session of turns) {
          session.listed = false
          session.turn()
        }
      }
      this.#flush()
    } catch (error) {
      this.#failed(error)
    }
  }

  #flush(): void {
    const { out } = this
    out.flush()
    this.#patience.spoke(out.written)
    if (out.unblocked) this.#resume()
    if (out.holding && this.#holding === null && !this.#gone) {
      this.#holding = this.#clock.after(HELD_MS, () => {
        this.#holding = null
        this.#flush()
      })
    }
    // The message during which the socket became full goes out whole, so that it does not count.
    const { outputBytes, messageBytes } = this.limits
    if (out.blocked && out.overdue > outputBytes + messageBytes && !this.#gone) {
      this.say('warn', fault('OUTPUT', { size: out.overdue }).error.line())
      this.#stop()
      out.destroy()
    }
  }

  #resume(): void {
    if (this.out.blocked || this.deaf) return
    this.out.unblocked = false
    for (const session of this.#sessions) if (session?.starved === true) this.atTurn(session)
  }

  say(level: LogLevel, line: string): void {
    this.options.log(level, `${line} Client ${this.options.visitor.remote}.`)
  }

  // ---- the end

  #failed(error: unknown, info: Value = NULL): void {
    if (error instanceof BrokenPromise) throw error
    let why: AmqpFault
    if (error instanceof AmqpFault) {
      why = error
      this.say('warn', why.error.line())
    } else {
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
      why = fault('INTERNAL', { why: text.replace(/\s*\n\s*/g, ' ') })
      this.say('error', why.error.line())
    }
    this.#close(errorValue(why.condition, why.error.code === 'AMQP-INTERNAL' ? 'internal error' : why.message, info))
  }

  /** Says why, where the client can understand it by now, and ends; NULL: it wants that itself. */
  #close(error: Value): void {
    if (this.#stage === 'over') return
    if (this.#stage === 'open' || this.#stage === 'running') {
      if (!this.#opened) this.#sendOpen(true)
      this.#endSessions()
      this.out.frame(0, 0, encodePerformative(performatives.close, [error]))
    }
    this.#finish()
  }

  #endSessions(): void {
    for (const session of this.#sessions) session?.close()
    this.#sessions.length = 0
  }

  /** Nothing more is said or heard; the client has a while to close its side. */
  #finish(): void {
    this.#stop()
    this.out.end()
    if (!this.#gone) this.#patience.waitFor(this.limits.closeMs, () => this.out.destroy())
  }

  #stop(): void {
    this.#stage = 'over'
    this.options.sole?.leave(this)
    this.#endSessions()
    this.#turns = []
    this.#patience.stop()
    this.#holding?.cancel()
  }
}
