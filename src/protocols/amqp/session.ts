// A session: windows and delivery ids of both directions, the table of links, dispositions in and out. Acknowledgements
// gather here until the end of the turn and leave as ranges. The rules of one link are in the link's own file.

import type { Attach } from './attaching.ts'
import { attachIncoming, attachOutgoing, encodeAttach, RefusedLink } from './attaching.ts'
import type { Decoder } from './decode.ts'
import type { AmqpFault } from './errors.ts'
import { fault, refusedLink } from './errors.ts'
import type { ConnectionHost, Link, OutgoingEnd, SessionHost, Turn } from './hosts.ts'
import { Disposition, NO_TRANSACTION, Transfer } from './in-place.ts'
import type { Cursor } from './in-place.ts'
import { IncomingLink } from './incoming-link.ts'
import { OutgoingLink } from './outgoing-link.ts'
import type { FieldsOf } from './performatives.ts'
import { composites, encodePerformative, performatives, readFields } from './performatives.ts'
import { errorValue } from './terminus.ts'
import type { Value } from './types.ts'
import { NULL, bool, uint, ushort } from './types.ts'
import type { SettleSink } from './unsettled.ts'
import { Unsettled } from './unsettled.ts'
import { writeDisposition, writeFlow } from './write-frames.ts'

const OUTGOING_WINDOW = 0x7fffffff
const ACCEPTED = composites.accepted.code
const RECEIVED = 0x23

type Flow = FieldsOf<typeof performatives.flow>

// One of each is enough for all: they are filled, used and forgotten within one call.
const transfer = new Transfer()
const disposition = new Disposition()

const NOBODY: SettleSink<OutgoingEnd> = { settleOne() {} }

/** A range of delivery ids to be settled with one outcome. */
interface Range {
  first: number
  last: number
  state: number
  empty: boolean
}

export class Session implements SessionHost, Turn, SettleSink<OutgoingEnd> {
  readonly channel: number
  readonly connection: ConnectionHost
  listed = false
  /** False after `end` was sent: only the client's `end` is waited for. */
  open = true
  starved = false
  confirming = 0

  readonly #links: (Link | undefined)[] = []
  #turnLinks: Turn[] = []
  readonly #unsettled: Unsettled<OutgoingEnd>
  readonly #accepts: Range = { first: 0, last: 0, state: ACCEPTED, empty: true }
  readonly #confirms: Range = { first: 0, last: 0, state: ACCEPTED, empty: true }
  #nextIncomingId: number
  #incomingWindow: number
  #nextOutgoingId = 0
  #nextDeliveryId = 0
  #sendWindow: number
  #flowDue = false

  constructor(connection: ConnectionHost, channel: number, begin: FieldsOf<typeof performatives.begin>) {
    this.connection = connection
    this.channel = channel
    this.#nextIncomingId = begin.nextOutgoingId
    this.#sendWindow = begin.incomingWindow
    this.#incomingWindow = connection.limits.windowFrames
    this.#unsettled = new Unsettled(connection.limits.unsettled)
    const { windowFrames, links } = connection.limits
    this.#write(
      encodePerformative(performatives.begin, [
        ushort(channel),
        uint(0),
        uint(windowFrames),
        uint(OUTGOING_WINDOW),
        uint(links - 1),
      ]),
    )
  }

  get sendWindow(): number {
    return this.#sendWindow
  }

  get unsettledRoom(): number {
    return this.connection.limits.unsettled - this.#unsettled.count - this.confirming
  }

  #write(body: Buffer): void {
    this.connection.out.frame(0, this.channel, body)
  }

  // ---- links come and go

  /** What comes for the session, but for `end`. */
  performative(code: number, decoder: Decoder, cursor: Cursor): void {
    switch (code) {
      case performatives.attach.code:
        return this.attach(readFields(decoder, performatives.attach))
      case performatives.flow.code:
        return this.flow(readFields(decoder, performatives.flow))
      case performatives.detach.code:
        return this.detach(readFields(decoder, performatives.detach))
      case performatives.transfer.code:
      case performatives.disposition.code:
        cursor.set(decoder.bytes, decoder.at, decoder.end)
        return code === performatives.transfer.code ? this.transfer(cursor) : this.disposition(cursor)
      default:
        throw fault('NOT-ALLOWED', { why: `0x${code.toString(16)} is no performative for a session` })
    }
  }

  attach(f: Attach): void {
    const { links, nameBytes } = this.connection.limits
    if (f.handle >= links) throw fault('HANDLE-MAX', { handle: f.handle, limit: links - 1 })
    if (this.#links[f.handle] !== undefined) throw fault('HANDLE-IN-USE', { handle: f.handle })
    if (Buffer.byteLength(f.name) > nameBytes) {
      throw fault('SESSION-FIELD', { why: `a link name is longer than ${nameBytes} bytes` })
    }
    // Names are compared within the session only: some clients use one name again in another session.
    for (const link of this.#links) {
      const incoming = link instanceof IncomingLink
      if (link?.open === true && link.name === f.name && incoming !== f.role) this.failLink(link, fault('STOLEN'))
    }
    const why = f.role ? attachOutgoing(this, f) : attachIncoming(this, f)
    if (why === null) return
    this.attachAnswer(f, NULL, NULL)
    this.#links[f.handle] = new RefusedLink(f.name, f.handle)
    this.#writeDetach(f.handle, true, why)
  }

  put(link: Link): void {
    this.#links[link.handle] = link
  }

  attachAnswer(f: Attach, source: Value, target: Value, unsettled = NULL): void {
    if (this.open) this.#write(encodeAttach(f, source, target, this.connection.limits.messageBytes, unsettled))
  }

  detach(f: FieldsOf<typeof performatives.detach>): void {
    const link = this.#links[f.handle]
    if (link === undefined) throw fault('UNATTACHED', { handle: f.handle })
    this.#links[f.handle] = undefined
    if (!link.open) return
    link.close()
    this.#flushAnswers()
    const closed = f.closed === true
    // To close a durable subscription is to take it away; to detach from it is to come back.
    if (closed && link.durable) this.#unsubscribe(link.durable, f.handle)
    else this.#writeDetach(f.handle, closed, null)
  }

  #unsubscribe(name: string, handle: number): void {
    const detached = (why: AmqpFault | null): void => {
      if (this.open) this.#writeDetach(handle, true, why)
    }
    const taken = this.connection.broker.unsubscribeTopic(name, () => detached(null))
    if (!taken) detached(refusedLink('limit', `the subscription ${name} cannot be taken away now`))
  }

  failLink(link: Link, why: AmqpFault): void {
    if (!link.open) return
    link.close()
    this.#flushAnswers()
    this.#writeDetach(link.handle, true, why)
    this.connection.say('info', `${why.error.line()} Link ${link.name}.`)
  }

  #writeDetach(handle: number, closed: boolean, why: AmqpFault | null): void {
    const error = why === null ? NULL : errorValue(why.condition, why.message)
    this.#write(encodePerformative(performatives.detach, [uint(handle), bool(closed), error]))
  }

  /** Ends the session; `why` null: because the client did. The caller forgets it when the client's `end` is there. */
  end(why: AmqpFault | null): void {
    if (!this.open) return
    this.#flushAnswers()
    this.close()
    const error = why === null ? NULL : errorValue(why.condition, why.message)
    this.#write(encodePerformative(performatives.end, [error]))
    if (why !== null) this.connection.say('warn', why.error.line())
  }

  /** Ends it without a word: the connection is gone. */
  close(): void {
    this.open = false
    for (const link of this.#links) link?.close()
    this.#links.length = 0
    this.#turnLinks = []
  }

  #link(handle: number): Link {
    const link = this.#links[handle]
    if (link === undefined) throw fault('UNATTACHED', { handle })
    return link
  }

  // ---- what comes

  transfer(c: Cursor): void {
    transfer.read(c)
    this.#nextIncomingId = (this.#nextIncomingId + 1) >>> 0
    if (--this.#incomingWindow < 0) throw fault('WINDOW')
    if (this.#incomingWindow <= this.connection.limits.windowFrames >> 1) this.#dueFlow()
    const link = this.#link(transfer.handle)
    if (!link.open) return
    if (!(link instanceof IncomingLink)) throw fault('ERRANT-LINK', { handle: transfer.handle })
    link.transfer(transfer, c.bytes, c.at, c.end)
  }

  flow(f: Flow): void {
    const sent = f.nextIncomingId === null ? this.#nextOutgoingId : (this.#nextOutgoingId - f.nextIncomingId) | 0
    this.#sendWindow = Math.max(0, f.incomingWindow - sent)
    if (this.starved && this.#sendWindow > 0) this.connection.atTurn(this)
    if (f.handle === null) {
      if (f.echo === true) this.#dueFlow()
      return
    }
    const link = this.#link(f.handle)
    if (!link.open) return
    if (link instanceof OutgoingLink) {
      link.flow(f.deliveryCount, f.linkCredit, f.drain === true)
      if (f.echo === true && link.open) link.tell()
    } else if (link instanceof IncomingLink) {
      link.flow(f.deliveryCount)
      if (f.echo === true) link.tell()
    }
  }

  disposition(c: Cursor): void {
    disposition.read(c)
    const { first, last, settled, state } = disposition
    if (((last - first) | 0) < 0) throw fault('SESSION-FIELD', { why: 'a range of deliveries ends before it begins' })
    // What a sender says of its own deliveries changes nothing: they were settled with the first answer.
    if (!disposition.role) return
    if (disposition.transaction !== NO_TRANSACTION) return this.#inTransaction(first, last)
    if (!settled && (state === 0 || state === RECEIVED)) return
    this.#unsettled.takeRange(first, last, this)
    if (this.starved) this.connection.atTurn(this)
  }

  settleOne(id: number, link: OutgoingEnd, sequence: number): void {
    link.outcome(id, sequence, disposition)
  }

  /** Outcomes that are to happen with a transaction; what the client does not settle stays in the table. */
  #inTransaction(first: number, last: number): void {
    const transaction = this.connection.transactions.find(disposition.transaction)
    const sink: SettleSink<OutgoingEnd> = {
      settleOne: (id, link, sequence) => link.enlist(transaction, id, sequence, disposition),
    }
    if (disposition.settled) this.#unsettled.takeRange(first, last, sink)
    else this.#unsettled.visitRange(first, last, sink)
    if (this.starved) this.connection.atTurn(this)
  }

  settleOf(id: number): void {
    this.#unsettled.takeRange(id, id, NOBODY)
  }

  // ---- what goes

  atTurn(link: Turn): void {
    if (link.listed) return
    link.listed = true
    this.#turnLinks.push(link)
    this.connection.atTurn(this)
  }

  #dueFlow(): void {
    this.#flowDue = true
    this.connection.atTurn(this)
  }

  turn(): void {
    if (!this.open) return
    this.#flushAnswers()
    const links = this.#turnLinks
    if (links.length > 0) {
      this.#turnLinks = []
      for (const link of links) {
        link.listed = false
        link.turn()
      }
    }
    if (this.starved && !this.connection.out.blocked) this.#resume()
    if (this.#flowDue) this.#writeFlow(-1, 0, 0, false)
  }

  #resume(): void {
    this.starved = false
    for (const link of this.#links) if (link instanceof OutgoingLink) link.resume()
  }

  accept(id: number): void {
    this.#gather(this.#accepts, id, ACCEPTED, true)
  }

  refuse(id: number, outcome: Value): void {
    this.#flushAnswers()
    this.#write(encodePerformative(performatives.disposition, [bool(true), uint(id), NULL, bool(true), outcome]))
  }

  confirm(id: number, state: number): void {
    this.#gather(this.#confirms, id, state, false)
    if (this.starved) this.connection.atTurn(this)
  }

  #gather(range: Range, id: number, state: number, receiver: boolean): void {
    if (range.empty) {
      this.connection.atTurn(this)
    } else if (id === (range.last + 1) >>> 0 && state === range.state) {
      range.last = id
      return
    } else writeDisposition(this.connection.out, this.channel, receiver, range.first, range.last, range.state)
    range.empty = false
    range.first = range.last = id
    range.state = state
  }

  #flushAnswers(): void {
    this.#flushRange(this.#accepts, true)
    this.#flushRange(this.#confirms, false)
  }

  #flushRange(range: Range, receiver: boolean): void {
    if (range.empty) return
    range.empty = true
    writeDisposition(this.connection.out, this.channel, receiver, range.first, range.last, range.state)
  }

  writeLinkFlow(handle: number, deliveryCount: number, credit: number, drain: boolean): void {
    this.#writeFlow(handle, deliveryCount, credit, drain)
  }

  /** Every flow tells the windows anew, so that it renews the incoming one. */
  #writeFlow(handle: number, deliveryCount: number, credit: number, drain: boolean): void {
    this.#flowDue = false
    this.#incomingWindow = this.connection.limits.windowFrames
    const windows = {
      nextIncomingId: this.#nextIncomingId,
      incomingWindow: this.#incomingWindow,
      nextOutgoingId: this.#nextOutgoingId,
      outgoingWindow: OUTGOING_WINDOW,
    }
    writeFlow(this.connection.out, this.channel, windows, handle, deliveryCount, credit, drain)
  }

  nextDeliveryId(): number {
    const id = this.#nextDeliveryId
    this.#nextDeliveryId = (id + 1) >>> 0
    return id
  }

  frameSent(): void {
    this.#nextOutgoingId = (this.#nextOutgoingId + 1) >>> 0
    this.#sendWindow--
  }

  keepUnsettled(id: number, link: OutgoingEnd, sequence: number): void {
    this.#unsettled.add(id, link, sequence)
  }

  stillUnsettled(id: number, link: OutgoingEnd, sequence: number): void {
    this.#unsettled.putBack(id, link, sequence)
  }

  dropUnsettled(link: OutgoingEnd): void {
    this.#unsettled.dropLink(link)
  }
}
