// rhea with the kit's settings, and messages that do more than wait in a queue: sent twice on purpose, sent and moved on in
// transactions, rolled back, rejected, failed too often, expired, delayed, with priorities, in groups, and published to a
// durable subscription with a selector. Each that was acknowledged must come once wherever it has to (errand-account.ts),
// whatever happens to the servers.
import rhea, { type Connection, type Delivery, type EventContext, type Message, type Receiver, type Sender } from 'rhea'
import { connectPair, PairSender } from '../../src/kit/amqp.ts'
import { Dice } from '../../src/simulation/dice.ts'
import { ErrandAccount, type Place } from './errand-account.ts'
import { Transactions } from '../../test/support/rhea-transactions.ts'

const EVERY_MS = 100
const PER_TURN = 4
/** Begun and not at their end; more wait. */
const WINDOW = 1000
const CREDIT = 100
const MAX_DELIVERIES = 3
const GROUPS = 8
const TTL_MS = 300
/** In one transaction at most. */
const MOST = 4

const queues = {
  work: 'errands',
  done: 'errands.done',
  dead: 'errands.dead',
  old: 'errands.old',
  groups: 'errands.groups',
}
/** Nobody consumes here: everything expires. */
const IDLE_QUEUE = 'errands.idle'
const TOPIC = 'topic://soak/errands'

/** What an operator has to settle before it begins, by the names of `lockstep address`. */
export const errandSettings: readonly (readonly [kind: string, pattern: string, ...settings: string[]])[] = [
  ['queue', queues.work, `deadLetter=${queues.dead}`, `maxDeliveries=${MAX_DELIVERIES}`, 'redeliveryDelayMs=20'],
  ['queue', IDLE_QUEUE, `expiry=${queues.old}`],
]

type Lane = 'work' | 'idle' | 'groups' | 'topic'
type Fate = 'accept' | 'move' | 'reject' | 'fail'
interface Body {
  readonly id: number
  readonly fate: Fate
  readonly priority: number
}

const REASONS: Partial<Record<string, string>> = { reject: 'rejected', fail: 'deliveries' }

const nextTurn = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

export class Errands {
  readonly account = new ErrandAccount()
  readonly #dice: Dice
  readonly #connections: Connection[]
  readonly #transactions: Transactions
  /** Of the transactions that move. */
  readonly #moves: Transactions
  readonly #work: Sender
  readonly #done: Sender
  /** The second sends what the first has sent, under the same identifiers. */
  readonly #twice: readonly [PairSender, PairSender]
  readonly #senders: Record<Lane, PairSender>
  /** By delivery: what is over where a server confirms it. */
  readonly #settling = new Map<Delivery, readonly [Place, number]>()
  readonly #numbers = new Map<string, number>()
  #timer: NodeJS.Timeout | null = null
  #transacting = false

  constructor(ports: readonly number[], seed: string) {
    this.#dice = new Dice(`${seed}/errands`)
    const servers = ports.map(port => ({ host: '127.0.0.1', port }))
    const connect = (id: string): Connection => connectPair(rhea.create_container({ id }), { servers })
    const [out, back] = [connect('errands-out'), connect('errands-back')]
    this.#connections = [out, back]
    this.#transactions = new Transactions(out)
    this.#work = out.open_sender(queues.work)
    this.#moves = new Transactions(back)
    this.#done = back.open_sender(queues.done)
    const twice = (): PairSender => new PairSender(out, queues.work, { name: 'twice' })
    this.#twice = [twice(), twice()]
    this.#senders = {
      work: new PairSender(out, queues.work),
      idle: new PairSender(out, IDLE_QUEUE),
      groups: new PairSender(out, queues.groups),
      topic: new PairSender(out, TOPIC),
    }
    back.on('disconnected', () => {
      for (const over of this.#settling.values()) this.account.unanswered(...over)
      this.#settling.clear()
    })
  }

  /** The subscription is there before anything is published. */
  async started(): Promise<void> {
    const [, back] = this.#connections as [Connection, Connection]
    const receive = (place: Place, source: string | object, more: object = {}): Receiver => {
      const link = back.open_receiver({
        source,
        autoaccept: false,
        rcv_settle_mode: 1,
        credit_window: CREDIT,
        ...more,
      } as never)
      link.on('message', context => this.#came(place, context))
      link.on('settled', context => this.#settled(context))
      return link
    }
    for (const [place, queue] of Object.entries(queues)) receive(place as Place, queue)
    // Two consumers share the groups.
    receive('groups', queues.groups)
    const filter = rhea.filter.selector("color = 'red'")
    const source = { address: TOPIC, durable: 2, expiry_policy: 'never', filter }
    const subscription = receive('topic', source, { name: 'errands' })
    await new Promise<void>(resolve => subscription.once('receiver_open', () => resolve()))
    this.#timer = setInterval(() => this.#turn(), EVERY_MS)
  }

  /** Nothing more is begun; waits until all that was is at its end. */
  async ended(withinMs = 60_000): Promise<{ counts: ReadonlyMap<string, number>; wrong: string[] }> {
    if (this.#timer !== null) clearInterval(this.#timer)
    await this.account.idle(withinMs)
    for (const connection of this.#connections) connection.close()
    return { counts: this.account.counts, wrong: this.account.wrong() }
  }

  #turn(): void {
    for (let i = 0; i < PER_TURN && this.account.open < WINDOW; i++) this.#begin()
  }

  #begin(): void {
    const dice = this.#dice.next()
    if (dice < 0.12) return this.#transact()
    if (dice < 0.24) return this.#sendTwice()
    if (dice < 0.36) return this.#inGroup()
    if (dice < 0.48) return this.#publish()
    if (dice < 0.58) return this.#send('idle', this.#message('expired', ['old']), { ttl: TTL_MS })
    if (dice < 0.68) {
      const delay = this.#dice.whole(200, 5000)
      const late = this.#message('delayed', ['work'], 'accept', Date.now() + delay)
      return this.#send('work', late, { message_annotations: { 'x-opt-delivery-delay': delay } })
    }
    if (dice < 0.78) return this.#send('work', this.#message('moved by a transaction', ['work', 'done'], 'move'))
    if (dice < 0.86) return this.#send('work', this.#message('rejected', ['work', 'dead'], 'reject'))
    if (dice < 0.94) return this.#send('work', this.#message('failed', ['work', 'dead'], 'fail'))
    this.#send('work', this.#message('plain', ['work']))
  }

  #message(what: string, route: readonly Place[], fate: Fate = 'accept', dueAt = 0): Message & { body: Body } {
    const id = this.account.begin(what, route, dueAt)
    const priority = this.#dice.whole(0, 9)
    return { priority, durable: true, body: { id, fate, priority } }
  }

  #send(by: Lane, message: Message & { body: Body }, more: object = {}): void {
    this.#confirm([message.body.id], this.#senders[by].send({ ...message, ...more }))
  }

  #confirm(ids: readonly number[], sent: Promise<unknown>): void {
    sent.then(
      () => ids.forEach(id => this.account.acknowledge(id)),
      (error: Error) => this.account.found(`message ${ids.join(', ')} was refused: ${String(error)}`),
    )
  }

  #sendTwice(): void {
    const message = this.#message('sent twice', ['work'])
    const [first, second] = this.#twice
    this.#confirm([message.body.id], Promise.all([first.send(message), second.send(message)]))
  }

  #inGroup(): void {
    const group_id = `g${this.#dice.whole(1, GROUPS)}`
    const number = (this.#numbers.get(group_id) ?? 0) + 1
    this.#numbers.set(group_id, number)
    const message = this.#message('in a group', ['groups'])
    this.#send(
      'groups',
      { ...message, priority: 4, body: { ...message.body, priority: 4 } },
      { group_id, group_sequence: number },
    )
  }

  #publish(): void {
    const red = this.#dice.likely(0.5)
    const message = this.#message(red ? 'selected' : 'not selected', red ? ['topic'] : [])
    this.#send('topic', message, { application_properties: { color: red ? 'red' : 'blue' } })
  }

  /** Several messages at once, or none. One transaction at a time. */
  #transact(): void {
    if (this.#transacting) return
    this.#transacting = true
    const fail = this.#dice.likely(0.3)
    const what = fail ? 'rolled back' : 'in a transaction'
    const messages = Array.from({ length: this.#dice.whole(2, MOST) }, () => this.#message(what, fail ? [] : ['work']))
    void this.#all(messages, fail).finally(() => (this.#transacting = false))
  }

  /** Where no answer came it is not known what became of it: it is sent again under the same identifiers. */
  async #all(messages: readonly (Message & { body: Body })[], fail: boolean): Promise<void> {
    for (;;) {
      const transaction = await this.#transactions.declare()
      if (transaction === null) continue
      for (const message of messages) {
        const application_properties = { _AMQ_DUPL_ID: `transaction-${message.body.id}` }
        transaction.send(this.#work, { ...message, application_properties })
      }
      const answer = await transaction.discharge(fail)
      if (answer !== 'done' && !fail) continue
      for (const { body } of messages) this.account.acknowledge(body.id)
      return
    }
  }

  #came(place: Place, { message, delivery }: EventContext): void {
    if (message === undefined || delivery === undefined) return
    const { id, fate, priority } = message.body as Body
    this.account.came(place, id, Buffer.from(delivery.tag as Buffer).toString('hex'))
    if (message.priority !== priority) this.account.found(`message ${id} came with priority ${message.priority}`)
    if (place === 'groups') this.account.cameInGroup(message.group_id as string, message.group_sequence as number)
    if (place === 'dead' || place === 'old') {
      const reason = (message.message_annotations as Record<string, unknown> | undefined)?.['x-opt-death-reason']
      const due = place === 'old' ? 'expired' : REASONS[fate]
      if (reason !== due) this.account.found(`message ${id} died as ${String(reason)}, not as ${String(due)}`)
    }
    if (place !== 'work' || fate === 'accept') {
      return this.#conclude([place, id], delivery, () => delivery.accept())
    }
    if (fate === 'move') return void this.#move(id, message, delivery)
    if (fate === 'fail') {
      const count = message.delivery_count ?? 0
      if (count >= MAX_DELIVERIES) this.account.found(`message ${id} came after ${count} failed deliveries`)
      const ends = count === MAX_DELIVERIES - 1
      return this.#conclude(ends ? [place, id] : null, delivery, () =>
        delivery.modified({ delivery_failed: true, undeliverable_here: false }),
      )
    }
    this.#conclude([place, id], delivery, () =>
      delivery.reject({ condition: 'soak:rejected', description: 'on purpose' }),
    )
  }

  /**
   * `over`: what ends where a server confirms it. One delivery at a time: of two that follow one another rhea 3.0.5 tells the
   * first one's outcome for both, if they are settled in one turn.
   */
  #conclude(over: readonly [Place, number] | null, delivery: Delivery, say: () => void): void {
    if (over !== null) this.#settling.set(delivery, over)
    setImmediate(say)
  }

  #settled({ delivery }: EventContext): void {
    if (delivery === undefined) return
    const what = this.#settling.get(delivery)
    this.#settling.delete(delivery)
    if (what !== undefined) this.account.settled(...what)
  }

  /** It has no identifier: that it comes once is the transaction's doing. */
  async #move(id: number, { body, priority }: Message, delivery: Delivery): Promise<void> {
    const transaction = await this.#moves.declare()
    // The message comes again.
    if (transaction === null) return
    transaction.send(this.#done, { body: body as Body, priority: priority ?? 4, durable: true })
    // Of what is said in one turn rhea sends deliveries first, the discharge among them: hence a turn for each.
    await nextTurn()
    transaction.accept(delivery)
    await nextTurn()
    const answer = await transaction.discharge()
    if (answer === 'done') this.account.settled('work', id)
    else if (answer === 'refused') delivery.release()
  }
}
