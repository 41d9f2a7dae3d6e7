// Records about topics that this server made itself, while nobody knows whether they are safe, and what follows when they
// are: one object for each record. The follower's way is in topic-fold.ts.

import type { Producer } from './api.ts'
import type { BindingOptions } from './binding.ts'
import type { Change } from './change.ts'
import type { Message } from './message.ts'
import type { Queue } from './queue.ts'
import type { Retained, RetainedMessage } from './retained.ts'
import type { Refusal } from './refusal.ts'

/** One message on its way into several queues, or into none where only its taking is recorded. */
export class RoutedChange implements Change {
  readonly sequence: number
  readonly #messages: readonly Message[]
  #producer: Producer | null
  readonly #tag: number
  /** Exactly once: the state learns that the packet identifier was used. */
  readonly #taken: (() => void) | null

  constructor(
    sequence: number,
    messages: readonly Message[],
    producer: Producer | null,
    tag: number,
    taken: (() => void) | null,
  ) {
    this.sequence = sequence
    this.#messages = messages
    this.#producer = producer
    this.#tag = tag
    this.#taken = taken
  }

  fold(): void {
    for (const message of this.#messages) message.home.enter(message)
    this.#taken?.()
  }

  answer(): void {
    this.#producer?.published(this.#tag, null)
  }

  silence(): void {
    this.#producer = null
  }

  forget(): void {
    for (const message of this.#messages) (message.home as Queue).unexpect(message)
  }
}

export class RetainedChange implements Change {
  readonly sequence: number
  readonly #retained: Retained
  readonly #message: RetainedMessage
  readonly #before: number
  #producer: Producer | null
  readonly #tag: number

  /** `producer` only where no other record answers it. */
  constructor(sequence: number, retained: Retained, message: RetainedMessage, producer: Producer | null, tag: number) {
    this.sequence = sequence
    this.#retained = retained
    this.#message = message
    this.#before = retained.expect(message)
    this.#producer = producer
    this.#tag = tag
  }

  fold(): void {
    this.#retained.arrived(this.#message, this.#before)
    this.#retained.put(this.#message)
  }

  answer(): void {
    this.#producer?.published(this.#tag, null)
  }

  silence(): void {
    this.#producer = null
  }

  forget(): void {
    this.#retained.unexpect(this.#message, this.#before)
  }
}

/** A queue that is bound to a filter (`options`), or no longer is (null). */
export class BindingChange implements Change {
  readonly sequence: number
  readonly #queue: Queue
  readonly #filter: string
  readonly #options: BindingOptions | null
  #done: (refusal: Refusal | null) => void

  constructor(
    sequence: number,
    queue: Queue,
    filter: string,
    options: BindingOptions | null,
    done: (refusal: Refusal | null) => void,
  ) {
    this.sequence = sequence
    this.#queue = queue
    this.#filter = filter
    this.#options = options
    this.#done = done
  }

  fold(): void {
    if (this.#options === null) this.#queue.bindings.delete(this.#filter)
    else this.#queue.bindings.set(this.#filter, this.#options)
  }

  answer(): void {
    this.#done(null)
  }

  silence(): void {
    this.#done = () => {}
  }

  forget(): void {}
}

/** Anything else: what it does to the state, and who is told. */
export class PlainChange implements Change {
  readonly sequence: number
  readonly fold: () => void
  answer: () => void
  readonly forget: () => void

  constructor(sequence: number, fold: () => void, answer: () => void, forget: () => void = () => {}) {
    this.sequence = sequence
    this.fold = fold
    this.answer = answer
    this.forget = forget
  }

  silence(): void {
    this.answer = () => {}
  }
}
