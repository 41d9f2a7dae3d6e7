// The load generator for a backlog: sends a number of messages, all acknowledged, then receives them. Told by its one
// argument (BacklogOrder as JSON); prints BacklogReport as JSON at the end, and a line for each half when it is done.

import { clientOf } from './clients.ts'
import { Figures, type LoadOrder } from './figures.ts'

export type BacklogOrder = Pick<LoadOrder, 'protocol' | 'port' | 'address' | 'user' | 'bodyBytes' | 'window'> & {
  readonly messages: number
}

export interface BacklogReport {
  readonly writtenSeconds: number
  readonly drainedSeconds: number
  readonly missing: number
}

const order = JSON.parse(process.argv[2] ?? '{}') as BacklogOrder
const figures = new Figures()
/** Nothing came for so long: nothing will. */
const SILENCE_MS = 20_000
const wait = (ms: number) => new Promise<void>(resolve => setTimeout(resolve, ms))
const fail = (error: Error): void => {
  console.error(error.message)
  process.exit(1)
}

/** Until the count is complete, or stands still. */
async function complete(count: () => number): Promise<number> {
  const began = performance.now()
  let [last, lastAt] = [0, began]
  while (count() < order.messages && performance.now() - lastAt < SILENCE_MS) {
    if (count() !== last) [last, lastAt] = [count(), performance.now()]
    await wait(5)
  }
  return (performance.now() - began) / 1000
}

const sender = clientOf(order, figures, order.window, fail)
await sender.attached()
let left = order.messages
const pump = (): void => {
  const room = Math.min(left, sender.room())
  if (room <= 0) return
  left -= room
  sender.send(room)
}
figures.onRoom = pump
const ticking = setInterval(pump, 10)
const writtenSeconds = await complete(() => figures.accepted)
clearInterval(ticking)
if (figures.accepted < order.messages) fail(new Error(`the broker took ${figures.accepted} messages and no more`))
console.log('written')

figures.onRoom = () => {}
const receiver = clientOf(order, figures, 0, fail)
await receiver.attached()
const drainedSeconds = await complete(() => figures.received)
console.log('drained')
// The last acknowledgements to the broker are on their way.
await wait(100)
const report: BacklogReport = { writtenSeconds, drainedSeconds, missing: order.messages - figures.received }
console.log(JSON.stringify(report))
sender.close()
receiver.close()
process.exit(0)
