// Ports that nobody listens on at this moment, below the range from which the kernel hands out client ports, so that a
// connection made meanwhile does not take one; each test process draws from its own part of it.
import { createServer } from 'node:net'

let next = 12_000 + (process.pid % 200) * 90

export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = []
  while (ports.length < count) {
    const port = next++
    if (next > 31_000) next = 12_000
    if (await free(port)) ports.push(port)
  }
  return ports
}

const free = (port: number): Promise<boolean> =>
  new Promise(resolve => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
