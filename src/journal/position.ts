// Where a journal stands. A position names a record by (epoch, sequence) and carries the rolling digest up to and
// including it, so that two journals that agree on a position agree on everything before it.

/** Rolling checksum over all records up to one: an integer of 52 bits. */
export type Digest = number

export interface Position {
  /** Number of the reign in which the record was made (the LockFile record's seq); 0 before the first. */
  readonly epoch: number
  /** Sequence of the record, 1 for the first ever, without gaps; 0 before the first. */
  readonly sequence: number
  readonly digest: Digest
}

export const ORIGIN: Position = { epoch: 0, sequence: 0, digest: 0 }

/** Negative: `a` is earlier than `b`. Zero: same epoch and sequence. The digest does not order. */
export const comparePositions = (a: Position, b: Position): number => a.epoch - b.epoch || a.sequence - b.sequence

/** Same epoch, sequence and digest: both journals hold the same records up to here. */
export const samePosition = (a: Position, b: Position): boolean =>
  a.epoch === b.epoch && a.sequence === b.sequence && a.digest === b.digest

export const showPosition = (p: Position): string => `${p.epoch}/${p.sequence}`

/** The first sequence of an epoch; a journal's list of these is compared to find where two journals part. */
export interface EpochStart {
  readonly epoch: number
  readonly sequence: number
}
