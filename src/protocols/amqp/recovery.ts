// What became of the deliveries of senders that mean to come back to their links (section 2.6.13): which were accepted, by
// their tags. It is this server's memory, within bounds, and no record: after a failover nothing is known, and a sender
// sends anew what it has no answer for.

/** Links that are remembered; beyond it the one that came back longest ago is forgotten. */
const LINKS = 1000
/** Accepted deliveries of one link; beyond it the oldest is forgotten. */
const DELIVERIES = 4096

/** A delivery on its way: a later one may have its tag, before it is known what became of this one. */
export interface Sent {
  readonly tag: string
}

export class SenderMemory {
  /** Tags of accepted deliveries, the oldest first. */
  readonly #accepted = new Set<string>()
  readonly #pending = new Map<string, Sent>()
  readonly #waiting = new Set<() => void>()

  /** Of all its deliveries the sender has these left: the tags of others are free, for deliveries that are not these. */
  keep(tags: readonly string[]): void {
    const left = new Set(tags)
    for (const known of [this.#accepted, this.#pending])
      for (const tag of known.keys()) if (!left.has(tag)) known.delete(tag)
  }

  /** A delivery of this tag comes, for the first time. */
  begun(tag: string): Sent {
    const sent = { tag }
    this.#accepted.delete(tag)
    this.#pending.set(tag, sent)
    return sent
  }

  ended(sent: Sent, accepted: boolean): void {
    const { tag } = sent
    if (this.#pending.get(tag) === sent && this.#pending.delete(tag) && accepted) {
      this.#accepted.add(tag)
      if (this.#accepted.size > DELIVERIES) {
        for (const oldest of this.#accepted) {
          this.#accepted.delete(oldest)
          break
        }
      }
    }
    if (this.#pending.size > 0) return
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const ready of waiting) ready()
  }

  /** `ready` once it is known of all of these; maybe at once. */
  whenKnown(tags: readonly string[], ready: () => void): void {
    if (tags.some(tag => this.#pending.has(tag))) this.#waiting.add(ready)
    else ready()
  }

  /** Who waits is gone. */
  forgetWaiting(ready: () => void): void {
    this.#waiting.delete(ready)
  }

  accepted(tag: string): boolean {
    return this.#accepted.has(tag)
  }

  forget(tag: string): void {
    this.#accepted.delete(tag)
  }
}

/** One for all connections of a server. */
export class Recovery {
  readonly #links = new Map<string, SenderMemory>()

  of(link: string): SenderMemory {
    const memory = this.#links.get(link) ?? new SenderMemory()
    this.#links.delete(link)
    this.#links.set(link, memory)
    if (this.#links.size > LINKS) {
      for (const oldest of this.#links.keys()) {
        this.#links.delete(oldest)
        break
      }
    }
    return memory
  }
}
