// The connection of a client that does as it pleases: sessions and links of all kinds come and go, and what was left of a link
// is decided when it comes back. What is done with links is in wild-client.ts.

import type { Recovery } from '../../../src/protocols/amqp/front-end.ts'
import { encodePerformative, performatives as p } from '../../../src/protocols/amqp/performatives.ts'
import type { Value } from '../../../src/protocols/amqp/types.ts'
import { binary, bool, described, list, map, NULL, str, uint } from '../../../src/protocols/amqp/types.ts'
import { plainDoor } from '../../support/sign-in.ts'
import type { House } from '../mqtt/house.ts'
import { AMQP, client, frame, type SeenFrame, wire, type Wire } from './wire.ts'
import {
  ACCEPTED,
  attachOf,
  isEnlisted,
  isFree,
  type Left,
  type Link,
  loses,
  owns,
  REJECTED,
  RELEASED,
  type Session,
  sourceOf,
  targetOf,
  TOPICS,
  type Transaction,
} from './wild-links.ts'
import { type Book, type Choice, QUEUES } from './wild-book.ts'

const KINDS = ['queue', 'queue', 'queue', 'topic', 'topic', 'dynamic'] as const
const SENDERS = [...KINDS, 'relay', 'coordinator', 'coordinator'] as const
/** None times out here: what a client leaves is rolled back because it has left. */
const LIMITS = { links: 40, frameBytes: 4096, transactionIdleMs: 1e9 } as const

export abstract class WildConnection {
  readonly #house: House
  protected readonly book: Book
  readonly name: string
  readonly #recovery: () => Recovery
  #wire: Wire | null = null
  protected said: Buffer[] = []
  protected sessions: (Session | null)[] = []
  protected links = new Map<string, Link>()
  /** Those that are not discharged. */
  protected transactions = new Set<Transaction>()
  /** By link name: what was unsettled when the link was lost. */
  readonly #old = new Map<string, Left[]>()

  constructor(house: House, book: Book, name: string, recovery: () => Recovery) {
    this.#house = house
    this.book = book
    this.name = name
    this.#recovery = recovery
  }

  get isThere(): boolean {
    return this.#wire !== null
  }

  flush(): void {
    const all = this.said
    this.said = []
    if (this.#wire !== null && all.length > 0) this.#wire.connection.receive(Buffer.concat(all))
  }

  protected abstract take(f: SeenFrame): void

  #hear(): void {
    const frames = this.#wire?.frames() ?? []
    if (this.#wire !== null) this.#wire.socket.chunks = []
    for (const one of frames) this.take(one)
  }

  read(): void {
    this.#hear()
    const wire = this.#wire
    if (wire !== null && (wire.socket.ended || wire.socket.destroyed)) this.lose()
  }

  /** What the server says in its log. */
  get told(): string {
    return this.#wire?.log.join('\n') ?? ''
  }

  connect(choice: Choice): void {
    const { broker, clock } = this.#house
    this.#wire = wire(LIMITS, undefined, {
      signIn: plainDoor(broker),
      clock,
      recovery: this.#recovery(),
      unique: () => this.book.unique(),
    })
    this.sessions = []
    this.said = [AMQP, frame(0, encodePerformative(p.open, [str(this.name), NULL, uint(1024)]))]
    this.begin(0)
    this.attach(choice, true, 'coordinator')
    for (const kind of ['queue', 'topic'] as const) {
      this.attach(choice, true, kind)
      this.attach(choice, false, kind)
    }
    for (let n = 0; n < 3; n++) this.attach(choice)
  }

  lose(): void {
    this.#hear()
    const wire = this.#wire
    this.#wire = null
    for (const link of this.links.values()) this.leave(link)
    this.links.clear()
    this.sessions = []
    this.said = []
    wire?.connection.closed()
  }

  close(): void {
    this.said.push(client.close())
    this.flush()
    this.lose()
  }

  begin(channel: number): void {
    if (this.sessions[channel]) return
    this.sessions[channel] = { nextId: 0, received: 0, deliveries: new Map(), unanswered: new Map() }
    this.said.push(client.begin(channel))
  }

  end(channel: number): void {
    if (!this.sessions[channel]) return
    this.said.push(client.end(channel))
    // The channel is free again once its end is answered.
    this.flush()
    for (const [key, link] of this.links)
      if (link.channel === channel) {
        this.leave(link)
        this.links.delete(key)
      }
    this.sessions[channel] = null
    this.#house.turn()
    this.read()
  }

  /** What it had is as it was said: settled in part, or not known; what it controlled and did not discharge is undone. */
  protected leave(link: Link): void {
    link.open = false
    for (const transaction of this.transactions) {
      if (transaction.link !== link) continue
      this.transactions.delete(transaction)
      this.book.rollsBack(transaction)
    }
    const session = this.sessions[link.channel]
    const left: Left[] = []
    for (const [id, { link: its, tag, state, number }] of session?.deliveries ?? [])
      if (its === link) {
        session?.deliveries.delete(id)
        left.push({ tag, number, state })
      }
    if (!link.sends) this.#old.set(link.name, left)
  }

  protected open(sends: boolean): Link[] {
    return [...this.links.values()].filter(link => link.open && link.sends === sends)
  }

  attach(choice: Choice, sends = choice.below(2) === 0, kind = choice.of(sends ? SENDERS : KINDS)): void {
    const channel = choice.below(2)
    this.begin(channel)
    const handle = [...Array(12).keys()].find(h => !this.links.has(`${channel}/${h}`))
    if (handle === undefined) return
    const address =
      kind === 'queue' ? choice.of([...QUEUES, 'q', 'q', 'q', 'q']) : kind === 'topic' ? choice.of(TOPICS) : ''
    const settled = !sends && choice.below(5) === 0
    const durable = kind === 'topic' && !sends && choice.below(4) > 0
    const name = `${sends ? 's' : durable ? 'd' : 'r'}${choice.below(2)}${kind}${address}`
    // A link is in one place: its name is not used twice at a time.
    if ([...this.links.values()].some(one => one.name === name && one.open)) return
    const link: Link = {
      channel, handle, name, sends, kind, address, settled, copies: false, open: true, attached: false, credit: 0, count: 0, comes: null,
      parts: [],
    } // prettier-ignore
    this.links.set(`${channel}/${handle}`, link)
    const theirs = sends ? targetOf(link, choice) : sourceOf(link, durable, choice)
    const old = this.#old.get(name) ?? []
    const unsettled = sends || choice.below(3) === 0 ? NULL : map(old.flatMap(one => this.#decided(one, link, choice)))
    this.#old.delete(name)
    this.said.push(attachOf(link, theirs, unsettled))
    if (!sends && choice.below(4) > 0) this.#credit(link, choice)
  }

  /** What it made of a delivery while it was away: what it said before, or something now. */
  #decided({ tag, state, number }: Left, link: Link, choice: Choice): Value[] {
    const made = choice.of([ACCEPTED, ACCEPTED, REJECTED, RELEASED, 0])
    if (state !== NULL || made === 0) return [binary(tag), state]
    if (loses(link, made)) this.book.mayBeGone(number)
    return [binary(tag), described(made, list([]))]
  }

  detach(choice: Choice): void {
    const all = [...this.open(true), ...this.open(false)]
    const busy = [...this.transactions].flatMap(({ link, taken }) => [link, ...taken.map(one => one.link)])
    const link = choice.any(choice.below(2) === 0 ? all.filter(one => busy.includes(one)) : all)
    if (link === undefined) return
    this.said.push(frame(link.channel, encodePerformative(p.detach, [uint(link.handle), bool(choice.below(2) === 0)])))
    this.leave(link)
  }

  flow(choice: Choice): void {
    const link = choice.any(this.open(false))
    if (link !== undefined) this.#credit(link, choice)
  }

  #credit({ channel, handle, count }: Link, choice: Choice): void {
    const next = this.sessions[channel]?.received ?? 0
    const credit = choice.of([0, 1, 3, 10, 100, 100])
    this.said.push(client.flow({ channel, next, handle, count, credit, drain: choice.below(8) === 0 }))
  }

  /** What it has of this queue itself, and no transaction; and what it may have, because it did not hear of a discharge. */
  has(queue: string): [sure: number, unsure: number] {
    const all = this.sessions.flatMap(session => [...(session?.deliveries.values() ?? [])])
    const its = all.filter(({ link }) => owns(link) && link.address === queue)
    const unsure = its.filter(one => isEnlisted(one) && one.transaction?.state !== 'open')
    return [its.filter(one => !isEnlisted(one) && !isFree(one)).length, unsure.length]
  }
}
