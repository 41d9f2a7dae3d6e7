// Hashing passwords with the machine's scrypt, away from the event loop.

import { scrypt } from 'node:crypto'
import type { ScryptHash } from '../access/accounts.ts'

/** scrypt of the password with the stored parameters; null where these are more than the machine can do. */
export function hashPassword(password: string, how: ScryptHash, done: (hash: Uint8Array | null) => void): void {
  const { cost, blockSize, parallelism, salt, hash } = how
  const options = { N: cost, r: blockSize, p: parallelism, maxmem: 256 * 1024 * 1024 }
  try {
    scrypt(password, salt, hash.length, options, (error, found) => done(error === null ? found : null))
  } catch {
    setImmediate(() => done(null))
  }
}
