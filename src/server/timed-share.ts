// What the keeper's self-test measures of the share, on the keeper's own operations: it only listens in. Once in a while a
// listing right after a renewal shows whether the new name is to be seen; it asks for that only when the renewal was
// quick, and so keeps within the time that is reckoned for two operations.

import type { SelfTest } from '../doctor/self-test.ts'
import type { Clock } from '../base/ports.ts'
import type { ShareDriver, ShareOutcome, ShareRequest, ShareSteps } from '../ha/share.ts'
import { basename, dirname } from 'node:path'

const LISTING_EVERY_MS = 10_000

/** A driver that does what `driver` does, and measures. `lockFolder`: renames in it are renewals. */
export function timedShare(
  driver: ShareDriver,
  selfTest: Pick<SelfTest, 'measured'>,
  clock: Clock,
  lockFolder: string,
  operationMs: number,
): ShareDriver {
  let listedAt = clock.now()

  const measure = (request: ShareRequest, outcome: ShareOutcome, ms: number): void => {
    // One that was given up is told by the keeper as a fault of the share; here it counts as long as it was waited for.
    if (request.op === 'rename') selfTest.measured('renewal', ms)
    else if (request.op === 'readdir' || request.op === 'read' || request.op === 'stat') selfTest.measured('look', ms)
    else if (outcome.ok) selfTest.measured('append', ms)
  }

  function* timed<T>(steps: ShareSteps<T>): ShareSteps<T> {
    let renewed: Extract<ShareRequest, { op: 'rename' }> | null = null
    let step = steps.next()
    while (step.done !== true) {
      const request = step.value
      const from = clock.now()
      const outcome = yield request
      const ms = clock.now() - from
      measure(request, outcome, ms)
      const quick = outcome.ok && ms < operationMs / 4
      renewed = quick && request.op === 'rename' && dirname(request.to) === lockFolder ? request : null
      step = steps.next(outcome)
    }
    if (renewed !== null && clock.now() - listedAt > LISTING_EVERY_MS) {
      listedAt = clock.now()
      const listing = yield { op: 'readdir', path: lockFolder }
      if (listing.ok) selfTest.measured('listing', listing.names.includes(basename(renewed.to)) ? 0 : 1)
    }
    return step.value
  }

  return { run: (steps, limitMs, done) => driver.run(timed(steps), limitMs, done) }
}
