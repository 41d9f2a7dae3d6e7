// What the throughput bench found, as tables in Markdown: on the console, and kept in docs/performance.md.

import { keepRows, type Fresh } from '../test/support/kept-rows.ts'
import type { LoadReport } from './load/figures.ts'

export interface Result extends LoadReport {
  readonly perSecond: number
  readonly serverMicros: number
  /** Of all server processes at the end of the run. */
  readonly memoryBytes: number
}

/** Of each broker, by its name and ours first, what each round found. */
type Found = ReadonlyMap<{ readonly name: string }, readonly Result[]>

export const BARE_HEAD = ['bare cost, us', 'p50', 'p99']
// prettier-ignore
export const HEAD = ['broker', 'messages/s', 'min', 'max', 'CPU us each', 'p50 ms', 'p99 ms', 'p99.9 ms', 'lost', 'client us', 'MiB', 'our rate', 'our CPU']

export const number = (value: number, digits = 0): string =>
  value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits })

export const median = (numbers: readonly number[]): number => {
  const sorted = numbers.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2
}

/** The rows of one way of running, and their order. */
export function rowsOf(found: Found): [string[], Fresh] {
  const [ours = []] = found.values()
  const rows = [...found].map(([broker, all]): [string, string[]] => {
    const show = (digits: number, pick: (result: Result) => number) => number(median(all.map(pick)), digits)
    // Round by round, because what else the machine does changes from one to the next.
    const ratio = (pick: (result: Result, ours: Result) => number) =>
      number(median(all.map((theirs, round) => pick(theirs, ours[round]!))), 1)
    const rates = all.map(result => result.perSecond)
    const cells = [
      show(0, r => r.perSecond),
      number(Math.min(...rates)),
      number(Math.max(...rates)),
      show(1, r => r.serverMicros),
      show(2, r => r.p50),
      show(2, r => r.p99),
      show(2, r => r.p999),
      number(all.reduce((sum, result) => sum + result.missing, 0)),
      show(1, r => r.cpuMicros),
      show(0, r => r.memoryBytes / 2 ** 20),
      all === ours ? '' : `${ratio((theirs, own) => own.perSecond / theirs.perSecond)}x`,
      all === ours ? '' : `1/${ratio((theirs, own) => theirs.serverMicros / own.serverMicros)}`,
    ]
    return [broker.name, cells]
  })
  return [rows.map(([name]) => name), new Map(rows)]
}

/** Renews the tables of a document: what the machine charges, and one row for each way of running and broker. */
export function keep(results: ReadonlyMap<{ readonly title: string }, Found>, bare: Fresh, file: string): void {
  keepRows(file, 'bare', BARE_HEAD, [...bare.keys()], bare)
  const fresh = new Map<string, readonly (string | null)[]>()
  for (const [{ title }, found] of results)
    for (const [name, cells] of rowsOf(found)[1]) fresh.set(`${title}: ${name}`, cells)
  keepRows(file, 'throughput', ['run', ...HEAD.slice(1)], [...fresh.keys()], fresh)
}
