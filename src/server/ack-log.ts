// For drills and tests: a line for every batch of acknowledgements, with the host's monotonic clock, so that what two
// servers of one host did can be compared. Off unless the profile names a file.

import { openSync, writeSync } from 'node:fs'

export type AckLog = (now: number, epoch: number, through: number) => void

/** Lines: `<monotonic ms> <server> <epoch> <first sequence> <last sequence>`. */
export function openAckLog(path: string | null, label: string): AckLog {
  if (path === null) return () => {}
  const file = openSync(path, 'a')
  let last = 0
  return (now, epoch, through) => {
    writeSync(file, `${now.toFixed(3)} ${label} ${epoch} ${last + 1} ${through}\n`)
    last = through
  }
}
