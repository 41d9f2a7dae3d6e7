// The model's fold over records, as simple as can be, and what it says about limits and ranges. The pair that is judged by
// it is in model.ts.

import type { RecordView } from '../../src/journal/commit.ts'
import { decodeGroup } from '../../src/broker/group-records.ts'
import { decodeMessage } from '../../src/broker/message-record.ts'
import { MESSAGE_OVERHEAD_BYTES } from '../../src/broker/limits.ts'
import { decodeQueue, decodeRanges, GROUP, MESSAGE, PLACE, QUEUE, RETURNED, SETTLED } from '../../src/broker/records.ts'

export const modelLimits = {
  queueMessages: 12,
  queueBytes: 12 * 300,
  storeBytes: 20 * 300,
  messageBytes: 200,
  // Paging all the time, and intake never waits for it.
  memoryBytes: 40 * 300,
  pageOutBytes: 2 * 300,
}

interface Kept {
  id: string
  bytes: number
  count: number
}

/** What the model names a message by. */
export const idIn = (record: RecordView): string => Buffer.from(decodeMessage(record).body).toString().trim()

/** A record, or the parts of a transaction's. */
export const viewsOf = (record: RecordView): RecordView[] => (record.kind === GROUP ? decodeGroup(record) : [record])

/** Messages were settled or returned. */
export const isSettlement = ({ kind }: RecordView): boolean => kind === SETTLED || kind === RETURNED

/** What brought the message of this sequence: a record, or a part of the one that follows its place. */
export function messageAt(records: readonly RecordView[], sequence: number): RecordView {
  let at = sequence - 1
  while ((records[at] as RecordView).kind === PLACE) at++
  const found = viewsOf(records[at] as RecordView).find(view => view.kind === MESSAGE && view.sequence === sequence)
  return found as RecordView
}

/** A fold of its own, as simple as can be. */
export class Fold {
  sequence = 0
  readonly names = new Map<number, string>()
  readonly queues = new Map<string, Map<number, Kept>>()

  apply(record: RecordView): void {
    for (const view of viewsOf(record)) this.#apply(view)
    this.sequence = record.sequence
  }

  #apply(record: RecordView): void {
    if (record.kind === QUEUE) {
      this.names.set(record.sequence, decodeQueue(record))
      this.queues.set(decodeQueue(record), new Map())
    } else if (record.kind === MESSAGE) {
      const { queue, body } = decodeMessage(record)
      this.#queue(queue).set(record.sequence, { id: idIn(record), bytes: body.length, count: 0 })
    } else if (record.kind === SETTLED || record.kind === RETURNED) {
      for (const [sequence, kept] of this.spokenOf(record)) {
        if (record.kind === SETTLED) this.#queue(decodeRanges(record).queue).delete(sequence)
        else kept.count++
      }
    }
  }

  spokenOf(record: RecordView): [number, Kept][] {
    const { queue, bounds } = decodeRanges(record)
    return [...this.#queue(queue)].filter(([sequence]) => {
      for (let i = 0; i < bounds.length; i += 2) {
        if (sequence >= (bounds[i] as number) && sequence <= (bounds[i + 1] as number)) return true
      }
      return false
    })
  }

  static of(records: readonly RecordView[]): Fold {
    const fold = new Fold()
    for (const record of records) fold.apply(record)
    return fold
  }

  #queue(id: number): Map<number, Kept> {
    return this.queues.get(this.names.get(id) as string) as Map<number, Kept>
  }
}

/**
 * By the limits' own words: would one more message be too much, with everything in the queues and everything on its way in
 * (records that are not folded)? Removals count when they are folded.
 */
export function wouldExceed(fold: Fold, records: readonly RecordView[], name: string, bytes: number): boolean {
  const content = new Map([...fold.queues].map(([queue, kept]) => [queue, [...kept.values()]]))
  const { names } = Fold.of(records)
  for (const record of records.slice(fold.sequence).flatMap(viewsOf)) {
    if (record.kind !== MESSAGE) continue
    const { queue, body } = decodeMessage(record)
    const of = names.get(queue) as string
    content.set(of, [...(content.get(of) ?? []), { id: '', bytes: body.length, count: 0 }])
  }
  const here = content.get(name) ?? []
  const sum = (list: Kept[]): number => list.reduce((total, kept) => total + kept.bytes + MESSAGE_OVERHEAD_BYTES, 0)
  const more = bytes + MESSAGE_OVERHEAD_BYTES
  return (
    here.length + 1 > modelLimits.queueMessages ||
    sum(here) + more > modelLimits.queueBytes ||
    sum([...content.values()].flat()) + more > modelLimits.storeBytes
  )
}

export function speaksOf(record: RecordView, of: number, sequence: number): boolean {
  const { queue, bounds } = decodeRanges(record)
  if (queue !== of) return false
  for (let i = 0; i < bounds.length; i += 2) {
    if (sequence >= (bounds[i] as number) && sequence <= (bounds[i + 1] as number)) return true
  }
  return false
}
