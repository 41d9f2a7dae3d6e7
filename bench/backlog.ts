// A backlog written, then drained, by the broker core alone: once with all in memory, once with messages paged out to a real
// page file. The commit log only counts, so that what differs is paging. Each run is a process of its own, for its memory.
// Run: npx tsx bench/backlog.ts [messages] [body bytes] [memory in MiB]

import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Consumer, Producer, QueuedMessage, Subscription } from '../src/broker/api.ts'
import { createBroker } from '../src/broker/broker.ts'
import { defaultTopicLimits } from '../src/broker/limits.ts'
import { openSpill } from '../src/server/spill-file.ts'

const [messages = 1_000_000, bodyBytes = 1024, memoryMiB = 512] = process.argv.slice(2).map(Number)
const mode = process.argv[5]
const WINDOW = 1000

async function run(paged: boolean): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'backlog-'))
  const due: (() => void)[] = []
  const memoryBytes = paged ? memoryMiB * 1024 * 1024 : 2 ** 40
  let sequence = 2 ** 33
  let worst = 0
  const broker = createBroker({
    log: { append: () => ++sequence, laid: bytes => new Uint8Array(bytes), mayServe: () => true },
    clock: { now: () => performance.now(), wall: () => 0, after: () => ({ cancel() {} }), soon: fn => due.push(fn) },
    limits: {
      connections: 1,
      messageBytes: 1 << 20,
      queues: 10,
      queueMessages: 2 ** 40,
      queueBytes: 2 ** 50,
      storeBytes: 2 ** 50,
      memoryBytes,
      pageOutBytes: memoryBytes / 2,
      createOnUse: true,
      topics: defaultTopicLimits,
    },
    say: (_level, line) => console.log(line),
    ...(paged ? { spill: openSpill(folder) } : {}),
  })
  broker.startServing()
  const target = broker.target('backlog')
  if ('refused' in target) throw new Error(target.text)
  // A turn of the event loop, in which the disk is heard too.
  const turn = async (): Promise<void> => {
    broker.committed(sequence)
    for (const fn of due.splice(0)) fn()
    worst = Math.max(worst, process.memoryUsage.rss())
    await new Promise<void>(resolve => setImmediate(resolve))
  }
  let answered = 0
  const producer: Producer = { published: (_, refusal) => void (answered += refusal === null ? 1 : 0) }
  const body = new Uint8Array(bodyBytes)
  let from = performance.now()
  for (let sent = 0; sent < messages;) {
    const some = Math.min(WINDOW, messages - sent, target.room())
    for (let i = 0; i < some; i++) target.publish(body, producer, sent++)
    await turn()
  }
  while (answered < messages) await turn()
  const wrote = performance.now() - from
  const fileMiB = paged ? statSync(join(folder, 'pages')).size / 2 ** 20 : 0
  const rss = process.memoryUsage.rss()
  let got = 0
  let confirmed = 0
  let due0: number[] = []
  const taker: Consumer & { subscription?: Subscription } = {
    deliver(message: QueuedMessage): void {
      got += message.body.length === bodyBytes ? 1 : 0
      due0.push(message.sequence)
    },
    drained(): void {},
    detached(): void {},
    settled: () => void confirmed++,
  }
  const subscription = broker.subscribe('backlog', taker)
  if ('refused' in subscription) throw new Error(subscription.text)
  from = performance.now()
  while (confirmed < messages) {
    subscription.credit(WINDOW, false)
    await turn()
    for (const one of due0) subscription.settle(one, 'accepted')
    due0 = []
    await turn()
  }
  const drained = performance.now() - from
  rmSync(folder, { recursive: true, force: true })
  if (got !== messages) throw new Error(`${got} of ${messages} came`)
  const rate = (ms: number): string => `${Math.round(messages / ms)}k/s`
  const mib = (bytes: number): string => `${Math.round(bytes / 2 ** 20)} MiB`
  console.log(
    `${paged ? `paged, ${memoryMiB} MiB` : 'all in memory'}: written ${rate(wrote)}, drained ${rate(drained)}; ` +
      `RSS when written ${mib(rss)}, at most ${mib(worst)}; page file ${Math.round(fileMiB)} MiB`,
  )
}

if (mode !== undefined) await run(mode === 'paged')
else {
  console.log(`${messages} messages of ${bodyBytes} bytes, window ${WINDOW}`)
  for (const one of ['memory', 'paged', 'memory', 'paged']) {
    const args = [
      ...process.execArgv,
      import.meta.filename,
      String(messages),
      String(bodyBytes),
      String(memoryMiB),
      one,
    ]
    spawnSync(process.execPath, args, { stdio: 'inherit' })
  }
}
