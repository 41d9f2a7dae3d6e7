// What the doctor has to say: one finding to a thing that was looked at, made from one table (share-findings.ts,
// host-findings.ts). Every finding says what was seen, why it matters and what to do. How things are judged is in the
// files beside this one; how they are measured on a real machine is in src/server/doctor-*.ts.

import type { Details } from '../base/errors.ts'
import { hostRows } from './host-findings.ts'
import { shareRows } from './share-findings.ts'

/** refuse: not fit, nothing may start so. unknown: could not be found out. */
export type Severity = 'refuse' | 'warn' | 'unknown' | 'ok'

export const rows = { ...shareRows, ...hostRows }

export type FindingName = keyof typeof rows

export interface Finding {
  /** DOCTOR-<name>. */
  readonly code: string
  readonly severity: Severity
  readonly what: string
  readonly why: string
  readonly remedy: string
  readonly details: Details
}

const fill = (text: string, details: Details): string =>
  text.replace(/\{(\w+)\}/g, (whole, name: string) => (name in details ? String(details[name]) : whole))

export function finding(name: FindingName, details: Details = {}): Finding {
  const [severity, what, why, remedy] = rows[name]
  return {
    code: `DOCTOR-${name}`,
    severity,
    what: fill(what, details),
    why: fill(why, details),
    remedy: fill(remedy, details),
    details,
  }
}

export const isUnfit = (findings: readonly Finding[]): boolean => findings.some(f => f.severity === 'refuse')
