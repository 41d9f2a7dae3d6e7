// Messages whose time is over, and that nobody asks for: the server that serves looks for them in all queues, a bounded part at
// a time, and they leave by records like those that are found to be over when it is their turn (delivery.ts). A queue knows
// when the next of its messages expires, and a block that is paged out the same of its own: what has nothing to lose is not
// looked at.

import type { Clock } from '../base/ports.ts'
import { Alarm } from './alarm.ts'
import type { Block } from './block.ts'
import { SEEN_PER_TURN } from './limits.ts'
import { type Message, Standing } from './message.ts'
import type { Queue } from './queue.ts'
import type { Scan } from './scan.ts'
import type { State } from './state.ts'

export interface SweepGround {
  readonly serving: boolean
  readonly state: State
  readonly clock: Clock
  /** Messages up to this sequence may have been delivered by the server that was active before. */
  readonly suspectThrough: number
  readonly crowded: boolean
  mayServe(): boolean
}

/** Records that these, in the order of their sequences, are over; false where some stay: they go where no room is, or no record is taken. */
type Expired = (queue: Queue, messages: readonly Message[]) => boolean

/** Messages of the queue up to this sequence may have been delivered by the server that was active before. */
export const suspectThroughOf = (queue: Queue, ground: Pick<SweepGround, 'suspectThrough'>): number =>
  Math.min(ground.suspectThrough, queue.unsentAfter)

/** Between two sweeps, and before the first: a message that expires stays so much longer at most. */
const PAUSE_MS = 1000
const RETRY_MS = 50

export class Sweep {
  readonly #ground: SweepGround
  readonly #expired: Expired
  /** By the wall clock. */
  readonly #alarm: Alarm
  /** The queues that are swept now, and how far the first of them is. */
  #due: Queue[] = []
  #pass: Pass | null = null

  constructor(ground: SweepGround, expired: Expired) {
    this.#ground = ground
    this.#expired = expired
    this.#alarm = new Alarm(ground.clock, () => this.#begin())
  }

  start(): void {
    const { holdings } = this.#ground.state
    holdings.onExpiring = at => this.#plan(at)
    for (const { expiresFrom } of holdings.expiring) this.#plan(expiresFrom)
  }

  stop(): void {
    this.#ground.state.holdings.onExpiring = () => {}
    this.#alarm.cancel()
    this.#due = []
    this.#pass?.abandon()
    this.#pass = null
  }

  #plan(at: number, leastMs = PAUSE_MS): void {
    if (this.#pass !== null) return
    this.#alarm.setByWall(at, leastMs)
  }

  #begin(): void {
    const { serving, state, clock } = this.#ground
    if (!serving) return
    const now = clock.wall()
    if (!this.#ground.mayServe()) return this.#plan(now, RETRY_MS)
    const { expiring } = state.holdings
    this.#due = ([...expiring] as Queue[]).filter(({ expiresFrom }) => expiresFrom <= now)
    this.#go()
  }

  readonly #go = (): void => {
    const ground = this.#ground
    if (!ground.serving) return
    let left = SEEN_PER_TURN
    while (left > 0) {
      const pass = this.#next()
      if (pass === null) return this.#rest()
      // Whoever looks at what is over must know that it serves: its clock decides for both servers.
      const halt = ground.mayServe() ? pass.step(left, this.#go) : 'refused'
      if (halt === 'reading') return
      if (halt === 'refused') {
        pass.abandon()
        this.#pass = null
        if (ground.crowded || !ground.mayServe()) {
          this.#due = []
          return this.#plan(ground.clock.wall(), RETRY_MS)
        }
        // Where these are to go there is no room: they wait for the next sweep, and nobody for them.
      }
      left -= halt === 'refused' ? SEEN_PER_TURN : halt
    }
    ground.clock.soon(this.#go)
  }

  /** The pass that goes on, or the next one; null: all is swept. */
  #next(): Pass | null {
    if (this.#pass?.over === false) return this.#pass
    this.#pass = null
    const queue = this.#due.pop()
    if (queue === undefined) return null
    this.#pass = new Pass(queue, this.#ground, this.#expired)
    return this.#pass
  }

  #rest(): void {
    let next = Infinity
    for (const { expiresFrom } of this.#ground.state.holdings.expiring) next = Math.min(next, expiresFrom)
    if (next < Infinity) this.#plan(next)
  }
}

/** One look at all of a queue. */
class Pass implements Scan {
  readonly #queue: Queue
  readonly #ground: SweepGround
  readonly #expired: Expired
  readonly #now: number
  /** A session's client may know its message already: then it is not taken away from it (MQTT 5.0, 3.3.2.3.3). */
  readonly #ofSession: boolean
  after = 0
  left = 0
  over = false
  /** When the next one of what was seen expires. */
  #next = Infinity
  #found: Message[] = []

  constructor(queue: Queue, ground: SweepGround, expired: Expired) {
    this.#queue = queue
    this.#ground = ground
    this.#expired = expired
    this.#now = ground.clock.wall()
    this.#ofSession = queue.isSession
    // What comes meanwhile says itself when it expires.
    queue.expiresFrom = Infinity
  }

  /** Looks at so many messages at most; how many it were, or why it does not go on. `go` when what is read is there. */
  step(most: number, go: () => void): number | 'reading' | 'refused' {
    this.left = most
    if (this.#queue.dropped || this.#queue.leaving) this.over = true
    while (!this.over && this.left > 0) {
      const halt = this.#queue.line.scan(this)
      if (halt === 'end') this.#end()
      else if (halt !== 'stopped' && !this.#block(halt, go)) return this.#record() ? 'reading' : 'refused'
    }
    return this.#record() ? Math.max(1, most - this.left) : 'refused'
  }

  look(message: Message): boolean {
    const { expiresAt } = message.envelope
    if (expiresAt === 0 || message.standing !== Standing.READY) return false
    if (expiresAt > this.#now) this.#next = Math.min(this.#next, expiresAt)
    else if (this.#mayGo(message)) this.#found.push(message)
    return false
  }

  /** Not all of it was seen: it is looked at again. */
  abandon(): void {
    this.#found = []
    if (!this.over && !this.#queue.dropped) this.#queue.expires(0)
  }

  #mayGo({ offered, sequence }: Message): boolean {
    return !this.#ofSession || (!offered && sequence > suspectThroughOf(this.#queue, this.#ground))
  }

  /** One that is paged out; false: it must be read first. */
  #block(block: Block, go: () => void): boolean {
    const queue = this.#queue
    if (block.expiresFrom <= this.#now) {
      const content = queue.peek(block, go)
      if (content === null) return false
      let first = Infinity
      block.survey(content, (item, object) => {
        const { expiresAt } = item.envelope
        if (expiresAt === 0) return
        if (object === undefined && expiresAt <= this.#now) {
          queue.pin(block, item)
          const message = queue.line.find(item.sequence) as Message
          this.look(message)
          if (!this.#mayGo(message)) queue.layBack(message)
        } else {
          // An object may lie on the sheet again when its time is over, or stay one after all.
          const isOver = object?.standing === Standing.READY && expiresAt <= this.#now
          if (object === undefined || !isOver || this.#mayGo(object)) first = Math.min(first, expiresAt)
          if (object !== undefined) this.look(object)
        }
      })
      this.left -= Math.min(this.left, block.count)
      block.expiresFrom = first
    } else this.left--
    this.#next = Math.min(this.#next, block.expiresFrom)
    this.after = block.last
    return true
  }

  #end(): void {
    this.over = true
    if (this.#next < this.#queue.expiresFrom) this.#queue.expires(this.#next)
    else if (this.#queue.expiresFrom === Infinity) this.#ground.state.holdings.expiring.delete(this.#queue)
  }

  #record(): boolean {
    const found = this.#found
    this.#found = []
    return found.length === 0 || this.#expired(this.#queue, found)
  }
}
