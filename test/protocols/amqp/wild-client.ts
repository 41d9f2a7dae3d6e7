// A client of AMQP that does as it pleases, within what the standard allows: links of all kinds come and go, several things
// are said at once, transfers come in pieces, and outcomes late, in ranges and in transactions. It keeps its own books of
// what it has said and heard, and is never blamed.

import assert from 'node:assert/strict'
import type { Recovery } from '../../../src/protocols/amqp/front-end.ts'
import { encodePerformative, performatives as p } from '../../../src/protocols/amqp/performatives.ts'
import type { Value } from '../../../src/protocols/amqp/types.ts'
import { binary, bool, described, list, map, NULL, str, uint } from '../../../src/protocols/amqp/types.ts'
import { plainDoor } from '../../support/sign-in.ts'
import type { House } from '../mqtt/house.ts'
import { AMQP, client, condition, frame, num, type SeenFrame, truth, wire, type Wire } from './wire.ts'
import {
  ACCEPTED,
  attachOf,
  DECLARED,
  type Delivery,
  keyOf,
  type Left,
  type Link,
  MODIFIED,
  NO_BLAME,
  partsOf,
  piecesOf,
  REJECTED,
  RELEASED,
  said,
  type Session,
  sourceOf,
  targetOf,
  TOPICS,
  type Transaction,
  within,
  WITHIN,
} from './wild-links.ts'
import { type Book, type Choice, QUEUES } from './wild-book.ts'

export class WildClient {
  readonly #house: House
  readonly #book: Book
  readonly #name: string
  readonly #recovery: () => Recovery
  #wire: Wire | null = null
  #said: Buffer[] = []
  #sessions: (Session | null)[] = []
  #links = new Map<string, Link>()
  #transactions = new Set<Transaction>()
  /** By link name: what was unsettled when the link was lost. */
  readonly #old = new Map<string, Left[]>()
  got = 0

  constructor(house: House, book: Book, name: string, recovery: () => Recovery) {
    this.#house = house
    this.#book = book
    this.#name = name
    this.#recovery = recovery
  }

  get isThere(): boolean {
    return this.#wire !== null
  }

  flush(): void {
    const all = this.#said
    this.#said = []
    if (this.#wire !== null && all.length > 0) this.#wire.connection.receive(Buffer.concat(all))
  }

  connect(choice: Choice): void {
    const { broker, clock } = this.#house
    this.#wire = wire({ links: 40, frameBytes: 4096 }, undefined, {
      signIn: plainDoor(broker),
      clock,
      recovery: this.#recovery(),
      unique: () => this.#book.unique(),
    })
    this.#sessions = []
    this.#said = [AMQP, frame(0, encodePerformative(p.open, [str(this.#name), NULL, uint(1024)]))]
    this.begin(0)
    for (let n = 0; n < 4; n++) this.attach(choice)
  }

  lose(): void {
    this.#hear()
    const wire = this.#wire
    this.#wire = null
    for (const link of this.#links.values()) this.#leave(link)
    this.#links.clear()
    this.#transactions.clear()
    this.#sessions = []
    this.#said = []
    wire?.connection.closed()
  }

  close(): void {
    this.#said.push(client.close())
    this.flush()
    this.lose()
  }

  begin(channel: number): void {
    if (this.#sessions[channel]) return
    this.#sessions[channel] = { nextId: 0, received: 0, deliveries: new Map(), unanswered: new Map() }
    this.#said.push(client.begin(channel))
  }

  end(channel: number): void {
    if (!this.#sessions[channel]) return
    this.#said.push(client.end(channel))
    // The channel is free again once its end is answered.
    this.flush()
    this.#ended(channel)
    this.#house.turn()
    this.read()
  }

  #ended(channel: number): void {
    for (const [key, link] of this.#links)
      if (link.channel === channel) {
        this.#leave(link)
        this.#links.delete(key)
      }
    this.#sessions[channel] = null
  }

  /** What it had is as it was said: settled in part, or not known. */
  #leave(link: Link): void {
    link.open = false
    for (const transaction of this.#transactions) if (transaction.link === link) this.#transactions.delete(transaction)
    const session = this.#sessions[link.channel]
    const left: Left[] = []
    for (const [id, { link: its, tag, state, number }] of session?.deliveries ?? [])
      if (its === link) {
        session?.deliveries.delete(id)
        // Only what was said outside of transactions may be said again.
        left.push({ tag, number, state: partsOf(state)[0] === WITHIN ? NULL : state })
        if (state !== NULL) this.#book.mayBeGone(number)
      }
    if (!link.sends) this.#old.set(link.name, left)
  }

  #open(sends: boolean): Link[] {
    return [...this.#links.values()].filter(link => link.open && link.sends === sends)
  }

  attach(choice: Choice): void {
    const channel = choice.below(2)
    this.begin(channel)
    const handle = [...Array(12).keys()].find(h => !this.#links.has(`${channel}/${h}`))
    if (handle === undefined) return
    const sends = choice.below(2) === 0
    const kind = choice.of(
      sends
        ? (['queue', 'queue', 'queue', 'topic', 'topic', 'dynamic', 'relay', 'coordinator', 'coordinator'] as const)
        : (['queue', 'queue', 'queue', 'topic', 'topic', 'dynamic'] as const),
    )
    const address =
      kind === 'queue' ? choice.of([...QUEUES, 'q', 'q', 'q', 'q']) : kind === 'topic' ? choice.of(TOPICS) : ''
    const settled = !sends && choice.below(5) === 0
    const durable = kind === 'topic' && !sends && choice.below(2) === 0
    const name = `${sends ? 's' : durable ? 'd' : 'r'}${choice.below(2)}${kind}${address}`
    // A link is in one place: its name is not used twice at a time.
    if ([...this.#links.values()].some(one => one.name === name && one.open)) return
    const link: Link = {
      channel, handle, name, sends, kind, address, settled, copies: false, open: true, attached: false, credit: 0, count: 0, parts: [],
    } // prettier-ignore
    this.#links.set(`${channel}/${handle}`, link)
    const theirs = sends ? targetOf(link, choice) : sourceOf(link, durable, choice)
    const old = this.#old.get(name) ?? []
    const unsettled = sends || choice.below(3) === 0 ? NULL : map(old.flatMap(one => this.#decided(one, choice)))
    this.#old.delete(name)
    this.#said.push(attachOf(link, theirs, unsettled))
    if (!sends && choice.below(4) > 0) this.#credit(link, choice)
  }

  /** What it made of a delivery while it was away. */
  #decided({ tag, state, number }: Left, choice: Choice): Value[] {
    const made = choice.of([ACCEPTED, ACCEPTED, REJECTED, RELEASED, 0])
    if (made > 0 && number !== '') this.#book.mayBeGone(number)
    return [binary(tag), state !== NULL || made === 0 || number === '' ? state : described(made, list([]))]
  }

  detach(choice: Choice): void {
    const link = choice.any([...this.#open(true), ...this.#open(false)])
    if (link === undefined) return
    this.#said.push(frame(link.channel, encodePerformative(p.detach, [uint(link.handle), bool(choice.below(2) === 0)])))
    this.#leave(link)
  }

  flow(choice: Choice): void {
    const link = choice.any(this.#open(false))
    if (link !== undefined) this.#credit(link, choice)
  }

  #credit({ channel, handle, count }: Link, choice: Choice): void {
    const next = this.#sessions[channel]?.received ?? 0
    const credit = choice.of([0, 1, 3, 100])
    this.#said.push(client.flow({ channel, next, handle, count, credit, drain: choice.below(4) === 0 }))
  }

  send(choice: Choice): void {
    const link = choice.any(
      this.#open(true).filter(one => one.attached && one.credit > 0 && one.kind !== 'coordinator'),
    )
    const session = link && this.#sessions[link.channel]
    if (!link || !session) return
    const settled = choice.below(4) === 0
    const txn = choice.below(3) === 0 ? choice.any([...this.#transactions]) : undefined
    const to = link.kind === 'relay' ? choice.of(QUEUES) : link.kind === 'queue' ? link.address : ''
    const wanted = this.#book.message(choice, to, link.kind === 'relay')
    const { bytes, number } = wanted
    const id = session.nextId++
    link.credit--
    link.count++
    const aborts = choice.below(10) === 0
    const state = txn === undefined ? undefined : within(txn.id, described(ACCEPTED, list([])))
    const o = {
      channel: link.channel,
      settled,
      ...(state ? { state } : {}),
      tag: Buffer.from(`${this.#book.unique()}`),
    }
    const cut = bytes.length > 3000 || aborts || choice.below(4) === 0
    this.#said.push(
      ...(cut ? piecesOf(link.handle, id, bytes, o, aborts) : [client.transfer(link.handle, id, bytes, o)]),
    )
    if (aborts) return
    if (txn !== undefined && wanted.lasts) txn.sent.push(number)
    if (settled) return
    session.unanswered.set(id, answer => {
      if (txn === undefined && partsOf(answer)[0] === ACCEPTED && wanted.lasts) this.#book.accepted(number)
      // What a transaction refused it will not have.
      if (txn !== undefined && partsOf(partsOf(answer)[1][1])[0] !== ACCEPTED) txn.sent.length = 0
    })
  }

  declare(choice: Choice): void {
    const link = choice.any(this.#open(true).filter(one => one.kind === 'coordinator' && one.credit > 0))
    if (link === undefined) return
    this.#control(link, said(described(0x31, list([]))), answer => {
      const [code, [id]] = partsOf(answer)
      if (code !== DECLARED || id?.type !== 'binary' || !link.open) return
      this.#transactions.add({ id: Buffer.from(id.value), link, sent: [], taken: [] })
    })
  }

  discharge(choice: Choice): void {
    const txn = choice.any([...this.#transactions])
    if (txn === undefined || txn.link.credit <= 0) return
    const fails = choice.below(3) === 0
    this.#transactions.delete(txn)
    this.#control(txn.link, said(described(0x32, list([binary(txn.id), bool(fails)]))), answer => {
      if (partsOf(answer)[0] !== ACCEPTED || fails) return
      for (const number of txn.sent) this.#book.accepted(number)
      for (const key of txn.taken) this.#book.done(key)
    })
  }

  #control(link: Link, bytes: Buffer, answered: (state: Value | undefined) => void): void {
    const session = this.#sessions[link.channel]
    if (!session) return
    const id = session.nextId++
    link.credit--
    link.count++
    session.unanswered.set(id, answered)
    this.#said.push(client.transfer(link.handle, id, bytes, { channel: link.channel }))
  }

  /** Of one delivery, or of some that follow each other. */
  settle(choice: Choice): void {
    const channel = choice.below(2)
    const session = this.#sessions[channel]
    if (!session) return
    const ready = [...session.deliveries]
      .filter(([, one]) => one.complete && (one.state === NULL || partsOf(one.state)[0] === WITHIN))
      .map(([id]) => id)
    const first = choice.any(ready)
    if (first === undefined) return
    let last = first
    const stateOf = (id: number) => session.deliveries.get(id)?.state
    while (ready.includes(last + 1) && stateOf(first) === NULL && stateOf(last + 1) === NULL && choice.below(3) > 0)
      last++
    const outcome = choice.of([ACCEPTED, ACCEPTED, ACCEPTED, RELEASED, REJECTED, MODIFIED])
    const fields = outcome === MODIFIED ? [bool(choice.below(2) === 0), bool(choice.below(2) === 0)] : []
    const plain = described(outcome, list(fields))
    // Of what a transaction has, the client may only let go.
    const enlisted = session.deliveries.get(first)?.state !== NULL
    const txn = !enlisted && choice.below(2) === 0 ? choice.any([...this.#transactions]) : undefined
    const state = txn === undefined ? plain : within(txn.id, plain)
    const settled = enlisted || choice.below(2) === 0
    this.#said.push(
      frame(channel, encodePerformative(p.disposition, [bool(true), uint(first), uint(last), bool(settled), state])),
    )
    for (let id = first; id <= last; id++) {
      const delivery = session.deliveries.get(id) as Delivery
      if (outcome === ACCEPTED || outcome === REJECTED) this.#book.mayBeGone(delivery.number)
      if (txn !== undefined && outcome === ACCEPTED) txn.taken.push(keyOf(delivery))
      if (settled) session.deliveries.delete(id)
      else delivery.state = state
    }
  }

  #hear(): void {
    const frames = this.#wire?.frames() ?? []
    if (this.#wire !== null) this.#wire.socket.chunks = []
    for (const one of frames) this.#take(one)
  }

  read(): void {
    this.#hear()
    const wire = this.#wire
    if (wire !== null && (wire.socket.ended || wire.socket.destroyed)) this.lose()
  }

  #blame(error: Value | undefined, topic = false): void {
    const told = condition(error)
    if (told === null || NO_BLAME.has(told) || (topic && told === 'amqp:not-allowed')) return
    assert.fail(`${this.#name} is told ${told}: ${JSON.stringify(partsOf(error)[1][1])} ${this.#wire?.log.join('\n')}`)
  }

  #take(f: SeenFrame): void {
    const session = this.#sessions[f.channel]
    const link = this.#links.get(`${f.channel}/${num(f, 0)}`)
    switch (f.code) {
      case p.attach.code: {
        const its = this.#links.get(`${f.channel}/${num(f, 1)}`)
        if (its) its.attached = true
        return
      }
      case p.flow.code: {
        const its = this.#links.get(`${f.channel}/${num(f, 4)}`)
        if (!its) return
        if (!its.sends) its.count = num(f, 5)
        // Its credit is as of its own count (section 2.6.7).
        else its.credit = Math.max(0, num(f, 5) + num(f, 6) - its.count)
        return
      }
      case p.transfer.code:
        if (session) this.#receive(session, link, f)
        // What was settled when it was sent, on a session that has ended meanwhile.
        else if (truth(f, 4) && !truth(f, 5)) this.#book.mayBeGone(this.#book.numberOf(f.payload))
        return
      case p.disposition.code:
        if (session) this.#answered(session, f)
        return
      case p.detach.code: {
        if (!link) return
        this.#blame(f.fields[2], link.kind === 'topic')
        if (link.open) this.#said.push(client.detach(link.handle, link.channel))
        this.#leave(link)
        this.#links.delete(`${f.channel}/${link.handle}`)
        return
      }
      case p.end.code:
      case p.close.code:
        this.#blame(f.fields[0])
    }
  }

  #receive(session: Session, link: Link | undefined, f: SeenFrame): void {
    session.received++
    assert.ok(link && !link.sends, 'a transfer comes on a link that receives')
    if (f.fields[1]?.type === 'uint') {
      link.count++
      link.parts = []
      const tag = f.fields[2]
      assert.ok(tag?.type === 'binary')
      const delivery: Delivery = { link, tag: Buffer.from(tag.value), number: '', complete: false, state: NULL }
      if (link.open && !truth(f, 4)) session.deliveries.set(num(f, 1), delivery)
    }
    link.parts.push(Buffer.from(f.payload))
    if (truth(f, 5)) return
    const number = this.#book.judge(Buffer.concat(link.parts))
    this.got++
    if (link.kind === 'queue' && !link.copies) this.#book.comes(`${link.address}|${number}`)
    if (link.settled) this.#book.mayBeGone(number)
    for (const delivery of session.deliveries.values())
      if (delivery.link === link && !delivery.complete) {
        delivery.complete = true
        delivery.number = number
      }
  }

  #answered(session: Session, f: SeenFrame): void {
    const [first, state] = [num(f, 1), f.fields[4]]
    const last = f.fields[2]?.type === 'uint' ? num(f, 2) : first
    const [code, fields] = partsOf(state)
    if (code === REJECTED && condition(fields[0]) !== 'amqp:not-allowed') this.#blame(fields[0])
    for (let id = first; id <= last; id++)
      if (truth(f, 0)) {
        session.unanswered.get(id)?.(state)
        session.unanswered.delete(id)
      } else {
        const delivery = session.deliveries.get(id)
        if (delivery && partsOf(delivery.state)[0] === ACCEPTED) this.#book.done(keyOf(delivery))
        session.deliveries.delete(id)
      }
  }
}
