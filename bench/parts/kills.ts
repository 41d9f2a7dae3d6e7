// Time without service at kill -9 of the process that serves, as the same client sees it: the longest pause between two
// acknowledgements; and how much of what was acknowledged is not there at the end. What has no other broker to take over is
// started again at once.

import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { ActiveMq } from '../brokers/activemq.ts'
import { pause, type MortalBroker } from '../brokers/broker.ts'
import { LockstepPair } from '../brokers/lockstep.ts'
import { Mosquitto } from '../brokers/mosquitto.ts'
import { RabbitMq } from '../brokers/rabbitmq.ts'
import type { KillsEnd, KillsOrder, KillsReport } from '../load/kills-main.ts'
import { generator } from '../load/run.ts'
import { median, number } from '../throughput-table.ts'
import { say, wanted, withBrokers, type Part, type Setting, type Table } from './part.ts'

const RATE = 1000
const WINDOW = 200
const BODY_BYTES = 1024
/** So many acknowledgements more, and it is served again as before. */
const STEADY = 1000
const PATIENCE_MS = 60_000

const HEAD = ['kill -9 of', 'kills', 'min ms', 'median ms', 'max ms', 'theirs over ours', 'acknowledged', 'lost']

interface Found extends KillsEnd {
  readonly pauses: readonly number[]
}

async function killed(broker: MortalBroker, kills: number): Promise<Found> {
  const order: KillsOrder = { ways: await broker.ways(), bodyBytes: BODY_BYTES, window: WINDOW, rate: RATE }
  const child = spawn(process.execPath, generator('kills-main.ts', order), { stdio: ['pipe', 'pipe', 'inherit'] })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const said = async (): Promise<unknown> => JSON.parse(((await lines.next()) as { value: string }).value)
  const report = async (): Promise<KillsReport> => {
    child.stdin.write('\n')
    return (await said()) as KillsReport
  }
  /** Waits for acknowledgements; the longest pause meanwhile. */
  const steady = async (): Promise<number> => {
    const { accepted } = await report()
    const until = performance.now() + PATIENCE_MS
    for (let longest = 0; ;) {
      const now = await report()
      longest = Math.max(longest, now.longestMs)
      if (now.accepted >= accepted + STEADY) return longest
      if (performance.now() > until) throw new Error(`${broker.name} does not serve again`)
      await pause(50)
    }
  }
  const found: number[] = []
  try {
    for (let i = 1; i <= kills; i++) {
      await steady()
      const [longest] = await Promise.all([steady(), broker.kill()])
      found.push(longest)
      say(`${broker.name}: ${number(longest)} ms`)
      await broker.whole()
    }
    child.stdin.end()
    return { ...((await said()) as KillsEnd), pauses: found }
  } finally {
    child.kill('SIGKILL')
  }
}

export const kills: Part = {
  name: 'kills',
  async run(setting: Setting): Promise<Table[]> {
    const brokers = wanted<MortalBroker>(
      [
        new LockstepPair({ nodeOptions: setting.nodeOptions }),
        new RabbitMq('quorum'),
        new ActiveMq(2),
        new Mosquitto(),
        new Mosquitto({ saves: true }),
      ],
      setting,
    )
    const rows = new Map<string, readonly string[]>()
    let ours = 0
    for (const broker of brokers)
      await withBrokers([broker], async () => {
        const { pauses, accepted, kept } = await killed(broker, setting.kills)
        const middle = median(pauses)
        const ratio = rows.size === 0 ? '' : `${number(middle / ours, 1)}x`
        if (rows.size === 0) ours = middle
        const times = [Math.min(...pauses), middle, Math.max(...pauses)].map(ms => number(ms))
        const lost = number(Math.max(0, accepted - kept))
        rows.set(broker.name, [String(pauses.length), ...times, ratio, number(accepted), lost])
      })
    return [{ name: 'kills', head: HEAD, order: [...rows.keys()], rows }]
  },
}
