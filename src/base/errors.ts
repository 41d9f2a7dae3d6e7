// Faults of the world, as coded errors. Every floor lists its own with `defineErrors`; all of them together are the one
// table that docs/errors.md is printed from. For our own broken promises see assert.ts.

export interface ErrorEntry {
  /** What happened, in one sentence; `{name}` is replaced by the detail of that name. */
  readonly what: string
  /** What the operator can do about it. */
  readonly remedy: string
}

const registered = new Map<string, ErrorEntry>()

/** All coded errors defined so far (import the module that defines them first), by code. */
export const errorTable: ReadonlyMap<string, ErrorEntry> = registered

export type Details = Readonly<Record<string, string | number | boolean | null | undefined>>

/** A fault of the world: what happened and what the operator can do, found by its code in docs/errors.md. */
export class CodedError extends Error {
  override name = 'CodedError'
  readonly code: string
  readonly remedy: string
  readonly details: Details

  constructor(code: string, entry: ErrorEntry, details: Details = {}, cause?: unknown) {
    super(fill(entry.what, details), cause === undefined ? undefined : { cause })
    this.code = code
    this.remedy = fill(entry.remedy, details)
    this.details = details
  }

  /** One line for a console: code, what happened, what to do. */
  line(): string {
    // What it ends with may be another's words.
    const stop = /[.!?:]$/.test(this.message) ? '' : '.'
    return `${this.code}: ${this.message}${stop} ${this.remedy}`
  }
}

const fill = (text: string, details: Details): string =>
  text.replace(/\{(\w+)\}/g, (whole, name: string) => (name in details ? String(details[name]) : whole))

/**
 * Adds a floor's errors to the table and gives the function that makes them.
 * Codes are `<PREFIX>-<NAME>`, e.g. `JOURNAL-DAMAGED`; a code is defined once in the product.
 */
export function defineErrors<const Table extends Record<string, ErrorEntry>>(prefix: string, table: Table) {
  for (const [name, entry] of Object.entries(table)) {
    const code = `${prefix}-${name}`
    if (registered.has(code)) throw new Error(`the error ${code} is defined twice`)
    registered.set(code, entry)
  }
  return (name: keyof Table & string, details?: Details, cause?: unknown): CodedError =>
    new CodedError(`${prefix}-${name}`, table[name] as ErrorEntry, details, cause)
}
