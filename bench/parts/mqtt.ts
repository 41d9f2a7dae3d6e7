// MQTT: one publisher and many subscribers, with QoS 0 and 1, clean sessions and lasting ones. Nothing may be lost, in QoS 0
// neither: the publisher does not run away from the slowest subscriber.

import { family, type MqttBroker } from '../brokers/broker.ts'
import { LockstepPair } from '../brokers/lockstep.ts'
import { Mosquitto } from '../brokers/mosquitto.ts'
import { RabbitMq } from '../brokers/rabbitmq.ts'
import type { FanOrder, FanReport } from '../load/mqtt-main.ts'
import { measured, type Used } from '../load/run.ts'
import { median, number } from '../throughput-table.ts'
import { rowOf, say, wanted, withBrokers, type Part, type Table } from './part.ts'

type Result = FanReport & Used

const WINDOW = 500
const AHEAD = 2000
const BODY_BYTES = 100
const WARM_MS = 700
const RUN_MS = 2000

interface Case {
  readonly title: string
  readonly qos: 0 | 1
  readonly clean: boolean
  readonly subscribers: number
}

const CASES: readonly Case[] = [
  ...[1, 10, 100].map(subscribers => ({
    title: `QoS 0, 1 to ${subscribers}`,
    qos: 0 as const,
    clean: true,
    subscribers,
  })),
  ...[1, 10, 100].map(subscribers => ({
    title: `QoS 1, 1 to ${subscribers}`,
    qos: 1 as const,
    clean: true,
    subscribers,
  })),
  { title: 'QoS 1, lasting session, 1 to 1', qos: 1, clean: false, subscribers: 1 },
  { title: 'QoS 1, lasting sessions, 1 to 10', qos: 1, clean: false, subscribers: 10 },
]

// prettier-ignore
const HEAD = ['run', 'delivered/s', 'min', 'max', 'CPU us each', 'broker busy', 'lost', 'client us', 'client busy', 'MiB', 'our rate', 'our CPU']

function cellsOf(all: readonly Result[], ours: readonly Result[]): string[] {
  const rate = ({ delivered, seconds }: Result) => delivered / seconds
  const micros = ({ cpuMicros, delivered }: Used & FanReport) => cpuMicros / Math.max(1, delivered)
  const client = ({ clientMicros, delivered }: Result) => clientMicros / Math.max(1, delivered)
  const middle = (pick: (result: Result) => number) => median(all.map(pick))
  const ratio = (pick: (theirs: Result, own: Result) => number) =>
    number(median(all.map((theirs, round) => pick(theirs, ours[round]!))), 1)
  return [
    number(middle(rate)),
    number(Math.min(...all.map(rate))),
    number(Math.max(...all.map(rate))),
    number(middle(micros), 2),
    `${number(middle(({ cpuMicros, seconds }) => cpuMicros / seconds / 1e4))}%`,
    number(all.reduce((sum, { missing }) => sum + missing, 0)),
    number(middle(client), 2),
    `${number(middle(({ clientMicros, seconds }) => clientMicros / seconds / 1e4))}%`,
    number(middle(({ memoryBytes }) => memoryBytes) / 2 ** 20),
    all === ours ? '' : `${ratio((theirs, own) => rate(own) / rate(theirs))}x`,
    all === ours ? '' : `1/${ratio((theirs, own) => micros(theirs) / micros(own))}`,
  ]
}

async function fan(
  broker: MqttBroker,
  { qos, clean, subscribers }: Case,
  runMs: number,
  topic: string,
): Promise<Result> {
  const order: FanOrder = {
    port: broker.mqttPort,
    user: broker instanceof RabbitMq ? 'guest' : null,
    topic,
    qos,
    clean,
    publishers: 1,
    subscribers,
    window: WINDOW,
    ahead: AHEAD,
    bodyBytes: BODY_BYTES,
    warmMs: WARM_MS,
    runMs,
  }
  const [report, used] = await measured<FanReport>('mqtt-main.ts', order, broker.roots().flatMap(family))
  return { ...report, ...used }
}

export const mqtt: Part = {
  name: 'mqtt',
  async run(setting): Promise<Table[]> {
    const cases = CASES.filter(({ title }) => setting.cases.test(title))
    const brokers = wanted<MqttBroker>(
      [new LockstepPair({ nodeOptions: setting.nodeOptions }), new Mosquitto(), new RabbitMq('classic')],
      setting,
    )
    const results = new Map(cases.map(one => [one, brokers.map(() => [] as Result[])]))
    await withBrokers(brokers, async () => {
      for (const broker of brokers) for (const one of cases.slice(0, 1)) await fan(broker, one, RUN_MS, 'bench/warm')
      for (let round = 1; round <= setting.rounds; round++)
        for (const [i, one] of cases.entries())
          for (const [b, broker] of brokers.entries()) {
            const result = await fan(broker, one, RUN_MS * setting.seconds, `bench/${round}/${i}`)
            results.get(one)![b]!.push(result)
            say(`${rowOf(one.title, broker)} ${cellsOf([result], [result]).slice(0, 9).join(' | ')}`)
          }
    })
    const rows = new Map<string, readonly string[]>()
    for (const [{ title }, found] of results)
      for (const [b, all] of found.entries()) rows.set(rowOf(title, brokers[b]!), cellsOf(all, found[0]!))
    return [{ name: 'mqtt', head: HEAD, order: [...rows.keys()], rows }]
  },
}
