// Real chance, from the operating system.

import { randomBytes } from 'node:crypto'
import type { Chance } from '../base/ports.ts'

export const realChance: Chance = {
  bytes: n => randomBytes(n),
  id: () => randomBytes(8).toString('hex'),
}
