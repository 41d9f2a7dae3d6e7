// Ctrl-C and its relatives for the commands that run until they are stopped.

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** Calls `first` at the first signal and `again` at each later one. Returns how to stop listening. */
export function onStopSignals(first: () => void, again: () => void): () => void {
  let seen = false
  const heard = () => {
    if (seen) return again()
    seen = true
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
