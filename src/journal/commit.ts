// The port between those who make records (broker, repository) and those who make them safe (journal, replication).
// The maker appends and goes on; when the commit rule says that a record is safe, the maker is told and only then acts
// on it. `server` introduces the two; neither knows the other.

/** Kinds of records. The broker owns 16 to 63, the repository 64 to 95. */
export const RecordKind = {
  /** First record of a reign; body: UTF-8 JSON { holder, store }. */
  EPOCH: 1,
} as const

export interface CommitLog {
  /**
   * Appends one record, to be written and shipped in the batch under way, and returns its sequence. `head` and `body`
   * are laid one after the other; both are copied before this returns. A `patient` record is one that nobody waits for:
   * it goes with the next one that is not, or alone a few milliseconds later.
   * Throws JOURNAL-CLOSED when the journal has failed or is closing. Any other coded error refuses this record only: too
   * much is not safe yet, or this server does not act; the next `committed` is the time to try again.
   */
  append(kind: number, head: Uint8Array, body: Uint8Array, patient?: boolean): number
  /**
   * The last `bytes` of the record `sequence`, which `append` made last, where they lie: in memory shared with others that
   * is never changed.
   */
  laid(sequence: number, bytes: number): Uint8Array
  /** True at this moment if this server can prove that it alone may acknowledge and deliver (docs/safety: P1). */
  mayServe(): boolean
}

export interface RecordView {
  readonly sequence: number
  readonly epoch: number
  readonly kind: number
  /** The record's body, as a view into the batch it came in, which is never changed. */
  readonly body: Uint8Array
}

/** Stands for a chunk that must be fetched first: called with what to do when it is there. */
export type Wait = (go: () => void) => void

/** Chunks of at most 1 MiB, one after another. Who does not take all of them calls its iterator's `return`. */
export type Chunks = Iterable<Uint8Array | Wait>

/** What the broker (or the repository) offers to the one who commits. */
export interface RecordSink {
  /** Records that this server appended itself are safe up to and including `sequence`. Called in order. */
  committed(sequence: number): void
  /** A record from the journal at start, or from the active server: fold it into the state. Called in order. */
  apply(record: RecordView): void
  /** Forget all state: the journal was replaced by a snapshot or rewound. `restore` or `apply` calls follow. */
  reset(): void
  /**
   * The whole state up to the last applied record. The caller may take its time between chunks while the state goes on
   * changing: the chunks speak of the moment of the call.
   */
  snapshot(): Chunks
  /** The next chunk of such a snapshot, after `reset`. `restored` ends it. Throws on a damaged one. */
  restore(chunk: Uint8Array): void
  restored(): void
}
