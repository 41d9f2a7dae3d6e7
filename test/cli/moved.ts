// The shipped FES pair, copied into a temporary folder and moved to free ports.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo, type Server } from 'node:net'
import { join } from 'node:path'
import { PRODUCT } from './run.ts'

/** Ports that were free a moment ago. */
async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise<Server>(resolve => {
          const server = createServer().listen(0, '127.0.0.1', () => resolve(server))
        }),
    ),
  )
  const ports = servers.map(server => (server.address() as AddressInfo).port)
  await Promise.all(servers.map(server => new Promise(resolve => server.close(resolve))))
  return ports
}

const SHIPPED = [5672, 5673, 1883, 1884, 7100, 7101, 8100, 8101, 7190]

/** Makes `<folder>/profiles/haprofile1/{primary,secondary}/FES` and returns the ports of their listeners. */
export async function movedPair(folder: string): Promise<{ amqp: number[]; admins: number[] }> {
  const found = await freePorts(SHIPPED.length)
  for (const label of ['primary', 'secondary']) {
    const place = `haprofile1/${label}/FES`
    mkdirSync(join(folder, 'profiles', place), { recursive: true })
    const text = readFileSync(join(PRODUCT, 'profiles', place, 'profile.yaml'), 'utf8')
    const moved = text.replace(/\b\d{4}$/gm, port => String(found[SHIPPED.indexOf(Number(port))] ?? port))
    writeFileSync(join(folder, 'profiles', place, 'profile.yaml'), moved)
  }
  return { amqp: found.slice(0, 2), admins: found.slice(6, 8) }
}
