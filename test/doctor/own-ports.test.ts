// Whose the ports of a profile are, where they are in use: a server that does not serve has none for clients.

import assert from 'node:assert/strict'
import { createServer as createHttpServer } from 'node:http'
import { createServer, type Server, type Socket } from 'node:net'
import { judgeOwnPorts } from '../../src/server/doctor-host.ts'
import { loadProfile } from '../../src/server/profile-files.ts'
import { freePorts } from '../support/free-ports.ts'

describe('the doctor’s look at ports that are in use', () => {
  const open: Server[] = []
  const accepted: Socket[] = []
  const listen = async (server: Server, port: number): Promise<void> => {
    await new Promise<void>(resolve => server.listen(port, '127.0.0.1', resolve))
    server.on('connection', (socket: Socket) => accepted.push(socket))
    open.push(server)
  }
  afterEach(async () => {
    for (const socket of accepted.splice(0)) socket.destroy()
    for (const server of open.splice(0)) await new Promise(resolve => server.close(resolve))
  })

  for (const [serving, runs, expected] of [
    [true, true, ['ours', 'ours', 'ours', 'free']],
    [false, true, ['ours', 'ours', 'taken', 'free']],
    [false, false, ['taken', 'taken', 'taken', 'free']],
  ] as const)
    it(`of a server that ${runs ? (serving ? 'serves' : 'waits') : 'does not run'}`, async () => {
      const [ha, admin, amqp, mqtt] = (await freePorts(4)) as [number, number, number, number]
      const sets = { port: ha, rmiServerPort: admin, 'listeners.amqp.port': amqp, 'listeners.mqtt.port': mqtt }
      const profile = loadProfile(
        'profiles/haprofile1/primary/FES',
        Object.entries(sets).map(([key, value]) => `${key}=${value}`),
      )
      const status = { server: 'primary', serving, lock: { path: profile.lockFile } }
      await listen(runs ? createHttpServer((_, answer) => answer.end(JSON.stringify(status))) : createServer(), admin)
      await listen(createServer(), ha)
      await listen(createServer(), amqp)
      const judged = await judgeOwnPorts(profile, 500)
      assert.deepEqual(
        ['port', 'rmiServerPort', 'listeners.amqp.port', 'listeners.mqtt.port'].map(
          key => judged.find(one => one.key === key)?.state,
        ),
        expected,
      )
    })
})
