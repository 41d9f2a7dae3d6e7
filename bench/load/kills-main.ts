// A client that lives through kills: it sends a fixed number of messages a second, each acknowledged, to whichever of its
// addresses serves, and connects again every 10 ms where its connection is gone. The pause between acknowledgements is what
// it is for. Told by its one argument (KillsOrder as JSON); for each line on its input it prints KillsReport as JSON, and
// begins to look for the longest pause anew. When its input ends it takes everything out again and prints KillsEnd.

import { clientOf } from './clients.ts'
import { Figures, type LoadOrder, type Sender } from './figures.ts'
import { MqttClient } from './mqtt-client.ts'

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

export interface KillsEnd {
  readonly accepted: number
  /** Taken out at the end; what was sent and never answered may be among them. */
  readonly kept: number
}

const order = JSON.parse(process.argv[2] ?? '{}') as KillsOrder
const AGAIN_MS = 10
/** A connection that is there and does not answer is given up. */
const SILENCE_MS = 2000
/** Nothing came for so long: there is no more. */
const EMPTY_MS = 3000
/** For all that there is; longer only where nobody serves any more. */
const END_MS = 300_000
/** The MQTT session for which messages are kept: it is away until the end. */
const SESSION = 'bench-kills-session'

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

const wait = (ms: number) => new Promise<void>(resolve => setTimeout(resolve, ms))

/** A client that receives, from whichever address serves. */
async function receiver(counted: Figures): Promise<Sender & { received?: number }> {
  for (let attempt = 0; ; attempt++) {
    const way = order.ways[attempt % order.ways.length]!
    let failed: () => void = () => {}
    const over = new Promise<null>(resolve => (failed = () => resolve(null)))
    const client =
      way.protocol === 'mqtt' ? session(way, counted, failed) : clientOf({ ...way, bodyBytes: 0 }, counted, 0, failed)
    const found = await Promise.race([client.attached().then(() => client), over, wait(SILENCE_MS)])
    if (found) return found
    client.close()
    await wait(AGAIN_MS)
  }
}

function session(way: KillsOrder['ways'][number], counted: Figures, failed: () => void): MqttClient {
  const { port, user, address: topic } = way
  return new MqttClient(
    { port, user, topic, bodyBytes: 0, clientId: SESSION, clean: false, qos: 1, window: 0 },
    counted,
    failed,
  )
}

async function subscribe(): Promise<void> {
  const client = (await receiver(new Figures())) as MqttClient
  await client.subscribe(order.ways[0]!.address, 1)
  client.close()
}

/** How many messages there are. */
async function takeOut(): Promise<number> {
  const counted = new Figures()
  const client = await receiver(counted)
  const count = (): number => client.received ?? counted.received
  for (let before = -1; count() > before;) {
    before = count()
    await wait(EMPTY_MS)
  }
  client.close()
  return count()
}

if (order.ways[0]?.protocol === 'mqtt') await subscribe()
connect()

let isOver = false
let due = 0
let dueAt = performance.now()
setInterval(() => {
  const now = performance.now()
  due = Math.min(due + ((now - dueAt) * order.rate) / 1000, order.window)
  dueAt = now
  if (isOver) return
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
process.stdin.on('end', () => {
  isOver = true
  setTimeout(() => process.exit(1), END_MS)
  void takeOut().then(kept => {
    console.log(JSON.stringify({ accepted: figures.accepted, kept } satisfies KillsEnd))
    process.exit(0)
  })
})
