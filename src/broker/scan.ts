// Looking along a queue's line for one consumer, a bounded part of it at a time.

import type { Message } from './message.ts'

export interface Scan {
  /** Sequence of the last message that was looked at. */
  after: number
  /** How many more may be looked at now. */
  left: number
  /** True: this is enough for now. */
  look(message: Message): boolean
}

/** Why a scan came to its end: nothing follows, it has enough or may look at no more now, or a block must be read first. */
export type Halt<Block> = 'end' | 'stopped' | Block
