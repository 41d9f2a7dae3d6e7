// Messages that are not to be delivered yet, on the server that serves: where they wait, and when their time has come. That is
// decided by its wall clock alone. A message then leaves its place and comes in at the end of its queue, or is published to
// its topic, by one record: a failover finds it here or there, never in both and never nowhere.

import { Alarm } from './alarm.ts'
import { DelayedQueue, delayedName } from './delayed-queue.ts'
import { type Envelope, keptEnvelope } from './envelope.ts'
import { GroupDraft, sizeInGroup } from './group.ts'
import { QueueChange } from './ledger.ts'
import { type Message, Standing } from './message.ts'
import type { Queue } from './queue.ts'
import type { RecordGround } from './record-ground.ts'
import { encodeQueue, HIDDEN, NOTHING, QUEUE } from './records.ts'
import type { Refusal } from './refusal.ts'
import type { State } from './state.ts'
import type { TopicTarget } from './topic-target.ts'
import type { Waker } from './waker.ts'

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
/** Messages that their topics refuse: how many in one turn, how long each of them waits at least, how often that is said. */
const REFUSED_PER_TURN = 16
const LEAST_WAIT_MS = 1000
const SAY_MS = 60_000
/** So long a message that is refused waits at most. */
const LONGEST_MS = 60_000

export class Delays {
  readonly #ground: DelaysGround
  readonly #queues = new Set<DelayedQueue>()
  /** By the wall clock. */
  readonly #alarm: Alarm
  #soon = false
  #refused = 0
  #saidAt = -Infinity

  constructor(ground: DelaysGround) {
    this.#ground = ground
    this.#alarm = new Alarm(ground.clock, () => this.#run())
  }

  start(): void {
    for (const queue of this.#ground.state.queues) if (queue instanceof DelayedQueue) this.#watch(queue)
  }

  stop(): void {
    for (const queue of this.#queues) queue.waker = null
    this.#queues.clear()
    this.#alarm.cancel()
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
      failed: () => {},
      holds: () => false,
      hungry: false,
    }
    queue.waker = waker
    waker.wanted()
  }

  #plan(at: number): void {
    this.#alarm.setByWall(at, 1)
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
    this.#refused = 0
    // Whether this server serves at all must be known before it decides that a time has come.
    const may = ground.mayServe()
    for (const queue of this.#queues) {
      while (may && left > 0 && queue.due.first <= now) {
        const seen = this.#move(queue, now, left)
        if (seen === null) break
        left -= seen
      }
      next = Math.min(next, queue.due.first)
    }
    if (left <= 0) this.#again()
    else if (next < Infinity) this.#plan(Math.max(next, next <= now ? now + RETRY_MS : 0))
  }

  /** Some of what is due; how many were looked at, `left` at most, or null where it does not go on now. */
  #move(queue: DelayedQueue, now: number, left: number): number | null {
    const { messages, seen } = this.#take(queue, now, left)
    if (messages.length === 0) return seen === 0 ? null : seen
    const refusal = this.#record(queue, messages)
    if (refusal === null) return seen
    if (queue.of !== null || refusal === this.#ground.noRecord) {
      for (const message of messages) queue.giveBack(message)
      return null
    }
    // Others may have a smaller one, or one that goes to fewer.
    for (const message of messages) this.#putOff(queue, message, now, refusal)
    return ++this.#refused < REFUSED_PER_TURN ? seen : null
  }

  #record(queue: DelayedQueue, messages: readonly Message[]): Refusal | null {
    const ground = this.#ground
    const { of } = queue
    const draft = new GroupDraft(ground)
    const inOrder = messages.toSorted((a, b) => a.sequence - b.sequence)
    draft.settled(queue, inOrder, true)
    let refusal: Refusal | null = null
    for (const { body, envelope } of messages) {
      const kept = keptEnvelope({ ...envelope, deliverAt: 0 })
      if (of !== null) draft.message(of, body, kept)
      else refusal = ground.topicTarget(envelope.topic).inGroup(draft, body, kept)
    }
    refusal ??= draft.commit(nothing, nothing)
    return refusal
  }

  /** What is late already waits as long again, within bounds. */
  #putOff(queue: DelayedQueue, message: Message, now: number, { text }: Refusal): void {
    const { deliverAt, topic } = message.envelope
    queue.putOff(message, now + Math.min(Math.max(now - deliverAt, LEAST_WAIT_MS), LONGEST_MS))
    const time = this.#ground.clock.now()
    if (time - this.#saidAt < SAY_MS) return
    this.#saidAt = time
    this.#ground.say('warn', `A delayed message to the topic ${topic.slice(0, 100)} is due and waits on: ${text}`)
  }

  /** Of what is due as much as one record can move, which nobody else then takes: of topics one message, for it may be refused. */
  #take(queue: DelayedQueue, now: number, left: number): { messages: Message[]; seen: number } {
    const most = queue.of === null ? 1 : MOVED_PER_RECORD
    const messages: Message[] = []
    let seen = 0
    let bytes = 0
    while (seen < left && messages.length < most && queue.due.first <= now) {
      const message = this.#reach(queue, queue.due.firstSequence, now)
      if (message === 'reading') break
      if (message !== null) {
        bytes += HEAD_BYTES + sizeInGroup(message)
        if (messages.length > 0 && bytes > this.#ground.limits.messageBytes) break
        messages.push(message)
      }
      queue.shift()
      if (message !== null) queue.settling(message)
      seen++
    }
    return { messages, seen }
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

const nothing = (): void => {}
