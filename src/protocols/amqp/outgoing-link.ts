// A link on which the client receives: hands its credit on to the broker as far as window, unsettled deliveries and the
// socket allow, lays messages into the output page, and brings the client's outcomes back to the broker.

import type { Consumer, QueuedMessage, Refusal, Subscription, TemporaryQueue } from '../../broker/api.ts'
import { fault, refusedLink } from './errors.ts'
import type { OutgoingEnd, SessionHost, Settlement } from './hosts.ts'
import type { Redelivery } from './message.ts'
import { redeliveryHeader } from './message.ts'
import { withDeath } from './death.ts'
import { codeOf, composites } from './performatives.ts'
import type { DefaultOutcome } from './terminus.ts'
import type { EnlistedDelivery, OpenTransaction } from './transactions.ts'
import { outcomeOf } from './terminus.ts'
import { asBuffer, type Value } from './types.ts'
import { TRANSFER_OVERHEAD, writeTransfer } from './write-frames.ts'

const NOTHING = new Uint8Array(0)

const stateOf = {
  accepted: composites.accepted.code,
  rejected: composites.rejected.code,
  released: composites.released.code,
  modified: composites.modified.code,
} as const

export interface OutgoingOptions {
  readonly name: string
  readonly handle: number
  /** The client asked for settled deliveries: nothing comes back for them. */
  readonly settled: boolean
  /** Largest message the client takes, 0 for any. */
  readonly messageBytes: number
  readonly defaultOutcome: DefaultOutcome
  /** Name of the durable subscription it consumes, or ''. */
  readonly durable: string
}

export class OutgoingLink implements OutgoingEnd, Consumer {
  readonly name: string
  readonly handle: number
  open = true
  readonly durable: string
  /** Tells the client that it is attached; null once it knows. */
  answer: (() => void) | null = null
  #node: TemporaryQueue | null = null

  readonly #session: SessionHost
  readonly #settled: boolean
  readonly #messageBytes: number
  readonly #default: DefaultOutcome
  #subscription: Subscription | null = null
  #deliveryCount = 0
  #credit = 0
  #drain = false
  /** Credit that the broker has and has not used, and whether it drains. */
  #granted = 0
  #draining = false
  /** The broker is done with draining, but messages wait below. */
  #drainDone = false
  /** Messages that came while nothing could be sent: one at most, from a broker that stops at once. */
  #waiting: QueuedMessage[] = []
  /** The message whose frames the window or the socket cut off, and how many of its bytes are sent. */
  #cut: QueuedMessage | null = null
  #cutBody: Uint8Array = NOTHING
  #cutHeader: Redelivery | null = null
  #cutAt = 0
  /** Sequence to id * 8 + place of the state: outcomes that the client left to us to settle. */
  readonly #confirms = new Map<number, number>()
  /** By sequence: what transactions settle that are not discharged. */
  readonly #enlisted = new Map<number, EnlistedDelivery>()

  constructor(session: SessionHost, options: OutgoingOptions) {
    this.#session = session
    this.name = options.name
    this.handle = options.handle
    this.#settled = options.settled
    this.#messageBytes = options.messageBytes
    this.#default = options.defaultOutcome
    this.durable = options.durable
  }

  /** `node` goes with the link. */
  attach(subscription: Subscription, node: TemporaryQueue | null): void {
    this.#subscription = subscription
    this.#node = node
  }

  /**
   * What the client says of deliveries that it had before, by their tags (section 2.6.13). Nothing of them is kept here, so
   * that the answer names none, and the client forgets them: what it accepted or rejected is settled if it is still in the
   * queue and nobody has it; all else comes again.
   */
  recover(unsettled: readonly Value[]): void {
    for (let i = 0; i + 1 < unsettled.length; i += 2) {
      const [tag, state] = [unsettled[i] as Value, unsettled[i + 1] as Value]
      if (tag.type !== 'binary' || tag.value.length !== 8) continue
      const outcome = outcomeOf(codeOf(state), false)
      if (outcome !== 'accepted' && outcome !== 'rejected') continue
      const bytes = asBuffer(tag.value)
      this.#subscription?.recover(bytes.readUInt32BE(0) * 2 ** 32 + bytes.readUInt32BE(4), outcome)
    }
  }

  /** The subscription is there for good: the client may know, and get messages. */
  attached(): void {
    const { answer } = this
    this.answer = null
    answer?.()
    this.grant()
  }

  /** The client's credit, as of its own count of deliveries. */
  flow(deliveryCount: number | null, linkCredit: number | null, drain: boolean): void {
    if (linkCredit !== null) {
      const onTheWay = (this.#deliveryCount - (deliveryCount ?? 0)) | 0
      this.#credit = Math.max(0, linkCredit - onTheWay)
      // Credit taken back: what waits for it goes back to the queue.
      while (this.#waiting.length > this.#credit) this.#subscription?.settle(this.#waiting.pop()!.sequence, 'released')
    }
    this.#drain = drain
    this.grant()
  }

  tell(): void {
    this.#session.writeLinkFlow(this.handle, this.#deliveryCount, this.#credit, this.#drain)
  }

  /** Something that may have held us back is better: send what waits, then ask the broker for more. */
  resume(): void {
    if (!this.open) return
    if (this.#cut !== null && !this.#session.connection.out.blocked) this.#continueCut()
    while (this.#cut === null && this.#waiting.length > 0 && this.#maySend() && this.open) {
      this.#send(this.#waiting.shift()!)
    }
    if (this.#drainDone && this.#cut === null && this.#waiting.length === 0) this.#finishDrain()
    this.grant()
  }

  /** Tells the broker how many messages may come now. */
  grant(): void {
    const subscription = this.#subscription
    if (!this.open || subscription === null || this.answer !== null) return
    const session = this.#session
    const wanted = Math.max(0, this.#credit - this.#waiting.length)
    let most = wanted
    if (session.connection.out.blocked || this.#cut !== null) most = 0
    else {
      most = Math.min(most, session.sendWindow)
      if (!this.#settled) most = Math.min(most, session.unsettledRoom)
    }
    if (most < wanted) session.starved = true
    // A drain is only asked for together with all the credit: its end says that there is no more to come for it.
    const drain = this.#drain && most === this.#credit
    if (drain && most === 0) {
      if (this.#cut === null) this.#finishDrain()
      return
    }
    if (most === this.#granted && drain === this.#draining) return
    this.#granted = most
    this.#draining = drain
    subscription.credit(most, drain)
  }

  #maySend(): boolean {
    const session = this.#session
    return session.sendWindow > 0 && !session.connection.out.blocked && (this.#settled || session.unsettledRoom > 0)
  }

  deliver(message: QueuedMessage): void {
    if (this.#granted > 0) this.#granted--
    if (!this.open) return
    if (this.#cut === null && this.#waiting.length === 0 && this.#maySend()) this.#send(message)
    else this.#waiting.push(message)
    if (this.open && this.#granted > 0 && (this.#cut !== null || !this.#maySend())) this.#stop()
  }

  #stop(): void {
    this.#granted = 0
    this.#draining = false
    this.#session.starved = true
    this.#subscription?.credit(0, false)
  }

  #send(message: QueuedMessage): void {
    const session = this.#session
    const { death } = message.envelope
    const plain = session.connection.options.convert(message.body, message.envelope)
    const body = death === null ? plain : withDeath(asBuffer(plain), death)
    const redelivery =
      message.deliveryCount > 0 || !message.firstAcquirer
        ? redeliveryHeader(asBuffer(body), message.deliveryCount)
        : null
    const size = redelivery === null ? body.length : body.length - redelivery.from + redelivery.header.length
    if (this.#messageBytes > 0 && size > this.#messageBytes) {
      session.failLink(this, fault('PEER-SIZE', { size, limit: this.#messageBytes }))
      return
    }
    const id = session.nextDeliveryId()
    this.#credit--
    this.#deliveryCount = (this.#deliveryCount + 1) >>> 0
    if (!this.#settled) session.keepUnsettled(id, this, message.sequence)
    const { out, sendFrameBytes } = session.connection
    if (redelivery === null && size <= sendFrameBytes - TRANSFER_OVERHEAD) {
      const at = writeTransfer(out, session.channel, this.handle, id, message.sequence, this.#settled, false, size)
      out.page.set(body, at)
      session.frameSent()
      if (this.#settled) this.#subscription?.settle(message.sequence, 'accepted', false, true)
    } else this.#sendFrames(message, body, redelivery, size, 0, id)
  }

  /** Sends a message from its byte `from` on, frame by frame, as far as the client's window goes and the socket takes it. */
  #sendFrames(
    message: QueuedMessage,
    body: Uint8Array,
    redelivery: Redelivery | null,
    size: number,
    from: number,
    first: number,
  ): void {
    const session = this.#session
    const { out, sendFrameBytes } = session.connection
    const largest = sendFrameBytes - TRANSFER_OVERHEAD
    let at = from
    let id = first
    do {
      // Where the socket is full the rest stays where it lies: a large message is never in the output as a whole.
      if (session.sendWindow <= 0 || (at > from && out.blocked)) {
        this.#cut = message
        this.#cutBody = body
        this.#cutHeader = redelivery
        this.#cutAt = at
        session.starved = true
        return
      }
      const n = Math.min(largest, size - at)
      const to = writeTransfer(out, session.channel, this.handle, id, message.sequence, this.#settled, at + n < size, n)
      layDown(out.page, to, body, redelivery, at, n)
      session.frameSent()
      at += n
      id = -1
    } while (at < size)
    this.#cut = null
    this.#cutHeader = null
    if (this.#settled) this.#subscription?.settle(message.sequence, 'accepted', false, true)
  }

  #continueCut(): void {
    const message = this.#cut!
    const redelivery = this.#cutHeader
    const body = this.#cutBody
    const { length } = body
    const size = redelivery === null ? length : length - redelivery.from + redelivery.header.length
    this.#sendFrames(message, body, redelivery, size, this.#cutAt, -1)
  }

  drained(): void {
    // Not asked for (any more): the credit it speaks of is not the credit there is now.
    if (!this.open || !this.#draining) return
    this.#granted = 0
    this.#draining = false
    if (this.#waiting.length > 0 || this.#cut !== null) this.#drainDone = true
    else this.#finishDrain()
  }

  #finishDrain(): void {
    this.#drainDone = false
    this.#draining = false
    this.#granted = 0
    this.#deliveryCount = (this.#deliveryCount + this.#credit) >>> 0
    this.#credit = 0
    this.tell()
    this.#drain = false
  }

  detached(refusal: Refusal): void {
    if (this.open) this.#session.failLink(this, refusedLink(refusal.refused, refusal.text))
  }

  outcome(id: number, sequence: number, s: Settlement): void {
    const outcome = outcomeOf(s.state, s.deliveryFailed)
    const chosen = outcome ?? this.#default.outcome
    const enlisted = this.#enlisted.size === 0 ? undefined : this.#enlisted.get(sequence)
    if (enlisted !== undefined) {
      // Its transaction decides; the client may only let go of it. Else it is the client's to settle after a rollback.
      if (s.settled) enlisted.settled = true
      else this.#session.stillUnsettled(id, this, sequence)
      return
    }
    if (!s.settled) {
      const state = stateOf[chosen]
      this.#confirms.set(sequence, id * 8 + (state - stateOf.accepted))
      this.#session.confirming++
    }
    this.#subscription?.settle(
      sequence,
      chosen,
      outcome === null ? this.#default.undeliverableHere : s.undeliverableHere,
      s.settled,
    )
  }

  enlist(transaction: OpenTransaction, id: number, sequence: number, s: Settlement): void {
    const subscription = this.#subscription
    const before = this.#enlisted.get(sequence)
    if (before !== undefined) before.settled ||= s.settled
    if (before !== undefined || subscription === null) return
    const outcome = outcomeOf(s.state, s.deliveryFailed)
    const chosen = outcome ?? this.#default.outcome
    const delivery: EnlistedDelivery = {
      settled: s.settled,
      done: () => {
        this.#enlisted.delete(sequence)
        if (delivery.settled || !this.open) return
        this.#session.settleOf(id)
        this.#session.confirm(id, stateOf[chosen])
      },
      undone: counts => {
        this.#enlisted.delete(sequence)
        if (!this.open || !delivery.settled) return
        subscription.settle(sequence, counts ? 'modified' : 'released', false, true)
      },
    }
    const here = outcome === null ? this.#default.undeliverableHere : s.undeliverableHere
    if (transaction.settle(subscription, sequence, chosen, here, delivery)) this.#enlisted.set(sequence, delivery)
    else if (s.settled) delivery.undone(true)
  }

  settled(sequence: number): void {
    const confirm = this.#confirms.get(sequence)
    if (confirm === undefined) return
    this.#confirms.delete(sequence)
    this.#session.confirming--
    this.#session.confirm(Math.floor(confirm / 8), stateOf.accepted + (confirm % 8))
  }

  close(): void {
    if (!this.open) return
    // A detach must not come before its attach.
    this.answer?.()
    this.answer = null
    this.open = false
    this.#session.dropUnsettled(this)
    this.#session.confirming -= this.#confirms.size
    this.#confirms.clear()
    this.#enlisted.clear()
    this.#waiting = []
    this.#cut = this.#cutHeader = null
    this.#subscription?.close(false)
    this.#node?.close()
  }
}

/** Copies `n` bytes from byte `from` of the message (its new header, then the rest of its body) into the page. */
const layDown = (
  page: Buffer,
  to: number,
  body: Uint8Array,
  redelivery: Redelivery | null,
  from: number,
  n: number,
): void => {
  const header = redelivery?.header.length ?? 0
  let at = to
  let start = from
  const end = from + n
  if (redelivery !== null && start < header) {
    const part = redelivery.header.subarray(start, Math.min(end, header))
    page.set(part, at)
    at += part.length
    start += part.length
  }
  if (start >= end) return
  const shift = (redelivery?.from ?? 0) - header
  page.set(body.subarray(start + shift, end + shift), at)
}
