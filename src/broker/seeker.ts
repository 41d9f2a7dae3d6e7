// A consumer that does not take whatever is next: one with a selector, one that only looks (browses), and any at a queue with
// message groups. It has a place of
// its own in the queue's line and looks at each message once, a bounded part of the line in one turn; what comes back before
// its place it is told. What suits it waits in a heap, as sequences, until the consumer has credit. Where messages are paged
// out it reads their sheets, and only those that it takes become objects.

import type { PropertyReader } from './neutral.ts'
import { bySequence, ReadyHeap } from './heap.ts'
import type { Block } from './block.ts'
import type { Envelope } from './envelope.ts'
import type { Groups } from './groups.ts'
import { CHOSEN_AHEAD, PRIORITY_WINDOW } from './limits.ts'
import { Message, Standing } from './message.ts'
import type { Queue } from './queue.ts'
import type { Scan } from './scan.ts'
import type { Selector } from './selector/selector.ts'

/** The consumer it looks for. */
export interface Seeking {
  readonly closed: boolean
  /** Its credit. */
  readonly left: number
  /** The message is undeliverable to it. */
  shuns(message: Message): boolean
}

/** What a seeker needs of the one who delivers. */
export interface SeekerGround {
  readonly queue: Queue
  readonly properties: PropertyReader
  readonly groups: Groups<Seeking>
  /** What was read is there. */
  wanted(): void
}

/** How many messages may be looked at in this turn, by all seekers of a queue together. */
export interface Budget {
  left: number
  /** Somebody could look at no more. */
  tired: boolean
}

/** Messages that one seeker looks at before it is the next one's turn. */
const SLICE = 512

interface Candidate {
  readonly sequence: number
  readonly envelope: Envelope
}

export class Seeker implements Scan {
  readonly #ground: SeekerGround
  readonly #owner: Seeking
  readonly #selector: Selector | null
  readonly browses: boolean
  after = 0
  left = 0
  readonly #found: ReadyHeap<Candidate>
  /** What a browser found on sheets, as far as it has credit. */
  readonly #shown = new Map<number, Message>()
  /** Where priorities count: how many messages it has looked at for the highest. */
  #looked = 0
  /** A sheet is being read for it. */
  reading = false

  constructor(ground: SeekerGround, owner: Seeking, selector: Selector | null, browses: boolean) {
    this.#ground = ground
    this.#owner = owner
    this.#selector = selector
    this.browses = browses
    this.#found = new ReadyHeap(browses ? bySequence : ground.queue.before)
  }

  /** The next message for its consumer, no longer to be had by others unless it browses; null: none, or none yet. */
  next(budget: Budget): Message | null {
    for (;;) {
      if (this.reading || (!this.#complete() && !this.#seek(budget))) return null
      const candidate = this.#found.peek()
      if (candidate === null) return null
      const message = this.#taken(candidate.sequence)
      if (message === 'on a sheet') return null
      this.#found.shift()
      this.#shown.delete(candidate.sequence)
      this.#looked = this.#found.length === 0 ? 0 : this.#looked - 1
      if (message !== null) return message
    }
  }

  /** Something may come of what is there already. */
  get pending(): boolean {
    return this.#found.length > 0 || !this.#atEnd
  }

  /** A message before its place is there again. */
  again(message: Message): void {
    if (this.browses || message.sequence > this.after || !this.#suits(message)) return
    const { sequence, envelope } = message
    this.#found.push({ sequence, envelope })
    if (this.#found.length <= CHOSEN_AHEAD) return
    const sequences = this.#found.all.map(one => one.sequence).toSorted((a, b) => a - b)
    this.rewind(sequences[CHOSEN_AHEAD / 2] as number)
  }

  /** From this message on it looks again; who browses has seen it. */
  rewind(sequence: number): void {
    if (this.browses || sequence > this.after) return
    this.after = sequence - 1
    this.#found.keep(one => one.sequence < sequence)
  }

  close(): void {
    const { queue } = this.#ground
    for (const { sequence } of this.#found.keep(() => false)) {
      const message = queue.line.find(sequence)
      if (message !== null) queue.layBack(message)
    }
    this.#shown.clear()
  }

  get #atEnd(): boolean {
    return this.after >= this.#ground.queue.line.lastSequence
  }

  /** It has seen enough to say which message is the next one. */
  #complete(): boolean {
    if (this.#atEnd) return true
    if (this.#found.length === 0) return false
    return this.browses || !this.#ground.queue.prioritized || this.#looked >= PRIORITY_WINDOW
  }

  /** Looks further along the line; false where it could not look at enough now. */
  #seek(budget: Budget): boolean {
    const { line } = this.#ground.queue
    do {
      if (budget.left <= 0) {
        budget.tired = true
        return false
      }
      const before = (this.left = Math.min(budget.left, SLICE))
      const halt = line.scan(this)
      budget.left -= before - this.left
      if (halt === 'end') this.after = Math.max(this.after, line.lastSequence)
      else if (halt !== 'stopped') {
        const content = this.#content(halt)
        if (content === null) return false
        budget.left -= this.#use(halt, content)
      }
    } while (!this.#complete())
    return true
  }

  look(message: Message): boolean {
    this.#looked++
    if (message.standing !== Standing.READY || !this.#suits(message)) return false
    this.#found.push({ sequence: message.sequence, envelope: message.envelope })
    return this.#complete()
  }

  #suits(message: Message): boolean {
    if (message.shunnedBy !== null && this.#owner.shuns(message)) return false
    return this.#selected(message, message.envelope)
  }

  #selected(of: { readonly sequence: number; readonly body: Uint8Array }, envelope: Envelope): boolean {
    const selector = this.#selector
    if (!this.#mayHave(of.sequence, envelope)) return false
    return selector === null || selector.matches(this.#ground.properties(of.body, envelope))
  }

  #mayHave(sequence: number, { group }: Envelope): boolean {
    return group === '' || this.browses || this.#ground.groups.mayHave(this.#owner, group, sequence)
  }

  /** Its group is this one's from now on; with a group sequence of -1 it is the last one for now, as in ActiveMQ. */
  #joined(message: Message): void {
    const { groups, properties, queue } = this.#ground
    const { envelope } = message
    groups.give(this.#owner, envelope.group)
    if (properties(message.body, envelope)('JMSXGroupSeq') !== -1n) return
    const first = groups.end(envelope.group)
    for (const seeker of queue.seekers) if (seeker !== this) seeker.rewind(first)
  }

  /** null: the block must be read first. */
  #content(block: Block): Uint8Array | null {
    const content = this.#ground.queue.peek(block, () => this.#arrived(block))
    this.reading = content === null
    return content
  }

  /** It is used at once: by its turn others may have read so much that it would have to be read again. */
  #arrived(block: Block): void {
    this.reading = false
    if (this.#owner.closed) return
    if (!block.gone && !block.loaded) {
      const content = this.#ground.queue.peek(block, () => {})
      if (content !== null) this.#use(block, content)
    }
    this.#ground.wanted()
  }

  /** Looks at all of a block, and makes objects of as many as its consumer can have; how many it looked at. */
  #use(block: Block, content: Uint8Array): number {
    let looked = 0
    block.survey(content, ({ sequence, envelope, body }, object) => {
      if (sequence <= this.after) return
      looked++
      if (object === undefined) {
        if (!this.#selected({ sequence, body }, envelope)) return
      } else if (object.standing !== Standing.READY || !this.#suits(object)) return
      this.#found.push({ sequence, envelope })
    })
    this.#looked += looked
    this.after = Math.max(this.after, block.last)
    this.#fetch(block, content)
    return looked
  }

  #fetch(block: Block, content: Uint8Array): void {
    const { queue } = this.#ground
    const inBlock = this.#found.all.filter(one => one.sequence >= block.first && one.sequence <= block.last)
    if (inBlock.length === 0) return
    const order = this.browses ? bySequence : queue.before
    const next = inBlock.sort((a, b) => (order(a, b) ? -1 : 1)).slice(0, Math.max(1, this.#owner.left))
    const wanted = new Set(next.map(one => one.sequence))
    block.survey(content, (item, object) => {
      if (object !== undefined || !wanted.has(item.sequence)) return
      if (this.browses) this.#shown.set(item.sequence, block.shown(item))
      else queue.pin(block, item)
    })
  }

  /** null: it is not to be had any more. */
  #taken(sequence: number): Message | 'on a sheet' | null {
    const { queue } = this.#ground
    const block = queue.line.blocks.sheetOf(sequence)
    if (block !== null) {
      const shown = this.#shown.get(sequence)
      if (shown !== undefined) return shown
      const content = this.#content(block)
      if (content === null) return 'on a sheet'
      this.#fetch(block, content)
      return this.#taken(sequence)
    }
    const message = queue.line.find(sequence)
    if (message === null || message.standing !== Standing.READY) return null
    if (message.shunnedBy !== null && this.#owner.shuns(message)) return null
    if (this.browses) return shownOf(message)
    if (!this.#mayHave(sequence, message.envelope)) return null
    queue.claim(message)
    if (message.envelope.group !== '') this.#joined(message)
    return message
  }
}

/** For who only looks: what becomes of the message meanwhile is not its business. */
function shownOf(message: Message): Message {
  const shown = new Message(message.sequence, message.home, Standing.READY, null, 0)
  shown.memory = message.memory
  shown.bodyAt = message.bodyAt
  shown.bodyBytes = message.bodyBytes
  shown.deliveryCount = message.deliveryCount
  shown.envelope = message.envelope
  shown.grade = message.grade
  shown.offered = message.offered
  return shown
}
