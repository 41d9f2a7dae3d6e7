// Who is connected as which client, and what is kept of those who are not: sessions begin, are taken over, left and ended
// here, on the active server, each step a record. Wills and expiry are decided by its wall clock; after a failover all
// sessions count as left, and their clients have a while to come back.

import type { Timer } from '../base/ports.ts'
import type { Consumer } from './api.ts'
import type { BindingOptions } from './binding.ts'
import { notServing } from './intake.ts'
import { FAILOVER_GRACE_MS } from './limits.ts'
import type { Message } from './message.ts'
import type { Queue } from './queue.ts'
import { BOUND, encodeQueue, HIDDEN, NOTHING, QUEUE, SESSION, SESSION_AWAY, SESSION_ENDED, UNBOUND } from './records.ts'
import type { Refusal } from './refusal.ts'
import { Seat } from './seat.ts'
import type { Leaving, Session, SessionOwner, SessionRequest, Sessions } from './session-api.ts'
import { type LinkGround, SessionLink } from './session-link.ts'
import { encodeAway, encodeId, encodeSession } from './session-records.ts'
import { SessionState } from './session-state.ts'
import { SessionTurns } from './session-turns.ts'
import type { QueueSubscription } from './subscription.ts'
import { BindingChange, PlainChange } from './topic-changes.ts'
import { encodeBound, encodeUnbound } from './topic-records.ts'
import type { RoutingGround, TopicTarget } from './topic-target.ts'
import { Binding } from './topics.ts'
import { publishWill } from './wills.ts'

export interface SessionGround extends RoutingGround {
  topicTarget(topic: string): TopicTarget
  subscribeTo(queue: Queue, consumer: Consumer): QueueSubscription
  /** Nothing is delivered from it any more, or settled. */
  closeQueue(queue: Queue): void
  /** Nobody owns it after all. */
  orphaned(queue: Queue): void
  /** Puts one message into one queue; false where it is full or no record is taken. */
  putInto(queue: Queue, body: Uint8Array, qos: 1 | 2, retain: boolean, expiresAt: number): boolean
}

export class SessionDesk implements Sessions, LinkGround {
  readonly #ground: SessionGround
  readonly #turns: SessionTurns
  readonly #seats = new Map<string, Seat>()
  readonly #byId = new Map<number, Seat>()
  readonly #links = new Map<Seat, SessionLink>()
  #timer: Timer | null = null
  /** Clients without a session that lasts, as publishers: negative, so that none is a session's number. */
  #next = 0

  constructor(ground: SessionGround) {
    this.#ground = ground
    this.#turns = new SessionTurns(ground)
  }

  get count(): number {
    return this.#byId.size
  }

  wall(): number {
    return this.#ground.clock.wall()
  }

  say(what: () => void): void {
    this.#ground.ledger.say(what, this.#ground.mayServe())
  }

  // ---- reigns

  start(): void {
    const { state, topics } = this.#ground
    const now = this.wall()
    for (const session of state.sessions.all()) {
      if (session.queue !== null) session.queue.unsentAfter = session.unsentAfter(state.restoredThrough)
      const seat = Seat.of(session)
      seat.graceUntil = now + FAILOVER_GRACE_MS
      if (seat.awaySince === 0) {
        seat.awaySince = now
        seat.unrecorded = true
      }
      this.#enter(seat)
      for (const binding of seat.bindings.values()) topics.bind(binding)
    }
    if (this.#byId.size > 0) this.#plan(0)
  }

  stop(): void {
    this.#timer?.cancel()
    this.#timer = null
    this.#turns.forget()
    const owners = [...this.#seats.values()].map(seat => seat.owner)
    this.#seats.clear()
    this.#byId.clear()
    this.#links.clear()
    for (const owner of owners) owner?.ended(notServing)
  }

  /** A record of this server from an earlier reign came to be safe after all. */
  #foundAgain(session: SessionState): void {
    if (!this.#ground.serving || this.#byId.has(session.id)) return
    const seat = Seat.of(session)
    if (this.#seats.has(session.clientId)) {
      // Its client began anew meanwhile.
      this.#end(seat, false)
      return
    }
    seat.awaySince = this.wall()
    seat.graceUntil = seat.awaySince + FAILOVER_GRACE_MS
    seat.unrecorded = true
    this.#enter(seat)
    this.#plan(0)
  }

  #enter(seat: Seat): void {
    this.#seats.set(seat.clientId, seat)
    if (seat.id > 0) this.#byId.set(seat.id, seat)
  }

  claim(session: number, packetId: number): () => void {
    const seat = this.#byId.get(session)
    seat?.held.set(packetId, false)
    const { sessions } = this.#ground.state
    return () => {
      sessions.byId(session)?.held.add(packetId)
      if (seat === undefined || !seat.held.has(packetId)) return
      seat.held.set(packetId, true)
      const again = seat.repeated.get(packetId)
      seat.repeated.delete(packetId)
      if (again !== undefined && again === seat.owner) again.taken(packetId)
    }
  }

  // ---- opening

  open(request: SessionRequest, owner: SessionOwner): Session | Refusal {
    const ground = this.#ground
    if (!ground.serving) return notServing
    const { clientId, user, clean, keepMs, will } = request
    const before = this.#seats.get(clientId)
    if (before !== undefined && before.user !== '' && before.user !== user)
      return { refused: 'not-permitted', text: `${JSON.stringify(clientId)} is the session of another user` }
    before?.owner?.takenOver()
    // Its connection is left by now; the seat is still there if the session lasts.
    const found = this.#seats.get(clientId)
    if (found !== undefined && (clean || !found.lasts)) {
      // A client that only lost its server is not gone.
      if (!this.#end(found, found.graceUntil <= this.wall())) return ground.noRecord
    } else if (found !== undefined) return this.#again(found, request, owner)
    const recorded = keepMs > 0 || will !== null
    if (!recorded) {
      const seat = new Seat(request, 0, null, 0, null)
      return this.#sit(seat, owner, () => this.say(() => this.#opened(seat, owner, false)))
    }
    const most = ground.limits.topics.sessions
    if (this.#byId.size >= most) return { refused: 'limit', text: `there are ${most} sessions, the limit` }
    let queue: Queue | null = null
    if (keepMs > 0) {
      const name = `session:${clientId}`
      const sequence = ground.append(QUEUE, encodeQueue(name, HIDDEN), NOTHING)
      if (sequence === 0) return ground.noRecord
      const made = ground.state.declare(sequence, name, false, true)
      queue = made
      const forget = (): void => ground.state.undeclare(made)
      ground.ledger.change(
        new PlainChange(
          sequence,
          () => (made.declared = true),
          () => {},
          forget,
        ),
      )
    }
    return this.#begin(request, queue, owner)
  }

  #begin({ clientId, user, keepMs, will }: SessionRequest, queue: Queue | null, owner: SessionOwner) {
    const ground = this.#ground
    const record = { id: 0, queue: queue?.id ?? 0, keepMs, clientId, user, will }
    const sequence = ground.append(SESSION, ...encodeSession(record))
    if (sequence === 0) {
      if (queue !== null) ground.orphaned(queue)
      return ground.noRecord
    }
    const state = new SessionState(sequence, clientId, user, queue, keepMs, will)
    const { sessions } = ground.state
    const seat = new Seat(record, sequence, queue, keepMs, will)
    const fold = (): void => {
      sessions.add(state)
      if (!seat.ended) this.#foundAgain(state)
    }
    ground.ledger.change(new PlainChange(sequence, fold, () => this.#opened(seat, owner, false)))
    return this.#sit(seat, owner, null)
  }

  /** The session is there: its client is connected again. */
  #again(seat: Seat, { user, keepMs, will }: SessionRequest, owner: SessionOwner): Session | Refusal {
    const ground = this.#ground
    if (seat.will !== null && seat.willAt <= this.wall() && !publishWill(this.#ground, seat)) return ground.noRecord
    const record = { id: seat.id, queue: seat.queue?.id ?? 0, keepMs, clientId: seat.clientId, user, will }
    const sequence = ground.append(SESSION, ...encodeSession(record))
    if (sequence === 0) return ground.noRecord
    seat.user = user
    seat.keepMs = keepMs
    seat.will = will
    seat.unrecorded = false
    const { sessions } = ground.state
    const fold = (): void => {
      const state = sessions.byId(seat.id)
      if (state === null) return
      state.user = user
      state.keepMs = keepMs
      state.will = will
      state.came()
    }
    ground.ledger.change(new PlainChange(sequence, fold, () => this.#opened(seat, owner, true)))
    return this.#sit(seat, owner, null)
  }

  #opened(seat: Seat, owner: SessionOwner, present: boolean): void {
    if (seat.owner !== owner) return
    owner.opened(present)
  }

  /** Messages of QoS 2 that the client has, as far as that is safe. */
  receivedOf(seat: Seat): Iterable<number> {
    return this.#ground.state.sessions.byId(seat.id)?.received ?? []
  }

  receivedLate(seat: Seat, sequence: number): void {
    this.#links.get(seat)?.resume([sequence])
  }

  #sit(seat: Seat, owner: SessionOwner, opened: (() => void) | null): Session {
    seat.owner = owner
    seat.awaySince = 0
    seat.graceUntil = 0
    this.#enter(seat)
    const link = new SessionLink(seat, owner, this, seat.lasts ? seat.id : -++this.#next)
    this.#links.set(seat, link)
    opened?.()
    return link
  }

  // ---- leaving and ending

  leave(seat: Seat, owner: SessionOwner, how: Leaving, keepMs: number | null): void {
    if (seat.owner !== owner) return
    seat.owner = null
    this.#links.delete(seat)
    // Who serves next takes its sessions for left.
    if (how === 'stopped' || !this.#ground.serving) return
    const withWill = how === 'gone'
    if (keepMs !== null) seat.keepMs = keepMs
    seat.awaySince = this.wall()
    if (!withWill) seat.will = null
    if (seat.id === 0 || seat.keepMs === 0) {
      if (!this.#end(seat, withWill)) seat.unrecorded = true
    } else {
      if (seat.will !== null && seat.will.delayMs === 0) publishWill(this.#ground, seat)
      seat.unrecorded = true
    }
    this.#plan(0)
  }

  /** Ends the session of this client, who loses its connection; null where there is none, false where no record is taken now. */
  endSession(clientId: string, refusal: Refusal): boolean | null {
    const found = this.#seats.get(clientId)
    if (found === undefined) return null
    found.owner?.ended(refusal)
    // Its connection is left by now, and what does not outlive that is gone.
    const seat = this.#seats.get(clientId)
    return seat === undefined || this.#end(seat, true)
  }

  /** False where the log does not take the record now. */
  #end(seat: Seat, withWill: boolean): boolean {
    const ground = this.#ground
    if (seat.ended) return true
    if (withWill && !publishWill(this.#ground, seat)) return false
    if (seat.id > 0) {
      const sequence = ground.append(SESSION_ENDED, encodeId(seat.id), NOTHING)
      if (sequence === 0) return false
      const { state } = ground
      const fold = (): void => {
        const session = state.sessions.byId(seat.id)
        if (session !== null) state.sessions.remove(session)
        if (seat.queue !== null) state.dropQueue(seat.queue)
      }
      ground.ledger.change(new PlainChange(sequence, fold, () => {}))
      this.#byId.delete(seat.id)
    }
    // Not before: where the record was not taken, its client may come back to it.
    if (seat.queue !== null) ground.closeQueue(seat.queue)
    seat.ended = true
    for (const binding of seat.bindings.values()) ground.topics.unbind(binding)
    if (this.#seats.get(seat.clientId) === seat) this.#seats.delete(seat.clientId)
    return true
  }

  #plan(ms: number): void {
    this.#timer?.cancel()
    this.#timer = this.#ground.clock.after(ms, () => {
      this.#timer = null
      if (this.#ground.serving) this.#sweep()
    })
  }

  /** Publishes the wills that are due, ends the sessions whose time is over, and catches up on records. */
  #sweep(): void {
    const now = this.wall()
    let next = Infinity
    for (const seat of this.#byId.values()) {
      if (seat.owner !== null) continue
      // A log that takes no record of this one takes none of the others: thousands may be due at once.
      if (!this.#catchUp(seat, now)) return this.#plan(RETRY_MS)
      if (!seat.ended) next = Math.min(next, seat.willAt, seat.endsAt)
    }
    if (next < Infinity) this.#plan(Math.min(Math.max(1, next - now), LONGEST_MS))
  }

  /** False where the log does not take a record now. */
  #catchUp(seat: Seat, now: number): boolean {
    if (seat.willAt <= now && !publishWill(this.#ground, seat)) return false
    if (seat.endsAt <= now) return this.#end(seat, true)
    return !seat.unrecorded || this.#recordAway(seat)
  }

  #recordAway(seat: Seat): boolean {
    const ground = this.#ground
    const { id, awaySince, keepMs, will } = seat
    const sequence = ground.append(SESSION_AWAY, encodeAway(id, awaySince, keepMs, will !== null), NOTHING)
    if (sequence === 0) return false
    seat.unrecorded = false
    const { sessions } = ground.state
    const fold = (): void => {
      const state = sessions.byId(id)
      if (state === null) return
      state.left(sequence, awaySince)
      state.keepMs = keepMs
      if (will === null) state.will = null
    }
    ground.ledger.change(new PlainChange(sequence, fold, () => {}))
    return true
  }

  // ---- for links

  subscribeQueue(seat: Seat, consumer: Consumer): QueueSubscription {
    return this.#ground.subscribeTo(seat.queue as Queue, consumer)
  }

  bind(seat: Seat, filter: string, options: BindingOptions, done: (refusal: Refusal | null) => void): void {
    const ground = this.#ground
    const queue = seat.queue as Queue
    const most = ground.limits.topics.subscriptions
    if (!seat.bindings.has(filter) && ground.topics.bound >= most)
      return done({ refused: 'limit', text: `there are ${most} subscriptions, the limit` })
    const sequence = ground.append(BOUND, encodeBound(queue.id, filter, options), NOTHING)
    if (sequence === 0) return done(ground.noRecord)
    const before = seat.bindings.get(filter)
    if (before === undefined) {
      const binding = new Binding(queue, filter, options, seat.id)
      seat.bindings.set(filter, binding)
      ground.topics.bind(binding)
    } else before.options = options
    ground.ledger.change(new BindingChange(sequence, queue, filter, options, done))
  }

  unbind(seat: Seat, filter: string, done: (refusal: Refusal | null) => void): void {
    const ground = this.#ground
    const queue = seat.queue as Queue
    const sequence = ground.append(UNBOUND, encodeUnbound(queue.id, filter), NOTHING)
    if (sequence === 0) return done(ground.noRecord)
    const binding = seat.bindings.get(filter)
    seat.bindings.delete(filter)
    if (binding !== undefined) ground.topics.unbind(binding)
    ground.ledger.change(new BindingChange(sequence, queue, filter, null, done))
  }

  put(seat: Seat, body: Uint8Array, qos: 1 | 2, retain: boolean, expiresAt: number): void {
    const queue = seat.queue as Queue
    if (!this.#ground.putInto(queue, body, qos, retain, expiresAt)) this.#ground.overflow(queue)
  }

  release(seat: Seat, packetId: number, owner: SessionOwner): void {
    seat.held.delete(packetId)
    seat.repeated.delete(packetId)
    this.#turns.release(seat, packetId, owner)
  }

  received(seat: Seat, message: Message, safe: () => void): void {
    this.#turns.received(seat, message, safe)
  }

  completed(seat: Seat, sequence: number, safe: () => void): void {
    this.#turns.completed(seat, sequence, safe)
  }
}

/** A record that was not taken is tried again after so long. */
const RETRY_MS = 20
/** Timers take no more than 24 days. */
const LONGEST_MS = 86_400_000
