// A client that lives through kills: it sends a fixed number of messages a second, each acknowledged, to whichever of its
// addresses serves, and connects again every 10 ms where its connection is gone. The pause between acknowledgements is what
// it is for. Told by its one argument (KillsOrder as JSON); for each line on its input it prints KillsReport as JSON, and
// begins to look for the longest pause anew.

import { clientOf } from './clients.ts'
import { Figures, type LoadOrder, type Sender } from './figures.ts'

export interface KillsOrder {
  readonly ways: readonly Pick<LoadOrder, 'protocol' | 'port' | 'address' | 'user'>[]
  readonly bodyBytes: number
  readonly window: number
  readonly rate: number
}

export interface KillsReport {
  /** Since it began. */
  readonly accepted: number
  /** Between two acknowledgements, since the last report. */
  readonly longestMs: number
}

const order = JSON.parse(process.argv[2] ?? '{}') as KillsOrder
const AGAIN_MS = 10
/** A connection that is there and does not answer is given up. */
const SILENCE_MS = 2000

class Pauses extends Figures {
  longestMs = 0
  lastAt = 0

  override answered(latencyMs: number): void {
    super.answered(latencyMs)
    const now = performance.now()
    if (this.lastAt > 0) this.longestMs = Math.max(this.longestMs, now - this.lastAt)
    this.lastAt = now
  }
}

const figures = new Pauses()
let sender: Sender | null = null
let attempts = 0

function connect(): void {
  const way = order.ways[attempts++ % order.ways.length]!
  let over = false
  const again = (): void => {
    if (over) return
    over = true
    clearTimeout(patience)
    client.close()
    if (sender === client) sender = null
    setTimeout(connect, AGAIN_MS)
  }
  const client = clientOf({ ...way, bodyBytes: order.bodyBytes }, figures, order.window, again)
  const patience = setTimeout(again, SILENCE_MS)
  void client.attached().then(() => {
    clearTimeout(patience)
    if (!over) sender = client
  })
}
connect()

let due = 0
let dueAt = performance.now()
setInterval(() => {
  const now = performance.now()
  due = Math.min(due + ((now - dueAt) * order.rate) / 1000, order.window)
  dueAt = now
  const room = Math.min(sender?.room() ?? 0, Math.floor(due))
  if (room <= 0) return
  due -= room
  sender?.send(room)
}, 1)

process.stdin.on('data', () => {
  const report: KillsReport = { accepted: figures.accepted, longestMs: figures.longestMs }
  console.log(JSON.stringify(report))
  figures.longestMs = 0
})
process.stdin.on('end', () => process.exit(0))
