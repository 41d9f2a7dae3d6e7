// A feature of the broker as its clients see it, in two halves: what comes before, and what must hold after it. The same
// feature is shown straight through and across a failover in the middle (show.ts); docs/features.md is printed from these.

import type { Ground } from './ground.ts'

export interface Feature {
  readonly name: string
  readonly of: 'AMQP' | 'MQTT' | 'both'
  /** What holds across the failover, in one line. */
  readonly promise: string
  /** A page of docs/ that tells more, with the tests of single steps. */
  readonly more?: string
  /** Where this machine has no openssl, it is left out. */
  readonly needs?: 'certificates'
  /** The first half; gives the second one. */
  begin(ground: Ground): Promise<() => Promise<void>>
}

/** The features of one file below test/features, by its name without an ending. */
export interface FeatureList {
  readonly file: string
  readonly features: readonly Feature[]
}
