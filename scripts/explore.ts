// npm run explore: the exhaustive exploration of the pair, and the guards taken out one by one. Prints what it finds;
// --docs also puts the tables into docs/testing.md. --states and --only make it shorter, --without runs one mutant.

import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { dutyRows } from '../src/states/duties.ts'
import { rules } from '../src/states/rules.ts'
import { explorations, mutants } from '../src/simulation/explore/explorations.ts'
import { HEAD, mutantRow, MUTANT_HEAD, rowOf, run, type Outcome } from '../src/simulation/explore/run.ts'

const { values } = parseArgs({
  options: {
    states: { type: 'string', default: '400000' },
    healed: { type: 'string', default: '20000' },
    only: { type: 'string', default: '' },
    without: { type: 'string', default: '' },
    docs: { type: 'boolean', default: false },
  },
})
const limits = { states: Number(values.states), healed: Number(values.healed) }
const seconds = (): number => process.cpuUsage().user / 1e6

let faults = 0
const lines: string[] = [...HEAD]
const fired = rules.map(() => 0)
const asked = dutyRows.map(() => 0)
for (const line of HEAD) console.log(line)
const chosen = explorations.filter(({ name }) => values.without === '' && name.includes(values.only))
for (const exploration of chosen) {
  const outcome = run(exploration, limits, seconds)
  outcome.explored.rows.fired.forEach((n, i) => ((fired[i] as number) += n))
  outcome.explored.rows.asked.forEach((n, i) => ((asked[i] as number) += n))
  say(rowOf(exploration, outcome))
  fault(outcome)
}

const never = [...rules.filter((_, i) => fired[i] === 0), ...dutyRows.filter((_, i) => asked[i] === 0)].map(r => r.id)
if (chosen.length > 0)
  say('', `Rows that no transition used: ${never.length > 0 ? never.join(', ') : 'none'}.`, '', uses())
if (values.only === '' || values.without !== '') {
  say('', ...MUTANT_HEAD)
  for (const mutant of mutants.filter(({ without }) => without.includes(values.without))) {
    const outcome = run(mutant.exploration, limits, seconds, mutant)
    say(mutantRow(mutant, outcome))
    if (values.without !== '') console.log(outcome.story.join('\n'))
    if (outcome.story.length === 0) faults++
  }
}
if (values.docs) intoDocs()
process.exitCode = faults > 0 ? 1 : 0

function say(...more: string[]): void {
  lines.push(...more)
  for (const line of more) console.log(line)
}

function fault({ story }: Outcome): void {
  if (story.length === 0) return
  faults++
  console.log(story.join('\n'))
}

function uses(): string {
  const all = [...rules.map((r, i) => [r.id, fired[i]]), ...dutyRows.map((r, i) => [r.id, asked[i]])]
  return `Transitions by row: ${all.map(([id, n]) => `${id} ${(n as number).toLocaleString('en')}`).join(', ')}.`
}

function intoDocs(): void {
  const file = fileURLToPath(new URL('../docs/testing.md', import.meta.url))
  const text = readFileSync(file, 'utf8')
  const [begin, end] = ['<!-- exploration -->', '<!-- end: exploration -->']
  const [from, to] = [text.indexOf(begin), text.indexOf(end)]
  if (from < 0 || to < from) throw new Error('docs/testing.md has no place for the exploration')
  const head = `Printed by \`npm run explore -- --docs --states ${values.states} --healed ${values.healed}\`; times are CPU time of one core.`
  writeFileSync(file, `${text.slice(0, from)}${begin}\n\n${head}\n\n${lines.join('\n')}\n\n${text.slice(to)}`)
}
