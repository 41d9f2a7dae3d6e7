// A run of tests that is ended from outside, by whatever signal, leaves no server behind, though its hooks do not run.

import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const DRILL = pathToFileURL(join(import.meta.dirname, '..', 'support', 'drill.ts')).href

const WITHIN_MS = 10_000
const isThere = (pid: number): boolean => existsSync(`/proc/${pid}`)

/** Starts a server, and tells where it is when its broker runs. */
const RUN = `
const { Drill } = await import('${DRILL}')
const drill = await Drill.make()
const server = drill.start('primary')
await server.line('switched to')
console.log(JSON.stringify({ folder: drill.folder, pids: [server.keeperPid, server.brokerPid] }))
`

describe('tests that are ended from outside', function () {
  this.timeout(60_000)
  before(function () {
    if (spawnSync('setpriv', ['--pdeathsig', 'KILL', 'true']).status !== 0) this.skip()
  })

  for (const signal of ['SIGTERM', 'SIGKILL'] as const)
    it(`${signal}: their servers end with them`, async () => {
      const run = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', RUN], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      const [said] = (await once(run.stdout, 'data')) as [Buffer]
      const { folder, pids } = JSON.parse(String(said)) as { folder: string; pids: number[] }
      try {
        assert.ok(pids.every(isThere))
        run.kill(signal)
        await once(run, 'exit')
        // They are nobody's children any more: nothing tells of their end.
        const until = performance.now() + WITHIN_MS
        while (pids.some(isThere) && performance.now() < until) await new Promise(resolve => setTimeout(resolve, 10))
        assert.deepEqual(pids.filter(isThere), [])
      } finally {
        for (const pid of pids) if (isThere(pid)) process.kill(pid, 'SIGKILL')
        rmSync(folder, { recursive: true, force: true })
      }
    })
})
