// The simulated network between the machines: ordered connections as TCP has them, over links that can be cut in one
// direction or both and that can become slow. What is sent into a cut is sent again when it heals, as long as both ends
// are there; a machine that vanishes says nothing, and one that comes back answers old connections with a reset.

import type { PingPort } from '../ha/gateway.ts'
import type { MessageSocket, Transport } from '../replication/transport.ts'
import type { Dice } from './dice.ts'
import type { Process, Timeline } from './timeline.ts'

/** A and B are the servers' machines, G is the gateway with the share. */
export type Place = 'A' | 'B' | 'G'

/** What a kernel takes for a connection whose other end does not answer. */
const KERNEL_BYTES = 256 * 1024
const DIAL_LIMIT_MS = 1000
/** TCP sends again after up to so long. */
const RESEND_MS = 600

interface Listening {
  readonly process: Process
  readonly incoming: (socket: MessageSocket) => void
}

export class Network {
  readonly timeline: Timeline
  readonly #dice: Dice
  readonly #cuts = new Map<string, number>()
  /** How many there are now. */
  #cut = 0
  readonly #slow = new Map<string, number>()
  readonly #held: { link: string; fn: () => void }[] = []
  readonly listening = new Map<Place, Listening>()
  readonly sockets = new Set<Socket>()
  /** With something that waits for the end of a cut. */
  readonly holding = new Set<Socket>()
  /** False while the gateway machine is down. */
  gatewayUp = true
  /** Told of the number of each frame that is sent. */
  onFrame: (number: number) => void = () => {}

  constructor(timeline: Timeline, dice: Dice) {
    this.timeline = timeline
    this.#dice = dice
  }

  isCut(from: Place, to: Place): boolean {
    return this.#cut > 0 && (this.#cuts.get(from + to) ?? 0) > 0
  }

  cut(from: Place, to: Place): void {
    this.#cuts.set(from + to, (this.#cuts.get(from + to) ?? 0) + 1)
    this.#cut += 1
  }

  heal(from: Place, to: Place): void {
    const link = from + to
    const before = this.#cuts.get(link) ?? 0
    if (before > 0) this.#cut -= 1
    this.#cuts.set(link, Math.max(0, before - 1))
    this.#release(link)
  }

  slow(from: Place, to: Place, ms: number): void {
    if (ms > 0) this.#slow.set(from + to, ms)
    else this.#slow.delete(from + to)
  }

  healAll(): void {
    this.#slow.clear()
    this.#cut = 0
    for (const link of this.#cuts.keys()) {
      this.#cuts.set(link, 0)
      this.#release(link)
    }
  }

  latencyMs(from: Place, to: Place): number {
    const usual = 0.1 + this.#dice.next() * 0.7
    const more = this.#dice.next() < 0.01 ? this.#dice.next() * 30 : 0
    const slow = this.#slow.size > 0 ? (this.#slow.get(from + to) ?? 0) : 0
    return usual + more + (slow > 0 ? slow * (0.5 + this.#dice.next()) : 0)
  }

  /** Calls `fn` when something small that is sent now has arrived; after the cut where the link is cut. */
  carry(from: Place, to: Place, fn: () => void): void {
    if (this.isCut(from, to)) this.#held.push({ link: from + to, fn })
    else this.timeline.after(this.latencyMs(from, to), fn)
  }

  #release(link: string): void {
    if ((this.#cuts.get(link) ?? 0) > 0) return
    const free = this.#held.filter(held => held.link === link)
    this.#held.splice(0, Infinity, ...this.#held.filter(held => held.link !== link))
    const resend = this.#dice.next() * RESEND_MS
    // In order, as they were sent.
    free.forEach(({ fn }, n) => this.timeline.after(resend + n * 0.01, fn))
    for (const socket of this.holding) if (socket.link === link) this.timeline.after(resend, () => socket.resend())
  }

  /** The process is gone; its kernel ends its connections, unless the machine went with it. */
  processGone(process: Process, machineToo: boolean): void {
    for (const [place, { process: owner }] of this.listening) if (owner === process) this.listening.delete(place)
    for (const socket of this.sockets) {
      if (socket.process !== process) continue
      if (machineToo) socket.vanish()
      else socket.close()
    }
  }

  transport(process: Process, here: Place, there: Place): Transport {
    return {
      listen: incoming => void this.listening.set(here, { process, incoming }),
      dial: done => this.#dial(process, here, there, done),
      close: () => {
        if (this.listening.get(here)?.process === process) this.listening.delete(here)
        for (const socket of this.sockets) if (socket.process === process) socket.close()
      },
    }
  }

  #dial(process: Process, here: Place, there: Place, done: Parameters<Transport['dial']>[0]): void {
    const answer = (error: Error | null, socket: Socket | null): void => process.arrive(0, () => done(error, socket))
    const { timeline } = this
    if (this.isCut(here, there) || this.isCut(there, here)) {
      timeline.after(DIAL_LIMIT_MS, () => answer(new Error('connection timed out'), null))
      return
    }
    timeline.after(this.latencyMs(here, there), () => {
      const listening = this.listening.get(there)
      if (listening === undefined || !listening.process.alive || !process.alive) {
        timeline.after(this.latencyMs(there, here), () => answer(new Error('connection refused'), null))
        return
      }
      const near = new Socket(this, process, here, there)
      const far = new Socket(this, listening.process, there, here)
      near.other = far
      far.other = near
      this.sockets.add(near).add(far)
      listening.process.arrive(0, () => listening.incoming(far))
      timeline.after(this.latencyMs(there, here), () => answer(null, near))
    })
  }

  /** The gateway's answer to a ping: a connection that is opened and closed again. */
  ping(process: Process, here: Place): PingPort {
    return {
      ping: (limitMs, done) => {
        let over = false
        const end = (reached: boolean): void => {
          if (over) return
          over = true
          done(reached)
        }
        const timer = process.after(limitMs, () => process.soon(() => end(false)))
        this.carry(here, 'G', () => {
          if (!this.gatewayUp) return
          this.carry('G', here, () =>
            process.arrive(0, () => {
              timer.cancel()
              end(true)
            }),
          )
        })
      },
    }
  }
}

export class Socket implements MessageSocket {
  onMessage: (message: Uint8Array) => void = () => {}
  onClosed: (why: string) => void = () => {}
  received = 0
  readonly remote: string
  readonly process: Process
  other!: Socket
  closed = false
  #ended = false
  readonly #network: Network
  readonly #from: Place
  readonly #to: Place
  readonly link: string
  #held: { readonly bytes: number; readonly deliver: () => void }[] = []
  #heldBytes = 0
  #lastArrival = 0

  constructor(network: Network, process: Process, from: Place, to: Place) {
    this.#network = network
    this.process = process
    this.#from = from
    this.#to = to
    this.link = from + to
    this.remote = `${to}:1`
  }

  get buffered(): number {
    return Math.max(0, this.#heldBytes - KERNEL_BYTES)
  }

  send(pieces: readonly Uint8Array[]): void {
    if (this.closed || !this.process.alive) return
    // A single piece is not copied: a frame is made anew for each sending.
    const message = pieces.length === 1 ? (pieces[0] as Uint8Array) : Buffer.concat(pieces)
    this.#network.onFrame(message[0] as number)
    this.#carry(message.length, () => this.other.arrived(message))
  }

  trust(): void {}

  close(): void {
    if (this.closed) return
    this.#carry(0, () => this.other.end('closed by the other end'))
    this.#over('closed')
  }

  /** The machine is gone: nobody is told. */
  vanish(): void {
    this.closed = true
    this.#held = []
    this.#network.holding.delete(this)
    this.#network.sockets.delete(this)
  }

  /** The other end is gone. What came before lies in the socket and is read first, by a process that was frozen too. */
  end(why: string): void {
    if (this.closed || this.#ended) return
    this.#ended = true
    this.process.arrive(0, () => {
      if (!this.closed) this.#over(why)
    })
  }

  #over(why: string): void {
    this.closed = true
    this.#network.sockets.delete(this)
    this.process.arrive(0, () => this.onClosed(why))
  }

  arrived(message: Uint8Array): void {
    if (this.closed || this.#ended) {
      this.#network.carry(this.#from, this.#to, () => this.other.end('reset by the other end'))
      return
    }
    this.process.arrive(0, () => {
      if (this.closed) return
      this.received += message.length
      this.onMessage(message)
    })
  }

  /** The cut is over: what was sent meanwhile is sent again, in order. */
  resend(): void {
    if (this.#network.isCut(this.#from, this.#to)) return
    this.#network.holding.delete(this)
    const held = this.#held
    this.#held = []
    this.#heldBytes = 0
    this.#lastArrival = this.#network.timeline.now
    for (const { deliver } of held) deliver()
  }

  /** In order, whatever the delays. */
  #carry(bytes: number, deliver: () => void): void {
    const { timeline } = this.#network
    if (this.#held.length > 0 || this.#network.isCut(this.#from, this.#to)) {
      this.#held.push({ bytes, deliver })
      this.#heldBytes += bytes
      this.#network.holding.add(this)
      return
    }
    const at = Math.max(this.#lastArrival + 0.001, timeline.now + this.#network.latencyMs(this.#from, this.#to))
    this.#lastArrival = at
    timeline.after(at - timeline.now, deliver)
  }
}
