// Tables of measurements that documents keep: only what was measured is renewed.
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { keepRows } from './kept-rows.ts'
import { TimesWithoutService } from './times.ts'

describe('tables of measurements', () => {
  let folder: string
  let file: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'kept-'))
    file = join(folder, 'doc.md')
    writeFileSync(file, 'before\n<!-- measured: it -->\n<!-- end: it -->\nafter\n')
  })
  afterEach(() => rmSync(folder, { recursive: true }))
  const lines = (): string[] => readFileSync(file, 'utf8').split('\n').filter(Boolean)

  it('renews the cells that were measured, keeps the others, in the order of the drills', () => {
    const account = { acked: 10, missing: 0, twice: 1 }
    const measure = (column: string, drill: string, ...ms: number[]): void => {
      const times = new TimesWithoutService(['one', 'two'], ['NFS', 'SMB'])
      for (const each of ms) times.add(column, drill, each, account)
      times.keep(file, 'it')
    }
    measure('NFS', 'two', 5)
    measure('SMB', 'one', 7, 9, 8)
    measure('NFS', 'two', 6)
    const today = new Date().toISOString().slice(0, 10)
    assert.deepEqual(lines(), [
      'before',
      '<!-- measured: it -->',
      '| drill | NFS: ms without service | messages | run on | SMB: ms without service | messages | run on |',
      '| --- | --- | --- | --- | --- | --- | --- |',
      `| one |  |  |  | 7 / 8 / 9 (3) | 30 / 0 / 3 | ${today} |`,
      `| two | 6 | 10 / 0 / 1 | ${today} |  |  |  |`,
      '<!-- end: it -->',
      'after',
    ])
  })

  it('a row that is not asked for any more goes; a document without a place for it is an error', () => {
    keepRows(file, 'it', ['row', 'cell'], ['old', 'new'], new Map([['old', ['1']], ['new', ['2']]])) // prettier-ignore
    keepRows(file, 'it', ['row', 'cell'], ['new'], new Map())
    assert.deepEqual(lines().slice(4, 6), ['| new | 2 |', '<!-- end: it -->'])
    assert.throws(() => keepRows(file, 'that', [], [], new Map()), /no place for that/)
  })
})
