// The smallest wiring of the engine to real sockets, for tests and the bench; src/server has the real one.

import net from 'node:net'
import type { AddressInfo } from 'node:net'
import type { Broker } from '../../../src/broker/api.ts'
import type { ConnectionOptions, MqttConnection, MqttLimits } from '../../../src/protocols/mqtt/front-end.ts'
import { createMqttConnection, defaultMqttLimits } from '../../../src/protocols/mqtt/front-end.ts'
import { plainDoor } from '../../support/sign-in.ts'
import { realClock } from '../amqp/listener.ts'

export interface Listener {
  readonly port: number
  readonly connections: Set<MqttConnection>
  readonly log: string[]
  dropped: number
  close(): Promise<void>
}

export const listen = async (
  broker: Broker,
  limits: Partial<MqttLimits> = {},
  more: Partial<ConnectionOptions> = {},
): Promise<Listener> => {
  const connections = new Set<MqttConnection>()
  const sockets = new Set<net.Socket>()
  const log: string[] = []
  let next = 0
  const server = net.createServer({ noDelay: true }, socket => {
    const connection = createMqttConnection({
      signIn: plainDoor(broker, { ann: 'secret' }),
      visitor: { remote: `${socket.remoteAddress}:${socket.remotePort}`, local: true, certified: null },
      output: {
        write: b => socket.write(b),
        end: () => void socket.end(),
        destroy: () => void socket.destroy(),
        pause: paused => void (paused ? socket.pause() : socket.resume()),
      },
      clock: realClock,
      limits: { ...defaultMqttLimits, ...limits },
      identity: { server: 'primary', epoch: () => 7, otherServer: 'other.example:1884' },
      mayServe: () => true,
      log: (level, line) => void log.push(`${level} ${line}`),
      convert: body => body,
      newClientId: () => `assigned-${++next}`,
      dropped: () => void listener.dropped++,
      ...more,
    })
    connections.add(connection)
    sockets.add(socket)
    socket.on('data', bytes => connection.receive(bytes))
    socket.on('drain', () => connection.drained())
    socket.on('error', () => {})
    socket.on('end', () => socket.end())
    socket.on('close', () => {
      connections.delete(connection)
      sockets.delete(socket)
      connection.closed()
    })
  })
  await new Promise<void>(done => server.listen(0, '127.0.0.1', done))
  const listener: Listener = {
    port: (server.address() as AddressInfo).port,
    connections,
    log,
    dropped: 0,
    close: () =>
      new Promise(done => {
        server.close(() => done())
        for (const socket of sockets) socket.destroy()
      }),
  }
  return listener
}
