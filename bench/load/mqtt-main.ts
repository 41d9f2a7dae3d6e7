// The load generator for MQTT fan-out: one process, told what to do by its one argument (FanOrder as JSON). Prints `begin`
// when it has warmed up, `end` after the measured time, and FanReport as JSON when everything has been received.
// Publishers do not run away from the slowest subscriber, so that no broker has a reason to drop anything.

import { Figures } from './figures.ts'
import { MqttClient, type MqttOrder } from './mqtt-client.ts'

export interface FanOrder {
  readonly port: number
  readonly user: string | null
  readonly topic: string
  readonly qos: 0 | 1
  /** False: subscribers have lasting sessions. */
  readonly clean: boolean
  readonly publishers: number
  readonly subscribers: number
  /** Publishes of each publisher with QoS 1 that are not acknowledged, at most. */
  readonly window: number
  /** How far they may be ahead of the slowest subscriber, together. */
  readonly ahead: number
  readonly bodyBytes: number
  readonly warmMs: number
  readonly runMs: number
}

export interface FanReport {
  readonly seconds: number
  /** Messages that came to subscribers. */
  readonly delivered: number
  /** Published and not received, over all subscribers and the whole life of the generator. */
  readonly missing: number
  /** CPU time of the generator itself in the measured time. */
  readonly clientMicros: number
}

const order = JSON.parse(process.argv[2] ?? '{}') as FanOrder
const figures = new Figures()
const DRAIN_MS = 20_000
const wait = (ms: number) => new Promise<void>(resolve => setTimeout(resolve, ms))
const fail = (error: Error): void => {
  console.error(error.message)
  process.exit(1)
}

async function client(name: string, window: number): Promise<MqttClient> {
  const { port, user, topic, qos, bodyBytes } = order
  const clean = order.clean || window > 0
  const own: MqttOrder = { port, user, topic, qos, bodyBytes, clean, window, clientId: `${name}-${process.pid}` }
  const made = new MqttClient(own, figures, fail)
  await made.attached()
  return made
}

const subscribers: MqttClient[] = []
for (let i = 0; i < order.subscribers; i++) {
  const subscriber = await client(`sub-${i}`, 0)
  await subscriber.subscribe(order.topic, order.qos)
  subscribers.push(subscriber)
}
const publishers: MqttClient[] = []
for (let i = 0; i < order.publishers; i++) publishers.push(await client(`pub-${i}`, order.window))

let sending = true
let sent = 0
let due = false
function pump(): void {
  due = false
  if (!sending) return
  let slowest = Infinity
  for (const { received } of subscribers) if (received < slowest) slowest = received
  for (const publisher of publishers) {
    const room = Math.min(publisher.room(), order.ahead - (sent - slowest))
    if (room <= 0) continue
    sent += room
    publisher.send(room)
  }
}
// Once a turn, whoever it was that received something in it.
figures.onRoom = () => {
  if (due) return
  due = true
  setImmediate(pump)
}
const ticking = setInterval(pump, 10)
pump()

const delivered = (): number => subscribers.reduce((sum, { received }) => sum + received, 0)

await wait(order.warmMs)
const before = { delivered: delivered(), at: performance.now(), cpu: process.cpuUsage() }
console.log('begin')
await wait(order.runMs)
const seconds = (performance.now() - before.at) / 1000
const cpu = process.cpuUsage(before.cpu)
const count = delivered() - before.delivered
console.log('end')

sending = false
clearInterval(ticking)
const patience = performance.now() + DRAIN_MS
const missing = (): number => sent * subscribers.length - delivered()
while (missing() > 0 && performance.now() < patience) await wait(10)
// The last acknowledgements to the broker are on their way.
await wait(100)
const report: FanReport = { seconds, delivered: count, missing: missing(), clientMicros: cpu.user + cpu.system }
console.log(JSON.stringify(report))
for (const one of [...publishers, ...subscribers]) one.close()
setTimeout(() => process.exit(0), 100)
