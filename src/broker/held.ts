// What listeners of topics are to hear, and may not yet: published at a moment when this server could not prove that it
// serves (P1). It is told, in its order, as soon as it can; when the reign ends instead, it never was. Bounded: beyond
// the bound a publisher is refused, and who waits for no answer is not heard.

import type { Envelope } from './envelope.ts'
import { Fifo } from './fifo.ts'
import { HELD_BYTES, HELD_MESSAGES } from './limits.ts'
import type { Listeners, Topics } from './topics.ts'

interface Publish {
  readonly listeners: Listeners
  readonly body: Buffer
  readonly envelope: Envelope
}

export class Held {
  readonly #line = new Fifo<Publish>()
  #bytes = 0

  /** False where it is not kept. Both are copied. */
  add(listeners: Listeners, body: Uint8Array, envelope: Envelope): boolean {
    if (listeners.length === 0) return true
    if (this.#line.length >= HELD_MESSAGES || this.#bytes + body.length > HELD_BYTES) return false
    this.#line.push({ listeners, body: Buffer.from(body), envelope: { ...envelope } })
    this.#bytes += body.length
    return true
  }

  /** Those who have left meanwhile hear nothing more. */
  tell(topics: Topics): void {
    for (let next = this.#line.shift(); next !== undefined; next = this.#line.shift()) {
      this.#bytes -= next.body.length
      topics.tell(next.listeners, next.body, next.envelope)
    }
  }

  clear(): void {
    this.#line.clear()
    this.#bytes = 0
  }
}
