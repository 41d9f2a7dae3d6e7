// The parts of docs/ that are printed from tables in the code: one row to a part. `npm run docs` prints them,
// test/docs.test.ts holds them in step. A part stands between <!-- printed: marker --> and <!-- end: marker -->.

import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { auditEvents } from '../src/access/audit.ts'
import { addressTable } from '../src/broker/address-settings.ts'
import { metricTable, routeTable } from '../src/admin/describe.ts'
import type { ErrorEntry } from '../src/base/errors.ts'
import { findingTable, vitalTable } from '../src/doctor/report.ts'
import { aliasTable, keyTable } from '../src/profiles/describe.ts'
import { deriveIntervals, expectedOutageMs, type Fault, type Intervals } from '../src/profiles/intervals.ts'
import { frames, PROTOCOL_VERSION } from '../src/replication/frames.ts'
import { loadProfile } from '../src/server/profile-files.ts'
import { featureTable } from '../test/features/lists.ts'
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
  { file: 'lockfile.md', marker: 'intervals', text: intervalTable },
  { file: 'lockfile.md', marker: 'outages', text: outageTable },
  { file: 'errors.md',   marker: 'errors',  text: allErrors },
  { file: 'doctor.md',   marker: 'findings', text: findingTable },
  { file: 'doctor.md',   marker: 'vitals',  text: vitalTable },
  { file: 'admin.md',    marker: 'routes',  text: routeTable },
  { file: 'admin.md',    marker: 'metrics', text: metricTable },
  { file: 'security.md', marker: 'audit',   text: auditTable },
  { file: 'messaging.md', marker: 'addresses', text: addressTable },
  { file: 'features.md', marker: 'features', text: featureTable },
]

function auditTable(): string {
  const rows = Object.entries(auditEvents).map(([name, when]) => `| \`${name}\` | ${when} |`)
  return ['| event | when |', '| --- | --- |', ...rows].join('\n')
}

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

const shipped = (): Intervals =>
  deriveIntervals(loadProfile(fileURLToPath(new URL('../profiles/haprofile1/primary/FES', import.meta.url)), []))

/** What is derived from P, R and Q, in the words of the docs. The type keeps the table complete. */
// prettier-ignore
const INTERVALS: Readonly<Record<keyof Intervals, string>> = {
  pingMs:          'P: peer and gateway are pinged this often',
  renewMs:         'R as it is used: rounded down to a multiple of P / 2',
  leaseMs:         'Q, the lease',
  marginMs:        'M = max(250 ms, 2 % of Q): the holder ends its lease this much earlier, for clocks of differing rates',
  operationMs:     'T = (Q - M - R) / 2, at least 200 ms: one operation on the share is given up after this',
  lookMs:          'min(P / 2, R, Q / 10): who does not hold the lock looks at it this often',
  hotLookMs:       'the same while a takeover is near',
  brokerSilenceMs: 'Q / 2: the keeper kills a broker that gives no sign of life for this long',
  brokerStartMs:   'max(60 s, 10 Q): the same before its first sign of life',
  brokerAliveMs:   'a broker gives its keeper a sign of life this often',
  peerSilenceMs:   'min(2 P, Q / 2): a peer that does not answer for this long counts as gone',
  leaveMs:         '2 T: a keeper that ends gives up marking and releasing after this',
}

function intervalTable(): string {
  const values = shipped()
  const row = (name: keyof Intervals): string => `| ${values[name]} ms | ${INTERVALS[name]} |`
  const names = Object.keys(INTERVALS) as (keyof Intervals)[]
  return ['| shipped | interval |', '| --- | --- |', ...names.map(row)].join('\n')
}

/** Where each bound comes from. */
// prettier-ignore
const OUTAGES: Readonly<Record<Fault, string>> = {
  'switchover':    'the passive has everything and takes the reign; no lease is waited for',
  'broker killed': 'its keeper reaps it, leaves the mark of its end and releases the lock',
  'broker frozen': 'its keeper misses the sign of life, kills it, and goes on as above',
  'channel cut':   'the peer counts as silent, then the record that drops it is appended',
  'share cut':     'none: the promise of the passive takes the place of the lock',
  'keeper killed': 'the broker hands over at once (a moment); the bound is for a handover that fails, when the lease must run out',
  'host lost':     'the token falls silent, is seen to be so, and the lease runs out',
  'host cut off':  'the same; the server that is cut off stops a margin earlier by itself',
}

const seconds = (ms: number): string => `${(ms / 1000).toFixed(2)} s`

function outageTable(): string {
  const rows = (Object.keys(OUTAGES) as Fault[]).map(fault => {
    const [local, network] = [expectedOutageMs(fault, shipped(), 0), expectedOutageMs(fault, shipped())]
    return `| ${fault} | ${seconds(local)} | ${seconds(network)} | ${OUTAGES[fault]} |`
  })
  return ['| fault of the active server | local disk | NFS, SMB | why |', '| --- | --- | --- | --- |', ...rows].join(
    '\n',
  )
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
