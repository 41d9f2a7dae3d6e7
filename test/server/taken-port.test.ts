// A client port that another program has: a server says so when it starts, and not when it is to take over.

import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { Drill } from '../support/drill.ts'

describe('a client port that is taken', function () {
  this.timeout(60_000)
  let drill: Drill

  before(async () => {
    drill = await Drill.make()
  })
  after(() => drill?.end())

  for (const protocol of ['amqp', 'mqtt'] as const)
    it(`${protocol}: the server does not start, and touches no lock`, async () => {
      const port = drill[protocol].secondary
      const taken = createServer()
      await new Promise<void>(resolve => taken.listen(port, '127.0.0.1', resolve))
      const server = drill.start('secondary')
      const code = await server.exit
      await new Promise(resolve => taken.close(resolve))
      assert.equal(code, 1)
      assert.match(server.log, new RegExp(`SERVER-PORT-IN-USE: The ${protocol.toUpperCase()} port 127.0.0.1:${port} `))
      assert.match(server.log, new RegExp(`listeners\\.${protocol}\\.port`))
      assert.doesNotMatch(server.log, /CRASHED/)
      assert.equal(existsSync(join(drill.folder, 'share', 'LockFile.lock')), false)
    })
})
