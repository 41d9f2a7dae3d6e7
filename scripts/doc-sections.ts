// The parts of docs/ that are printed from tables in the code: one row to a part. `npm run docs` prints them,
// test/docs.test.ts holds them in step. A part stands between <!-- printed: marker --> and <!-- end: marker -->.

import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { metricTable, routeTable } from '../src/admin/describe.ts'
import type { ErrorEntry } from '../src/base/errors.ts'
import { aliasTable, keyTable } from '../src/profiles/describe.ts'
import { frames, PROTOCOL_VERSION } from '../src/replication/frames.ts'
import { dutyTable, mermaid, ruleTable, wordTable } from '../src/states/diagram.ts'

export interface DocSection {
  /** Below docs/. */
  readonly file: string
  readonly marker: string
  readonly text: () => string | Promise<string>
}

// prettier-ignore
export const docSections: readonly DocSection[] = [
  { file: 'profiles.md', marker: 'keys',    text: keyTable },
  { file: 'profiles.md', marker: 'aliases', text: aliasTable },
  { file: 'states.md',   marker: 'rules',   text: ruleTable },
  { file: 'states.md',   marker: 'duties',  text: dutyTable },
  { file: 'states.md',   marker: 'words',   text: wordTable },
  { file: 'states.md',   marker: 'diagram', text: mermaid },
  { file: 'frames.md',   marker: 'frames',  text: frameTable },
  { file: 'errors.md',   marker: 'errors',  text: allErrors },
  { file: 'admin.md',    marker: 'routes',  text: routeTable },
  { file: 'admin.md',    marker: 'metrics', text: metricTable },
]

function frameTable(): string {
  const rows = Object.entries(frames).map(
    ([name, f]) => `| ${f.number} | \`${name}\` | ${f.from} | ${f.form} | ${f.since} | ${f.meaning} |`,
  )
  return [
    `Protocol version ${PROTOCOL_VERSION}.`,
    '',
    '| number | frame | from | form | since | meaning |',
    '| --- | --- | --- | --- | --- | --- |',
    ...rows,
  ].join('\n')
}

const SOURCES = fileURLToPath(new URL('../src', import.meta.url))

/** All coded errors of the product, after importing every module that defines some. */
async function errorsOfAll(): Promise<ReadonlyMap<string, ErrorEntry>> {
  const load = (name: string) => import(pathToFileURL(join(SOURCES, name)).href)
  for (const name of readdirSync(SOURCES, { recursive: true, encoding: 'utf8' }))
    if (/(^|[\\/-])errors\.ts$/.test(name)) await load(name)
  // By the same way as those: what another loader imported is another table.
  return ((await load('base/errors.ts')) as typeof import('../src/base/errors.ts')).errorTable
}

async function allErrors(): Promise<string> {
  const rows = [...(await errorsOfAll())]
    .filter(([code]) => !code.startsWith('TEST'))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([code, { what, remedy }]) => `| \`${code}\` | ${tame(what)} | ${tame(remedy)} |`)
  return ['| code | what happened | what to do |', '| --- | --- | --- |', ...rows].join('\n')
}

/** Braces and angles of a sentence are no table and no HTML. */
const tame = (text: string): string => text.replaceAll('|', '\\|').replaceAll('<', '&lt;')

const begin = (marker: string): string => `<!-- printed: ${marker} -->`
const end = (marker: string): string => `<!-- end: ${marker} -->`

/** A document with one printed part renewed; null where it has no place for it. */
export function renew(document: string, marker: string, text: string): string | null {
  const [from, to] = [document.indexOf(begin(marker)), document.indexOf(end(marker))]
  if (from < 0 || to < from) return null
  return `${document.slice(0, from)}${begin(marker)}\n${text}\n${document.slice(to)}`
}
