// The account of messages that do more than wait in a queue, as their clients see it: which places each of them comes
// through, in which order, and that it is at each of them once. The delivery tag is the message's sequence, so that one that
// is delivered again is known from another one of the same content.

export type Place = 'work' | 'done' | 'dead' | 'old' | 'groups' | 'topic'

interface Errand {
  readonly what: string
  /** Where it must come through if it was acknowledged. Nowhere: it must not come at all. */
  readonly route: readonly Place[]
  /** Wall ms before which it must not come. */
  readonly dueAt: number
  acknowledged: boolean
  /** How far on its route it was seen. */
  at: number
  readonly tags: string[]
  /** Where a server has confirmed that it is no more. */
  readonly left: Set<Place>
  /** A consumer has settled it at its end, and the connection went before the answer: it may come again, or not. */
  consumed: boolean
}

const MOST_FAULTS = 10

export class ErrandAccount {
  readonly faults: string[] = []
  readonly counts = new Map<string, number>()
  readonly #open = new Map<number, Errand>()
  /** Those of them that are consumed, as far as anybody knows. */
  readonly #unsure = new Map<number, Errand>()
  /** Of those that are over, only what is needed to see them come again. */
  readonly #over = new Set<number>()
  /** By group: the number that was last seen for the first time. */
  readonly #groups = new Map<string, number>()
  #last = 0
  #idle: (() => void)[] = []

  begin(what: string, route: readonly Place[], dueAt = 0): number {
    const id = ++this.#last
    this.#open.set(id, { what, route, dueAt, acknowledged: false, at: -1, tags: [], left: new Set(), consumed: false })
    return id
  }

  /** Neither acknowledged nor at their end. */
  get open(): number {
    return this.#open.size
  }

  acknowledge(id: number): void {
    const errand = this.#open.get(id)
    if (errand === undefined) return
    errand.acknowledged = true
    this.#look(id, errand)
  }

  came(place: Place, id: number, tag: string): void {
    const errand = this.#find(id)
    if (errand === undefined) return this.#found(`message ${id} came to ${place} and was over`, !this.#over.has(id))
    const { what, route, dueAt, tags } = errand
    const step = route.indexOf(place)
    const who = `message ${id} (${what})`
    if (step < 0) return this.#found(`${who} came to ${place}`)
    if (Date.now() < dueAt) this.#found(`${who} came ${dueAt - Date.now()} ms before its time`)
    if (errand.left.has(place)) this.#found(`${who} came to ${place} after it was settled there`)
    if (step < errand.at) this.#found(`${who} came to ${place} after ${route[errand.at]}`)
    if ((tags[step] ??= tag) !== tag) this.#found(`${who} is twice at ${place}: as ${tags[step]} and ${tag}`)
    errand.at = Math.max(errand.at, step)
  }

  /** The next number of its group, or one that was seen before. */
  cameInGroup(group: string, number: number): void {
    const last = this.#groups.get(group) ?? 0
    if (number > last + 1) this.#found(`of group ${group} number ${number} came after ${last}`)
    this.#groups.set(group, Math.max(last, number))
  }

  /** A server confirms that it is no more at this place. */
  settled(place: Place, id: number): void {
    const errand = this.#find(id)
    if (errand === undefined) return
    errand.left.add(place)
    this.#look(id, errand)
  }

  /** It was settled at this place, and whether a server knows that will never be said. */
  unanswered(place: Place, id: number): void {
    const errand = this.#find(id)
    if (errand === undefined || errand.route.at(-1) !== place) return
    errand.consumed = true
    this.#look(id, errand)
  }

  /** All are at their end. */
  async idle(withinMs: number): Promise<void> {
    if (this.#open.size === 0) return
    await new Promise<void>(resolve => {
      const limit = setTimeout(resolve, withinMs)
      this.#idle.push(() => {
        clearTimeout(limit)
        resolve()
      })
    })
  }

  /** What is wrong when nothing is under way any more. */
  wrong(): string[] {
    const lost = [...this.#open].map(([id, { what, route, acknowledged, at }]) =>
      acknowledged
        ? `message ${id} (${what}) was acknowledged and is not at its end: ${route[at] ?? 'nowhere'}`
        : `message ${id} (${what}) was never answered`,
    )
    return [...this.faults, ...lost].slice(0, MOST_FAULTS).map(text => `errands: ${text}`)
  }

  found(text: string): void {
    this.#found(text)
  }

  #find(id: number): Errand | undefined {
    return this.#open.get(id) ?? this.#unsure.get(id)
  }

  #look(id: number, errand: Errand): void {
    const { what, route, acknowledged, left, consumed } = errand
    const end = route.at(-1)
    const isOver = end === undefined || left.has(end)
    if (!acknowledged || (!isOver && !consumed)) return
    if (isOver) this.#over.add(id)
    if (isOver) this.#unsure.delete(id)
    else this.#unsure.set(id, errand)
    if (!this.#open.delete(id)) return
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1)
    if (this.#open.size > 0) return
    for (const done of this.#idle.splice(0)) done()
  }

  #found(text: string, unknown = false): void {
    if (this.faults.length < MOST_FAULTS) this.faults.push(unknown ? `${text}, which nobody sent` : text)
  }
}
