// A link on which the client sends: takes transfers, puts large messages together, hands them to the broker, and gives
// credit as the queue has room. Answers come back through `published` and leave as ranges (session.ts).

import { asBuffer } from './types.ts'
import type { Envelope, Producer, PublishTarget, Refusal, TemporaryQueue } from '../../broker/api.ts'
import { envelopeOf } from './envelope.ts'
import { AmqpFault, conditions, fault } from './errors.ts'
import type { Link, SessionHost, Turn } from './hosts.ts'
import { NO_TRANSACTION, type Transfer } from './in-place.ts'
import type { SenderMemory, Sent } from './recovery.ts'
import { checkSections } from './message.ts'
import type { Outlet } from './nodes.ts'
import { composites } from './performatives.ts'
import { errorValue } from './terminus.ts'
import { transactionalState } from './transactional-state.ts'
import { type Value, described, list } from './types.ts'

const LONGEST_TAG = 32
const RELEASED = described(composites.released.code, list([]))

export class IncomingLink implements Link, Producer, Turn {
  readonly name: string
  readonly handle: number
  open = true
  /** Tells the client that it is attached; null once it knows. */
  answer: (() => void) | null = null
  listed = false
  readonly durable = ''

  readonly #session: SessionHost
  readonly #target: PublishTarget
  readonly #envelope: Envelope
  readonly #node: TemporaryQueue | null
  readonly #half: number
  readonly #roomAgain: () => void
  #forgetRoom: (() => void) | null = null
  #deliveryCount: number
  #credit = 0
  /** Published and not answered yet. */
  #unanswered = 0
  /** The message being put together: its first frames, and how much of the buffer they fill. */
  #parts: Buffer | null = null
  #filled = 0
  #id = 0
  #settled = false
  /** The delivery under way is one of a former link. */
  #resumed = false
  /** Of a sender that means to come back. */
  readonly #memory: SenderMemory | null
  /** Its deliveries under way, by id; the newest is that of the delivery that comes in. */
  readonly #sent = new Map<number, Sent>()
  #tag = ''
  #transaction = NO_TRANSACTION

  /** What was made for the outlet goes with the link. */
  constructor(
    session: SessionHost,
    name: string,
    handle: number,
    outlet: Outlet,
    deliveryCount: number,
    memory: SenderMemory | null,
  ) {
    this.#memory = memory
    this.#node = outlet.node
    this.#envelope = outlet.envelope
    this.#session = session
    this.name = name
    this.handle = handle
    this.#target = outlet.on
    this.#deliveryCount = deliveryCount
    this.#half = session.connection.limits.credit >> 1
    this.#roomAgain = () => {
      this.#forgetRoom = null
      if (this.open) this.#session.atTurn(this)
    }
  }

  /** One transfer frame; its payload is `bytes` from `at` to `end`, valid during this call only. */
  transfer(t: Transfer, bytes: Buffer, at: number, end: number): void {
    const wrong = this.#parts === null && !this.#resumed ? this.#first(t, bytes) : this.#next(t)
    if (wrong !== null) {
      this.#session.failLink(this, wrong)
      return
    }
    if (t.aborted) this.#forgetParts()
    // It was accepted, or is not known; it is not taken (again) in either case (section 2.6.13).
    else if (this.#resumed) this.#ignore(t)
    else if (t.more || this.#parts !== null) this.#append(t, bytes, at, end)
    else if (end - at > this.#session.connection.limits.messageBytes) this.#tooLarge()
    else this.#publish(bytes, at, end)
    if (this.open && this.#credit <= this.#half) this.#session.atTurn(this)
  }

  #first(t: Transfer, bytes: Buffer): AmqpFault | null {
    if (this.#credit <= 0) return fault('CREDIT')
    if (t.deliveryId < 0) return fault('LINK-FIELD', { why: 'the first transfer of a delivery has no delivery-id' })
    if (t.tagBytes < 0) return fault('LINK-FIELD', { why: 'the first transfer of a delivery has no delivery-tag' })
    if (t.tagBytes > LONGEST_TAG)
      return fault('LINK-FIELD', { why: `a delivery-tag is longer than ${LONGEST_TAG} bytes` })
    if (t.messageFormat > 0) return fault('NOT-IMPLEMENTED', { what: `message format ${t.messageFormat}` })
    this.#credit--
    this.#deliveryCount = (this.#deliveryCount + 1) >>> 0
    this.#id = t.deliveryId
    this.#settled = t.settled
    this.#resumed = t.resume
    if (this.#memory !== null) this.#tag = bytes.toString('latin1', t.tagEnd - t.tagBytes, t.tagEnd)
    this.#transaction = t.transaction
    return null
  }

  #next(t: Transfer): AmqpFault | null {
    if (t.deliveryId >= 0 && t.deliveryId !== this.#id) {
      return fault('LINK-FIELD', { why: 'a delivery begins before the one before it is complete' })
    }
    if (t.settled) this.#settled = true
    if (t.transaction !== NO_TRANSACTION) this.#transaction = t.transaction
    return null
  }

  #ignore({ more }: Transfer): void {
    if (more) return
    this.#resumed = false
    const known = this.#memory?.accepted(this.#tag) === true
    if (known) this.#memory?.forget(this.#tag)
    if (this.#settled) return
    if (known) this.#session.accept(this.#id)
    else this.#session.refuse(this.#id, RELEASED)
  }

  #tooLarge(): void {
    this.#session.failLink(this, fault('MESSAGE-SIZE', { limit: this.#session.connection.limits.messageBytes }))
  }

  /** Copies, because the receive buffer's memory must not be held by a slow sender of small pieces. */
  #append(t: Transfer, bytes: Buffer, at: number, end: number): void {
    const { connection } = this.#session
    const { limits } = connection
    const size = this.#filled + end - at
    if (size > limits.messageBytes) {
      this.#tooLarge()
      return
    }
    let parts = this.#parts
    if (parts === null || parts.length < size) {
      const larger = Buffer.allocUnsafeSlow(Math.min(limits.messageBytes, Math.max(2 * size, 4096)))
      const more = larger.length - (parts?.length ?? 0)
      if (connection.assembling + more > limits.assemblyBytes) {
        this.#session.failLink(this, fault('ASSEMBLY', { limit: limits.assemblyBytes }))
        return
      }
      connection.assembling += more
      parts?.copy(larger, 0, 0, this.#filled)
      this.#parts = parts = larger
    }
    bytes.copy(parts, this.#filled, at, end)
    this.#filled = size
    if (t.more) return
    this.#forgetParts()
    this.#publish(parts, 0, size)
  }

  #forgetParts(): void {
    if (this.#parts !== null) this.#session.connection.assembling -= this.#parts.length
    this.#parts = null
    this.#filled = 0
    this.#resumed = false
  }

  #publish(bytes: Buffer, at: number, end: number): void {
    let envelope: Envelope
    try {
      const { clock } = this.#session.connection.options
      envelope = envelopeOf(bytes, checkSections(bytes, at, end), this.#envelope, clock)
    } catch (error) {
      if (!(error instanceof AmqpFault)) throw error
      this.#malformed(error)
      return
    }
    const message = at === 0 && end === bytes.length ? bytes : asBuffer(bytes.subarray(at, end))
    if (this.#transaction !== NO_TRANSACTION) return this.#enlist(message, envelope)
    if (this.#settled) {
      this.#target.publish(message, null, this.#id, envelope)
      return
    }
    this.#unanswered++
    if (this.#memory !== null) this.#remember(this.#memory)
    this.#target.publish(message, this, this.#id, envelope)
  }

  #remember(memory: SenderMemory): void {
    this.#sent.set(this.#id, memory.begun(this.#tag))
  }

  /** The presumed outcome is told at once (Part 4, 4.4.1); what is settled already learns of a failure at the discharge. */
  #enlist(message: Buffer, envelope: Envelope): void {
    const failure = this.#session.connection.transactions
      .find(this.#transaction)
      .publish(this.#target, message, envelope)
    if (!this.#settled) this.#session.refuse(this.#id, transactionalState(this.#transaction, failure))
  }

  /** An outcome of its own, from a coordinator. */
  answered(tag: number, outcome: Value): void {
    this.#unanswered--
    if (!this.open) return
    this.#session.refuse(tag, outcome)
    if (this.#credit <= this.#half) this.#session.atTurn(this)
  }

  #malformed(why: AmqpFault): void {
    if (this.#settled) this.#session.failLink(this, fault('LINK-FIELD', { why: why.message }))
    else this.#refuse(this.#id, why.condition, why.message)
  }

  #refuse(id: number, condition: string, text: string): void {
    this.#session.refuse(id, described(composites.rejected.code, list([errorValue(condition, text)])))
  }

  published(tag: number, refusal: Refusal | null): void {
    this.#unanswered--
    const sent = this.#sent.get(tag)
    if (sent !== undefined) {
      this.#sent.delete(tag)
      this.#memory?.ended(sent, refusal === null)
    }
    if (!this.open) return
    if (refusal === null) this.#session.accept(tag)
    else if (refusal.refused === 'not-serving') this.#session.refuse(tag, RELEASED)
    else this.#refuse(tag, conditions[refusal.refused], refusal.text)
    if (this.#credit <= this.#half) this.#session.atTurn(this)
  }

  /** Renews the credit when half of it is used, as far as the queue has room and answers keep up. */
  turn(): void {
    if (!this.open || this.answer !== null || this.#credit > this.#half) return
    const { limits } = this.#session.connection
    const room = this.#target.room()
    const most = Math.min(limits.credit, room, limits.unanswered - this.#unanswered)
    if (most > this.#credit) {
      this.#credit = most
      this.tell()
    }
    if (room <= 0 && this.#forgetRoom === null) this.#forgetRoom = this.#target.onRoom(this.#roomAgain)
  }

  tell(): void {
    this.#session.writeLinkFlow(this.handle, this.#deliveryCount, this.#credit, false)
  }

  /** The client says how far it is; what it skipped of its credit is gone. */
  flow(deliveryCount: number | null): void {
    if (deliveryCount === null) return
    const skipped = (deliveryCount - this.#deliveryCount) | 0
    if (skipped <= 0) return
    this.#credit = Math.max(0, this.#credit - skipped)
    this.#deliveryCount = deliveryCount
    if (this.#credit <= this.#half) this.#session.atTurn(this)
  }

  close(): void {
    if (!this.open) return
    // A detach must not come before its attach.
    this.answer?.()
    this.open = false
    this.#forgetParts()
    this.#forgetRoom?.()
    this.#forgetRoom = null
    this.#node?.close()
  }
}
