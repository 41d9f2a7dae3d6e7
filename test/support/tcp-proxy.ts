// A cable that can be pulled: forwards TCP to a port on loopback. `cut` swallows everything on open connections without
// closing them (as a pulled cable does) and accepts nothing new; `heal` drops the old connections and forwards again.
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'

export class TcpProxy {
  #server: Server
  #open = new Set<Socket>()
  #isCut = false
  readonly #target: number

  private constructor(server: Server, target: number) {
    this.#server = server
    this.#target = target
    server.on('connection', socket => this.#forward(socket))
  }

  static async to(target: number, port = 0): Promise<TcpProxy> {
    const server = createServer({ pauseOnConnect: false })
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(port, '127.0.0.1', resolve)
    })
    return new TcpProxy(server, target)
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  cut(): void {
    this.#isCut = true
  }

  heal(): void {
    this.#isCut = false
    for (const socket of this.#open) socket.destroy()
  }

  async close(): Promise<void> {
    for (const socket of this.#open) socket.destroy()
    await new Promise(resolve => this.#server.close(resolve))
  }

  #forward(inner: Socket): void {
    this.#track(inner)
    if (this.#isCut) return void inner.resume() // connects, says nothing: a half-open peer
    const outer = connect(this.#target, '127.0.0.1')
    this.#track(outer)
    for (const socket of [inner, outer]) socket.setNoDelay(true)
    const pipe = (from: Socket, to: Socket) => {
      from.on('data', bytes => {
        if (this.#isCut) return
        if (!to.write(bytes)) {
          from.pause()
          to.once('drain', () => from.resume())
        }
      })
      from.on('close', () => {
        if (!this.#isCut) to.destroy()
      })
    }
    pipe(inner, outer)
    pipe(outer, inner)
  }

  #track(socket: Socket): void {
    this.#open.add(socket)
    socket.on('error', () => socket.destroy())
    socket.on('close', () => this.#open.delete(socket))
  }
}
