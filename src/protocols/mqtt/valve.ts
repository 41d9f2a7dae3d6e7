// Whether the client is read: not while its CONNECT is judged, not while the target of its next publish has no room, not
// while too much of what it published waits for an answer, and not while what is retained is still looked through for its
// subscriptions. This is how MQTT 3.1.1 clients are slowed down.

import type { PublishTarget } from '../../broker/api.ts'

export type Reason = 'opening' | 'choked' | 'full' | 'looking'

export class Valve {
  readonly #pause: (paused: boolean) => void
  readonly #readOn: () => void
  readonly #reasons = new Set<Reason>()
  #forgetRoom: (() => void) | null = null

  /** `readOn` is to come back to what was kept, in a later turn. */
  constructor(pause: (paused: boolean) => void, readOn: () => void) {
    this.#pause = pause
    this.#readOn = readOn
  }

  get closed(): boolean {
    return this.#reasons.size > 0
  }

  set(reason: Reason, closed: boolean): void {
    if (closed === this.#reasons.has(reason)) return
    const before = this.closed
    if (closed) this.#reasons.add(reason)
    else this.#reasons.delete(reason)
    if (before === this.closed) return
    this.#pause(closed)
    if (!closed) this.#readOn()
  }

  waitFor(target: PublishTarget): void {
    this.set('full', true)
    this.#forgetRoom = target.onRoom(() => {
      this.#forgetRoom = null
      this.set('full', false)
    })
  }

  /** The connection ends: what is still in the socket may come and be thrown away. */
  stop(): void {
    this.#forgetRoom?.()
    if (this.closed) this.#pause(false)
    this.#reasons.clear()
  }
}
