// A client of AMQP that does as it pleases, within what the standard allows: several things are said at once, transfers come
// in pieces, and outcomes late, in ranges, in transactions and out of them. It keeps its own books of what it has said and
// heard, and is never blamed.

import assert from 'node:assert/strict'
import { encodePerformative, performatives as p } from '../../../src/protocols/amqp/performatives.ts'
import type { Value } from '../../../src/protocols/amqp/types.ts'
import { binary, bool, described, list, NULL, uint } from '../../../src/protocols/amqp/types.ts'
import { client, condition, frame, num, type SeenFrame, truth } from './wire.ts'
import { type Choice, QUEUES } from './wild-book.ts'
import { WildConnection } from './wild-connection.ts'
import {
  ACCEPTED,
  DECLARED,
  type Delivery,
  isEnlisted,
  type Link,
  loses,
  MODIFIED,
  NO_BLAME,
  owns,
  partsOf,
  piecesOf,
  REJECTED,
  RELEASED,
  said,
  type Session,
  type Transaction,
  within,
} from './wild-links.ts'

export class WildClient extends WildConnection {
  got = 0

  send(choice: Choice): void {
    const link = choice.any(this.open(true).filter(one => one.attached && one.credit > 0 && one.kind !== 'coordinator'))
    const session = link && this.sessions[link.channel]
    if (!link || !session) return
    const settled = choice.below(4) === 0
    const txn = choice.below(2) === 0 ? choice.any([...this.transactions]) : undefined
    const to = link.kind === 'relay' ? choice.of(QUEUES) : link.kind === 'queue' ? link.address : ''
    const wanted = this.book.message(choice, to, link.kind === 'relay', txn)
    const { bytes, number } = wanted
    const id = session.nextId++
    link.credit--
    link.count++
    const aborts = choice.below(10) === 0
    const o = {
      channel: link.channel,
      settled,
      ...(txn === undefined ? {} : { state: within(txn.id, described(ACCEPTED, list([]))) }),
      tag: Buffer.from(this.book.unique()),
    }
    const cut = bytes.length > 3000 || aborts || choice.below(4) === 0
    this.said.push(
      ...(cut ? piecesOf(link.handle, id, bytes, o, aborts) : [client.transfer(link.handle, id, bytes, o)]),
    )
    if (aborts) return
    if (txn !== undefined && wanted.lasts) txn.sent.push(number)
    if (settled) return
    session.unanswered.set(id, answer => {
      if (txn === undefined && partsOf(answer)[0] === ACCEPTED && wanted.lasts) this.book.accepted(number)
      // What a transaction refused it will not have.
      if (txn !== undefined && partsOf(partsOf(answer)[1][1])[0] !== ACCEPTED) txn.sent.length = 0
    })
  }

  declare(choice: Choice): void {
    const link = choice.any(this.open(true).filter(one => one.kind === 'coordinator' && one.credit > 0))
    if (link === undefined) return
    this.#control(link, said(described(0x31, list([]))), answer => {
      const [code, [id]] = partsOf(answer)
      if (code !== DECLARED || id?.type !== 'binary' || !link.open) return
      this.transactions.add({ id: Buffer.from(id.value), link, state: 'open', sent: [], taken: [] })
    })
  }

  discharge(choice: Choice): void {
    const all = [...this.transactions]
    const used = all.filter(({ sent, taken }) => sent.length + taken.length > 0)
    const txn = choice.any(choice.below(8) > 0 ? used : all)
    if (txn === undefined || txn.link.credit <= 0) return
    const fails = choice.below(3) === 0
    this.transactions.delete(txn)
    if (fails) txn.state = 'failing'
    else this.book.asked(txn)
    const failed = txn.taken.filter(({ settled }) => settled)
    this.#control(txn.link, said(described(0x32, list([binary(txn.id), bool(fails)]))), answer => {
      if (partsOf(answer)[0] !== ACCEPTED || fails) this.book.rollsBack(txn, failed)
      else if (txn.state === 'committing') this.book.commits(txn)
    })
  }

  #control(link: Link, bytes: Buffer, answered: (state: Value | undefined) => void): void {
    const session = this.sessions[link.channel]
    if (!session) return
    const id = session.nextId++
    link.credit--
    link.count++
    session.unanswered.set(id, answered)
    this.said.push(client.transfer(link.handle, id, bytes, { channel: link.channel }))
  }

  /** Channels with deliveries. */
  #busy(): [channel: number, deliveries: Session['deliveries']][] {
    return this.sessions.flatMap((session, channel) =>
      session !== null && session.deliveries.size > 0 ? [[channel, session.deliveries]] : [],
    )
  }

  /** Says something of one delivery, or of some that follow each other, in a transaction or not. */
  settle(choice: Choice): void {
    const [channel, deliveries] = choice.any(this.#busy()) ?? [0, new Map<number, Delivery>()]
    const ready = [...deliveries].filter(([, one]) => one.complete && one.state === NULL).map(([id]) => id)
    const enlisted = ready.filter(id => isEnlisted(deliveries.get(id) as Delivery))
    const first = choice.any(enlisted.length > 0 && choice.below(3) === 0 ? enlisted : ready)
    if (first === undefined) return
    let last = first
    while (ready.includes(last + 1) && choice.below(3) > 0) last++
    const these = [...deliveries].filter(([id]) => id >= first && id <= last)
    const outcome = choice.of([ACCEPTED, ACCEPTED, ACCEPTED, RELEASED, REJECTED, MODIFIED])
    const fails = outcome === MODIFIED && choice.below(2) === 0
    const plain = described(outcome, list(outcome === MODIFIED ? [bool(fails), bool(choice.below(2) === 0)] : []))
    // Whether a transaction that is being discharged still has it is not known: it may only let go.
    const asked = these.some(([, one]) => isEnlisted(one) && one.transaction?.state !== 'open')
    const txn = asked || choice.below(3) === 0 ? undefined : choice.any([...this.transactions])
    const state = txn === undefined ? plain : within(txn.id, plain)
    const settled = asked || choice.below(2) === 0
    this.said.push(
      frame(channel, encodePerformative(p.disposition, [bool(true), uint(first), uint(last), bool(settled), state])),
    )
    for (const [id, delivery] of these) {
      this.#decide(delivery, outcome === MODIFIED && !fails ? RELEASED : outcome, settled, txn, state)
      if (settled) deliveries.delete(id)
    }
  }

  #decide(delivery: Delivery, outcome: number, settled: boolean, txn: Transaction | undefined, state: Value): void {
    const { link, number, transaction } = delivery
    const enlisted = isEnlisted(delivery)
    delivery.settled = settled
    // What is settled in a transaction counts as failed if that is rolled back.
    if (outcome === MODIFIED || (settled && (enlisted || txn !== undefined))) delivery.mayFail = true
    if (enlisted && transaction?.state === 'open') return
    if (txn === undefined && loses(link, outcome)) this.book.mayBeGone(number)
    if (enlisted) return
    delivery.outcome = outcome
    if (txn === undefined) {
      if (!settled) delivery.state = state
      return
    }
    delivery.transaction = txn
    txn.taken.push(delivery)
  }

  #blame(error: Value | undefined, topic = false): void {
    const told = condition(error)
    if (told === null || NO_BLAME.has(told) || (topic && told === 'amqp:not-allowed')) return
    assert.fail(`${this.name} is told ${told}: ${JSON.stringify(partsOf(error)[1][1])} ${this.told}`)
  }

  protected override take(f: SeenFrame): void {
    const session = this.sessions[f.channel]
    const link = this.links.get(`${f.channel}/${num(f, 0)}`)
    switch (f.code) {
      case p.attach.code: {
        const its = this.links.get(`${f.channel}/${num(f, 1)}`)
        if (its) its.attached = true
        return
      }
      case p.flow.code: {
        const its = this.links.get(`${f.channel}/${num(f, 4)}`)
        if (!its) return
        if (!its.sends) its.count = num(f, 5)
        // Its credit is as of its own count (section 2.6.7).
        else its.credit = Math.max(0, num(f, 5) + num(f, 6) - its.count)
        return
      }
      case p.transfer.code:
        if (session) this.#receive(session, link, f)
        // What was settled when it was sent, on a session that has ended meanwhile.
        else if (truth(f, 4) && !truth(f, 5)) this.book.mayBeGone(this.book.numberOf(f.payload))
        return
      case p.disposition.code:
        if (session) this.#answered(session, f)
        return
      case p.detach.code: {
        if (!link) return
        this.#blame(f.fields[2], link.kind === 'topic')
        if (link.open) this.said.push(client.detach(link.handle, link.channel))
        this.leave(link)
        this.links.delete(`${f.channel}/${link.handle}`)
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
      link.comes = {
        link, tag: Buffer.from(tag.value), number: '', complete: false, count: 0, settled: truth(f, 4), state: NULL,
        transaction: null, outcome: 0, mayFail: false, failedIn: -1,
      } // prettier-ignore
      if (link.open && !truth(f, 4)) session.deliveries.set(num(f, 1), link.comes)
    }
    link.parts.push(Buffer.from(f.payload))
    const { comes } = link
    if (truth(f, 5) || comes === null) return
    const bytes = Buffer.concat(link.parts)
    comes.number = this.book.judge(bytes)
    comes.complete = true
    this.got++
    if (owns(link)) this.book.comes(comes, bytes)
    if (link.settled) this.book.mayBeGone(comes.number)
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
        if (delivery && delivery.state !== NULL) this.book.concluded(delivery)
        session.deliveries.delete(id)
      }
  }
}
