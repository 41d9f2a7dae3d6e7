// The table of times without service: the longest pause between two acknowledgements that the client saw in each drill,
// by share, as a table in Markdown.

export class TimesWithoutService {
  readonly #order: readonly string[]
  readonly #columns = new Map<string, Map<string, number[]>>()

  constructor(order: readonly string[]) {
    this.#order = order
  }

  add(column: string, drill: string, ms: number): void {
    const drills = this.#columns.get(column) ?? new Map<string, number[]>()
    this.#columns.set(column, drills)
    drills.set(drill, [...(drills.get(drill) ?? []), ms])
  }

  table(): string {
    const columns = [...this.#columns]
    const rows = this.#order
      .filter(drill => columns.some(([, drills]) => drills.has(drill)))
      .map(drill => [drill, ...columns.map(([, drills]) => figures(drills.get(drill) ?? []))])
    const head = ['ms without service: min / median / max', ...columns.map(([name]) => name)]
    return ['', ...[head, head.map(() => '---'), ...rows].map(cells => `| ${cells.join(' | ')} |`), ''].join('\n')
  }
}

function figures(ms: readonly number[]): string {
  if (ms.length === 0) return ''
  const sorted = ms.toSorted((x, y) => x - y)
  const at = (part: number): string => sorted[Math.floor(part * (sorted.length - 1))]!.toFixed(0)
  return `${at(0)} / ${at(0.5)} / ${at(1)}${ms.length > 1 ? ` (${ms.length})` : ''}`
}
