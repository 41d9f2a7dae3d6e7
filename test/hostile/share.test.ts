// The share that turns read-only, full or hangs: a coded error on the console, the client of the active server does not
// notice, and a stop does not wait for it. The share is a small tmpfs, so that it can be filled; read-only is a bind
// mount; hanging is a FUSE file system whose process is stopped. Without the rights or the tools these are skipped.
import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Label, monotonic, other } from '../support/drill.ts'
import {
  die,
  endAlso,
  eventually,
  hasRole,
  likeness,
  lockstep,
  pause,
  relink,
  Served,
  startAlso,
  system,
} from './ground.ts'
import { skip, story } from './lanes.ts'
import { patient } from '../support/patience.ts'

const canMount = process.platform === 'linux' && process.getuid?.() === 0
const hasFuse = system('bindfs', '--version') && system('test', '-e', '/dev/fuse')

story('a share that fails a running pair', lane => {
  let served: Served
  let share: string
  const mounts: string[] = []
  const fuse: ChildProcess[] = []

  const mounted = (folder: string, ...args: string[]): string => {
    mkdirSync(folder, { recursive: true })
    assert.ok(system('mount', ...args, folder), `mount ${args.join(' ')} ${folder}`)
    mounts.push(folder)
    return folder
  }

  lane.before = async () => {
    if (!canMount) skip('only root on Linux may mount what these need')
    served = await Served.start({}, drill => {
      share = mounted(join(drill.folder, 'share'), '-t', 'tmpfs', '-o', 'size=256k,mode=0755', 'none')
    })
  }
  lane.after = async () => {
    fuse[0]?.kill('SIGCONT')
    await served?.client.end()
    if (served) await endAlso(served.drill)
    // Whoever stands in a mount keeps it: first the servers, then the mounts, then the folder.
    for (const server of served?.drill.servers.values() ?? []) if (server.running) await die(server)
    for (const folder of mounts.reverse()) system('umount', '-l', folder)
    await served?.drill.end()
  }
  lane.afterEach = failed => {
    if (failed) console.log(served.drill.logs().split('\n').slice(-60).join('\n'))
  }

  lane.step(
    'read-only for the active server: said with its code, told when it is over; not started on one',
    async () => {
      const { drill, active } = served
      const readOnly = mounted(join(drill.folder, 'read-only'), '--bind', share)
      assert.ok(system('mount', '-o', 'remount,bind,ro', readOnly))
      const server = drill.server(active)
      const from = server.lines.length
      await served.unhurt(async () => {
        relink(drill, active, readOnly)
        await server.line('LOCK-READ-ONLY', from)
        await server.line('Lost lock on:', from)
        // Within two leases: later it hands over to its peer, which reaches the share.
        relink(drill, active, share)
        await server.line('works again', from)
        await server.line('Successfully acquired lock on:', from)
      })
      const folder = await likeness(drill, active, 'late', { lockFile: join(readOnly, 'LockFile') })
      const late = startAlso(active, folder)
      assert.equal(await late.exit, 1)
      assert.match(late.log, /READ-ONLY/)
    },
  )

  lane.step(
    'full: the lock is kept; a peer that is lost can not be recorded until there is room, and nothing is lost',
    async () => {
      const { drill, active, client } = served
      const server = drill.server(active)
      const ballast = join(share, 'ballast')
      const from = server.lines.length
      await served.unhurt(async () => {
        for (let size = 1 << 17; size >= 512; size >>= 1)
          try {
            for (let i = 0; ; i++) writeFileSync(`${ballast}-${size}-${i}`, Buffer.alloc(size))
          } catch {
            // full to within this size
          }
        await pause(1000)
      })
      await die(drill.server(other(active)))
      await server.line('LOCK-FULL', from)
      const stalled = await client.report()
      await pause(1000)
      const still = await client.report()
      assert.equal(
        still.acked,
        stalled.acked,
        'nothing is acknowledged that only this server has, before it is on record',
      )
      assert.equal((await drill.status(active))?.role, 'ACTIVE')
      for (const name of readdirSync(share)) if (name.startsWith('ballast')) rmSync(join(share, name))
      await hasRole(drill, active, 'STANDALONE')
      await client.progress(200)
      drill.start(other(active))
      await drill.settled()
    },
  )

  lane.step(
    'away for both: switchover and stop are refused, at once and later, and the client does not notice',
    async () => {
      const { drill, active } = served
      const labels = [active, other(active)] as const
      const refused = async () => {
        const { status, text } = await drill.post(active, '/switchover')
        assert.equal(status, 409)
        assert.match(text, /HA-HANDOVER-REFUSED/)
        for (const label of labels) {
          const { code, out } = await lockstep('stop', join(drill.folder, label))
          assert.notEqual(code, 0)
          assert.match(out, /HA-STOP-UNCOVERED/)
        }
      }
      await served.unhurt(async () => {
        for (const label of labels) relink(drill, label, join(drill.folder, 'nowhere'))
        assert.equal((await drill.post(active, '/switchover')).status, 409)
        // Not by lines of the console: of a share that fails again and again it says less and less.
        const lockOf = async (label: Label) =>
          (await drill.status(label))?.lock as { held: boolean; fault: string | null } | undefined
        await eventually('the lock is lost', async () => (await lockOf(active))?.held === false)
        await refused()
        for (const label of labels) relink(drill, label, share)
        for (const label of labels) await eventually('it answers', async () => (await lockOf(label))?.fault === null)
        await eventually('the lock is back', async () => (await lockOf(active))?.held === true)
      })
      assert.equal((await drill.post(active, '/switchover')).status, 200)
      served.follow(await drill.settled())
      await served.client.progress(200)
    },
  )

  lane.step(
    'hanging for the active server: said, not noticed by the client; a stop hands over and does not hang',
    async () => {
      if (!hasFuse) skip('bindfs or /dev/fuse is missing')
      const { drill, active } = served
      const hanging = join(drill.folder, 'hanging')
      mkdirSync(hanging)
      fuse[0] = spawn('bindfs', ['-f', '--no-allow-other', share, hanging], { stdio: 'ignore' })
      mounts.push(hanging)
      await eventually('bindfs shows the share', () => readdirSync(hanging).length > 0)
      const server = drill.server(active)
      let from = server.lines.length
      relink(drill, active, hanging)
      await pause(1000)
      assert.doesNotMatch(
        server.lines
          .slice(from)
          .map(line => line.text)
          .join('\n'),
        /LOCK-|Lost lock/,
      )
      await served.unhurt(async () => {
        fuse[0]?.kill('SIGSTOP')
        await server.line('LOCK-UNREACHABLE', from)
        await server.line('Lost lock on:', from)
        await pause(1000) // not so long that it hands over by itself
      })
      from = server.lines.length
      const began = monotonic()
      server.signal('keeper', 'SIGTERM')
      await server.exit
      assert.ok(monotonic() - began < patient(8000), `it took ${(monotonic() - began).toFixed(0)} ms to stop`)
      await server.line('SHARE-HANGS-AT-EXIT', from)
      await hasRole(drill, other(active), 'STANDALONE')
      await served.client.progress(200)
      fuse[0]?.kill('SIGCONT')
      relink(drill, active, share)
      drill.start(active)
      served.follow(await drill.settled())
    },
  )

  lane.step('lost nothing', () => served.nothingLost())
})
