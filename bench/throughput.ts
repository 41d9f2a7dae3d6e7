// The steady state: messages a second, CPU per message and latency of our pair, next to RabbitMQ and ActiveMQ from Debian's
// packages under the same load generator in the same run, and next to what the machine itself charges for a flush and a
// round trip. Rounds are interleaved, so that other work on the machine falls on all alike; medians are printed.
//   npm run bench -- [--quick] [--rounds N] [--seconds S] [--only lockstep,quorum,classic,activemq]
//                    [--modes rate,500,1000,send] [--bodies 100,1024,10240] [--senders 1,10,100]
//                    [--folder F] [--profile FOLDER] [--docs]
// --docs keeps what ran in docs/performance.md.

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { loadavg, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { bareFlush, bareRoundTrip, type Cost } from './bare.ts'
import { ActiveMq } from './brokers/activemq.ts'
import { pause, type QueueBroker } from './brokers/broker.ts'
import { LockstepPair, ROOM } from './brokers/lockstep.ts'
import { RabbitMq } from './brokers/rabbitmq.ts'
import { loadQueue } from './load/run.ts'
import { tableOf } from '../test/support/kept-rows.ts'
import { BARE_HEAD, HEAD, keep, number, rowsOf, type Result } from './throughput-table.ts'

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    seconds: { type: 'string' },
    only: { type: 'string', default: 'lockstep,quorum,classic,activemq' },
    senders: { type: 'string', default: '1' },
    modes: { type: 'string', default: 'rate,500,1000,send' },
    bodies: { type: 'string', default: '1024' },
    folder: { type: 'string', default: tmpdir() },
    profile: { type: 'string' },
    docs: { type: 'boolean', default: false },
  },
})
const ROUNDS = Number(options.rounds ?? (options.quick ? 1 : 3))
const SECONDS = Number(options.seconds ?? (options.quick ? 2 : 4))
const RATE = 1000
/** After the warm-up, before anything counts. */
const SETTLE_MS = 3000

interface Mode {
  /** In tables. */
  readonly title: string
  readonly window: number
  readonly rate: number
  readonly consume: boolean
}

/** A mode with one size of messages and one number of senders. */
interface Case extends Mode {
  readonly bodyBytes: number
  readonly senders: number
}

// prettier-ignore
const MODES: Record<string, Mode> = {
  500:  { title: 'window 500, drained at the same time', window: 500, rate: 0, consume: true },
  1000: { title: 'window 1,000, drained at the same time', window: 1000, rate: 0, consume: true },
  send: { title: 'window 1,000, only sent', window: 1000, rate: 0, consume: false },
  rate: { title: `${RATE} messages/s, drained at the same time`, window: 1000, rate: RATE, consume: true },
}

/** One run of the load generator; the servers' CPU time is read when it begins and ends to measure. */
function run(broker: QueueBroker, mode: Case, queue: string): Promise<Result> {
  const { window, rate, consume, bodyBytes, senders } = mode
  const load = { senders, window, rate, bodyBytes, consume, warmMs: options.quick ? 500 : 1000, runMs: SECONDS * 1000 }
  return loadQueue(broker, load, queue)
}

const say = (line = ''): void => console.log(line)

async function bench(folder: string): Promise<void> {
  const profiling: string[] = []
  if (options.profile !== undefined) {
    mkdirSync(options.profile, { recursive: true })
    profiling.push('--cpu-prof', `--cpu-prof-dir=${resolve(options.profile)}`)
  }
  const all = {
    lockstep: new LockstepPair({ nodeOptions: profiling, limits: ROOM }),
    quorum: new RabbitMq('quorum'),
    classic: new RabbitMq('classic'),
    activemq: new ActiveMq(),
  }
  const brokers: QueueBroker[] = []
  for (const name of options.only.split(',') as (keyof typeof all)[]) {
    const broker = all[name]
    if (broker.missing === null) brokers.push(broker)
    else say(`${broker.name} is left out, for it is not installed here: ${broker.missing}`)
  }
  const list = (text: string) => text.split(',').map(Number)
  const modes = list(options.bodies).flatMap(bodyBytes =>
    list(options.senders).flatMap(senders =>
      options.modes.split(',').map((name): Case => {
        const mode = MODES[name]!
        return { ...mode, title: `${number(bodyBytes)} bytes, ${senders} sender(s), ${mode.title}`, bodyBytes, senders }
      }),
    ),
  )
  const began = performance.now()
  const bareMs = options.quick ? 500 : 2000
  say(
    `Node ${process.version}, load of the machine before: ${loadavg()
      .map(n => n.toFixed(1))
      .join(' ')}`,
  )
  const trip = await bareRoundTrip(bareMs)
  const costs: [string, Cost][] = [1024, 64 * 1024].map(bytes => [
    `write and fdatasync of ${bytes / 1024} KiB`,
    bareFlush(folder, bytes, bareMs),
  ])
  costs.push(['loopback round trip', trip])
  const bareRows = new Map(costs.map(([what, { p50, p99 }]) => [what, [number(p50), number(p99)]]))
  say(tableOf(BARE_HEAD, [...bareRows.keys()], bareRows))
  const started: QueueBroker[] = []
  try {
    for (const [i, broker] of brokers.entries()) {
      const home = join(folder, String(i))
      mkdirSync(home)
      say(`starting ${broker.name} ...`)
      started.push(broker)
      await broker.start(home)
    }
    // Compilers and heaps of all of them have settled before anything counts.
    say('warming up ...')
    for (const broker of brokers) await run(broker, { ...modes[0]!, ...MODES[500]! }, 'bench-warm')
    await pause(SETTLE_MS)
    const results = new Map(modes.map(mode => [mode, new Map(brokers.map(broker => [broker, [] as Result[]]))]))
    // What a mode leaves to be written to the disk falls on none but itself: the quiet one comes first, with all its rounds.
    for (const [i, mode] of modes.entries()) {
      for (let round = 1; round <= ROUNDS; round++) {
        for (const broker of brokers) {
          const result = await run(broker, mode, `bench-${round}-${i}`)
          results.get(mode)!.get(broker)!.push(result)
          const cpu = `${number(result.serverMicros, 1)} us`
          say(`round ${round}, ${mode.title}: ${broker.name} ${number(result.perSecond)} messages/s, ${cpu}`)
        }
      }
    }
    for (const [mode, found] of results) say(`\n${mode.title}\n${tableOf(HEAD, ...rowsOf(found))}`)
    if (options.docs) keep(results, bareRows, join(import.meta.dirname, '..', 'docs', 'performance.md'))
  } finally {
    for (const broker of started) await broker.stop()
  }
  say()
  say(`Durable messages, acknowledged one by one; medians of ${ROUNDS} round(s) of ${SECONDS} s.`)
  say(
    'CPU us each: of all server processes, per message accepted. Latency: from sending to accepted. MiB: memory of all server processes.',
  )
  say(
    'Last columns: our rate over theirs, our CPU as a part of theirs: medians of the ratios of each round. ActiveMQ speaks STOMP (no AMQP in the package).',
  )
  say(
    `Load of the machine after: ${loadavg()
      .map(n => n.toFixed(1))
      .join(' ')}; took ${number((performance.now() - began) / 1000)} s`,
  )
}

const folder = mkdtempSync(join(options.folder, 'lockstep-bench-'))
try {
  await bench(folder)
} finally {
  rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 })
}
