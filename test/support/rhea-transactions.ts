// Local transactions for rhea, which knows none of its own: a coordinator (AMQP 1.0, Part 4), messages that are sent and
// deliveries that are accepted within a transaction. On a session of its own, whose transfers and answers it looks at.

import { once } from 'node:events'
import rhea, { type Connection, type Delivery, type Message, type Sender } from 'rhea'
import { encode } from '../../src/protocols/amqp/encode.ts'
import { binary, bool, described as value, list, type Value } from '../../src/protocols/amqp/types.ts'

const { types } = rhea
const [DECLARE, DISCHARGE, COORDINATOR, DECLARED, TRANSACTIONAL, ACCEPTED] = [0x31, 0x32, 0x30, 0x33, 0x34, 0x24]

type Typed = ReturnType<typeof types.wrap_string>

interface State {
  readonly descriptor?: { readonly value: unknown }
  readonly value: readonly { readonly value: unknown }[]
}

/** What of rhea's session is no part of its types. */
interface Inner {
  output(frame: { readonly value: unknown[]; readonly handle?: number }, payload?: Buffer): void
  open_sender(options: object): Sender & {
    readonly local: { readonly attach: { target: unknown; readonly handle: number } }
    on_attach(frame: { readonly performative: { target: unknown } }): void
  }
  begin(): void
  readonly outgoing: {
    on_disposition(fields: { first: number; last?: number; state?: State }): void
    readonly deliveries: { by_id(id: number): { settled: boolean; remote_settled: boolean } | undefined }
  }
}

const described = (code: number, fields: readonly unknown[]): Typed => types.wrap_described([...fields], code)

/** The bytes of a message to the coordinator: rhea writes no described value into a body. */
const said = (code: number, fields: Value[]): Buffer => encode(value(0x77, value(code, list(fields))))

export class Transactions {
  readonly #session: Inner
  readonly #control: Sender
  readonly #answers = new Map<number, (state: State) => void>()
  /** By handle of the link: what is sent on it belongs to this transaction. */
  readonly #within = new Map<number, Buffer>()

  private constructor(client: Connection) {
    const session = client.create_session() as unknown as Inner
    session.begin()
    const write = session.output.bind(session)
    session.output = (frame, payload) => {
      const transaction = payload && this.#within.get(frame.handle as number)
      // Field 6 is the receiver's mode, 7 the state, for which rhea has no form.
      if (transaction)
        frame.value.splice(6, 2, types.wrap(null), described(TRANSACTIONAL, [types.wrap_binary(transaction)]))
      write(frame, payload)
    }
    const hear = session.outgoing.on_disposition.bind(session.outgoing)
    session.outgoing.on_disposition = fields => {
      const code = Number(fields.state?.descriptor?.value)
      if (code !== DECLARED && code !== TRANSACTIONAL) return hear(fields)
      for (let id = fields.first; id <= (fields.last ?? fields.first); id++) {
        const delivery = session.outgoing.deliveries.by_id(id)
        if (delivery) delivery.settled = delivery.remote_settled = true
        this.#answers.get(id)?.(fields.state as State)
      }
    }
    const control = session.open_sender({})
    control.local.attach.target = described(COORDINATOR, [
      types.wrap_array(['amqp:local-transactions'], 0xa3, undefined),
    ])
    const attached = control.on_attach.bind(control)
    control.on_attach = frame => {
      frame.performative.target = undefined // rhea would complain that it does not know it
      attached(frame)
    }
    this.#session = session
    this.#control = control
  }

  static async of(client: Connection): Promise<Transactions> {
    const made = new Transactions(client)
    await once(made.#control, 'sendable')
    return made
  }

  #answer(id: number): Promise<State> {
    return new Promise(resolve => this.#answers.set(id, resolve))
  }

  #say(bytes: Buffer): Delivery {
    return this.#control.send(bytes as never, undefined as never, 0)
  }

  async declare(): Promise<Buffer> {
    const { id } = this.#say(said(DECLARE, []))
    const state = await this.#answer(id)
    return state.value[0]?.value as Buffer
  }

  /** Sends these within the transaction; each is answered as what is to be expected. */
  async send(transaction: Buffer, address: string, messages: readonly Message[]): Promise<void> {
    const link = this.#session.open_sender({ target: { address } })
    this.#within.set(link.local.attach.handle, transaction)
    await once(link, 'sendable')
    await Promise.all(messages.map(message => this.#answer(link.send(message).id)))
  }

  accept(transaction: Buffer, delivery: Delivery): void {
    const state = described(TRANSACTIONAL, [types.wrap_binary(transaction), described(ACCEPTED, [])])
    ;(delivery as unknown as { update(settled: boolean, state: unknown): void }).update(false, state)
  }

  /** Ends when the server has answered that all of it is safe; rejects where nothing of it happened. */
  async commit(transaction: Buffer): Promise<void> {
    const outcome = Promise.race([
      once(this.#control, 'accepted'),
      once(this.#control, 'rejected').then(() => Promise.reject(new Error('rolled back'))),
    ])
    this.#say(said(DISCHARGE, [binary(transaction), bool(false)]))
    await outcome
  }
}
