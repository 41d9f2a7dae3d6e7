// For applications that use rhea: a connection that follows the pair, and a sender that resends what was not acknowledged
// when the connection broke, under the same duplicate identifier, so that the broker takes each message once. rhea itself is
// the application's own and is handed in.

import { randomUUID } from 'node:crypto'
import net from 'node:net'
import tls from 'node:tls'
import type { Connection, ConnectionOptions, Container, EventContext, Message, Sender } from 'rhea'

export interface PairServer {
  readonly host: string
  readonly port: number
}

export interface PairOptions {
  /** Both servers of the pair, in any order: one of them serves. */
  readonly servers: readonly PairServer[]
  readonly user?: string
  readonly password?: string
  /** For `amqps`: options of node:tls. */
  readonly tls?: tls.ConnectionOptions
  /**
   * A server that answers nothing at all for about three times this long is left; so is one that takes no connection for
   * this long. Default 1,000 ms, which suits a lease of 3 s and more.
   */
  readonly silenceMs?: number
  /** Anything else that rhea takes. */
  readonly rhea?: Partial<ConnectionOptions>
}

/** The application property by which the broker knows a message that comes again (docs/messaging.md). */
const DUPLICATE_ID = '_AMQ_DUPL_ID'
/** Between two attempts: at once at first, for the other server may serve already. */
const FIRST_RETRY_MS = 10
const LONGEST_RETRY_MS = 200
const DEFAULT_SILENCE_MS = 1000
/** With these a server ends a connection that it may take, or another server takes, a moment later. */
const TRY_AGAIN: readonly string[] = ['amqp:connection:forced', 'amqp:resource-limit-exceeded']
const TOO_LARGE = 'amqp:link:message-size-exceeded'

/** Opens a connection that goes on to the other server whenever the one that it has goes away. */
export function connectPair(container: Container, options: PairOptions): Connection {
  const { servers, user, password, tls: secure, silenceMs = DEFAULT_SILENCE_MS } = options
  if (servers.length === 0) throw new TypeError('servers is empty: it names both servers of the pair')
  let attempts = 0
  // rhea's own dialling waits as long as the system does, which is minutes for a machine that is gone.
  const dial = (port: number, host: string, _: unknown, done: () => void): net.Socket => {
    const socket = secure
      ? tls.connect({ ...(net.isIP(host) === 0 ? { servername: host } : {}), ...secure, port, host }, done)
      : net.connect(port, host, done)
    const giveUp = setTimeout(() => socket.destroy(new Error(`no connection within ${silenceMs} ms`)), silenceMs)
    const settled = (): void => clearTimeout(giveUp)
    socket.once(secure ? 'secureConnect' : 'connect', settled).once('close', settled)
    return socket
  }
  const given = {
    reconnect: true,
    initial_reconnect_delay: FIRST_RETRY_MS,
    max_reconnect_delay: LONGEST_RETRY_MS,
    non_fatal_errors: TRY_AGAIN,
    // rhea closes after twice its idle time-out, and gives the other side a second for the goodbye.
    idle_time_out: silenceMs,
    // Else what is sent after an acknowledgement that nobody answers waits 40 ms for TCP's own.
    tcp_no_delay: true,
    ...(user === undefined ? {} : { username: user }),
    ...(password === undefined ? {} : { password }),
    ...options.rhea,
    connection_details: () => {
      const { host, port } = servers[attempts++ % servers.length] as PairServer
      return { host, port, connect: dial, ...(secure ? { transport: 'tls' as const } : {}) }
    },
  }
  const connection = container.connect(given as unknown as ConnectionOptions)
  // Without a listener rhea throws; that a server goes away is what this connection is for.
  for (const event of ['connection_error', 'error', 'disconnected']) connection.on(event, () => {})
  endsWhenClosed(connection)
  return connection
}

/** What a connection of rhea has beyond its types. */
interface Dialling {
  /** The next attempt to connect. */
  scheduled_reconnect?: NodeJS.Timeout | undefined
  /** It closes itself, and opens again. */
  readonly closed_with_non_fatal_error: boolean
  set_reconnect(reconnect: boolean): void
}

/** rhea goes on connecting for ever where it is closed while it has no connection. */
function endsWhenClosed(connection: Connection): void {
  const dialling = connection as unknown as Dialling
  const close = connection.close.bind(connection)
  connection.close = error => {
    if (!dialling.closed_with_non_fatal_error) dialling.set_reconnect(false)
    close(error)
    if (dialling.scheduled_reconnect === undefined || dialling.closed_with_non_fatal_error) return
    clearTimeout(dialling.scheduled_reconnect)
    dialling.scheduled_reconnect = undefined
    connection.emit('disconnected', { connection, reconnecting: false })
  }
}

/** The broker refused a message; sending it again would not help. */
export class MessageRefused extends Error {
  /** An AMQP error condition, such as `amqp:not-allowed`. */
  readonly condition: string

  constructor(condition: string, description: string) {
    super(description === '' ? condition : `${condition}: ${description}`)
    this.name = 'MessageRefused'
    this.condition = condition
  }
}

interface Unanswered {
  readonly message: Message
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

/** What rhea says where a connection is closed, beyond its types. */
interface Closed {
  readonly error?: { readonly condition?: string; readonly description?: string }
  readonly connection: {
    /** It closed the connection itself, because the server was silent, and opens it again. */
    readonly closed_with_non_fatal_error?: boolean
    get_option(name: 'non_fatal_errors', otherwise: readonly string[]): readonly string[]
  }
}

/** What rhea says where a connection is gone, beyond its types. */
interface GivenUp {
  readonly reconnecting?: boolean
  readonly connection: { readonly transport_error?: { readonly condition?: string; readonly message?: string } }
}

export interface SenderOptions {
  /**
   * Part of every duplicate identifier. An application that keeps what it has sent, and sends it again after it was
   * started anew, gives the same name and counts from the same number. Default: a random one.
   */
  readonly name?: string
  /** Number of the first message. Default 1. */
  readonly first?: number
}

/** Sends to one address, in order. Everything that is not answered is kept in memory: wait for `send` to bound it. */
export class PairSender {
  readonly #connection: Connection
  #sender: Sender
  readonly #address: string
  readonly #name: string
  /** By number, in their order. */
  readonly #unanswered = new Map<number, Unanswered>()
  /** Those of them that are to be sent (again), in their order. */
  #unsent = new Set<number>()
  /** Given back by the server, in no order; all of them were sent before anything in `#unsent`. */
  #returned: number[] = []
  /** By rhea's number of the delivery on this connection. */
  readonly #numbers = new Map<number, number>()
  /** Why nothing more can be sent; null: it can. */
  #over: Error | null = null
  readonly #onDisconnected = (context: EventContext): void => this.#broken(context)
  readonly #onClose = (context: EventContext): void => this.#ended(context)
  #next: number
  #idle: (() => void)[] = []

  constructor(connection: Connection, address: string, options: SenderOptions = {}) {
    this.#connection = connection
    this.#name = options.name ?? randomUUID()
    this.#next = options.first ?? 1
    this.#address = address
    this.#sender = this.#open()
    connection.on('disconnected', this.#onDisconnected)
    connection.on('connection_close', this.#onClose)
  }

  #open(): Sender {
    const sender = this.#connection.open_sender({ target: { address: this.#address }, autosettle: true })
    sender.on('sendable', () => this.#pump())
    sender.on('accepted', context => this.#answered(context, entry => entry.resolve()))
    sender.on('rejected', context => {
      const { condition = 'rejected', description = '' } = errorOf(context)
      this.#answered(context, entry => entry.reject(new MessageRefused(condition, description)))
    })
    // The server takes nothing just now, or leaves: the same message goes out again.
    for (const event of ['released', 'modified']) sender.on(event, context => this.#again(context))
    sender.on('sender_error', context => this.#closed(context))
    return sender
  }

  /** Messages that are not answered yet. */
  get unanswered(): number {
    return this.#unanswered.size
  }

  /**
   * Resolves when the message is flushed on both servers' disks (or on the one that is left), however often the
   * connection breaks until then. Rejects with MessageRefused, also later ones where the server lets nobody send here or
   * the connection was closed for good, and with an Error once the sender was closed.
   */
  send(message: Message): Promise<void> {
    if (this.#over !== null) return Promise.reject(this.#over)
    const number = this.#next++
    const named = {
      durable: true,
      ...message,
      application_properties: { ...message.application_properties, [DUPLICATE_ID]: `${this.#name}-${number}` },
    }
    return new Promise((resolve, reject) => {
      this.#unanswered.set(number, { message: named, resolve, reject })
      this.#unsent.add(number)
      this.#pump()
    })
  }

  /** Resolves when everything that was sent is answered. */
  drained(): Promise<void> {
    if (this.#unanswered.size === 0) return Promise.resolve()
    return new Promise(resolve => this.#idle.push(resolve))
  }

  /** Waits for all answers, then closes the link. Nothing more can be sent. */
  async close(): Promise<void> {
    const wasRefused = this.#over !== null
    this.#over ??= new Error('the sender is closed')
    await this.drained()
    this.#connection.removeListener('disconnected', this.#onDisconnected)
    this.#connection.removeListener('connection_close', this.#onClose)
    if (!wasRefused) this.#sender.close()
  }

  #pump(): void {
    if (this.#returned.length > 0) {
      this.#unsent = new Set([...this.#returned.toSorted((a, b) => a - b), ...this.#unsent])
      this.#returned = []
    }
    for (const number of this.#unsent) {
      if (!this.#sender.is_open() || !this.#sender.sendable()) return
      this.#unsent.delete(number)
      const { message } = this.#unanswered.get(number) as Unanswered
      this.#numbers.set(this.#sender.send(message).id, number)
    }
  }

  #answered({ delivery }: EventContext, settle: (entry: Unanswered) => void): void {
    const number = this.#taken(delivery?.id)
    const entry = number === undefined ? undefined : this.#unanswered.get(number)
    if (number === undefined || entry === undefined) return
    this.#unanswered.delete(number)
    settle(entry)
    this.#look()
  }

  #again({ delivery }: EventContext): void {
    const number = this.#taken(delivery?.id)
    if (number === undefined) return
    this.#returned.push(number)
    setTimeout(() => this.#pump(), FIRST_RETRY_MS)
  }

  #taken(delivery: number | undefined): number | undefined {
    if (delivery === undefined) return undefined
    const number = this.#numbers.get(delivery)
    this.#numbers.delete(delivery)
    return number
  }

  #broken(context: EventContext): void {
    // rhea gives up for good where it is not let in.
    const { reconnecting, connection } = context as GivenUp
    if (reconnecting !== true) {
      const { condition = 'amqp:connection:forced', message = 'it has ended for good' } =
        connection.transport_error ?? {}
      this.#over ??= new MessageRefused(condition, message)
      return this.#refuseAll(this.#over)
    }
    this.#numbers.clear()
    this.#returned = []
    this.#unsent = new Set(this.#unanswered.keys())
  }

  /** Closed by one of both sides: where rhea does not open it again, nothing will be answered any more. */
  #ended(context: EventContext): void {
    const { error, connection } = context as unknown as Closed
    const { condition = 'amqp:connection:forced', description = 'the connection is closed' } = error ?? {}
    const comesBack =
      error === undefined
        ? connection.closed_with_non_fatal_error === true
        : connection.get_option('non_fatal_errors', []).includes(condition)
    if (comesBack) return
    this.#over ??= new MessageRefused(condition, description)
    this.#refuseAll(this.#over)
  }

  /** The server does not let us send here at all. */
  #closed(context: EventContext): void {
    const { condition = 'amqp:link:detach-forced', description = '' } = errorOf(context)
    const why = new MessageRefused(condition, description)
    // One message was too large, and the server cannot say which: with it go those behind it, but not what comes later.
    if (condition === TOO_LARGE) this.#sender = this.#open()
    else this.#over ??= why
    this.#refuseAll(why)
  }

  #refuseAll(why: Error): void {
    const refused = [...this.#unanswered.values()]
    this.#unanswered.clear()
    this.#unsent.clear()
    this.#returned = []
    this.#numbers.clear()
    for (const { reject } of refused) reject(why)
    this.#look()
  }

  #look(): void {
    if (this.#unanswered.size > 0) return
    for (const done of this.#idle.splice(0)) done()
  }
}

function errorOf({ delivery, sender }: EventContext): { condition?: string; description?: string } {
  const state = delivery?.remote_state as { error?: { condition?: string; description?: string } } | undefined
  return state?.error ?? (sender?.error as { condition?: string; description?: string } | undefined) ?? {}
}
