// Duplicate detection: which identifiers producers gave to messages, per address, so that one that is sent again after a
// failover comes in once. The records of messages carry their identifiers and when they came, by the clock of the server
// that took them; what is forgotten, by count and by these times alone, is the same on both servers and after a restart.
// Only the serving server asks whether an identifier is known.

import { assert } from '../base/assert.ts'
import type { Clock } from '../base/ports.ts'
import type { Producer } from './api.ts'
import type { Change } from './change.ts'
import type { Envelope } from './envelope.ts'
import { Fifo } from './fifo.ts'
import { DUPLICATE_ID_BYTES, DUPLICATE_IDS, DUPLICATE_IDS_PER_ADDRESS, DUPLICATE_WINDOW_MS } from './limits.ts'
import type { Refusal } from './refusal.ts'

/** A queue by its number, a topic by its name. */
export type Address = number | string

export interface KnownId {
  readonly address: Address
  readonly id: string
  /** Wall ms. */
  readonly cameAt: number
}

interface Entry extends KnownId {
  gone: boolean
}

interface Shelf {
  readonly ids: Map<string, Entry>
  /** In the order of their records; holds entries that are gone until they are in front. */
  readonly order: Fifo<Entry>
}

/** Of both together. */
export const keyOf = (address: Address, id: string): string =>
  `${typeof address === 'number' ? 'q' : 't'}${address}\n${id}`

export class DuplicateIds {
  readonly #shelves = new Map<Address, Shelf>()
  #order = new Fifo<Entry>()
  /** Of records that this server appended and that are not folded: their sequences. */
  readonly #expected = new Map<string, number>()
  count = 0

  /** null: not known; 0: its message is in, safely; else the sequence of the record that will bring it in. */
  find(address: Address, id: string, now: number): number | null {
    const expected = this.#expected.get(keyOf(address, id))
    if (expected !== undefined) return expected
    const entry = this.#shelves.get(address)?.ids.get(id)
    return entry === undefined || now - entry.cameAt > DUPLICATE_WINDOW_MS ? null : 0
  }

  // Folding.

  add(address: Address, id: string, cameAt: number): void {
    const shelf = this.#put(address, id, cameAt)
    const { ids, order } = shelf
    const isDue = ({ gone, cameAt: then }: Entry): boolean =>
      gone || cameAt - then > DUPLICATE_WINDOW_MS || ids.size > DUPLICATE_IDS_PER_ADDRESS
    for (let first = order.peek(); first !== undefined && isDue(first); first = order.peek()) this.#drop(first)
    for (let oldest = this.#order.peek(); oldest !== undefined; oldest = this.#order.peek()) {
      if (!oldest.gone && this.count <= DUPLICATE_IDS) break
      this.#order.shift()
      if (!oldest.gone) this.#drop(oldest)
    }
    if (this.#order.length > 2 * this.count + 1024) this.#compact()
  }

  /** From a snapshot, in the order of the records. */
  restore({ address, id, cameAt }: KnownId): void {
    this.#put(address, id, cameAt)
  }

  /** The address is gone. */
  dropAddress(address: Address): void {
    const shelf = this.#shelves.get(address)
    if (shelf === undefined) return
    this.#shelves.delete(address)
    shelf.order.forEach(entry => {
      if (!entry.gone) this.count--
      entry.gone = true
    })
  }

  /** In the order of the records. */
  all(): KnownId[] {
    const known: KnownId[] = []
    this.#order.forEach(entry => {
      if (!entry.gone) known.push(entry)
    })
    return known
  }

  #put(address: Address, id: string, cameAt: number): Shelf {
    let shelf = this.#shelves.get(address)
    if (shelf === undefined) this.#shelves.set(address, (shelf = { ids: new Map(), order: new Fifo() }))
    const before = shelf.ids.get(id)
    if (before !== undefined) {
      before.gone = true
      this.count--
    }
    const entry = { address, id, cameAt, gone: false }
    shelf.ids.set(id, entry)
    shelf.order.push(entry)
    this.#order.push(entry)
    this.count++
    return shelf
  }

  /** Takes it from its shelf, and with it those in front of it, which are gone already. */
  #drop(entry: Entry): void {
    const { address, id } = entry
    const shelf = this.#shelves.get(address) as Shelf
    for (let first = shelf.order.shift(); first !== entry; first = shelf.order.shift())
      assert(first !== undefined, 'what is known is on its shelf')
    if (!entry.gone) {
      entry.gone = true
      shelf.ids.delete(id)
      this.count--
    }
    if (shelf.order.length === 0) this.#shelves.delete(address)
  }

  #compact(): void {
    const order = new Fifo<Entry>()
    this.#order.forEach(entry => {
      if (!entry.gone) order.push(entry)
    })
    this.#order = order
  }

  // On the active server: from appending to folding.

  /** `change` brings messages in; together with it their identifiers become known. */
  with(change: Change, ids: readonly KnownId[]): Change {
    for (const { address, id } of ids) this.#expected.set(keyOf(address, id), change.sequence)
    return new IdentifiedChange(change, folded => {
      for (const { address, id, cameAt } of ids) {
        this.#expected.delete(keyOf(address, id))
        if (folded) this.add(address, id, cameAt)
      }
    })
  }
}

class IdentifiedChange implements Change {
  readonly sequence: number
  readonly #change: Change
  readonly #known: (folded: boolean) => void

  constructor(change: Change, known: (folded: boolean) => void) {
    this.sequence = change.sequence
    this.#change = change
    this.#known = known
  }

  fold(): void {
    this.#change.fold()
    this.#known(true)
  }

  answer(): void {
    this.#change.answer()
  }

  silence(): void {
    this.#change.silence()
  }

  forget(state: Parameters<Change['forget']>[0]): void {
    this.#change.forget(state)
    this.#known(false)
  }
}

/** A message that is known already: its producer is answered as soon as the one before it is safe. `found` as by `find`. */
export function answerDuplicate(
  ground: { readonly ledger: { published(producer: Producer, tag: number, may: boolean): void }; mayServe(): boolean },
  producer: Producer | null,
  tag: number,
  found: number,
): void {
  if (producer === null) return
  producer.awaits = Math.max(producer.awaits ?? 0, found)
  ground.ledger.published(producer, tag, ground.mayServe())
}

/** A message is named that comes at this moment. */
export const cameNow = (envelope: Envelope, clock: Clock): Envelope => ({
  ...envelope,
  cameAt: Math.max(0, Math.floor(clock.wall())),
})

export const knownAs = (address: Address, { duplicateId: id, cameAt }: Envelope): KnownId => ({ address, id, cameAt })

/** Why a message may not have this identifier, or null. */
export function duplicateIdFault(id: string): Refusal | null {
  if (Buffer.byteLength(id) <= DUPLICATE_ID_BYTES) return null
  return {
    refused: 'not-allowed',
    text: `an identifier for duplicate detection has at most ${DUPLICATE_ID_BYTES} bytes`,
  }
}
