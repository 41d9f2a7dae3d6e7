// Messages that leave their queue without having been consumed: rejected, over, failed too often, or too many. Where an address
// is settled for them they go there, by one record: a failover finds each of them here or there. Where none is, they are gone,
// as if consumed. What cannot go now, because its address is full or not to be had, stays out of everybody's reach and is tried
// again; with the end of the reign it is in its queue as before.

import type { Timer } from '../base/ports.ts'
import { type PublishTarget, TOPIC_SCHEME } from './api.ts'
import type { Draft } from './draft.ts'
import { type DeathReason, type Envelope, keptEnvelope, MQTT_FORMAT } from './envelope.ts'
import { GroupDraft, sizeInGroup } from './group.ts'
import { type Message, Standing } from './message.ts'
import type { Readdress } from './neutral.ts'
import type { Policies } from './policies.ts'
import type { Queue } from './queue.ts'
import type { RecordGround } from './record-ground.ts'
import { boundsOf, encodeRanges, SETTLED } from './records.ts'
import type { Refusal } from './refusal.ts'
import { topicOf } from './topic-fold.ts'

export interface DeathGround extends RecordGround {
  readonly policies: Policies
  /** Made where it is not there, as by who sends to it. */
  target(address: string): PublishTarget | Refusal
  record(kind: number, queue: Queue, head: Uint8Array, messages: readonly Message[], patient: boolean): boolean
  /** A message as it is for another topic: some carry theirs in their bytes. */
  readonly readdress: Readdress
}

/** Of messages that no consumer took, since this server was started. */
export interface Counts {
  expired: number
  /** Put elsewhere. */
  deadLettered: number
  /** Gone because there was no room for newer ones. */
  discarded: number
}

/** A message that went round so often goes nowhere any more. */
const MOST_DEATHS = 16
const MOVED_PER_RECORD = 256
/** More than what a message needs in a record besides its bytes. */
const HEAD_BYTES = 128
const RETRY_MS = 1000
const SAY_MS = 60_000

interface Waiting {
  readonly queue: Queue
  readonly reason: DeathReason
  readonly messages: readonly Message[]
}

export class DeadLetters {
  readonly #ground: DeathGround
  readonly counts: Counts = { expired: 0, deadLettered: 0, discarded: 0 }
  #waiting: Waiting[] = []
  #timer: Timer | null = null
  #saidAt = -Infinity

  constructor(ground: DeathGround) {
    this.#ground = ground
  }

  /** The reign is over: what could not go is where it was. */
  stop(): void {
    this.#timer?.cancel()
    this.#timer = null
    const waiting = this.#waiting
    this.#waiting = []
    for (const { queue, messages } of waiting)
      if (!queue.dropped) for (const message of messages) queue.giveBack(message)
  }

  /** The queue is about to go, with all in it. */
  forget(queue: Queue): void {
    this.#waiting = this.#waiting.filter(one => one.queue !== queue)
  }

  /** Where this message goes when it dies so; null: nowhere. */
  addressOf(queue: Queue, message: Message, reason: DeathReason): string | null {
    const { policies } = this.#ground
    if (queue.volatile) return null
    const policy = policies.ofMessage(queue, message)
    const address = reason === 'expired' ? policy.expiry : policy.deadLetter
    if (address === null || (message.envelope.death?.count ?? 0) >= MOST_DEATHS) return null
    // A topic that leads back to where it comes from.
    return address.startsWith(TOPIC_SCHEME) && address === homeOf(queue, message) ? null : address
  }

  /** They leave, as soon as they can; nobody can have them meanwhile. Their owners are told when that is safe. */
  bury(queue: Queue, messages: readonly Message[], reason: DeathReason): void {
    for (const message of messages) message.standing = Standing.TAKEN
    const left = this.move(queue, messages, reason)
    if (left.length === 0) return
    this.#waiting.push({ queue, reason, messages: left })
    this.#timer ??= this.#ground.clock.after(RETRY_MS, () => this.#retry())
  }

  #retry(): void {
    this.#timer = null
    if (!this.#ground.serving) return
    const waiting = this.#waiting
    this.#waiting = []
    for (const { queue, messages, reason } of waiting) if (!queue.dropped) this.bury(queue, messages, reason)
  }

  /** Makes the records that let these leave; those for which there is none now are given back, and are as they were. */
  move(queue: Queue, messages: readonly Message[], reason: DeathReason): Message[] {
    const left: Message[] = []
    const gone: Message[] = []
    const moved = new Map<string, Message[]>()
    for (const message of messages) {
      const address = this.addressOf(queue, message, reason)
      const list = address === null ? gone : (moved.get(address) ?? [])
      list.push(message)
      if (address !== null) moved.set(address, list)
    }
    if (gone.length > 0 && !this.remove(queue, gone)) left.push(...gone)
    for (const [address, list] of moved) left.push(...this.#send(queue, list, address, reason))
    if (reason === 'expired') this.counts.expired += messages.length - left.length
    return left
  }

  /** The same for messages that go nowhere, whatever is settled. */
  discard(queue: Queue, messages: readonly Message[]): readonly Message[] {
    if (!this.remove(queue, messages)) return messages
    this.counts.discarded += messages.length
    return []
  }

  /** With a transaction that has this message and settles it. */
  inGroup(draft: Draft, queue: Queue, message: Message, address: string, reason: DeathReason): Refusal | null {
    const target = this.#ground.target(address)
    if ('refused' in target) return target
    return target.inGroup(draft, this.#bodyFor(message, address), this.#dead(queue, message, reason))
  }

  /** Makes the record by which they leave for nowhere; false where the log does not take it now. */
  remove(queue: Queue, messages: readonly Message[]): boolean {
    const sorted = messages.toSorted((a, b) => a.sequence - b.sequence)
    const standings = sorted.map(({ standing }) => standing)
    for (const message of sorted) message.standing = Standing.SETTLING
    const head = encodeRanges(queue.id, sorted.length, boundsOf(sorted))
    if (this.#ground.record(SETTLED, queue, head, sorted, true)) return true
    sorted.forEach((message, i) => (message.standing = standings[i] as Standing))
    return false
  }

  /** As many as there is room for; the others. */
  #send(queue: Queue, messages: readonly Message[], address: string, reason: DeathReason): Message[] {
    const sorted = messages.toSorted((a, b) => a.sequence - b.sequence)
    const left: Message[] = []
    for (let from = 0; from < sorted.length;) {
      const sent = this.#sendSome(queue, sorted, from, address, reason)
      if (typeof sent === 'number') {
        from += sent
        continue
      }
      this.#sayWhy(queue, address, sent)
      if (sent.refused !== 'too-large') return [...left, ...sorted.slice(from)]
      // One that no record takes, with where it was, holds up no other.
      left.push(sorted[from++] as Message)
    }
    return left
  }

  /** How many went, or why not even the first one does. */
  #sendSome(
    queue: Queue,
    messages: readonly Message[],
    from: number,
    address: string,
    reason: DeathReason,
  ): number | Refusal {
    const ground = this.#ground
    const draft = new GroupDraft(ground)
    const sent: Message[] = []
    let bytes = 0
    let refusal: Refusal | null = null
    for (let at = from; at < messages.length && sent.length < MOVED_PER_RECORD; at++) {
      const message = messages[at] as Message
      const size = HEAD_BYTES + sizeInGroup(message) + 3 * homeOf(queue, message).length
      if (sent.length > 0 && bytes + size > ground.limits.messageBytes) break
      refusal = this.inGroup(draft, queue, message, address, reason)
      if (refusal !== null) break
      bytes += size
      sent.push(message)
    }
    if (sent.length > 0) {
      draft.settled(queue, sent, true)
      const recorded = (): void => {
        for (const message of sent) message.standing = Standing.SETTLING
      }
      refusal = draft.commit(recorded, () => answer(sent))
      if (refusal === null) {
        this.counts.deadLettered += sent.length
        return sent.length
      }
    }
    return refusal ?? ground.noRecord
  }

  #dead(queue: Queue, message: Message, reason: DeathReason): Envelope {
    const { envelope } = message
    const death = {
      reason,
      address: homeOf(queue, message),
      count: (envelope.death?.count ?? 0) + 1,
      at: Math.max(0, Math.floor(this.#ground.clock.wall())),
    }
    // It is not to be gone by itself from where it goes.
    const qos = Math.max(1, envelope.qos) as 1 | 2
    return keptEnvelope({ ...envelope, expiresAt: 0, deliverAt: 0, retain: false, qos, death })
  }

  #bodyFor({ body, envelope }: Message, address: string): Uint8Array {
    if (envelope.format !== MQTT_FORMAT || !address.startsWith(TOPIC_SCHEME)) return body
    return this.#ground.readdress(body, envelope, address.slice(TOPIC_SCHEME.length))
  }

  #sayWhy(queue: Queue, address: string, { text }: Refusal): void {
    const now = this.#ground.clock.now()
    if (now - this.#saidAt < SAY_MS) return
    this.#saidAt = now
    this.#ground.say('warn', `Messages of ${queue.name} cannot go to ${address}, and wait: ${text}`, {
      queue: queue.name,
    })
  }
}

/** What a message was sent to: of a subscription's or a session's the topic. */
const homeOf = (queue: Queue, { body, envelope }: Message): string =>
  queue.counted.hidden ? TOPIC_SCHEME + topicOf(body, envelope) : queue.counted.name

/** Owners of messages that were settled are told. */
function answer(messages: readonly Message[]): void {
  for (const { owner, sequence } of messages) if (owner !== null && !owner.closed) owner.consumer.settled(sequence)
}
