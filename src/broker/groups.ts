// Message groups of one queue: messages of one group go to one consumer, in order, as long as it is there. So that any number
// of groups costs the same memory, they share buckets, and a bucket has an owner. It is this reign's: after a failover
// owners are chosen anew.

const BUCKETS = 1024

interface Away {
  count: number
  /** The first of them, and of those that were looked at meanwhile. */
  sequence: number
}

interface Held<Owner> {
  readonly owner: Owner
  /** The first message that somebody else was refused; Infinity: none. */
  refused: number
}

export class Groups<Owner extends object> {
  /** By bucket. */
  readonly #held = new Map<number, Held<Owner>>()
  /**
   * By bucket: messages that failed and are not back yet, or that a former owner still has. Nothing of their group may
   * overtake them.
   */
  readonly #away = new Map<number, Away>()

  /** Who asks about a message while others are away asks again from that one on when they are back, if it comes first. */
  mayHave(owner: Owner, group: string, sequence: number): boolean {
    const bucket = bucketOf(group)
    const away = this.#away.get(bucket)
    if (away !== undefined) {
      away.sequence = Math.min(away.sequence, sequence)
      return false
    }
    const held = this.#held.get(bucket)
    if (held === undefined || held.owner === owner) return true
    held.refused = Math.min(held.refused, sequence)
    return false
  }

  /** One that may have it. */
  give(owner: Owner, group: string): void {
    const bucket = bucketOf(group)
    if (!this.#held.has(bucket)) this.#held.set(bucket, { owner, refused: Infinity })
  }

  /** What comes of it next may go to anybody; the first message that others may have now and were refused. */
  end(group: string): number {
    const bucket = bucketOf(group)
    const first = this.#held.get(bucket)?.refused ?? Infinity
    this.#held.delete(bucket)
    return first
  }

  /** A consumer gets no more; the same of all groups that it had. */
  part(owner: Owner): number {
    let first = Infinity
    for (const [bucket, held] of this.#held) {
      if (held.owner !== owner) continue
      first = Math.min(first, held.refused)
      this.#held.delete(bucket)
    }
    return first
  }

  leaves(group: string, sequence: number): void {
    const bucket = bucketOf(group)
    const away = this.#away.get(bucket)
    if (away === undefined) this.#away.set(bucket, { count: 1, sequence })
    else {
      away.count++
      away.sequence = Math.min(away.sequence, sequence)
    }
  }

  /** One is back; the first that was away where the group may go on now, else 0. */
  back(group: string): number {
    const bucket = bucketOf(group)
    const away = this.#away.get(bucket)
    if (away === undefined || --away.count > 0) return 0
    this.#away.delete(bucket)
    return away.sequence
  }

  /** Nothing is waited for. */
  allBack(): void {
    this.#away.clear()
  }

  clear(): void {
    this.#held.clear()
    this.#away.clear()
  }
}

/** FNV-1a over UTF-16 code units. */
function bucketOf(group: string): number {
  let hash = 0x811c_9dc5
  for (let i = 0; i < group.length; i++) hash = Math.imul(hash ^ group.charCodeAt(i), 0x0100_0193)
  return (hash ^ (hash >>> 16)) & (BUCKETS - 1)
}
