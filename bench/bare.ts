// What the machine charges for the two things that no durable, replicated message can do without: one fdatasync of a
// preallocated file, and one round trip over a loopback connection. Nothing of the product runs here.

import fs from 'node:fs'
import { connect, createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'

/** Microseconds, median and 99th percentile. */
export interface Cost {
  readonly p50: number
  readonly p99: number
}

const FILE_BYTES = 16 << 20

/** Write of `bytes` and fdatasync, one after another, by system calls that block. */
export function bareFlush(folder: string, bytes: number, runMs: number): Cost {
  const path = join(folder, `bare-${bytes}`)
  const file = fs.openSync(path, 'w')
  const piece = Buffer.alloc(bytes, 1)
  for (let at = 0; at < FILE_BYTES; at += 1 << 20) fs.writeSync(file, Buffer.alloc(1 << 20), 0, 1 << 20, at)
  fs.fsyncSync(file)
  const took: number[] = []
  const end = performance.now() + runMs
  for (let at = 0; performance.now() < end; at = (at + bytes) % FILE_BYTES) {
    const began = performance.now()
    fs.writeSync(file, piece, 0, bytes, at)
    fs.fdatasyncSync(file)
    took.push(performance.now() - began)
  }
  fs.closeSync(file)
  fs.unlinkSync(path)
  return cost(took)
}

/** One byte there and back between two sockets of this process. */
export async function bareRoundTrip(runMs: number): Promise<Cost> {
  const server = createServer({ noDelay: true }, socket => socket.on('data', bytes => socket.write(bytes)))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const socket = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', noDelay: true })
  await new Promise(resolve => socket.once('connect', resolve))
  const took: number[] = []
  const end = performance.now() + runMs
  const ping = Buffer.alloc(1)
  while (performance.now() < end) {
    const began = performance.now()
    socket.write(ping)
    await new Promise(resolve => socket.once('data', resolve))
    took.push(performance.now() - began)
  }
  socket.destroy()
  server.close()
  return cost(took)
}

function cost(took: number[]): Cost {
  took.sort((a, b) => a - b)
  const at = (share: number) => (took[Math.floor(took.length * share)] ?? 0) * 1000
  return { p50: at(0.5), p99: at(0.99) }
}
