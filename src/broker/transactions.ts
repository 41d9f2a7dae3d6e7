// Transactions on the serving server: what clients publish in one is kept here, what they settle stays out of everybody's
// reach, and nothing of either is recorded before the commit, which is one record (group.ts). So a transaction that is not
// committed needs no record to be undone: with its client, its server or its reign it is as if it had never been.

import type { DeadLetters } from './dead-letters.ts'
import type { DeathReason } from './envelope.ts'
import type { Former, Outcome, PublishTarget, Refusal, Subscription, Transaction } from './api.ts'
import type { Envelope } from './envelope.ts'
import { GroupDraft } from './group.ts'
import { notServing } from './intake.ts'
import { TRANSACTION_STEPS, TRANSACTIONS, TRANSACTIONS_BYTES } from './limits.ts'
import type { Message } from './message.ts'
import type { Queue } from './queue.ts'
import type { RecordGround } from './record-ground.ts'

interface Send {
  readonly target: PublishTarget
  readonly body: Uint8Array
  readonly envelope: Envelope
}

/** A message that was delivered and that the transaction settles. */
interface Taken {
  readonly subscription: Former
  readonly message: Message
  readonly outcome: Outcome
  readonly undeliverableHere: boolean
}

interface Ground extends RecordGround {
  readonly deaths: Pick<DeadLetters, 'addressOf' | 'inGroup' | 'counts'>
}

/** What becomes of it. */
interface Fated extends Taken {
  readonly address: string | null
  readonly reason: DeathReason
}

export class Transactions {
  readonly #ground: Ground
  readonly open = new Set<OpenTransaction>()
  /** Of all messages that are not committed. */
  bytes = 0

  constructor(ground: Ground) {
    this.#ground = ground
  }

  begin(): Transaction | Refusal {
    if (!this.#ground.serving) return notServing
    if (this.open.size >= TRANSACTIONS) {
      return { refused: 'limit', text: `there are ${TRANSACTIONS} transactions open, the limit` }
    }
    const transaction = new OpenTransaction(this.#ground, this)
    this.open.add(transaction)
    return transaction
  }

  /** The reign is over. */
  stop(): void {
    for (const transaction of this.open) transaction.forget()
    this.open.clear()
    this.bytes = 0
  }
}

export class OpenTransaction implements Transaction {
  readonly #ground: Ground
  readonly #all: Transactions
  #sends: Send[] = []
  #taken: Taken[] = []
  #bytes = 0
  /** Why it can only be rolled back. */
  #failure: Refusal | null = null
  #over = false

  constructor(ground: Ground, all: Transactions) {
    this.#ground = ground
    this.#all = all
  }

  publish(target: PublishTarget, body: Uint8Array, envelope: Envelope): Refusal | null {
    const { limits } = this.#ground
    const refusal =
      this.#tooLong() ??
      (body.length > limits.messageBytes - this.#bytes
        ? limit(`a transaction would exceed the limit of ${limits.messageBytes} bytes`)
        : null) ??
      (this.#all.bytes + body.length > TRANSACTIONS_BYTES
        ? limit(`all open transactions would exceed the limit of ${TRANSACTIONS_BYTES} bytes`)
        : null)
    if (refusal !== null) return this.#fail(refusal)
    this.#bytes += body.length
    this.#all.bytes += body.length
    this.#sends.push({ target, body: Buffer.from(body), envelope: { ...envelope } })
    return null
  }

  settle(subscription: Subscription, sequence: number, outcome: Outcome, undeliverableHere: boolean): Refusal | null {
    const refusal = this.#tooLong()
    if (refusal !== null) return this.#fail(refusal)
    const enlisted = subscription.enlist(sequence, (from, message) =>
      this.#taken.push({ subscription: from, message: message as Message, outcome, undeliverableHere }),
    )
    return enlisted ? null : this.#fail({ refused: 'not-found', text: 'a message is not there to be settled' })
  }

  commit(done: (refusal: Refusal | null) => void): void {
    const refusal = this.#over || !this.#ground.serving ? notServing : (this.#failure ?? this.#commit(() => done(null)))
    if (refusal === null) return this.#end()
    this.rollback()
    done(refusal)
  }

  /** A refusal: nothing happened. */
  #commit(done: () => void): Refusal | null {
    const ground = this.#ground
    const draft = new GroupDraft(ground)
    const taken = this.#taken
      .filter(({ message, subscription }) => !homeOf(message).dropped && !subscription.abandoned)
      .map(one => this.#fated(one))
    for (const [queue, list] of byQueue(taken)) {
      draft.settled(queue, messagesOf(list, removes), true)
      draft.settled(
        queue,
        messagesOf(list, ({ outcome }) => outcome === 'modified'),
        false,
      )
    }
    const dead = taken.filter(({ address }) => address !== null)
    for (const { message, address, reason } of dead) {
      const refusal = ground.deaths.inGroup(draft, homeOf(message), message, address as string, reason)
      if (refusal !== null) return refusal
    }
    for (const { target, body, envelope } of this.#sends) {
      const refusal = target.inGroup(draft, body, envelope)
      if (refusal !== null) return refusal
    }
    const recorded = (): void => {
      ground.deaths.counts.deadLettered += dead.length
      for (const { subscription, message, outcome, undeliverableHere } of taken)
        subscription.conclude(message, outcome, undeliverableHere)
    }
    return draft.commit(recorded, done)
  }

  /** With where it goes when it is rejected, or has failed too often: then it leaves its queue, whatever the outcome. */
  #fated(one: Taken): Fated {
    const { message, outcome } = one
    const queue = homeOf(message)
    const fails = outcome === 'modified' && message.deliveryCount + 1 >= queue.policy.maxDeliveries
    const reason: DeathReason = fails ? 'deliveries' : 'rejected'
    const dies = fails || outcome === 'rejected'
    const address = dies ? this.#ground.deaths.addressOf(queue, message, reason) : null
    return { ...one, outcome: address === null ? outcome : 'rejected', address, reason }
  }

  rollback(): void {
    if (this.#over) return
    for (const { subscription, message } of this.#taken) if (!homeOf(message).dropped) subscription.ownAgain(message)
    this.#end()
  }

  /** The reign is over: messages are in their queues as before. */
  forget(): void {
    for (const { message } of this.#taken) homeOf(message).giveBack(message)
    this.#over = true
    this.#sends = []
    this.#taken = []
  }

  #end(): void {
    this.#over = true
    this.#all.open.delete(this)
    this.#all.bytes -= this.#bytes
    this.#sends = []
    this.#taken = []
  }

  #tooLong(): Refusal | null {
    if (this.#over) return notServing
    if (this.#sends.length + this.#taken.length < TRANSACTION_STEPS) return null
    return limit(`a transaction sends and settles ${TRANSACTION_STEPS} messages at most`)
  }

  #fail(refusal: Refusal): Refusal {
    this.#failure ??= refusal
    return refusal
  }
}

const limit = (text: string): Refusal => ({ refused: 'limit', text })

const homeOf = (message: Message): Queue => message.home as Queue

const removes = ({ outcome }: Taken): boolean => outcome === 'accepted' || outcome === 'rejected'

function byQueue(taken: readonly Taken[]): Map<Queue, Taken[]> {
  const queues = new Map<Queue, Taken[]>()
  for (const one of taken) {
    const list = queues.get(homeOf(one.message))
    if (list === undefined) queues.set(homeOf(one.message), [one])
    else list.push(one)
  }
  return queues
}

const messagesOf = (list: readonly Taken[], wanted: (one: Taken) => boolean): Message[] =>
  list
    .filter(wanted)
    .map(({ message }) => message)
    .sort((a, b) => a.sequence - b.sequence)
