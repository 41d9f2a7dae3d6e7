// Room in a queue that is at a limit, where its settings say that the oldest messages give way: they are gone, or go where dead
// letters go. As much leaves as comes, each time: what has left is in the queue until its record is safe, and counts so long.
// What a consumer has stays.

import type { DeadLetters } from './dead-letters.ts'
import { costOf, SEEN_PER_TURN } from './limits.ts'
import { type Message, Standing } from './message.ts'
import type { Queue } from './queue.ts'
import type { Scan } from './scan.ts'

export class Oldest {
  readonly #deaths: DeadLetters
  /** Room is being made: what that fills makes none in its turn. */
  #busy = false

  constructor(deaths: DeadLetters) {
    this.#deaths = deaths
  }

  /** True where a message of this size may come although the queue is at its limit. */
  makesRoom(queue: Queue, bodyBytes: number): boolean {
    const { whenFull } = queue.policy
    if (this.#busy || queue.leaving || (whenFull !== 'drop-oldest' && whenFull !== 'dead-letter')) return false
    const found = oldestOf(queue, costOf(bodyBytes))
    if (found === null) return false
    // What goes nowhere any more is not to be lost for a newer one.
    const goes = whenFull === 'drop-oldest' || found.every(one => this.#deaths.addressOf(queue, one, 'length') !== null)
    if (!goes) {
      for (const message of found) queue.layBack(message)
      return false
    }
    for (const message of found) queue.settling(message, Standing.TAKEN)
    this.#busy = true
    const left =
      whenFull === 'dead-letter' ? this.#deaths.move(queue, found, 'length') : this.#deaths.discard(queue, found)
    this.#busy = false
    for (const message of left) {
      queue.giveBack(message)
      queue.seenThrough = 0
    }
    return left.length === 0
  }
}

/** The first messages that nobody has, so many that they take as much as that; null: there are not enough of them. */
function oldestOf(queue: Queue, bytes: number): Message[] | null {
  const found: Message[] = []
  let enough = 0
  const scan: Scan = {
    after: queue.seenThrough,
    left: SEEN_PER_TURN,
    look(message) {
      if (message.standing !== Standing.READY) return false
      found.push(message)
      enough += costOf(message.bodyBytes)
      return enough >= bytes
    },
  }
  while (enough < bytes) {
    const halt = queue.line.scan(scan)
    if (halt === 'end' || halt === 'stopped') break
    halt.survey(queue.peekNow(halt), (item, object) => {
      if (enough >= bytes || item.sequence <= scan.after) return
      if (object === undefined) queue.pin(halt, item)
      scan.look(object ?? (queue.line.find(item.sequence) as Message))
    })
    scan.left -= Math.min(scan.left, halt.count)
    scan.after = halt.last
  }
  if (enough < bytes) {
    // What was given back since stands before where it looked: next time it begins anew.
    queue.seenThrough = 0
    for (const message of found) queue.layBack(message)
    return null
  }
  queue.seenThrough = Math.max(queue.seenThrough, (found[0] as Message).sequence - 1)
  return found
}
