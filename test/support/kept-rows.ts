// A table in a document between <!-- measured: name --> and <!-- end: name -->, kept over many runs: a run renews the cells
// that it has measured, and leaves the others as they are.
import { readFileSync, writeFileSync } from 'node:fs'

/** Cells behind the first one of a row; null: not measured now. */
export type Fresh = ReadonlyMap<string, readonly (string | null)[]>

export function keepRows(
  file: string,
  name: string,
  head: readonly string[],
  order: readonly string[],
  fresh: Fresh,
): void {
  const [from, to] = [`<!-- measured: ${name} -->`, `<!-- end: ${name} -->`]
  const text = readFileSync(file, 'utf8')
  const [start, end] = [text.indexOf(from), text.indexOf(to)]
  if (start < 0 || end < start) throw new Error(`${file} has no place for ${name}`)
  const table = tableOf(head, order, fresh, cellsOf(text.slice(start, end)))
  writeFileSync(file, `${text.slice(0, start) + from}\n\n${table}\n\n${text.slice(end)}`)
}

export function tableOf(
  head: readonly string[],
  order: readonly string[],
  fresh: Fresh,
  kept: ReadonlyMap<string, readonly string[]> = new Map(),
): string {
  const rows = order
    .filter(row => fresh.has(row) || kept.has(row))
    .map(row => [row, ...head.slice(1).map((_, i) => fresh.get(row)?.[i] ?? kept.get(row)?.[i] ?? '')])
  return [head, head.map(() => '---'), ...rows].map(cells => `| ${cells.join(' | ')} |`).join('\n')
}

/** The cells of each row behind its first one. */
function cellsOf(table: string): Map<string, string[]> {
  const lines = table.split('\n').filter(line => line.startsWith('| '))
  const rows = lines.map(line => line.slice(1, line.lastIndexOf('|')).split('|').map(cell => cell.trim())) // prettier-ignore
  return new Map(rows.slice(2).map(([row = '', ...cells]) => [row, cells]))
}
