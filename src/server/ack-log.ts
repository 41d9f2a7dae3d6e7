// For drills and tests: a line for every batch of acknowledgements, with the host's monotonic clock, so that what two
// servers of one host did can be compared: when each of them found that it might serve, for what it did next may be
// seen as late as one likes where the process is stopped in between. Off unless the profile names a file.

import { openSync, writeSync } from 'node:fs'

export type AckLog = (judgedAt: number, epoch: number, through: number) => void

/** Lines: `<monotonic ms> <server> <epoch> <first sequence> <last sequence>`. */
export function openAckLog(path: string | null, label: string): AckLog {
  if (path === null) return () => {}
  const file = openSync(path, 'a')
  let last = 0
  return (judgedAt, epoch, through) => {
    writeSync(file, `${judgedAt.toFixed(3)} ${label} ${epoch} ${last + 1} ${through}\n`)
    last = through
  }
}
