// The records this server made itself and does not know to be safe yet, in the order they were appended, and what follows
// when they are: the active server's way of folding, without decoding what it encoded. One object per message (the message)
// and one per change (a batch of settlements, a declaration, a setting); nothing is looked up.

import type { Producer } from './api.ts'
import type { Change } from './change.ts'
import { Fifo } from './fifo.ts'
import { Message } from './message.ts'
import type { Queue } from './queue.ts'
import { QUEUE, SETTLED } from './records.ts'
import type { State } from './state.ts'

/** Messages of a queue that were settled or returned, or the queue's own declaration. */
export class QueueChange implements Change {
  readonly kind: number
  readonly sequence: number
  readonly queue: Queue
  readonly messages: readonly Message[]

  constructor(kind: number, sequence: number, queue: Queue, messages: readonly Message[]) {
    this.kind = kind
    this.sequence = sequence
    this.queue = queue
    this.messages = messages
  }

  fold(): void {
    const { kind, queue, messages } = this
    if (kind === QUEUE) queue.declared = true
    else if (kind === SETTLED) for (const message of messages) queue.remove(message)
    else for (const message of messages) queue.comeBack(message)
  }

  /** Deliveries answer what is owed first, so that nobody gets a message again before he heard of its return. */
  answer(): void {
    for (const message of this.messages) {
      const owner = message.owner
      if (owner !== null && !owner.closed) owner.consumer.settled(message.sequence)
    }
    this.queue.waker?.wanted()
  }

  /** Who settled is forgotten by Queue.forgetDeliveries. */
  silence(): void {}

  forget(state: Pick<State, 'undeclare'>): void {
    if (this.kind === QUEUE) state.undeclare(this.queue)
    for (const message of this.messages) this.queue.giveBack(message)
  }
}

/** Something to be said that has no record of its own, in its place among what has one. */
class Saying implements Change {
  readonly sequence: number
  #say: (() => void) | null

  constructor(sequence: number, say: () => void) {
    this.sequence = sequence
    this.#say = say
  }

  fold(): void {}

  answer(): void {
    this.#say?.()
  }

  silence(): void {
    this.#say = null
  }

  forget(): void {}
}

export class Ledger {
  readonly #messages = new Fifo<Message>()
  readonly #changes = new Fifo<Change>()
  /** Folded at a moment when nothing could be acknowledged: the answers are still owed, in this order. */
  readonly #owed = new Fifo<Message | Change>()
  #foldedThrough = 0
  /** All that the records up to this one bring with them was said. */
  #saidThrough = 0

  /** Sequence of the last record made here that is not folded, or 0. */
  get last(): number {
    return Math.max(this.#messages.last()?.sequence ?? 0, this.#changes.last()?.sequence ?? 0)
  }

  message(message: Message): void {
    this.#messages.push(message)
  }

  change(change: Change): void {
    this.#changes.push(change)
  }

  /** An answer to a message without a record: given at once, or behind those that its producer still waits for. */
  published(producer: Producer, tag: number, mayAnswer: boolean): void {
    if (mayAnswer && this.owes) this.answerOwed()
    const awaits = producer.awaits ?? 0
    if (mayAnswer && awaits <= this.#saidThrough) return producer.published(tag, null)
    const after = this.last
    const saying = new Saying(after, () => producer.published(tag, null))
    if (after === 0) return this.#owed.push(saying)
    producer.awaits = after
    this.#changes.push(saying)
  }

  /** Says it at once, or as soon as something may be said. */
  say(what: () => void, mayAnswer: boolean): void {
    if (mayAnswer) what()
    else this.#owed.push(new Saying(0, what))
  }

  /** Says it as soon as all records that were made until now are safe. */
  sayAfter(what: () => void, mayAnswer: boolean): void {
    const after = this.last
    if (after === 0) this.say(what, mayAnswer)
    else this.#changes.push(new Saying(after, what))
  }

  /** Folds the records up to `sequence` into the state; answers at once, or owes the answers if it `mayAnswer` not. */
  fold(sequence: number, mayAnswer: boolean): void {
    this.#fold(sequence, mayAnswer)
    if (sequence > this.#foldedThrough) this.#foldedThrough = sequence
    if (!this.owes) this.#saidThrough = this.#foldedThrough
  }

  #fold(sequence: number, mayAnswer: boolean): void {
    const messages = this.#messages
    const changes = this.#changes
    for (;;) {
      const message = messages.peek()
      const change = changes.peek()
      // What has no record of its own comes after the record whose sequence it carries.
      if (message !== undefined && (change === undefined || message.sequence <= change.sequence)) {
        if (message.sequence > sequence) return
        messages.shift()
        message.home.enter(message)
        if (message.producer !== null) {
          if (mayAnswer) answerMessage(message)
          else this.#owed.push(message)
        }
      } else {
        if (change === undefined || change.sequence > sequence) return
        changes.shift()
        change.fold()
        if (mayAnswer) change.answer()
        else this.#owed.push(change)
      }
    }
  }

  /** True while answers are owed. */
  get owes(): boolean {
    return this.#owed.length > 0
  }

  answerOwed(): void {
    for (let owed = this.#owed.shift(); owed !== undefined; owed = this.#owed.shift()) {
      if (owed instanceof Message) answerMessage(owed)
      else owed.answer()
    }
    this.#saidThrough = this.#foldedThrough
  }

  /** Nobody is told anything any more; the records stay in the journal and may still become safe. */
  forgetAnswers(): void {
    this.#owed.clear()
    this.#messages.forEach(message => {
      message.producer = null
    })
    this.#changes.forEach(change => change.silence())
  }

  /** Records from `sequence` on were not appended after all, or come again by another way: as if never made. */
  forgetFrom(sequence: number, state: State): void {
    for (let m = this.#messages.last(); m !== undefined && m.sequence >= sequence; m = this.#messages.last()) {
      this.#messages.pop()
      ;(m.home as Queue).unexpect(m)
    }
    for (let c = this.#changes.last(); c !== undefined && c.sequence >= sequence; c = this.#changes.last()) {
      this.#changes.pop()
      c.forget(state)
    }
  }

  clear(): void {
    this.#messages.clear()
    this.#changes.clear()
    this.#owed.clear()
    this.#foldedThrough = 0
    this.#saidThrough = 0
  }
}

function answerMessage(message: Message): void {
  const producer = message.producer
  if (producer === null) return
  message.producer = null
  producer.published(message.tag, null)
}
