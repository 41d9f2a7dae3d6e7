// What a transaction does, put together at its commit: the parts of one record, and what follows when that record is safe.
// Who publishes and settles in a transaction is in transactions.ts; how the record is folded elsewhere is in group-fold.ts.

import type { Change } from './change.ts'
import { type Draft, NO_PLANS, type Planned } from './draft.ts'
import { type Address, answerDuplicate, cameNow, keyOf, knownAs, type KnownId } from './duplicate-ids.ts'
import { type Envelope, keptEnvelope } from './envelope.ts'
import { encodeGroup, type Part } from './group-records.ts'
import { costOf, GROUP_OVERHEAD_BYTES } from './limits.ts'
import { Message, Standing } from './message.ts'
import { encodeMessageHead } from './message-record.ts'
import type { Queue } from './queue.ts'
import { boundsOf, encodeRanges, GROUP, MESSAGE, NOTHING, PLACE, RETURNED, ROUTED, SETTLED } from './records.ts'
import type { RecordGround } from './record-ground.ts'
import type { Refusal } from './refusal.ts'
import { encodeRouted } from './topic-records.ts'
import { routedMessages } from './topic-target.ts'

/** What the parts do to the active server's own state, as the record would elsewhere. */
interface Outcome {
  readonly messages: Message[]
  readonly removed: readonly Message[]
  readonly returned: readonly Message[]
  readonly atFold: readonly (() => void)[]
  readonly atAnswer: readonly (() => void)[]
}

/** What a message takes in such a record, about, besides its numbers: a name has at most three bytes to a unit. */
export const sizeInGroup = ({ bodyBytes, envelope }: Message): number =>
  bodyBytes + 3 * (envelope.group.length + envelope.topic.length)

export class GroupDraft implements Draft {
  readonly #ground: RecordGround
  readonly #parts: Part[] = []
  /** Of each part that brings messages, in their order. */
  readonly #makers: ((sequence: number) => Message[])[] = []
  readonly #planned = new Map<Queue, Planned>()
  readonly #known: KnownId[] = []
  readonly #ids = new Set<string>()
  readonly #atFold: (() => void)[] = []
  readonly #atAnswer: (() => void)[] = []
  readonly #removed: Message[] = []
  readonly #returned: Message[] = []
  bytes = 0
  /** Size of its parts in the record, about. */
  #encoded = 0
  /** The last record that brings in a message which this draft leaves out, because it came before. */
  #awaits = 0

  constructor(ground: RecordGround) {
    this.#ground = ground
  }

  planned(queue: Queue): Planned {
    return this.#planned.get(queue) ?? NO_PLANS
  }

  leavesOut(address: Address, { duplicateId }: Envelope): boolean {
    if (duplicateId === '') return false
    const { duplicates, clock } = this.#ground
    const found = duplicates.find(address, duplicateId, clock.wall())
    if (found !== null) this.#awaits = Math.max(this.#awaits, found)
    return found !== null || this.#ids.has(keyOf(address, duplicateId))
  }

  message(queue: Queue, body: Uint8Array, given: Envelope): void {
    const envelope = this.#identified(queue.addressOf(given), given)
    this.#part(MESSAGE, encodeMessageHead(queue.id, envelope), body)
    this.#plan(queue, body.length)
    this.#makers.push(sequence => {
      const message = new Message(sequence, queue, Standing.PENDING, null, 0)
      message.envelope = keptEnvelope(envelope)
      queue.expect(message, body)
      return [message]
    })
  }

  routed(topic: string, queues: readonly Queue[], grades: readonly number[], body: Uint8Array, given: Envelope): void {
    const envelope = this.#identified(topic, given)
    const ids = queues.map(queue => queue.id)
    this.#part(ROUTED, encodeRouted(ids, grades, envelope), body)
    for (const queue of queues) this.#plan(queue, body.length)
    this.#makers.push(sequence => routedMessages(sequence, queues, grades, body, envelope))
  }

  atFold(act: () => void): void {
    this.#atFold.push(act)
  }

  atAnswer(act: () => void): void {
    this.#atAnswer.push(act)
  }

  /** In the order of their sequences; removed, or given back with one more failed delivery. */
  settled(queue: Queue, messages: readonly Message[], removes: boolean): void {
    const all = removes ? this.#removed : this.#returned
    all.push(...messages)
    if (queue.volatile || messages.length === 0) return
    // Other records about this queue may be due: the ranges hold these messages and nothing else.
    const ranges = encodeRanges(queue.id, messages.length, boundsOf(messages))
    this.#part(removes ? SETTLED : RETURNED, ranges, NOTHING)
  }

  /** Makes the record. `recorded`: it is made; `done`: it is safe. A refusal: nothing is recorded. */
  commit(recorded: () => void, done: () => void): Refusal | null {
    const ground = this.#ground
    const { limits } = ground
    if (this.#encoded > limits.messageBytes + GROUP_OVERHEAD_BYTES) {
      const text = `a transaction of ${this.#encoded} bytes is larger than the limit of ${limits.messageBytes}`
      return { refused: 'too-large', text }
    }
    if (this.#parts.length === 0) {
      recorded()
      this.#withoutRecord(done)
      return null
    }
    const sequence = this.#append()
    if (sequence === 0) return ground.noRecord
    recorded()
    let place = sequence - this.#makers.length
    const messages = this.#makers.flatMap(make => make(++place))
    const change = new GroupChange(sequence, this.#outcome(messages), done)
    ground.ledger.change(this.#known.length === 0 ? change : ground.duplicates.with(change, this.#known))
    return null
  }

  /** Only queues without records are touched, or nothing: what was left out may still be on its way. */
  #withoutRecord(done: () => void): void {
    const change = new GroupChange(0, this.#outcome([]), done)
    change.fold()
    const producer = { awaits: 0, published: () => change.answer() }
    answerDuplicate(this.#ground, producer, 0, this.#awaits)
  }

  #append(): number {
    const ground = this.#ground
    for (let i = 1; i < this.#makers.length; i++) {
      if (ground.append(PLACE, NOTHING, NOTHING, true) === 0) return 0
    }
    return ground.append(GROUP, encodeGroup(this.#parts), NOTHING)
  }

  #outcome(messages: Message[]): Outcome {
    return {
      messages,
      removed: this.#removed,
      returned: this.#returned,
      atFold: this.#atFold,
      atAnswer: this.#atAnswer,
    }
  }

  #identified(address: Address, envelope: Envelope): Envelope {
    if (envelope.duplicateId === '') return envelope
    const named = cameNow(envelope, this.#ground.clock)
    this.#known.push(knownAs(address, named))
    this.#ids.add(keyOf(address, named.duplicateId))
    return named
  }

  #part(kind: number, head: Uint8Array, body: Uint8Array): void {
    this.#parts.push({ kind, head: Uint8Array.from(head), body })
    this.#encoded += head.length + body.length + 6
  }

  #plan(queue: Queue, bodyBytes: number): void {
    const { messages, bytes } = this.planned(queue.counted)
    const cost = costOf(bodyBytes)
    this.#planned.set(queue.counted, { messages: messages + 1, bytes: bytes + cost })
    this.bytes += cost
  }
}

class GroupChange implements Change {
  readonly sequence: number
  readonly #outcome: Outcome
  #done: (() => void) | null

  constructor(sequence: number, outcome: Outcome, done: () => void) {
    this.sequence = sequence
    this.#outcome = outcome
    this.#done = done
  }

  fold(): void {
    const { messages, removed, returned, atFold } = this.#outcome
    for (const message of removed) if (!homeOf(message).dropped) homeOf(message).remove(message)
    for (const message of returned) if (!homeOf(message).dropped) homeOf(message).comeBack(message)
    for (const message of messages) message.home.enter(message)
    for (const act of atFold) act()
  }

  answer(): void {
    if (this.#done === null) return
    for (const act of this.#outcome.atAnswer) act()
    for (const message of this.#outcome.returned) homeOf(message).waker?.wanted()
    this.#done()
  }

  silence(): void {
    this.#done = null
  }

  forget(): void {
    const { messages, removed, returned } = this.#outcome
    for (const message of messages) homeOf(message).unexpect(message)
    for (const message of [...removed, ...returned]) homeOf(message).giveBack(message)
  }
}

const homeOf = (message: Message): Queue => message.home as Queue
