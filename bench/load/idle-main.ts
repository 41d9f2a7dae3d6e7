// Opens many connections that then do nothing: consumers of one queue (AMQP), or subscribers of a topic each (MQTT). Told by
// its one argument (IdleOrder as JSON); prints IdleReport as JSON when all are open, and holds them until its input ends.

import { clientOf } from './clients.ts'
import { Figures, type LoadOrder } from './figures.ts'
import { MqttClient } from './mqtt-client.ts'

export type IdleOrder = Pick<LoadOrder, 'protocol' | 'port' | 'address' | 'user'> & { readonly connections: number }

export interface IdleReport {
  readonly seconds: number
}

const order = JSON.parse(process.argv[2] ?? '{}') as IdleOrder
const figures = new Figures()
/** On their way at a time. */
const AT_ONCE = 50

const fail = (error: Error): void => {
  console.error(error.message)
  process.exit(1)
}

let next = 0
async function open(): Promise<void> {
  for (let i = next++; i < order.connections; i = next++) {
    const client = clientOf({ ...order, bodyBytes: 0 }, figures, 0, fail, `idle-${i}-${process.pid}`)
    await client.attached()
    if (client instanceof MqttClient) await client.subscribe(`${order.address}/${i}`, 1)
  }
}

const began = performance.now()
await Promise.all(Array.from({ length: AT_ONCE }, open))
const report: IdleReport = { seconds: (performance.now() - began) / 1000 }
console.log(JSON.stringify(report))
process.stdin.resume().on('end', () => process.exit(0))
