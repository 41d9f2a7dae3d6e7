// A stock rhea client with both addresses, in a process of its own: sends numbered messages without pause and receives
// them, on whichever server serves. What is not acknowledged when a connection breaks is sent again.
//   node load-client.mjs <queue> <[host:]port,[host:]port> <window> <rate per second, 0: as fast as it goes>
//     [<silence in ms after which a connection is given up, 0: none>] [held: receives nothing before it drains]
// Commands on stdin: "report" prints one JSON line of what happened so far; "drain" stops sending, waits until everything
// acknowledged was received, prints "drained"; "account" waits until everything that is acknowledged by now was received,
// and prints what became of what was acknowledged since the last account; "quit".
import { connect } from 'node:net'
import rhea from 'rhea'

const [queue, servers, window, rate, idleMs] = [
  process.argv[2],
  process.argv[3].split(',').map(text => {
    const [port, host = '127.0.0.1'] = text.split(':').reverse()
    return { host, port: Number(port) }
  }),
  Number(process.argv[4]),
  Number(process.argv[5]),
  Number(process.argv[6] ?? 0),
]
const now = () => Number(process.hrtime.bigint()) / 1e6
const container = rhea.create_container({ id: `load-${process.pid}` })
const body = Buffer.alloc(1024 - 200, 7)

let next = 0
let sending = true
const unacked = new Map() // number -> sent on this connection?
const acked = [] // in the order of acknowledgement
const received = new Map() // number -> times
const awaited = new Set() // acknowledged, and not received yet
let duplicates = 0
const gaps = [] // pauses between acknowledgements: [ms, when]; the last ones are told
let longest = 0 // of all since they were forgotten, ms
let lastAck = 0
let connections = 0
const epochs = []
let refused = 0
let released = 0

/** A machine that is gone answers no SYN either: the attempt is given up like a silent connection. */
function dial(port, host, _, connected) {
  const socket = connect({ port, host }, connected)
  socket.setTimeout(idleMs, () => socket.connecting && socket.destroy(new Error('no answer')))
  return socket
}
const options = attempt => ({
  ...servers[attempt % servers.length],
  ...(idleMs > 0 && { connect: dial }),
})
let attempts = 0
const connection = container.connect({
  connection_details: () => options(attempts++),
  reconnect: true,
  initial_reconnect_delay: 5,
  max_reconnect_delay: 20,
  // A host that is gone without a word is noticed by its silence only.
  idle_time_out: idleMs > 0 ? idleMs : 1500,
  container_id: `load-${process.pid}`,
  // Else Nagle's algorithm and delayed acknowledgements make pauses of 40 ms of their own.
  tcp_no_delay: true,
})
let sender = null
const deliveries = new Map() // delivery id -> number

container.on('connection_open', context => {
  connections++
  const epoch = context.connection.properties?.['lockstep:epoch']
  epochs.push([now(), context.connection.properties?.['lockstep:server'], Number(epoch)])
})
container.on('connection_error', () => {})
container.on('error', () => {})
container.on('disconnected', () => {
  deliveries.clear()
  sender = null
})
connection.open_sender({ target: queue })
// What is received at once would hide that it was lost a moment later: held messages lie there until the end.
const EVERYTHING = 1_000_000
const isHeld = process.argv[7] === 'held'
const receiver = connection.open_receiver({ source: queue, credit_window: isHeld ? 0 : window * 2, autoaccept: true })

container.on('sender_open', context => {
  sender = context.sender
  deliveries.clear()
  for (const number of unacked.keys()) unacked.set(number, false)
})
container.on('receiver_open', context => {
  if (isHeld && !sending) context.receiver.add_credit(EVERYTHING)
})
container.on('sendable', () => pump())

let allowed = 0
let allowedAt = now()
function pump() {
  if (!sender || !sender.is_open()) return
  if (rate > 0) {
    const t = now()
    allowed = Math.min(allowed + ((t - allowedAt) * rate) / 1000, Math.max(1, rate / 10))
    allowedAt = t
  }
  for (const [number, sent] of unacked) {
    if (sent) continue
    if (!sender.sendable()) return
    transmit(number)
  }
  while (sending && unacked.size < window && sender.sendable() && (rate === 0 || allowed >= 1)) {
    allowed--
    unacked.set(next, false)
    transmit(next++)
  }
}
function transmit(number) {
  unacked.set(number, true)
  const delivery = sender.send({ message_id: number, durable: true, body: rhea.message.data_section(body) })
  deliveries.set(delivery.id, number)
}
container.on('accepted', context => {
  const number = deliveries.get(context.delivery.id)
  if (number === undefined) return
  deliveries.delete(context.delivery.id)
  unacked.delete(number)
  acked.push(number)
  if (!received.has(number)) awaited.add(number)
  const t = now()
  if (lastAck && t - lastAck > 20) gaps.push([t - lastAck, t])
  if (lastAck) longest = Math.max(longest, t - lastAck)
  lastAck = t
  if (rate === 0) pump()
})
container.on('rejected', context => {
  refused++
  again(context)
})
container.on('released', context => {
  released++
  again(context)
})
function again(context) {
  const number = deliveries.get(context.delivery.id)
  deliveries.delete(context.delivery.id)
  if (number !== undefined) unacked.set(number, false)
}
container.on('message', context => {
  const number = context.message.message_id
  const times = (received.get(number) ?? 0) + 1
  received.set(number, times)
  awaited.delete(number)
  if (times === 2) duplicates++
})
setInterval(pump, 5)

let accounted = 0 // of `acked`, in its order
const account = until => {
  const all = acked.slice(accounted, until)
  accounted = until
  const times = all.map(number => received.get(number) ?? 0)
  return { acked: all.length, missing: times.filter(n => n === 0).length, twice: times.filter(n => n > 1).length }
}
// Asked many times a second, over millions of messages: it must not walk over all of them, which would be a pause of its own.
const report = () => ({
  acked: acked.length,
  received: received.size,
  unacked: unacked.size,
  missing: awaited.size,
  refused,
  released,
  duplicates,
  connections,
  epochs,
  gaps: gaps.slice(-200),
  longest,
  lastAck,
  now: now(),
})
let buffered = ''
process.stdin.on('data', chunk => {
  buffered += chunk
  for (let at; (at = buffered.indexOf('\n')) >= 0;) {
    const line = buffered.slice(0, at)
    buffered = buffered.slice(at + 1)
    if (line === 'report') console.log(JSON.stringify(report()))
    if (line === 'gaps') {
      gaps.length = 0
      longest = 0
      console.log('ok')
    }
    if (line === 'drain') {
      sending = false
      if (isHeld) receiver.add_credit(EVERYTHING)
      const look = setInterval(() => {
        if (unacked.size > 0 || awaited.size > 0) return
        clearInterval(look)
        console.log(JSON.stringify({ drained: true, ...report() }))
      }, 20)
    }
    if (line === 'account') {
      const due = [...awaited]
      const until = acked.length
      const look = setInterval(() => {
        if (due.some(number => awaited.has(number))) return
        clearInterval(look)
        console.log(JSON.stringify(account(until)))
      }, 20)
    }
    if (line === 'quit') process.exit(0)
  }
})
process.stdin.on('end', () => process.exit(0))
console.log('started')
