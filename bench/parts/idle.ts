// Thousands of connections that do nothing: how long they take to open, what each takes of the servers' memory, and what they
// cost in CPU while nothing happens.

import { spawn } from 'node:child_process'
import { cpuMicros, family, memoryBytes, pause, type BenchBroker } from '../brokers/broker.ts'
import { LockstepPair } from '../brokers/lockstep.ts'
import { Mosquitto } from '../brokers/mosquitto.ts'
import { RabbitMq } from '../brokers/rabbitmq.ts'
import type { IdleOrder, IdleReport } from '../load/idle-main.ts'
import { generator } from '../load/run.ts'
import { number } from '../throughput-table.ts'
import { rowOf, say, wanted, withBrokers, type Part, type Table } from './part.ts'

/** What was opened has settled, and collectors have had their turn. */
const SETTLE_MS = 2000
const IDLE_MS = 5000

const HEAD = ['run', 'connections', 'open in s', 'KiB each', 'MiB in all', 'CPU without', 'CPU idle']

type Way = Omit<IdleOrder, 'connections'>

interface Case {
  readonly protocol: string
  readonly broker: BenchBroker
  readonly way: () => Promise<Way>
}

/** Share of one processor, in the next while. */
async function busy(pids: readonly number[], ms: number): Promise<number> {
  const [before, at] = [cpuMicros(pids), performance.now()]
  await pause(ms)
  return (cpuMicros(pids) - before) / 1000 / (performance.now() - at)
}

async function idleCells(broker: BenchBroker, way: Way, connections: number): Promise<string[]> {
  const pids = broker.roots().flatMap(family)
  await pause(SETTLE_MS)
  const without = await busy(pids, IDLE_MS / 2)
  const before = memoryBytes(pids)
  const child = spawn(process.execPath, generator('idle-main.ts', { ...way, connections }), {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const gone = new Promise(done => child.once('close', done))
  const said = await Promise.race([new Promise<Buffer>(done => child.stdout.once('data', done)), gone])
  if (!Buffer.isBuffer(said)) throw new Error(`connections to ${broker.name} could not be opened`)
  const { seconds } = JSON.parse(said.toString()) as IdleReport
  await pause(SETTLE_MS)
  const idle = await busy(pids, IDLE_MS)
  const after = memoryBytes(pids)
  child.stdin.end()
  await gone
  const percent = (share: number) => `${number(100 * share, 1)}%`
  return [
    number(connections),
    number(seconds, 1),
    number((after - before) / connections / 1024, 1),
    number(after / 2 ** 20),
    percent(without),
    percent(idle),
  ]
}

export const idle: Part = {
  name: 'idle',
  async run(setting): Promise<Table[]> {
    const { connections } = setting
    const nodeOptions = setting.nodeOptions
    const pair = () => new LockstepPair({ nodeOptions, limits: { connections: connections + 100 } })
    const [amqpPair, quorum, mqttPair, mosquitto] = [pair(), new RabbitMq('quorum'), pair(), new Mosquitto()]
    const mqttWay = (broker: { readonly mqttPort: number }): Promise<Way> =>
      Promise.resolve({ protocol: 'mqtt', port: broker.mqttPort, address: 'idle', user: null })
    const cases: readonly Case[] = [
      { protocol: 'AMQP', broker: amqpPair, way: () => amqpPair.way('bench-idle') },
      { protocol: 'AMQP', broker: quorum, way: () => quorum.way('bench-idle') },
      { protocol: 'MQTT', broker: mqttPair, way: () => mqttWay(mqttPair) },
      { protocol: 'MQTT', broker: mosquitto, way: () => mqttWay(mosquitto) },
    ]
    const rows = new Map<string, readonly string[]>()
    for (const { protocol, broker, way } of cases)
      for (const one of setting.cases.test(protocol) ? wanted([broker], setting) : [])
        await withBrokers([one], async () => {
          const row = rowOf(protocol, broker)
          rows.set(row, await idleCells(broker, await way(), connections))
          say(`${row} ${rows.get(row)!.join(' | ')}`)
        })
    return [{ name: 'idle', head: HEAD, order: [...rows.keys()], rows }]
  },
}
