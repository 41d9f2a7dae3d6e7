// How fast the broker core is by itself: publish, deliver, settle through a commit log that only counts, so that what is
// left is the broker's own work. Run: npx tsx bench/broker.ts [body bytes] [window] [consumers]

import type { Consumer, Producer, QueuedMessage, Subscription } from '../src/broker/api.ts'
import { createBroker } from '../src/broker/broker.ts'
import { defaultTopicLimits } from '../src/broker/limits.ts'

const [bodyBytes = 1024, window = 1000, consumers = 1] = process.argv.slice(2).map(Number)
const MESSAGES = 2_000_000
/** Sequences beyond 2^31, as an old journal has them: they are no small integers to the engine any more. */
let sequence = 2 ** 33
let due: (() => void)[] = []

const broker = createBroker({
  log: { append: () => ++sequence, laid: bytes => new Uint8Array(bytes), mayServe: () => true },
  clock: { now: () => 0, wall: () => 0, after: () => ({ cancel() {} }), soon: fn => due.push(fn) },
  limits: {
    connections: 1,
    messageBytes: 1 << 20,
    queues: 10,
    queueMessages: 1_000_000,
    queueBytes: 2 ** 31,
    storeBytes: 2 ** 31,
    memoryBytes: 2 ** 31,
    pageOutBytes: 2 ** 30,
    createOnUse: true,
    topics: defaultTopicLimits,
  },
  say: (_level, line) => console.log(line),
})
broker.startServing()
const answer = broker.target('bench')
if ('refused' in answer) throw new Error(answer.text)
const target = answer

let answered = 0
let confirmed = 0
const producer: Producer = { published: () => void answered++ }

class Taker implements Consumer {
  subscription!: Subscription
  readonly got: number[] = []
  deliver(message: QueuedMessage): void {
    this.got.push(message.sequence)
  }
  drained(): void {}
  detached(): void {}
  settled(): void {
    confirmed++
  }
}
const takers = Array.from({ length: consumers }, () => {
  const taker = new Taker()
  const subscription = broker.subscribe('bench', taker)
  if ('refused' in subscription) throw new Error(subscription.text)
  taker.subscription = subscription
  return taker
})

const body = new Uint8Array(bodyBytes)
const turn = (): void => {
  const now = due
  due = []
  for (const fn of now) fn()
}

function run(messages: number): void {
  const until = confirmed + messages
  let published = answered
  while (confirmed < until) {
    for (const taker of takers) taker.subscription.credit(window, false)
    for (; published - confirmed < window; published++) target.publish(body, producer, published)
    broker.committed(sequence)
    turn()
    for (const taker of takers) {
      for (const got of taker.got) taker.subscription.settle(got, 'accepted')
      taker.got.length = 0
    }
    turn()
    broker.committed(sequence)
  }
}
run(200_000)
const cpuBefore = process.cpuUsage()
const before = performance.now()
run(MESSAGES)
const ms = performance.now() - before
const cpu = process.cpuUsage(cpuBefore)
const perSecond = Math.round((MESSAGES / ms) * 1000)
const cpuMicros = ((cpu.user + cpu.system) / MESSAGES).toFixed(2)
console.log(
  `${bodyBytes} bytes, window ${window}, ${consumers} consumers: ${perSecond} messages/s, ${cpuMicros} us CPU each`,
)
