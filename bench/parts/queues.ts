// Durable queues, each message acknowledged: throughput for sizes of messages and numbers of producers, and latency at a
// moderate rate.

import { ActiveMq } from '../brokers/activemq.ts'
import type { QueueBroker } from '../brokers/broker.ts'
import { LockstepPair } from '../brokers/lockstep.ts'
import { RabbitMq } from '../brokers/rabbitmq.ts'
import { loadQueue, type QueueLoad } from '../load/run.ts'
import { HEAD, number, rowsOf, type Result } from '../throughput-table.ts'
import { rowOf, say, wanted, withBrokers, type Part, type Setting, type Table } from './part.ts'

interface Case {
  readonly title: string
  readonly load: QueueLoad
}

const WINDOW = 1000
const RATE = 1000
const BODIES = [100, 1024, 10 * 1024]
const SENDERS = [1, 10, 100]
const WARM_MS = 700
const RUN_MS = 2000

/** A latency needs more messages behind it than a rate. */
const LATENCY_MS = 5000

const load = (own: Pick<QueueLoad, 'senders' | 'bodyBytes' | 'rate' | 'runMs'>): QueueLoad => ({
  ...own,
  window: WINDOW,
  consume: true,
  warmMs: WARM_MS,
})

const throughputCases = (seconds: number): Case[] =>
  BODIES.flatMap(bodyBytes =>
    SENDERS.map(senders => ({
      title: `${number(bodyBytes)} bytes, ${senders} producer(s)`,
      load: load({ senders, bodyBytes, rate: 0, runMs: RUN_MS * seconds }),
    })),
  )

const latencyCases = (seconds: number): Case[] => [
  {
    title: `1,024 bytes, ${number(RATE)}/s`,
    load: load({ senders: 1, bodyBytes: 1024, rate: RATE, runMs: LATENCY_MS * seconds }),
  },
]

/** A case of each kind before anything counts: compilers and heaps settle. */
const warm = (broker: QueueBroker): Promise<Result> =>
  loadQueue(broker, load({ senders: 1, bodyBytes: 1024, rate: 0, runMs: RUN_MS }), 'bench-warm')

async function measure(name: string, all: readonly Case[], setting: Setting): Promise<Table[]> {
  const cases = all.filter(({ title }) => setting.cases.test(title))
  const brokers = wanted<QueueBroker>(
    [
      new LockstepPair({ nodeOptions: setting.nodeOptions }),
      new RabbitMq('quorum'),
      new RabbitMq('classic'),
      new ActiveMq(),
    ],
    setting,
  )
  const results = new Map(cases.map(one => [one, new Map(brokers.map(broker => [broker, [] as Result[]]))]))
  await withBrokers(brokers, async () => {
    for (const broker of brokers) await warm(broker)
    for (let round = 1; round <= setting.rounds; round++)
      for (const [i, one] of cases.entries())
        for (const broker of brokers) {
          const result = await loadQueue(broker, one.load, `bench-${name}-${round}-${i}`)
          results.get(one)!.get(broker)!.push(result)
          const { perSecond, serverMicros, p99 } = result
          say(
            `${rowOf(one.title, broker)} ${number(perSecond)}/s, ${number(serverMicros, 1)} us, p99 ${number(p99, 2)} ms`,
          )
        }
  })
  const rows = new Map<string, readonly (string | null)[]>()
  for (const [{ title }, found] of results)
    for (const [broker, cells] of rowsOf(found)[1]) rows.set(`${title}: ${broker}`, cells)
  return [{ name, head: ['run', ...HEAD.slice(1)], order: [...rows.keys()], rows }]
}

export const queues: Part = {
  name: 'queues',
  run: setting => measure('queues', throughputCases(setting.seconds), setting),
}

export const latency: Part = {
  name: 'latency',
  run: setting => measure('latency', latencyCases(setting.seconds), setting),
}
