// Ctrl-C and its relatives, for servers and for the commands that run until they are stopped.

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** npm and npx hand on to their child a Ctrl-C that has reached it already: what follows the first one so soon is the same one. */
export const SAME_MS = 500

/** Calls `first` at the first signal and `again` at each later one. Returns how to stop listening. */
export function onStopSignals(first: () => void, again: () => void): () => void {
  let seenAt: number | null = null
  const heard = () => {
    const now = performance.now()
    if (seenAt !== null) return now - seenAt < SAME_MS ? undefined : again()
    seenAt = now
    first()
  }
  for (const signal of SIGNALS) process.on(signal, heard)
  return () => {
    for (const signal of SIGNALS) process.off(signal, heard)
  }
}

/** Resolves at the first signal; a second one ends the process at once. */
export const whenStopped = (): Promise<void> =>
  new Promise(resolve => {
    onStopSignals(resolve, () => process.exit(1))
  })
