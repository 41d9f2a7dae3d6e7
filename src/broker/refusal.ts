// Why the broker refuses something; front ends translate it into their protocol's own condition.

export type RefusalReason =
  'not-found' | 'not-allowed' | 'not-permitted' | 'queue-full' | 'too-large' | 'limit' | 'not-serving' | 'stolen'

export interface Refusal {
  readonly refused: RefusalReason
  /** For a person: what is refused and which limit or rule does it. */
  readonly text: string
}
