// The smallest wiring of the engine to real sockets, for tests and the bench; src/server has the real one.

import net from 'node:net'
import type { AddressInfo } from 'node:net'
import type { Clock } from '../../../src/base/ports.ts'
import type { Broker } from '../../../src/broker/api.ts'
import type { AmqpConnection, AmqpLimits, ConnectionOptions } from '../../../src/protocols/amqp/front-end.ts'
import { plainDoor } from '../../support/sign-in.ts'
import { createAmqpConnection, defaultAmqpLimits } from '../../../src/protocols/amqp/front-end.ts'

export const realClock: Clock = {
  now: () => performance.now(),
  wall: () => Date.now(),
  after(ms, fn) {
    const timer = setTimeout(fn, ms)
    return { cancel: () => clearTimeout(timer) }
  },
  soon: fn => void setImmediate(fn),
}

export interface Listener {
  readonly port: number
  readonly connections: Set<AmqpConnection>
  readonly log: string[]
  close(): Promise<void>
}

export const listen = async (
  broker: Broker,
  limits: Partial<AmqpLimits> = {},
  more: Partial<ConnectionOptions> = {},
): Promise<Listener> => {
  const connections = new Set<AmqpConnection>()
  const sockets = new Set<net.Socket>()
  const log: string[] = []
  const server = net.createServer({ noDelay: true }, socket => {
    const connection = createAmqpConnection({
      signIn: plainDoor(broker, { ann: 'secret' }),
      visitor: { remote: 'test', local: true, certified: null },
      output: { write: b => socket.write(b), end: () => void socket.end(), destroy: () => void socket.destroy() },
      clock: realClock,
      limits: { ...defaultAmqpLimits, ...limits },
      identity: {
        containerId: 'lockstep-test',
        product: 'lockstep',
        version: '0.1.0',
        epoch: () => 7,
        server: 'primary',
        failoverServers: [{ host: 'other.example', port: 5673 }],
      },
      unique: () => 'unguessable',
      convert: body => body,
      log: (level, line) => void log.push(`${level} ${line}`),
      ...more,
    })
    connections.add(connection)
    sockets.add(socket)
    socket.on('data', bytes => connection.receive(bytes))
    socket.on('drain', () => connection.drained())
    socket.on('error', () => {})
    socket.on('close', () => {
      connections.delete(connection)
      sockets.delete(socket)
      connection.closed()
    })
  })
  await new Promise<void>(done => server.listen(0, '127.0.0.1', done))
  return {
    port: (server.address() as AddressInfo).port,
    connections,
    log,
    close: () =>
      new Promise(done => {
        server.close(() => done())
        for (const socket of sockets) socket.destroy()
      }),
  }
}
