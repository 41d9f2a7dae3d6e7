// How a server ends: at the operator's word, when its keeper is gone, or by a fault. Where a passive server is there, it
// takes over first; the goodbye spares it every wait.

import { CodedError } from '../base/errors.ts'
import type { Timer } from '../base/ports.ts'
import { SERVING } from '../states/roles.ts'
import type { Acts } from './acts.ts'
import { haError } from './errors.ts'
import type { Leader } from './leader.ts'
import type { Notes } from './notes.ts'
import type { Parts } from './parts.ts'
import type { PeerLink } from './peer-link.ts'
import type { PeerQuestion } from './peer-question.ts'
import type { Reign } from './reign.ts'
import type { Sensors } from './sensors.ts'

export interface DepartureOf {
  readonly parts: Parts
  readonly sensors: Sensors
  readonly acts: Acts
  readonly peer: PeerLink
  readonly reign: Reign
  readonly leader: Leader
  readonly notes: Notes
  readonly question: PeerQuestion
  readonly switchover: (done: (error: CodedError | null) => void) => void
  /** The server must end now: null after a goodbye. */
  readonly ended: (error: CodedError | null) => void
}

const REASON = 'stopped by the operator'
/** Both follow one reign: the one that stays needs a record of its own. */
const SERVING_AND_PASSIVE = new Set(['ACTIVE PASSIVE', 'PASSIVE ACTIVE'])
const REFUSED = 'HA-HANDOVER-REFUSED'
/** By then a handover was refused or offered. */
const REFUSAL_OPERATIONS = 7
/** A handover that has not come to an end by then is not waited for: less than the keeper's patience with a stop. */
const HANDOVER_LIMIT_MS = 10_000
/** A disk that does not come back must not keep a server that acts no more. */
const CLOSE_LIMIT_MS = 2000

export class Departure {
  /** Nothing is observed or done any more. */
  left = false
  readonly #of: DepartureOf
  #waiting: ((error: CodedError | null) => void)[] = []
  #asked = false
  /** The service may end with this server. */
  #anyway = false
  #limit: Timer | null = null
  /** Leaves as soon as the peer has the lock. */
  #lingers = false

  constructor(of: DepartureOf) {
    this.#of = of
  }

  /**
   * Leaves for good: hands over first where a passive server is there. `done` comes before `ended`; with HA-STOP-UNCOVERED
   * where the other server could not go on without this one, which then stays unless `anyway`.
   */
  stop(done: (error: CodedError | null) => void, anyway: boolean): void {
    const { acts, peer, parts, notes, question, switchover } = this.#of
    this.#waiting.push(done)
    this.#anyway ||= anyway
    if (this.left) return
    if (this.#asked) return anyway ? this.#within(HANDOVER_LIMIT_MS) : undefined
    this.#asked = true
    notes.note('operator', 'info', 'A graceful stop was asked for')
    const both = SERVING_AND_PASSIVE.has(`${acts.role} ${peer.role}`)
    if (!both || (acts.role === 'PASSIVE' && anyway)) return this.#leave()
    // A refusal is waited for: without it this server would leave with nobody to serve.
    const { operationMs } = parts.intervals
    this.#within(anyway ? HANDOVER_LIMIT_MS : Math.max(HANDOVER_LIMIT_MS, REFUSAL_OPERATIONS * operationMs))
    if (acts.role === 'PASSIVE')
      return question.ask(parts.receiver.following, parts.store.mk, ({ able, reason }) =>
        able === 'no' ? this.#uncovered(`the active server could not go on alone: ${reason}`) : this.#leave(),
      )
    switchover(error => {
      if (error?.code === REFUSED) return this.#uncovered(error.message)
      if (error) return this.#leave()
      // The peer's lock is worth a moment: with it, our leaving does not interrupt its service.
      this.#lingers = true
      this.#within(parts.intervals.operationMs)
      this.look()
    })
  }

  #within(ms: number): void {
    this.#limit?.cancel()
    this.#limit = this.#of.parts.clock.after(ms, () => this.#leave())
  }

  #uncovered(reason: string): void {
    // An answer that was not waited for any more.
    if (this.left) return
    const { notes } = this.#of
    if (this.#anyway) {
      notes.note('operator', 'warn', `Stops although that ends the service: ${reason}`)
      return this.#leave()
    }
    const error = haError('STOP-UNCOVERED', { reason })
    notes.fault(error, 'warn')
    this.#limit?.cancel()
    this.#asked = false
    const waiting = this.#waiting
    this.#waiting = []
    for (const done of waiting) done(error)
  }

  /** Called after every look at the world. */
  look(): void {
    const { peer } = this.#of
    if (this.#lingers && peer.state?.lock !== false) this.#leave()
  }

  /** Without its keeper this server can neither renew the lock nor write records: it hands over and ends. */
  keeperGone(): void {
    const { notes } = this.#of
    if (this.left) return
    notes.note('fault', 'error', 'The keeper process of this server is gone; the broker hands over and ends')
    this.stop(() => {}, true)
  }

  /** It lives but answers nothing: it is ended, and the same follows. */
  keeperFrozen(error: CodedError): void {
    const { parts, notes } = this.#of
    if (this.left) return
    notes.fault(error)
    parts.keeper.kill()
    // A process whose thread hangs on the share does not end at once, nor does its pipe.
    this.keeperGone()
  }

  journalFailed(error: Error): void {
    const reason = error instanceof CodedError ? `${error.code}: ${error.message}` : error.message
    this.fail(haError('JOURNAL-FAILED', { reason }, error))
  }

  fail(error: CodedError): void {
    const { parts, notes, ended } = this.#of
    if (this.left) return
    this.left = true
    parts.gate.setMode('frozen')
    notes.fault(error)
    ended(error)
  }

  #leave(): void {
    if (this.left) return
    const { parts, sensors, acts, reign, leader, ended } = this.#of
    const { gate, service, channel, clock, keeper, journal, receiver } = parts
    gate.setMode('frozen')
    if (SERVING.has(acts.role)) service.close(REASON)
    const epoch = Math.max(sensors.news.record?.epoch ?? 0, reign.now?.epoch ?? 0, receiver.following)
    leader.stop()
    receiver.stop()
    this.left = true
    channel.send({ name: 'BYE', epoch, token: sensors.news.token, reason: REASON })
    keeper.send({ type: 'leaving' })
    let closed = false
    const end = (): void => {
      if (closed) return
      closed = true
      for (const done of this.#waiting) done(null)
      channel.close()
      ended(null)
    }
    journal.close(end)
    clock.after(CLOSE_LIMIT_MS, end)
  }
}
