// What this machine charges for the bytes of a message alone, through a producer, two processes that write them durably, and
// a consumer: the bound of what a broker that does more than that can reach here.

import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { end } from '../brokers/broker.ts'
import type { PipelineOrder, PipelineReport } from '../load/pipeline-main.ts'
import { generator, measured } from '../load/run.ts'
import { median, number } from '../throughput-table.ts'
import { say, type Part, type Table } from './part.ts'

const HEAD = ['bytes alone, window of 1,000 messages', 'messages/s', 'CPU us each', 'client us']
const BODIES = [1024, 10 * 1024]
const WINDOW = 1000
const WARM_MS = 1000
const RUN_MS = 3000

interface Found {
  readonly perSecond: number
  readonly serverMicros: number
  readonly clientMicros: number
}

async function server(order: PipelineOrder, children: ChildProcess[]): Promise<number> {
  const child = spawn(process.execPath, generator('pipeline-main.ts', order), { stdio: ['pipe', 'pipe', 'inherit'] })
  children.push(child)
  const said = await new Promise<Buffer>((resolve, reject) => {
    child.stdout.once('data', resolve)
    child.once('exit', code => reject(new Error(`the ${order.role} of the pipeline ended: ${code}`)))
  })
  return (JSON.parse(said.toString()) as { port: number }).port
}

async function pipeline(bodyBytes: number, runMs: number): Promise<Found> {
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-bench-'))
  const children: ChildProcess[] = []
  const order: PipelineOrder = {
    role: 'client',
    file: '',
    port: 0,
    windowBytes: WINDOW * bodyBytes,
    warmMs: WARM_MS,
    runMs,
  }
  try {
    const passive = await server({ ...order, role: 'passive', file: join(folder, 'passive') }, children)
    const active = await server({ ...order, role: 'active', file: join(folder, 'active'), port: passive }, children)
    const pids = children.map(({ pid }) => pid ?? 0)
    const [report, used] = await measured<PipelineReport>('pipeline-main.ts', { ...order, port: active }, pids)
    const messages = report.bytes / bodyBytes
    return {
      perSecond: messages / report.seconds,
      serverMicros: used.cpuMicros / messages,
      clientMicros: report.cpuMicros / messages,
    }
  } finally {
    for (const child of children) await end(child)
    rmSync(folder, { recursive: true, force: true })
  }
}

export const bare: Part = {
  name: 'bare',
  async run(setting): Promise<Table[]> {
    const rows = new Map<string, readonly string[]>()
    for (const bodyBytes of BODIES) {
      const found: Found[] = []
      for (let round = 0; round < setting.rounds; round++)
        found.push(await pipeline(bodyBytes, RUN_MS * setting.seconds))
      const of = (pick: (one: Found) => number): number => median(found.map(pick))
      const title = `${number(bodyBytes)} bytes`
      rows.set(title, [
        number(of(one => one.perSecond)),
        number(
          of(one => one.serverMicros),
          1,
        ),
        number(
          of(one => one.clientMicros),
          1,
        ),
      ])
      say(`${title}: ${rows.get(title)!.join(' | ')}`)
    }
    return [{ name: 'bare', head: HEAD, order: [...rows.keys()], rows }]
  },
}
