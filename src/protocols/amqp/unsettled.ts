// Deliveries of a session that the client has not settled: delivery id to link and sequence. A ring over the newest ids,
// because almost all are settled soon and in order; one that the client sits on for long moves to a map, so that it does
// not hold the ring's place. Ids are serial numbers of 32 bits that wrap around.

export interface SettleSink<Link> {
  settleOne(id: number, link: Link, sequence: number): void
}

const SMALLEST = 64

const empty = (slots: number): null[] => Array.from({ length: slots }, () => null)

export class Unsettled<Link> {
  /** Deliveries held. */
  count = 0
  readonly #most: number
  #links: (Link | null)[] = empty(SMALLEST)
  #sequences = new Float64Array(SMALLEST)
  #mask = SMALLEST - 1
  /** The ring speaks of the ids from `#low` up to but not including `#next`. */
  #low = 0
  #next = 0
  readonly #old = new Map<number, { readonly link: Link; readonly sequence: number }>()

  /** `ringEntries`: the ring grows no further than to the next power of two. */
  constructor(ringEntries: number) {
    this.#most = ringEntries
  }

  /** Ids come in rising order, not necessarily without gaps. */
  add(id: number, link: Link, sequence: number): void {
    while (this.#low !== this.#next && (id - this.#low) >>> 0 > this.#mask) this.#makeRoom()
    if (this.#low === this.#next) this.#low = id
    const slot = id & this.#mask
    this.#links[slot] = link
    this.#sequences[slot] = sequence
    this.#next = (id + 1) >>> 0
    this.count++
  }

  /** Takes out every delivery from `first` to `last` (at most half the number space) and tells `sink`. */
  takeRange(first: number, last: number, sink: SettleSink<Link>): void {
    const span = (last - first) >>> 0
    if (this.#old.size > 0) {
      for (const [id, entry] of [...this.#old]) {
        if ((id - first) >>> 0 > span) continue
        this.#old.delete(id)
        this.count--
        sink.settleOne(id, entry.link, entry.sequence)
      }
    }
    let id = ((first - this.#low) | 0) < 0 ? this.#low : first
    const stop = ((last - this.#next) | 0) < 0 ? (last + 1) >>> 0 : this.#next
    for (; ((id - stop) | 0) < 0; id = (id + 1) >>> 0) {
      const slot = id & this.#mask
      const link = this.#links[slot]
      if (link === null || link === undefined) continue
      this.#links[slot] = null
      this.count--
      sink.settleOne(id, link, this.#sequences[slot]!)
    }
    this.#advance()
  }

  /** What was just taken out stays after all. */
  putBack(id: number, link: Link, sequence: number): void {
    this.#old.set(id, { link, sequence })
    this.count++
  }

  /** Tells `sink` of the same deliveries and leaves them. */
  visitRange(first: number, last: number, sink: SettleSink<Link>): void {
    const span = (last - first) >>> 0
    for (const [id, { link, sequence }] of [...this.#old])
      if ((id - first) >>> 0 <= span) sink.settleOne(id, link, sequence)
    let id = ((first - this.#low) | 0) < 0 ? this.#low : first
    const stop = ((last - this.#next) | 0) < 0 ? (last + 1) >>> 0 : this.#next
    for (; ((id - stop) | 0) < 0; id = (id + 1) >>> 0) {
      const link = this.#links[id & this.#mask]
      if (link !== null && link !== undefined) sink.settleOne(id, link, this.#sequences[id & this.#mask]!)
    }
  }

  /** Forgets everything of a link that is gone. */
  dropLink(link: Link): void {
    for (const [id, entry] of this.#old) {
      if (entry.link !== link) continue
      this.#old.delete(id)
      this.count--
    }
    for (let id = this.#low; id !== this.#next; id = (id + 1) >>> 0) {
      const slot = id & this.#mask
      if (this.#links[slot] !== link) continue
      this.#links[slot] = null
      this.count--
    }
    this.#advance()
  }

  #advance(): void {
    while (this.#low !== this.#next && this.#links[this.#low & this.#mask] === null) this.#low = (this.#low + 1) >>> 0
  }

  #makeRoom(): void {
    const slot = this.#low & this.#mask
    const link = this.#links[slot]
    if (link !== null && link !== undefined) {
      if (this.#mask + 1 < this.#most) {
        this.#grow()
        return
      }
      this.#old.set(this.#low, { link, sequence: this.#sequences[slot]! })
      this.#links[slot] = null
    }
    this.#low = (this.#low + 1) >>> 0
  }

  #grow(): void {
    const size = (this.#mask + 1) * 2
    const links: (Link | null)[] = empty(size)
    const sequences = new Float64Array(size)
    for (let id = this.#low; id !== this.#next; id = (id + 1) >>> 0) {
      links[id & (size - 1)] = this.#links[id & this.#mask]!
      sequences[id & (size - 1)] = this.#sequences[id & this.#mask]!
    }
    this.#links = links
    this.#sequences = sequences
    this.#mask = size - 1
  }
}
