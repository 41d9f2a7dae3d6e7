// A stock client of another maker (Qpid Proton's Python client) against the engine and the broker: transactions as its
// library does them. Skipped where it is not installed (Debian: python3-qpid-proton).

import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { createBroker } from '../../../src/broker/broker.ts'
import { ArrayLog, limits } from '../../broker/ground.ts'
import { type Listener, listen, realClock } from './listener.ts'

const PYTHON = '/usr/bin/python3'
const PROGRAM = join(import.meta.dirname, 'proton/transactions.py')
const isThere = spawnSync(PYTHON, ['-c', 'import proton']).status === 0
const run = promisify(execFile)

describe('AMQP transactions with Qpid Proton', function () {
  this.timeout(60_000)
  let server: Listener

  afterEach(() => server.close())

  for (const early of ['0', '1']) {
    it(`send, roll back and move${early === '1' ? ', settled before the discharge' : ''}`, async function () {
      const log = new ArrayLog()
      const broker = createBroker({ log, clock: realClock, limits, say: () => {} })
      const append = log.append.bind(log)
      log.append = (...record) => {
        const sequence = append(...record)
        setImmediate(() => broker.committed(sequence))
        return sequence
      }
      broker.startServing()
      server = await listen(broker)
      if (!isThere) this.skip()
      const { stdout } = await run(PYTHON, [PROGRAM, `amqp://127.0.0.1:${server.port}`, '50', early])
      assert.equal(stdout, 'send: committed\nmove and roll back: rolled back\nmove: committed\n')
      const left = broker.status().queues.map(({ name, messages }) => [name, messages])
      assert.deepEqual(left, [['q', 0], ['p', 50]]) // prettier-ignore
    })
  }
})
