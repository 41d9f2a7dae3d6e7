// Packet identifiers of what is sent to a client without a lasting session, and where each stands: such a client gets
// nothing again, so a byte per identifier is all there is to know. Only as many identifiers as the window is wide are
// used, so that there is always a free one while it is not full.

export const Standing = { FREE: 0, PUBACK: 1, PUBREC: 2, PUBCOMP: 3 } as const
type Standing = (typeof Standing)[keyof typeof Standing]

const SMALLEST = 16

export class Window {
  readonly #width: number
  #states = new Uint8Array(SMALLEST)
  #next = 0
  /** Publishes that the client has not answered to the end. */
  count = 0

  constructor(width: number) {
    this.#width = Math.min(width, 65_535)
  }

  get full(): boolean {
    return this.count >= this.#width
  }

  get room(): number {
    return this.#width - this.count
  }

  /** A packet identifier for a publish of this QoS; only while not full. */
  take(qos: number): number {
    if (this.count === this.#states.length && this.count < this.#width) this.#grow()
    const states = this.#states
    const most = Math.min(states.length, this.#width)
    let at = this.#next
    for (;;) {
      if (at >= most) at = 0
      if (states[at] === Standing.FREE) break
      at++
    }
    states[at] = qos === 1 ? Standing.PUBACK : Standing.PUBREC
    this.#next = at + 1
    this.count++
    return at + 1
  }

  standing(id: number): Standing {
    return (this.#states[id - 1] ?? Standing.FREE) as Standing
  }

  /** PUBREC came: PUBREL goes, PUBCOMP is awaited. */
  received(id: number): void {
    this.#states[id - 1] = Standing.PUBCOMP
  }

  free(id: number): void {
    this.#states[id - 1] = Standing.FREE
    this.count--
  }

  #grow(): void {
    const larger = new Uint8Array(Math.min(this.#width, this.#states.length * 4))
    larger.set(this.#states)
    this.#next = this.#states.length
    this.#states = larger
  }
}
