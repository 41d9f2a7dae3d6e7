// Messages that are not to be delivered yet, on the server that serves: where they wait, and when their time has come. That is
// decided by its wall clock alone. A message then leaves its place and comes in at the end of its queue, or is published to
// its topic, by one record: a failover finds it here or there, never in both and never nowhere.

import type { Timer } from '../base/ports.ts'
import { DelayedQueue, delayedName } from './delayed-queue.ts'
import { type Envelope, keptEnvelope } from './envelope.ts'
import { GroupDraft } from './group.ts'
import { QueueChange } from './ledger.ts'
import { type Message, Standing } from './message.ts'
import type { Queue, Waker } from './queue.ts'
import type { RecordGround } from './record-ground.ts'
import { encodeQueue, HIDDEN, NOTHING, QUEUE } from './records.ts'
import type { Refusal } from './refusal.ts'
import type { State } from './state.ts'
import type { TopicTarget } from './topic-target.ts'

export interface DelaysGround extends RecordGround {
  readonly state: State
  topicTarget(topic: string): TopicTarget
}

/** Messages that one record moves, and that are moved in one turn of the event loop. */
const MOVED_PER_RECORD = 256
const MOVED_PER_TURN = 1024
/** More than the numbers of most messages take in a record. */
const HEAD_BYTES = 64
/** What could not be moved is tried again after so long. */
const RETRY_MS = 50
/** A wall clock may jump: it is looked at after this time at the latest. */
const LONGEST_MS = 60_000

export class Delays {
  readonly #ground: DelaysGround
  readonly #queues = new Set<DelayedQueue>()
  #timer: Timer | null = null
  /** Wall ms for which the timer is set. */
  #at = Infinity
  #soon = false

  constructor(ground: DelaysGround) {
    this.#ground = ground
  }

  start(): void {
    for (const queue of this.#ground.state.queues) if (queue instanceof DelayedQueue) this.#watch(queue)
  }

  stop(): void {
    for (const queue of this.#queues) queue.waker = null
    this.#queues.clear()
    this.#timer?.cancel()
    this.#timer = null
    this.#at = Infinity
  }

  isEarly({ deliverAt }: Envelope): boolean {
    return deliverAt !== 0 && deliverAt > this.#ground.clock.wall()
  }

  /** Where messages for this queue wait, or those for topics. */
  placeFor(of: Queue | null): Queue | Refusal {
    const ground = this.#ground
    const { state, limits, ledger } = ground
    const found = of === null ? state.delayedTopics : of.delayed
    if (found !== null) return found
    if (state.queueCount >= limits.queues) {
      return {
        refused: 'limit',
        text: `there are ${limits.queues} queues, the limit, and one is needed for what waits`,
      }
    }
    const name = delayedName(of)
    const sequence = ground.append(QUEUE, encodeQueue(name, HIDDEN), NOTHING)
    if (sequence === 0) return ground.noRecord
    const queue = state.declare(sequence, name, false, true)
    ledger.change(new QueueChange(QUEUE, sequence, queue, []))
    this.#watch(queue as DelayedQueue)
    return queue
  }

  #watch(queue: DelayedQueue): void {
    this.#queues.add(queue)
    const waker: Waker = {
      wanted: () => this.#plan(queue.due.first),
      back: () => {},
      holds: () => false,
      hungry: false,
    }
    queue.waker = waker
    waker.wanted()
  }

  /** Sets the timer for a message that is due at this time. */
  #plan(at: number): void {
    if (at >= this.#at) return
    this.#timer?.cancel()
    this.#at = at
    const ms = at - this.#ground.clock.wall()
    this.#timer = this.#ground.clock.after(Math.min(Math.max(ms, 1), LONGEST_MS), () => {
      this.#timer = null
      this.#at = Infinity
      this.#run()
    })
  }

  #again(): void {
    if (this.#soon) return
    this.#soon = true
    this.#ground.clock.soon(() => {
      this.#soon = false
      this.#run()
    })
  }

  #run(): void {
    const ground = this.#ground
    if (!ground.serving) return
    const now = ground.clock.wall()
    let next = Infinity
    let left = MOVED_PER_TURN
    // Whether this server serves at all must be known before it decides that a time has come.
    const may = ground.mayServe()
    for (const queue of this.#queues) {
      while (may && left > 0 && queue.due.first <= now) {
        const moved = this.#move(queue, now)
        if (moved === null) break
        left -= moved
      }
      next = Math.min(next, queue.due.first)
    }
    if (left <= 0) this.#again()
    else if (next < Infinity) this.#plan(Math.max(next, next <= now ? now + RETRY_MS : 0))
  }

  /** Some of what is due; how many, or null where it does not go on now. */
  #move(queue: DelayedQueue, now: number): number | null {
    const ground = this.#ground
    const messages = this.#take(queue, now)
    if (messages.length === 0) return queue.due.first <= now ? null : 0
    const draft = new GroupDraft(ground)
    const inOrder = messages.toSorted((a, b) => a.sequence - b.sequence)
    draft.settled(queue, inOrder, true)
    const { of } = queue
    let refusal: Refusal | null = null
    for (const { body, envelope } of messages) {
      const kept = keptEnvelope({ ...envelope, deliverAt: 0 })
      if (of !== null) draft.message(of, body, kept)
      else refusal = ground.topicTarget(envelope.topic).inGroup(draft, body, kept)
    }
    const recorded = (): void => {
      for (const message of messages) queue.settling(message)
    }
    refusal ??= draft.commit(recorded, () => {})
    if (refusal === null) return messages.length
    for (const { envelope, sequence } of messages) queue.unshift(envelope.deliverAt, sequence)
    return null
  }

  /** Of what is due as much as one record can move: of topics one message, for it may be refused. */
  #take(queue: DelayedQueue, now: number): Message[] {
    const most = queue.of === null ? 1 : MOVED_PER_RECORD
    const taken: Message[] = []
    let bytes = 0
    while (taken.length < most && queue.due.first <= now) {
      const time = queue.due.first
      const sequence = queue.shift()
      const message = this.#reach(queue, sequence, now)
      const size = message === null || message === 'reading' ? 0 : HEAD_BYTES + sizeOf(message)
      if (message === 'reading' || (taken.length > 0 && bytes + size > this.#ground.limits.messageBytes)) {
        queue.unshift(time, sequence)
        break
      }
      if (message === null) continue
      bytes += size
      taken.push(message)
    }
    return taken
  }

  /** As an object, and with it all of its block that is due. null: it has left, or is about to. */
  #reach(queue: DelayedQueue, sequence: number, now: number): Message | null | 'reading' {
    const block = queue.line.blocks.sheetOf(sequence)
    if (block !== null) {
      const content = queue.peek(block, () => this.#again())
      if (content === null) return 'reading'
      block.survey(content, (item, object) => {
        if (object === undefined && item.envelope.deliverAt <= now) queue.pin(block, item)
      })
    }
    const message = queue.line.find(sequence)
    return message?.standing === Standing.READY ? message : null
  }
}

const sizeOf = ({ bodyBytes, envelope }: Message): number =>
  bodyBytes + 3 * (envelope.group.length + envelope.topic.length)
