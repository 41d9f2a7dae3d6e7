// Time without service for every fault: the longest pause between two acknowledgements that a stock client with both
// addresses sees, over many rounds with real processes on this machine. Next to it, where lockfile.md derives one, the
// bound. Run it with nothing else on the machine; --docs keeps its rows in docs/performance.md:
//   npm run bench:outage -- [--rounds 20] [--only <regular expression>] [--docs]
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { deriveIntervals, expectedOutageMs, type Fault as Bound } from '../src/profiles/intervals.ts'
import { faults } from '../test/drills/faults.ts'
import { checkAcks, Drill, LoadClient, other } from '../test/support/drill.ts'
import { keepRows, tableOf } from '../test/support/kept-rows.ts'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '20' },
    only: { type: 'string', default: '.' },
    docs: { type: 'boolean', default: false },
  },
})
const rounds = Number(values.rounds)
const chosen = faults.filter(fault => !fault.outage && new RegExp(values.only).test(fault.name))

const PING_MS = 500
/**
 * A server that is frozen as a whole answers nothing and closes nothing: its clients leave it only by their own idle
 * time-out, of which rhea waits twice, and a second more. It must not be what is measured.
 */
const CLIENT_IDLE_MS = 400
const intervals = deriveIntervals({
  pingInterval: PING_MS,
  activeLockReacquisitionInterval: 500,
  passiveLockAcquisitionInterval: 3000,
})
/** Which derived bound a fault stands under; the share of this bench is a local folder, where names are seen at once. */
const bounds: Readonly<Record<string, Bound>> = {
  switchover: 'switchover',
  'graceful stop of the active server': 'switchover',
  'kill -9 of the active broker': 'broker killed',
  'kill -9 of the active keeper': 'switchover',
  'kill -9 of both': 'host lost',
  'SIGSTOP of the active broker': 'broker frozen',
  'SIGSTOP of the active keeper': 'keeper killed',
  'SIGSTOP of both': 'host lost',
  'kill -9 of the passive under load': 'channel cut',
  'graceful stop of the passive under load': 'channel cut',
  'cut of the back channel': 'channel cut',
  'cut of the active server’s share': 'share cut',
  'cut of the passive server’s share': 'share cut',
  'cut of the active server’s share, then of the back channel': 'host cut off',
  'cut of back channel and the active server’s share at once': 'host cut off',
}

const boundOf = (name: string): number => {
  const bound = bounds[name]
  return bound === undefined ? Infinity : Math.round(expectedOutageMs(bound, intervals, 0) + PING_MS)
}

/** Beyond the bound. */
const late: string[] = []
const results = new Map<string, number[]>()
const drill = await Drill.make()
let code = 0
try {
  drill.start('primary')
  drill.start('secondary')
  let active = await drill.settled()
  const client = new LoadClient(drill, { rate: 1000, window: 200, idleMs: CLIENT_IDLE_MS })
  await client.started()
  await client.progress(1000)
  for (let round = 1; round <= rounds; round++)
    for (const fault of chosen) {
      await client.forgetGaps()
      const [server, passive] = [drill.server(active), drill.server(other(active))]
      const from = [server, passive].map(one => one.lines.length)
      await fault.hurt(drill, active)
      await client.progress(100)
      const { gaps } = await client.progress(100)
      await fault.heal?.(drill, active)
      if (fault.ends) {
        const label = fault.ends === 'active' ? active : other(active)
        const ended = drill.server(label)
        await ended.exit
        drill.start(label)
        await ended.gone
      }
      active = await drill.settled(60_000)
      await client.progress(200)
      const longest = Math.max(0, ...gaps.map(([ms]) => ms))
      const list = results.get(fault.name) ?? []
      list.push(longest)
      results.set(fault.name, list)
      console.error(`round ${round}: ${fault.name}: ${longest.toFixed(0)} ms`)
      if (longest <= boundOf(fault.name)) continue
      // What it was that took so long can only be read while the servers' lines are there.
      late.push(`round ${round}: ${fault.name}: ${longest.toFixed(0)} ms`)
      const told = [server, passive].flatMap((one, i) => one.lines.slice(from[i]).map(l => ({ ...l, who: one.label })))
      for (const { at, who, text } of told.toSorted((a, b) => a.at - b.at))
        console.error(`  ${at.toFixed(0)} ${who} ${text}`)
      for (const [ms, at] of gaps) if (ms > 100) console.error(`  pause of ${ms.toFixed(0)} ms until ${at.toFixed(0)}`)
    }
  const report = await client.drain()
  const wrong = checkAcks(drill.acks())
  print()
  console.log(`\n${report.acked} acknowledged, ${report.missing} missing, ${report.duplicates} received more than once`)
  console.log(wrong.length === 0 ? 'never two servers at once' : wrong.join('\n'))
  if (late.length > 0) console.log(`beyond the bound:\n${late.join('\n')}`)
  if (report.missing > 0 || wrong.length > 0 || late.length > 0) code = 1
  await client.end()
} catch (error) {
  console.error(error)
  print()
  code = 1
} finally {
  await drill.end()
}
process.exit(code)

function print(): void {
  const head = ['fault', 'runs', 'min ms', 'median ms', 'max ms', 'bound and a ping, ms', 'run on']
  const today = new Date().toISOString().slice(0, 10)
  const rows = new Map(
    [...results].map(([name, list]) => {
      const sorted = list.toSorted((a, b) => a - b)
      const median = sorted[Math.floor(sorted.length / 2)] ?? 0
      const most = boundOf(name) === Infinity ? '-' : String(boundOf(name))
      const times = [sorted[0] ?? 0, median, sorted.at(-1) ?? 0].map(ms => ms.toFixed(0))
      return [name, [String(list.length), ...times, most, today]] as const
    }),
  )
  const names = faults.map(fault => fault.name)
  console.log(`\nTime without service (longest pause between acknowledgements), ping ${PING_MS} ms, lease 3000 ms\n`)
  console.log(tableOf(head, names, rows))
  if (values.docs) keepRows(join(import.meta.dirname, '..', 'docs', 'performance.md'), 'outage', head, names, rows)
}
