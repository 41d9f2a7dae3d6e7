// A run of messages in the middle of a queue's line, before which its cursor stands: in this reign none of them has been
// offered but to consumers that choose (seeker.ts). It is loaded (Message objects, as anywhere) or paged out: a sheet holds
// the messages, and here remains what folding records asks for, eight bytes a message. Messages that somebody else holds on
// to stay as objects even then. When it is written or read is pager.ts; where it stands in the line is blocks.ts.

import { assert } from '../base/assert.ts'
import type { Bodies } from './bodies.ts'
import { ITEM_HEAD_BYTES, ITEM_NUMBERS_BYTES, type MessageItem, visitItems } from './item.ts'
import { costOf, STUB_BYTES } from './limits.ts'
import { type Home, Message, Standing } from './message.ts'
import type { Scan } from './scan.ts'
import type { Sheet } from './sheet.ts'

/** A block is closed when its sheet would be larger: reading one is one visit to the disk. */
export const BLOCK_BYTES = 256 * 1024
const BLOCK_MESSAGES = 1024
const GONE = 0x8000_0000
const FARTHEST = 0xffff_ffff

/** How many more messages and bytes are paged out. */
type Told = (messages: number, bytes: number) => void

/**
 * A message of a block that is paged out, made when somebody asks for it: the block knows what becomes of it. Sequence,
 * size and delivery count are right; its envelope is on the sheet.
 */
export class PagedMessage extends Message {
  readonly #block: Block

  constructor(sequence: number, home: Home, block: Block) {
    super(sequence, home, Standing.READY, null, 0)
    this.#block = block
  }

  /** Read at once from the sheet: for records that move a message, not for delivering. */
  override get body(): Uint8Array {
    return this.#block.bodyNow(this.sequence)
  }
}

export class Block {
  readonly #home: Home
  readonly #first: number
  #last: number
  /** Loaded: the messages, those that left as null, and their sequences. Paged out: null. */
  #messages: (Message | null)[] | null = []
  #sequences: number[] = []
  /** Paged out: for each message of the sheet its sequence, counted from `#first`, and its size or GONE. */
  #index: Uint32Array | null = null
  /** Failed deliveries, where they are not what the sheet says. */
  #failed: Map<number, number> | null = null
  /** Messages that stay objects. */
  #pinned: Map<number, Message> | null = null
  /** Of those that are none, which were offered in this reign. */
  #offered: Set<number> | null = null
  #sheet: Sheet | null = null
  /** About how large its sheet is or would be. */
  sheetBytes = 0
  /** Messages in it. */
  count = 0
  /** No more messages are added. */
  closed = false
  writing = false
  reading = false
  /** It is in no line any more. */
  gone = false
  /** Paged out: before this time (wall ms) none of its messages expires. */
  expiresFrom = Infinity
  /** Too much of it is held by others for paging it out. */
  stubborn = false

  constructor(home: Home, first: number) {
    this.#home = home
    this.#first = first
    this.#last = first
  }

  get first(): number {
    return this.#first
  }

  get last(): number {
    return this.#last
  }

  get loaded(): boolean {
    return this.#messages !== null
  }

  get sheet(): Sheet | null {
    return this.#sheet
  }

  /** False where the message does not fit in any more. */
  push(message: Message): boolean {
    const bytes = message.bodyBytes + ITEM_HEAD_BYTES + ITEM_NUMBERS_BYTES
    const { sequence } = message
    const messages = this.#messages
    if (this.closed || messages === null || messages.length >= BLOCK_MESSAGES) return this.#close()
    if (this.sheetBytes + bytes > BLOCK_BYTES && messages.length > 0) return this.#close()
    if (sequence - this.#first > FARTHEST) return this.#close()
    messages.push(message)
    this.#sequences.push(sequence)
    this.sheetBytes += bytes
    this.#last = sequence
    this.count++
    return true
  }

  #close(): false {
    this.closed = true
    return false
  }

  find(sequence: number): Message | null {
    const at = this.#indexOf(sequence)
    return at < 0 ? null : this.#at(at)
  }

  /** The message leaves; how many bytes it took outside memory. */
  remove(message: Message): number {
    const at = this.#indexOf(message.sequence)
    assert(at >= 0, 'a message is removed once, from its own queue')
    this.count--
    if (this.#messages !== null) {
      assert(this.#messages[at] === message, 'a message is removed once, from its own queue')
      this.#messages[at] = null
      return 0
    }
    const index = this.#index as Uint32Array
    const size = index[2 * at + 1] as number
    assert(size < GONE, 'a message is removed once, from its own queue')
    index[2 * at + 1] = size | GONE
    if (this.#pinned?.delete(at)) return 0
    this.#failed?.delete(at)
    return costOf(size) - STUB_BYTES
  }

  /** What changed about a message that is no object of the block. */
  note(message: Message): void {
    const at = this.#indexOf(message.sequence)
    if (at >= 0 && this.#messages === null && !this.#pinned?.has(at)) {
      this.#failed ??= new Map()
      this.#failed.set(at, message.deliveryCount)
    }
  }

  /** Of a loaded one; true where the scan has found what it looks for. */
  scan(scan: Scan): boolean {
    const messages = this.#messages as (Message | null)[]
    for (let at = this.#atOrAfter(scan.after + 1); at < messages.length; at++) {
      if (scan.left === 0) return false
      scan.left--
      scan.after = this.#sequences[at] as number
      const message = messages[at] as Message | null
      if (message !== null && scan.look(message)) return true
    }
    return false
  }

  /** Of one that is paged out: its messages as the sheet has them, and the objects of those that are some. */
  survey(content: Uint8Array, visit: (item: MessageItem, object: Message | undefined) => void): void {
    const index = this.#index as Uint32Array
    visitItems(content, this.#home.hidden, (item, at) => {
      if ((index[2 * at + 1] as number) < GONE) visit(item, this.#pinned?.get(at))
    })
  }

  /** True where the message of this sequence is there, and no object. */
  onSheet(sequence: number): boolean {
    if (this.#messages !== null) return false
    const at = this.#indexOf(sequence)
    return at >= 0 && ((this.#index as Uint32Array)[2 * at + 1] as number) < GONE && this.#pinned?.has(at) !== true
  }

  /** Makes one message an object for somebody who wants it; how many bytes came into memory. */
  pin(item: MessageItem, bodies: Bodies): number {
    const at = this.#indexOf(item.sequence)
    const message = this.#made(item, at)
    bodies.keep(message, item.body)
    this.#pinned ??= new Map()
    this.#pinned.set(at, message)
    return costOf(item.body.length) - STUB_BYTES
  }

  /** The same for somebody who only looks: the block does not know of it. */
  shown(item: MessageItem): Message {
    const message = this.#made(item, this.#indexOf(item.sequence))
    message.memory = item.body
    message.bodyBytes = item.body.length
    return message
  }

  /** The opposite of `pin`, where nobody has the message any more; how many bytes left memory. */
  layBack(message: Message, bodies: Bodies): number {
    const at = this.#indexOf(message.sequence)
    if (this.#messages !== null || !message.pageable || this.#pinned?.delete(at) !== true) return 0
    this.#remember(message, at)
    const { expiresAt } = message.envelope
    if (expiresAt !== 0) this.expiresFrom = Math.min(this.expiresFrom, expiresAt)
    bodies.drop(message)
    return costOf(message.bodyBytes) - STUB_BYTES
  }

  #remember({ deliveryCount, offered }: Message, at: number): void {
    if (deliveryCount > 0) (this.#failed ??= new Map()).set(at, deliveryCount)
    if (offered) (this.#offered ??= new Set()).add(at)
  }

  #made(item: MessageItem, at: number): Message {
    const message = new Message(item.sequence, this.#home, Standing.READY, null, 0)
    message.deliveryCount = this.#failed?.get(at) ?? item.failed
    message.envelope = item.envelope
    message.grade = item.grade
    message.offered = this.#offered?.has(at) === true
    return message
  }

  visitRange(first: number, last: number, visit: (message: Message) => void): void {
    const length = this.#length
    for (let at = this.#atOrAfter(first); at < length; at++) {
      if (this.#sequenceAt(at) > last) return
      const message = this.#at(at)
      if (message !== null) visit(message)
    }
  }

  /** Those that are objects now. */
  forEachObject(visit: (message: Message) => void): void {
    if (this.#messages === null) this.#pinned?.forEach(visit)
    else for (const message of this.#messages) if (message !== null) visit(message)
  }

  bodyNow(sequence: number): Uint8Array {
    const at = this.#indexOf(sequence)
    if (this.#messages !== null) return (this.#messages[at] as Message).body
    let body: Uint8Array | null = null
    visitItems((this.#sheet as Sheet).readNow(), this.#home.hidden, (item, index) => {
      if (index === at) ({ body } = item)
    })
    assert(body !== null, 'a message that is paged out is in its sheet')
    return body
  }

  /** The messages to be laid out on a sheet, in this order; nothing is added or left out until `pageOut` or never. */
  lay(): readonly Message[] {
    this.closed = true
    const kept = (this.#messages ?? []).filter(message => message !== null)
    this.#messages = kept.slice()
    this.#sequences = kept.map(({ sequence }) => sequence)
    return kept
  }

  /** True where paging it out is worth a write: most of it is held by nobody else. */
  get worthwhile(): boolean {
    let bytes = 0
    for (const message of this.#messages ?? []) if (message?.pageable) bytes += message.bodyBytes + STUB_BYTES
    return 2 * bytes >= this.sheetBytes || bytes >= BLOCK_BYTES / 2
  }

  /** They lie on this sheet: the objects go. Tells how many, and how many bytes left memory. */
  pageOut(sheet: Sheet, laid: readonly Message[], bodies: Bodies, tell: Told): void {
    const messages = this.#messages as (Message | null)[]
    const index = new Uint32Array(2 * messages.length)
    let freed = 0
    let out = 0
    this.expiresFrom = Infinity
    for (let at = 0; at < messages.length; at++) {
      const { sequence, bodyBytes, envelope } = laid[at] as Message
      if (envelope.expiresAt !== 0) this.expiresFrom = Math.min(this.expiresFrom, envelope.expiresAt)
      index[2 * at] = sequence - this.#first
      index[2 * at + 1] = bodyBytes
      const message = messages[at] as Message | null
      if (message === null) index[2 * at + 1] = bodyBytes | GONE
      else if (message.pageable) {
        out++
        freed += costOf(bodyBytes) - STUB_BYTES
        this.#remember(message, at)
        bodies.drop(message)
      } else (this.#pinned ??= new Map()).set(at, message)
    }
    this.#sheet = sheet
    this.#index = index
    this.#messages = null
    this.#sequences = []
    tell(out, freed)
  }

  /** The sheet's content is there: the messages are objects again. Tells how many, and how many bytes came into memory. */
  load(content: Uint8Array, bodies: Bodies, tell: Told): void {
    let back = 0
    let taken = 0
    const messages: (Message | null)[] = []
    const sequences: number[] = []
    this.visitSheet(content, (message, body) => {
      if (body !== null) {
        bodies.keep(message, body)
        back++
        taken += costOf(body.length) - STUB_BYTES
      }
      messages.push(message)
      sequences.push(message.sequence)
    })
    this.#messages = messages
    this.#sequences = sequences
    this.#index = null
    this.#failed = null
    this.#pinned = null
    this.#offered = null
    this.#sheet?.release()
    this.#sheet = null
    tell(-back, -taken)
  }

  /** Its messages one after another, as objects: a new one and its body, or the one there is, and null. */
  visitSheet(content: Uint8Array, visit: (message: Message, body: Uint8Array | null) => void): void {
    const index = this.#index as Uint32Array
    visitItems(content, this.#home.hidden, (item, at) => {
      if ((index[2 * at + 1] as number) >= GONE) return
      const pinned = this.#pinned?.get(at)
      if (pinned !== undefined) return visit(pinned, null)
      visit(this.#made(item, at), item.body)
    })
  }

  /** What a snapshot needs of it while it is paged out; the sheet is held until the snapshot lets go. */
  capture(): CapturedSheet {
    const index = this.#index as Uint32Array
    const gone: boolean[] = []
    for (let at = 0; 2 * at < index.length; at++) if ((index[2 * at + 1] as number) >= GONE) gone[at] = true
    const failed = new Map(this.#failed)
    this.#pinned?.forEach((message, at) => failed.set(at, message.deliveryCount))
    return { sheet: (this.#sheet as Sheet).hold(), gone, failed, count: this.count }
  }

  /** It leaves its line, or the whole line is forgotten. */
  leave(): void {
    this.gone = true
    this.#sheet?.release()
    this.#sheet = null
  }

  get #length(): number {
    return this.#messages === null ? (this.#index as Uint32Array).length / 2 : this.#messages.length
  }

  #sequenceAt(at: number): number {
    if (this.#messages !== null) return this.#sequences[at] as number
    return this.#first + ((this.#index as Uint32Array)[2 * at] as number)
  }

  #at(at: number): Message | null {
    if (this.#messages !== null) return this.#messages[at] as Message | null
    const size = (this.#index as Uint32Array)[2 * at + 1] as number
    if (size >= GONE) return null
    const pinned = this.#pinned?.get(at)
    if (pinned !== undefined) return pinned
    const message = new PagedMessage(this.#sequenceAt(at), this.#home, this)
    message.bodyBytes = size
    message.deliveryCount = this.#failed?.get(at) ?? 0
    return message
  }

  #indexOf(sequence: number): number {
    const at = this.#atOrAfter(sequence)
    return at < this.#length && this.#sequenceAt(at) === sequence ? at : -1
  }

  #atOrAfter(sequence: number): number {
    let low = 0
    let high = this.#length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#sequenceAt(middle) < sequence) low = middle + 1
      else high = middle
    }
    return low
  }
}

export interface CapturedSheet {
  readonly sheet: Sheet
  /** By place on the sheet: true where the message had left. */
  readonly gone: readonly boolean[]
  readonly failed: ReadonlyMap<number, number>
  readonly count: number
}
