// One row of the doctor's table of findings: how bad it is, what was seen, why it matters, what to do. The rows
// themselves are in share-findings.ts and host-findings.ts.

export type FindingRow<S extends string> = readonly [severity: S, what: string, why: string, remedy: string]

export const refuse = (what: string, why: string, remedy: string): FindingRow<'refuse'> => ['refuse', what, why, remedy]
export const warn = (what: string, why: string, remedy: string): FindingRow<'warn'> => ['warn', what, why, remedy]
export const unknown = (what: string, why: string, remedy: string): FindingRow<'unknown'> => [
  'unknown',
  what,
  why,
  remedy,
]
export const ok = (what: string, why: string): FindingRow<'ok'> => ['ok', what, why, 'Nothing to do.']
