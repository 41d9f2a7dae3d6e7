// Chance with a seed, so that a test that failed fails again.

import { createHash } from 'node:crypto'

import type { Chance } from '../../src/base/ports.ts'

export const seededChance = (seed: string): Chance => {
  let count = 0
  const bytes = (n: number): Uint8Array => {
    const blocks: Buffer[] = []
    for (let i = 0; i < n; i += 32) blocks.push(createHash('sha256').update(`${seed} ${count++}`).digest())
    return Buffer.concat(blocks).subarray(0, n)
  }
  return { bytes, id: () => Buffer.from(bytes(8)).toString('hex') }
}
