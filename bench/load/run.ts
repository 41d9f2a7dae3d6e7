// Runs a load generator in a process of its own, and reads what the broker's processes used while it measured.

import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { cpuMicros, family, memoryBytes, type QueueBroker } from '../brokers/broker.ts'
import type { Result } from '../throughput-table.ts'
import type { LoadOrder, LoadReport } from './figures.ts'

/** What broker processes used while the generator measured. */
export interface Used {
  readonly cpuMicros: number
  /** When it ended to measure. */
  readonly memoryBytes: number
}

/** The generator's script in this folder, as words of a command. */
export const generator = (script: string, order: object): string[] => [
  '--import',
  'tsx',
  join(import.meta.dirname, script),
  JSON.stringify(order),
]

/** `script` prints `begin`, `end`, and its report as JSON. */
export async function measured<R>(script: string, order: object, pids: readonly number[]): Promise<[R, Used]> {
  const child = spawn(process.execPath, generator(script, order), { stdio: ['ignore', 'pipe', 'inherit'] })
  let cpu = 0
  let memory = 0
  let report: R | null = null
  let rest = ''
  child.stdout.on('data', (chunk: Buffer) => {
    const lines = (rest + chunk.toString()).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) {
      if (line === 'begin') cpu = cpuMicros(pids)
      else if (line === 'end') {
        cpu = cpuMicros(pids) - cpu
        memory = memoryBytes(pids)
      } else report = JSON.parse(line) as R
    }
  })
  const code = await new Promise(done => child.once('close', done))
  const found = report as R | null
  if (code !== 0 || found === null) throw new Error(`the load generator failed: ${JSON.stringify(order)}`)
  return [found, { cpuMicros: cpu, memoryBytes: memory }]
}

/** How a queue is loaded. */
export type QueueLoad = Omit<LoadOrder, 'protocol' | 'port' | 'address' | 'user'>

export async function loadQueue(broker: QueueBroker, load: QueueLoad, queue: string): Promise<Result> {
  const order: LoadOrder = { ...(await broker.way(queue)), ...load }
  const [report, used] = await measured<LoadReport>('main.ts', order, broker.roots().flatMap(family))
  return {
    ...report,
    perSecond: report.accepted / report.seconds,
    serverMicros: used.cpuMicros / Math.max(1, report.accepted),
    memoryBytes: used.memoryBytes,
  }
}
