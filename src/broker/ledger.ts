// The records this server made itself and does not know to be safe yet, in the order they were appended, and what follows
// when they are: the active server's way of folding, without decoding what it encoded. One object per message (the message)
// and one per batch of settlements; nothing is looked up.

import { Fifo } from './fifo.ts'
import type { Message } from './message.ts'
import type { Queue } from './queue.ts'
import { QUEUE, SETTLED } from './records.ts'
import type { State } from './state.ts'

/** A record about a queue that is no message: its declaration, or messages settled or returned. */
export interface Batch {
  readonly kind: number
  readonly sequence: number
  readonly queue: Queue
  readonly messages: readonly Message[]
}

export class Ledger {
  readonly #messages = new Fifo<Message>()
  readonly #batches = new Fifo<Batch>()
  /** Folded at a moment when nothing could be acknowledged: the answers are still owed. */
  readonly #owedMessages = new Fifo<Message>()
  readonly #owedBatches = new Fifo<Batch>()

  /** Sequence of the last record made here that is not folded, or 0. */
  get last(): number {
    return Math.max(this.#messages.last()?.sequence ?? 0, this.#batches.last()?.sequence ?? 0)
  }

  message(message: Message): void {
    this.#messages.push(message)
  }

  batch(batch: Batch): void {
    this.#batches.push(batch)
  }

  /** Folds the records up to `sequence` into the state; answers at once, or owes the answers if it `mayAnswer` not. */
  fold(sequence: number, mayAnswer: boolean): void {
    const messages = this.#messages
    const batches = this.#batches
    for (;;) {
      const message = messages.peek()
      const batch = batches.peek()
      if (message !== undefined && (batch === undefined || message.sequence < batch.sequence)) {
        if (message.sequence > sequence) return
        messages.shift()
        message.home.enter(message)
        if (message.producer !== null) {
          if (mayAnswer) answerMessage(message)
          else this.#owedMessages.push(message)
        }
      } else {
        if (batch === undefined || batch.sequence > sequence) return
        batches.shift()
        foldBatch(batch)
        if (mayAnswer) answerBatch(batch)
        else this.#owedBatches.push(batch)
      }
    }
  }

  /** True while answers are owed. */
  get owes(): boolean {
    return this.#owedMessages.length > 0 || this.#owedBatches.length > 0
  }

  answerOwed(): void {
    for (let m = this.#owedMessages.shift(); m !== undefined; m = this.#owedMessages.shift()) answerMessage(m)
    for (let b = this.#owedBatches.shift(); b !== undefined; b = this.#owedBatches.shift()) answerBatch(b)
  }

  /** Nobody is told anything any more; the records stay in the journal and may still become safe. */
  forgetAnswers(): void {
    this.#owedMessages.clear()
    this.#owedBatches.clear()
    this.#messages.forEach(message => {
      message.producer = null
    })
    // Who settled is forgotten by Queue.forgetDeliveries.
  }

  /** Records from `sequence` on were not appended after all, or come again by another way: as if never made. */
  forgetFrom(sequence: number, state: State): void {
    for (let m = this.#messages.last(); m !== undefined && m.sequence >= sequence; m = this.#messages.last()) {
      this.#messages.pop()
      ;(m.home as Queue).unexpect(m)
    }
    for (let b = this.#batches.last(); b !== undefined && b.sequence >= sequence; b = this.#batches.last()) {
      this.#batches.pop()
      if (b.kind === QUEUE) state.undeclare(b.queue)
      for (const message of b.messages) b.queue.giveBack(message)
    }
  }

  clear(): void {
    this.#messages.clear()
    this.#batches.clear()
    this.#owedMessages.clear()
    this.#owedBatches.clear()
  }
}

function foldBatch({ kind, queue, messages }: Batch): void {
  if (kind === QUEUE) queue.declared = true
  else if (kind === SETTLED) for (const message of messages) queue.remove(message)
  else for (const message of messages) queue.comeBack(message)
}

function answerMessage(message: Message): void {
  const producer = message.producer
  if (producer === null) return
  message.producer = null
  producer.published(message.tag, null)
}

/** Deliveries answer what is owed first, so that nobody gets a message again before he heard of its return. */
function answerBatch({ queue, messages }: Batch): void {
  for (const message of messages) {
    const owner = message.owner
    if (owner !== null && !owner.closed) owner.consumer.settled(message.sequence)
  }
  queue.waker?.wanted()
}
