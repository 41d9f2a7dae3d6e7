// The transactions of one connection (AMQP 1.0, Part 4): declared by their controllers, named by transfers and dispositions
// on any session, and discharged. What a transaction does is the broker's; here is what its clients must know of it, and
// what they left unsettled.

import type { Clock, LogLevel, Timer } from '../../base/ports.ts'
import {
  type Broker,
  isRefusal,
  type Outcome,
  type Refusal,
  type Subscription,
  type Transaction,
} from '../../broker/api.ts'
import { fault } from './errors.ts'
import type { AmqpLimits } from './limits.ts'

export interface TransactionsHost {
  readonly limits: AmqpLimits
  readonly broker: Broker
  readonly options: { readonly clock: Clock }
  say(level: LogLevel, line: string): void
}

/** A delivery that a transaction settles. */
export interface EnlistedDelivery {
  /** The client has settled it: nothing more is said about it. */
  settled: boolean
  /** The transaction is committed. */
  done(): void
  /** It is rolled back; `counts`: as a failed delivery, where the client has settled it. */
  undone(counts: boolean): void
}

/** Conditions of Part 4, 4.5.8. */
const ROLLED_BACK = 'amqp:transaction:rollback'
const TIMED_OUT = 'amqp:transaction:timeout'

export interface Failure {
  readonly condition: string
  readonly text: string
}

export class OpenTransaction {
  readonly id: number
  /** Who declared it: it ends with that link. */
  readonly controller: object
  /** Null once it has timed out. */
  #inner: Transaction | null
  readonly #deliveries: EnlistedDelivery[] = []
  readonly #clock: Clock
  usedAt: number
  timer: Timer | null = null

  constructor(id: number, controller: object, inner: Transaction, clock: Clock) {
    this.id = id
    this.controller = controller
    this.#inner = inner
    this.#clock = clock
    this.usedAt = clock.now()
  }

  publish(...of: Parameters<Transaction['publish']>): Failure | null {
    this.usedAt = this.#clock.now()
    if (this.#inner === null) return TIMEOUT
    const refusal = this.#inner.publish(...of)
    return refusal === null ? null : { condition: ROLLED_BACK, text: refusal.text }
  }

  /** False where the transaction does not have it: it is as if nothing had been said of the delivery. */
  settle(
    subscription: Subscription,
    sequence: number,
    outcome: Outcome,
    here: boolean,
    delivery: EnlistedDelivery,
  ): boolean {
    this.usedAt = this.#clock.now()
    if (this.#inner === null || this.#inner.settle(subscription, sequence, outcome, here) !== null) return false
    this.#deliveries.push(delivery)
    return true
  }

  commit(done: (failure: Failure | null) => void): void {
    this.timer?.cancel()
    if (this.#inner === null) return done(TIMEOUT)
    this.#inner.commit(refusal => {
      for (const delivery of this.#deliveries)
        if (refusal === null) delivery.done()
        else delivery.undone(true)
      done(refusal === null ? null : { condition: ROLLED_BACK, text: refusal.text })
    })
  }

  rollback(counts: boolean): void {
    this.timer?.cancel()
    this.#inner?.rollback()
    this.#inner = null
    for (const delivery of this.#deliveries) delivery.undone(counts)
    this.#deliveries.length = 0
  }
}

const TIMEOUT: Failure = { condition: TIMED_OUT, text: 'nothing was heard of the transaction for too long' }

export class Transactions {
  readonly #host: TransactionsHost
  readonly #open = new Map<number, OpenTransaction>()
  #next = 1

  constructor(host: TransactionsHost) {
    this.#host = host
  }

  /** The transaction of this number; throws a fault where there is none. */
  find(id: number): OpenTransaction {
    const transaction = this.#open.get(id)
    if (transaction === undefined) throw fault('TRANSACTION')
    return transaction
  }

  /** The same for its end. */
  take(id: number, controller: object): OpenTransaction | null {
    const transaction = this.#open.get(id)
    if (transaction === undefined || transaction.controller !== controller) return null
    this.#open.delete(id)
    return transaction
  }

  declare(controller: object): OpenTransaction | Refusal {
    const { limits, broker, options } = this.#host
    if (this.#open.size >= limits.transactions) {
      return { refused: 'limit', text: `${limits.transactions} transactions of this connection are open, the limit` }
    }
    const inner = broker.begin()
    if (isRefusal(inner)) return inner
    const id = this.#next
    this.#next = (id + 1) >>> 0
    const transaction = new OpenTransaction(id, controller, inner, options.clock)
    this.#open.set(id, transaction)
    this.#watch(transaction, limits.transactionIdleMs)
    return transaction
  }

  /** What its controller leaves behind when it goes. */
  abandon(controller: object): void {
    for (const transaction of this.#open.values()) {
      if (transaction.controller !== controller) continue
      this.#open.delete(transaction.id)
      transaction.rollback(false)
    }
  }

  /** One that has timed out holds its number until it is discharged, so that its client hears why. */
  #watch(transaction: OpenTransaction, afterMs: number): void {
    const { limits, options } = this.#host
    transaction.timer = options.clock.after(afterMs, () => {
      const left = transaction.usedAt + limits.transactionIdleMs - options.clock.now()
      if (left > 0) return this.#watch(transaction, left)
      this.#host.say('warn', `A transaction is rolled back: ${TIMEOUT.text} (${limits.transactionIdleMs} ms).`)
      transaction.rollback(true)
    })
  }
}
