// The coordinator (AMQP 1.0, Part 4): a target whose messages declare and discharge transactions. It answers each with the
// outcome of its delivery.

import { isRefusal, type Producer, type PublishTarget, type Refusal, type TemporaryQueue } from '../../broker/api.ts'
import { Decoder } from './decode.ts'
import { AmqpFault, fault } from './errors.ts'
import type { ConnectionHost, SessionHost } from './hosts.ts'
import type { IncomingLink } from './incoming-link.ts'
import { codesByName, codeOf, fieldsOf, transactions } from './performatives.ts'
import { ACCEPTED, idBytes, numberOf, rejected } from './transactional-state.ts'
import { asBuffer, binary, described, list, type Value } from './types.ts'

const AMQP_VALUE = 0x77
export class Coordinator implements PublishTarget, TemporaryQueue {
  readonly name = ''
  readonly #session: SessionHost
  readonly #connection: ConnectionHost
  /** The link on which it is spoken to. */
  link: IncomingLink | null = null

  constructor(session: SessionHost) {
    this.#session = session
    this.#connection = session.connection
  }

  publish(message: Uint8Array, producer: Producer | null, tag: number): void {
    const { link } = this
    if (link === null) return
    if (producer === null) {
      this.#session.failLink(link, fault('LINK-FIELD', { why: 'what is said to a coordinator must not be settled' }))
      return
    }
    let said: Value | null
    try {
      said = this.#read(asBuffer(message))
      const code = said === null ? 0 : codeOf(said)
      if (said !== null && code === transactions.declare.code) this.#declare(said, link, tag)
      else if (said !== null && code === transactions.discharge.code) this.#discharge(said, link, tag)
      else throw fault('NOT-IMPLEMENTED', { what: 'something of a coordinator that is neither declare nor discharge' })
    } catch (error) {
      if (!(error instanceof AmqpFault)) throw error
      link.answered(tag, rejected({ condition: error.condition, text: error.message }))
    }
  }

  #read(bytes: Buffer): Value | null {
    const decoder = new Decoder(bytes, 0, bytes.length, this.#connection.limits)
    while (decoder.at < bytes.length) {
      const section = decoder.descriptor(codesByName)
      const value = decoder.value()
      if (section === AMQP_VALUE) return value
    }
    return null
  }

  #declare(said: Value, link: IncomingLink, tag: number): void {
    const { globalId } = fieldsOf(transactions.declare, said)
    if (globalId !== null) throw fault('NOT-IMPLEMENTED', { what: 'a distributed transaction' })
    const declared = this.#connection.transactions.declare(this)
    if (isRefusal(declared)) {
      link.answered(tag, rejected({ condition: 'amqp:resource-limit-exceeded', text: declared.text }))
    } else link.answered(tag, described(transactions.declared.code, list([binary(idBytes(declared.id))])))
  }

  #discharge(said: Value, link: IncomingLink, tag: number): void {
    const { txnId, fail } = fieldsOf(transactions.discharge, said)
    const transaction = this.#connection.transactions.take(numberOf(txnId), this)
    if (transaction === null) throw fault('TRANSACTION')
    if (fail === true) {
      transaction.rollback(true)
      link.answered(tag, ACCEPTED)
    } else transaction.commit(failure => link.answered(tag, failure === null ? ACCEPTED : rejected(failure)))
  }

  inGroup(): Refusal {
    return { refused: 'not-allowed', text: 'transactions are not controlled within a transaction' }
  }

  room(): number {
    return this.#connection.limits.credit
  }

  onRoom(): () => void {
    return () => {}
  }

  /** The link is gone: what it did not discharge is rolled back (4.1). */
  close(): void {
    this.link = null
    this.#connection.transactions.abandon(this)
  }
}
