// A soak: stock AMQP and MQTT clients on a pair of real processes while random faults come, for as long as one likes: plain
// messages through a queue, numbers with QoS 2, and errands, which use everything else that the broker does to messages. In
// its first half every fault leaves both servers' processes alive, so that their memory is seen over a long life; in the
// second half any fault may come. Fails where an acknowledged message is missing, two servers acted at once, a message of
// QoS 2 or an errand came twice or where it should not, or memory grew. --docs keeps its rows in docs/performance.md:
//   npm run soak -- [--minutes 60] [--rate 400] [--seed 1] [--docs]
import { execFile } from 'node:child_process'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs, promisify } from 'node:util'
import { Dice } from '../src/simulation/dice.ts'
import { faults, type Fault } from '../test/drills/faults.ts'
import { checkAcks, Drill, type Label, LoadClient, monotonic, other } from '../test/support/drill.ts'
import { keepRows, tableOf } from '../test/support/kept-rows.ts'
import { Errands, errandSettings } from './load/errands.ts'
import { ExactlyOnce } from './load/exactly-once.ts'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '60' },
    rate: { type: 'string', default: '400' },
    seed: { type: 'string', default: '1' },
    docs: { type: 'boolean', default: false },
  },
})
const minutes = Number(values.minutes)
const dice = new Dice(values.seed)
const labels = ['primary', 'secondary'] as const

const SAMPLE_MS = 5000
/** Of a process's life, before its memory counts: caches fill, code is compiled. */
const WARM_UP_MS = 120_000
/** A life that is shorter says nothing about growth. */
const LIFE_MS = 480_000
/** Of the memory in the last third of a life to that in the first. */
const GROWTH = 1.25

const MIB = 2 ** 20
const gentle = faults.filter(fault => fault.ends === undefined)

interface Sample {
  readonly at: number
  readonly rss: number
}
/** By process, so that each life stands alone. */
const lives = new Map<string, Sample[]>()
/** The columns of one minute. */
interface Minute {
  readonly acked: number
  readonly faults: number
  readonly rss: Readonly<Record<Label, number>>
  readonly disk: number
}
const rows: Minute[] = []
const times = new Map<string, number[]>()

const drill = await Drill.make()
const began = monotonic()
const until = began + minutes * 60_000
let count = 0
let code = 0
const sampler = setInterval(sample, SAMPLE_MS)
try {
  for (const label of labels) drill.start(label)
  let active = await drill.settled()
  const client = new LoadClient(drill, { rate: Number(values.rate), window: 500, idleMs: 500 })
  await client.started()
  const exactly = new ExactlyOnce(labels.map(label => drill.mqtt[label]))
  await exactly.started()
  for (const words of errandSettings) await lockstep('address', join(drill.folder, active), 'set', ...words)
  const errands = new Errands(
    labels.map(label => drill.amqp[label]),
    values.seed,
  )
  await errands.started()
  let minute = began + 60_000
  let ackedBefore = 0
  let before = 0
  while (monotonic() < until) {
    const from = monotonic() - began < (minutes * 60_000) / 2 ? gentle : faults
    active = await inflict(dice.pick(from), active, client)
    if (errands.account.faults.length > 0) throw new Error(errands.account.faults.join('\n'))
    for (; monotonic() >= minute; minute += 60_000) {
      const { acked } = await client.report()
      rows.push({ acked: acked - ackedBefore, faults: count - before, rss: memory(), disk: used(drill.folder) })
      ;[ackedBefore, before] = [acked, count]
      const last = rows.at(-1) as Minute
      console.error(`minute ${rows.length}: ${JSON.stringify(last)}`)
    }
  }
  const report = await client.drain()
  const once = await exactly.ended()
  const all = await errands.ended()
  const wrong = [...checkAcks(drill.acks()), ...once.wrong, ...all.wrong, ...growth()]
  if (report.missing > 0) wrong.push(`${report.missing} acknowledged messages are missing`)
  console.log(`\n${((monotonic() - began) / 60_000).toFixed(1)} minutes, ${count} faults, seed ${values.seed}`)
  console.log(`AMQP: ${report.acked} acknowledged, ${report.missing} missing, ${report.duplicates} came again`)
  console.log(`MQTT, QoS 2: ${once.sent} answered, each came once: ${once.wrong.length === 0 ? 'yes' : 'no'}`)
  console.log(`errands: ${[...all.counts].map(([what, of]) => `${of} ${what}`).join(', ')}`)
  if (wrong.length > 0) code = 1
  const errandsDone = [...all.counts.values()].reduce((sum, of) => sum + of, 0)
  print(report.acked, once.sent, errandsDone)
  console.log(wrong.length === 0 ? 'nothing lost, never two servers at once, memory flat' : wrong.join('\n'))
  await client.end()
} catch (error) {
  console.error(error, drill.logs().split('\n').slice(-200).join('\n'))
  code = 1
} finally {
  clearInterval(sampler)
  await drill.end()
}
process.exit(code)

/** A command of an operator's. */
async function lockstep(...words: string[]): Promise<void> {
  await promisify(execFile)(process.execPath, [join(import.meta.dirname, '..', 'dist', 'cli', 'main.js'), ...words])
}

async function inflict(fault: Fault, active: Label, client: LoadClient): Promise<Label> {
  await client.forgetGaps()
  await fault.hurt(drill, active)
  if (!fault.outage) await client.progress(50)
  await fault.heal?.(drill, active)
  if (fault.ends) {
    const label = fault.ends === 'active' ? active : other(active)
    const ended = drill.server(label)
    await ended.exit
    drill.start(label)
    // A broker whose keeper was killed may still say that it is active.
    await ended.gone
  }
  const next = await drill.settled()
  await client.progress(200)
  const { longest } = await client.report()
  times.set(fault.name, [...(times.get(fault.name) ?? []), longest])
  count++
  console.error(`${((monotonic() - began) / 1000).toFixed(0)} s: ${fault.name}: ${longest.toFixed(0)} ms`)
  return next
}

/** MiB that a process has in memory; 0 where it is gone. */
function residentOf(pid: number): number {
  try {
    const line = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
    return Number(line?.[1] ?? 0) / 1024
  } catch {
    return 0
  }
}

function sample(): void {
  for (const label of labels) {
    const server = drill.servers.get(label)
    if (!server?.running) continue
    let broker = 0
    try {
      broker = server.brokerPid
    } catch {
      continue // it ends just now
    }
    for (const [name, pid] of [
      ['broker', broker],
      ['keeper', server.keeperPid],
    ] as const) {
      const rss = residentOf(pid)
      if (rss === 0) continue
      const key = `${label}'s ${name} ${pid}`
      lives.set(key, [...(lives.get(key) ?? []), { at: monotonic(), rss }])
    }
  }
}

function memory(): Record<Label, number> {
  const newest = (label: Label): number =>
    Math.round([...lives].findLast(([key]) => key.startsWith(`${label}'s broker`))?.[1].at(-1)?.rss ?? 0)
  return { primary: newest('primary'), secondary: newest('secondary') }
}

/** MiB below a folder. */
function used(folder: string): number {
  let bytes = 0
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' }))
    bytes += statSync(join(folder, name), { throwIfNoEntry: false })?.size ?? 0
  return Math.round(bytes / MIB)
}

/** Each life that was long enough: the median of its last third against that of its first. */
function growth(): string[] {
  const grown: string[] = []
  let judged = 0
  for (const [who, samples] of lives) {
    const first = samples[0]?.at ?? 0
    const settled = samples.filter(({ at }) => at - first >= WARM_UP_MS)
    if ((samples.at(-1)?.at ?? 0) - first < LIFE_MS) continue
    judged++
    const third = Math.floor(settled.length / 3)
    const [early, late] = [median(settled.slice(0, third)), median(settled.slice(-third))]
    const life = ((samples.at(-1)?.at ?? 0) - first) / 60_000
    const text = `${who}: ${early.toFixed(0)} MiB early, ${late.toFixed(0)} MiB late in ${life.toFixed(0)} minutes`
    console.log(text)
    if (late > GROWTH * early) grown.push(`memory grew: ${text}`)
  }
  if (judged === 0 && minutes * 60_000 > 2 * LIFE_MS) grown.push('no process lived long enough to judge its memory')
  return grown
}

function median(samples: readonly Sample[]): number {
  const sorted = samples.map(({ rss }) => rss).toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? 0
}

function print(acked: number, exactly: number, errands: number): void {
  const head = ['minutes', 'acknowledged', 'faults', 'primary MiB', 'secondary MiB', 'data MiB']
  const step = 10
  const cells = new Map<string, string[]>()
  for (let at = 0; at < rows.length; at += step) {
    const part = rows.slice(at, at + step)
    const sum = (of: (row: Minute) => number): number => part.reduce((all, row) => all + of(row), 0)
    const range = (of: (row: Minute) => number): string =>
      `${Math.min(...part.map(of))} to ${Math.max(...part.map(of))}`
    cells.set(`${at + 1} to ${at + part.length}`, [
      sum(row => row.acked).toLocaleString('en'),
      String(sum(row => row.faults)),
      ...labels.map(label => range(row => row.rss[label])),
      range(row => row.disk),
    ])
  }
  const whole = `all, run on ${new Date().toISOString().slice(0, 10)}`
  cells.set(whole, [
    `${acked.toLocaleString('en')}, ${exactly.toLocaleString('en')} of QoS 2, ${errands.toLocaleString('en')} errands`,
    String(count),
    '',
    '',
    '',
  ])
  console.log(tableOf(head, [...cells.keys()], cells))
  for (const [name, list] of times)
    console.log(`${name}: ${list.length} times, at most ${Math.max(...list).toFixed(0)} ms without service`)
  if (values.docs && code === 0)
    keepRows(join(import.meta.dirname, '..', 'docs', 'performance.md'), 'soak', head, [...cells.keys()], cells)
}
