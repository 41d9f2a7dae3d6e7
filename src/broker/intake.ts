// The way in: what is published is judged against the limits, which count what is on its way in as if it were there, gets
// a record, and waits in the ledger. Also who waits for room in a full queue. What happens when the record is safe is in
// ledger.ts.

import type { Producer, PublishTarget, Refusal } from './api.ts'
import type { Draft } from './draft.ts'
import { answerDuplicate, cameNow, duplicateIdFault, knownAs } from './duplicate-ids.ts'
import { DEFAULT_ENVELOPE, type Envelope, keptEnvelope } from './envelope.ts'
import { DelayedQueue } from './delayed-queue.ts'
import { costOf } from './limits.ts'
import { Message, Standing } from './message.ts'
import { encodeMessageHead } from './message-record.ts'
import { limited } from './policy.ts'
import type { Queue } from './queue.ts'
import type { Slowed } from './slowed.ts'
import { SlowLine } from './slowed.ts'
import type { RecordGround } from './record-ground.ts'
import { MESSAGE } from './records.ts'
import { RoutedChange } from './topic-changes.ts'

export interface IntakeGround extends RecordGround {
  /** In the broker's next turn those who wait are asked for. */
  askForRoom(target: QueueTarget): void
  readonly slowed: Slowed
  /** Room in queues whose oldest messages give way. */
  readonly oldest: { makesRoom(queue: Queue, bodyBytes: number): boolean }
  readonly delays: {
    isEarly(envelope: Envelope): boolean
    /** Where messages for this queue wait. */
    placeFor(of: Queue): Queue | Refusal
  }
}

/** A full queue is reported once in this time. */
const SAY_FULL_MS = 60_000

const heldTooMuch: Refusal = { refused: 'queue-full', text: 'too many messages wait for room in their queues' }

export const notServing: Refusal = { refused: 'not-serving', text: 'this server does not serve now' }

/** What all queues together may hold, and what of it in memory; null where so many more bytes have room. */
export function storeFault(
  { limits, heldBytes, residentBytes }: Pick<RecordGround, 'limits' | 'heldBytes' | 'residentBytes'>,
  cost: number,
): string | null {
  if (heldBytes + cost > limits.storeBytes) {
    return `all queues together would exceed the limit of ${limits.storeBytes} bytes`
  }
  if (residentBytes + cost > limits.memoryBytes) {
    return `what is in memory would exceed the limit of ${limits.memoryBytes} bytes`
  }
  return null
}

/** Targets at which somebody waits for room: they are asked for it in a turn of the broker's. */
export class RoomSeekers {
  readonly #targets = new Set<QueueTarget>()
  readonly #inTurn: (work: () => void) => void

  constructor(inTurn: (work: () => void) => void) {
    this.#inTurn = inTurn
  }

  add(target: QueueTarget): void {
    this.#targets.add(target)
    this.look()
  }

  /** There may be room. */
  look(): void {
    if (this.#targets.size > 0) this.#inTurn(this.#offer)
  }

  forget(): void {
    for (const target of this.#targets) target.forgetWaiting()
    this.#targets.clear()
  }

  readonly #offer = (): void => {
    for (const target of this.#targets) if (target.offerRoom()) this.#targets.delete(target)
  }
}

export class QueueTarget implements PublishTarget {
  readonly queue: Queue
  readonly #ground: IntakeGround
  readonly #waiting = new Set<() => void>()
  /** Messages without an answer, of producers that are slowed. */
  readonly #slow: SlowLine
  /** Size of a message here, smoothed: turns free bytes into a number of messages. */
  #typicalBytes = costOf(0)
  #saidFullAt = -Infinity

  constructor(queue: Queue, ground: IntakeGround) {
    this.queue = queue
    this.#ground = ground
    this.#slow = new SlowLine(ground.slowed)
  }

  get name(): string {
    return this.queue.name
  }

  publish(body: Uint8Array, producer: Producer | null, tag: number, given: Envelope = DEFAULT_ENVELOPE): void {
    const envelope = this.#living(given)
    if (this.#slow.length > 0) return this.#hold(body, producer, tag, envelope)
    if (envelope.duplicateId !== '') return this.#publishOnce(body, producer, tag, envelope)
    const refusal = this.#refusal(body.length)
    if (refusal !== null) return this.#refuse(refusal, body, producer, tag, envelope)
    this.#take(body, producer, tag, envelope)
  }

  #take(body: Uint8Array, producer: Producer | null, tag: number, envelope: Envelope): void {
    const { queue } = this
    const kept = envelope === DEFAULT_ENVELOPE ? envelope : keptEnvelope(envelope)
    let place = queue
    if (kept.deliverAt !== 0) {
      const found = this.#placeOf(kept)
      if ('refused' in found) return producer?.published(tag, found)
      place = found
    }
    const head = kept === DEFAULT_ENVELOPE ? queue.messageHead : encodeMessageHead(place.id, kept)
    const sequence = this.#ground.append(MESSAGE, head, body)
    if (sequence === 0) {
      producer?.published(tag, this.#ground.noRecord)
      return
    }
    if (producer !== null) producer.awaits = sequence
    const message = new Message(sequence, place, Standing.PENDING, producer, tag)
    message.envelope = kept
    place.expect(message, this.#ground.laid(sequence, body))
    this.#ground.ledger.message(message)
    this.#typicalBytes += (costOf(body.length) - this.#typicalBytes) / 16
  }

  /** Its producer may send it again after a failover: a duplicate is accepted, also by a full queue. */
  #publishOnce(body: Uint8Array, producer: Producer | null, tag: number, given: Envelope): void {
    const { queue } = this
    const ground = this.#ground
    const found = this.#known(given)
    if (found !== null) return answerDuplicate(ground, producer, tag, found)
    const fault = duplicateIdFault(given.duplicateId)
    if (fault !== null) return producer?.published(tag, fault)
    const refusal = this.#refusal(body.length)
    if (refusal !== null) return this.#refuse(refusal, body, producer, tag, given)
    const envelope = cameNow(given, ground.clock)
    const place = this.#placeOf(envelope)
    if ('refused' in place) return producer?.published(tag, place)
    const sequence = ground.append(MESSAGE, encodeMessageHead(place.id, envelope), body)
    if (sequence === 0) return producer?.published(tag, ground.noRecord)
    if (producer !== null) producer.awaits = sequence
    const message = new Message(sequence, place, Standing.PENDING, null, 0)
    message.envelope = keptEnvelope(envelope)
    place.expect(message, ground.laid(sequence, body))
    this.#typicalBytes += (costOf(body.length) - this.#typicalBytes) / 16
    const change = new RoutedChange(sequence, [message], producer, tag, null)
    ground.ledger.change(ground.duplicates.with(change, [knownAs(queue.addressOf(envelope), envelope)]))
  }

  /** What is not safe yet cannot give way: a newcomer waits a moment for that. */
  get #oldestIsComing(): boolean {
    const { policy, pendingMessages } = this.queue
    return policy.whenFull !== 'slow' && policy.whenFull !== 'refuse' && pendingMessages > 0
  }

  /** It has no room: what is settled for that. */
  #refuse(refusal: Refusal, body: Uint8Array, producer: Producer | null, tag: number, envelope: Envelope): void {
    const { policy } = this.queue
    const waits = policy.whenFull === 'slow' || this.#oldestIsComing
    // What would never fit does not wait.
    const isSlow = refusal.refused === 'queue-full' && waits && costOf(body.length) <= policy.bytes
    if (isSlow) this.#hold(body, producer, tag, envelope)
    else producer?.published(tag, refusal)
  }

  #hold(body: Uint8Array, producer: Producer | null, tag: number, envelope: Envelope): void {
    const { serving, limits } = this.#ground
    const isFit = serving && body.length <= limits.messageBytes
    if (isFit && this.#slow.add(body, producer, tag, envelope)) return this.#ground.askForRoom(this)
    producer?.published(tag, isFit ? heldTooMuch : (this.#refusal(body.length) ?? heldTooMuch))
  }

  #known(envelope: Envelope): number | null {
    const { duplicates, clock, serving } = this.#ground
    return serving ? duplicates.find(this.queue.addressOf(envelope), envelope.duplicateId, clock.wall()) : null
  }

  /** With the time to live that it may have here. */
  #living(envelope: Envelope): Envelope {
    const { life } = this.queue.policy
    return life === null ? envelope : limited(envelope, life, this.#ground.clock.wall())
  }

  /** The queue itself, or where messages for it wait until they are to be delivered. */
  #placeOf(envelope: Envelope): Queue | Refusal {
    const { queue } = this
    const { delays } = this.#ground
    return queue instanceof DelayedQueue || !delays.isEarly(envelope) ? queue : delays.placeFor(queue)
  }

  inGroup(draft: Draft, body: Uint8Array, given: Envelope): Refusal | null {
    const { queue } = this
    const envelope = this.#living(given)
    if (draft.leavesOut(queue.addressOf(envelope), envelope)) return null
    const { messages, bytes } = draft.planned(queue)
    // What only moves from another queue needs no more room in all.
    const all = envelope.death === null ? draft.bytes : -Infinity
    const refusal = duplicateIdFault(envelope.duplicateId) ?? this.#refusal(body.length, messages, bytes, all)
    if (refusal !== null) return refusal
    const place = this.#placeOf(envelope)
    if ('refused' in place) return place
    draft.message(place, body, envelope)
    return null
  }

  room(): number {
    const { queue } = this
    const { serving, crowded, limits, heldBytes, residentBytes } = this.#ground
    if (!serving || crowded || queue.dropped || this.#slow.length > 0) return 0
    const { policy } = queue
    if (policy.whenFull === 'drop-oldest' || policy.whenFull === 'dead-letter') return this.#roomForAll()
    const messages = policy.messages - queue.line.count - queue.pendingMessages - queue.delayedMessages
    const bytes = Math.min(
      policy.bytes - queue.bytes - queue.pendingBytes - queue.delayedBytes,
      limits.storeBytes - heldBytes,
      limits.memoryBytes - residentBytes,
    )
    return Math.max(0, Math.min(messages, Math.floor(bytes / this.#typicalBytes)))
  }

  /** Where the oldest give way only the limits of all queues count. */
  #roomForAll(): number {
    const { limits, heldBytes, residentBytes } = this.#ground
    const bytes = Math.min(limits.storeBytes - heldBytes, limits.memoryBytes - residentBytes)
    return Math.max(0, Math.floor(bytes / this.#typicalBytes))
  }

  onRoom(ready: () => void): () => void {
    this.#waiting.add(ready)
    this.#ground.askForRoom(this)
    return () => {
      this.#waiting.delete(ready)
    }
  }

  /** Calls those who wait if there is room; false if some still wait. */
  offerRoom(): boolean {
    this.#slow.offer(({ body, producer, tag, envelope }) => {
      if (this.#ground.crowded || this.#refusal(body.length)?.refused === 'queue-full') return false
      if (envelope.duplicateId === '') this.#take(body, producer, tag, envelope)
      else this.#publishOnce(body, producer, tag, envelope)
      return true
    })
    if (this.#waiting.size > 0 && this.room() > 0) {
      const waiting = [...this.#waiting]
      this.#waiting.clear()
      for (const ready of waiting) ready()
    }
    return this.#waiting.size === 0 && this.#slow.length === 0
  }

  forgetWaiting(): void {
    this.#waiting.clear()
    this.#slow.clear()
  }

  /** `messages`, `bytes`: what is to come into this queue together with it; `all`: into all queues. */
  #refusal(bodyBytes: number, messages = 0, bytes = 0, all = 0): Refusal | null {
    const { queue } = this
    const { serving, limits } = this.#ground
    const { policy } = queue
    if (!serving || queue.dropped) return notServing
    if (bodyBytes > limits.messageBytes) {
      const text = `a message of ${bodyBytes} bytes is larger than the limit of ${limits.messageBytes}`
      return { refused: 'too-large', text }
    }
    const cost = costOf(bodyBytes)
    const why = this.#fullness(cost, messages, bytes)
    const givesWay = why !== null && (policy.whenFull === 'drop-oldest' || policy.whenFull === 'dead-letter')
    if (why !== null && !givesWay) return this.#full(why)
    const fault = storeFault(this.#ground, all + cost)
    if (fault !== null) return this.#full(fault)
    return givesWay && !this.#ground.oldest.makesRoom(queue, bodyBytes) ? this.#full(why) : null
  }

  /** Why one more message of this cost is beyond a limit of the queue, or null. */
  #fullness(cost: number, messages: number, bytes: number): string | null {
    const { queue } = this
    const { policy } = queue
    if (queue.line.count + queue.pendingMessages + queue.delayedMessages + messages >= policy.messages) {
      return `the queue ${queue.name} holds ${policy.messages} messages, its limit`
    }
    return queue.bytes + queue.pendingBytes + queue.delayedBytes + bytes + cost > policy.bytes
      ? `the queue ${queue.name} would exceed its limit of ${policy.bytes} bytes`
      : null
  }

  #full(text: string): Refusal {
    const now = this.#ground.clock.now()
    if (!this.#oldestIsComing && now - this.#saidFullAt >= SAY_FULL_MS) {
      this.#saidFullAt = now
      const what = this.queue.policy.whenFull === 'slow' ? 'wait' : 'are refused'
      this.#ground.say('warn', `Messages for ${this.queue.name} ${what}: ${text}`, { queue: this.queue.name })
    }
    return { refused: 'queue-full', text }
  }
}
