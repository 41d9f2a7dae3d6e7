// The account of messages that do more than wait in a queue: named by their producers, delayed, with a time to live, put
// elsewhere when they fail, sent and moved in transactions. Like the account of plain messages (account.ts) it is kept at the
// servers' side, at the moment at which a server says it. A message begins at `work`, and ends there, at `done`, to which
// consumers move it, or at `dead`, to which the broker does; it is in one of these places at a time, and in each once.

import type { QueuedMessage } from '../broker/api.ts'
import type { DeathReason, Envelope } from '../broker/envelope.ts'
import type { MachineClock } from './timeline.ts'
import { Violation } from './watch.ts'

export type Place = 'work' | 'done' | 'dead'

interface Journey {
  /** Its sending, or what moved it since, was confirmed: it must not be lost. */
  acknowledged: boolean
  /** A consumer has it: it said accepted, and not in a transaction. */
  consumed: boolean
  /** Wall ms before which nobody may have it: of all attempts to send it the earliest. */
  dueAt: number
  /** When its time is over, wall ms, by each attempt; 0: never. */
  readonly expiries: Set<number>
  rejected: boolean
  /** A consumer wants it moved to `done`. */
  asked: boolean
  /** Failed deliveries that a consumer has told of, and those of them that a server has confirmed. */
  failed: number
  failedSafely: number
  /** Where it was delivered, by which sequence. */
  readonly seen: Map<Place, number>
  /** Why it cannot be at `work` any more; '': it may. */
  left: string
  /** It was settled for good, and a server has confirmed that. */
  gone: boolean
}

export class Journeys {
  /** An operator's settings of `work` are safe: until then nobody sends anything there. */
  configured = false
  readonly counts = { sent: 0, early: 0, moved: 0, dead: 0, groups: 0 }
  onViolation: (violation: Violation) => void = () => {}
  /** Failed deliveries after which a message is dead. */
  maxDeliveries = Infinity
  /** The latest time, wall ms, at which something is due. */
  latestDue = 0
  /** The latest time of day that any server's clock has shown. */
  highestWall: () => number = () => 0
  readonly #journeys = new Map<number, Journey>()
  /** Sent in one transaction. */
  #groups: (readonly number[])[] = []
  #last = 0

  #found(text: string): Violation {
    const violation = new Violation('account', text)
    this.onViolation(violation)
    return violation
  }

  begin(): number {
    const id = ++this.#last
    this.counts.sent += 1
    const [expiries, seen] = [new Set<number>(), new Map<Place, number>()]
    const journey = { acknowledged: false, consumed: false, dueAt: Infinity, expiries, rejected: false, failed: 0 }
    this.#journeys.set(id, { ...journey, asked: false, failedSafely: 0, seen, left: '', gone: false })
    return id
  }

  group(ids: readonly number[]): void {
    this.counts.groups += 1
    this.#groups.push(ids)
  }

  /** A server is about to take it, by its own clock. */
  attempt(id: number, { deliverAt, expiresAt }: Envelope): void {
    const journey = this.#journeys.get(id)
    if (journey === undefined) return
    journey.dueAt = Math.min(journey.dueAt, deliverAt)
    journey.expiries.add(expiresAt)
    if (deliverAt > 0) this.counts.early += 1
    this.latestDue = Math.max(this.latestDue, deliverAt)
  }

  acknowledge(id: number): void {
    const journey = this.#journeys.get(id)
    if (journey !== undefined) journey.acknowledged = true
  }

  /** A consumer is about to move it. */
  asked(id: number): void {
    const journey = this.#journeys.get(id)
    if (journey !== undefined) journey.asked = true
  }

  /** A transaction that moved it is safe. */
  moved(id: number): void {
    this.counts.moved += 1
    const journey = this.#journeys.get(id)
    if (journey === undefined) return
    if (journey.left !== '') throw this.#found(`message ${id} is moved to done, though ${journey.left}`)
    journey.left = 'the transaction that moved it was safe'
    journey.acknowledged = true
  }

  delivered(place: Place, id: number, message: QueuedMessage, clock: MachineClock): void {
    const journey = this.#journeys.get(id)
    if (journey === undefined) {
      if (id > this.#last) throw this.#found(`message ${id}, which nobody sent, is delivered from ${place}`)
      return
    }
    const fault = this.#fault(journey, place, message, clock)
    if (fault !== '') throw this.#found(`message ${id} is delivered from ${place}, though ${fault}`)
    journey.seen.set(place, message.sequence)
    if (place !== 'work' && journey.left === '') journey.left = `it was delivered from ${place}`
    if (place === 'dead') this.counts.dead += 1
  }

  #fault(journey: Journey, place: Place, message: QueuedMessage, clock: MachineClock): string {
    if (journey.gone) return 'its settlement was confirmed'
    const before = journey.seen.get(place)
    if (before !== undefined && before !== message.sequence)
      return `it is there twice, as ${before} and now as ${message.sequence}`
    if (place === 'dead')
      return journey.seen.has('done') ? 'it was moved to done' : deathFault(journey, message, this.maxDeliveries)
    if (place === 'done')
      return journey.seen.has('dead') ? 'it was among the dead' : journey.asked ? '' : 'nobody wanted it moved'
    if (journey.left !== '') return journey.left
    const { expiresAt } = message.envelope
    const wall = clock.wall()
    // It came into its queue in this reign, or may have in a former one by another clock.
    const latest = message.firstAcquirer ? clock.highestWall() : this.highestWall()
    if (latest < journey.dueAt) return `its time comes only in ${Math.ceil(journey.dueAt - latest)} ms`
    if (!journey.expiries.has(expiresAt)) return `it is to expire at ${expiresAt}, as nobody said`
    if (expiresAt !== 0 && wall >= expiresAt) return `it expired ${Math.floor(wall - expiresAt)} ms before`
    const { deliveryCount } = message
    if (deliveryCount < journey.failedSafely)
      return `it knows of ${deliveryCount} of ${journey.failedSafely} failed deliveries`
    if (deliveryCount > journey.failed)
      return `it knows of ${deliveryCount} failed deliveries, and there were ${journey.failed}`
    return deliveryCount >= this.maxDeliveries ? `it has failed ${deliveryCount} times` : ''
  }

  /** A consumer says so. */
  accepted(id: number): void {
    const journey = this.#journeys.get(id)
    if (journey !== undefined) journey.consumed = true
  }

  rejected(id: number): void {
    const journey = this.#journeys.get(id)
    if (journey !== undefined) journey.rejected = true
  }

  failed(id: number): void {
    const journey = this.#journeys.get(id)
    if (journey !== undefined) journey.failed += 1
  }

  /** A server confirms it. */
  settled(place: Place, id: number, outcome: 'accepted' | 'rejected' | 'modified'): void {
    const journey = this.#journeys.get(id)
    if (journey === undefined) return
    if (outcome === 'modified') journey.failedSafely += 1
    if (outcome === 'accepted') journey.gone = true
    else if (place === 'work' && (outcome === 'rejected' || journey.failedSafely >= this.maxDeliveries)) {
      journey.left = 'it was dead'
      journey.acknowledged = true
    }
  }

  /** What was said up to now may be otherwise from here on. */
  excuse(): void {
    this.configured = false
    this.#journeys.clear()
    this.#groups = []
  }

  /** Nothing is left in the queues: what is wrong then; '': nothing. */
  fault(): string {
    for (const [id, { acknowledged, consumed, left }] of this.#journeys)
      if (acknowledged && !consumed)
        return `message ${id}, which was acknowledged, is lost${left === '' ? '' : `: ${left}`}`
    const isThere = (id: number): boolean => (this.#journeys.get(id)?.seen.size ?? 0) > 0
    for (const ids of this.#groups) {
      const there = ids.filter(isThere)
      if (there.length > 0 && there.length < ids.length)
        return `of messages ${ids.join(', ')}, sent in one transaction, only ${there.join(', ')} came in`
    }
    return ''
  }
}

/** What does not fit to the reason for which it is among the dead. */
function deathFault({ rejected, failed, expiries }: Journey, { envelope }: QueuedMessage, max: number): string {
  const { death, expiresAt } = envelope
  if (death === null) return 'nobody put it there'
  if (death.address !== 'work') return `it is said to have been at ${death.address}`
  if (expiresAt !== 0) return 'it is to expire there'
  const reasons: Readonly<Record<DeathReason, boolean>> = {
    rejected,
    expired: [...expiries].some(at => at !== 0 && at <= death.at),
    deliveries: failed >= max,
    length: false,
  }
  return reasons[death.reason] ? '' : `it cannot be dead because of ${death.reason}`
}
