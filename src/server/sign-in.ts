// Who may come in over SASL PLAIN: names and passwords of the profile. Hashes are slow on purpose, so a password that was
// right is remembered (keyed, not in the clear) and costs one fast digest the next time.

import { createHmac, randomBytes, scryptSync, timingSafeEqual } from 'node:crypto'
import type { Clock } from '../base/ports.ts'

/** Remembered right passwords; beyond it all are forgotten. */
const REMEMBERED = 10_000
/** Slow checks of hashes that may be done at once, and how often one more is allowed: guessing must not stall clients. */
const CHECKS = 10
const CHECK_EVERY_MS = 200

export function signIn(anonymous: boolean, users: ReadonlyMap<string, string>, clock: Clock) {
  const key = randomBytes(32)
  const known = new Map<string, Buffer>()
  const digest = (text: string) => createHmac('sha256', key).update(text).digest()
  let checks = CHECKS
  let checkedAt = clock.now()
  const mayCheck = (): boolean => {
    const now = clock.now()
    checks = Math.min(CHECKS, checks + (now - checkedAt) / CHECK_EVERY_MS)
    checkedAt = now
    if (checks < 1) return false
    checks -= 1
    return true
  }
  const right = (user: string, password: string): boolean => {
    const stored = users.get(user)
    const given = digest(password)
    if (stored === undefined) return timingSafeEqual(given, digest(`${password}?`)) // as slow as a wrong password
    const before = known.get(user)
    if (before && timingSafeEqual(before, given)) return true
    if (stored.startsWith('scrypt:') && !mayCheck()) return false
    if (!matches(stored, password, digest)) return false
    if (known.size >= REMEMBERED) known.clear()
    known.set(user, given)
    return true
  }
  return (mechanism: 'ANONYMOUS' | 'PLAIN', user: string, password: string): boolean =>
    mechanism === 'ANONYMOUS' ? anonymous : right(user, password)
}

function matches(stored: string, password: string, digest: (text: string) => Buffer): boolean {
  if (!stored.startsWith('scrypt:')) return timingSafeEqual(digest(stored), digest(password))
  const [, salt = '', hash = ''] = stored.split(':')
  const expected = Buffer.from(hash, 'base64')
  return timingSafeEqual(scryptSync(password, Buffer.from(salt, 'base64'), expected.length), expected)
}
