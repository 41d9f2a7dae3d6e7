// A broken promise of our own, as opposed to a fault of the world (errors.ts): the process must stop, so that the peer
// takes over from a state that is still sound.

export class BrokenPromise extends Error {
  override name = 'BrokenPromise'
}

/** Throws BrokenPromise unless `condition` holds. Never catch it: the process ends and the peer goes on. */
export function assert(condition: unknown, promise: string): asserts condition {
  if (!condition) throw new BrokenPromise(promise)
}

/** The end of a switch that the type system knows to be complete. */
export function never(value: never): never {
  throw new BrokenPromise(`a case is missing for ${JSON.stringify(value)}`)
}
