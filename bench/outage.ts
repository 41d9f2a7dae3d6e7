// Time without service for every fault: the longest pause between two acknowledgements that a stock client with both
// addresses sees, over many rounds with real processes on this machine. Next to it, where lockfile.md derives one, the
// bound. Run it with nothing else on the machine:  npm run bench:outage -- [--rounds 20] [--only <regular expression>]
import { parseArgs } from 'node:util'
import { deriveIntervals, expectedOutageMs, type Fault as Bound } from '../src/profiles/intervals.ts'
import { faults } from '../test/drills/faults.ts'
import { checkAcks, Drill, LoadClient, other } from '../test/support/drill.ts'

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '20' }, only: { type: 'string', default: '.' } },
})
const rounds = Number(values.rounds)
const chosen = faults.filter(fault => !fault.outage && new RegExp(values.only).test(fault.name))

const PING_MS = 500
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
  'SIGSTOP of both': 'host lost',
  'cut of the back channel': 'channel cut',
  'cut of the active server’s share': 'share cut',
  'cut of the passive server’s share': 'share cut',
  'cut of the active server’s share, then of the back channel': 'host cut off',
  'cut of back channel and the active server’s share at once': 'host cut off',
}

const results = new Map<string, number[]>()
const drill = await Drill.make()
let code = 0
try {
  drill.start('primary')
  drill.start('secondary')
  let active = await drill.settled()
  const client = new LoadClient(drill, { rate: 1000, window: 200 })
  await client.started()
  await client.progress(1000)
  for (let round = 1; round <= rounds; round++)
    for (const fault of chosen) {
      await client.forgetGaps()
      await fault.hurt(drill, active)
      await client.progress(100)
      const { gaps } = await client.progress(100)
      await fault.heal?.(drill, active)
      if (fault.ends) {
        const label = fault.ends === 'active' ? active : other(active)
        await drill.server(label).exit
        drill.start(label)
      }
      active = await drill.settled(60_000)
      await client.progress(200)
      const longest = Math.max(0, ...gaps.map(([ms]) => ms))
      const list = results.get(fault.name) ?? []
      list.push(longest)
      results.set(fault.name, list)
      console.error(`round ${round}: ${fault.name}: ${longest.toFixed(0)} ms`)
    }
  const report = await client.drain()
  const wrong = checkAcks(drill.acks())
  print()
  console.log(`\n${report.acked} acknowledged, ${report.missing} missing, ${report.duplicates} received more than once`)
  console.log(wrong.length === 0 ? 'never two servers at once' : wrong.join('\n'))
  if (report.missing > 0 || wrong.length > 0) code = 1
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
  const cells = ['fault', 'runs', 'min ms', 'median ms', 'max ms', 'bound + ping ms']
  const row = (columns: readonly (string | number)[]) =>
    columns.map((cell, i) => (i === 0 ? String(cell).padEnd(62) : String(cell).padStart(10))).join(' ')
  console.log(`\nTime without service (longest pause between acknowledgements), ping ${PING_MS} ms, lease 3000 ms\n`)
  console.log(row(cells))
  for (const [name, list] of results) {
    const sorted = list.toSorted((a, b) => a - b)
    const median = sorted[Math.floor(sorted.length / 2)] ?? 0
    const bound = bounds[name]
    const most = bound === undefined ? '-' : Math.round(expectedOutageMs(bound, intervals, 0) + PING_MS)
    console.log(
      row([name, list.length, ...[sorted[0] ?? 0, median, sorted.at(-1) ?? 0].map(ms => ms.toFixed(0)), most]),
    )
  }
}
