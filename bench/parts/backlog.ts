// A backlog of messages of 1 KiB: written, all of it acknowledged, and then drained. How much memory it takes meanwhile is
// as much the question as how fast it goes. Slower brokers get fewer messages, which is said in their rows.

import { spawn } from 'node:child_process'
import { ActiveMq } from '../brokers/activemq.ts'
import { cpuMicros, family, memoryBytes, type QueueBroker } from '../brokers/broker.ts'
import { LockstepPair } from '../brokers/lockstep.ts'
import { RabbitMq } from '../brokers/rabbitmq.ts'
import type { BacklogOrder, BacklogReport } from '../load/backlog-main.ts'
import { generator } from '../load/run.ts'
import { number } from '../throughput-table.ts'
import { say, wanted, withBrokers, type Part, type Table } from './part.ts'

const BODY_BYTES = 1024
const WINDOW = 1000
const LOOK_MS = 250

// prettier-ignore
const HEAD = ['backlog', 'messages', 'written/s', 'drained/s', 'CPU us each', 'lost', 'MiB before', 'MiB at most', 'MiB drained', 'bytes of memory each', 'our writing', 'our draining']

interface Result extends BacklogReport {
  readonly messages: number
  readonly cpuMicros: number
  readonly beforeBytes: number
  readonly mostBytes: number
  readonly afterBytes: number
}

async function pile(broker: QueueBroker, messages: number): Promise<Result> {
  const order: BacklogOrder = {
    ...(await broker.way('bench-backlog')),
    bodyBytes: BODY_BYTES,
    window: WINDOW,
    messages,
  }
  const pids = broker.roots().flatMap(family)
  const before = { bytes: memoryBytes(pids), cpu: cpuMicros(pids) }
  const child = spawn(process.execPath, generator('backlog-main.ts', order), { stdio: ['ignore', 'pipe', 'inherit'] })
  let most = before.bytes
  const looking = setInterval(() => (most = Math.max(most, memoryBytes(pids))), LOOK_MS)
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  const code = await new Promise(done => child.once('close', done))
  clearInterval(looking)
  if (code !== 0) throw new Error(`the backlog failed with ${broker.name}`)
  const report = JSON.parse(output.trim().split('\n').at(-1)!) as BacklogReport
  const afterBytes = memoryBytes(pids)
  return {
    ...report,
    messages,
    cpuMicros: cpuMicros(pids) - before.cpu,
    beforeBytes: before.bytes,
    mostBytes: Math.max(most, afterBytes),
    afterBytes,
  }
}

function cellsOf(result: Result, ours: Result): string[] {
  const written = ({ messages, writtenSeconds }: Result) => messages / writtenSeconds
  const drained = ({ messages, drainedSeconds }: Result) => messages / drainedSeconds
  const mib = (bytes: number) => number(bytes / 2 ** 20)
  const ratio = (pick: (result: Result) => number) =>
    result === ours ? '' : `${number(pick(ours) / pick(result), 1)}x`
  return [
    number(result.messages),
    number(written(result)),
    number(drained(result)),
    number(result.cpuMicros / result.messages, 1),
    number(result.missing),
    mib(result.beforeBytes),
    mib(result.mostBytes),
    mib(result.afterBytes),
    number((result.mostBytes - result.beforeBytes) / result.messages),
    ratio(written),
    ratio(drained),
  ]
}

export const backlog: Part = {
  name: 'backlog',
  async run(setting): Promise<Table[]> {
    const { messages } = setting
    const [pair, quorum, activeMq] = [
      new LockstepPair({ nodeOptions: setting.nodeOptions }),
      new RabbitMq('quorum'),
      new ActiveMq(),
    ]
    const counts = new Map<QueueBroker, number>([
      [pair, messages],
      [quorum, Math.ceil(messages / 5)],
      [activeMq, Math.ceil(messages / 100)],
    ])
    const rows = new Map<string, readonly string[]>()
    let ours: Result | null = null
    // One at a time: each is to have the memory and the disk for itself.
    for (const broker of wanted([...counts.keys()], setting))
      await withBrokers([broker], async () => {
        const result = await pile(broker, counts.get(broker)!)
        ours ??= result
        rows.set(broker.name, cellsOf(result, ours))
        say(`${broker.name} ${rows.get(broker.name)!.join(' | ')}`)
      })
    return [{ name: 'backlog', head: HEAD, order: [...rows.keys()], rows }]
  },
}
