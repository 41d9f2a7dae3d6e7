// Messaging beside other brokers, in one run and with one set of load generators: durable queues, latency, MQTT fan-out, a
// backlog, idle connections, and the time without service at kill -9. Each part by itself, or all in a quarter of an hour.
//   npm run bench:messaging -- [--only <regular expression>] [--rounds N] [--docs]
//                              [--brokers <regular expression>] [--cases <regular expression>] [--seconds <factor>]
//                              [--messages N] [--connections N] [--kills N] [--profile FOLDER]
// Parts: bare, queues, latency, mqtt, backlog, idle, kills. --docs keeps what ran in docs/performance.md. --profile has the pair's
// processes write CPU profiles.

import { mkdirSync } from 'node:fs'
import { loadavg } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { keepRows, tableOf } from '../test/support/kept-rows.ts'
import { backlog } from './parts/backlog.ts'
import { bare } from './parts/bare.ts'
import { idle } from './parts/idle.ts'
import { kills } from './parts/kills.ts'
import { mqtt } from './parts/mqtt.ts'
import { say, type Part, type Setting } from './parts/part.ts'
import { latency, queues } from './parts/queues.ts'
import { number } from './throughput-table.ts'

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '.' },
    rounds: { type: 'string', default: '1' },
    brokers: { type: 'string', default: '.' },
    cases: { type: 'string', default: '.' },
    seconds: { type: 'string', default: '1' },
    messages: { type: 'string', default: '1000000' },
    connections: { type: 'string', default: '5000' },
    kills: { type: 'string', default: '5' },
    profile: { type: 'string' },
    docs: { type: 'boolean', default: false },
  },
})

const nodeOptions: string[] = []
if (values.profile !== undefined) {
  mkdirSync(values.profile, { recursive: true })
  nodeOptions.push('--cpu-prof', `--cpu-prof-dir=${resolve(values.profile)}`)
}
const setting: Setting = {
  rounds: Number(values.rounds),
  seconds: Number(values.seconds),
  messages: Number(values.messages),
  connections: Number(values.connections),
  kills: Number(values.kills),
  brokers: new RegExp(values.brokers, 'i'),
  cases: new RegExp(values.cases, 'i'),
  nodeOptions,
}
const parts: readonly Part[] = [bare, queues, latency, mqtt, backlog, idle, kills]
const docs = join(import.meta.dirname, '..', 'docs', 'performance.md')
const load = (): string => loadavg().map(n => n.toFixed(1)).join(' ') // prettier-ignore

const began = performance.now()
say(`Node ${process.version}, load of the machine before: ${load()}`)
for (const part of parts.filter(({ name }) => new RegExp(values.only).test(name))) {
  const partBegan = performance.now()
  const tables = await part.run(setting)
  say(`\n${part.name}, ${number((performance.now() - partBegan) / 1000)} s`)
  for (const { name, head, order, rows } of tables) {
    say(`\n${tableOf(head, order, rows)}\n`)
    if (values.docs) keepRows(docs, `messaging-${name}`, head, order, rows)
  }
}
say(`Load of the machine after: ${load()}; took ${number((performance.now() - began) / 1000)} s`)
