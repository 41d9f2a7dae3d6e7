// Local transactions for rhea, which knows none of its own (AMQP 1.0, Part 4): a link to the coordinator, and the state of
// transfers and dispositions that belong to one.
import { encode } from '../../src/protocols/amqp/encode.ts'
import { binary, bool, described as wrapped, list, type Value } from '../../src/protocols/amqp/types.ts'
import rhea, { type Connection, type Delivery, type Message, type Sender, type Typed } from 'rhea'

/** What rhea keeps for itself, and is needed here. */
interface Performative {
  readonly value: unknown[]
  readonly delivery_id?: number
}
interface Open {
  readonly local: { readonly attach: { target: unknown } }
  readonly session: { output: (frame: Performative, payload?: Buffer) => void }
  on_attach: (frame: { readonly performative: { target: unknown } }) => void
}
interface Outcomes {
  unwrap_outcome: (outcome: Typed) => unknown
}

const { types, message } = rhea
const VALUE_SECTION = 0x77
const COORDINATOR = 0x30
const DECLARE = 0x31
const DISCHARGE = 0x32
const ACCEPTED = 0x24
const DECLARED = 0x33
const TRANSACTIONAL = 0x34
/** Of a transfer's fields the one of its state. */
const STATE = 7

const described = (code: number, fields: readonly unknown[]): Typed =>
  types.wrap_described([...fields] as never, code) as unknown as Typed

const codeOf = (outcome: unknown): number =>
  Number((outcome as { descriptor?: { value?: number } } | undefined)?.descriptor?.value)

const outcomes = message as unknown as Outcomes
const usual = outcomes.unwrap_outcome
outcomes.unwrap_outcome = outcome =>
  codeOf(outcome) === DECLARED || codeOf(outcome) === TRANSACTIONAL ? outcome : usual(outcome)

/** One that is declared. It ends with its connection, and does nothing any more then. */
export class Transaction {
  readonly #id: Buffer
  readonly #of: Transactions
  readonly #connection: number

  constructor(id: Buffer, of: Transactions) {
    this.#id = id
    this.#of = of
    this.#connection = of.connections
  }

  get #ended(): boolean {
    return this.#connection !== this.#of.connections
  }

  send(sender: Sender, sent: Message): void {
    if (this.#ended) return
    this.#of.sendWithin(sender, sent, described(TRANSACTIONAL, [types.wrap_binary(this.#id)]))
  }

  accept(delivery: Delivery): void {
    if (this.#ended) return
    const state = described(TRANSACTIONAL, [types.wrap_binary(this.#id), described(ACCEPTED, [])])
    delivery.update(false, state as never)
  }

  /** `done`: all of it is safe, or taken back; `broken`: the connection went before the answer. */
  async discharge(fail = false): Promise<'done' | 'refused' | 'broken'> {
    if (this.#ended) return 'broken'
    const answer = await this.#of.ask(DISCHARGE, [binary(this.#id), bool(fail)])
    return answer === 'done' || answer === 'broken' ? answer : 'refused'
  }
}

export class Transactions {
  readonly #link: Sender
  /** By rhea's number of the delivery, until it goes out. */
  readonly #states = new Map<number, Typed>()
  /** Asked, without an answer. */
  readonly #asked = new Map<Delivery, (answer: unknown) => void>()
  #ready: ((go: boolean) => void)[] = []
  /** How many have ended. */
  connections = 0

  constructor(connection: Connection) {
    this.#link = connection.open_sender({ target: {}, name: 'transactions' })
    const inner = this.#link as unknown as Open
    inner.local.attach.target = described(COORDINATOR, [])
    const attached = inner.on_attach.bind(inner)
    inner.on_attach = frame => {
      frame.performative.target = null
      attached(frame)
    }
    const output = inner.session.output.bind(inner.session)
    inner.session.output = (frame, payload) => {
      const state = payload === undefined ? undefined : this.#states.get(frame.delivery_id as number)
      if (state !== undefined) {
        this.#states.delete(frame.delivery_id as number)
        for (let i = frame.value.length; i < STATE; i++) frame.value[i] = types.wrap(null)
        frame.value[STATE] = state
      }
      output(frame, payload)
    }
    this.#link.on('sendable', () => {
      for (const ready of this.#ready.splice(0)) ready(true)
    })
    this.#link.on('accepted', ({ delivery }) => this.#answered(delivery, 'done'))
    this.#link.on('rejected', ({ delivery }) => this.#answered(delivery, 'refused'))
    this.#link.on('settled', ({ delivery }) => this.#answered(delivery, delivery?.remote_state))
    connection.on('disconnected', () => {
      this.connections++
      this.#states.clear()
      for (const ready of this.#ready.splice(0)) ready(false)
      for (const [delivery] of this.#asked) this.#answered(delivery, 'broken')
    })
  }

  /** Null: the connection went before the answer. */
  async declare(): Promise<Transaction | null> {
    const answer = await this.ask(DECLARE, [])
    if (codeOf(answer) !== DECLARED) return null
    const [id] = (answer as { value: { value: Buffer }[] }).value
    return new Transaction(id?.value as Buffer, this)
  }

  /** @internal */
  async ask(code: number, fields: Value[]): Promise<unknown> {
    const open = this.#link.is_open() && this.#link.sendable()
    if (!open && !(await new Promise<boolean>(resolve => this.#ready.push(resolve)))) return 'broken'
    // As bytes: rhea would take the descriptor off.
    const bytes = encode(wrapped(VALUE_SECTION, wrapped(code, list(fields))))
    return new Promise(resolve => this.#asked.set(this.#link.send(bytes, undefined, 0), resolve))
  }

  /** @internal */
  sendWithin(sender: Sender, sent: Message, state: Typed): void {
    this.#states.set(sender.send(sent).id, state)
  }

  #answered(delivery: Delivery | undefined, answer: unknown): void {
    if (delivery === undefined) return
    const resolve = this.#asked.get(delivery)
    this.#asked.delete(delivery)
    resolve?.(answer)
  }
}
