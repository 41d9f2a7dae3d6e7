// The audit log on disk: one JSON line an entry, in a file that is set aside at its limit. Entries are gathered and
// written in order, away from the event loop; where the disk does not keep up or fails, lines are lost, their number is
// told, and clients are served all the same.

import { appendFile, rename, stat } from 'node:fs/promises'
import type { Audit, AuditEntry } from '../access/audit.ts'
import type { Clock, Log } from '../base/ports.ts'
import { serverError } from './errors.ts'

export interface AuditLogParts {
  /** null: nothing is kept. */
  readonly file: string | null
  /** Size at which it becomes `<file>.1`. */
  readonly bytes: number
  readonly server: string
  readonly clock: Clock
  readonly log: Log
}

export interface AuditLog {
  readonly write: Audit
  /** Resolves when everything so far is written, or given up. */
  flush(): Promise<void>
}

/** Lines that wait for the disk. */
const MOST_WAITING = 10_000

export function openAuditLog({ file, bytes, server, clock, log }: AuditLogParts): AuditLog {
  if (file === null) return { write: () => {}, flush: () => Promise.resolve() }
  let waiting: string[] = []
  let lost = 0
  let writing: Promise<void> | null = null
  let failing = false

  const lineOf = ({ event, who, remote, details }: AuditEntry): string =>
    `${JSON.stringify({ at: new Date(clock.wall()).toISOString(), server, event, who, remote, ...details })}\n`

  const put = async (lines: string): Promise<void> => {
    const size = await stat(file).then(
      found => found.size,
      () => 0,
    )
    if (size > 0 && size + lines.length > bytes) await rename(file, `${file}.1`)
    await appendFile(file, lines, { mode: 0o600 })
  }

  const work = async (): Promise<void> => {
    while (waiting.length > 0) {
      const lines = waiting
      waiting = []
      const told = lost
      const gone =
        told > 0 ? `${JSON.stringify({ at: new Date(clock.wall()).toISOString(), server, lost: told })}\n` : ''
      try {
        await put(gone + lines.join(''))
        lost -= told
        failing = false
      } catch (error) {
        lost += lines.length
        if (!failing) log('error', serverError('AUDIT', { file, problem: (error as Error).message }, error).line())
        failing = true
      }
    }
    writing = null
  }

  return {
    write: entry => {
      if (waiting.length >= MOST_WAITING) {
        lost++
        return
      }
      waiting.push(lineOf(entry))
      writing ??= Promise.resolve().then(work)
    },
    flush: () => writing ?? Promise.resolve(),
  }
}
