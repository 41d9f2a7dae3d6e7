// The times without service: for each drill the longest pauses between two acknowledgements that the client saw, and what
// became of the messages that were acknowledged during it, as a table in Markdown.
import { keepRows, tableOf } from './kept-rows.ts'
import type { Account } from './load-client.ts'

interface Measured {
  readonly ms: readonly number[]
  readonly account: Account
}

export class TimesWithoutService {
  readonly #drills: readonly string[]
  readonly #columns: readonly string[]
  readonly #head: readonly string[]
  readonly #measured = new Map<string, Measured>()

  constructor(drills: readonly string[], columns: readonly string[]) {
    this.#drills = drills
    this.#columns = columns
    this.#head = ['drill', ...columns.flatMap(name => [`${name}: ms without service`, 'messages', 'run on'])]
  }

  add(column: string, drill: string, ms: number, account: Account): void {
    const before = this.#measured.get(`${column} ${drill}`)
    this.#measured.set(`${column} ${drill}`, {
      ms: [...(before?.ms ?? []), ms],
      account: {
        acked: (before?.account.acked ?? 0) + account.acked,
        missing: (before?.account.missing ?? 0) + account.missing,
        twice: (before?.account.twice ?? 0) + account.twice,
      },
    })
  }

  table(): string {
    return tableOf(this.#head, this.#drills, this.#rows())
  }

  /** Renews what was measured in a document's table. */
  keep(file: string, name: string): void {
    keepRows(file, name, this.#head, this.#drills, this.#rows())
  }

  #rows(): Map<string, (string | null)[]> {
    const today = new Date().toISOString().slice(0, 10)
    const cells = (drill: string) =>
      this.#columns.flatMap(column => {
        const measured = this.#measured.get(`${column} ${drill}`)
        if (measured === undefined) return [null, null, null]
        const { acked, missing, twice } = measured.account
        return [figures(measured.ms), `${acked} / ${missing} / ${twice}`, today]
      })
    const rows = this.#drills.map((drill): [string, (string | null)[]] => [drill, cells(drill)])
    return new Map(rows.filter(([, row]) => row.some(cell => cell !== null)))
  }
}

/** Of one round the time, of several min / median / max. */
function figures(ms: readonly number[]): string {
  const sorted = ms.toSorted((x, y) => x - y)
  const at = (part: number): string => sorted[Math.floor(part * (sorted.length - 1))]!.toFixed(0)
  return ms.length === 1 ? at(0) : `${at(0)} / ${at(0.5)} / ${at(1)} (${ms.length})`
}
