// A minimal STOMP client for brokers without AMQP 1.0 (ActiveMQ as Debian packs it): persistent messages, a receipt for
// each, and a consumer that acknowledges everything it was given so far. Counterpart of amqp-client.ts, as cheap.

import { connect, type Socket } from 'node:net'
import type { Figures, LoadOrder, Sender } from './figures.ts'

const PREFETCH = 1000
const IDS = 1 << 16

type StompOrder = Pick<LoadOrder, 'port' | 'address' | 'bodyBytes'>

export class StompClient implements Sender {
  readonly #order: StompOrder
  readonly #figures: Figures
  readonly #receives: boolean
  readonly #window: number
  readonly #socket: Socket
  readonly #failed: (error: Error) => void
  readonly #body: Buffer
  readonly #sentAt = new Float64Array(IDS)
  #ready: () => void = () => {}
  #rest: Buffer = Buffer.alloc(0)
  #connected = false
  #nextId = 0
  #outstanding = 0
  #lastMessage = ''

  constructor(order: StompOrder, figures: Figures, receives: boolean, window: number, failed: (error: Error) => void) {
    this.#order = order
    this.#figures = figures
    this.#receives = receives
    this.#window = window
    this.#failed = failed
    this.#body = Buffer.concat([Buffer.alloc(order.bodyBytes, 'lockstep '), Buffer.from([0])])
    this.#socket = connect({ host: '127.0.0.1', port: order.port, noDelay: true })
    this.#socket.on('data', bytes => this.#data(bytes))
    this.#socket.on('error', failed)
    this.#socket.on('close', () => failed(new Error('the broker closed the connection')))
    this.#socket.write('CONNECT\naccept-version:1.1\nhost:localhost\n\n\0')
  }

  attached(): Promise<void> {
    return new Promise(resolve => {
      this.#ready = resolve
    })
  }

  close(): void {
    this.#socket.removeAllListeners('close')
    this.#socket.destroy()
  }

  get outstanding(): number {
    return this.#outstanding
  }

  room(): number {
    return this.#connected ? this.#window - this.#outstanding : 0
  }

  send(count: number): void {
    const now = performance.now()
    const pieces: Buffer[] = []
    for (let i = 0; i < count; i++) {
      const id = this.#nextId++
      this.#sentAt[id % IDS] = now
      const { address, bodyBytes } = this.#order
      const head = `SEND\ndestination:${address}\npersistent:true\nreceipt:${id}\ncontent-length:${bodyBytes}\n\n`
      pieces.push(Buffer.from(head, 'latin1'), this.#body)
    }
    this.#socket.write(Buffer.concat(pieces))
    this.#outstanding += count
  }

  #data(bytes: Buffer): void {
    const all = this.#rest.length > 0 ? Buffer.concat([this.#rest, bytes]) : bytes
    let at = 0
    for (let end = this.#frame(all, at); end > 0; end = this.#frame(all, at)) at = end
    this.#rest = all.subarray(at)
    if (this.#lastMessage !== '') {
      this.#socket.write(`ACK\nsubscription:0\nmessage-id:${this.#lastMessage}\n\n\0`)
      this.#lastMessage = ''
    }
    if (!this.#receives) this.#figures.onRoom()
  }

  /** Takes the frame at `from`; gives the place behind it, or 0 where it is not whole yet. */
  #frame(bytes: Buffer, from: number): number {
    let at = from
    while (bytes[at] === 10) at++
    const headEnd = bytes.indexOf('\n\n', at, 'latin1')
    if (headEnd < 0) return 0
    const head = bytes.toString('latin1', at, headEnd)
    const length = /\ncontent-length:(\d+)/.exec(head)
    const end = length ? headEnd + 2 + Number(length[1]) : bytes.indexOf(0, headEnd + 2)
    if (end < 0 || end >= bytes.length) return 0
    this.#take(head)
    return end + 1
  }

  #take(head: string): void {
    const command = head.slice(0, head.indexOf('\n'))
    if (command === 'RECEIPT') {
      const id = Number(/\nreceipt-id:(\d+)/.exec(head)?.[1])
      this.#outstanding--
      this.#figures.answered(performance.now() - this.#sentAt[id % IDS]!)
    } else if (command === 'MESSAGE') {
      this.#figures.received++
      this.#lastMessage = /\nmessage-id:(.*)/.exec(head)?.[1] ?? ''
    } else if (command === 'CONNECTED') {
      this.#connected = true
      const { address } = this.#order
      if (this.#receives)
        this.#socket.write(
          `SUBSCRIBE\nid:0\ndestination:${address}\nack:client\nactivemq.prefetchSize:${PREFETCH}\n\n\0`,
        )
      this.#ready()
    } else this.#failed(new Error(`the broker says ${head}`))
  }
}
