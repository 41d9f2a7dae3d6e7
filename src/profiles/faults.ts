// A list of what is wrong with a profile: reading and checking go on after a fault, so that the operator sees all of
// them at once.

import type { CodedError } from '../base/errors.ts'
import { profileError, WARNINGS, type ProfileErrorName } from './errors.ts'

/** Where a value came from: a line of the file, an option of the command line, or a default. */
export interface Source {
  readonly file: string
  /** Line in `file`, 1 for the first; 0 where the fault is about the file as a whole. */
  readonly line: number
  /** The `--set` option that gave the value, as it was written, or null. */
  readonly option: string | null
}

export interface Fault {
  readonly severity: 'fault' | 'warning'
  readonly error: CodedError
  readonly source: Source
  readonly key: string
  readonly value: string
}

export const showSource = (source: Source): string =>
  source.option !== null ? `--set ${source.option}` : source.line > 0 ? `${source.file}:${source.line}` : source.file

export class FaultList {
  readonly all: Fault[] = []

  /** `details` fills the sentence; `key` and `value` also go into the JSON form. */
  add(name: ProfileErrorName, source: Source, details: Readonly<Record<string, string | number>> = {}): void {
    const shown: Record<string, string | number> = { where: showSource(source), file: source.file, line: source.line }
    this.all.push({
      severity: WARNINGS.has(name) ? 'warning' : 'fault',
      error: profileError(name, { ...shown, ...details }),
      source,
      key: String(details['key'] ?? ''),
      value: String(details['value'] ?? ''),
    })
  }

  get faults(): Fault[] {
    return this.all.filter(f => f.severity === 'fault')
  }
}

/** A value as it is quoted in a fault: one line, not too long. */
export function quote(value: unknown): string {
  const text = typeof value === 'string' ? JSON.stringify(value) : value === undefined ? 'empty' : JSON.stringify(value)
  return text.length > 80 ? `${text.slice(0, 77)}...` : text
}
