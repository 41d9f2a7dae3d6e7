// All mutants, in the order of the promises they belong to. A row is one guard of one promise.

import { bounds } from './bounds.ts'
import { copies } from './copies.ts'
import { deaths } from './deaths.ts'
import { durability } from './durability.ts'
import { history } from './history.ts'
import { messaging } from './messaging.ts'
import type { Mutant } from './mutant.ts'
import { operations } from './operations.ts'
import { policies } from './policies.ts'
import { serving } from './serving.ts'
import { topics } from './topics.ts'

export const mutants: readonly Mutant[] = [
  ...serving,
  ...durability,
  ...copies,
  ...history,
  ...bounds,
  ...messaging,
  ...topics,
  ...policies,
  ...deaths,
  ...operations,
]
