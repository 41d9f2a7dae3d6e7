// How long is long? On a machine that is busy with other things every process waits its turn, and what takes 100 ms here takes
// a second there. Bounds that are claims of the product stay tight on a quiet machine and grow with the load; what only waits
// for something to happen is given more time than it could need.

import { availableParallelism, loadavg } from 'node:os'

/** Runnable processes to a processor, as the kernel has counted them in the last minute; at least 1. */
const busy = (): number => Math.max(1, (loadavg()[0] ?? 0) / availableParallelism())

/** A bound for claims: as given where the machine is quiet, and so many times more where processes queue up. */
export const patient = (ms: number): number => ms * (busy() > 1 ? 1 + 2 * (busy() - 1) : 1)
