// One queue: its messages in order, and which of them may be delivered next. The durable part changes only by folding
// records (enter, put, remove, comeBack); who owns what is of this reign and ends with forgetDeliveries. Who gets what, in
// turns, is delivery.ts.

import { assert } from '../base/assert.ts'
import { DEFAULT_ENVELOPE, type Envelope } from './envelope.ts'
import type { Block } from './block.ts'
import { byPriority, bySequence, type Order, ReadyHeap } from './heap.ts'
import type { MessageItem } from './item.ts'
import { costOf, PRIORITY_WINDOW } from './limits.ts'
import { Line } from './line.ts'
import { type Home, Message, type Owner, Standing } from './message.ts'
import type { Holdings } from './holdings.ts'
import { encodeMessageHead } from './message-record.ts'
import type { BindingOptions } from './binding.ts'
import { type Policy, UNSETTLED } from './policy.ts'
import type { Placed, Waker } from './waker.ts'

/** Names of queues that are durable subscriptions to topics. */
export const SUBSCRIPTION_PREFIX = 'sub:'

const USUAL = DEFAULT_ENVELOPE.priority

export class Queue implements Home {
  /** Sequence of the record that declared it. */
  readonly id: number
  readonly name: string
  /** What every MESSAGE record of this queue begins with. */
  readonly messageHead: Uint8Array
  /** It belongs to a session: not to be had by its name. */
  readonly hidden: boolean
  /** Topic filters that it is bound to, as far as that is safe. */
  readonly bindings = new Map<string, BindingOptions>()
  readonly line: Line
  readonly #holdings: Holdings
  /** What comes first. A session's messages keep the order in which they came, whatever their priorities. */
  readonly before: Order
  readonly #givenBack: ReadyHeap
  /** Of those in the heap: somebody chose them meanwhile. They are passed over when their turn comes. */
  readonly #ghosts = new Set<Message>()
  readonly seekers = new Set<Placed>()
  /** A message with another priority than the usual one came since the queue was last empty: only then it looks ahead. */
  prioritized = false
  /** The same of one that belongs to a group: who may have which is then asked for each. */
  grouped = false
  /** READY messages that are undeliverable to somebody, in the order of delivery: kept apart so that the heap's top suits everybody. */
  #shunned: Message[] = []
  /** False until the record that declares it is safe: it is not in snapshots yet. */
  declared: boolean
  /** The state it belonged to was forgotten. */
  dropped = false
  /** Before this time (wall ms) nothing that may be delivered expires. */
  expiresFrom = Infinity
  bytes = 0
  pendingMessages = 0
  pendingBytes = 0
  /** Where messages for this queue wait that are not to be delivered yet (delayed-queue.ts), and what they count for here. */
  delayed: Queue | null = null
  delayedMessages = 0
  delayedBytes = 0
  waker: Waker | null = null
  /** Of a session that was away when this reign began: what came later than this, its client had not been told of then. */
  unsentAfter = Infinity
  /** Of a durable subscription that was made here: its own may not be safe. */
  filter: string | null = null
  #policy = UNSETTLED
  #policyVersion = -1
  /** Where it is at a limit and its oldest messages make room: up to this sequence it was looked through for them. */
  seenThrough = 0
  /** A record that takes it away is made: no other may speak of it. */
  leaving = false
  /** It makes no records (volatile.ts). */
  volatile = false

  constructor(id: number, name: string, declared: boolean, holdings: Holdings, hidden = false) {
    this.hidden = hidden
    this.id = id
    this.name = name
    this.declared = declared
    this.#holdings = holdings
    this.messageHead = Uint8Array.from(encodeMessageHead(id))
    this.before = hidden ? bySequence : byPriority
    this.#givenBack = new ReadyHeap(this.before)
    this.line = new Line(this, holdings)
    this.line.onAdvance = () => holdings.pager?.ahead(this)
    holdings.queues.add(this)
  }

  /** It is no queue of this state any more. */
  forsake(): void {
    this.dropped = true
    this.#holdings.queues.delete(this)
    this.#holdings.expiring.delete(this)
    this.line.blocks.clear()
  }

  /** Its messages are one client's, who may have been told of them. */
  get isSession(): boolean {
    return this.hidden && !this.keepsAll
  }

  /** The queue whose limits count what is in this one. */
  get counted(): Queue {
    return this
  }

  /** The address in which the identifier of a message counts. */
  addressOf(_envelope: Envelope): number | string {
    return this.id
  }

  /** A durable subscription to a topic: it keeps what its publishers would not have kept, too. */
  get keepsAll(): boolean {
    return this.hidden && this.name.startsWith(SUBSCRIPTION_PREFIX)
  }

  /** What is settled for it, on the server that serves (policies.ts). */
  get policy(): Policy {
    const { policies } = this.#holdings
    if (policies !== null && policies.version !== this.#policyVersion) {
      this.#policyVersion = policies.version
      this.#policy = policies.of(this)
    }
    return this.#policy
  }

  // Folding.

  /** This server's own message, on its way in: it counts and is not there. The memory of `body` is as for Bodies.keep. */
  expect(message: Message, body: Uint8Array): void {
    this.#holdings.bodies.keep(message, body)
    this.#count(body.length)
  }

  /** The same with a body that lies in memory of its own, for several messages. */
  expectShared(message: Message, body: Uint8Array): void {
    message.memory = body
    message.bodyBytes = body.length
    this.#count(body.length)
  }

  #count(bodyBytes: number): void {
    const cost = costOf(bodyBytes)
    this.pendingMessages++
    this.pendingBytes += cost
    this.#holdings.bytes += cost
  }

  /** An expected message will not come after all. */
  unexpect(message: Message): void {
    assert(message.standing === Standing.PENDING, 'only a pending message can be unexpected')
    const cost = costOf(message.bodyBytes)
    message.standing = Standing.GONE
    this.pendingMessages--
    this.pendingBytes -= cost
    this.#holdings.bytes -= cost
    this.#holdings.bodies.drop(message)
  }

  enter(message: Message): void {
    assert(message.standing === Standing.PENDING, 'a message enters its queue once')
    const cost = costOf(message.bodyBytes)
    this.pendingMessages--
    this.pendingBytes -= cost
    this.#holdings.bytes -= cost
    message.standing = Standing.READY
    this.#take(message, cost)
    this.waker?.wanted()
  }

  /** A message from a record or a snapshot. The memory of `body` is as for Bodies.keep. */
  put(sequence: number, body: Uint8Array, deliveryCount: number, envelope = DEFAULT_ENVELOPE, grade = 1): void {
    const message = new Message(sequence, this, Standing.READY, null, 0)
    message.envelope = envelope
    message.grade = grade
    message.deliveryCount = deliveryCount
    this.#holdings.bodies.keep(message, body)
    this.#take(message, costOf(body.length))
  }

  #take(message: Message, cost: number): void {
    this.line.push(message)
    if (message.envelope !== DEFAULT_ENVELOPE) this.#mark(message.envelope)
    this.bytes += cost
    this.#holdings.bytes += cost
    this.#holdings.foldedBytes += cost
    this.#holdings.messages++
    this.#holdings.pager?.press()
  }

  #mark({ priority, group, expiresAt }: Envelope): void {
    if (expiresAt !== 0 && expiresAt < this.expiresFrom) this.expires(expiresAt)
    if (priority !== USUAL) this.prioritized = true
    // A session has one consumer.
    if (group !== '' && (!this.hidden || this.keepsAll)) this.grouped = true
  }

  /** Something expires at this time. */
  expires(at: number): void {
    this.expiresFrom = at
    this.#holdings.expiring.add(this)
    this.#holdings.onExpiring(at)
  }

  remove(message: Message): void {
    const cost = costOf(message.bodyBytes)
    this.line.remove(message)
    if (this.line.count === 0) this.#empty()
    message.standing = Standing.GONE
    this.bytes -= cost
    this.#holdings.bytes -= cost
    this.#holdings.foldedBytes -= cost
    this.#holdings.messages--
    this.#holdings.bodies.drop(message)
    if (message.shunnedBy !== null) for (const owner of message.shunnedBy) owner.unshun(message)
  }

  #empty(): void {
    this.prioritized = this.grouped = false
    // What left other than by its turn.
    this.#givenBack.clear()
    this.#ghosts.clear()
    this.expiresFrom = Infinity
    this.#holdings.expiring.delete(this)
  }

  /** It is gone, with all in it. */
  clear(): void {
    const messages: Message[] = []
    this.line.forEachObject(message => messages.push(message))
    for (const message of messages) this.remove(message)
    // What is left is paged out.
    this.#holdings.bytes -= this.bytes
    this.#holdings.foldedBytes -= this.bytes
    this.#holdings.messages -= this.line.count
    this.bytes = 0
    this.bindings.clear()
    this.forsake()
  }

  /** One more failed delivery; where the message was out for that, it is back. */
  comeBack(message: Message): void {
    message.deliveryCount++
    this.line.note(message)
    if (message.standing !== Standing.RETURNING) return
    this.waker?.failed(message)
    if (this.policy.redelivery !== null && this.waker?.holds(message) === true) return
    this.giveBack(message)
    this.waker?.back(message)
  }

  // Delivering, in this reign.

  /** The message may be delivered again, in its old place. Its former owner is remembered until it has a new one. */
  giveBack(message: Message): void {
    message.standing = Standing.READY
    if (!this.line.passed(message)) this.layBack(message)
    else if (message.shunnedBy !== null) this.#shunned.splice(this.#shunnedAt(message), 0, message)
    else if (!this.#ghosts.delete(message)) this.#givenBack.push(message)
    if (this.seekers.size > 0) for (const seeker of this.seekers) seeker.again(message)
    const { expiresAt } = message.envelope
    if (expiresAt !== 0 && expiresAt < this.expiresFrom) this.expires(expiresAt)
  }

  /** Somebody chose this message: whatever its place, it is no longer to be had by others. */
  claim(message: Message): void {
    if (!this.line.passed(message)) return
    if (message.shunnedBy === null) this.#ghosts.add(message)
    else this.#shunned.splice(this.#shunnedAt(message), 1)
  }

  /** A message that waits leaves by a record that is to be made now; `standing` until then. */
  settling(message: Message, standing: Standing = Standing.SETTLING): void {
    this.claim(message)
    message.standing = standing
    message.owner = null
  }

  /** What lies on the sheet of this block; null: `done` is called when it has been read. */
  peek(block: Block, done: () => void): Uint8Array | null {
    assert(this.#holdings.pager !== null, 'only what is paged out is read')
    return this.#holdings.pager.peek(block, done)
  }

  /** The same at once, for who cannot wait. */
  peekNow(block: Block): Uint8Array {
    assert(this.#holdings.pager !== null, 'only what is paged out is read')
    return this.#holdings.pager.peekNow(block)
  }

  /** This message of a block that is paged out becomes an object, for who is to get it. */
  pin(block: Block, item: MessageItem): void {
    this.line.blocks.paged(-1, -block.pin(item, this.#holdings.bodies))
  }

  /** The opposite, where nobody got it or it came back. */
  layBack(message: Message): void {
    if (message.sequence >= this.line.blocks.first) this.line.blocks.layBack(message, this.#holdings.bodies)
  }

  /** Nobody shuns the message any more. */
  welcome(message: Message): void {
    message.shunnedBy = null
    const at = this.#shunnedAt(message)
    if (this.#shunned[at] !== message) return this.layBack(message)
    this.#shunned.splice(at, 1)
    if (!this.#ghosts.delete(message)) this.#givenBack.push(message)
  }

  /** True where what suits one subscription may not suit another. */
  get choosy(): boolean {
    return this.#shunned.length > 0 || this.seekers.size > 0
  }

  has(owner: Owner): boolean {
    this.#layGhosts()
    return this.#givenBack.length > 0 || this.#shunnedFor(owner) >= 0 || this.#ahead
  }

  /** Something that was never offered may follow. */
  get #ahead(): boolean {
    return this.line.atCursor(Standing.READY) !== null || this.line.starved
  }

  /** The next message for this subscription; it is no longer to be had by others. */
  next(owner: Owner): Message | null {
    if (this.#ghosts.size > 0) this.#layGhosts()
    if (this.prioritized && !this.hidden) this.#lookAhead()
    const given = this.#givenBack.peek()
    const at = this.#shunnedFor(owner)
    // What was given back or looked at lies before the cursor, so it comes before anything fresh.
    if (at >= 0 && (given === null || this.before(this.#shunned[at] as Message, given))) {
      return this.#shunned.splice(at, 1)[0] as Message
    }
    if (given !== null) return this.#givenBack.shift()
    const fresh = this.line.atCursor(Standing.READY)
    if (fresh !== null) this.line.passCursor()
    return fresh
  }

  #layGhosts(): void {
    for (;;) {
      const top = this.#givenBack.peek()
      if (top === null || !this.#ghosts.delete(top)) return
      this.#givenBack.shift()
    }
  }

  /** Where priorities count, the next messages are put in order before one is taken: so many, for memory's sake. */
  #lookAhead(): void {
    while (this.#givenBack.length < PRIORITY_WINDOW) {
      const fresh = this.line.atCursor(Standing.READY)
      if (fresh === null) return
      this.line.passCursor()
      this.#givenBack.push(fresh)
    }
  }

  /**
   * This reign is over here: what was delivered and not settled may be delivered again. Settlements whose record is
   * appended keep their messages out until it is known what became of the record.
   */
  forgetDeliveries(): void {
    this.#givenBack.clear()
    this.#ghosts.clear()
    this.seekers.clear()
    this.#shunned = []
    this.waker = null
    this.line.rewindCursor()
    this.line.forEachObject(message => {
      if (message.standing === Standing.OWNED) {
        message.standing = Standing.READY
        this.#mark(message.envelope)
      }
      message.owner = null
      message.shunnedBy = null
    })
  }

  #shunnedFor(owner: Owner): number {
    const shunned = this.#shunned
    for (let at = 0; at < shunned.length; at++) {
      if (!((shunned[at] as Message).shunnedBy as Owner[]).includes(owner)) return at
    }
    return -1
  }

  #shunnedAt(message: Message): number {
    const shunned = this.#shunned
    let low = 0
    let high = shunned.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.before(shunned[middle] as Message, message)) low = middle + 1
      else high = middle
    }
    return low
  }
}
