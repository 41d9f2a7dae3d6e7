// The recent past of this server, for GET /events and `status --why`: a bounded ring of what happened and why.

export interface HaEvent {
  /** Wall clock, for display. */
  readonly wallMs: number
  readonly kind: 'role' | 'peer' | 'lock' | 'record' | 'sync' | 'operator' | 'fault' | 'gateway'
  readonly text: string
  /** Rule or error code, where there is one. */
  readonly code: string
}

export class EventRing {
  readonly #events: HaEvent[] = []
  readonly #size: number

  constructor(size: number) {
    this.#size = size
  }

  add(event: HaEvent): void {
    if (this.#events.length === this.#size) this.#events.shift()
    this.#events.push(event)
  }

  list(): readonly HaEvent[] {
    return [...this.#events]
  }
}
