// What no broker of this kind can do without, and nothing else: bytes come from a producer, are written durably by two
// processes, one of which has them from the other, and then go to a consumer and are acknowledged. No protocol, checksums,
// messages or queues. One script for all three processes, told its role by its argument; each prints a line of JSON.

import fs, { constants } from 'node:fs'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

export interface PipelineOrder {
  readonly role: 'client' | 'active' | 'passive'
  /** Of servers: what they write to. */
  readonly file: string
  /** Of the active: the passive's port; of the client: the active's. */
  readonly port: number
  /** Of the client: bytes sent and not acknowledged. */
  readonly windowBytes: number
  readonly warmMs: number
  readonly runMs: number
}

export interface PipelineReport {
  readonly seconds: number
  readonly bytes: number
  /** Of the client, while it measured. */
  readonly cpuMicros: number
}

/** Node's types leave it to those of browsers. */
declare const WebAssembly: { readonly Memory: new (size: { initial: number }) => { readonly buffer: ArrayBuffer } }

const FILE_BYTES = 64 << 20
const PIECE_BYTES = 64 << 10
const SECTOR_BYTES = 512
/** How many bytes are acknowledged, as a number of so many bytes. */
const COUNT_BYTES = 4

const order = JSON.parse(process.argv[2] ?? '{}') as PipelineOrder
const say = (line: object | string): void => console.log(typeof line === 'string' ? line : JSON.stringify(line))

/** One durable write past the page cache at a time; what comes meanwhile is the next one. */
function diskOf(path: string): (bytes: Buffer, done: () => void) => void {
  fs.writeFileSync(path, Buffer.alloc(FILE_BYTES), { flush: true } as fs.WriteFileOptions)
  const fd = fs.openSync(path, constants.O_WRONLY | constants.O_DSYNC | (constants.O_DIRECT ?? 0))
  // Memory that begins on a page: the only kind that Node has.
  const memory = new Uint8Array(new WebAssembly.Memory({ initial: FILE_BYTES >> 16 }).buffer)
  let waiting: { bytes: Buffer; done: () => void }[] = []
  let isBusy = false
  let at = 0
  const next = (): void => {
    if (isBusy || waiting.length === 0) return
    isBusy = true
    const batch = waiting
    waiting = []
    let length = 0
    for (const { bytes } of batch) {
      memory.set(bytes, length)
      length += bytes.length
    }
    const whole = Math.ceil(length / SECTOR_BYTES) * SECTOR_BYTES
    if (at + whole > FILE_BYTES) at = 0
    fs.write(fd, memory, 0, whole, at, error => {
      if (error) throw error
      isBusy = false
      for (const { done } of batch) done()
      next()
    })
    at += whole
  }
  return (bytes, done) => {
    waiting.push({ bytes, done })
    next()
  }
}

const count = (bytes: number): Buffer => {
  const words = Buffer.allocUnsafe(COUNT_BYTES)
  words.writeUInt32BE(bytes)
  return words
}

/** Calls `add` with each number that comes. */
function counts(socket: Socket, add: (bytes: number) => void): void {
  let rest: Buffer = Buffer.alloc(0)
  socket.on('data', (chunk: Buffer) => {
    const bytes = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk
    const whole = bytes.length - (bytes.length % COUNT_BYTES)
    let sum = 0
    for (let at = 0; at < whole; at += COUNT_BYTES) sum += bytes.readUInt32BE(at)
    rest = bytes.subarray(whole)
    add(sum)
  })
}

const open = (port: number): Socket =>
  connect({ port, host: '127.0.0.1', noDelay: true }).on('error', () => process.exit(0))

function listen(take: (socket: Socket) => void): void {
  const server = createServer({ noDelay: true }, socket => {
    // The client has measured enough. This process is still to be asked what it used.
    socket.on('error', () => {})
    take(socket)
  })
  // Who started it is gone.
  process.stdin.resume().on('end', () => process.exit(0))
  server.listen(0, '127.0.0.1', () => say({ port: (server.address() as AddressInfo).port }))
}

function passive(): void {
  const write = diskOf(order.file)
  listen(socket => socket.on('data', (bytes: Buffer) => write(bytes, () => socket.write(count(bytes.length)))))
}

function active(): void {
  const write = diskOf(order.file)
  const peer = open(order.port)
  const waiting: { bytes: Buffer; from: Socket; end: number; isWritten: boolean }[] = []
  let [sent, confirmed] = [0, 0]
  let consumer: Socket | null = null
  const advance = (): void => {
    for (let first = waiting[0]; first?.isWritten && first.end <= confirmed; first = waiting[0]) {
      waiting.shift()
      consumer?.write(first.bytes)
      first.from.write(count(first.bytes.length))
    }
  }
  counts(peer, bytes => {
    confirmed += bytes
    advance()
  })
  listen(socket => {
    // Who comes first consumes.
    if (consumer === null) return void (consumer = socket)
    socket.on('data', (bytes: Buffer) => {
      sent += bytes.length
      const one = { bytes, from: socket, end: sent, isWritten: false }
      waiting.push(one)
      peer.write(bytes)
      write(bytes, () => {
        one.isWritten = true
        advance()
      })
    })
  })
}

async function client(): Promise<void> {
  const opened = async (): Promise<Socket> => {
    const socket = open(order.port)
    await new Promise(resolve => socket.once('connect', resolve))
    return socket
  }
  const consumer = await opened()
  consumer.resume()
  const producer = await opened()
  const piece = Buffer.alloc(PIECE_BYTES, 1)
  let [sent, acknowledged] = [0, 0]
  const pump = (): void => {
    for (; sent - acknowledged < order.windowBytes; sent += PIECE_BYTES) producer.write(piece)
  }
  counts(producer, bytes => {
    acknowledged += bytes
    pump()
  })
  pump()
  const wait = (ms: number) => new Promise(resolve => setTimeout(resolve, ms))
  await wait(order.warmMs)
  const before = { acknowledged, at: performance.now(), cpu: process.cpuUsage() }
  say('begin')
  await wait(order.runMs)
  const { user, system } = process.cpuUsage(before.cpu)
  const [bytes, seconds] = [acknowledged - before.acknowledged, (performance.now() - before.at) / 1000]
  say('end')
  say({ seconds, bytes, cpuMicros: user + system } satisfies PipelineReport)
  process.exit(0)
}

const roles = { client, active, passive }
await roles[order.role]()
