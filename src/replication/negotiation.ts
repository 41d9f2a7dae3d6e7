// Where two journals part: found from their epoch starts alone, like the leader epochs of Raft and Kafka. Pure. The digest
// at the place found is compared afterwards, by both sides; a difference there is divergence and never synchronized over.

import type { EpochStart } from '../journal/position.ts'

export interface JournalOutline {
  /** First sequences of all epochs, oldest first. */
  readonly epochs: readonly EpochStart[]
  /** Everything up to this sequence is only in the snapshot. */
  readonly start: number
  readonly last: number
}

export type SyncPlan =
  /** Ship the records after `sequence`; the follower cuts off what it has beyond. */
  | { readonly how: 'tail'; readonly sequence: number }
  /** The records needed are gone on one side: ship a snapshot first. */
  | { readonly how: 'snapshot' }

/**
 * The last record that both have. An epoch has one holder, which made its first record on top of everything it had; so two
 * journals with the same first sequence of one epoch agree up to there, and beyond it as far as both have that epoch.
 */
export function findCommon(active: JournalOutline, follower: JournalOutline): SyncPlan {
  const sequence = lastCommon(active, follower)
  const readable = sequence >= active.start && sequence >= follower.start
  return readable ? { how: 'tail', sequence } : { how: 'snapshot' }
}

function lastCommon(a: JournalOutline, b: JournalOutline): number {
  let i = a.epochs.length - 1
  let j = b.epochs.length - 1
  while (i >= 0 && j >= 0) {
    const ours = a.epochs[i] as EpochStart
    const theirs = b.epochs[j] as EpochStart
    if (ours.epoch > theirs.epoch) i -= 1
    else if (ours.epoch < theirs.epoch) j -= 1
    else if (ours.sequence === theirs.sequence) return Math.min(endOfEpoch(a, i), endOfEpoch(b, j))
    else {
      i -= 1
      j -= 1
    }
  }
  return 0
}

const endOfEpoch = (journal: JournalOutline, index: number): number => {
  const next = journal.epochs[index + 1]
  return next === undefined ? journal.last : next.sequence - 1
}
