// A handful of measured times in a few numbers. Nothing here knows what was measured.

export interface Spread {
  readonly count: number
  readonly min: number
  readonly median: number
  readonly p99: number
  readonly max: number
}

/** Null where nothing was measured. */
export function spread(values: readonly number[]): Spread | null {
  if (values.length === 0) return null
  const sorted = values.toSorted((a, b) => a - b)
  const at = (part: number): number => sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] as number
  return { count: sorted.length, min: at(0), median: at(0.5), p99: at(0.99), max: at(1) }
}

/** Milliseconds as a person reads them: whole from 10 on. */
export const inMs = (ms: number): number => (Math.abs(ms) >= 10 ? Math.round(ms) : Math.round(ms * 100) / 100)
