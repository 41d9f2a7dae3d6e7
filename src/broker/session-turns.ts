// What clients of lasting sessions settle in one turn becomes one record for each session and kind: identifiers released,
// messages received, identifiers completed. Where the log takes no record now, it is tried again.

import type { Timer } from '../base/ports.ts'
import { type Message, Standing } from './message.ts'
import type { Queue } from './queue.ts'
import { COMPLETED, NOTHING, RECEIVED, RELEASED } from './records.ts'
import type { Seat } from './seat.ts'
import type { SessionOwner } from './session-api.ts'
import { encodeNumbers } from './session-records.ts'
import { PlainChange } from './topic-changes.ts'
import type { RoutingGround } from './topic-target.ts'

interface Work {
  readonly released: { packetId: number; owner: SessionOwner }[]
  readonly received: { message: Message; safe: () => void }[]
  readonly completed: { sequence: number; safe: () => void }[]
}

const RETRY_MS = 5

export class SessionTurns {
  readonly #ground: RoutingGround
  #works = new Map<Seat, Work>()
  #due = false
  #retry: Timer | null = null

  constructor(ground: RoutingGround) {
    this.#ground = ground
  }

  release(seat: Seat, packetId: number, owner: SessionOwner): void {
    this.#of(seat).released.push({ packetId, owner })
  }

  received(seat: Seat, message: Message, safe: () => void): void {
    this.#of(seat).received.push({ message, safe })
  }

  completed(seat: Seat, sequence: number, safe: () => void): void {
    this.#of(seat).completed.push({ sequence, safe })
  }

  /** The reign is over: what is not recorded did not happen. */
  forget(): void {
    this.#retry?.cancel()
    this.#retry = null
    for (const { received } of this.#works.values())
      for (const { message } of received) (message.home as Queue).giveBack(message)
    this.#works = new Map()
  }

  #of(seat: Seat): Work {
    let work = this.#works.get(seat)
    if (work === undefined) this.#works.set(seat, (work = { released: [], received: [], completed: [] }))
    if (!this.#due) {
      this.#due = true
      this.#ground.clock.soon(this.#run)
    }
    return work
  }

  readonly #run = (): void => {
    this.#due = false
    const works = this.#works
    this.#works = new Map()
    if (!this.#ground.serving) return
    for (const [seat, work] of works) {
      if (!seat.ended && !this.#record(seat, work)) this.#works.set(seat, work)
    }
    if (this.#works.size > 0) this.#retry ??= this.#ground.clock.after(RETRY_MS, this.#again)
  }

  readonly #again = (): void => {
    this.#retry = null
    this.#run()
  }

  /** False where the log did not take all of it; what it took is no longer in `work`. */
  #record(seat: Seat, work: Work): boolean {
    const ground = this.#ground
    const { sessions } = ground.state
    const append = (
      kind: number,
      values: readonly number[],
      fold: () => void,
      answer: () => void,
      forget?: () => void,
    ) => {
      if (values.length === 0) return true
      const sequence = ground.append(kind, encodeNumbers(seat.id, values), NOTHING)
      if (sequence > 0) ground.ledger.change(new PlainChange(sequence, fold, answer, forget))
      return sequence > 0
    }
    const released = work.released.map(({ packetId }) => packetId)
    const owners = [...work.released]
    const releases = append(
      RELEASED,
      released,
      () => {
        for (const packetId of released) sessions.byId(seat.id)?.held.delete(packetId)
      },
      () => {
        for (const { packetId, owner } of owners) if (seat.owner === owner) owner.released(packetId)
      },
    )
    if (releases) work.released.length = 0
    const received = [...work.received]
    const receipts = append(
      RECEIVED,
      received.map(({ message }) => message.sequence),
      () => {
        const state = sessions.byId(seat.id)
        for (const { message } of received) {
          ;(message.home as Queue).remove(message)
          state?.received.add(message.sequence)
        }
      },
      () => {
        for (const { safe } of received) safe()
      },
      () => {
        for (const { message } of received) (message.home as Queue).giveBack(message)
      },
    )
    if (receipts) {
      for (const { message } of received) message.standing = Standing.SETTLING
      work.received.length = 0
    }
    // What was received in this very turn can't be completed in it.
    const completed = [...work.completed]
    const completions = append(
      COMPLETED,
      completed.map(({ sequence }) => sequence),
      () => {
        for (const { sequence } of completed) sessions.byId(seat.id)?.received.delete(sequence)
      },
      () => {
        for (const { safe } of completed) safe()
      },
    )
    if (completions) work.completed.length = 0
    return releases && receipts && completions
  }
}
