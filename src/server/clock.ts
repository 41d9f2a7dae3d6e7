// The real clock. `now` is the monotonic clock of the host, the same for all its processes, so that a deadline that the
// keeper names means the same to its broker.

import type { Clock } from '../base/ports.ts'

/** Longest delay that Node's timers take; a longer one would fire at once. */
const LONGEST_MS = 2 ** 31 - 1

export const realClock: Clock = {
  now: () => Number(process.hrtime.bigint() / 1000n) / 1000,
  wall: () => Date.now(),
  after(ms, fn) {
    const timer = setTimeout(fn, Math.min(Math.max(ms, 0), LONGEST_MS))
    return { cancel: () => clearTimeout(timer) }
  },
  soon: fn => void setImmediate(fn),
}
