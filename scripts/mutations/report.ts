// The result as a table in docs/testing.md, row by row: a run of some mutants renews their rows and leaves the others.

import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import type { Finding } from './layers.ts'
import type { Mutant } from './mutant.ts'

export interface Result {
  readonly mutant: Mutant
  /** Null: it survived. */
  readonly finding: Finding | null
  readonly seconds: number
  readonly broken: string
}

const BEGIN = '<!-- mutations -->'
const END = '<!-- end: mutations -->'
const HEAD = ['| mutant | promise | what is broken | caught by | after |', '| --- | --- | --- | --- | --- |']

const tame = (text: string): string => text.replaceAll('|', '\\|').replaceAll('<', '&lt;')

function row({ mutant, finding }: Result): string {
  const why = finding?.layer === 'unit' && mutant.hidden !== undefined ? `. No pair shows it: ${mutant.hidden}` : ''
  const by = finding === null ? '**nothing**' : `${finding.layer}: ${tame(finding.by + why)}`
  return `| \`${mutant.id}\` | ${mutant.promise} | ${tame(mutant.breaks)} | ${by} | ${finding?.after ?? ''} |`
}

const idOf = (line: string): string => /^\| `([a-z-]+)` \|/.exec(line)?.[1] ?? ''

/** The ids that the document's table has, with their rows. */
export function rowsIn(document: string): Map<string, string> {
  const [from, to] = [document.indexOf(BEGIN), document.indexOf(END)]
  const lines = from < 0 || to < from ? [] : document.slice(from, to).split('\n')
  return new Map(lines.map(line => [idOf(line), line] as const).filter(([id]) => id !== ''))
}

/** The document with these results in its table; null where it has no place for one. */
export function renewed(document: string, ids: readonly string[], results: readonly Result[]): string | null {
  const [from, to] = [document.indexOf(BEGIN), document.indexOf(END)]
  if (from < 0 || to < from) return null
  const rows = rowsIn(document)
  for (const result of results) rows.set(result.mutant.id, row(result))
  const lines = [...HEAD, ...ids.map(id => rows.get(id) ?? '').filter(line => line !== '')]
  return `${document.slice(0, from)}${BEGIN}\n${lines.join('\n')}\n${document.slice(to)}`
}

export function print(path: string, ids: readonly string[], results: readonly Result[]): boolean {
  const document = existsSync(path) ? readFileSync(path, 'utf8') : ''
  const text = renewed(document, ids, results)
  if (text === null) return false
  writeFileSync(path, text)
  return true
}

/** One line for the console. */
export function line({ mutant, finding, seconds, broken }: Result): string {
  const what =
    broken !== ''
      ? `NOT JUDGED: ${broken.split('\n')[0]}`
      : finding === null
        ? 'SURVIVED'
        : `${finding.layer}, ${finding.after}: ${finding.by}`
  return `${mutant.id.padEnd(20)} ${mutant.promise.padEnd(7)} ${seconds.toFixed(0).padStart(4)} s  ${what}`
}
