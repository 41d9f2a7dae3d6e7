// How fast the AMQP engine is alone: transfers of 1 KiB through its bytes-in, bytes-out door with a broker that keeps
// nothing (sending) or hands out one message for ever (receiving). No sockets, one thread. Prints one line for each.
//   npx tsx bench/amqp-engine.ts [messages]

import type { Broker, Consumer, Producer, QueuedMessage, Refusal } from '../src/broker/api.ts'
import { DEFAULT_ENVELOPE } from '../src/broker/api.ts'
import { openDoor } from '../src/broker/access.ts'
import { createAmqpConnection, defaultAmqpLimits } from '../src/protocols/amqp/front-end.ts'
import { AMQP, client, message } from '../test/protocols/amqp/wire.ts'

const N = Number(process.argv[2] ?? 1_000_000)
const SIZE = 1024
const BATCH = 50

/** Accepts everything in the next turn, and delivers the same bytes as long as there is credit. */
const NO_TRANSACTIONS = { refused: 'not-allowed', text: '' } as const

class EndlessBroker implements Broker {
  subscribeTopic(): Refusal {
    return { refused: 'not-allowed', text: 'no topics' }
  }
  durableFilter(): null {
    return null
  }
  unsubscribeTopic(): boolean {
    return false
  }
  temporary(): Refusal {
    return { refused: 'not-allowed', text: 'no temporary queues' }
  }
  has(): boolean {
    return true
  }
  listen() {
    return { refused: 'not-found', text: '' } as const
  }
  retained(): boolean {
    return true
  }
  readonly begin = () => NO_TRANSACTIONS
  readonly sessions = { open: () => ({ refused: 'not-found', text: '' }) as const }
  readonly body = message(SIZE)
  published = 0
  settled = 0
  #tags: number[] = []
  #producer: Producer | null = null

  commit(): void {
    const tags = this.#tags
    this.#tags = []
    for (const tag of tags) this.#producer?.published(tag, null)
  }
  target(name: string) {
    return {
      name,
      publish: (_: Uint8Array, producer: Producer | null, tag: number) => {
        this.published++
        this.#producer = producer
        this.#tags.push(tag)
      },
      inGroup: () => NO_TRANSACTIONS,
      room: () => 1_000_000,
      onRoom: () => () => {},
    }
  }
  subscribe(_: string, consumer: Consumer) {
    let credit = 0
    let sequence = 0
    return {
      credit(n: number) {
        credit = n
        while (credit > 0) {
          credit--
          const next: QueuedMessage = {
            sequence: ++sequence,
            body: broker.body,
            deliveryCount: 0,
            firstAcquirer: true,
            envelope: DEFAULT_ENVELOPE,
          }
          consumer.deliver(next)
        }
      },
      enlist: () => false,
      settle: (s: number) => {
        this.settled++
        consumer.settled(s)
      },
      recover() {},
      close() {},
    }
  }
  admitConnection(): Refusal | null {
    return null
  }
  connectionClosed(): void {}
}

const broker = new EndlessBroker()
let turns: (() => void)[] = []
let written = 0
const engine = createAmqpConnection({
  signIn: openDoor(broker),
  visitor: { remote: 'bench', local: true, certified: null },
  output: {
    write(bytes) {
      written += bytes.length
      return true
    },
    end() {},
    destroy() {},
  },
  clock: {
    now: () => performance.now(),
    wall: () => 0,
    after: () => ({ cancel() {} }),
    soon: fn => void turns.push(fn),
  },
  limits: { ...defaultAmqpLimits, credit: 10_000, unanswered: 40_000, unsettled: 16_384 },
  identity: { containerId: 'b', product: 'b', version: '0', epoch: () => 1, server: 'primary', failoverServers: [] },
  unique: () => 'unguessable',
  convert: body => body,
  log: (_, line) => console.error(line),
})
const turn = (): void => {
  const now = turns
  turns = []
  for (const fn of now) fn()
}
const send = (bytes: Uint8Array): void => {
  engine.receive(bytes)
  turn()
}
const report = (what: string, n: number, run: () => void): void => {
  const cpu = process.cpuUsage()
  const start = performance.now()
  run()
  const ms = performance.now() - start
  const used = process.cpuUsage(cpu)
  const micros = (used.user + used.system) / n
  console.log(
    `${what}: ${Math.round((n / ms) * 1000)} messages/s, ${micros.toFixed(2)} us CPU each (${n} of ${SIZE} bytes)`,
  )
}

send(Buffer.concat([AMQP, client.open(), client.begin(0, 0x7fffffff), client.attachSender(0, 'q')]))

const chunk = (from: number): Buffer =>
  Buffer.concat(
    Array.from({ length: BATCH }, (_, i) => client.transfer(0, from + i, broker.body, { tag: Buffer.alloc(4) })),
  )
const sendAll = (n: number): void => {
  for (let i = 0; i < n; i += BATCH) {
    engine.receive(incoming)
    broker.commit()
    turn()
  }
}
const incoming = chunk(1000)
sendAll(N / 5)
report('sending,   unsettled', N, () => sendAll(N))

send(client.attachReceiver(1, 'q'))
let delivered = 0
const receiveAll = (n: number): void => {
  for (let i = 0; i < n; i += BATCH) {
    engine.receive(client.flow({ next: delivered, window: 0x7fffffff, handle: 1, count: delivered, credit: BATCH }))
    delivered += BATCH
    engine.receive(client.disposition(delivered - BATCH, delivered - 1, 0x24))
    turn()
  }
}
receiveAll(N / 5)
report('receiving, settled in ranges', N, () => receiveAll(N))
const settleOne = (n: number): void => {
  for (let i = 0; i < n; i += BATCH) {
    engine.receive(client.flow({ next: delivered, window: 0x7fffffff, handle: 1, count: delivered, credit: BATCH }))
    const pieces: Buffer[] = []
    for (let k = 0; k < BATCH; k++) pieces.push(client.disposition(delivered + k, delivered + k, 0x24))
    delivered += BATCH
    engine.receive(Buffer.concat(pieces))
    turn()
  }
}
const few = Math.ceil(N / 5 / BATCH) * BATCH
report('receiving, settled one by one (client encoding included)', few, () => settleOne(few))
console.log(
  `settled ${broker.settled} of ${delivered}, published ${broker.published}, ${(written / 2 ** 20).toFixed(0)} MiB out`,
)
