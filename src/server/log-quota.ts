// What clients do wrong, on the console without filling it: of each kind some lines a minute, then their number. A kind is
// the code in front of the line. Nothing is held back that has no code.

import type { Clock, Log, LogLevel } from '../base/ports.ts'

const LINES = 10
const WINDOW_MS = 60_000
const CODE = /^[A-Z][A-Z0-9-]+(?=: )/

interface Kind {
  lines: number
  readonly level: LogLevel
}

export function withQuota(log: Log, clock: Clock): Log {
  // Codes come from our own table: their number is bounded.
  const kinds = new Map<string, Kind>()
  const over = (code: string, { lines, level }: Kind): void => {
    kinds.delete(code)
    if (lines > LINES) log(level, `${code}: ${lines - LINES} more like this in the last ${WINDOW_MS / 1000} s`)
  }
  return (level, line, fields) => {
    const code = CODE.exec(line)?.[0]
    if (code === undefined) return log(level, line, fields)
    let kind = kinds.get(code)
    if (kind === undefined) {
      const begun: Kind = (kind = { lines: 0, level })
      kinds.set(code, begun)
      clock.after(WINDOW_MS, () => over(code, begun))
    }
    kind.lines++
    if (kind.lines <= LINES) log(level, line, fields)
  }
}
