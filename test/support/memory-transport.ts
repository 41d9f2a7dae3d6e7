// A network in memory with the faults of a real one: connections that are cut in one direction or both, ends that
// vanish without a word (half-open), a side that takes nothing any more. Latency and time are virtual.

import type { MessageSocket, Transport } from '../../src/replication/transport.ts'
import type { VirtualHost } from './virtual-clock.ts'

export class MemorySocket implements MessageSocket {
  onMessage: (message: Uint8Array) => void = () => {}
  onClosed: (why: string) => void = () => {}
  buffered = 0
  received = 0
  trusted = false
  closed = false
  other!: MemorySocket
  readonly remote: string
  readonly host: VirtualHost
  readonly #network: MemoryNetwork
  readonly from: string
  readonly to: string
  /** All that was sent, whether it arrived or not. */
  readonly sent: Uint8Array[] = []

  constructor(network: MemoryNetwork, host: VirtualHost, from: string, to: string) {
    this.#network = network
    this.host = host
    this.from = from
    this.to = to
    this.remote = `${to}:1`
  }

  send(pieces: readonly Uint8Array[]): void {
    if (this.closed) return
    const message = Buffer.concat(pieces)
    this.sent.push(message)
    const { other } = this
    if (this.#network.jammed.has(`${this.from}>${this.to}`)) this.buffered += message.length
    else
      this.#network.carry(this.from, this.to, other.host, () => {
        if (other.closed) return
        other.received += message.length
        other.onMessage(message)
      })
  }

  trust(): void {
    this.trusted = true
  }

  close(): void {
    if (this.closed) return
    this.#end('closed')
    this.#network.carry(this.from, this.to, this.other.host, () => this.other.#end('closed by the other end'))
  }

  /** The other side's kernel is asked about a connection that it doesn't know (any more). */
  reset(): void {
    this.#end('reset')
  }

  #end(why: string): void {
    if (this.closed) return
    this.closed = true
    this.host.arrive(0, () => this.onClosed(why))
  }
}

export class MemoryNetwork {
  latencyMs = 1
  /** `a>b`: nothing that a sends arrives at b; as over TCP it is sent again, in order, once the cut is healed. */
  readonly cut = new Set<string>()
  #held: { from: string; to: string; host: VirtualHost; fn: () => void }[] = []
  /** `a>b`: what a sends stays in its buffers. */
  readonly jammed = new Set<string>()
  /** `a>b`: a cannot open connections to b. */
  readonly walls = new Set<string>()
  readonly hosts = new Map<string, VirtualHost>()
  readonly listeners = new Map<string, (socket: MessageSocket) => void>()
  readonly sockets: MemorySocket[] = []
  dials = 0

  carry(from: string, to: string, host: VirtualHost, fn: () => void): void {
    if (this.cut.has(`${from}>${to}`)) this.#held.push({ from, to, host, fn })
    else host.arrive(this.latencyMs, fn)
  }

  heal(): void {
    this.cut.clear()
    const held = this.#held
    this.#held = []
    for (const { from, to, host, fn } of held) this.carry(from, to, host, fn)
  }

  /** Two ends of a new connection; `done` gets the dialling one. */
  connect(from: string, to: string, done: (socket: MemorySocket | null) => void): void {
    this.dials++
    const host = this.hosts.get(from) as VirtualHost
    const there = this.hosts.get(to)
    const listener = this.listeners.get(to)
    const isCut = this.cut.has(`${from}>${to}`) || this.cut.has(`${to}>${from}`) || this.walls.has(`${from}>${to}`)
    if (isCut || there === undefined || listener === undefined) return host.arrive(isCut ? 1000 : 1, () => done(null))
    const near = new MemorySocket(this, host, from, to)
    const far = new MemorySocket(this, there, to, from)
    near.other = far
    far.other = near
    this.sockets.push(near, far)
    there.arrive(this.latencyMs, () => this.listeners.get(to)?.(far))
    host.arrive(2 * this.latencyMs, () => done(near))
  }

  /** Connections between two hosts of which not both ends are closed. */
  alive(): MemorySocket[] {
    return this.sockets.filter(socket => !socket.closed)
  }

  transport(name: string, peer: string): Transport {
    return {
      listen: incoming => void this.listeners.set(name, incoming),
      dial: done =>
        this.connect(name, peer, socket => (socket ? done(null, socket) : done(new Error('connection refused'), null))),
      close: () => {
        this.listeners.delete(name)
        for (const socket of this.sockets) if (socket.from === name) socket.close()
      },
    }
  }
}
