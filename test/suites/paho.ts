// Runs the Eclipse Paho interoperability tests (client_test.py for MQTT 3.1.1, client_test5.py for 5.0) against a pair of
// real processes, and against the server that is left after a kill -9. They are not part of this repository:
//
//   npx tsx test/suites/paho.ts <folder of paho.mqtt.testing>
//
// prints a line for each case and, with --table, the table of docs/interoperability.md. Exit code 1 where a case fails that
// is not explained in paho-cases.ts.

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { PYTHON, run, SuitePair } from './ground.ts'
import { explained } from './paho-cases.ts'

const MAIN = join(import.meta.dirname, '..', '..', 'dist', 'cli', 'main.js')

interface Outcome {
  readonly case: string
  readonly outcome: 'passed' | 'failed'
  readonly seconds: number
  readonly error: string | null
}

const MODULES = { '3.1.1': 'client_test', '5.0': 'client_test5' } as const
type Version = keyof typeof MODULES
const versions = Object.keys(MODULES) as Version[]

/** `when`: on a pair in step, on the survivor of a kill -9, and where a subscription is forbidden. */
type When = 'pair' | 'survivor' | 'forbidden'
type Results = Map<string, Partial<Record<When, Outcome>>>

async function suite(folder: string, version: Version, port: number, cases: readonly string[]): Promise<Outcome[]> {
  const script = join(import.meta.dirname, 'paho-run.py')
  const out = await run(PYTHON, [script, folder, MODULES[version], '127.0.0.1', String(port), ...cases])
  return out
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line) as Outcome)
}

async function main(): Promise<number> {
  const words = process.argv.slice(2).filter(word => !word.startsWith('--'))
  const folder = join(words[0] ?? '', 'interoperability')
  if (words.length !== 1 || !existsSync(join(folder, 'client_test.py'))) {
    console.error('Usage: npx tsx test/suites/paho.ts <folder of paho.mqtt.testing> [--table]')
    return 2
  }
  const results: Record<Version, Results> = { '3.1.1': new Map(), '5.0': new Map() }
  let unexplained = 0
  const take = (version: Version, when: When, outcomes: readonly Outcome[]): void => {
    for (const outcome of outcomes) {
      const known = results[version].get(outcome.case) ?? {}
      known[when] = outcome
      results[version].set(outcome.case, known)
      const why = outcome.outcome === 'failed' ? explained(version, outcome.case, when) : null
      if (outcome.outcome === 'failed' && why === null) unexplained++
      console.error(`${version} ${when} ${outcome.case}: ${outcome.outcome}${why === null ? '' : ` (${why})`}`)
      if (outcome.error !== null && why === null) console.error(outcome.error)
    }
  }
  // The tests want to be told of a keep alive of 60 s.
  const pair = await SuitePair.start({ 'listeners.mqtt.keepAliveSeconds': 60 })
  try {
    for (const version of versions) take(version, 'pair', await suite(folder, version, pair.mqttPort, []))
    await pair.kill()
    for (const version of versions) take(version, 'survivor', await suite(folder, version, pair.mqttPort, []))
    // From the first permission on only what is permitted is.
    const profile = join(pair.drill.folder, pair.active)
    await run(process.execPath, [MAIN, 'permission', profile, 'grant', 'everyone', 'send,receive', 'topic', 'TopicA/#'])
    for (const version of versions)
      take(version, 'forbidden', await suite(folder, version, pair.mqttPort, ['test_subscribe_failure']))
  } finally {
    await pair.drill.end()
  }
  if (process.argv.includes('--table')) for (const version of versions) console.log(table(version, results[version]))
  return unexplained === 0 ? 0 : 1
}

function table(version: Version, results: Results): string {
  const rows = [...results].map(([name, { pair, survivor, forbidden }]) => {
    // What can only be shown with a forbidden subscription counts there.
    const shown = [forbidden ?? pair, forbidden ?? survivor]
    const words = shown.map(outcome => outcome?.outcome ?? 'not run')
    const why = shown.some(outcome => outcome?.outcome === 'failed')
      ? (explained(version, name, forbidden === undefined ? 'pair' : 'forbidden') ?? '**not explained**')
      : ''
    return `| ${name} | ${words.join(' | ')} | ${why} |`
  })
  return [`\n### MQTT ${version}\n`, '| case | pair | survivor | |', '| --- | --- | --- | --- |', ...rows].join('\n')
}

process.exitCode = await main()
