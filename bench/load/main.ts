// The load generator: one process, told what to do by its one argument (LoadOrder as JSON). Prints `begin` when it has
// warmed up, `end` after the measured time, and LoadReport as JSON when everything accepted has been received.

import { clientOf } from './clients.ts'
import { Figures, type LoadOrder, type LoadReport } from './figures.ts'

const order = JSON.parse(process.argv[2] ?? '{}') as LoadOrder
const figures = new Figures()
/** How long what was accepted may take to be received at the end. */
const DRAIN_MS = 60_000

const fail = (error: Error): void => {
  console.error(error.message)
  process.exit(1)
}
const wait = (ms: number) => new Promise<void>(resolve => setTimeout(resolve, ms))

/** One that receives has no window. */
async function client(window: number) {
  const made = clientOf(order, figures, window, fail)
  await made.attached()
  return made
}

let receiver = order.consume ? await client(0) : null
const senders = await Promise.all(
  Array.from({ length: order.senders }, () => client(Math.max(1, Math.floor(order.window / order.senders)))),
)

let sending = true
let due = 0
let dueAt = performance.now()
function pump(): void {
  if (!sending) return
  if (order.rate > 0) {
    const now = performance.now()
    due = Math.min(due + ((now - dueAt) * order.rate) / 1000, order.window)
    dueAt = now
  }
  for (const sender of senders) {
    let room = sender.room()
    if (order.rate > 0) room = Math.min(room, Math.floor(due))
    if (room <= 0) continue
    due -= room
    sender.send(room)
  }
}
if (order.rate === 0) figures.onRoom = pump
// At a fixed rate every millisecond; else only for the first message, and where credit came without an answer.
const ticking = setInterval(pump, order.rate > 0 ? 1 : 10)
pump()

await wait(order.warmMs)
const before = {
  accepted: figures.accepted,
  received: figures.received,
  at: performance.now(),
  cpu: process.cpuUsage(),
}
figures.measuring = true
console.log('begin')
await wait(order.runMs)
figures.measuring = false
const seconds = (performance.now() - before.at) / 1000
const cpu = process.cpuUsage(before.cpu)
const accepted = figures.accepted - before.accepted
const received = figures.received - before.received
console.log('end')

sending = false
clearInterval(ticking)
receiver ??= await client(0)
const patience = performance.now() + DRAIN_MS
const outstanding = () => senders.reduce((sum, sender) => sum + sender.outstanding, 0)
while ((outstanding() > 0 || figures.received < figures.accepted) && performance.now() < patience) await wait(10)
// The last acknowledgements to the broker are on their way.
await wait(100)
const [p50 = 0, p99 = 0, p999 = 0] = figures.percentiles(0.5, 0.99, 0.999)
const report: LoadReport = {
  seconds,
  accepted,
  received,
  missing: Math.max(0, figures.accepted - figures.received) + outstanding(),
  cpuMicros: (cpu.user + cpu.system) / Math.max(1, accepted),
  p50,
  p99,
  p999,
}
console.log(JSON.stringify(report))
for (const one of [...senders, receiver]) one.close()
process.exit(0)
